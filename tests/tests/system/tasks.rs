//! The engineer's queue: steps that come back, steps of two at once, steps that are not anybody's turn.

use std::sync::Arc;

use serde_json::{Value, json};
use system_tests::{
    CHECKOUT, CHEN, DATA, DORA, EMIL, LENA, PETRA, Person, SONNET, World, approval, place, places, request, text, texts,
};

#[tokio::test]
async fn a_returned_task_puts_the_scope_back_until_the_lead_reissues_it() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let granted = world.one_grant().await?;
    let state = async || -> anyhow::Result<String> {
        text(&world.get(PETRA, &format!("/v1/approvals/{}", granted.id)).await?.ok()?, "/scopes/0/state")
    };
    assert_eq!(state().await?, "pending-task");
    let path = format!("/v1/tasks/{}", text(&world.task_in(&granted.id, "ready").await?, "/id")?);
    let step = async |who: Person, step: &str, body: Value| world.post(who, &format!("{path}/{step}"), &body).await;
    assert_eq!(step(CHEN, "return", json!({ "reason": "r" })).await?.refusal(), (409, "not-assignee"));
    step(CHEN, "start", json!({})).await?.ok()?;
    assert_eq!(step(EMIL, "start", json!({})).await?.refusal(), (409, "wrong-state"), "Chen has it");
    assert_eq!(step(EMIL, "release", json!({})).await?.refusal(), (409, "not-assignee"));
    step(CHEN, "release", json!({})).await?.ok()?;
    step(EMIL, "start", json!({})).await?.ok()?;
    step(EMIL, "return", json!({ "reason": "the account is closed" })).await?.ok()?;
    world.settle().await?;
    assert_eq!(state().await?, "approved");
    assert_eq!(step(EMIL, "start", json!({})).await?.refusal(), (409, "wrong-state"), "it waits for the Lead");
    assert_eq!(step(EMIL, "reissue", json!({ "reason": "r" })).await?.refusal(), (403, "role-forbidden"));
    world.schedule("approval-lifecycle").await?;
    assert_eq!(state().await?, "approved", "the clock reissues nothing");
    step(LENA, "reissue", json!({ "reason": "it is open again" })).await?.ok()?;
    world.settle().await?;
    assert_eq!(state().await?, "pending-task");
    world.implement(&granted.id, CHECKOUT, "finops-ai-checkout").await?;
    assert_eq!(state().await?, "implemented");
    Ok(())
}

#[tokio::test]
async fn nobody_skips_a_task_of_a_chain() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Desk").await?;
    world.estimate(PETRA, &workload, "claude-platform", "10.00").await?;
    let body = json!({
        "platform": "claude-platform", "modelId": SONNET, "actions": ["inference"], "workspaceName": "desk",
        "scopes": [place(DATA, "us-west-2", "finops-ai-desk")],
    });
    let granted = world.granted(PETRA, &workload, &body).await?;
    let mut chain = world.tasks(&granted.id).await?;
    chain.sort_by_key(|task| task["sequence"].as_u64());
    assert_eq!(texts(&chain, "state"), ["ready", "blocked", "blocked"]);
    for task in chain.iter().skip(1) {
        let path = format!("/v1/tasks/{}", text(task, "/id")?);
        assert_eq!(task["artifacts"], json!([]), "artefacts appear when a task is ready");
        for (step, body) in [("start", json!({})), ("complete", json!({ "digest": granted.digest, "evidence": {} }))] {
            assert_eq!(
                world.post(CHEN, &format!("{path}/{step}"), &body).await?.refusal(),
                (409, "task-blocked"),
                "{step}"
            );
        }
    }
    let task = world.task_in(&granted.id, "ready").await?;
    world.work(CHEN, &task, &json!({})).await?;
    let task = world.task_in(&granted.id, "ready").await?;
    let path = format!("/v1/tasks/{}", text(&task, "/id")?);
    world.post(CHEN, &format!("{path}/start"), &json!({})).await?.ok()?;
    let elsewhere = "arn:aws:aws-external-anthropic:us-west-2:999988887777:workspace/wrkspc_01Other";
    let body = json!({ "digest": granted.digest, "evidence": { "workspaceArn": elsewhere } });
    assert_eq!(world.post(CHEN, &format!("{path}/complete"), &body).await?.refusal(), (409, "evidence-mismatch"));
    Ok(())
}

#[tokio::test]
async fn what_the_engineer_gets_is_byte_for_byte_what_was_approved() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let granted = world.one_grant().await?;
    let task = world.task_in(&granted.id, "ready").await?;
    let path = format!("/v1/tasks/{}", text(&task, "/id")?);
    assert_eq!(task["digest"], json!(granted.digest));
    for artifact in task["artifacts"].as_array().into_iter().flatten() {
        let (name, content) = (text(artifact, "/name")?, text(artifact, "/content")?);
        assert_eq!(
            text(artifact, "/sha256")?,
            domain::base::digest::Digest::of_bytes(content.as_bytes()).to_string(),
            "{name}"
        );
        let file = world.get(CHEN, &format!("{path}/artifacts/{name}")).await?;
        let same =
            file.body == json!(content) || serde_json::from_str::<Value>(&content).ok().as_ref() == Some(&file.body);
        assert!(file.status == 200 && same, "{name}");
        for other in ["us-west-2", "222233334444", "claude", "bedrock:*", "\"*\"}"] {
            assert!(
                name != "policy.json" || !content.contains(other),
                "{name} holds {other}, which nobody approved: {content}"
            );
        }
    }
    assert_eq!(world.get(CHEN, &format!("{path}/artifacts/..%2Fsecrets")).await?.status, 404);
    assert_eq!(world.get(CHEN, &format!("{path}/bundle")).await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_leads_deciding_at_once_one_decides_and_there_is_one_chain() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let asked = text(&world.post(PETRA, "/v1/requests", &request(&workload)).await?.ok()?, "/id")?;
    let body = approval(&places("finops-ai-checkout", &[(CHECKOUT, "us-east-1")]));
    let path = format!("/v1/requests/{asked}/approve");
    let reject = format!("/v1/requests/{asked}/reject");
    let reason = json!({ "reason": "not this year" });
    let (lena, dora, no) = tokio::join!(
        world.post(LENA, &path, &body),
        world.post(DORA, &path, &body),
        world.post(DORA, &reject, &reason)
    );
    let mut statuses = [lena?.status, dora?.status, no?.status];
    statuses.sort_unstable();
    assert!(matches!(statuses, [200 | 201, 409, 409]), "{statuses:?}");
    world.settle().await?;
    let approvals = world.list(LENA, &format!("/v1/approvals?workloadId={workload}")).await?;
    let state = text(&world.get(LENA, &format!("/v1/requests/{asked}")).await?.ok()?, "/state")?;
    assert_eq!(approvals.len(), usize::from(state == "approved"));
    assert_eq!(world.list(CHEN, "/v1/tasks").await?.len(), approvals.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_engineers_starting_a_task_at_once_one_has_it() -> anyhow::Result<()> {
    const ENGINEERS: [&str; 8] = ["e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8"];
    let world = Arc::new(World::empty().await?);
    let granted = world.one_grant().await?;
    let path = format!("/v1/tasks/{}", text(&world.task_in(&granted.id, "ready").await?, "/id")?);
    let starts = ENGINEERS.map(|sub| {
        let (world, path) = (Arc::clone(&world), format!("{path}/start"));
        tokio::spawn(async move {
            world.post(Person { sub, groups: &["cloud-engineer"] }, &path, &json!({})).await.map(|r| r.status)
        })
    });
    let mut won = 0;
    for start in starts {
        let status = start.await??;
        assert!([200, 409].contains(&status), "{status}");
        won += usize::from(status == 200);
    }
    assert_eq!(won, 1);
    let task = world.get(CHEN, &path).await?.ok()?;
    let started =
        task["history"].as_array().into_iter().flatten().filter(|step| step["state"] == "in-progress").count();
    assert_eq!((started, &task["state"]), (1, &json!("in-progress")));
    Ok(())
}
