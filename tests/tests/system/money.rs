//! Every cent is accounted for, in every month, against a sum that the product did not make.

use anyhow::Context as _;
use local::bus::Deliveries;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use system_tests::bill::{self, Line};
use system_tests::ledger::{Units, units_in};
use system_tests::{LENA, PETRA, SAMIR, World, text};

use super::deliveries::{AS_OF, Hand, delivery};
use super::week::Week;

fn amount(value: &Value, pointer: &str) -> anyhow::Result<Decimal> {
    assert_eq!(text(value, &format!("{pointer}/currency"))?, "USD");
    Ok(text(value, &format!("{pointer}/amount"))?.parse()?)
}

async fn check_month(world: &World, month: domain::base::calendar::Month) -> anyhow::Result<Value> {
    let path = format!("/v1/spend?billingPeriod={month}");
    let spend = world.get(LENA, &path).await?.ok()?;
    let sum = local::sample::totals(month);
    let [cur, attributed, gap, excluded, not_ai] =
        ["cur", "attributed", "gap", "excluded", "nonAi"].map(|name| amount(&spend, &format!("/totals/{name}")));
    let (cur, attributed, gap, excluded) = (cur?, attributed?, gap?, excluded?);
    assert_eq!(cur, sum.ai_cost, "{month}: the bill's AI rows");
    assert_eq!(not_ai? + cur, sum.all_cost, "{month}: the whole bill");
    assert_eq!(attributed + gap + excluded, cur, "{month}");
    assert_eq!(spend["complete"], true);
    for by in ["workload", "model", "account", "region", "usage-kind", "day"] {
        let grouped = world.get(LENA, &format!("{path}&groupBy={by}")).await?.ok()?;
        let groups = grouped["groups"].as_array().cloned().unwrap_or_default();
        let amounts: Vec<Decimal> =
            groups.iter().map(|group| amount(group, "/amount")).collect::<anyhow::Result<_>>()?;
        assert_eq!(amounts.iter().sum::<Decimal>(), cur, "{month} by {by}");
    }
    let gaps = world.list(LENA, &format!("/v1/gaps?billingPeriod={month}")).await?;
    let counted = gaps.iter().filter(|gap| gap["inTotals"] == true).map(|gap| amount(gap, "/amount"));
    assert_eq!(counted.collect::<anyhow::Result<Vec<_>>>()?.iter().sum::<Decimal>(), gap, "{month}: the gaps add up");
    Ok(spend)
}

#[tokio::test]
async fn attributed_and_gaps_and_excluded_are_the_bill_before_and_after_the_week() -> anyhow::Result<()> {
    let world = World::with_bill(Deliveries::Once).await?;
    world.schedule("cur-ingestion").await?;
    for month in local::sample::months() {
        let spend = check_month(&world, month).await?;
        assert_eq!(amount(&spend, "/totals/attributed")?, Decimal::ZERO, "nobody has claimed anything");
    }
    let week = Week::played(Deliveries::Once).await?;
    for month in local::sample::months() {
        let spend = check_month(&week.world, month).await?;
        assert!(amount(&spend, "/totals/attributed")? > Decimal::ZERO, "{month}");
        let again = week.world.post(LENA, "/v1/ingestions", &json!({ "billingPeriod": month.to_string() })).await?;
        assert!([200, 202].contains(&again.status), "{}", again.body);
    }
    week.world.settle().await?;
    for month in local::sample::months() {
        check_month(&week.world, month).await?;
    }
    let unread = week.world.get(LENA, "/v1/spend?billingPeriod=2026-06").await?.ok()?;
    assert_eq!((&unread["complete"], &unread["totals"]), (&json!(false), &Value::Null), "unread is not zero");
    Ok(())
}

/// What a chargeback file of the month adds up to, by the three parts and all.
async fn exported(world: &World, kind: &str) -> anyhow::Result<[Units; 4]> {
    let asked = world.post(LENA, "/v1/exports", &json!({ "kind": kind, "billingPeriod": bill::MONTH })).await?.ok()?;
    world.settle().await?;
    let export = world.get(LENA, &format!("/v1/exports/{}", text(&asked, "/id")?)).await?.ok()?;
    let totals = &export["manifest"]["controlTotals"];
    let usd = |name: &str| totals[name].as_array()?.iter().find(|sum| sum["currency"] == "USD").cloned();
    Ok(["cur", "attributed", "gap", "excluded"].map(|name| units_in(&usd(name).unwrap_or_default()["amount"])))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_outside_the_month_of_its_bill_is_in_totals_exports_and_cards_alike() -> anyhow::Result<()> {
    let hand = Hand::governed().await?;
    let (as_of, monday) = AS_OF[2];
    hand.world.at(monday)?;
    let mut lines = delivery(2);
    let late = lines.iter().find(|line| line.cost == "16.5").context("a line of the claimed role")?.clone();
    lines.push(Line { outside: Some("2026-07-30"), cost: "7.0000000001".to_owned(), ..late.clone() });
    lines.push(Line { outside: Some("2026-09-02"), cost: "0.5".to_owned(), ..late.clone() });
    lines.push(Line { outside: Some("2026-07-30"), cost: "3".to_owned(), principal: String::new(), ..late.clone() });
    lines.push(Line { outside: Some("2026-06-30"), cost: "-2".to_owned(), kind: "Credit", ..late });
    hand.read("late", &lines, 1, as_of).await?;
    hand.world.schedule("spend-cards").await?;

    let spend = hand.world.get(LENA, &format!("/v1/spend?billingPeriod={}", bill::MONTH)).await?.ok()?;
    let totals = ["cur", "attributed", "gap", "excluded"].map(|name| units_in(&spend["totals"][name]["amount"]));
    for kind in ["chargeback-csv", "chargeback-focus"] {
        assert_eq!(exported(&hand.world, kind).await?, totals, "{kind}: every cent of the month");
    }
    let owned = [hand.cards(PETRA).await?, hand.cards(SAMIR).await?];
    let on_cards: Units = owned.iter().flat_map(|cards| cards.values()).map(|c| units_in(&c["actual"]["amount"])).sum();
    assert_eq!(on_cards, totals[1], "the month's cards are what is attributed of its bill");
    let used = |from: u32| {
        let lines = owned[0].get(&from).and_then(|card| card["lines"].as_array().cloned()).unwrap_or_default();
        let outside = lines.iter().filter(|line| !line["usedOn"].is_null());
        outside.map(|line| (line["usedOn"].clone(), line["amount"]["amount"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(
        used(1),
        [(json!("2026-07-30"), json!("7.0000000001"))],
        "on the first day, and the card says when it was"
    );
    assert_eq!(used(30), [(json!("2026-09-02"), json!("0.5"))], "on the last day");
    Ok(())
}
