//! Ingestion runs as people see them, and a Lead's order to read a month.

use std::sync::Arc;

use domain::bill::reconciliation::{SpendTotals, Unreadable};
use domain::calendar::Month;
use domain::ids::RunId;
use domain::money::{Currency, Money};
use domain::outcome::{Refusal, RefusalKind};
use jiff::Timestamp;
use lambda::{Answer, Call, Page, Problem, list_page};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::aggregates::run::{Failure, Manifest, Queries, Run, RunState, runs_in, runs_of};
use store::{Index, Loaded, Order};

use crate::App;
use crate::cause::Cause;
use crate::start::Started;

/// Which month is to be read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Wanted {
    billing_period: Month,
}

/// A run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunView {
    id: RunId,
    version: u64,
    billing_period: Month,
    state: RunState,
    /// Which attempt at this delivery this is.
    attempt: u32,
    manifest: Manifest,
    /// When AWS delivered it.
    as_of: Timestamp,
    submitted_at: Timestamp,
    ended_at: Option<Timestamp>,
    queries: Option<Queries>,
    settings_version: u64,
    aliases_version: String,
    /// Why it failed; the last good figures stay.
    failure: Option<Failure>,
    /// Whether any figure moved.
    changed: Option<bool>,
    /// Groups of rows that Athena answered.
    groups: Option<u64>,
    /// One entry per currency of the bill; empty until it has completed.
    totals: Vec<TotalsView>,
}

/// Where every dollar went: `attributed + gap + excluded = cur`, exactly.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TotalsView {
    /// Everything that matches the AI terms.
    cur: Money,
    /// What a workload answers for.
    attributed: Money,
    /// What nobody answers for.
    gap: Money,
    /// What is not usage: credits, refunds, tax …
    excluded: Money,
    /// The rest of the bill, as far as it can be read.
    non_ai: Money,
    /// Rows whose numbers cannot be read and are in none of these.
    unreadable: Unreadable,
}

impl TotalsView {
    pub(crate) fn of(currency: &Currency, totals: &SpendTotals) -> Self {
        let money = |amount: Decimal| Money { amount: amount.normalize(), currency: currency.clone() };
        Self {
            cur: money(totals.cur),
            attributed: money(totals.attributed),
            gap: money(totals.gap),
            excluded: money(totals.excluded),
            non_ai: money(totals.non_ai),
            unreadable: totals.unreadable,
        }
    }
}

impl RunView {
    pub(crate) fn of(run: &Run, version: u64) -> Self {
        let run = run.clone();
        let result = run.result.filter(|_| run.state == RunState::Completed);
        let totals = result.iter().flat_map(|r| &r.totals).map(|(currency, t)| TotalsView::of(currency, t)).collect();
        Self {
            id: run.id,
            version,
            billing_period: run.billing_period,
            state: run.state,
            attempt: run.attempt,
            as_of: run.manifest.delivered_at,
            manifest: run.manifest,
            submitted_at: run.submitted_at,
            ended_at: run.ended_at,
            queries: run.queries,
            settings_version: run.rules.settings_version,
            aliases_version: run.rules.aliases_version,
            failure: run.failure,
            changed: result.as_ref().map(|r| r.changed),
            groups: result.as_ref().map(|r| r.groups),
            totals,
        }
    }
}

/// Where a run is found.
pub(crate) fn location(run: &Run) -> String {
    format!("/v1/ingestions/{}", run.id)
}

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<RunView>>, Problem> {
    let (index, partitions) = match call.query.maybe::<Month>("billingPeriod")? {
        Some(month) => (Index::Parent, vec![runs_of(month)]),
        None => (Index::List, runs_in(None)),
    };
    let asked = call.page()?;
    let page = list_page(&app.store, index, &partitions, Order::Descending, &asked, |entry| {
        Ok(Some(RunView::of(&entry.read()?, entry.version()?)))
    });
    Ok(Answer::ok(page.await?))
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<RunView>, Problem> {
    let id: RunId = call.path.parse("id")?;
    let found: Loaded<Run> = app.store.load(id.as_str()).await?.ok_or_else(Problem::not_found)?;
    Ok(Answer::ok(RunView::of(&found.value, found.version)).versioned(found.version))
}

/// Begins a run, or answers with the one that is there: its state says which.
pub(crate) async fn start(app: Arc<App>, call: Call<Wanted>) -> Result<Answer<RunView>, Problem> {
    let month = call.body.billing_period;
    let not_ready = |detail: String| Problem::from(Refusal::new(RefusalKind::PeriodNotReady, detail));
    let run = match crate::start::start(&app, month, &Cause::of_call(&call)).await? {
        Started::NoDelivery => return Err(not_ready(format!("there is no delivery of {month} in the bucket yet"))),
        Started::Older => {
            return Err(not_ready(format!(
                "the delivery of {month} in the bucket is older than the one that is shown"
            )));
        }
        Started::AlreadyDone(run) => run,
        Started::Begun(run) => app.store.load(run.id.as_str()).await?.ok_or_else(Problem::not_found)?,
    };
    Ok(Answer::accepted(location(&run.value), RunView::of(&run.value, run.version)))
}
