//! Both platforms end to end: what each person sees when the week is over.

use local::bus::Deliveries;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use system_tests::{ADA, CHECKOUT, CHEN, DATA, LENA, OMAR, PETRA, SAMIR, WORKSPACE_ARN, World, number, text, texts};

use super::week::Week;

#[tokio::test]
async fn the_week_ends_in_the_four_rows_and_signed_cards() -> anyhow::Result<()> {
    let week = Week::played(Deliveries::Once).await?;
    the_models_table_reads_to_the_letter(&week.world).await?;
    owners_are_handed_what_they_need(&week).await?;
    cards_are_signed_and_stay(&week).await?;
    people_were_told_once(&week.world).await?;
    owners_see_only_their_own(&week).await
}

async fn the_models_table_reads_to_the_letter(world: &World) -> anyhow::Result<()> {
    let rows = world.list(LENA, "/v1/models").await?;
    let is_live = |row: &&Value| {
        row.get("counts").and_then(Value::as_object).is_some_and(|c| c.values().any(|n| n.as_u64() > Some(0)))
    };
    let live: Vec<Value> = rows
        .iter()
        .filter(is_live)
        .map(|r| json!([r["vendor"], r["platform"], r["model"], r["scopeCoverage"], r["status"], r["badge"]]))
        .collect();
    let mut expected = [
        json!(["Amazon", "bedrock", "Nova Lite", "1 of 5 accounts · 2 scopes", "1 Implemented · 1 Pending task", null]),
        json!([
            "Anthropic",
            "bedrock",
            "Claude 3 Haiku",
            "2 of 5 accounts · 4 scopes",
            "3 Approved · 1 Pending task",
            null
        ]),
        json!(["Anthropic", "claude-platform", "Claude Sonnet 4.6", "1 workspace · 1 scope", "1 Implemented", "teal"]),
        json!([
            "Anthropic",
            "claude-platform",
            "Claude Haiku 4.5",
            "1 workspace · 1 scope",
            "0 Approved · 0 Pending tasks",
            "teal"
        ]),
    ];
    let mut live = live;
    live.sort_by_key(ToString::to_string);
    expected.sort_by_key(ToString::to_string);
    assert_eq!(live, expected);
    let bedrock = world.list(LENA, "/v1/models?platform=bedrock").await?;
    assert!(bedrock.len() >= 40, "{} models on Bedrock", bedrock.len());
    assert!(bedrock.iter().all(|row| row["platform"] == "bedrock"));
    let amazon = world.list(ADA, "/v1/models?vendor=Amazon&decision=approved").await?;
    assert_eq!(texts(&amazon, "model"), ["Nova Lite"]);
    Ok(())
}

async fn owners_are_handed_what_they_need(week: &Week) -> anyhow::Result<()> {
    let world = &week.world;
    let handoff = world.list(PETRA, &format!("/v1/workloads/{}/handoff", week.checkout.workload)).await?;
    assert_eq!(texts(&handoff, "roleArn"), [format!("arn:aws:iam::{CHECKOUT}:role/finops-ai-checkout-assistant")]);
    assert_eq!(texts(&handoff, "region"), ["us-east-1"]);
    let handoff = world.list(SAMIR, &format!("/v1/workloads/{}/handoff", week.desk.workload)).await?;
    assert_eq!(texts(&handoff, "workspaceArn"), [WORKSPACE_ARN]);
    let claimed = world.list(SAMIR, "/v1/anchors?state=claimed").await?;
    assert_eq!(claimed.iter().map(|a| text(a, "/anchor/arn")).collect::<Result<Vec<_>, _>>()?, [WORKSPACE_ARN]);
    let left = world.list(SAMIR, "/v1/anchors?state=ready-to-claim").await?;
    let role = format!("arn:aws:iam::{DATA}:role/finops-ai-support-desk");
    assert_eq!(
        left.iter().map(|a| text(a, "/anchor/arn")).collect::<Result<Vec<_>, _>>()?,
        [role],
        "the function's role may be claimed too"
    );
    Ok(())
}

async fn cards_are_signed_and_stay(week: &Week) -> anyhow::Result<()> {
    let before = (week.card(PETRA).await?, week.card(SAMIR).await?);
    for card in [&before.0, &before.1] {
        assert_eq!(text(card, "/state")?, "approved");
        assert_eq!(text(card, "/period/to")?, "2026-08-22");
        let actual: Decimal = text(card, "/actual/amount")?.parse()?;
        let lines = card["lines"].as_array().cloned().unwrap_or_default();
        let amounts: Vec<Decimal> =
            lines.iter().map(|line| Ok(text(line, "/amount/amount")?.parse()?)).collect::<anyhow::Result<_>>()?;
        let sum: Decimal = amounts.iter().sum();
        assert_eq!(sum, actual, "the lines add up");
        assert!(actual > Decimal::ZERO, "{card}");
    }
    // Seven of August's 31 days, of 120.00 and of 900.00 a month.
    assert_eq!(text(&before.0, "/estimateShare/amount")?, "27.10");
    assert_eq!(text(&before.1, "/estimateShare/amount")?, "203.23");
    assert_eq!(before.0["attributionLevel"], "workload");
    assert_eq!(before.1["attributionLevel"], "workspace");
    week.world.schedule("spend-cards").await?;
    week.world.schedule("cur-ingestion").await?;
    assert_eq!((week.card(PETRA).await?, week.card(SAMIR).await?), before, "a signed card never changes");
    let path = format!("/v1/spend-cards/{}", text(&before.0, "/id")?);
    let version = number(&before.0, "/version")?;
    let again = week
        .world
        .post(PETRA, &format!("{path}/approve"), &json!({ "version": version - 1, "note": "as expected" }))
        .await?;
    assert_eq!(again.status, 200, "{}", again.body);
    let other = week.world.post(OMAR, &format!("{path}/approve"), &json!({ "version": version - 1 })).await?;
    assert_eq!(other.refusal(), (409, "already-decided"));
    let late = week
        .world
        .post(PETRA, &format!("{path}/dispute"), &json!({ "version": version, "reason": "on second thoughts" }))
        .await?;
    assert_eq!(late.refusal(), (409, "wrong-state"));
    Ok(())
}

async fn people_were_told_once(world: &World) -> anyhow::Result<()> {
    for person in [LENA, PETRA, SAMIR, CHEN] {
        let told = world.messages(person).await?;
        let mut texts = texts(&told, "text");
        assert!(!texts.is_empty(), "{} was told nothing", person.sub);
        let all = texts.len();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), all, "{} was told something twice", person.sub);
    }
    let subjects = texts(&world.messages(SAMIR).await?, "subject");
    assert!(!subjects.iter().any(|subject| subject.contains("Checkout")), "Samir hears of Petra's: {subjects:?}");
    Ok(())
}

async fn owners_see_only_their_own(week: &Week) -> anyhow::Result<()> {
    let world = &week.world;
    let lists =
        ["spaces", "workloads", "requests", "approvals", "tasks", "anchors", "claims", "proposals", "spend-cards"];
    for list in lists {
        let seen = Value::from(world.list(SAMIR, &format!("/v1/{list}")).await?).to_string();
        for foreign in [&week.checkout.workload, &week.checkout.id, &week.checkout.request, &"checkout".to_owned()] {
            assert!(!seen.contains(foreign.as_str()), "/v1/{list} shows Samir {foreign}");
        }
    }
    let rows = world.list(SAMIR, "/v1/models?vendor=Amazon").await?;
    assert!(
        rows.iter().all(|row| row["counts"]["implemented"] == 0 && row["status"] == "0 Approved · 0 Pending tasks"),
        "counts of others"
    );
    assert_eq!(world.get(SAMIR, "/v1/spend?billingPeriod=2026-08").await?.refusal(), (422, "invalid-value"));
    let own =
        world.get(SAMIR, &format!("/v1/spend?billingPeriod=2026-08&workloadId={}", week.desk.workload)).await?.ok()?;
    assert!(own["totals"].is_null(), "an owner gets no organisation totals");
    let foreign =
        world.get(SAMIR, &format!("/v1/spend?billingPeriod=2026-08&workloadId={}", week.checkout.workload)).await?;
    let made_up = world.get(SAMIR, "/v1/spend?billingPeriod=2026-08&workloadId=wkl_none").await?;
    assert_eq!((foreign.status, foreign.body_without_instance()), (made_up.status, made_up.body_without_instance()));
    assert_eq!(foreign.status, 404);
    Ok(())
}
