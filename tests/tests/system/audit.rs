//! The audit log: one event for each accepted change, in chains that verify.

use local::bus::Deliveries;
use serde_json::json;
use system_tests::{
    ADA, CHECKOUT, CHEN, GOVERNANCE_TABLE, LENA, NOVA_LITE, PETRA, World, approval, model_key, number, places, text,
};

use super::week::Week;

#[tokio::test]
async fn the_chains_of_the_week_are_intact_and_cover_every_change() -> anyhow::Result<()> {
    let week = Week::played(Deliveries::Once).await?;
    let world = &week.world;
    let events = world.list(ADA, "/v1/audit?day=2026-08-24").await?;
    let written: usize = world.events().await?.values().sum();
    assert_eq!(events.len(), written, "the day lists what the chains hold");
    let verified = world.verified(&json!({ "day": "2026-08-24" })).await?;
    assert_eq!(verified["verified"], true, "{verified}");
    // A verification of the running day is one of its things.
    assert!(number(&verified, "/events")? >= u64::try_from(written)?, "{verified}");
    for event in &events {
        let actor = text(event, "/by/sub")?;
        let is_job = event["by"]["roles"] == json!(["system"]);
        assert_eq!(is_job, actor.starts_with("system:"), "{event}");
        assert!(!text(event, "/requestId")?.is_empty());
    }
    every_state_is_bound(world).await?;
    let history = world.list(ADA, &format!("/v1/audit?aggregate=APPROVAL%23{}", week.checkout.id)).await?;
    let decided = history.first().cloned().unwrap_or_default();
    assert_eq!((&decided["type"], &decided["by"]["sub"]), (&json!("approval.decided"), &json!("lena")));
    assert_eq!(decided["payload"]["digest"], json!(week.checkout.digest));
    Ok(())
}

/// Every thing of the product verifies by itself; only who was sent what is a note that no event tells.
async fn every_state_is_bound(world: &World) -> anyhow::Result<()> {
    let items = world.items(GOVERNANCE_TABLE).await?;
    let things = items.iter().filter(|(_, item)| !item["v"].is_null()).filter_map(|(key, _)| key.strip_suffix(" META"));
    let mut looked_at = 0;
    for thing in things.filter(|thing| !thing.starts_with("NOTICE#")) {
        let found = world.post(ADA, "/v1/audit/verifications", &json!({ "aggregate": thing })).await?.ok()?;
        assert_eq!((&found["verified"], &found["unbound"]), (&json!(true), &json!(0)), "{thing}: {found}");
        looked_at += 1;
    }
    assert!(looked_at > 50, "{looked_at}");
    Ok(())
}

#[tokio::test]
async fn a_model_shows_the_newest_of_its_history() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let key = model_key("bedrock", NOVA_LITE);
    for n in 0..52 {
        world.decide_model(&key, json!({ "decision": "approved", "reason": format!("reason {n}") })).await?;
    }
    let model = world.get(LENA, &format!("/v1/models/{key}")).await?.ok()?;
    let history = model["history"].as_array().cloned().unwrap_or_default();
    let last = history.last().cloned().unwrap_or_default();
    assert_eq!((history.len(), &last["payload"]["reason"]), (50, &json!("reason 51")));
    Ok(())
}

#[tokio::test]
async fn a_day_is_sealed_once_and_the_seal_is_checked() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.space("Commerce", &[PETRA]).await?;
    world.settle().await?;
    world.at("2026-08-25T00:10:00Z")?;
    let sealed = world.schedule("daily-seal").await?;
    let seal = sealed["sealed"][0]["seal"].clone();
    assert!(seal.as_str().is_some_and(|seal| seal.starts_with("sha256:")), "{sealed}");
    assert_eq!(world.schedule("daily-seal").await?, json!({ "sealed": [] }), "sealed already");
    let verified = world.verified(&json!({ "day": "2026-08-24" })).await?;
    assert_eq!((&verified["verified"], &verified["seal"]), (&json!(true), &seal));
    Ok(())
}

/// How many events one call adds to the things of a kind.
async fn added(world: &World, kind: &str, before: usize) -> anyhow::Result<usize> {
    let now = world.events().await?;
    Ok(now.iter().filter(|(partition, _)| partition.starts_with(kind)).map(|(_, n)| n).sum::<usize>() - before)
}

#[tokio::test]
async fn every_accepted_change_of_a_thing_writes_one_event_of_it_and_a_refused_one_none() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    assert_eq!(added(&world, "SPACE#", 0).await?, 1);
    assert_eq!(added(&world, "WORKLOAD#", 0).await?, 1);
    let granted =
        world.granted(PETRA, &workload, &approval(&places("finops-ai-checkout", &[(CHECKOUT, "us-east-1")]))).await?;
    assert_eq!(added(&world, "REQUEST#", 0).await?, 2, "submitted, approved");
    assert_eq!(added(&world, "APPROVAL#", 0).await?, 1, "decided");
    assert_eq!(added(&world, "SCOPE#", 0).await?, 1, "issued");
    let task = text(&world.task_in(&granted.id, "ready").await?, "/id")?;
    for (who, step, body, status, events) in [
        (CHEN, "complete", json!({ "digest": granted.digest, "evidence": {} }), 409, 1),
        (CHEN, "start", json!({}), 200, 2),
        (CHEN, "start", json!({}), 200, 2),
        (CHEN, "release", json!({}), 200, 3),
        (CHEN, "release", json!({}), 200, 3),
        (CHEN, "start", json!({}), 200, 4),
        (CHEN, "return", json!({ "reason": "no access" }), 200, 5),
        (CHEN, "return", json!({ "reason": "no access" }), 200, 5),
        (LENA, "reissue", json!({ "reason": "access is there" }), 200, 6),
        (LENA, "reissue", json!({ "reason": "access is there" }), 200, 6),
    ] {
        let answer = world.post(who, &format!("/v1/tasks/{task}/{step}"), &body).await?;
        assert_eq!(answer.status, status, "{step}: {}", answer.body);
        world.settle().await?;
        assert_eq!(added(&world, "SCOPE#", 0).await?, events, "{step}");
    }
    let chain = world
        .post(ADA, "/v1/audit/verifications", &json!({ "aggregate": format!("APPROVAL#{}", granted.id) }))
        .await?
        .ok()?;
    assert_eq!((&chain["verified"], &chain["events"]), (&json!(true), &json!(1)));
    Ok(())
}
