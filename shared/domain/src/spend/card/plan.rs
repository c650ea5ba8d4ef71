//! Plans what happens to a workload's cards: which open, which are regenerated, where adjustments go, which become
//! final.
//!
//! Run on Mondays, after each ingestion and after each change of a claim; the answer depends on what is known, not on
//! which tick came. Planning the same twice changes nothing the second time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::adjustment::{Home, adjustments_of, home_of};
use super::figures::{self, CardFigures, Trend, WorkloadFact};
use super::{Adjustment, AdjustmentReason, CardKind, CardState, SpendCard, Variance, Words};
use crate::access::workloads::estimate::Estimate;
use crate::base::calendar::{Month, Period, previous_day};
use crate::base::ids::{CardId, SpaceId, WorkloadId};
use crate::base::money::Money;
use crate::base::people::Actor;
use crate::spend::bill::attribution::AttributionLevel;

/// The delivery that a month's facts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveredMonth {
    /// When it was made.
    pub as_of: Timestamp,
    /// Last day that it is complete to.
    pub complete_to: Date,
    /// Whether all of the month's AI rows carry an invoice.
    pub is_invoiced: bool,
}

/// All that a workload's cards are made of.
#[derive(Debug, Clone)]
pub struct WorkloadInputs<'a> {
    /// The workload.
    pub workload_id: WorkloadId,
    /// Its Space.
    pub space_id: SpaceId,
    /// Periods that ended with a claim in force: each has a card, spend or none.
    pub due: Vec<Period>,
    /// The coarsest of its claims.
    pub claim_level: AttributionLevel,
    /// The months whose facts are at hand, whole, each by its delivery; cards of other months are left alone.
    pub deliveries: BTreeMap<Month, DeliveredMonth>,
    /// Its attributed usage of those months.
    pub facts: &'a [WorkloadFact<'a>],
    /// Its estimates, of both platforms.
    pub estimates: &'a [Estimate],
    /// Why frozen periods may have moved since the last run.
    pub reason: AdjustmentReason,
}

/// What happens to a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardChange {
    /// It opens.
    Opened(SpendCard),
    /// Its figures moved.
    Regenerated(SpendCard),
    /// Its rows are invoiced now; nothing else changed.
    MarkedFinal(SpendCard),
}

impl CardChange {
    /// The card as it is now.
    #[must_use]
    pub const fn card(&self) -> &SpendCard {
        match self {
            Self::Opened(card) | Self::Regenerated(card) | Self::MarkedFinal(card) => card,
        }
    }
}

/// Plans a workload's cards. `cards` holds all of its cards in the months at hand, those of the periods directly before
/// these months, and any others that show adjustments of them.
#[must_use]
pub fn plan_cards(cards: &[SpendCard], inputs: &WorkloadInputs<'_>, job: &Actor, now: Timestamp) -> Vec<CardChange> {
    let known: BTreeMap<&CardId, &SpendCard> = cards.iter().map(|card| (&card.id, card)).collect();
    let due: BTreeSet<Period> = inputs.due.iter().copied().filter(|p| inputs.covers(*p)).collect();
    let id_of = |period: &Period| SpendCard::id_of(CardKind::Period, *period, &inputs.workload_id);
    let opening = due.iter().map(id_of).find(|id| !known.contains_key(id));
    let placed = place_adjustments(cards, inputs, opening.as_ref());

    let mut periods: BTreeSet<Period> = due;
    periods.extend(cards.iter().filter(|c| c.kind == CardKind::Period && inputs.covers(c.period)).map(|c| c.period));
    let of_period = cards.iter().filter(|c| c.kind == CardKind::Period);
    let mut spent: BTreeMap<Period, Decimal> = of_period.map(|c| (c.period, c.figures.actual.amount)).collect();
    let mut changes = Vec::new();
    for period in periods {
        let id = id_of(&period);
        let adjustments = placed.get(&id).map(|(_, a)| a.clone()).unwrap_or_default();
        let before = spent.get_key_value(&period.previous()).map(|(period, actual)| (*period, *actual));
        let figures = plan_figures(inputs, period, before, adjustments);
        let existing = known.get(&id).copied();
        let actual = existing.filter(|c| c.state.is_frozen()).map_or(&figures.actual, |c| &c.figures.actual).amount;
        spent.insert(period, actual);
        changes.extend(plan_card(existing, CardKind::Period, period, figures, inputs, job, now));
    }
    for (id, (period, adjustments)) in placed {
        if id == SpendCard::id_of(CardKind::Adjustment, period, &inputs.workload_id) {
            let figures = adjustment_figures(inputs, period, adjustments);
            changes.extend(plan_card(known.get(&id).copied(), CardKind::Adjustment, period, figures, inputs, job, now));
        }
    }
    changes
}

impl WorkloadInputs<'_> {
    fn covers(&self, period: Period) -> bool {
        self.deliveries.contains_key(&period.month())
    }

    fn as_of(&self, period: Period) -> Timestamp {
        self.deliveries.get(&period.month()).map_or(Timestamp::MIN, |delivery| delivery.as_of)
    }

    /// The day before the period where its month has not been delivered.
    fn complete_to(&self, period: Period) -> Date {
        let delivered = self.deliveries.get(&period.month()).map(|delivery| delivery.complete_to);
        delivered.unwrap_or_else(|| previous_day(period.from)).min(period.to)
    }

    fn is_final(&self, period: Period) -> bool {
        let mut own = self.facts.iter().filter(|f| period.contains(f.fact.key.counts_on())).peekable();
        self.deliveries.get(&period.month()).is_some_and(|d| d.is_invoiced)
            || (own.peek().is_some() && own.all(|f| f.fact.key.invoiced))
    }
}

/// Which card shows which adjustments. Cards that follow the bill and show one now are listed even when it has gone.
fn place_adjustments(
    cards: &[SpendCard],
    inputs: &WorkloadInputs<'_>,
    opening: Option<&CardId>,
) -> BTreeMap<CardId, (Period, Vec<Adjustment>)> {
    let showing = cards.iter().filter(|c| !c.state.is_frozen() && !c.figures.adjustments.is_empty());
    let mut placed: BTreeMap<CardId, (Period, Vec<Adjustment>)> =
        showing.map(|c| (c.id.clone(), (c.period, Vec::new()))).collect();
    let frozen = cards.iter().filter(|c| c.kind == CardKind::Period && c.state.is_frozen() && inputs.covers(c.period));
    for card in frozen {
        let now = figures::spent_in(card.period, inputs.facts);
        for adjustment in adjustments_of(card, &now, cards, inputs.reason, inputs.as_of(card.period)) {
            let id = match home_of(&adjustment, cards, opening) {
                Some(Home::Card(id)) => id,
                Some(Home::Own) => SpendCard::id_of(CardKind::Adjustment, adjustment.period, &inputs.workload_id),
                None => continue,
            };
            placed.entry(id).or_insert_with(|| (adjustment.period, Vec::new())).1.push(adjustment);
        }
    }
    placed
}

/// What a period's card says; `before` is the period directly before and what was spent then, where it has a card.
#[must_use]
pub fn plan_figures(
    inputs: &WorkloadInputs<'_>,
    period: Period,
    before: Option<(Period, Decimal)>,
    adjustments: Vec<Adjustment>,
) -> CardFigures {
    let month = period.month();
    let actual = figures::usd_between(period.from, period.to, inputs.facts);
    let month_to_date = figures::usd_between(month.first_day(), period.to, inputs.facts);
    let complete_to = inputs.complete_to(period);
    let lines = figures::lines_of(period, inputs.facts);
    let estimate = figures::estimate_share(inputs.estimates, period);
    let levels = inputs.facts.iter().filter(|f| period.contains(f.fact.key.counts_on())).map(|f| f.level);
    CardFigures {
        attribution_level: levels.fold(inputs.claim_level, AttributionLevel::max),
        complete_to,
        actual: Money::usd(actual),
        estimate_share: estimate.map(Money::usd),
        variance: Variance::of(actual, estimate),
        previous: before.map(|(period, spent)| Trend::of(actual, period, spent)),
        month_to_date: Money::usd(month_to_date),
        projected_month_end: figures::project(month_to_date, month, complete_to).map(Money::usd),
        ccu: figures::ccu_figures(&lines, inputs.estimates, period),
        other_currencies: figures::other_currencies(&lines),
        lines,
        adjustments,
    }
}

/// An adjustment card has no spend of its own: nothing but what was restated.
fn adjustment_figures(inputs: &WorkloadInputs<'_>, period: Period, adjustments: Vec<Adjustment>) -> CardFigures {
    CardFigures {
        attribution_level: inputs.claim_level,
        complete_to: inputs.complete_to(period),
        actual: Money::usd(Decimal::ZERO),
        estimate_share: None,
        variance: Variance::of(Decimal::ZERO, None),
        previous: None,
        month_to_date: Money::usd(Decimal::ZERO),
        projected_month_end: None,
        ccu: None,
        lines: Vec::new(),
        adjustments,
        other_currencies: Vec::new(),
    }
}

fn plan_card(
    existing: Option<&SpendCard>,
    kind: CardKind,
    period: Period,
    figures: CardFigures,
    inputs: &WorkloadInputs<'_>,
    job: &Actor,
    now: Timestamp,
) -> Option<CardChange> {
    let is_final = inputs.is_final(period);
    let Some(card) = existing else {
        let unopened = SpendCard {
            id: SpendCard::id_of(kind, period, &inputs.workload_id),
            version: 0,
            kind,
            workload_id: inputs.workload_id.clone(),
            space_id: inputs.space_id.clone(),
            period,
            is_final,
            as_of: inputs.as_of(period),
            figures,
            state: CardState::Open,
            resolution: None,
            history: Vec::new(),
        };
        return Some(CardChange::Opened(unopened.enter(CardState::Open, job, now, Words::default())));
    };
    if card.state.is_frozen() {
        return (is_final && !card.is_final)
            .then(|| CardChange::MarkedFinal(SpendCard { is_final, version: card.version + 1, ..card.clone() }));
    }
    let as_of = inputs.as_of(period);
    // A run that began before a newer delivery came must not put the older figures back.
    if as_of < card.as_of || (card.figures == figures && card.is_final == is_final) {
        return None;
    }
    let version = card.version + 1;
    Some(CardChange::Regenerated(SpendCard { figures, is_final, version, as_of, ..card.clone() }))
}
