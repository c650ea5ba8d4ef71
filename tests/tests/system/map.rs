//! The Migration Acceleration Program's tag: asked for, put, found, lost, and put back; and where it does not apply.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use system_tests::{
    CHECKOUT, CHEN, DATA, LENA, NOVA_LITE, PETRA, SONNET, World, approval, fields, number, place, places, text,
};

const ROLE: &str = "finops-ai-checkout";

async fn standing(world: &World, approval: &str) -> anyhow::Result<Value> {
    Ok(world.get(LENA, &format!("/v1/approvals/{approval}")).await?.ok()?["scopes"][0]["map"].clone())
}

#[tokio::test]
async fn a_role_tag_is_pending_until_it_is_found_and_stale_when_somebody_changes_it() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let map = json!({ "map": { "value": "mig12345", "methods": ["role-tag"] } });
    let body = fields(&approval(&places(ROLE, &[(CHECKOUT, "us-east-1")])), &map);
    let granted = world.granted(PETRA, &workload, &body).await?;
    assert_eq!(standing(&world, &granted.id).await?["state"], "PENDING_TAG");
    world.carry_out(&world.task_in(&granted.id, "ready").await?).await?;
    world.implement(&granted.id, CHECKOUT, ROLE).await?;
    assert_eq!(standing(&world, &granted.id).await?["state"], "TAGGED");
    let tag = format!("aws iam tag-role --role-name '{ROLE}' --tags 'Key=map-migrated,Value=mig99999'");
    world.aws(CHECKOUT, &tag, &BTreeMap::new()).await?;
    world.schedule("drift").await?;
    let stale = standing(&world, &granted.id).await?;
    assert_eq!((&stale["state"], &stale["found"]["roleTag"]), (&json!("STALE_TAG"), &json!("mig99999")), "{stale}");
    let finding = world.list(LENA, "/v1/drift?state=drifted").await?;
    assert!(finding[0]["differences"].to_string().contains("approved `mig12345`, live `mig99999`"), "{finding:?}");
    let repair = world.task_in(&granted.id, "ready").await?;
    world.carry_out(&repair).await?;
    world.work(CHEN, &repair, &json!({})).await?;
    assert_eq!(number(&world.schedule("drift").await?, "/resolved")?, 1);
    assert_eq!(standing(&world, &granted.id).await?["state"], "TAGGED");
    Ok(())
}

#[tokio::test]
async fn a_profile_that_a_task_creates_carries_the_tag_and_is_called_instead_of_the_model() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let map = json!({ "map": { "value": "mig12345", "methods": ["inference-profile"] } });
    let body = fields(&approval(&places(ROLE, &[(CHECKOUT, "us-east-1")])), &map);
    let granted = world.granted(PETRA, &workload, &body).await?;
    let create = world.task_in(&granted.id, "ready").await?;
    assert_eq!(create["kind"], "bedrock-create-profile");
    let answers = world.carry_out(&create).await?;
    let created = answers.iter().filter_map(|answer| serde_json::from_str::<Value>(answer).ok());
    let arn = created.filter_map(|answer| text(&answer, "/inferenceProfileArn").ok()).next().unwrap_or_default();
    world.work(CHEN, &create, &json!({ "inferenceProfileArn": arn })).await?;
    let policy = world.task_in(&granted.id, "ready").await?;
    assert!(policy["artifacts"].to_string().contains(&arn), "{policy}");
    world.carry_out(&policy).await?;
    world.implement(&granted.id, CHECKOUT, ROLE).await?;
    assert_eq!(standing(&world, &granted.id).await?["state"], "TAGGED");
    let retag = format!(
        "aws bedrock tag-resource --resource-arn '{arn}' --tags 'key=map-migrated,value=mig1' --region 'us-east-1'"
    );
    world.aws(CHECKOUT, &retag, &BTreeMap::new()).await?;
    world.schedule("drift").await?;
    assert_eq!(standing(&world, &granted.id).await?["state"], "STALE_TAG");
    let repair = world.task_in(&granted.id, "ready").await?;
    world.carry_out(&repair).await?;
    world.work(CHEN, &repair, &json!({})).await?;
    world.schedule("drift").await?;
    assert_eq!(standing(&world, &granted.id).await?["state"], "TAGGED");
    Ok(())
}

#[tokio::test]
async fn an_odd_value_warns_and_claude_platform_says_that_the_tag_does_not_apply() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let odd = json!({ "map": { "value": "mig123456789", "methods": ["role-tag"] } });
    let body = fields(&approval(&places(ROLE, &[(CHECKOUT, "us-east-1")])), &odd);
    let granted = world.granted(PETRA, &workload, &body).await?;
    let shown = world.get(LENA, &format!("/v1/approvals/{}", granted.id)).await?.ok()?;
    assert!(shown["warnings"][0].as_str().is_some_and(|w| w.contains("mig123456789")), "{shown}");
    world.estimate(PETRA, &workload, "claude-platform", "10.00").await?;
    let claude = json!({
        "platform": "claude-platform", "modelId": SONNET, "actions": ["inference"], "workspaceName": "desk",
        "scopes": [place(DATA, "us-west-2", "finops-ai-desk")],
    });
    let granted = world.granted(PETRA, &workload, &claude).await?;
    let standing = standing(&world, &granted.id).await?;
    assert_eq!(standing["state"], "INELIGIBLE");
    assert!(text(&standing, "/why")?.contains("not applicable"), "{standing}");
    Ok(())
}

#[tokio::test]
async fn an_application_profile_is_approved_only_as_its_account_shows_it() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let source = format!("arn:aws:bedrock:us-east-1:{CHECKOUT}:inference-profile/us.{NOVA_LITE}");
    let create = format!(
        "aws bedrock create-inference-profile --inference-profile-name 'checkout team' --model-source \
         'copyFrom={source}' --region 'us-east-1'"
    );
    let made = world.aws(CHECKOUT, &create, &BTreeMap::new()).await?;
    let arn = text(&serde_json::from_str(&made[0])?, "/inferenceProfileArn")?;
    let scope = fields(&place(CHECKOUT, "us-east-1", ROLE), &json!({ "inferenceProfile": arn }));
    let asked =
        json!({ "workloadId": workload, "platform": "bedrock", "modelId": NOVA_LITE, "justification": "tests" });
    let request = text(&world.post(PETRA, "/v1/requests", &asked).await?.ok()?, "/id")?;
    let path = format!("/v1/requests/{request}/approve");
    let unknown = world.post(LENA, &path, &approval(&json!([scope]))).await?;
    assert!(text(&unknown.body, "/detail")?.contains("is not known"), "{}", unknown.body);
    let run = world.schedule("model-discovery").await?;
    assert_eq!((number(&run, "/profiles/listed")?, number(&run, "/profiles/changed")?), (1, 1), "{run}");
    let again = world.schedule("model-discovery").await?;
    assert_eq!(number(&again, "/profiles/changed")?, 0, "{again}");
    let elsewhere = fields(&place(DATA, "us-east-1", ROLE), &json!({ "inferenceProfile": arn }));
    let refused = world.post(LENA, &path, &approval(&json!([elsewhere]))).await?;
    assert!(text(&refused.body, "/detail")?.contains("is not of account"), "{}", refused.body);
    let approved = world.post(LENA, &path, &approval(&json!([scope]))).await?.ok()?;
    world.settle().await?;
    let task = world.task_in(&text(&approved, "/id")?, "ready").await?;
    let policy = task["artifacts"].to_string();
    let gone =
        format!("aws bedrock delete-inference-profile --inference-profile-identifier '{arn}' --region 'us-east-1'");
    world.aws(CHECKOUT, &gone, &BTreeMap::new()).await?;
    let body = json!({ "name": "checkout-prod", "regions": ["us-east-1", "us-west-2", "eu-central-1"] });
    world.put(LENA, &format!("/v1/accounts/{CHECKOUT}"), &body).await?.ok()?;
    let run = world.schedule("model-discovery").await?;
    assert_eq!(number(&run, "/profiles/changed")?, 1, "it is gone: {run}");
    let silent = text(&run, &format!("/profiles/unknown/{CHECKOUT}~1eu-central-1"))?;
    assert!(silent.contains("UnrecognizedClient"), "a region that refuses says nothing: {silent}");
    let other = world.ready_workload(PETRA, "Returns").await?;
    let asked = fields(&asked, &json!({ "workloadId": other }));
    let request = text(&world.post(PETRA, "/v1/requests", &asked).await?.ok()?, "/id")?;
    let scope = fields(&scope, &json!({ "iamRole": "finops-ai-returns" }));
    let refused = world.post(LENA, &format!("/v1/requests/{request}/approve"), &approval(&json!([scope]))).await?;
    assert!(text(&refused.body, "/detail")?.contains("is not known"), "{}", refused.body);
    for wanted in
        [arn.as_str(), "us-east-1::foundation-model/amazon.nova-lite", "us-west-2::foundation-model/amazon.nova-lite"]
    {
        assert!(policy.contains(wanted), "{wanted}: {policy}");
    }
    Ok(())
}
