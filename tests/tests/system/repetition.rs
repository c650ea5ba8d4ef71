//! Everything twice: calls, calls with a key, and every event of a whole week.

use std::collections::BTreeMap;

use anyhow::Context as _;
use local::bus::Deliveries;
use serde_json::{Value, json};
use system_tests::{
    ADA, CHECKOUT, CHEN, LENA, OMAR, PETRA, Person, SAMIR, World, approval, fields, nova_places, places, request, text,
    texts,
};

use super::week::Week;

#[tokio::test]
async fn the_same_call_with_the_same_key_has_one_effect_and_one_answer() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let space = world.space("Commerce", &[PETRA, OMAR]).await?;
    let workload = world.workload(PETRA, &space, "Checkout").await?;
    world.estimate(PETRA, &workload, "bedrock", "120.00").await?;
    let key = [("idempotency-key", "11111111-2222-3333-4444-555555555555")];
    let first = world.call(PETRA, "POST", "/v1/requests", Some(&request(&workload)), &key).await?;
    assert_eq!(first.status, 201);
    world.settle().await?;
    let before = world.written().await?;
    let again = world.call(PETRA, "POST", "/v1/requests", Some(&request(&workload)), &key).await?;
    assert_eq!(again, first, "status, body, ETag and Location");
    let other = fields(&request(&workload), &json!({ "justification": "something else" }));
    let reused = world.call(PETRA, "POST", "/v1/requests", Some(&other), &key).await?;
    assert_eq!(reused.refusal(), (422, "idempotency-key-reused"));
    assert_eq!(world.written().await?, before);
    let anothers = world.call(OMAR, "POST", "/v1/requests", Some(&request(&workload)), &key).await?;
    assert_eq!(anothers.status, 201, "a key is its caller's own");
    assert_ne!(anothers.body["id"], first.body["id"]);
    let elsewhere = world
        .call(PETRA, "POST", &format!("/v1/requests/{}/withdraw", text(&anothers.body, "/id")?), Some(&json!({})), &key)
        .await?;
    assert_eq!(elsewhere.status, 200, "and of its route: {}", elsewhere.body);
    for odd in ["", " ", "a b", &"k".repeat(256)] {
        let refused =
            world.call(PETRA, "POST", "/v1/requests", Some(&request(&workload)), &[("idempotency-key", odd)]).await?;
        assert_eq!(refused.status, 400, "{odd:?}");
    }
    Ok(())
}

/// `If-Match` speaks of what a change is decided on. Whoever repeats a call with the version that they saw at first is
/// answered as then, since nothing changes; only a change of what has moved since is refused.
#[tokio::test]
async fn a_repeat_with_the_version_seen_at_first_is_answered_as_then_and_only_a_change_is_stale() -> anyhow::Result<()>
{
    let world = World::empty().await?;
    let granted = world.one_grant().await?;
    let workload = format!("/v1/workloads/{}", granted.workload);
    let space = text(&world.get(PETRA, &workload).await?.ok()?, "/spaceId")?.to_owned();
    let asked = world.post(PETRA, "/v1/requests", &request(&granted.workload)).await?.ok()?;
    let asked = format!("/v1/requests/{}", text(&asked, "/id")?);
    let card = |name: &str| json!({ "name": name, "owners": ["petra"] });
    let model = "/v1/models/bedrock.amazon.nova-lite-v1-0";
    let blocked = |reason: &str| json!({ "decision": "blocked", "reason": reason });
    let account = json!({ "name": "Checkout", "regions": ["us-east-1", "us-west-2"] });
    for (who, method, path, body) in [
        (LENA, "PUT", format!("/v1/spaces/{space}"), card("Renamed")),
        (LENA, "PUT", format!("/v1/accounts/{CHECKOUT}"), account),
        (LENA, "POST", format!("{asked}/reject"), json!({ "reason": "not now" })),
        (LENA, "POST", format!("/v1/approvals/{}/revoke", granted.id), json!({ "reason": "no longer" })),
        (LENA, "PUT", format!("{model}/decision"), blocked("too dear")),
        (LENA, "POST", format!("/v1/accounts/{CHECKOUT}/retire"), json!({})),
        (PETRA, "POST", format!("{workload}/retire"), json!({})),
    ] {
        let thing = path.trim_end_matches("/reject").trim_end_matches("/revoke").trim_end_matches("/retire");
        let seen = match world.get(LENA, thing.trim_end_matches("/decision")).await? {
            read if read.status == 200 => read.etag.unwrap_or_default(),
            _ => version_of_account(&world).await?,
        };
        let seen = [("if-match", seen.as_str())];
        let call = || world.call(who, method, &path, Some(&body), &seen);
        let stale = [("if-match", "\"99\"")];
        let refused = world.call(who, method, &path, Some(&body), &stale).await?;
        assert_eq!(refused.refusal(), (409, "stale-version"), "{path}: {}", refused.body);
        let first = call().await?;
        assert_eq!(first.status, 200, "{path}: {}", first.body);
        world.settle().await?;
        let before = world.written().await?;
        let again = call().await?;
        assert_eq!((again.status, &again.etag), (200, &first.etag), "{path}: {}", again.body);
        assert_eq!(world.written().await?, before, "{path}");
    }
    Ok(())
}

async fn version_of_account(world: &World) -> anyhow::Result<String> {
    let accounts = world.list(LENA, "/v1/accounts").await?;
    let ours = accounts.iter().find(|account| account["accountId"] == CHECKOUT).context("the account")?;
    Ok(format!("\"{}\"", ours["version"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_sent_twice_at_once_has_one_effect() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let space = world.space("Commerce", &[PETRA]).await?;
    let case = json!({ "valueType": "cost-saving", "annualBaseline": { "amount": "1.00", "currency": "USD" },
        "targetPercent": "1" });
    let body = json!({ "name": "n", "runtime": "lambda", "useCase": "operations-ai", "businessCase": case });
    let path = format!("/v1/spaces/{space}/workloads");
    let key = [("idempotency-key", "once")];
    let make = || world.call(PETRA, "POST", &path, Some(&body), &key);
    let (one, two, three) = tokio::join!(make(), make(), make());
    let (one, two, three) = (one?, two?, three?);
    assert_eq!((&one.body, one.status), (&two.body, two.status));
    assert_eq!((&one.body, one.status), (&three.body, three.status));
    assert_eq!(world.list(PETRA, "/v1/workloads").await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn the_same_transition_by_the_same_person_answers_the_same_and_writes_nothing() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let asked = text(&world.post(PETRA, "/v1/requests", &request(&workload)).await?.ok()?, "/id")?;
    let body = approval(&places("finops-ai-checkout", &[(CHECKOUT, "us-east-1")]));
    let first = world.post(LENA, &format!("/v1/requests/{asked}/approve"), &body).await?;
    assert_eq!(first.status, 201);
    world.settle().await?;
    let task = world.task_in(&text(&first.body, "/id")?, "ready").await?;
    let task_path = format!("/v1/tasks/{}", text(&task, "/id")?);
    world.post(CHEN, &format!("{task_path}/start"), &json!({})).await?.ok()?;
    let role = json!({ "roleArn": format!("arn:aws:iam::{CHECKOUT}:role/finops-ai-checkout") });
    let done = json!({ "digest": task["digest"], "evidence": role });
    world.post(CHEN, &format!("{task_path}/complete"), &done).await?.ok()?;
    let claim = json!({ "anchor": { "type": "iam-role", "arn": role["roleArn"] }, "effectiveFrom": "2026-08-01" });
    let claims = format!("/v1/workloads/{workload}/claims");
    world.post(PETRA, &claims, &claim).await?.ok()?;
    let withdrawn = text(&world.post(PETRA, "/v1/requests", &request(&workload)).await?.ok()?, "/id")?;
    let withdraw = format!("/v1/requests/{withdrawn}/withdraw");
    world.post(PETRA, &withdraw, &json!({})).await?.ok()?;
    world.settle().await?;
    let before = world.written().await?;
    let rows = [
        (LENA, format!("/v1/requests/{asked}/approve"), body),
        (CHEN, format!("{task_path}/complete"), done),
        (PETRA, claims, claim),
        (PETRA, withdraw, json!({})),
    ];
    for (who, path, body) in rows {
        let again = world.post(who, &path, &body).await?;
        assert_eq!(again.status, 200, "{path}: {}", again.body);
    }
    let other_lead = world
        .post(
            system_tests::DORA,
            &format!("/v1/requests/{asked}/approve"),
            &approval(&places("x", &[(CHECKOUT, "us-east-1")])),
        )
        .await?;
    assert_eq!(other_lead.refusal(), (409, "already-decided"));
    let after = world.written().await?;
    let moved: Vec<&String> =
        after.keys().filter(|key| before.get(*key) != after.get(*key) && !key.starts_with("PERSON#")).collect();
    assert_eq!(moved, Vec::<&String>::new());
    Ok(())
}

#[tokio::test]
async fn a_narrowing_that_is_sent_twice_does_not_supersede_itself() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let both = approval(&nova_places("finops-ai-checkout", &["us-east-1", "us-west-2"]));
    let granted = world.granted(PETRA, &workload, &both).await?;
    let one = approval(&nova_places("finops-ai-checkout", &["us-east-1"]));
    let narrowing = fields(&one, &json!({ "workloadId": workload }));
    let first = world.post(LENA, "/v1/approvals", &narrowing).await?;
    assert_eq!((first.status, &first.body["supersedes"]), (201, &json!(granted.id)));
    world.settle().await?;
    let before = world.written().await?;
    for body in [&narrowing, &fields(&narrowing, &json!({ "supersedes": granted.id }))] {
        let again = world.post(LENA, "/v1/approvals", body).await?;
        assert_eq!((again.status, &again.body["id"]), (200, &first.body["id"]), "{}", again.body);
    }
    world.settle().await?;
    assert_eq!(world.written().await?, before);
    let another = world.post(system_tests::DORA, "/v1/approvals", &narrowing).await?;
    assert_eq!(another.refusal(), (422, "invalid-value"), "somebody else's takes nothing away: {}", another.body);
    Ok(())
}

/// What does not follow from what was done: ids, times, digests.
pub(super) fn anonymous(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(anonymous_text(text)),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(anonymous).collect();
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        Value::Object(fields) => fields.iter().map(|(name, field)| (anonymous_text(name), anonymous(field))).collect(),
        other => other.clone(),
    }
}

fn anonymous_text(text: &str) -> String {
    if text.parse::<jiff::Timestamp>().is_ok() {
        return "a time".to_owned();
    }
    let is_id = |word: &str| word.len() == 26 && word.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    // Titles show twelve digits of a digest, so account ids fall with them.
    let is_digest = |word: &str| word.len() >= 12 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let known = words.map(|word| {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_id(bare) || is_digest(bare) { word.replace(bare, "*") } else { word.to_owned() }
    });
    known.collect()
}

/// Where two values begin to differ.
pub(super) fn difference(one: &Value, other: &Value, at: &str) -> Option<String> {
    if one == other {
        return None;
    }
    let nothing = Value::Null;
    let inner = match (one, other) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| difference(a, b, &format!("{at}/{i}")))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.iter().find_map(|(name, a)| difference(a, b.get(name).unwrap_or(&nothing), &format!("{at}/{name}")))
        }
        _ => None,
    };
    Some(inner.unwrap_or_else(|| format!("{at}: once {one}, twice {other}")))
}

/// Everything that people can see at the end of a week.
async fn end_state(world: &World) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut state = BTreeMap::new();
    let lists = [
        "accounts",
        "models",
        "requests",
        "approvals",
        "spaces",
        "workloads",
        "anchors",
        "claims",
        "proposals",
        "tasks",
        "drift",
        "spend-cards",
        "gaps",
        "ingestions",
    ];
    for list in lists {
        state.insert(list.to_owned(), anonymous(&world.list(ADA, &format!("/v1/{list}")).await?.into()));
    }
    for month in local::sample::months() {
        let spend = world.get(ADA, &format!("/v1/spend?billingPeriod={month}")).await?.ok()?;
        state.insert(format!("spend of {month}"), anonymous(&spend));
    }
    for person in [LENA, PETRA, OMAR, SAMIR, CHEN] as [Person; 5] {
        let sent = world.messages(person).await?;
        state.insert(format!("subjects to {}", person.sub), anonymous(&texts(&sent, "subject").into()));
    }
    let mut events: Vec<String> = texts(&world.list(ADA, "/v1/audit?day=2026-08-24").await?, "type");
    events.sort();
    state.insert("events".to_owned(), events.into());
    Ok(state)
}

#[tokio::test]
async fn a_week_in_which_every_event_arrives_twice_ends_as_one_in_which_each_arrives_once() -> anyhow::Result<()> {
    let once = end_state(&Week::played(Deliveries::Once).await?.world).await?;
    let twice = end_state(&Week::played(Deliveries::Twice).await?.world).await?;
    let differences: Vec<String> = once
        .iter()
        .filter_map(|(what, expected)| difference(expected, twice.get(what).unwrap_or(&Value::Null), what))
        .collect();
    assert_eq!(differences, Vec::<String>::new());
    Ok(())
}
