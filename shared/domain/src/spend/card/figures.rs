//! What a card says: lines, sums, trend and projection, generated from facts and nothing else.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::Variance;
use super::variance::percent_of;
use crate::access::workloads::estimate::{Estimate, governing, share};
use crate::base::calendar::{Month, Period};
use crate::base::digest::Digest;
use crate::base::ids::CardId;
use crate::base::money::{Currency, Money, ccu_of_usd};
use crate::base::platform::Platform;
use crate::spend::bill::alias::ModelName;
use crate::spend::bill::attribution::AttributionLevel;
use crate::spend::bill::facts::Fact;
use crate::spend::bill::usage::{CCU, UsageKind};

/// Why a frozen period's spend moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdjustmentReason {
    /// AWS restated the bill.
    Restated,
    /// A claim changed for days of the period.
    Reattributed,
}

/// A change of a frozen period's spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Adjustment {
    /// The period that moved.
    pub period: Period,
    /// By how much; negative when spend went down.
    pub amount: Money,
    /// Why.
    pub reason: AdjustmentReason,
    /// The delivery that first showed this amount.
    pub as_of: Timestamp,
    /// The frozen card.
    pub card_id: CardId,
}

/// A fact that is attributed to the card's workload.
#[derive(Debug, Clone, Copy)]
pub struct WorkloadFact<'a> {
    /// The fact.
    pub fact: &'a Fact,
    /// The model it means.
    pub model: &'a ModelName,
    /// How finely its claim tells spend apart.
    pub level: AttributionLevel,
}

/// What a card says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CardFigures {
    /// How finely its claims tell spend apart.
    pub attribution_level: AttributionLevel,
    /// Last day of the period that the delivery is complete to; before the period where it holds nothing of it yet.
    pub complete_to: Date,
    /// Spend of the period in US dollars, exact.
    pub actual: Money,
    /// The estimates' share of the period; none without an estimate, which is not zero.
    pub estimate_share: Option<Money>,
    /// Actual against estimate.
    pub variance: Variance,
    /// Against the card of the period directly before; none where that has no card.
    pub previous: Option<Trend>,
    /// Spend from the first of the month to the period's last day.
    pub month_to_date: Money,
    /// Month to date, carried forward at the same pace, in cents; none before the month has data.
    pub projected_month_end: Option<Money>,
    /// The same in CCU, where Claude Platform is involved.
    pub ccu: Option<CcuFigures>,
    /// What the actual amount is made of.
    pub lines: Vec<CardLine>,
    /// Restatements of signed periods: outside `actual` and band.
    pub adjustments: Vec<Adjustment>,
    /// Spend in other currencies: in the lines, never added to `actual`.
    pub other_currencies: Vec<Money>,
}

/// A period's CCU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CcuFigures {
    /// Consumed.
    pub actual: Decimal,
    /// Planned.
    pub estimate_share: Option<Decimal>,
}

/// A card against the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trend {
    /// The period before.
    pub period: Period,
    /// What was spent then.
    pub actual: Money,
    /// The difference.
    pub change: Money,
    /// In percent of then.
    pub percent: Option<Decimal>,
}

impl Trend {
    pub(super) fn of(actual: Decimal, period: Period, before: Decimal) -> Self {
        let change = actual - before;
        Self {
            period,
            actual: Money::usd(before),
            change: Money::usd(change.normalize()),
            percent: percent_of(change, before),
        }
    }
}

/// Spend of one model, usage kind and region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CardLine {
    /// Derived from what the line is about, so that a regenerated card keeps it.
    pub id: String,
    /// The platform.
    pub platform: Platform,
    /// The model id, or the bill's name for it.
    pub model: String,
    /// What was consumed.
    pub usage_kind: UsageKind,
    /// The usage type, where it is not understood.
    pub detail: Option<String>,
    /// The region; blank on some Marketplace rows.
    pub region: String,
    /// The day of usage, where it lies outside the month of the bill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_on: Option<Date>,
    /// How much.
    pub quantity: Decimal,
    /// Of what.
    pub unit: String,
    /// What it cost, exact.
    pub amount: Money,
}

/// What makes two facts one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct LineKey<'a> {
    platform: Platform,
    model: &'a ModelName,
    usage_kind: UsageKind,
    detail: Option<&'a str>,
    region: &'a str,
    unit: &'a str,
    currency: &'a Currency,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_on: Option<Date>,
}

impl<'a> LineKey<'a> {
    fn of(fact: &'a Fact, model: &'a ModelName) -> Self {
        Self {
            // A row without a platform has no principal and no workspace, so no claim can hold it.
            platform: fact.key.platform.unwrap_or(Platform::Bedrock),
            model,
            usage_kind: fact.key.usage_kind,
            detail: fact.key.detail.as_deref(),
            region: &fact.key.region,
            unit: &fact.key.unit,
            currency: &fact.key.currency,
            used_on: fact.key.used_outside(),
        }
    }

    fn line_id(&self) -> String {
        let digest = Digest::of(self);
        format!("lin_{}", digest.hex().get(..16).unwrap_or_default())
    }
}

/// The id of the line that a fact is part of, whichever card shows it.
pub(super) fn line_id_of(fact: &Fact, model: &ModelName) -> String {
    LineKey::of(fact, model).line_id()
}

impl CardLine {
    fn new(key: &LineKey<'_>, quantity: Decimal, amount: Decimal) -> Self {
        Self {
            id: key.line_id(),
            platform: key.platform,
            model: key.model.label().to_owned(),
            usage_kind: key.usage_kind,
            detail: key.detail.map(ToOwned::to_owned),
            region: key.region.to_owned(),
            used_on: key.used_on,
            quantity: quantity.normalize(),
            unit: key.unit.to_owned(),
            amount: Money { amount: amount.normalize(), currency: key.currency.clone() },
        }
    }
}

/// The lines of a period's facts, in the order platform, model, usage kind, region.
pub(super) fn lines_of(period: Period, facts: &[WorkloadFact<'_>]) -> Vec<CardLine> {
    let mut lines: BTreeMap<LineKey<'_>, (Decimal, Decimal)> = BTreeMap::new();
    for WorkloadFact { fact, model, .. } in facts.iter().filter(|f| period.contains(f.fact.key.counts_on())) {
        let key = LineKey::of(fact, model);
        let line = lines.entry(key).or_default();
        *line = (line.0.saturating_add(fact.quantity), line.1 + fact.amount);
    }
    lines.iter().map(|(key, (quantity, amount))| CardLine::new(key, *quantity, *amount)).collect()
}

/// US dollars spent on the days of a span.
pub(super) fn usd_between(from: Date, to: Date, facts: &[WorkloadFact<'_>]) -> Decimal {
    let counts =
        |f: &&WorkloadFact<'_>| (from..=to).contains(&f.fact.key.counts_on()) && f.fact.key.currency == Currency::usd();
    facts.iter().filter(counts).map(|f| f.fact.amount).sum::<Decimal>().normalize()
}

/// What was spent in a period, in each currency.
pub(super) fn spent_in(period: Period, facts: &[WorkloadFact<'_>]) -> BTreeMap<Currency, Decimal> {
    let mut sums: BTreeMap<Currency, Decimal> = BTreeMap::new();
    for WorkloadFact { fact, .. } in facts.iter().filter(|f| period.contains(f.fact.key.counts_on())) {
        *sums.entry(fact.key.currency.clone()).or_default() += fact.amount;
    }
    sums
}

/// What the lines hold in currencies other than US dollars.
pub(super) fn other_currencies(lines: &[CardLine]) -> Vec<Money> {
    let mut sums: BTreeMap<&Currency, Decimal> = BTreeMap::new();
    for money in lines.iter().map(|line| &line.amount).filter(|m| m.currency != Currency::usd()) {
        *sums.entry(&money.currency).or_default() += money.amount;
    }
    sums.into_iter().map(|(currency, sum)| Money { amount: sum.normalize(), currency: currency.clone() }).collect()
}

/// The estimates' share of a period, over both platforms; none if neither has one.
pub(super) fn estimate_share(estimates: &[Estimate], period: Period) -> Option<Decimal> {
    let of = |platform| governing(estimates, platform, period).map(|e| share(e.monthly.amount, period));
    Platform::ALL.into_iter().filter_map(of).reduce(|one, other| one + other)
}

/// CCU of a period, where there are any or any are planned.
pub(super) fn ccu_figures(lines: &[CardLine], estimates: &[Estimate], period: Period) -> Option<CcuFigures> {
    let consumed: Vec<Decimal> = lines.iter().filter(|l| l.unit == CCU).map(|l| l.quantity).collect();
    let planned = governing(estimates, Platform::ClaudePlatform, period);
    let estimate_share = planned.map(|e| ccu_of_usd(share(e.monthly.amount, period)));
    if consumed.is_empty() && estimate_share.is_none() {
        return None;
    }
    Some(CcuFigures { actual: consumed.into_iter().sum::<Decimal>().normalize(), estimate_share })
}

/// Month to date at the same pace until the month's end, to the cent.
pub(super) fn project(month_to_date: Decimal, month: Month, complete_to: Date) -> Option<Decimal> {
    let elapsed = if complete_to < month.first_day() { 0 } else { complete_to.min(month.last_day()).day() };
    let projected = (month_to_date * Decimal::from(month.days())).checked_div(Decimal::from(elapsed))?;
    Some(projected.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero))
}
