//! Submitting the queries of a run, with the rules that its rows are read by.

use domain::base::calendar::Month;
use domain::base::digest::Digest;
use domain::settings::Settings;
use domain::spend::bill::doctor::{PRINCIPAL_COLUMN, VITAL_COLUMNS};
use domain::spend::bill::run::{Failure, FailureKind, Manifest, Queries, Rules, Run};
use store::StoreError;

use crate::App;
use crate::athena::AthenaError;
use crate::delivery::Delivery;
use crate::error::IngestError;
use crate::query::{Portion, control_parameters, control_sql, facts_parameters, facts_sql, slices_sql};

/// Files that a failure names.
const FILES_NAMED_MAX: usize = 5;

/// Columns without which a delivery is refused. The callers' column is there in exports made with
/// `INCLUDE_IAM_PRINCIPAL_DATA=TRUE`.
const COLUMNS_NEEDED: [&str; 1 + VITAL_COLUMNS.len()] = {
    let mut needed = [PRINCIPAL_COLUMN; 1 + VITAL_COLUMNS.len()];
    let (_, vital) = needed.split_at_mut(1);
    vital.copy_from_slice(&VITAL_COLUMNS);
    needed
};

/// What rows are read by, as of now.
pub(crate) async fn rules_in_force(app: &App) -> Result<(Settings, Rules), StoreError> {
    let (settings, settings_version) = app.store.settings_in_force().await?;
    Ok((settings, Rules { settings_version, aliases_version: app.aliases.version().to_owned() }))
}

/// What became of submitting.
pub(crate) enum Submitted {
    /// Athena reads.
    Asked(Queries),
    /// It makes no sense to ask: nothing that could be read would be right.
    Refused(Failure),
}

/// Submits both queries, or says why that makes no sense.
pub(crate) async fn submit(
    app: &App,
    month: Month,
    delivery: &Delivery,
    settings: &Settings,
    attempt: u32,
) -> Result<Submitted, IngestError> {
    if !delivery.unfit_files.is_empty() {
        return Ok(Submitted::Refused(FailureKind::FilesMissing.because(files_missing(month, delivery))));
    }
    let lacking = app.bucket.lacks(delivery, &COLUMNS_NEEDED).await?;
    if !lacking.is_empty() {
        return Ok(Submitted::Refused(FailureKind::ExportMisconfigured.because(columns_missing(month, &lacking))));
    }
    let portion = Portion { month, execution: delivery.execution.clone() };
    let bill = &settings.bill;
    let sql = match facts_sql(&portion, &bill.workspace_tag_key) {
        Ok(sql) => sql,
        Err(error) => return Ok(Submitted::Refused(FailureKind::SettingsUnusable.because(error.to_string()))),
    };
    let of = (&delivery.manifest, month, attempt);
    let facts = submit_query(app, &sql, facts_parameters(&portion, bill), of).await?;
    let control = submit_query(app, &control_sql(&portion), control_parameters(&portion, bill), of).await?;
    Ok(Submitted::Asked(Queries { facts, control, slices: None }))
}

fn files_missing(month: Month, delivery: &Delivery) -> String {
    let unfit = delivery.unfit_files.iter().take(FILES_NAMED_MAX).map(|(file, flaw)| format!("`{file}` {flaw}"));
    let named = unfit.collect::<Vec<_>>().join(", ");
    let count = delivery.unfit_files.len();
    format!(
        "{count} data files that the manifest of {month} lists are not in the bucket whole: {named}; copy the \
         delivery again"
    )
}

fn columns_missing(month: Month, lacking: &[&str]) -> String {
    let named = lacking.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
    let next = if lacking.contains(&PRINCIPAL_COLUMN) {
        "create an export with INCLUDE_IAM_PRINCIPAL_DATA=TRUE and these columns"
    } else {
        "create an export whose query selects them under AWS's own names"
    };
    format!("the export of {month} has no column {named}; {next}")
}

/// Submits the query by slices of a run whose other two do not agree.
pub(crate) async fn submit_slices(
    app: &App,
    run: &Run,
    delivery: &Delivery,
    settings: &Settings,
) -> Result<String, IngestError> {
    let month = run.billing_period;
    let portion = Portion { month, execution: delivery.execution.clone() };
    let of = (&delivery.manifest, month, run.attempt);
    Ok(submit_query(app, &slices_sql(&portion), facts_parameters(&portion, &settings.bill), of).await?)
}

async fn submit_query(
    app: &App,
    sql: &str,
    parameters: Vec<String>,
    (manifest, month, attempt): (&Manifest, Month, u32),
) -> Result<String, AthenaError> {
    let token = token_of(sql, &parameters, manifest, month, attempt);
    app.athena.submit(sql, parameters, &token).await
}

/// The same query of the same attempt has the same token, so that a repetition is the same query and a retry a new one.
fn token_of(sql: &str, parameters: &[String], manifest: &Manifest, month: Month, attempt: u32) -> String {
    Digest::of(&(sql, parameters, &manifest.id, month, attempt)).hex().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_has_another_token_of_a_length_that_athena_takes() -> anyhow::Result<()> {
        let manifest = Manifest { id: "m".to_owned(), key: None, delivered_at: "2026-08-24T00:00:00Z".parse()? };
        let token = |attempt| token_of("SELECT", &[], &manifest, Month::of(jiff::civil::date(2026, 8, 1)), attempt);
        assert_eq!(token(1), token(1));
        assert_ne!(token(1), token(2));
        assert!((32..=128).contains(&token(1).len()));
        Ok(())
    }
}
