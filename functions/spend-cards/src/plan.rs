//! Brings cards in line with what is known: opens, regenerates, adjusts, marks final.
//!
//! What is to be done is planned by `domain::card::plan_cards` from cards that were read consistently, and written one card
//! of a workload at a time, each in its own transaction; then it is planned again, until nothing is left. A run that dies is completed
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
use futures_util::future::join_all;
use jiff::Timestamp;
use lambda::{Failure, Tried};
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

/// Workloads that are brought in line at the same time: ten thousand within the function's two minutes at some twenty
/// milliseconds each, with calls enough at once to fill the wait for a table and few enough to share it.
const WORKLOADS_AT_ONCE: usize = 25;

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
    const fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.regenerated += other.regenerated;
        self.marked_final += other.marked_final;
    }

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
    let workloads: Vec<&WorkloadId> = workloads.into_iter().collect();
    let (mut run, mut tried) = (CardsRun::default(), Tried::default());
    for some in workloads.chunks(WORKLOADS_AT_ONCE) {
        let done = bring_some_in_line(app, some, &bill, &claims, cause).await.map_err(Failure::from);
        for one in tried.note(done).into_iter().flatten() {
            tried.note(one).into_iter().for_each(|done| run.add(&done));
        }
    }
    tried.outcome().map(|()| run)
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

/// Brings some workloads' cards in line at the same time; what is read by id is read of all of them at once.
async fn bring_some_in_line(
    app: &App,
    ids: &[&WorkloadId],
    bill: &Bill,
    claims: &Claims,
    cause: &Cause,
) -> Result<Vec<Result<CardsRun, Failure>>, StoreError> {
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let mut workloads = app.store.load_each::<Workload>(&names).await?;
    let listed = join_all(ids.iter().map(|id| card_ids(app, id, bill, cause.now))).await;
    let named: Vec<String> = listed.iter().flatten().flatten().cloned().collect();
    let mut cards = app.store.load_each::<SpendCard>(&named).await?;
    let each = ids.iter().zip(&names).zip(listed).map(|((id, name), listed)| {
        let workload = workloads.remove(name);
        let cards = listed.and_then(|ids| ids.iter().filter_map(|id| cards.remove(id)).collect());
        async move {
            let Some(workload) = workload.transpose()? else {
                // One broken record must not keep everybody else's cards from opening.
                tracing::error!(workload.id = %id, "a workload has spend and no record");
                return Ok(CardsRun::default());
            };
            bring_workload_in_line(app, &workload.value, cards?, bill, claims, cause).await
        }
    });
    let done = join_all(each).await;
    Ok(done
        .into_iter()
        .zip(ids)
        .map(|(done, id)| done.map_err(|why| why.about(&format!("the cards of `{id}`"))))
        .collect())
}

/// Brings a workload's cards, as they were read, in line.
async fn bring_workload_in_line(
    app: &App,
    workload: &Workload,
    cards: Vec<Loaded<SpendCard>>,
    bill: &Bill,
    claims: &Claims,
    cause: &Cause,
) -> Result<CardsRun, Failure> {
    let estimates = app.store.load_estimates(&workload.id).await?;
    let facts = bill.facts_of(&workload.id);
    let inputs = bill.inputs(workload, &facts, versions(estimates.as_ref()), claims, cause.now, cause.reason);
    let (mut run, mut at_hand) = (CardsRun::default(), Some(cards));
    for _ in 0..CHANGES_PER_WORKLOAD_MAX {
        let Some(made) = next_change(app, &inputs, bill, at_hand.take(), cause).await? else { return Ok(run) };
        run.count(&made.change);
        if made.is_last {
            return Ok(run);
        }
    }
    Err(Failure::Retry(format!("they have not come to rest after {CHANGES_PER_WORKLOAD_MAX} changes")))
}

/// A change that was made.
struct Made {
    change: CardChange,
    /// Whether nothing is left to do after it, as far as was read before it.
    is_last: bool,
}

/// Makes the first change that is planned, if there is one, on the cards at hand; on cards read anew once somebody else
/// was faster.
async fn next_change(
    app: &App,
    inputs: &WorkloadInputs<'_>,
    bill: &Bill,
    mut at_hand: Option<Vec<Loaded<SpendCard>>>,
    cause: &Cause,
) -> Result<Option<Made>, StoreError> {
    let plan = &|known: &[SpendCard]| plan_cards(known, inputs, &cause.actor, cause.now).into_iter().next();
    let attempt = || {
        let at_hand = at_hand.take();
        async move {
            let cards = match at_hand {
                Some(cards) => cards,
                None => {
                    let ids = card_ids(app, &inputs.workload_id, bill, cause.now).await?;
                    app.store.load_many(&ids).await?
                }
            };
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
        }
    };
    app.store.decide(attempt).await
}

/// The ids of the cards that a workload has or may have. The list may lag behind what was opened a moment ago, so the
/// cards of periods that could be open by now are named as well, and an adjustment's wherever there is a card to adjust.
async fn card_ids(app: &App, workload: &WorkloadId, bill: &Bill, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let listed = app.store.list_cards_of_workload(workload).await?;
    let periods = bill.deliveries.keys().flat_map(|month| month.periods());
    let opened = periods.filter(|period| period.opens_on() <= utc_day(now));
    let opened = opened.map(|period| SpendCard::id_of(CardKind::Period, period, workload));
    let adjusted = listed.iter().map(|card| SpendCard::id_of(CardKind::Adjustment, card.period, workload));
    let ids: BTreeSet<String> =
        listed.iter().map(|card| card.id.clone()).chain(opened).chain(adjusted).map(String::from).collect();
    Ok(ids.into_iter().collect())
}
