//! Every cent is accounted for, in every month, against a sum that the product did not make.

use local::bus::Deliveries;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use system_tests::{LENA, World, text};

use super::week::Week;

fn amount(value: &Value, pointer: &str) -> anyhow::Result<Decimal> {
    assert_eq!(text(value, &format!("{pointer}/currency"))?, "USD");
    Ok(text(value, &format!("{pointer}/amount"))?.parse()?)
}

async fn check_month(world: &World, month: domain::calendar::Month) -> anyhow::Result<Value> {
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
