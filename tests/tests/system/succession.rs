//! What becomes of an approval: replaced, revoked, blocked, restricted, expired, or not yet begun.

use serde_json::{Value, json};
use system_tests::{
    CHECKOUT, CHEN, DATA, DORA, GOVERNANCE_TABLE, LENA, NOVA_LITE, PETRA, SONNET, World, approval, fields, model_key,
    nova_places, places, request, text, texts,
};

const ROLE: &str = "finops-ai-checkout";

async fn scope_states(world: &World, approval: &str) -> anyhow::Result<Vec<String>> {
    let shown = world.get(LENA, &format!("/v1/approvals/{approval}")).await?.ok()?;
    Ok(texts(shown["scopes"].as_array().map(Vec::as_slice).unwrap_or_default(), "state"))
}

fn nova() -> String {
    model_key("bedrock", NOVA_LITE)
}

#[tokio::test]
async fn a_new_scope_is_a_new_approval_and_the_old_tasks_are_void() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let old = world.one_grant().await?;
    let stale = world.task_in(&old.id, "ready").await?;
    let path = format!("/v1/tasks/{}", text(&stale, "/id")?);
    world.post(CHEN, &format!("{path}/start"), &json!({})).await?.ok()?;
    let asked = text(&world.post(PETRA, "/v1/requests", &request(&old.workload)).await?.ok()?, "/id")?;
    let both = approval(&nova_places(ROLE, &["us-east-1", "us-west-2"]));
    let new = world.post(LENA, &format!("/v1/requests/{asked}/approve"), &both).await?.ok()?;
    let complete =
        json!({ "digest": old.digest, "evidence": { "roleArn": format!("arn:aws:iam::{CHECKOUT}:role/{ROLE}") } });
    let void = world.post(CHEN, &format!("{path}/complete"), &complete).await?;
    assert_eq!(
        (void.refusal(), &void.body["current"]["approvalId"]),
        ((409, "approval-superseded"), &new["id"]),
        "before its event arrived"
    );
    world.settle().await?;
    assert_ne!(new["digest"], json!(old.digest));
    assert_eq!(new["supersedes"], json!(old.id));
    let replaced = world.get(LENA, &format!("/v1/approvals/{}", old.id)).await?.ok()?;
    assert_eq!((&replaced["state"], &replaced["end"]["supersededBy"]), (&json!("superseded"), &new["id"]));
    let void = world.post(CHEN, &format!("{path}/complete"), &complete).await?;
    assert_eq!(
        (void.refusal(), &void.body["current"]["approvalId"]),
        ((409, "approval-superseded"), &new["id"]),
        "and after"
    );
    assert_eq!(scope_states(&world, &old.id).await?, ["pending-revocation"], "it was started");
    assert_eq!(world.task_in(&old.id, "ready").await?["kind"], "revoke-bedrock-policy");
    let repeated = world.post(LENA, &format!("/v1/approvals/{}/revoke", old.id), &json!({ "reason": "late" })).await?;
    assert_eq!(repeated.refusal(), (409, "wrong-state"));
    Ok(())
}

#[tokio::test]
async fn implemented_scopes_that_stay_carry_over_and_a_narrowing_revokes_the_rest() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let old = world.one_grant().await?;
    world.implement(&old.id, CHECKOUT, ROLE).await?;
    let asked = text(&world.post(PETRA, "/v1/requests", &request(&old.workload)).await?.ok()?, "/id")?;
    let both = approval(&nova_places(ROLE, &["us-east-1", "us-west-2"]));
    let new = text(&world.post(LENA, &format!("/v1/requests/{asked}/approve"), &both).await?.ok()?, "/id")?;
    world.settle().await?;
    let shown = world.get(LENA, &format!("/v1/approvals/{new}")).await?.ok()?;
    assert_eq!(scope_states(&world, &new).await?, ["implemented", "pending-task"]);
    assert_eq!((&shown["scopes"][0]["carried"], &shown["scopes"][1]["carried"]), (&json!(true), &json!(false)));
    world.implement(&new, CHECKOUT, ROLE).await?;
    let one = fields(
        &approval(&nova_places(ROLE, &["us-east-1"])),
        &json!({ "workloadId": old.workload, "supersedes": new }),
    );
    let narrowed = text(&world.post(LENA, "/v1/approvals", &one).await?.ok()?, "/id")?;
    world.settle().await?;
    assert_eq!(scope_states(&world, &narrowed).await?, ["implemented"]);
    // The event about the first approval comes late: what went on to the third must not come back to the second.
    world.redeliver("task-sequencing", "approval.superseded", &old.id).await?;
    let chains = world.items(GOVERNANCE_TABLE).await?;
    let of = |approval: &str| {
        chains
            .values()
            .filter(|item| item["doc"]["approvalId"] == approval && item["doc"]["state"] == "implemented")
            .count()
    };
    assert_eq!((of(&new), of(&narrowed)), (0, 1));
    assert_eq!(scope_states(&world, &narrowed).await?, ["implemented"]);
    let revocation = world.task_in(&new, "ready").await?;
    assert_eq!(revocation["kind"], "revoke-bedrock-policy");
    world.work(CHEN, &revocation, &json!({})).await?;
    let row = world.get(LENA, &format!("/v1/models/{}", nova())).await?.ok()?;
    assert_eq!((&row["scopeCoverage"], &row["status"]), (&json!("1 of 5 accounts · 1 scope"), &json!("1 Implemented")));
    Ok(())
}

#[tokio::test]
async fn revoking_takes_the_access_away_by_a_task_and_counts_until_it_is_done() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let granted = world.one_grant().await?;
    world.implement(&granted.id, CHECKOUT, ROLE).await?;
    let claim = json!({ "anchor": { "type": "iam-role", "arn": format!("arn:aws:iam::{CHECKOUT}:role/{ROLE}") } });
    world.post(PETRA, &format!("/v1/workloads/{}/claims", granted.workload), &claim).await?.ok()?;
    let path = format!("/v1/approvals/{}/revoke", granted.id);
    let reason = json!({ "reason": "the pilot is over" });
    world.post(LENA, &path, &reason).await?.ok()?;
    assert_eq!(world.post(LENA, &path, &reason).await?.status, 200, "again, by the same Lead");
    assert_eq!(world.post(DORA, &path, &reason).await?.refusal(), (409, "wrong-state"), "by another");
    world.settle().await?;
    assert_eq!(scope_states(&world, &granted.id).await?, ["pending-revocation"]);
    let row = world.get(LENA, &format!("/v1/models/{}", nova())).await?.ok()?;
    assert_eq!(
        (&row["scopeCoverage"], &row["counts"]["pendingRevocation"]),
        (&json!("1 of 5 accounts · 1 scope"), &json!(1))
    );
    let task = world.task_in(&granted.id, "ready").await?;
    assert_eq!(task["kind"], "revoke-bedrock-policy");
    world.work(CHEN, &task, &json!({})).await?;
    assert_eq!(scope_states(&world, &granted.id).await?, ["revoked"]);
    let row = world.get(LENA, &format!("/v1/models/{}", nova())).await?.ok()?;
    assert_eq!(row["scopeCoverage"], "0 of 5 accounts · 0 scopes");
    assert_eq!(
        world.list(PETRA, "/v1/claims").await?.first().map(|c| c["effectiveTo"].clone()),
        Some(Value::Null),
        "late spend still follows"
    );
    Ok(())
}

#[tokio::test]
async fn a_block_rejects_what_is_asked_and_revokes_what_was_given_and_unblocking_restores_nothing() -> anyhow::Result<()>
{
    let world = World::empty().await?;
    let implemented = world.one_grant().await?;
    world.implement(&implemented.id, CHECKOUT, ROLE).await?;
    let second = world.ready_workload(PETRA, "Returns").await?;
    let untouched = world.granted(PETRA, &second, &approval(&nova_places("finops-ai-returns", &["us-west-2"]))).await?;
    let third = world.ready_workload(PETRA, "Triage").await?;
    let open = text(&world.post(PETRA, "/v1/requests", &request(&third)).await?.ok()?, "/id")?;
    let placed = fields(&request(&third), &json!({ "scopes": [{ "accountId": CHECKOUT, "region": "us-east-1" }] }));
    let open_too = text(&world.post(PETRA, "/v1/requests", &placed).await?.ok()?, "/id")?;
    world.decide_model(&nova(), json!({ "decision": "blocked", "reason": "a leak was found" })).await?;
    world.settle().await?;
    for request in [&open, &open_too] {
        let rejected = world.get(PETRA, &format!("/v1/requests/{request}")).await?.ok()?;
        assert_eq!(rejected["state"], "rejected");
        assert!(text(&rejected, "/end/reason")?.contains("a leak was found"), "{rejected}");
    }
    assert_eq!(scope_states(&world, &implemented.id).await?, ["pending-revocation"]);
    assert_eq!(scope_states(&world, &untouched.id).await?, ["revoked"], "nothing was started");
    assert_eq!(texts(&world.tasks(&untouched.id).await?, "state"), ["cancelled"]);
    assert_eq!(world.task_in(&implemented.id, "ready").await?["kind"], "revoke-bedrock-policy");
    let refused = world.post(PETRA, "/v1/requests", &request(&third)).await?;
    assert_eq!(refused.refusal(), (409, "model-blocked"));
    assert!(text(&refused.body, "/detail")?.contains("a leak was found"));
    let deny = world.get(LENA, &format!("/v1/models/{}/organisation-deny", nova())).await?.ok()?;
    assert_eq!(deny["Statement"][0]["Effect"], "Deny", "{deny}");
    world.decide_model(&nova(), json!({ "decision": "approved", "reason": "it was none" })).await?;
    world.settle().await?;
    assert_eq!(scope_states(&world, &implemented.id).await?, ["pending-revocation"]);
    assert_eq!(world.get(PETRA, &format!("/v1/requests/{open}")).await?.ok()?["state"], "rejected");
    assert_eq!(
        world.get(LENA, &format!("/v1/models/{}/organisation-deny", nova())).await?.refusal(),
        (409, "wrong-state")
    );
    Ok(())
}

#[tokio::test]
async fn a_restriction_ends_what_no_longer_conforms_and_limits_what_comes() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let granted = world.one_grant().await?;
    let inside = text(&world.post(PETRA, "/v1/requests", &request(&granted.workload)).await?.ok()?, "/id")?;
    let elsewhere =
        fields(&request(&granted.workload), &json!({ "scopes": [{ "accountId": CHECKOUT, "region": "us-west-2" }] }));
    let outside = text(&world.post(PETRA, "/v1/requests", &elsewhere).await?.ok()?, "/id")?;
    let limits = json!({ "accountIds": [CHECKOUT], "regions": ["us-east-1"], "maxDays": 30 });
    world
        .decide_model(&nova(), json!({ "decision": "restricted", "reason": "pilot only", "restriction": limits }))
        .await?;
    world.settle().await?;
    let ended = world.get(LENA, &format!("/v1/approvals/{}", granted.id)).await?.ok()?;
    assert_eq!(ended["state"], "revoked", "it never expires, which the restriction asks for");
    let state = async |id: &str| -> anyhow::Result<Value> {
        Ok(world.get(PETRA, &format!("/v1/requests/{id}")).await?.ok()?["state"].clone())
    };
    assert_eq!((state(&inside).await?, state(&outside).await?), (json!("submitted"), json!("rejected")));
    let path = format!("/v1/requests/{inside}/approve");
    let here = approval(&places(ROLE, &[(CHECKOUT, "us-east-1")]));
    for outside in [
        here.clone(),
        fields(&here, &json!({ "expiresOn": "2026-10-30" })),
        fields(&here, &json!({ "expiresOn": "2026-09-10", "scopes": nova_places(ROLE, &["us-west-2"]) })),
    ] {
        assert_eq!(world.post(LENA, &path, &outside).await?.refusal(), (409, "model-restricted"), "{outside}");
    }
    world.post(LENA, &path, &fields(&here, &json!({ "expiresOn": "2026-09-10" }))).await?.ok()?;
    Ok(())
}

#[tokio::test]
async fn a_chain_of_successors_names_the_one_that_stands_for_start_and_complete_on_both_platforms() -> anyhow::Result<()>
{
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    world.estimate(PETRA, &workload, "claude-platform", "10.00").await?;
    let desk = |regions: &[&str]| {
        let scope = |region: &&str| json!({ "accountId": DATA, "region": region, "iamRole": "finops-ai-desk" });
        let scopes: Value = regions.iter().map(scope).collect();
        json!({ "platform": "claude-platform", "modelId": SONNET, "actions": ["inference"], "workspaceName": "desk",
            "scopes": scopes })
    };
    let nova = |regions: &[&str]| approval(&nova_places(ROLE, regions));
    for body in [&nova as &dyn Fn(&[&str]) -> Value, &desk] {
        let old = world.granted(PETRA, &workload, &body(&["us-west-2"])).await?;
        let ready = world.task_in(&old.id, "ready").await?;
        let path = format!("/v1/tasks/{}", text(&ready, "/id")?);
        let between = world.granted(PETRA, &workload, &body(&["us-east-1", "us-west-2"])).await?;
        let new = world.granted(PETRA, &workload, &body(&["us-east-1"])).await?;
        assert_ne!(between.id, new.id);
        let complete = json!({ "digest": old.digest, "evidence": {} });
        for (step, body) in [("start", json!({})), ("complete", complete)] {
            let void = world.post(CHEN, &format!("{path}/{step}"), &body).await?;
            assert_eq!(void.refusal(), (409, "approval-superseded"), "{step}: {}", void.body);
            assert_eq!(void.body["current"]["approvalId"], json!(new.id), "{step}: the one that stands");
        }
        assert_eq!(scope_states(&world, &old.id).await?, ["revoked"], "nobody had begun it");
    }
    Ok(())
}

#[tokio::test]
async fn what_was_asked_stands_beside_what_was_approved() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let asked = fields(
        &request(&workload),
        &json!({ "scopes": [{ "accountId": CHECKOUT, "region": "us-east-1" }, { "accountId": CHECKOUT,
            "region": "us-west-2" }] }),
    );
    let asked = text(&world.post(PETRA, "/v1/requests", &asked).await?.ok()?, "/id")?;
    let body = fields(&approval(&places(ROLE, &[(CHECKOUT, "us-east-1")])), &json!({ "expiresOn": "2026-12-31" }));
    let answer = world.post(LENA, &format!("/v1/requests/{asked}/approve"), &body).await?.ok()?;
    let shown = world.get(PETRA, &format!("/v1/approvals/{}", text(&answer, "/id")?)).await?.ok()?;
    assert_eq!(answer["comparison"], shown["comparison"]);
    assert_eq!((&shown["comparison"]["against"], &shown["comparison"]["id"]), (&json!("request"), &json!(asked)));
    let lines = shown["comparison"]["differences"].as_array().cloned().unwrap_or_default();
    let told: Vec<(String, String)> = texts(&lines, "field").into_iter().zip(texts(&lines, "how")).collect();
    let expected = [("actions", "narrowed"), ("scopes", "chosen"), ("scopes", "narrowed"), ("expiresOn", "narrowed")];
    assert_eq!(told, expected.map(|(field, how)| (field.to_owned(), how.to_owned())), "{lines:?}");
    Ok(())
}

#[tokio::test]
async fn the_end_of_an_approval_is_announced_at_14_3_and_0_days_once_each() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let body = fields(&approval(&places(ROLE, &[(CHECKOUT, "us-east-1")])), &json!({ "expiresOn": "2026-09-30" }));
    world.granted(PETRA, &workload, &body).await?;
    let notices = async || -> anyhow::Result<usize> {
        let subjects = texts(&world.messages(PETRA).await?, "subject");
        Ok(subjects.iter().filter(|subject| subject.contains("ends in") || subject.contains("ends today")).count())
    };
    for (day, told) in [
        ("2026-09-15T23:00:00Z", 0),
        ("2026-09-16T00:30:00Z", 1),
        ("2026-09-20T00:00:00Z", 1),
        ("2026-09-26T23:00:00Z", 1),
        ("2026-09-27T00:30:00Z", 2),
        ("2026-09-30T00:30:00Z", 3),
        ("2026-09-30T23:30:00Z", 3),
    ] {
        world.at(day)?;
        let first = world.schedule("approval-lifecycle").await?;
        let again = world.schedule("approval-lifecycle").await?;
        assert_eq!(again["noticed"], 0, "{day} {first}");
        assert_eq!(notices().await?, told, "{day} {:?}", texts(&world.messages(PETRA).await?, "subject"));
    }
    Ok(())
}

#[tokio::test]
async fn a_successor_for_later_may_not_take_access_away_until_then() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let old = world.one_grant().await?;
    world.implement(&old.id, CHECKOUT, ROLE).await?;
    let asked = text(&world.post(PETRA, "/v1/requests", &request(&old.workload)).await?.ok()?, "/id")?;
    let path = format!("/v1/requests/{asked}/approve");
    let later = json!({ "effectiveFrom": "2026-09-01" });
    let moved = world.post(LENA, &path, &fields(&approval(&nova_places(ROLE, &["us-west-2"])), &later)).await?;
    assert!(text(&moved.body, "/detail")?.contains("would lose its access today"), "{}", moved.body);
    let wider = fields(&approval(&nova_places(ROLE, &["us-east-1", "us-west-2"])), &later);
    let new = text(&world.post(LENA, &path, &wider).await?.ok()?, "/id")?;
    world.settle().await?;
    assert_eq!(scope_states(&world, &new).await?, ["implemented", "approved"], "what stays, stays; the rest waits");
    world.at("2026-09-01T00:00:00Z")?;
    world.schedule("approval-lifecycle").await?;
    assert_eq!(scope_states(&world, &new).await?, ["implemented", "pending-task"]);
    Ok(())
}

#[tokio::test]
async fn an_approval_expires_at_the_end_of_its_last_day() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let body = fields(&approval(&places(ROLE, &[(CHECKOUT, "us-east-1")])), &json!({ "expiresOn": "2026-08-31" }));
    let granted = world.granted(PETRA, &workload, &body).await?;
    world.implement(&granted.id, CHECKOUT, ROLE).await?;
    let state = async || -> anyhow::Result<Value> {
        Ok(world.get(LENA, &format!("/v1/approvals/{}", granted.id)).await?.ok()?["state"].clone())
    };
    world.at("2026-08-31T23:30:00Z")?;
    world.schedule("approval-lifecycle").await?;
    assert_eq!(state().await?, "active", "its last day is its own");
    let told = texts(&world.messages(PETRA).await?, "subject").len();
    world.schedule("approval-lifecycle").await?;
    assert_eq!(texts(&world.messages(PETRA).await?, "subject").len(), told, "one notice for each threshold");
    world.at("2026-09-01T00:00:00Z")?;
    world.schedule("approval-lifecycle").await?;
    assert_eq!(state().await?, "expired");
    assert_eq!(scope_states(&world, &granted.id).await?, ["pending-revocation"]);
    assert_eq!(world.task_in(&granted.id, "ready").await?["kind"], "revoke-bedrock-policy");
    Ok(())
}

#[tokio::test]
async fn an_approval_for_later_issues_its_tasks_on_its_day() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let body = fields(&approval(&places(ROLE, &[(CHECKOUT, "us-east-1")])), &json!({ "effectiveFrom": "2026-09-01" }));
    let granted = world.granted(PETRA, &workload, &body).await?;
    world.at("2026-08-31T23:30:00Z")?;
    world.schedule("approval-lifecycle").await?;
    assert_eq!(world.tasks(&granted.id).await?, Vec::<Value>::new());
    assert_eq!(scope_states(&world, &granted.id).await?, ["approved"]);
    world.at("2026-09-01T00:00:00Z")?;
    world.schedule("approval-lifecycle").await?;
    world.schedule("approval-lifecycle").await?;
    assert_eq!(texts(&world.tasks(&granted.id).await?, "state"), ["ready"], "once");
    assert_eq!(scope_states(&world, &granted.id).await?, ["pending-task"]);
    Ok(())
}
