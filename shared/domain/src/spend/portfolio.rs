//! The Leads' weekly review: actual against estimate by hierarchy, platform and model, and all that is still open.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::access::workloads::space::Space;
use crate::base::authorization::{Action, Relations, authorize};
use crate::base::calendar::{Period, Week};
use crate::base::ids::{CardId, WorkloadId};
use crate::base::money::{Currency, Money};
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::platform::{ModelKey, Platform};
use crate::base::text::{Name, Note, Sub};
use crate::spend::card::{Adjustment, CardKind, CardState, SpendCard, Variance};
use crate::spend::gap::{Gap, GapKind};

/// A Space's place in the organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the organisation's own labels, outermost first")]
pub struct Hierarchy {
    pub business_unit: String,
    pub department: String,
    pub portfolio: String,
    pub product: String,
}

/// A Space's place in the organisation, and whose it is.
#[derive(Debug, Clone, Default)]
pub struct Placement {
    /// The Space's name.
    pub name: String,
    /// The labels above it.
    pub hierarchy: Hierarchy,
    /// Whose it is.
    pub owners: Vec<Sub>,
}

impl Placement {
    /// Of a Space.
    #[must_use]
    pub fn of(space: Space) -> Self {
        let label = |name: Option<Name>| name.map(String::from).unwrap_or_default();
        let fields = space.fields;
        Self {
            name: fields.name.into(),
            hierarchy: Hierarchy {
                business_unit: label(fields.business_unit),
                department: label(fields.department),
                portfolio: label(fields.portfolio),
                product: label(fields.product),
            },
            owners: fields.owners.into_iter().collect(),
        }
    }
}

/// A card with where its workload belongs.
#[derive(Debug, Clone, Copy)]
pub struct PlacedCard<'a> {
    /// The card.
    pub card: &'a SpendCard,
    /// Its Space's place.
    pub hierarchy: &'a Hierarchy,
    /// Its Space's owners.
    pub owners: &'a [Sub],
}

/// What the review is made of, beside the cards.
#[derive(Debug, Clone, Default)]
pub struct ReviewInputs {
    /// Models discovered in the week.
    pub new_models: Vec<ModelKey>,
    /// Drift findings that are open.
    pub open_drift: u64,
    /// The review, if it was held.
    pub review: Option<Review>,
}

/// The week's figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Portfolio {
    /// The week, by its Sunday.
    pub week: Week,
    /// Its periods.
    pub periods: Vec<Period>,
    /// What the week's cards say together.
    pub total: Slice,
    /// By business unit, department, portfolio and product.
    pub by_hierarchy: Vec<HierarchySlice>,
    /// By platform; estimates are the workloads' and are not split by card line.
    pub by_platform: Vec<PlatformSpend>,
    /// By platform and model.
    pub by_model: Vec<ModelSpend>,
    /// Cards without a signature, of any week given, by owner.
    pub open_cards: Vec<OwnerCards>,
    /// Gaps that nobody has closed.
    pub gaps: Vec<GapSpend>,
    /// Restatements of signed periods on the week's cards.
    pub adjustments: Vec<PlacedAdjustment>,
    /// Models discovered in the week.
    pub new_models: Vec<ModelKey>,
    /// Drift findings that are open.
    pub open_drift: u64,
    /// The review, if it was held.
    pub review: Option<Review>,
}

/// Actual against estimate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Slice {
    /// Spend of all cards, in US dollars.
    pub actual: Money,
    /// How much of it is on cards without an estimate: there is nothing to compare it with, so the variance leaves it
    /// out.
    pub actual_without_estimate: Money,
    /// The estimates' share; none if no workload has one.
    pub estimate_share: Option<Money>,
    /// The rest of the actual, of the workloads that have an estimate, against that estimate.
    pub variance: Variance,
    /// How many cards.
    pub cards: u64,
    /// How many of them have no estimate.
    pub without_estimate: u64,
}

/// A product's slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HierarchySlice {
    /// Where it is in the organisation.
    pub hierarchy: Hierarchy,
    /// Its figures.
    pub slice: Slice,
}

/// A platform's spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlatformSpend {
    /// The platform.
    pub platform: Platform,
    /// Its spend.
    pub actual: Money,
}

/// A model's spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelSpend {
    /// The platform.
    pub platform: Platform,
    /// The model id, or the bill's name for it.
    pub model: String,
    /// Its spend.
    pub actual: Money,
}

/// An owner's cards that wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnerCards {
    /// The owner.
    pub owner: Sub,
    /// The cards, by period.
    pub card_ids: Vec<CardId>,
}

/// Gaps of one kind and currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GapSpend {
    /// The kind.
    pub kind: GapKind,
    /// Whether these dollars are in the totals' `gap`.
    pub in_totals: bool,
    /// Their dollars.
    pub amount: Money,
    /// How many.
    pub count: u64,
}

/// An adjustment with the workload it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacedAdjustment {
    /// The workload.
    pub workload_id: WorkloadId,
    /// The adjustment.
    pub adjustment: Adjustment,
}

/// That a week's review was held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// The week.
    pub week: Week,
    /// Who held it.
    pub by: Sub,
    /// When.
    pub at: Timestamp,
    /// What was said.
    pub note: Option<Note>,
}

/// Adds up a week. `cards` may hold cards of other weeks: they count among those that wait, not in the figures.
#[must_use]
pub fn summarise(week: Week, cards: &[PlacedCard<'_>], gaps: &[Gap], inputs: ReviewInputs) -> Portfolio {
    let periods = week.periods();
    let of_week: Vec<PlacedCard<'_>> =
        cards.iter().copied().filter(|placed| periods.contains(&placed.card.period)).collect();
    let of_periods: Vec<PlacedCard<'_>> = of_week.iter().copied().filter(|p| p.card.kind == CardKind::Period).collect();
    let adjustments = of_week.iter().flat_map(|placed| {
        let of = |adjustment: &Adjustment| PlacedAdjustment {
            workload_id: placed.card.workload_id.clone(),
            adjustment: adjustment.clone(),
        };
        placed.card.figures.adjustments.iter().map(of)
    });
    Portfolio {
        week,
        periods: periods.clone(),
        total: slice_of(&of_periods),
        by_hierarchy: by_hierarchy(&of_periods),
        by_platform: by_platform(&of_periods),
        by_model: by_model(&of_periods),
        open_cards: waiting_by_owner(cards),
        gaps: open_gaps(gaps),
        adjustments: adjustments.collect(),
        new_models: inputs.new_models,
        open_drift: inputs.open_drift,
        review: inputs.review,
    }
}

/// Records that a week's review was held; once.
pub fn decide_review(
    held: Option<&Review>,
    week: Week,
    note: Option<Note>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Review> {
    if let Err(refusal) = authorize(actor, Action::ReviewPortfolio, Relations::NONE, "") {
        return refusal.into();
    }
    match held {
        Some(review) if review.by == actor.sub && review.note == note => Outcome::AlreadyDone,
        Some(review) => {
            let detail = format!("the review of the week of {week} was held at {}", review.at);
            Refusal::new(RefusalKind::AlreadyDecided, detail).into()
        }
        None => Outcome::Changed(Review { week, by: actor.sub.clone(), at: now, note }),
    }
}

/// The dollars of gaps that nobody has closed, by kind and currency.
#[must_use]
pub fn open_gaps(gaps: &[Gap]) -> Vec<GapSpend> {
    let mut sums: BTreeMap<(GapKind, bool, &Currency), (Decimal, u64)> = BTreeMap::new();
    for gap in gaps.iter().filter(|gap| !gap.state.is_closed()) {
        let sum = sums.entry((gap.kind, gap.in_totals, &gap.amount.currency)).or_default();
        *sum = (sum.0 + gap.amount.amount, sum.1 + 1);
    }
    sums.into_iter()
        .map(|((kind, in_totals, currency), (amount, count))| GapSpend {
            kind,
            in_totals,
            amount: Money { amount: amount.normalize(), currency: currency.clone() },
            count,
        })
        .collect()
}

fn slice_of(cards: &[PlacedCard<'_>]) -> Slice {
    let figures = || cards.iter().map(|placed| &placed.card.figures);
    let planned = || figures().filter_map(|f| f.estimate_share.as_ref().map(|share| (f.actual.amount, share.amount)));
    let estimate = planned().map(|(_, share)| share).reduce(|one, other| one + other);
    let actual: Decimal = figures().map(|f| f.actual.amount).sum();
    let actual_of_planned: Decimal = planned().map(|(actual, _)| actual).sum();
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Slice {
        actual: Money::usd(actual.normalize()),
        actual_without_estimate: Money::usd((actual - actual_of_planned).normalize()),
        estimate_share: estimate.map(Money::usd),
        variance: Variance::of(actual_of_planned, estimate),
        cards: count(cards.len()),
        without_estimate: count(cards.len() - planned().count()),
    }
}

fn by_hierarchy(cards: &[PlacedCard<'_>]) -> Vec<HierarchySlice> {
    let mut groups: BTreeMap<&Hierarchy, Vec<PlacedCard<'_>>> = BTreeMap::new();
    for placed in cards {
        groups.entry(placed.hierarchy).or_default().push(*placed);
    }
    groups
        .into_iter()
        .map(|(hierarchy, cards)| HierarchySlice { hierarchy: hierarchy.clone(), slice: slice_of(&cards) })
        .collect()
}

fn by_platform(cards: &[PlacedCard<'_>]) -> Vec<PlatformSpend> {
    let mut sums: BTreeMap<Platform, Decimal> = BTreeMap::new();
    for line in usd_lines(cards) {
        *sums.entry(line.platform).or_default() += line.amount.amount;
    }
    sums.into_iter().map(|(platform, sum)| PlatformSpend { platform, actual: Money::usd(sum.normalize()) }).collect()
}

fn by_model(cards: &[PlacedCard<'_>]) -> Vec<ModelSpend> {
    let mut sums: BTreeMap<(Platform, &str), Decimal> = BTreeMap::new();
    for line in usd_lines(cards) {
        *sums.entry((line.platform, &line.model)).or_default() += line.amount.amount;
    }
    let spend = |((platform, model), sum): ((Platform, &str), Decimal)| ModelSpend {
        platform,
        model: model.to_owned(),
        actual: Money::usd(sum.normalize()),
    };
    sums.into_iter().map(spend).collect()
}

fn usd_lines<'a>(cards: &[PlacedCard<'a>]) -> impl Iterator<Item = &'a crate::spend::card::CardLine> {
    let lines: Vec<_> = cards.iter().flat_map(|placed| &placed.card.figures.lines).collect();
    lines.into_iter().filter(|line| line.amount.currency == Currency::usd())
}

fn waiting_by_owner(cards: &[PlacedCard<'_>]) -> Vec<OwnerCards> {
    let mut waiting: BTreeMap<&Sub, Vec<CardId>> = BTreeMap::new();
    for placed in cards.iter().filter(|placed| placed.card.state != CardState::Approved) {
        for owner in placed.owners {
            waiting.entry(owner).or_default().push(placed.card.id.clone());
        }
    }
    waiting
        .into_iter()
        .map(|(owner, mut card_ids)| {
            card_ids.sort();
            OwnerCards { owner: owner.clone(), card_ids }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::people::Role;
    use crate::spend::bill::attribution::AttributionLevel;
    use crate::spend::bill::usage::UsageKind;
    use crate::spend::card::{CardFigures, CardLine};
    use jiff::civil::date;

    type Failure = Box<dyn std::error::Error>;

    fn card(
        workload: &str,
        period: Period,
        actual: u32,
        estimate: Option<u32>,
        state: CardState,
    ) -> Result<SpendCard, Failure> {
        let usd = |amount: u32| Money::usd(Decimal::from(amount));
        let line = CardLine {
            id: "lin_1".to_owned(),
            platform: Platform::Bedrock,
            model: "amazon.nova-lite-v1:0".to_owned(),
            usage_kind: UsageKind::Input,
            detail: None,
            region: "us-east-1".to_owned(),
            used_on: None,
            quantity: Decimal::ONE,
            unit: "tokens".to_owned(),
            amount: usd(actual),
        };
        let workload_id: WorkloadId = workload.parse()?;
        Ok(SpendCard {
            id: SpendCard::id_of(CardKind::Period, period, &workload_id),
            version: 1,
            kind: CardKind::Period,
            workload_id,
            space_id: "spc_1".parse()?,
            period,
            is_final: false,
            as_of: Timestamp::UNIX_EPOCH,
            figures: CardFigures {
                attribution_level: AttributionLevel::Workload,
                complete_to: period.to,
                actual: usd(actual),
                estimate_share: estimate.map(usd),
                variance: Variance::of(Decimal::from(actual), estimate.map(Decimal::from)),
                previous: None,
                month_to_date: usd(actual),
                projected_month_end: None,
                ccu: None,
                lines: vec![line],
                adjustments: Vec::new(),
                other_currencies: Vec::new(),
            },
            state,
            resolution: None,
            history: Vec::new(),
        })
    }

    #[test]
    fn a_week_is_named_by_its_sunday_and_holds_two_periods_at_a_month_border() -> Result<(), Failure> {
        assert_eq!("2026-08-22".parse::<Week>()?.to_string(), "2026-08-16");
        assert_eq!("2026-08-16".parse::<Week>()?.periods().len(), 1);
        assert_eq!("2026-08-31".parse::<Week>()?.periods().len(), 2);
        assert!("2026-W34".parse::<Week>().is_err());
        Ok(())
    }

    #[test]
    fn workloads_without_an_estimate_count_in_actual_and_not_in_variance() -> Result<(), Failure> {
        let week = Week::of(date(2026, 8, 20));
        let period = Period::of(date(2026, 8, 20));
        let cards = [
            card("wkl_1", period, 110, Some(100), CardState::Open)?,
            card("wkl_2", period, 50, None, CardState::Approved)?,
            card("wkl_1", period.previous(), 7, None, CardState::Disputed)?,
        ];
        let label = |product: &str| Hierarchy {
            business_unit: "Retail".to_owned(),
            department: "Shop".to_owned(),
            portfolio: "Web".to_owned(),
            product: product.to_owned(),
        };
        let (one, two, owners): (_, _, [Sub; 1]) = (label("one"), label("two"), ["po".parse()?]);
        let [first, second, third] = &cards;
        let placed = [(first, &one), (second, &two), (third, &one)].map(|(card, hierarchy)| PlacedCard {
            card,
            hierarchy,
            owners: &owners,
        });
        let portfolio = summarise(week, &placed, &[], ReviewInputs::default());
        let total = &portfolio.total;
        assert_eq!((total.actual.amount, total.cards, total.without_estimate), (Decimal::from(160), 2, 1));
        assert_eq!(total.variance.percent, Some(Decimal::from(10)));
        assert_eq!(total.actual_without_estimate.amount, Decimal::from(50), "what the variance leaves out is named");
        assert_eq!(portfolio.by_hierarchy.len(), 2);
        let by_model: Decimal = portfolio.by_model.iter().map(|m| m.actual.amount).sum();
        assert_eq!(by_model, total.actual.amount);
        let waiting: Vec<usize> = portfolio.open_cards.iter().map(|o| o.card_ids.len()).collect();
        assert_eq!(waiting, [2]);
        Ok(())
    }

    #[test]
    fn a_review_is_held_once_by_a_lead() -> Result<(), Failure> {
        let week = Week::of(date(2026, 8, 20));
        let lead = Actor::person("lead".parse()?, [Role::FinopsLead]);
        let hold = |held: Option<&Review>, actor: &Actor| decide_review(held, week, None, actor, Timestamp::UNIX_EPOCH);
        let Outcome::Changed(review) = hold(None, &lead) else { return Err("refused".into()) };
        assert_eq!(hold(Some(&review), &lead), Outcome::AlreadyDone);
        let other = Actor::person("other".parse()?, [Role::FinopsLead]);
        assert!(matches!(hold(Some(&review), &other), Outcome::Refused(r) if r.kind == RefusalKind::AlreadyDecided));
        let auditor = Actor::person("a".parse()?, [Role::Auditor]);
        assert!(matches!(hold(None, &auditor), Outcome::Refused(r) if r.kind == RefusalKind::RoleForbidden));
        Ok(())
    }
}
