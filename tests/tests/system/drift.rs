//! Live roles that are no longer what was approved: found, named, repaired, and nothing of it twice.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use system_tests::{CHECKOUT, CHEN, Granted, LENA, PETRA, World, approval, fields, number, places, text, texts};

const ROLE: &str = "finops-ai-checkout";
const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// Petra's workload with its role as approved, really there.
async fn implemented(world: &World, set: &Value) -> anyhow::Result<Granted> {
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let body = fields(&approval(&places(ROLE, &[(CHECKOUT, "us-east-1")])), set);
    let granted = world.granted(PETRA, &workload, &body).await?;
    let task = world.task_in(&granted.id, "ready").await?;
    world.carry_out(&task).await?;
    let done = world.implement(&granted.id, CHECKOUT, ROLE).await?;
    assert_eq!(done["verification"]["result"], "verified", "{done}");
    Ok(granted)
}

/// Somebody changes the role by hand.
async fn by_hand(world: &World, command: &str, document: &str) -> anyhow::Result<()> {
    let files = BTreeMap::from([("hand.json".to_owned(), document.to_owned())]);
    world.aws(CHECKOUT, command, &files).await.map(drop)
}

async fn put_by_hand(world: &World, document: &Value) -> anyhow::Result<()> {
    let put = format!(
        "aws iam put-role-policy --role-name '{ROLE}' --policy-name 'FinOpsCenterApproved' --policy-document \
         file://hand.json"
    );
    by_hand(world, &put, &document.to_string()).await
}

async fn findings(world: &World, state: &str) -> anyhow::Result<Vec<Value>> {
    world.list(LENA, &format!("/v1/drift?state={state}")).await
}

/// The one finding in a state, its differences as one text.
async fn finding(world: &World, state: &str) -> anyhow::Result<(Value, String)> {
    let mut found = findings(world, state).await?;
    assert_eq!(found.len(), 1, "{state}: {found:?}");
    let found = found.remove(0);
    let differences = found["differences"].to_string();
    Ok((found, differences))
}

fn approved_policy(task: &Value) -> anyhow::Result<Value> {
    let files = task["artifacts"].as_array().cloned().unwrap_or_default();
    let policy = files.iter().find(|file| file["name"] == "policy.json").cloned().unwrap_or_default();
    Ok(serde_json::from_str(&text(&policy, "/content")?)?)
}

#[tokio::test]
async fn a_hand_edit_is_found_statement_by_statement_and_repaired_by_its_task() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let granted = implemented(&world, &json!({})).await?;
    let quiet = world.schedule("drift").await?;
    assert_eq!((number(&quiet, "/verified")?, number(&quiet, "/drifted")?), (1, 0), "{quiet}");
    let implemented_by = world.task_in(&granted.id, "completed").await?;
    let mut edited = approved_policy(&implemented_by)?;
    let allow = edited["Statement"].as_array_mut().and_then(|s| s.iter_mut().find(|s| s["Effect"] == "Allow"));
    let label = allow.as_ref().map(|s| s["Sid"].as_str().unwrap_or_default().to_owned()).unwrap_or_default();
    *allow.and_then(|s| s.get_mut("Resource")).unwrap_or(&mut Value::Null) = json!("*");
    put_by_hand(&world, &edited).await?;
    by_hand(&world, &format!("aws iam attach-role-policy --role-name '{ROLE}' --policy-arn '{ADMINISTRATOR}'"), "")
        .await?;
    let told = texts(&world.messages(LENA).await?, "subject").len();
    let run = world.schedule("drift").await?;
    assert_eq!((number(&run, "/drifted")?, number(&run, "/tasksOpened")?), (1, 1), "{run}");
    let (drifted, differences) = finding(&world, "drifted").await?;
    assert!(differences.contains(&format!("policy, {label}: Resource: live adds `*`")), "{differences}");
    assert!(differences.contains("attached policy") && differences.contains("AdministratorAccess"), "{differences}");
    let subjects = texts(&world.messages(LENA).await?, "subject");
    assert!(subjects[told..].iter().any(|s| s.starts_with("Drift found")), "{subjects:?}");
    let repair = world.task_in(&granted.id, "ready").await?;
    assert_eq!((&repair["kind"], &repair["id"]), (&json!("fix-drift"), &drifted["taskId"]));
    world.carry_out(&repair).await?;
    let done = world.work(CHEN, &repair, &json!({})).await?;
    assert_eq!(done["verification"]["result"], "verified");
    let run = world.schedule("drift").await?;
    assert_eq!((number(&run, "/verified")?, number(&run, "/resolved")?), (1, 1), "{run}");
    assert_eq!(findings(&world, "drifted").await?, Vec::<Value>::new());
    let (resolved, _) = finding(&world, "resolved").await?;
    assert_eq!(resolved["id"], drifted["id"]);
    Ok(())
}

#[tokio::test]
async fn detecting_again_opens_nothing_and_since_when_stays() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let granted = implemented(&world, &json!({})).await?;
    by_hand(&world, &format!("aws iam attach-role-policy --role-name '{ROLE}' --policy-arn '{ADMINISTRATOR}'"), "")
        .await?;
    world.schedule("drift").await?;
    let (first, _) = finding(&world, "drifted").await?;
    let repair = world.task_in(&granted.id, "ready").await?;
    world.at("2026-08-25T02:00:00Z")?;
    let again = world.schedule("drift").await?;
    assert_eq!(number(&again, "/tasksOpened")?, 0, "{again}");
    assert_eq!(finding(&world, "drifted").await?.0, first, "nothing was written");
    world.at("2026-08-26T02:00:00Z")?;
    put_by_hand(
        &world,
        &json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Deny", "Action": "*", "Resource": "*" }] }),
    )
    .await?;
    let more = world.schedule("drift").await?;
    assert_eq!(number(&more, "/tasksOpened")?, 0, "{more}");
    let (worse, differences) = finding(&world, "drifted").await?;
    assert_eq!((&worse["since"], &worse["taskId"]), (&first["since"], &first["taskId"]));
    assert!(differences.contains("approved, not live"), "{differences}");
    let rewritten = world.task_in(&granted.id, "ready").await?;
    assert_eq!(rewritten["id"], repair["id"], "the same task");
    assert_ne!(rewritten["instructions"], repair["instructions"], "and it repairs what differs now");
    let fixes = world.tasks(&granted.id).await?.iter().filter(|task| task["kind"] == "fix-drift").count();
    assert_eq!(fixes, 1);
    Ok(())
}

#[tokio::test]
async fn drift_that_disappears_withdraws_its_task_and_gives_the_role_on() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let granted = implemented(&world, &json!({})).await?;
    by_hand(&world, &format!("aws iam attach-role-policy --role-name '{ROLE}' --policy-arn '{ADMINISTRATOR}'"), "")
        .await?;
    world.schedule("drift").await?;
    let repair = world.task_in(&granted.id, "ready").await?;
    by_hand(&world, &format!("aws iam detach-role-policy --role-name '{ROLE}' --policy-arn '{ADMINISTRATOR}'"), "")
        .await?;
    let run = world.schedule("drift").await?;
    assert_eq!(number(&run, "/resolved")?, 1, "{run}");
    let path = format!("/v1/tasks/{}", text(&repair, "/id")?);
    assert_eq!(world.get(CHEN, &path).await?.ok()?["state"], "cancelled");
    assert_eq!(world.post(CHEN, &format!("{path}/start"), &json!({})).await?.refusal(), (409, "wrong-state"));
    world.post(LENA, &format!("/v1/approvals/{}/revoke", granted.id), &json!({ "reason": "over" })).await?.ok()?;
    world.settle().await?;
    assert_eq!(world.task_in(&granted.id, "ready").await?["kind"], "revoke-bedrock-policy", "the role is free");
    Ok(())
}

#[tokio::test]
async fn a_returned_repair_can_be_sent_out_again() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let granted = implemented(&world, &json!({})).await?;
    by_hand(&world, &format!("aws iam attach-role-policy --role-name '{ROLE}' --policy-arn '{ADMINISTRATOR}'"), "")
        .await?;
    world.schedule("drift").await?;
    let path = format!("/v1/tasks/{}", text(&world.task_in(&granted.id, "ready").await?, "/id")?);
    world.post(CHEN, &format!("{path}/start"), &json!({})).await?.ok()?;
    world.post(CHEN, &format!("{path}/return"), &json!({ "reason": "no access today" })).await?.ok()?;
    let again = world.post(LENA, &format!("{path}/reissue"), &json!({ "reason": "try now" })).await?.ok()?;
    assert_eq!(again["state"], "ready");
    world.carry_out(&again).await?;
    world.work(CHEN, &again, &json!({})).await?;
    assert_eq!(number(&world.schedule("drift").await?, "/resolved")?, 1);
    Ok(())
}

#[tokio::test]
async fn strict_verification_refuses_a_mismatch_with_the_difference_and_advisory_records_it() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let granted = world.one_grant().await?;
    let task = world.task_in(&granted.id, "ready").await?;
    world.carry_out(&task).await?;
    by_hand(&world, &format!("aws iam attach-role-policy --role-name '{ROLE}' --policy-arn '{ADMINISTRATOR}'"), "")
        .await?;
    let settings = world.get(LENA, "/v1/settings").await?.ok()?;
    let mode = |mode: &str| {
        let mut settings = fields(&settings, &json!({ "verification": mode }));
        settings.as_object_mut().into_iter().for_each(|fields| drop(fields.remove("version")));
        settings
    };
    world.put(LENA, "/v1/settings", &mode("strict")).await?.ok()?;
    let path = format!("/v1/tasks/{}", text(&task, "/id")?);
    world.post(CHEN, &format!("{path}/start"), &json!({})).await?.ok()?;
    let evidence = json!({ "roleArn": format!("arn:aws:iam::{CHECKOUT}:role/{ROLE}") });
    let complete = json!({ "digest": granted.digest, "evidence": evidence });
    let refused = world.post(CHEN, &format!("{path}/complete"), &complete).await?;
    assert_eq!(refused.problem(), "evidence-mismatch", "{}", refused.body);
    assert!(text(&refused.body, "/detail")?.contains("AdministratorAccess"), "{}", refused.body);
    world.put(LENA, "/v1/settings", &mode("advisory")).await?.ok()?;
    let done = world.post(CHEN, &format!("{path}/complete"), &complete).await?.ok()?;
    assert_eq!(done["verification"]["result"], "drifted", "{done}");
    assert!(done["verification"]["differences"].to_string().contains("AdministratorAccess"));
    Ok(())
}

#[tokio::test]
async fn a_role_that_was_deleted_is_drift_and_its_task_creates_it_again() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let granted = implemented(&world, &json!({})).await?;
    let gone = format!(
        "aws iam delete-role-policy --role-name '{ROLE}' --policy-name 'FinOpsCenterApproved' && aws iam delete-role \
         --role-name '{ROLE}'"
    );
    by_hand(&world, &gone, "").await?;
    world.schedule("drift").await?;
    assert!(finding(&world, "drifted").await?.1.contains("the role does not exist"));
    let repair = world.task_in(&granted.id, "ready").await?;
    world.carry_out(&repair).await?;
    world.work(CHEN, &repair, &json!({})).await?;
    assert_eq!(number(&world.schedule("drift").await?, "/resolved")?, 1);
    Ok(())
}

#[tokio::test]
async fn a_widened_trust_and_a_boundary_that_closes_are_drift() -> anyhow::Result<()> {
    let world = World::empty().await?;
    implemented(&world, &json!({})).await?;
    let anyone = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": { "AWS": "*" },
        "Action": "sts:AssumeRole" }] });
    let trust = format!("aws iam update-assume-role-policy --role-name '{ROLE}' --policy-document file://hand.json");
    by_hand(&world, &trust, &anyone.to_string()).await?;
    let logs =
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "logs:*", "Resource": "*" }] });
    let boundary = format!(
        "aws iam create-policy --policy-name 'logs-only' --policy-document file://hand.json && aws iam \
         put-role-permissions-boundary --role-name '{ROLE}' --permissions-boundary \
         'arn:aws:iam::{CHECKOUT}:policy/logs-only'"
    );
    by_hand(&world, &boundary, &logs.to_string()).await?;
    world.schedule("drift").await?;
    let (_, differences) = finding(&world, "drifted").await?;
    assert!(differences.contains("trust policy") && differences.contains("Principal AWS"), "{differences}");
    assert!(differences.contains("logs-only` does not let `bedrock:InvokeModel` through"), "{differences}");
    Ok(())
}
