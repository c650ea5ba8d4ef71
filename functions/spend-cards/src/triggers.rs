//! What makes the cards be looked at: the schedule, the bill, claims, estimates, resolutions.
//!
//! Each delivery leads to the same plan, so a repeated, late or reordered one finds nothing left to do. Done: that, and
//! events that moved nothing. Retry: the store.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::events::Event;
use domain::base::ids::WorkloadId;
use domain::spend::card::{AdjustmentReason, SpendCard, Transfer};
use lambda::{Failure, Heard, Tick};
use store::Loaded;

use crate::App;
use crate::plan::{CardsRun, Occasion, Whose, bring_in_line};

/// On Mondays the cards of the periods that ended last week open; the same run each day makes up for what was missed.
pub(crate) async fn of_schedule(app: Arc<App>, tick: Tick) -> Result<CardsRun, Failure> {
    bring_in_line(&app, &Whose::Everybody, &Occasion::of(tick.cause, AdjustmentReason::Restated, [])).await
}

/// Consumes `ingestion.completed` and `spend.reattributed`.
pub(crate) async fn of_bill(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let (reason, month) = match heard.event {
        Event::SpendReattributed { billing_period } => (AdjustmentReason::Reattributed, billing_period),
        // Nothing moved: reading a bill of thousands of workloads to find that out again is left to the daily run.
        Event::IngestionCompleted { changed: false, .. } => return Ok(()),
        Event::IngestionCompleted { billing_period, .. } => (AdjustmentReason::Restated, billing_period),
        _ => return Err(heard.unexpected()),
    };
    let occasion = Occasion::of(heard.cause, reason, [month]);
    bring_in_line(&app, &Whose::Everybody, &occasion).await.map(drop)
}

/// Consumes `estimate.set`, `claim.made` and `claim.released`.
pub(crate) async fn of_workload(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let workload = match &heard.event {
        Event::EstimateSet { place, .. } => place.workload_id.clone(),
        Event::ClaimMade { claim } | Event::ClaimReleased { claim } => claim.place.workload_id.clone(),
        _ => return Err(heard.unexpected()),
    };
    let occasion = Occasion::of(heard.cause, AdjustmentReason::Reattributed, []);
    bring_in_line(&app, &Whose::Only(BTreeSet::from([workload])), &occasion).await.map(drop)
}

/// Consumes `card.resolved`: what was moved off the card shows on the cards of whoever answers for it now.
pub(crate) async fn of_resolution(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let Event::CardResolved { card, .. } = &heard.event else { return Err(heard.unexpected()) };
    let found: Option<Loaded<SpendCard>> = app.store.load(&card.card_id).await?;
    let month = found.as_ref().map(|found| found.value.period.month());
    let settled = found.and_then(|found| Transfer::of(&found.value));
    let target = settled.as_ref().and_then(|transfer| transfer.to.clone());
    let workloads: BTreeSet<WorkloadId> = target.into_iter().chain([card.place.workload_id.clone()]).collect();
    let occasion = Occasion { settled, ..Occasion::of(heard.cause, AdjustmentReason::Reattributed, month) };
    bring_in_line(&app, &Whose::Only(workloads), &occasion).await.map(drop)
}
