//! Brings cards in line with what is known: opens, regenerates, adjusts, marks final.
//!
//! What is to be done is planned by `domain::card::plan_cards` from cards that were read consistently, and written one card
//! at a time, each in its own transaction; then it is planned again, until nothing is left. A run that dies is completed
//! by the next one, and a run that finds nothing to do writes nothing.

use std::collections::BTreeSet;

use contract::events::Event;
use domain::authorization::{Action, Relations, authorize};
use domain::calendar::{Month, utc_day};
use domain::card::{
    AdjustmentReason, CardChange, CardKind, CardState, SpendCard, Transfer, WorkloadInputs, plan_cards,
};
use domain::ids::WorkloadId;
use domain::people::Actor;
use domain::space::Workload;
use jiff::Timestamp;
use lambda::Failure;
use schemars::JsonSchema;
use serde::Serialize;
use store::aggregates::estimate::versions;
use store::{Loaded, Step, StoreError, Transaction};

use crate::App;
use crate::access::card_ref;
use crate::bill::{Bill, Claims};

/// Changes that one run makes to one workload's cards: two months have at most twelve periods, each with an adjustment,
/// and an older one or two may be at hand beside them.
const CHANGES_PER_WORKLOAD_MAX: usize = 100;

/// Why cards are looked at, and by whom.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    pub(crate) actor: Actor,
    pub(crate) now: Timestamp,
    pub(crate) request_id: String,
    pub(crate) reason: AdjustmentReason,
    /// The months that it is about, however old.
    pub(crate) months: BTreeSet<Month>,
    /// What a dispute that was settled a moment ago moves, should the list of those not show it yet.
    pub(crate) settled: Option<Transfer>,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CardsRun {
    opened: u32,
    regenerated: u32,
    marked_final: u32,
}

impl CardsRun {
    const fn count(&mut self, change: &CardChange) {
        match change {
            CardChange::Opened(_) => self.opened += 1,
            CardChange::Regenerated(_) => self.regenerated += 1,
            CardChange::MarkedFinal(_) => self.marked_final += 1,
        }
    }
}

/// Whose cards a run looks at.
#[derive(Debug, Clone)]
pub(crate) enum Whose {
    /// Everybody's.
    Everybody,
    /// Those of these workloads.
    Only(BTreeSet<WorkloadId>),
}

impl Whose {
    fn includes(&self, workload: &WorkloadId) -> bool {
        match self {
            Self::Everybody => true,
            Self::Only(workloads) => workloads.contains(workload),
        }
    }
}

/// Brings the cards of these workloads in line. One that fails does not keep the others' from opening; the first failure
/// is answered at the end.
pub(crate) async fn bring_in_line(app: &App, whose: &Whose, cause: &Cause) -> Result<CardsRun, Failure> {
    authorize(&cause.actor, Action::OpenCards, Relations::NONE, "").map_err(|r| Failure::Poison(r.to_string()))?;
    let mut live = app.store.list_cards_in_state(CardState::Open).await?;
    live.extend(app.store.list_cards_in_state(CardState::Disputed).await?);
    live.retain(|card| whose.includes(&card.workload_id));
    let bill = app.read_bill(&months_at_hand(&live, cause), cause.settled.clone()).await?;
    let claims = Claims::of(app.store.list_anchors().await?);
    let touched = claims.workloads().chain(bill.workloads()).chain(live.iter().map(|card| &card.workload_id));
    let workloads: BTreeSet<&WorkloadId> = touched.filter(|workload| whose.includes(workload)).collect();
    let mut run = CardsRun::default();
    let mut failed = None;
    for workload in workloads {
        if let Err(failure) = bring_workload_in_line(app, workload, &bill, &claims, cause, &mut run).await {
            tracing::error!(workload.id = %workload, %failure, "a workload's cards are not in line");
            failed.get_or_insert(failure);
        }
    }
    failed.map_or(Ok(run), Err)
}

/// This and the previous month, those that the cause is about, and all that cards which follow the bill still speak of.
fn months_at_hand(live: &[SpendCard], cause: &Cause) -> BTreeSet<Month> {
    let month = Month::of(utc_day(cause.now));
    let spoken_of = live.iter().flat_map(|card| {
        let adjusted = card.figures.adjustments.iter().map(|adjustment| adjustment.period);
        adjusted.chain([card.period]).map(domain::calendar::Period::month)
    });
    spoken_of.chain([month.previous(), month]).chain(cause.months.iter().copied()).collect()
}

async fn bring_workload_in_line(
    app: &App,
    id: &WorkloadId,
    bill: &Bill,
    claims: &Claims,
    cause: &Cause,
    run: &mut CardsRun,
) -> Result<(), Failure> {
    let Some(workload) = app.store.load::<Workload>(id.as_str()).await? else {
        // One broken record must not keep everybody else's cards from opening.
        tracing::error!(workload.id = %id, "a workload has spend and no record");
        return Ok(());
    };
    let estimates = app.store.load_estimates(id).await?;
    let facts = bill.facts_of(id);
    let inputs = bill.inputs(&workload.value, &facts, versions(estimates.as_ref()), claims, cause.now, cause.reason);
    for _ in 0..CHANGES_PER_WORKLOAD_MAX {
        let Some(made) = next_change(app, &inputs, cause).await? else { return Ok(()) };
        run.count(&made.change);
        if made.is_last {
            return Ok(());
        }
    }
    Err(Failure::Retry(format!("the cards of `{id}` have not come to rest after {CHANGES_PER_WORKLOAD_MAX} changes")))
}

/// A change that was made.
struct Made {
    change: CardChange,
    /// Whether nothing is left to do after it, as far as was read before it.
    is_last: bool,
}

/// Makes the first change that is planned, if there is one.
async fn next_change(app: &App, inputs: &WorkloadInputs<'_>, cause: &Cause) -> Result<Option<Made>, StoreError> {
    let plan = |known: &[SpendCard]| plan_cards(known, inputs, &cause.actor, cause.now).into_iter().next();
    app.store
        .decide(|| async {
            let cards = cards_of(app, inputs).await?;
            let mut known: Vec<SpendCard> = cards.iter().map(|card| card.value.clone()).collect();
            let Some(change) = plan(&known) else { return Ok(Step::Done(None)) };
            let before = cards.iter().find(|card| card.value.id == change.card().id);
            let mut tx = Transaction::new(&cause.actor, cause.now, &cause.request_id);
            let card = card_ref(change.card());
            let event = match change {
                CardChange::Opened(_) => Event::CardOpened { card },
                CardChange::Regenerated(_) | CardChange::MarkedFinal(_) => Event::CardRegenerated { card },
            };
            tx.save(before, change.card(), &event);
            known.retain(|card| card.id != change.card().id);
            known.push(change.card().clone());
            let is_last = plan(&known).is_none();
            Ok(Step::Commit(tx, Some(Made { change, is_last })))
        })
        .await
}

/// A workload's cards, consistently. The list may lag behind what this very run wrote, so the ids that follow from periods
/// are asked for by name.
async fn cards_of(app: &App, inputs: &WorkloadInputs<'_>) -> Result<Vec<Loaded<SpendCard>>, StoreError> {
    let listed = app.store.list_cards_of_workload(&inputs.workload_id).await?;
    let periods = inputs.deliveries.keys().flat_map(|month| month.periods());
    let named = periods.flat_map(|period| {
        [CardKind::Period, CardKind::Adjustment].map(|kind| SpendCard::id_of(kind, period, &inputs.workload_id))
    });
    let ids: BTreeSet<String> = listed.into_iter().map(|card| card.id).chain(named).map(String::from).collect();
    app.store.load_many(&ids.into_iter().collect::<Vec<String>>()).await
}
