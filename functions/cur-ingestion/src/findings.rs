//! What is wrong with the bill as it is delivered, asked on AWS: reads of the bucket, the table and Athena what
//! `domain::spend::bill::doctor` judges.
//!
//! The rows are asked by a query of their own. Its token follows from the delivery and the day, so asking again is
//! the same query: the first answer may say that the rows are still being asked, and nothing here waits or is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::base::calendar::{Month, utc_day};
use domain::base::digest::Digest;
use domain::spend::bill::doctor::{Census, CensusRow, Examined, Finding, examine};
use domain::spend::bill::reconciliation::Unreadable;
use domain::spend::bill::settings::BillSettings;
use domain::spend::bill::step::QueryState;
use jiff::Timestamp;
use lambda::{Answer, Call, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use store::spend::Head;

use crate::App;
use crate::delivery::Delivery;
use crate::error::IngestError;
use crate::query::{CENSUS_COLUMNS, COLUMNS_READ, MalformedTagKey, Portion, census_parameters, census_sql};
use crate::row::Row;

/// What is wrong with the bill as it is delivered.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FindingsView {
    /// When it was judged.
    as_of: Timestamp,
    /// The rows of these months are still being asked: ask again in a minute.
    asking: Vec<Month>,
    /// The worst first.
    findings: Vec<Finding>,
}

/// What became of asking for the rows.
enum Rows {
    Asking,
    Failed(String),
    Counted(Census),
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<FindingsView>, Problem> {
    let (settings, _) = app.store.settings_in_force().await?;
    let current = Month::of(utc_day(call.now));
    let (mut months, mut asking) = (Vec::new(), Vec::new());
    for month in [current.previous(), current] {
        let Some(delivery) = app.bucket.find(month).await.map_err(IngestError::from)? else { continue };
        let mut examined = Examined {
            month,
            delivered_at: Some(delivery.manifest.delivered_at),
            columns: delivery.columns().cloned().collect(),
            unreadable_files: delivery
                .unfit_files
                .iter()
                .map(|(file, flaw)| (file.clone(), format!("it {flaw}")))
                .collect(),
            differing_files: BTreeMap::new(),
            census: None,
        };
        match ask(&app, month, &delivery, &settings.bill, call.now).await? {
            Rows::Asking => asking.push(month),
            Rows::Failed(why) => drop(examined.unreadable_files.insert("the delivery".to_owned(), why)),
            Rows::Counted(census) => examined.census = with_totals(census, app.spend.head(month).await?.as_ref()),
        }
        months.push(examined);
    }
    let findings = examine(&months, &settings.bill, &COLUMNS_READ, call.now);
    Ok(Answer::ok(FindingsView { as_of: call.now, asking, findings }))
}

async fn ask(
    app: &App,
    month: Month,
    delivery: &Delivery,
    bill: &BillSettings,
    now: Timestamp,
) -> Result<Rows, Problem> {
    let portion = Portion { month, execution: delivery.execution.clone() };
    let sql = match census_sql(&portion, &bill.workspace_tag_key) {
        Ok(sql) => sql,
        Err(error @ MalformedTagKey(_)) => return Ok(Rows::Failed(error.to_string())),
    };
    let parameters = census_parameters(&portion, bill);
    // The day is part of it, so that a query that failed is asked anew on the next.
    let token = Digest::of(&(&sql, &parameters, &delivery.manifest.id, utc_day(now)));
    let query = app.athena.submit(&sql, parameters, token.hex()).await.map_err(IngestError::from)?;
    match app.athena.state_of(&query).await.map_err(IngestError::from)? {
        QueryState::Running => Ok(Rows::Asking),
        QueryState::Failed(why) => Ok(Rows::Failed(why)),
        QueryState::Succeeded => {
            let (mut census, mut failed) = (Census::default(), None);
            let mut count = |row: &Row| match CensusRow::parse(row) {
                Ok(row) => census.count(&row, bill),
                Err(error) => failed = Some(error.to_string()),
            };
            app.athena.rows(&query, &CENSUS_COLUMNS, &mut count).await.map_err(IngestError::from)?;
            Ok(failed.map_or(Rows::Counted(census), Rows::Failed))
        }
    }
}

/// The census with the totals of the last complete reading; without one, what it counted itself, if anything.
fn with_totals(mut census: Census, head: Option<&Head>) -> Option<Census> {
    let known = census.lookalikes.iter().map(|look| look.rows).sum::<u64>();
    match head {
        Some(head) => {
            census.all_rows = head.control.values().map(|total| total.all_rows).sum();
            census.ai_rows = head.control.values().map(|total| total.ai_rows).sum();
            let unreadable = Unreadable::of(&head.control);
            (census.unreadable_costs, census.unreadable_amounts) = (unreadable.non_ai_costs, unreadable.amounts);
            census.last_usage_day = head.control.values().filter_map(|total| total.last_day).max();
        }
        None => {
            census.ai_rows = census.bedrock_rows + census.claude_rows;
            census.all_rows = census.ai_rows + known;
        }
    }
    (census.all_rows > 0).then_some(census)
}
