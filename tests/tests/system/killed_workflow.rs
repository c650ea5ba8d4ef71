//! From the request to the claim, each function is killed at each of its calls with an effect. Events are delivered
//! again, people repeat calls that were not answered, with the same key: everything has happened once.

use std::collections::BTreeMap;

use anyhow::Context as _;
use local::seam::Fate;
use local::stack::Options;
use serde_json::{Value, json};
use system_tests::{
    ADA, CHECKOUT, CHEN, LENA, PETRA, Person, Strike, Striker, World, approval, places, request, text, texts,
};

use super::repetition::{anonymous, difference};

const ROLE: &str = "finops-ai-checkout";
/// More than the calls with an effect that one function makes in the flow.
const EFFECTS_MAX: usize = 30;
/// How often somebody repeats a call that was not answered.
const REPEATS_MAX: usize = 3;

/// Calls as a client with an `Idempotency-Key` does: until there is an answer.
async fn insist(world: &World, who: Person, path: &str, body: &Value) -> anyhow::Result<Value> {
    let key = format!("{}-{}", who.sub, path.replace('/', "."));
    for _ in 0..REPEATS_MAX {
        let reply = world.call(who, "POST", path, Some(body), &[("idempotency-key", key.as_str())]).await?;
        if reply.status < 500 {
            return reply.ok();
        }
    }
    anyhow::bail!("{path} was never answered")
}

/// What people can see in the end.
async fn played(striker: &Striker) -> anyhow::Result<BTreeMap<String, Value>> {
    let world = World::start(Options { empty: true, seam: striker.seam(), ..Options::default() }).await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    world.settle().await?;
    striker.arm();
    let asked = text(&insist(&world, PETRA, "/v1/requests", &request(&workload)).await?, "/id")?;
    let decision = approval(&places(ROLE, &[(CHECKOUT, "us-east-1")]));
    let approved = insist(&world, LENA, &format!("/v1/requests/{asked}/approve"), &decision).await?;
    world.settle().await?;
    let tasks = insist_list(&world, CHEN, &format!("/v1/tasks?approvalId={}", text(&approved, "/id")?)).await?;
    let task = tasks.iter().find(|task| task["state"] == "ready").context("a ready task")?;
    let (id, arn) = (text(task, "/id")?, format!("arn:aws:iam::{CHECKOUT}:role/{ROLE}"));
    insist(&world, CHEN, &format!("/v1/tasks/{id}/start"), &json!({})).await?;
    let done = json!({ "digest": task["digest"], "evidence": { "roleArn": arn } });
    insist(&world, CHEN, &format!("/v1/tasks/{id}/complete"), &done).await?;
    world.settle().await?;
    let claim = json!({ "anchor": { "type": "iam-role", "arn": arn }, "effectiveFrom": "2026-08-01" });
    insist(&world, PETRA, &format!("/v1/workloads/{workload}/claims"), &claim).await?;
    world.settle().await?;
    let mut state = BTreeMap::new();
    for list in ["models", "requests", "approvals", "workloads", "anchors", "claims", "tasks"] {
        let items = insist_list(&world, ADA, &format!("/v1/{list}")).await?;
        state.insert(list.to_owned(), anonymous(&items.into()));
    }
    let mut events = texts(&insist_list(&world, ADA, "/v1/audit?day=2026-08-24").await?, "type");
    events.retain(|event| event != "person.noted");
    events.sort();
    state.insert("events".to_owned(), events.into());
    Ok(state)
}

/// A list; noting who asks is an effect at which the function may die, too.
async fn insist_list(world: &World, who: Person, path: &str) -> anyhow::Result<Vec<Value>> {
    match world.list(who, path).await {
        Ok(items) => Ok(items),
        Err(_) => world.list(who, path).await,
    }
}

async fn killed_everywhere(
    function: &'static str,
    fate: Fate,
    expected: &BTreeMap<String, Value>,
) -> anyhow::Result<usize> {
    for n in 1..=EFFECTS_MAX {
        let striker = Striker::new(function, Strike::Effect(n, fate));
        let found = played(&striker).await?;
        let Some(struck) = striker.struck() else { return Ok(n - 1) };
        let differences: Vec<String> = expected
            .iter()
            .filter_map(|(what, expected)| difference(expected, found.get(what).unwrap_or(&Value::Null), what))
            .collect();
        assert_eq!(differences, Vec::<String>::new(), "{function}: {struck}, effect {n}");
    }
    anyhow::bail!("{function} has more than {EFFECTS_MAX} effects; raise the limit")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_or_after_any_effect_from_request_to_claim_everything_happens_once() -> anyhow::Result<()> {
    let expected = played(&Striker::new("", Strike::Nothing)).await?;
    assert!(expected["events"].to_string().contains("claim.made"), "{expected:?}");
    for function in ["approval", "task-sequencing", "spaces"] {
        let (before, after) = tokio::join!(
            killed_everywhere(function, Fate::DieBefore, &expected),
            killed_everywhere(function, Fate::DieAfter, &expected),
        );
        let (before, after) = (before?, after?);
        assert!(before >= 1 && after >= 1, "{function} has {before} and {after} effects");
    }
    Ok(())
}
