//! What a settled dispute and a late restatement move: gaps, cards and totals of one month say the same, however old
//! it is.

use anyhow::Context as _;
use serde_json::{Value, json};
use system_tests::bill::{self, Line};
use system_tests::ledger::{Units, units_in};
use system_tests::{LENA, PETRA, Person, SAMIR, text};

use super::deliveries::{AS_OF, Hand, delivery};

/// The day in October on which somebody looks at August again.
const OCTOBER: &str = "2026-10-12T07:00:00Z";

impl Hand {
    async fn first_delivery() -> anyhow::Result<Self> {
        let hand = Self::governed().await?;
        let (as_of, monday) = AS_OF[0];
        hand.world.at(monday)?;
        hand.read("delivery-0", &delivery(0), 1, as_of).await?;
        hand.world.schedule("spend-cards").await?;
        Ok(hand)
    }

    /// Disputes the card of the period that begins on this day, and has the Lead decide it.
    async fn dispute(&self, who: Person, from: u32, resolution: &Value) -> anyhow::Result<()> {
        let card = self.cards(who).await?.remove(&from).context("a card to dispute")?;
        let path = format!("/v1/spend-cards/{}", text(&card, "/id")?);
        let dispute = json!({ "version": card["version"], "reason": "this is not ours" });
        self.world.post(who, &format!("{path}/dispute"), &dispute).await?.ok()?;
        self.world.post(LENA, &format!("{path}/resolve"), resolution).await?.ok()?;
        self.world.settle().await.map(drop)
    }

    /// The month's gap in dollars: as spend says it, as its last run does, and as the gaps add up to.
    async fn gap_three_ways(&self) -> anyhow::Result<[Units; 3]> {
        let month = bill::MONTH;
        let spend = self.world.get(LENA, &format!("/v1/spend?billingPeriod={month}")).await?.ok()?;
        let runs = self.world.list(LENA, &format!("/v1/ingestions?billingPeriod={month}")).await?;
        let totals = runs.first().and_then(|run| run["totals"].as_array()).context("totals")?;
        let usd = totals.iter().find(|totals| totals["cur"]["currency"] == "USD").context("dollars")?;
        let gaps = self.gaps().await?;
        let counted = gaps.iter().filter(|gap| gap["inTotals"] == true && gap["amount"]["currency"] == "USD");
        let sum = counted.map(|gap| units_in(&gap["amount"]["amount"])).sum();
        Ok([units_in(&spend["totals"]["gap"]["amount"]), units_in(&usd["gap"]["amount"]), sum])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_that_raises_a_gap_opens_it_and_the_gaps_add_up_to_the_totals() -> anyhow::Result<()> {
    let hand = Hand::first_delivery().await?;
    let before = hand.gap_three_ways().await?;
    assert_eq!(before, [before[0]; 3]);
    let disputed = hand.cards(PETRA).await?.remove(&16).context("a card")?;
    let moved = units_in(&disputed["actual"]["amount"]);
    assert!(moved > 0, "{disputed}");
    hand.dispute(PETRA, 16, &json!({ "decision": "raise-gap", "reason": "nobody knows who ran it" })).await?;
    assert_eq!(hand.gap_three_ways().await?, [before[0] + moved; 3]);
    hand.world.schedule("cur-ingestion").await?;
    assert_eq!(hand.gap_three_ways().await?, [before[0] + moved; 3], "the next reading says the same");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restatement_of_an_older_month_reaches_the_cards_that_were_signed() -> anyhow::Result<()> {
    let hand = Hand::first_delivery().await?;
    let signed = hand.sign(PETRA, 16).await?;
    hand.world.at(OCTOBER)?;
    hand.world.schedule("spend-cards").await?;
    let lines: Vec<Line> = delivery(1);
    hand.read("delivery-1", &lines, 1, "2026-10-12T03:00:00Z").await?;
    let cards = hand.cards(PETRA).await?;
    let adjustments: Vec<&Value> = cards.values().flat_map(|card| card["adjustments"].as_array()).flatten().collect();
    let [adjustment] = adjustments.as_slice() else { anyhow::bail!("one adjustment: {cards:#?}") };
    assert_eq!((&adjustment["period"]["from"], &adjustment["reason"]), (&json!("2026-08-16"), &json!("restated")));
    assert!(signed > 0 && units_in(&adjustment["amount"]["amount"]) < 0, "{adjustment}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_old_card_gives_away_is_on_a_card_of_its_new_owner() -> anyhow::Result<()> {
    let hand = Hand::first_delivery().await?;
    let before = hand.cards(PETRA).await?.remove(&16).context("a card")?;
    let reports = hand.world.list(LENA, "/v1/workloads").await?;
    let reports = reports.iter().find(|workload| workload["name"] == "Reports").context("Reports")?;
    assert!(hand.cards(SAMIR).await?.contains_key(&16));
    hand.world.at(OCTOBER)?;
    let target = json!({ "workloadId": text(reports, "/id")? });
    let resolution = json!({ "decision": "re-attribute", "target": target, "reason": "the reports ran it" });
    hand.dispute(PETRA, 16, &resolution).await?;
    for proposal in hand.world.list(PETRA, "/v1/proposals").await? {
        hand.world.post(PETRA, &format!("/v1/proposals/{}/accept", text(&proposal, "/id")?), &json!({})).await?.ok()?;
    }
    hand.world.settle().await?;
    let path = format!("/v1/spend-cards?from=2026-08-01&workloadId={}", text(reports, "/id")?);
    let cards = hand.world.list(PETRA, &path).await?;
    let [card] = cards.as_slice() else { anyhow::bail!("one card of the new owner: {cards:#?}") };
    assert_eq!((&card["period"]["from"], &card["actual"]), (&json!("2026-08-16"), &before["actual"]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_who_decided_a_dispute_and_became_an_owner_does_not_sign_the_card() -> anyhow::Result<()> {
    let hand = Hand::first_delivery().await?;
    hand.dispute(PETRA, 16, &json!({ "decision": "accept-as-is", "reason": "the figures stand" })).await?;
    let card = hand.cards(PETRA).await?.remove(&16).context("a card")?;
    let workload = hand.world.get(LENA, &format!("/v1/workloads/{}", text(&card, "/workloadId")?)).await?.ok()?;
    let space = format!("/v1/spaces/{}", text(&workload, "/spaceId")?);
    let owners = json!({ "name": "Checkout", "owners": ["petra", "lena"] });
    hand.world.put(LENA, &space, &owners).await?.ok()?;
    let lena = Person { sub: "lena", groups: &["finops-lead", "product-owner"] };
    let (path, body) =
        (format!("/v1/spend-cards/{}/approve", text(&card, "/id")?), json!({ "version": card["version"] }));
    assert_eq!(hand.world.post(lena, &path, &body).await?.refusal(), (403, "separation-of-duties"));
    hand.world.post(PETRA, &path, &body).await?.ok()?;
    hand.world.settle().await.map(drop)
}
