//! Ingestion runs as people see them.

use domain::base::calendar::Month;
use domain::base::ids::RunId;
use domain::base::money::{Currency, Money};
use domain::spend::bill::reconciliation::{SpendTotals, Unreadable};
use domain::spend::bill::run::{Failure, Manifest, Queries, Run, RunState};
use jiff::Timestamp;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;

/// A run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
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
pub struct TotalsView {
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
    /// As the run has them.
    #[must_use]
    pub fn of(currency: &Currency, totals: &SpendTotals) -> Self {
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
    /// The run in this version.
    #[must_use]
    pub fn of(run: &Run, version: u64) -> Self {
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
#[must_use]
pub fn location(run: &Run) -> String {
    format!("/v1/ingestions/{}", run.id)
}
