//! What makes the cards be looked at: the schedule, the bill, claims, estimates, resolutions.
//!
//! Each delivery leads to the same plan, so a repeated, late or reordered one finds nothing left to do. Done: that, and
//! events that moved nothing. Retry: the store. Poison: an event of another shape.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::events::Event as Happened;
use domain::base::audit::AuditEvent;
use domain::base::calendar::Month;
use domain::base::ids::WorkloadId;
use domain::spend::card::{AdjustmentReason, SpendCard, Transfer};
use lambda::{Event, Failure, Tick};
use store::Loaded;

use crate::App;
use crate::plan::{CardsRun, Cause, Whose, bring_in_line};

/// On Mondays the cards of the periods that ended last week open; the same run each day makes up for what was missed.
pub(crate) async fn of_schedule(app: Arc<App>, tick: Tick) -> Result<CardsRun, Failure> {
    let Tick { actor, now, request_id, .. } = tick;
    let cause =
        Cause { actor, now, request_id, reason: AdjustmentReason::Restated, months: BTreeSet::new(), settled: None };
    bring_in_line(&app, &Whose::Everybody, &cause).await
}

/// Consumes `ingestion.completed` and `spend.reattributed`.
pub(crate) async fn of_bill(app: Arc<App>, event: Event<AuditEvent>) -> Result<(), Failure> {
    let (reason, month) = match read(&event)? {
        Happened::SpendReattributed { billing_period } => (AdjustmentReason::Reattributed, billing_period),
        // Nothing moved: reading a bill of thousands of workloads to find that out again is left to the daily run.
        Happened::IngestionCompleted { changed: false, .. } => return Ok(()),
        Happened::IngestionCompleted { billing_period, .. } => (AdjustmentReason::Restated, billing_period),
        _ => return Ok(()),
    };
    bring_in_line(&app, &Whose::Everybody, &cause(event, reason, Some(month))).await.map(|_| ())
}

/// Consumes `estimate.set`, `claim.made` and `claim.released`.
pub(crate) async fn of_workload(app: Arc<App>, event: Event<AuditEvent>) -> Result<(), Failure> {
    let workload = match read(&event)? {
        Happened::EstimateSet { place, .. } => place.workload_id,
        Happened::ClaimMade { claim } | Happened::ClaimReleased { claim } => claim.place.workload_id,
        _ => return Ok(()),
    };
    let whose = Whose::Only(BTreeSet::from([workload]));
    bring_in_line(&app, &whose, &cause(event, AdjustmentReason::Reattributed, None)).await.map(|_| ())
}

/// Consumes `card.resolved`: what was moved off the card shows on the cards of whoever answers for it now.
pub(crate) async fn of_resolution(app: Arc<App>, event: Event<AuditEvent>) -> Result<(), Failure> {
    let Happened::CardResolved { card, .. } = read(&event)? else { return Ok(()) };
    let found: Option<Loaded<SpendCard>> = app.store.load(card.card_id.as_str()).await?;
    let month = found.as_ref().map(|found| found.value.period.month());
    let settled = found.and_then(|found| Transfer::of(&found.value));
    let target = settled.as_ref().and_then(|transfer| transfer.to.clone());
    let workloads: BTreeSet<WorkloadId> = target.into_iter().chain([card.place.workload_id]).collect();
    let cause = Cause { settled, ..cause(event, AdjustmentReason::Reattributed, month) };
    bring_in_line(&app, &Whose::Only(workloads), &cause).await.map(|_| ())
}

fn read(event: &Event<AuditEvent>) -> Result<Happened, Failure> {
    Happened::of(&event.envelope).map_err(|error| Failure::Poison(error.to_string()))
}

fn cause(event: Event<AuditEvent>, reason: AdjustmentReason, month: Option<Month>) -> Cause {
    let Event { actor, now, request_id, .. } = event;
    Cause { actor, now, request_id, reason, months: month.into_iter().collect(), settled: None }
}
