mod disputes;

use jiff::civil::{Date, date};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::access::workloads::estimate::Estimate;
use crate::base::authorization::{Relation, Relations};
use crate::base::calendar::Month;
use crate::base::money::Money;
use crate::base::outcome::Outcome;
use crate::base::people::Role;
use crate::base::platform::Platform;
use crate::spend::bill::attribution::AttributionLevel;
use crate::spend::bill::facts::{Fact, read_group};
use crate::spend::bill::line::samples::{aliases, group};
use crate::spend::bill::settings::BillSettings;

type Tested = Result<(), Box<dyn std::error::Error>>;
type Failure = Box<dyn std::error::Error>;

const WEEK: Period = Period { from: date(2026, 8, 16), to: date(2026, 8, 22) };
const NEXT: Period = Period { from: date(2026, 8, 23), to: date(2026, 8, 29) };
const MONDAY: &str = "2026-08-24T06:00:00Z";

fn at(time: &str) -> Timestamp {
    time.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

fn job() -> Actor {
    Actor::system("spend-cards")
}

fn fact(day: Date, cost: Decimal, more: &[(&str, &str)]) -> Result<Fact, Failure> {
    let (day, cost) = (day.to_string(), cost.to_string());
    let mut set = vec![
        ("usage_day", day.as_str()),
        ("cost", &cost),
        ("product_code", "AmazonBedrock"),
        ("principal", "arn:aws:iam::111122223333:role/app"),
        ("product_model", "Nova Lite"),
        ("inference_type", "input tokens"),
        ("pricing_unit", "1K tokens"),
    ];
    set.retain(|(column, _)| !more.iter().any(|(c, _)| c == column));
    set.extend_from_slice(more);
    Ok(read_group(&group(&set)?, &BillSettings::default(), aliases()?).fact)
}

fn estimate(platform: Platform, monthly: u32) -> Result<Estimate, Failure> {
    Ok(Estimate {
        id: "est_1".parse()?,
        workload_id: "wkl_1".parse()?,
        platform,
        monthly: Money::usd(Decimal::from(monthly)),
        tokens: None,
        ccu: None,
        reason: "first".parse()?,
        valid_from: date(2026, 7, 1),
        by: "po".parse()?,
        at: at(MONDAY),
        version: 1,
    })
}

/// Plans with these facts; `due` as given, the delivery complete to the 24th.
fn plan(
    cards: &[SpendCard],
    due: &[Period],
    facts: &[Fact],
    estimates: &[Estimate],
) -> Result<Vec<CardChange>, Failure> {
    let level = |fact: &Fact| match fact.key.platform {
        Some(Platform::ClaudePlatform) => AttributionLevel::Workspace,
        _ => AttributionLevel::Workload,
    };
    let attributed: Vec<WorkloadFact<'_>> =
        facts.iter().map(|fact| WorkloadFact { fact, model: &fact.key.model, level: level(fact) }).collect();
    let delivery = DeliveredMonth { as_of: at(MONDAY), complete_to: date(2026, 8, 24), is_invoiced: false };
    let inputs = WorkloadInputs {
        workload_id: "wkl_1".parse()?,
        space_id: "spc_1".parse()?,
        due: due.to_vec(),
        claim_level: AttributionLevel::Workload,
        facts: &attributed,
        estimates,
        deliveries: [date(2026, 7, 1), date(2026, 8, 1)].map(|day| (Month::of(day), delivery)).into(),
        reason: AdjustmentReason::Restated,
    };
    Ok(plan_cards(cards, &inputs, &job(), at(MONDAY)))
}

fn apply(cards: &mut Vec<SpendCard>, changes: Vec<CardChange>) {
    for change in changes {
        cards.retain(|card| card.id != change.card().id);
        cards.push(change.card().clone());
    }
}

fn only(changes: Vec<CardChange>) -> Result<SpendCard, Failure> {
    match <[CardChange; 1]>::try_from(changes) {
        Ok([change]) => Ok(change.card().clone()),
        Err(changes) => Err(format!("{} changes", changes.len()).into()),
    }
}

fn open_card() -> Result<SpendCard, Failure> {
    only(plan(&[], &[WEEK], &[fact(WEEK.from, Decimal::from(10), &[])?], &[])?)
}

fn owner() -> Result<(Actor, Relations), Failure> {
    Ok((Actor::person("po".parse()?, [Role::ProductOwner]), Relations::NONE.with(Relation::Owner, true)))
}

fn sign(card: &SpendCard) -> Result<SpendCard, Failure> {
    let (po, relations) = owner()?;
    let command = Approve { version: card.version, note: None };
    match decide_approve(card, command, &po, relations, at(MONDAY)) {
        Outcome::Changed(card) => Ok(card),
        other => Err(format!("{other:?}").into()),
    }
}

#[test]
fn a_card_says_what_the_facts_say() -> Tested {
    let dec = |text: &str| text.parse::<Decimal>().unwrap_or_default();
    let claude = [
        ("product_code", ""),
        ("principal", ""),
        ("product_model", ""),
        ("inference_type", ""),
        ("pricing_unit", "Units"),
        ("billing_entity", "AWS Marketplace"),
        ("usage_type", "CCU"),
        ("unblended_rate", "0.01"),
        ("quantity", "1000"),
    ];
    let facts = [
        fact(date(2026, 8, 3), dec("5"), &[])?,
        fact(date(2026, 8, 16), dec("1.0000000001"), &[])?,
        fact(date(2026, 8, 22), dec("2.5"), &[])?,
        fact(date(2026, 8, 22), dec("10"), &claude)?,
        fact(date(2026, 8, 20), dec("7"), &[("currency", "EUR")])?,
        fact(date(2026, 8, 23), dec("99"), &[])?,
    ];
    let estimates = [estimate(Platform::Bedrock, 31)?, estimate(Platform::ClaudePlatform, 62)?];
    let card = only(plan(&[], &[WEEK], &facts, &estimates)?)?;
    assert_eq!(card.id.as_str(), "crd_2026-08-16.period.1");
    let figures = &card.figures;
    assert_eq!(figures.actual, Money::usd(dec("13.5000000001")));
    assert_eq!(figures.estimate_share, Some(Money::usd(dec("21"))));
    assert_eq!(figures.month_to_date, Money::usd(dec("18.5000000001")));
    assert_eq!(figures.projected_month_end, Some(Money::usd(dec("26.07"))));
    assert_eq!(figures.variance.band, Band::Under);
    assert_eq!(figures.attribution_level, AttributionLevel::Workspace);
    assert_eq!(figures.ccu, Some(CcuFigures { actual: dec("1000"), estimate_share: Some(dec("1400")) }));
    assert_eq!(figures.other_currencies, vec![Money { amount: dec("7"), currency: "EUR".parse()? }]);
    let line =
        |l: &CardLine| format!("{} {} {} {} {}", l.model, l.usage_kind.as_str(), l.quantity, l.unit, l.amount.amount);
    let lines: Vec<String> = figures.lines.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "amazon.nova-lite-v1:0 input 10000 tokens 7",
            "amazon.nova-lite-v1:0 input 20000 tokens 3.5000000001",
            "unnamed ccu 1000 CCU 10",
        ]
    );
    let json = serde_json::to_value(&card)?;
    assert_eq!(json.get("final"), Some(&serde_json::json!(false)));
    assert_eq!(json.pointer("/lines/0/usageKind"), Some(&serde_json::json!("input")));
    assert_eq!(serde_json::from_value::<SpendCard>(json)?, card);
    Ok(())
}

#[test]
fn usage_outside_the_month_of_its_bill_counts_on_the_nearest_day_and_says_when_it_was() -> Tested {
    let (july, august) = (Month::of(date(2026, 7, 1)), Month::of(date(2026, 8, 1)));
    let ten = |day| fact(day, Decimal::from(10), &[]);
    let facts = [
        ten(date(2026, 7, 31))?.billed_in(july),
        ten(date(2026, 7, 2))?.billed_in(august),
        ten(date(2026, 8, 1))?.billed_in(august),
        ten(date(2026, 8, 31))?.billed_in(august),
        ten(date(2026, 9, 3))?.billed_in(august),
    ];
    let cards = plan(&[], &august.periods(), &facts, &[])?;
    let said: Decimal = cards.iter().map(|change| change.card().figures.actual.amount).sum();
    assert_eq!(said, Decimal::from(40), "August's cards are August's bill");
    let used = |period: Period| {
        let card = cards.iter().map(CardChange::card).find(|card| card.period == period);
        let lines = card.into_iter().flat_map(|card| &card.figures.lines);
        lines.map(|line| (line.used_on, line.amount.amount)).collect::<Vec<_>>()
    };
    let ten = Decimal::from(10);
    assert_eq!(used(Period::of(august.first_day())), [(None, ten), (Some(date(2026, 7, 2)), ten)]);
    assert_eq!(used(Period::of(august.last_day())), [(None, ten), (Some(date(2026, 9, 3)), ten)]);
    let before = only(plan(&[], &[Period::of(july.last_day())], &facts, &[])?)?;
    assert_eq!(before.figures.actual.amount, ten, "a later bill moves no card of this one");

    let card = cards.first().ok_or("a card")?.card();
    let transfer = Transfer {
        card_id: card.id.clone(),
        workload_id: card.workload_id.clone(),
        period: card.period,
        from: card.period.from,
        line_ids: card.figures.lines.iter().map(|line| line.id.clone()).collect(),
        spared_line_ids: Vec::new(),
        to: None,
    };
    let moved: Vec<bool> = facts.iter().map(|f| transfer.moves(&card.workload_id, f, &f.key.model)).collect();
    assert_eq!(moved, [false, true, true, false, false], "a dispute moves what its card shows");
    Ok(())
}

#[test]
fn spend_that_vanishes_altogether_still_moves_its_cards() -> Tested {
    let open = open_card()?;
    let emptied = only(plan(std::slice::from_ref(&open), &[], &[], &[])?)?;
    assert_eq!((emptied.id.clone(), emptied.figures.actual.amount), (open.id.clone(), Decimal::ZERO));
    let own = only(plan(&[sign(&open)?], &[], &[], &[])?)?;
    assert_eq!(own.figures.adjustments.first().map(|a| a.amount.amount), Some(Decimal::from(-10)));
    Ok(())
}

#[test]
fn a_card_without_spend_or_estimate_still_opens_and_says_so() -> Tested {
    let card = only(plan(&[], &[WEEK], &[], &[])?)?;
    assert_eq!((card.figures.actual.amount, card.figures.variance.band), (Decimal::ZERO, Band::NoEstimate));
    Ok(())
}

#[test]
fn a_trend_is_against_the_period_directly_before_or_there_is_none() -> Tested {
    let ten = |day| fact(day, Decimal::from(10), &[]);
    let facts = [ten(date(2026, 7, 20))?, ten(WEEK.from)?, ten(NEXT.from)?];
    let trends = |cards: &[SpendCard], due: &[Period]| -> Result<Vec<Option<Period>>, Failure> {
        let changes = plan(cards, due, &facts, &[])?;
        Ok(changes.iter().map(|c| c.card().figures.previous.as_ref().map(|trend| trend.period)).collect())
    };
    let july = Period::of(date(2026, 7, 20));
    assert_eq!(trends(&[], &[july, WEEK, NEXT])?, [None, None, Some(WEEK)], "July's card is weeks away");
    // A card of a month that is not at hand, right before one that is.
    let june = Period::of(date(2026, 6, 30));
    let mut before = open_card()?;
    (before.id, before.period) = (SpendCard::id_of(CardKind::Period, june, &before.workload_id), june);
    let first = Period::of(date(2026, 7, 1));
    assert_eq!(trends(&[before.clone()], &[first])?, [Some(june)], "over the border of a month");
    assert_eq!(trends(&[before], &[july])?, [None]);
    Ok(())
}

#[test]
fn planning_twice_changes_nothing_and_a_moved_bill_regenerates_what_is_not_frozen() -> Tested {
    let first = [fact(WEEK.from, Decimal::from(10), &[])?];
    let mut cards = Vec::new();
    let changes = plan(&cards, &[WEEK], &first, &[])?;
    apply(&mut cards, changes);
    assert_eq!(plan(&cards, &[WEEK], &first, &[])?, vec![]);
    let moved = [fact(WEEK.from, Decimal::from(12), &[("invoiced", "1")])?];
    let card = only(plan(&cards, &[WEEK], &moved, &[])?)?;
    assert_eq!((card.version, card.figures.actual.amount, card.is_final), (2, Decimal::from(12), true));
    let signed = [sign(&card)?];
    assert_eq!(plan(&signed, &[WEEK], &moved, &[])?, vec![]);
    Ok(())
}

#[test]
fn a_signed_card_never_changes_but_for_final() -> Tested {
    let card = sign(&open_card()?)?;
    let invoiced = [fact(WEEK.from, Decimal::from(10), &[("invoiced", "1")])?];
    let changes = plan(std::slice::from_ref(&card), &[WEEK], &invoiced, &[])?;
    assert!(
        matches!(changes.as_slice(), [CardChange::MarkedFinal(now)] if now.is_final && now.figures == card.figures)
    );
    Ok(())
}

#[test]
fn a_restatement_goes_to_the_next_open_card_or_to_one_of_its_own() -> Tested {
    let mut cards = vec![sign(&open_card()?)?];
    let restated = [fact(WEEK.from, Decimal::from(7), &[])?];
    let own = only(plan(&cards, &[WEEK], &restated, &[])?)?;
    assert_eq!((own.kind, own.period, own.figures.actual.amount), (CardKind::Adjustment, WEEK, Decimal::ZERO));
    let next = only(plan(&cards, &[WEEK, NEXT], &restated, &[])?)?;
    let shown: Vec<_> = next.figures.adjustments.iter().map(|a| (a.period, a.amount.amount)).collect();
    assert_eq!((next.period, shown), (NEXT, vec![(WEEK, Decimal::from(-3))]));
    assert_eq!((next.figures.actual.amount, next.figures.variance.band), (Decimal::ZERO, Band::NoEstimate));

    apply(&mut cards, vec![CardChange::Opened(sign(&own)?)]);
    assert_eq!(plan(&cards, &[WEEK], &restated, &[])?, vec![], "carried once");
    let again = [fact(WEEK.from, Decimal::from(8), &[])?];
    assert_eq!(plan(&cards, &[WEEK], &again, &[])?, vec![], "its own card is signed: it waits for the next one");
    let next = only(plan(&cards, &[WEEK, NEXT], &again, &[])?)?;
    assert_eq!(next.figures.adjustments.first().map(|a| a.amount.amount), Some(Decimal::ONE));
    Ok(())
}

#[test]
fn a_restatement_in_another_currency_is_an_adjustment_in_that_currency() -> Tested {
    let ten = fact(WEEK.from, Decimal::from(10), &[])?;
    let euros = |amount: u32| fact(WEEK.from, Decimal::from(amount), &[("currency", "EUR")]);
    let shown = |card: &SpendCard| -> Vec<(String, Decimal)> {
        card.figures.adjustments.iter().map(|a| (a.amount.currency.to_string(), a.amount.amount)).collect()
    };
    let signed = sign(&only(plan(&[], &[WEEK], &[ten.clone(), euros(5)?], &[])?)?)?;
    let mut cards = vec![signed];
    assert_eq!(plan(&cards, &[WEEK], &[ten.clone(), euros(5)?], &[])?, vec![], "nothing moved");
    let moved = [ten, euros(7)?];
    let next = only(plan(&cards, &[WEEK, NEXT], &moved, &[])?)?;
    assert_eq!(shown(&next), [("EUR".to_owned(), Decimal::TWO)]);
    assert_eq!(next.figures.actual.amount, Decimal::ZERO);
    apply(&mut cards, vec![CardChange::Opened(sign(&next)?)]);
    assert_eq!(plan(&cards, &[WEEK, NEXT], &moved, &[])?, vec![], "carried once");
    let gone = only(plan(&cards, &[WEEK, NEXT], &[], &[])?)?;
    let both = [("EUR".to_owned(), Decimal::from(-7)), ("USD".to_owned(), Decimal::from(-10))];
    assert_eq!((gone.kind, shown(&gone)), (CardKind::Adjustment, both.to_vec()), "each by itself, on one card");
    Ok(())
}

#[test]
fn a_restatement_taken_back_disappears_from_the_card_that_showed_it() -> Tested {
    let mut cards = vec![sign(&open_card()?)?];
    let changes = plan(&cards, &[WEEK, NEXT], &[fact(WEEK.from, Decimal::from(7), &[])?], &[])?;
    apply(&mut cards, changes);
    let back = only(plan(&cards, &[WEEK, NEXT], &[fact(WEEK.from, Decimal::from(10), &[])?], &[])?)?;
    assert_eq!((back.version, back.figures.adjustments.len()), (2, 0));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the bill restates and whenever owners sign: what all cards say together is what the bill says.
    #[test]
    fn cards_and_adjustments_add_up_to_the_bill(
        deliveries in prop::collection::vec((prop::collection::vec(0_i64..1_000_000, 31), any::<[bool; 6]>()), 1..6),
    ) {
        let failed = |e: Failure| TestCaseError::fail(e.to_string());
        let month = Month::of(date(2026, 8, 1));
        let mut cards: Vec<SpendCard> = Vec::new();
        let mut total = Decimal::ZERO;
        let rounds = deliveries.len();
        for (round, (costs, signed)) in deliveries.into_iter().enumerate() {
            let days = Period { from: month.first_day(), to: month.last_day() };
            let facts: Vec<Fact> = days.days().zip(&costs)
                .map(|(day, units)| fact(day, Decimal::new(*units, 4), &[])).collect::<Result<_, _>>().map_err(failed)?;
            total = facts.iter().map(|f| f.amount).sum();
            let due: Vec<Period> = month.periods().into_iter().take(round + 2).collect();
            let due = if round + 1 == rounds { month.periods() } else { due };
            let changes = plan(&cards, &due, &facts, &[]).map_err(failed)?;
        apply(&mut cards, changes);
            prop_assert_eq!(plan(&cards, &due, &facts, &[]).map_err(failed)?, vec![]);
            // The last period stays open, so that there is always a card to carry what moved before.
            for card in cards.iter_mut().filter(|c| c.period.to < month.last_day() && c.state == CardState::Open) {
                if round + 1 < rounds && signed.get(usize::try_from(card.version % 6).unwrap_or(0)) == Some(&true) {
                    *card = sign(card).map_err(failed)?;
                }
            }
        }
        let said: Decimal = cards.iter().map(|card| {
            card.figures.actual.amount + card.figures.adjustments.iter().map(|a| a.amount.amount).sum::<Decimal>()
        }).sum();
        prop_assert_eq!(said, total);
        prop_assert!(cards.iter().all(|c| c.figures.lines.iter().map(|l| l.amount.amount).sum::<Decimal>() == c.figures.actual.amount));
    }
}
