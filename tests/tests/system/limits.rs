//! What grows with use: histories go on past the 400 KB of an item, and where a limit remains it is named.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use serde_json::{Value, json};
use system_tests::{CHECKOUT, CHEN, DATA, GOVERNANCE_TABLE, Granted, LENA, PETRA, SONNET, World, model_key, text};

/// The longest reason there is: 2,000 characters of four bytes, told apart by their beginning.
fn longest(number: usize) -> String {
    format!("{number:04}{}", "🙂".repeat(1_996))
}

/// A task goes back and is sent out again, each time with the longest reasons.
async fn goes_back(world: &World, path: &str, rounds: std::ops::Range<usize>) -> anyhow::Result<()> {
    for round in rounds {
        world.post(CHEN, &format!("{path}/start"), &json!({})).await?.ok()?;
        let reason = json!({ "reason": longest(round) });
        world.post(CHEN, &format!("{path}/return"), &reason).await?.ok()?;
        world.post(LENA, &format!("{path}/reissue"), &reason).await?.ok()?;
    }
    world.settle().await.map(drop)
}

async fn one_task(world: &World) -> anyhow::Result<(Granted, String)> {
    let granted = world.one_grant().await?;
    let path = format!("/v1/tasks/{}", text(&world.task_in(&granted.id, "ready").await?, "/id")?);
    Ok((granted, path))
}

fn history(task: &Value) -> Vec<Value> {
    task["history"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_task_goes_back_and_forth_for_longer_than_an_item_holds_and_its_whole_history_is_read() -> anyhow::Result<()>
{
    let world = World::empty().await?;
    let (granted, path) = one_task(&world).await?;
    goes_back(&world, &path, 0..30).await?;
    let task = world.get(CHEN, &path).await?.ok()?;
    let steps = history(&task);
    // It came into being and became ready; each round started, returned, reissued and readied it.
    assert_eq!(steps.len(), 2 + 30 * 4);
    for (round, reasons) in
        steps.iter().filter_map(|step| step["reason"].as_str()).collect::<Vec<_>>().chunks(2).enumerate()
    {
        assert_eq!(reasons, [longest(round), longest(round)]);
    }
    let listed = history(&world.task_in(&granted.id, "ready").await?);
    assert!(!listed.is_empty() && steps.ends_with(&listed), "lists show the newest");
    // The answer of a step is kept for a repeated call, in one item.
    let key = [("idempotency-key", "k1")];
    for _ in 0..2 {
        let started = world.call(CHEN, "POST", &format!("{path}/start"), Some(&json!({})), &key).await?.ok()?;
        assert_eq!(history(&started).last().map(|step| &step["state"]), Some(&json!("in-progress")));
    }
    world.post(CHEN, &format!("{path}/release"), &json!({})).await?.ok()?;
    world.implement(&granted.id, CHECKOUT, "finops-ai-checkout").await?;
    assert_eq!(world.get(CHEN, &path).await?.ok()?["state"], "completed");
    Ok(())
}

#[tokio::test]
async fn a_history_that_an_older_version_kept_with_its_task_is_read_and_goes_on() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let (granted, path) = one_task(&world).await?;
    goes_back(&world, &path, 0..6).await?;
    let before = world.get(CHEN, &path).await?.ok()?;
    assert!(all_in_one_item(&world, &before).await? > 0, "it had pages");
    assert_eq!(history(&world.get(CHEN, &path).await?.ok()?), history(&before));
    goes_back(&world, &path, 6..8).await?;
    let after = history(&world.get(CHEN, &path).await?.ok()?);
    assert_eq!((after.len(), after.starts_with(&history(&before))), (2 + 8 * 4, true));
    world.implement(&granted.id, CHECKOUT, "finops-ai-checkout").await?;
    Ok(())
}

/// Lays the one task's history out as it was before it had pages of its own; answers how many pages went.
async fn all_in_one_item(world: &World, task: &Value) -> anyhow::Result<usize> {
    let (mut moved, mut deleted) = (0, 0);
    for (key, item) in world.items(GOVERNANCE_TABLE).await? {
        let Some((partition, sort)) = key.split_once(" ROW#TASK#") else { continue };
        let attribute = |text: String| AttributeValue::S(text);
        let (partition, sort) = (attribute(partition.to_owned()), attribute(format!("ROW#TASK#{sort}")));
        if key.contains("#PAST#") {
            let page = world.tables().delete_item().table_name(GOVERNANCE_TABLE).key("PK", partition).key("SK", sort);
            page.send().await?;
            deleted += 1;
            continue;
        }
        let mut row = item["doc"].clone();
        row["task"]["history"] = task["history"].clone();
        row.as_object_mut().map(|row| row.remove("past"));
        let row = domain::base::digest::canonical_json(&row);
        let update = world.tables().update_item().table_name(GOVERNANCE_TABLE).key("PK", partition).key("SK", sort);
        let update = update.update_expression("SET #d = :d").expression_attribute_names("#d", "doc");
        update.expression_attribute_values(":d", attribute(row)).send().await?;
        moved += 1;
    }
    anyhow::ensure!(moved == 1, "{moved} tasks");
    Ok(deleted)
}

#[tokio::test]
async fn a_task_of_a_thousand_steps_is_neither_taken_up_nor_sent_out_again_and_its_access_is_still_taken_away()
-> anyhow::Result<()> {
    let reason = json!({ "reason": "no access" });
    for (steps, back, again, by) in [(998, "release", "start", CHEN), (999, "return", "reissue", LENA)] {
        let world = World::empty().await?;
        let (granted, path) = one_task(&world).await?;
        let mut task = world.get(CHEN, &path).await?.ok()?;
        let newest = history(&task).pop().unwrap_or_default();
        task["history"] = vec![newest; steps].into();
        all_in_one_item(&world, &task).await?;
        world.post(CHEN, &format!("{path}/start"), &json!({})).await?.ok()?;
        let given_back = if back == "return" { reason.clone() } else { json!({}) };
        world.post(CHEN, &format!("{path}/{back}"), &given_back).await?.ok()?;
        let body = if again == "reissue" { reason.clone() } else { json!({}) };
        let refused = world.post(by, &format!("{path}/{again}"), &body).await?;
        assert_eq!(refused.refusal(), (422, "limit-exceeded"), "{again}: {}", refused.body);
        assert!(text(&refused.body, "/detail")?.contains("1000 steps"), "{again}: {}", refused.body);
        world.post(LENA, &format!("/v1/approvals/{}/revoke", granted.id), &reason).await?.ok()?;
        world.settle().await?;
        let revocation = world.task_in(&granted.id, "ready").await?;
        world.work(CHEN, &revocation, &json!({})).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_anchor_is_claimed_and_released_for_longer_than_an_item_holds_and_every_reason_is_read() -> anyhow::Result<()>
{
    let world = World::empty().await?;
    let granted = world.one_grant().await?;
    world.implement(&granted.id, CHECKOUT, "finops-ai-checkout").await?;
    let anchor = json!({ "type": "iam-role", "arn": format!("arn:aws:iam::{CHECKOUT}:role/finops-ai-checkout") });
    let days = || date(2026, 7, 3).series(1.day()).take_while(|day| *day <= date(2026, 8, 23));
    for (number, day) in days().enumerate() {
        one_day(&world, &granted.workload, &anchor, day, &longest(number)).await?;
    }
    world.settle().await?;
    let claims = world.list(PETRA, &format!("/v1/claims?workloadId={}", granted.workload)).await?;
    let mut reasons: Vec<&str> = claims.iter().filter_map(|claim| claim["releaseReason"].as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, days().enumerate().map(|(number, _)| longest(number)).collect::<Vec<_>>());
    let anchors = world.list(PETRA, "/v1/anchors").await?;
    assert_eq!(anchors[0]["state"], "ready-to-claim");
    Ok(())
}

async fn one_day(world: &World, workload: &str, anchor: &Value, day: Date, reason: &str) -> anyhow::Result<()> {
    let claim = json!({ "anchor": anchor, "effectiveFrom": day });
    let claim = world.post(PETRA, &format!("/v1/workloads/{workload}/claims"), &claim).await?.ok()?;
    let release = format!("/v1/claims/{}/release", text(&claim, "/id")?);
    let body = json!({ "effectiveTo": day.tomorrow()?, "reason": reason });
    world.post(PETRA, &release, &body).await?.ok().map(drop)
}

#[tokio::test]
async fn a_workload_has_more_estimates_with_long_reasons_than_an_item_holds() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let workload = world.ready_workload(PETRA, "checkout").await?;
    let path = format!("/v1/workloads/{workload}/estimates");
    for number in 0..52 {
        let monthly = json!({ "amount": format!("{}.00", number + 1), "currency": "USD" });
        let body =
            json!({ "platform": "bedrock", "monthly": monthly, "reason": longest(number), "validFrom": "2026-07-01" });
        world.post(PETRA, &path, &body).await?.ok()?;
    }
    let estimates = world.list(PETRA, &path).await?;
    let reasons: Vec<&str> = estimates.iter().skip(1).filter_map(|estimate| estimate["reason"].as_str()).collect();
    assert_eq!(reasons, (0..52).map(longest).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn a_request_that_ended_leaves_nothing_with_its_models_counters() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Desk").await?;
    let asked = json!({
        "workloadId": workload, "platform": "claude-platform", "modelId": SONNET, "actions": ["inference"],
        "justification": "for the tests", "scopes": [{ "accountId": DATA, "region": "us-west-2" }],
    });
    let counters = format!("MODEL#{} COUNTS", model_key("claude-platform", SONNET));
    let counted = async || -> anyhow::Result<usize> {
        let items = world.items(GOVERNANCE_TABLE).await?;
        let counters = items.get(&counters).and_then(Value::as_object).cloned().unwrap_or_default();
        Ok(counters.keys().filter(|name| name.starts_with("workspace#")).count())
    };
    for (step, by, body) in [("withdraw", PETRA, json!({})), ("reject", LENA, json!({ "reason": "not now" }))] {
        let request = text(&world.post(PETRA, "/v1/requests", &asked).await?.ok()?, "/id")?;
        assert_eq!(counted().await?, 1, "before {step}");
        world.post(by, &format!("/v1/requests/{request}/{step}"), &body).await?.ok()?;
        assert_eq!(counted().await?, 0, "after {step}");
    }
    Ok(())
}
