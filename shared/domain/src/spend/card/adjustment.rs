//! Adjustments: what the bill, or a claim, changed about a period that was already frozen.
//!
//! An adjustment is the difference between what the frozen card says and what the facts say now, less what frozen cards
//! have carried of it before, in each currency by itself. It is dated to its own period and stays outside `actual` and
//! band wherever it appears.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{Adjustment, AdjustmentReason, CardKind, SpendCard};
use crate::base::calendar::Period;
use crate::base::ids::CardId;
use crate::base::money::{Currency, Money};

/// The adjustments that a frozen card needs where its facts moved, one in each currency. `now` is what they say by
/// currency, `cards` are all of the workload's.
pub(super) fn adjustments_of(
    frozen: &SpendCard,
    now: &BTreeMap<Currency, Decimal>,
    cards: &[SpendCard],
    reason: AdjustmentReason,
    as_of: Timestamp,
) -> Vec<Adjustment> {
    let of_period = |is_frozen| {
        let cards = cards.iter().filter(move |card| card.state.is_frozen() == is_frozen);
        adjustments_for(frozen.period, cards)
    };
    let mut said: BTreeMap<&Currency, Decimal> = BTreeMap::new();
    let signed = std::iter::once(&frozen.figures.actual).chain(&frozen.figures.other_currencies);
    for money in signed.chain(of_period(true).map(|carried| &carried.amount)) {
        *said.entry(&money.currency).or_default() += money.amount;
    }
    let currencies: BTreeSet<&Currency> = said.keys().copied().chain(now.keys()).collect();
    let moved = |currency: &Currency| {
        let of = |sum: Option<&Decimal>| sum.copied().unwrap_or_default();
        let amount = (of(now.get(currency)) - of(said.get(currency))).normalize();
        (!amount.is_zero()).then(|| Money { amount, currency: currency.clone() })
    };
    let adjustment = |amount: Money| {
        // Shown before by a card that still follows the bill, with the same amount: it keeps its date and reason.
        let shown = of_period(false).find(|a| a.amount == amount).cloned();
        shown.unwrap_or_else(|| Adjustment { period: frozen.period, amount, reason, as_of, card_id: frozen.id.clone() })
    };
    currencies.into_iter().filter_map(moved).map(adjustment).collect()
}

fn adjustments_for<'a>(
    period: Period,
    cards: impl Iterator<Item = &'a SpendCard>,
) -> impl Iterator<Item = &'a Adjustment> {
    cards.flat_map(|card| &card.figures.adjustments).filter(move |a| a.period == period)
}

/// Where an adjustment goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Home {
    /// On this card.
    Card(CardId),
    /// On an adjustment card of its own.
    Own,
}

/// The card that shows it already and still follows the bill; else the earliest open one; else one of its own. `None`
/// when its own card is frozen already: it waits for the next open one.
pub(super) fn home_of(adjustment: &Adjustment, cards: &[SpendCard], opening: Option<&CardId>) -> Option<Home> {
    let shows = |card: &&SpendCard| {
        !card.state.is_frozen() && card.figures.adjustments.iter().any(|a| a.period == adjustment.period)
    };
    if let Some(card) = cards.iter().find(shows) {
        return Some(Home::Card(card.id.clone()));
    }
    let open = cards.iter().filter(|c| c.kind == CardKind::Period && c.state == super::CardState::Open);
    if let Some(id) = open.min_by_key(|c| c.period).map(|c| c.id.clone()).or(opening.cloned()) {
        return Some(Home::Card(id));
    }
    let own = cards.iter().find(|c| c.kind == CardKind::Adjustment && c.period == adjustment.period);
    match own {
        Some(card) if card.state.is_frozen() => None,
        _ => Some(Home::Own),
    }
}
