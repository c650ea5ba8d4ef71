//! Starting a run: by schedule, by a new manifest, by a Lead. The queries are submitted and the function ends.
//!
//! A query may end before its run is written, and its event find no run: so whoever wrote the run asks once how the
//! queries stand. After that the event finds it.

use std::sync::Arc;

use contract::events::Event;
use domain::authorization::{Action, Relations, authorize};
use domain::bill::doctor::{PRINCIPAL_COLUMN, VITAL_COLUMNS};
use domain::calendar::{Month, utc_day};
use domain::digest::Digest;
use domain::settings::Settings;
use lambda::{AwsEvent, Failure, Problem, Tick, Tried};
use serde::{Deserialize, Serialize};
use store::aggregates::run::{Manifest, Queries, Rules, Run, query_pointer};
use store::{Loaded, StoreError};

use crate::App;
use crate::athena::AthenaError;
use crate::cause::{Asked, Cause};
use crate::delivery::{Delivery, DeliveryError};
use crate::finish::{finish, settle_shown};
use crate::ingestions::{RunView, location};
use crate::query::{Portion, control_parameters, control_sql, facts_parameters, facts_sql, slices_sql};
use crate::run::{FailureKind, Start, attempted, decide_start, is_unsettled, refused, run_id};

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

/// Why a run could not be started or finished now. It may be later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IngestError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error(transparent)]
    Athena(#[from] AthenaError),
}

impl From<IngestError> for Failure {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Store(error) => error.into(),
            other => Self::Retry(other.to_string()),
        }
    }
}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Store(error) => error.into(),
            IngestError::Delivery(DeliveryError::Malformed { .. } | DeliveryError::Several { .. }) => {
                Self::new(409, "delivery-malformed", error.to_string())
            }
            other => {
                tracing::error!(error = %other, "a run could not be started");
                Self::unavailable()
            }
        }
    }
}

/// What became of a month.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Started {
    /// AWS has delivered nothing for it.
    NoDelivery,
    /// A newer delivery is shown than the one in the bucket.
    Older,
    /// There is nothing to do.
    AlreadyDone(Loaded<Run>),
    /// A run was begun, or failed before it could be.
    Begun(Run),
}

/// What a tick or a manifest came to, for the log.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    billing_period: Month,
    outcome: &'static str,
    run: Option<Run>,
}

/// Reads the current and the previous month. Older months are read when somebody asks.
///
/// Retry: S3, Athena or the table does not answer, after both months were tried; a repetition submits the same queries.
pub(crate) async fn on_schedule(app: Arc<App>, tick: Tick) -> Result<Vec<Summary>, Failure> {
    authorize(&tick.actor, Action::IngestSpend, Relations::NONE, "").map_err(|r| Failure::Poison(r.to_string()))?;
    let cause = Cause::of_tick(&tick);
    let current = Month::of(utc_day(tick.now));
    let (mut summaries, mut tried) = (Vec::new(), Tried::default());
    for month in [current.previous(), current] {
        let started = tried.note(start(&app, month, &cause).await.map_err(Failure::from));
        summaries.extend(started.map(|started| summary_of(month, started)));
    }
    tried.outcome().map(|()| summaries)
}

/// S3's "Object Created".
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ObjectCreated {
    bucket: Named,
    object: Keyed,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Keyed {
    key: String,
}

/// Reads the month whose manifest arrived: whichever manifest is the newest by now.
///
/// Done: an object that is no manifest of the export. Retry: as for the schedule.
pub(crate) async fn on_manifest(app: Arc<App>, event: AwsEvent<ObjectCreated>) -> Result<Option<Summary>, Failure> {
    let ObjectCreated { bucket, object } = &event.detail;
    let Some(month) = app.bucket.month_of_manifest(&bucket.name, &object.key) else { return Ok(None) };
    let started = start(&app, month, &Cause::of_aws_event(&event)).await?;
    Ok(Some(summary_of(month, started)))
}

fn summary_of(month: Month, started: Started) -> Summary {
    let (outcome, run) = match started {
        Started::NoDelivery => ("no-delivery", None),
        Started::Older => ("older-delivery", None),
        Started::AlreadyDone(run) => ("already-done", Some(run.value)),
        Started::Begun(run) => ("begun", Some(run)),
    };
    Summary { billing_period: month, outcome, run }
}

/// Begins the run of a month's current delivery, if there is anything to do.
pub(crate) async fn start(app: &App, month: Month, cause: &Cause) -> Result<Started, IngestError> {
    let head = app.spend.head(month).await?;
    if let Some(head) = &head {
        // What is shown is settled first: if this reading fails, nothing else would.
        let shown: Option<Loaded<Run>> = app.store.load(head.run_id.as_str()).await?;
        if let Some(run) = shown.filter(|run| is_unsettled(&run.value, head)) {
            settle_shown(app, &run.value, &cause.as_job()).await?;
        }
    }
    let Some(delivery) = app.bucket.find(month).await? else { return Ok(Started::NoDelivery) };
    let (settings, rules) = rules_in_force(app).await?;
    let existing: Option<Loaded<Run>> = app.store.load(run_id(month, &delivery.manifest).as_str()).await?;
    let known = existing.as_ref().map(|run| &run.value);
    let attempt = match (decide_start(known, head.as_ref(), &delivery, &rules, &cause.asked), existing.clone()) {
        (Start::Older, _) => return Ok(Started::Older),
        (Start::AlreadyDone, Some(run)) => return Ok(Started::AlreadyDone(run)),
        (Start::AlreadyDone, None) => 1,
        (Start::Attempt(attempt), _) => attempt,
    };
    let run = match submit(app, month, &delivery, &settings, attempt).await? {
        Ok(queries) => attempted(month, &delivery.manifest, rules, attempt, queries, cause.now),
        Err(failure) => refused(month, &delivery.manifest, rules, attempt, failure, cause.now),
    };
    // What it found last stays, for as long as that is shown.
    let data_files = Some(delivery.data_files.clone());
    let run = Run { result: known.and_then(|known| known.result.clone()), data_files, ..run };
    write(app, existing.as_ref(), &run, cause).await?;
    if run.queries.is_none() {
        tracing::error!(run.id = %run.id, why = ?run.failure, "the bill cannot be read");
        return Ok(Started::Begun(run));
    }
    tracing::info!(run.id = %run.id, run.attempt = run.attempt, "a delivery of the bill is being read");
    // Boxed: finishing may find a newer delivery, and start that.
    Box::pin(finish(app, &run.id, &cause.as_job())).await?;
    let current: Option<Loaded<Run>> = app.store.load(run.id.as_str()).await?;
    Ok(Started::Begun(current.map_or(run, |loaded| loaded.value)))
}

/// What rows are read by, as of now.
pub(crate) async fn rules_in_force(app: &App) -> Result<(Settings, Rules), StoreError> {
    let (settings, settings_version) = app.store.settings_in_force().await?;
    Ok((settings, Rules { settings_version, aliases_version: app.aliases.version().to_owned() }))
}

/// Submits both queries, or says why that makes no sense.
async fn submit(
    app: &App,
    month: Month,
    delivery: &Delivery,
    settings: &Settings,
    attempt: u32,
) -> Result<Result<Queries, store::aggregates::run::Failure>, IngestError> {
    if !delivery.unfit_files.is_empty() {
        return Ok(Err(FailureKind::FilesMissing.because(files_missing(month, delivery))));
    }
    let lacking = app.bucket.lacks(delivery, &COLUMNS_NEEDED).await?;
    if !lacking.is_empty() {
        return Ok(Err(FailureKind::ExportMisconfigured.because(columns_missing(month, &lacking))));
    }
    let portion = Portion { month, execution: delivery.execution.clone() };
    let bill = &settings.bill;
    let sql = match facts_sql(&portion, &bill.workspace_tag_key) {
        Ok(sql) => sql,
        Err(error) => return Ok(Err(FailureKind::SettingsUnusable.because(error.to_string()))),
    };
    let of = (&delivery.manifest, month, attempt);
    let facts = submit_query(app, &sql, facts_parameters(&portion, bill), of).await?;
    let control = submit_query(app, &control_sql(&portion), control_parameters(&portion, bill), of).await?;
    Ok(Ok(Queries { facts, control, slices: None }))
}

fn files_missing(month: Month, delivery: &Delivery) -> String {
    let unfit = delivery.unfit_files.iter().take(FILES_NAMED_MAX).map(|(file, flaw)| format!("`{file}` {flaw}"));
    let named = unfit.collect::<Vec<_>>().join(", ");
    let count = delivery.unfit_files.len();
    format!(
        "{count} data files that the manifest of {month} lists are not in the bucket whole: {named}; copy the delivery again"
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

/// Writes the attempt, and how its queries lead to it. Of two that start at once one writes; the other finds it.
async fn write(app: &App, before: Option<&Loaded<Run>>, run: &Run, cause: &Cause) -> Result<(), IngestError> {
    let (run_id, billing_period) = (run.id.clone(), run.billing_period);
    let event = match &run.failure {
        None => Event::IngestionStarted { run_id, billing_period },
        Some(failure) => Event::IngestionFailed { run_id, billing_period, why: failure.detail.clone() },
    };
    let mut tx = cause.transaction();
    tx.save(before, run, &event);
    for query in run.queries.iter().flat_map(|queries| [&queries.facts, &queries.control]) {
        tx.point(&query_pointer(query), None, run.id.as_str());
    }
    if let Asked::ByPerson(key) = &cause.asked {
        let version = before.map_or(1, |loaded| loaded.version + 1);
        let answer = serde_json::to_value(RunView::of(run, version)).unwrap_or_default();
        tx.remember(key.as_ref(), 202, &answer, Some(&location(run)));
    }
    match app.store.commit(tx).await {
        Ok(()) => Ok(()),
        // Somebody else began the very same attempt: its queries are these.
        Err(StoreError::AlreadyExists(_) | StoreError::VersionMoved(_) | StoreError::PointerMoved(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
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
