//! Brings cards in line with what is known: opens, regenerates, adjusts, marks final.
//!
//! What is to be done is planned by `domain::spend::card::plan_cards` from cards that were read consistently, one
//! change after the other until nothing is left, and written on condition that these cards are still as they were
//! read. A run that dies is completed by the next one, and a run that finds nothing to do writes nothing.

use std::collections::BTreeSet;

use contract::events::{CardRef, Event};
use domain::access::workloads::space::Workload;
use domain::base::authorization::{Action, Relations, authorize};
use domain::base::calendar::{Month, Period, utc_day};
use domain::base::ids::{CardId, WorkloadId};
use domain::spend::card::{
    AdjustmentReason, CardChange, CardKind, CardState, SpendCard, Transfer, WorkloadInputs, plan_cards,
};
use futures_util::future::join_all;
use jiff::Timestamp;
use lambda::{Cause, Failure, Tried};
use schemars::JsonSchema;
use serde::Serialize;
use store::aggregates::estimate::{Estimates, versions};
use store::{Loaded, Step, StoreError, TRANSACTION_ACTIONS_MAX, Transaction};

use crate::App;
use crate::bill::{Bill, Claims};

/// Changes that one run makes to one workload's cards: two months have at most twelve periods, each with an adjustment,
/// and an older one or two may be at hand beside them.
const CHANGES_PER_WORKLOAD_MAX: usize = 100;

/// Workloads that are brought in line at the same time: at the beginning of a month their cards, four ids each, are one
/// read, and what is due on them one transaction.
const WORKLOADS_AT_ONCE: usize = 25;

/// Changes that one transaction makes: three items each at most, the card, what its dispute moved, and its event.
const CHANGES_TOGETHER_MAX: usize = TRANSACTION_ACTIONS_MAX / 3;

/// Both kinds of cards.
const KINDS: [CardKind; 2] = [CardKind::Period, CardKind::Adjustment];

/// Why cards are looked at, and by whom.
#[derive(Debug, Clone)]
pub(crate) struct Occasion {
    pub(crate) cause: Cause,
    pub(crate) reason: AdjustmentReason,
    /// The months that it is about, however old.
    pub(crate) months: BTreeSet<Month>,
    /// What a dispute that was settled a moment ago moves, should the list of those not show it yet.
    pub(crate) settled: Option<Transfer>,
}

impl Occasion {
    /// One that is about these months.
    pub(crate) fn of(cause: Cause, reason: AdjustmentReason, months: impl IntoIterator<Item = Month>) -> Self {
        Self { cause, reason, months: months.into_iter().collect(), settled: None }
    }
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

/// Brings the cards of these workloads in line. One that fails does not keep the others' from opening; the first
/// failure is answered at the end.
pub(crate) async fn bring_in_line(app: &App, whose: &Whose, occasion: &Occasion) -> Result<CardsRun, Failure> {
    authorize(&occasion.cause.actor, Action::OpenCards, Relations::NONE, "")?;
    let mut live = app.store.list_cards_in_state(CardState::Open).await?;
    live.extend(app.store.list_cards_in_state(CardState::Disputed).await?);
    live.retain(|card| whose.includes(&card.workload_id));
    let anchors = app.store.list_anchors().await?;
    let bill = app.read_bill_with(&anchors, &months_at_hand(&live, occasion), occasion.settled.clone()).await?;
    let claims = Claims::of(anchors);
    let touched = claims.workloads().chain(bill.workloads()).chain(live.iter().map(|card| &card.workload_id));
    let workloads: BTreeSet<&WorkloadId> = touched.filter(|workload| whose.includes(workload)).collect();
    let workloads: Vec<&WorkloadId> = workloads.into_iter().collect();
    let (mut run, mut tried) = (CardsRun::default(), Tried::default());
    for some in workloads.chunks(WORKLOADS_AT_ONCE) {
        let done = bring_some_in_line(app, some, &bill, &claims, occasion).await.map_err(Failure::from);
        for one in tried.note(done).into_iter().flatten() {
            tried.note(one).into_iter().for_each(|done| run.add(&done));
        }
    }
    tried.outcome().map(|()| run)
}

/// This and the previous month, those that the cause is about, and all that cards which follow the bill still speak of.
fn months_at_hand(live: &[SpendCard], occasion: &Occasion) -> BTreeSet<Month> {
    let month = Month::of(utc_day(occasion.cause.now));
    let spoken_of = live.iter().flat_map(|card| {
        let adjusted = card.figures.adjustments.iter().map(|adjustment| adjustment.period);
        adjusted.chain([card.period]).map(domain::base::calendar::Period::month)
    });
    spoken_of.chain([month.previous(), month]).chain(occasion.months.iter().copied()).collect()
}

/// What was read of a workload.
struct Read {
    workload: Workload,
    estimates: Option<Loaded<Estimates>>,
    cards: Vec<Loaded<SpendCard>>,
}

/// A workload whose cards are being brought in line.
struct Case<'a> {
    inputs: WorkloadInputs<'a>,
    /// Its cards, as they were read.
    cards: &'a [Loaded<SpendCard>],
    run: CardsRun,
    is_at_rest: bool,
}

/// Brings some workloads' cards in line at the same time: what is known by its id is read of all of them at once, and
/// what is due is written of many of them at once. Where that fails, or leaves something to do, each goes on by
/// itself.
async fn bring_some_in_line(
    app: &App,
    ids: &[&WorkloadId],
    bill: &Bill,
    claims: &Claims,
    occasion: &Occasion,
) -> Result<Vec<Result<CardsRun, Failure>>, StoreError> {
    let (mut read, mut done) = (Vec::with_capacity(ids.len()), Vec::new());
    for (id, one) in ids.iter().zip(read_some(app, ids, bill, occasion.cause.now).await?) {
        match one {
            Ok(Some(one)) => read.push((one, bill.facts_of(id))),
            // One broken record must not keep everybody else's cards from opening.
            Ok(None) => tracing::error!(workload.id = %id, "a workload has spend and no record"),
            Err(why) => done.push(Err(Failure::from(why).about(&about(id)))),
        }
    }
    let mut cases: Vec<Case<'_>> = Vec::with_capacity(read.len());
    for (Read { workload, estimates, cards }, facts) in &read {
        let estimates = versions(estimates.as_ref());
        let inputs = bill.inputs(workload, facts, estimates, claims, occasion.cause.now, occasion.reason);
        cases.push(Case { inputs, cards, run: CardsRun::default(), is_at_rest: false });
    }
    write_together(app, &mut cases, occasion).await;
    let each = cases.into_iter().map(|case| async move {
        let workload = case.inputs.workload_id.clone();
        bring_case_in_line(app, case, bill, occasion).await.map_err(|why| why.about(&about(&workload)))
    });
    done.extend(join_all(each).await);
    Ok(done)
}

fn about(workload: &WorkloadId) -> String {
    format!("the cards of `{workload}`")
}

/// Reads some workloads, each with what its cards are made of; none where there is no record of it.
async fn read_some(
    app: &App,
    ids: &[&WorkloadId],
    bill: &Bill,
    now: Timestamp,
) -> Result<Vec<Result<Option<Read>, StoreError>>, StoreError> {
    let mut workloads = app.store.load_each::<Workload>(ids.iter().copied()).await?;
    let mut estimates = app.store.load_each::<Estimates>(ids.iter().copied()).await?;
    let listed = join_all(ids.iter().map(|id| card_ids(app, id, bill, now))).await;
    let mut cards = app.store.load_each::<SpendCard>(listed.iter().flatten().flatten()).await?;
    let each = ids.iter().zip(listed).map(|(id, listed)| {
        let Some(workload) = workloads.remove(id.as_str()).transpose()? else { return Ok(None) };
        let estimates = estimates.remove(id.as_str()).transpose()?;
        let cards = listed?.iter().filter_map(|id| cards.remove(id.as_str())).collect::<Result<_, _>>()?;
        Ok(Some(Read { workload: workload.value, estimates, cards }))
    });
    Ok(each.collect())
}

impl Case<'_> {
    /// All changes that are due on the cards at hand; nothing where they are too many for one transaction, or a card
    /// would change twice.
    fn due(&self, occasion: &Occasion) -> Option<Vec<CardChange>> {
        let mut known: Vec<SpendCard> = self.cards.iter().map(|card| card.value.clone()).collect();
        let mut due: Vec<CardChange> = Vec::new();
        while let Some(change) = planned(&known, &self.inputs, occasion) {
            if due.len() == CHANGES_TOGETHER_MAX || due.iter().any(|made| made.card().id == change.card().id) {
                return None;
            }
            apply(&mut known, &change);
            due.push(change);
        }
        Some(due)
    }
}

/// Writes what is due on the cards at hand, of a workload all of it or nothing, of several workloads in one
/// transaction.
async fn write_together(app: &App, cases: &mut [Case<'_>], occasion: &Occasion) {
    let (mut some, mut count) = (Vec::new(), 0);
    for case in cases {
        let Some(changes) = case.due(occasion) else { continue };
        if count + changes.len() > CHANGES_TOGETHER_MAX {
            write_some(app, std::mem::take(&mut some), occasion).await;
            count = 0;
        }
        count += changes.len();
        some.push((case, changes));
    }
    write_some(app, some, occasion).await;
}

/// Writes the changes of some workloads; what cannot be written leaves them as they are.
async fn write_some(app: &App, some: Vec<(&mut Case<'_>, Vec<CardChange>)>, occasion: &Occasion) {
    let mut tx = occasion.cause.transaction();
    for (case, changes) in &some {
        changes.iter().for_each(|change| save(&mut tx, case.cards, change));
    }
    if some.iter().any(|(_, changes)| !changes.is_empty())
        && let Err(why) = app.store.commit(tx).await
    {
        tracing::info!(error = %why, workloads = some.len(), "cards were not written together, each is now by itself");
        return;
    }
    for (case, changes) in some {
        changes.iter().for_each(|change| case.run.count(change));
        case.is_at_rest = true;
    }
}

/// The first change that is due, of these cards.
fn planned(known: &[SpendCard], inputs: &WorkloadInputs<'_>, occasion: &Occasion) -> Option<CardChange> {
    plan_cards(known, inputs, &occasion.cause.actor, occasion.cause.now).into_iter().next()
}

/// The cards after a change.
fn apply(known: &mut Vec<SpendCard>, change: &CardChange) {
    known.retain(|card| card.id != change.card().id);
    known.push(change.card().clone());
}

/// Writes a change of a card that is still as it was read, or is not there if it was not.
fn save(tx: &mut Transaction, cards: &[Loaded<SpendCard>], change: &CardChange) {
    let before = cards.iter().find(|card| card.value.id == change.card().id);
    let card = CardRef::of(change.card());
    let event = match change {
        CardChange::Opened(_) => Event::CardOpened { card },
        CardChange::Regenerated(_) | CardChange::MarkedFinal(_) => Event::CardRegenerated { card },
    };
    tx.save(before, change.card(), &event);
}

/// Brings the cards of a workload in line that is not at rest yet, by itself.
async fn bring_case_in_line(app: &App, case: Case<'_>, bill: &Bill, occasion: &Occasion) -> Result<CardsRun, Failure> {
    let Case { inputs, cards, mut run, is_at_rest } = case;
    if is_at_rest {
        return Ok(run);
    }
    let mut at_hand = Some(cards);
    for _ in 0..CHANGES_PER_WORKLOAD_MAX {
        let Some(made) = next_change(app, &inputs, bill, at_hand.take(), occasion).await? else { return Ok(run) };
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
    mut at_hand: Option<&[Loaded<SpendCard>]>,
    occasion: &Occasion,
) -> Result<Option<Made>, StoreError> {
    let attempt = || {
        let at_hand = at_hand.take();
        async move {
            let anew = match at_hand {
                Some(_) => Vec::new(),
                None => {
                    app.store.load_many(card_ids(app, &inputs.workload_id, bill, occasion.cause.now).await?).await?
                }
            };
            let cards = at_hand.unwrap_or(&anew);
            let mut known: Vec<SpendCard> = cards.iter().map(|card| card.value.clone()).collect();
            let Some(change) = planned(&known, inputs, occasion) else { return Ok(Step::Done(None)) };
            let mut tx = occasion.cause.transaction();
            save(&mut tx, cards, &change);
            apply(&mut known, &change);
            let is_last = planned(&known, inputs, occasion).is_none();
            Ok(Step::Commit(tx, Some(Made { change, is_last })))
        }
    };
    app.store.transact(attempt).await
}

/// The ids of the cards that a workload has or may have: of both kinds, for each period of the months at hand that
/// has ended, and for the one directly before. They are named and not looked up, since the list may lag behind what
/// was opened a moment ago; it is asked where months are at hand that are older than the previous one, for any card
/// since then may show an adjustment of theirs.
async fn card_ids(app: &App, workload: &WorkloadId, bill: &Bill, now: Timestamp) -> Result<Vec<CardId>, StoreError> {
    let today = utc_day(now);
    let months = || bill.deliveries.keys().copied();
    let before = months().map(|month| Period::of(month.first_day()).previous());
    let ended = months().flat_map(Month::periods).chain(before).filter(|period| period.opens_on() <= today);
    let listed = match months().next() {
        Some(first) if first < Month::of(today).previous() => app.store.list_cards_of_workload(workload).await?,
        _ => Vec::new(),
    };
    let named = ended.chain(listed.iter().map(|card| card.period));
    let ids = named.flat_map(|period| KINDS.map(|kind| SpendCard::id_of(kind, period, workload)));
    Ok(ids.collect::<BTreeSet<_>>().into_iter().collect())
}
