//! The bill: ingestion, control totals, gaps, last week's cards, the signature.

use serde_json::{Value, json};

use super::cast::{ADA, LENA, PETRA, SAMIR};
use super::player::{Player, say, tell, text};
use super::print;

/// Last week's Sunday: the first day of the period whose cards are signed.
const LAST_WEEK: &str = "2026-08-16";

pub(super) async fn play(player: &Player<'_>) -> anyhow::Result<()> {
    say("\n7  The bill of July and August");
    player.schedule("cur-ingestion").await?;
    player.schedule("spend-cards").await?;
    for month in ["2026-07", "2026-08"] {
        let spend = player.get(LENA, &format!("/v1/spend?billingPeriod={month}")).await?;
        print::totals(month, &spend);
    }
    say("\n8  Last week's cards");
    sign(player).await?;
    say("\n9  The auditor");
    let day = json!({ "day": "2026-08-24" });
    let mut verified = player.post(ADA, "/v1/audit/verifications", day, "verify-the-day").await?;
    if let Some(id) = verified.get("id").and_then(Value::as_str) {
        // A big day is gone through by a worker.
        player.settle().await?;
        verified = player.get(ADA, &format!("/v1/audit/verifications/{id}")).await?;
    }
    tell(
        ADA,
        &format!(
            "verifies the day's chains, states and seal: {} events of {} things, {}",
            verified.get("events").unwrap_or(&Value::Null),
            verified.get("things").unwrap_or(&Value::Null),
            if verified.get("verified") == Some(&Value::Bool(true)) { "all intact" } else { "BROKEN" }
        ),
    );
    Ok(())
}

async fn sign(player: &Player<'_>) -> anyhow::Result<()> {
    if let Some(card) = last_week(player, PETRA).await? {
        if text(&card, "state")? == "open" {
            let body = json!({ "version": card.get("version"), "note": "as expected" });
            player
                .post(PETRA, &format!("/v1/spend-cards/{}/approve", text(&card, "id")?), body, "approve-card")
                .await?;
        }
        tell(PETRA, "signs her card of 16 to 22 August");
    }
    if let Some(card) = last_week(player, SAMIR).await? {
        let id = text(&card, "id")?.to_owned();
        if text(&card, "state")? == "open" {
            let body = json!({ "version": card.get("version"), "reason": "a load test ran in this workspace" });
            player.post(SAMIR, &format!("/v1/spend-cards/{id}/dispute"), body, "dispute-card").await?;
        }
        tell(SAMIR, "disputes his: a load test ran in his workspace");
        if text(&player.get(LENA, &format!("/v1/spend-cards/{id}")).await?, "state")? == "disputed" {
            let body = json!({ "decision": "accept-as-is", "reason": "the load test was his team's" });
            player.post(LENA, &format!("/v1/spend-cards/{id}/resolve"), body, "resolve-card").await?;
        }
        tell(LENA, "resolves it: the load test was his team's");
        let card = player.get(SAMIR, &format!("/v1/spend-cards/{id}")).await?;
        if text(&card, "state")? == "resolved" {
            let body = json!({ "version": card.get("version") });
            player.post(SAMIR, &format!("/v1/spend-cards/{id}/approve"), body, "approve-resolved").await?;
        }
        tell(SAMIR, "signs");
    }
    player.settle().await
}

/// A person's card of last week.
async fn last_week(player: &Player<'_>, owner: super::cast::Person) -> anyhow::Result<Option<Value>> {
    let cards = player.list(owner, &format!("/v1/spend-cards?from={LAST_WEEK}")).await?;
    let is_last_week =
        |c: &Value| c.get("period").and_then(|p| p.get("from")).and_then(Value::as_str) == Some(LAST_WEEK);
    Ok(cards.into_iter().find(is_last_week))
}
