//! The decision, its implementation, and the claim: both platforms from the request to the anchor.

use aws_sdk_iam::Client as Iam;
use aws_sdk_iam::error::ProvideErrorMetadata as _;
use serde_json::{Value, json};

use super::cast::{CAST, CHEN, LENA, OMAR, PETRA, SAMIR};
use super::player::{Player, say, tell, text};

const NOVA_LITE: &str = "amazon.nova-lite-v1:0";
const CLAUDE_3_HAIKU: &str = "anthropic.claude-3-haiku-20240307-v1:0";
const SONNET: &str = "claude-sonnet-4-6";
const HAIKU: &str = "claude-haiku-4-5";
const CHECKOUT: &str = "111122223333";
const DATA: &str = "222233334444";
const SHARED: &str = "333344445555";
const WORKSPACE_ARN: &str = "arn:aws:aws-external-anthropic:us-west-2:222233334444:workspace/wrkspc_01SupportDesk";

pub(super) async fn play(player: &Player<'_>) -> anyhow::Result<()> {
    say("1  The organisation");
    organisation(player).await?;
    say("\n2  What may be used");
    models(player).await?;
    say("\n3  Bedrock: one task");
    let checkout = bedrock(player).await?;
    say("\n4  Claude Platform: three tasks, in order");
    let desk = claude(player).await?;
    say("\n5  More requests of the same week");
    others(player).await?;
    say("\n6  The owners claim what their bill will be attributed by");
    claims(player, &checkout, &desk).await
}

async fn organisation(player: &Player<'_>) -> anyhow::Result<()> {
    for person in CAST {
        let me = player.get(person, "/v1/me").await?;
        let may = me.get("actions").and_then(Value::as_array).map_or(0, Vec::len);
        tell(person, &format!("{}, may ask for {may} kinds of things", person.role()));
    }
    let accounts = [
        (CHECKOUT, "checkout-prod", json!(["us-east-1", "us-west-2"])),
        (DATA, "data-platform", json!(["us-east-1", "us-west-2"])),
        (SHARED, "shared-services", json!(["us-east-1", "eu-west-1"])),
        ("444455556666", "research", json!(["us-east-1"])),
        ("555566667777", "sandbox", json!(["us-west-2"])),
    ];
    for (id, name, regions) in accounts {
        player
            .put(
                LENA,
                &format!("/v1/accounts/{id}"),
                json!({ "name": name, "regions": regions }),
                &format!("account-{id}"),
            )
            .await?;
    }
    tell(LENA, "registers five accounts");
    let found = player.schedule("model-discovery").await?;
    say(&format!(
        "        discovery reads Bedrock in three regions and the Claude catalog: {} models are new",
        found.get("discovered").unwrap_or(&Value::Null)
    ));
    Ok(())
}

async fn models(player: &Player<'_>) -> anyhow::Result<()> {
    for (key, reason) in [
        (format!("bedrock.{}", NOVA_LITE.replace(':', "-")), "low risk, low price"),
        (format!("bedrock.{}", CLAUDE_3_HAIKU.replace(':', "-")), "until its end of life"),
        (format!("claude-platform.{SONNET}"), "for the support desk"),
    ] {
        let path = format!("/v1/models/{key}/decision");
        player
            .put(LENA, &path, json!({ "decision": "approved", "reason": reason }), &format!("decision-{key}"))
            .await?;
        tell(LENA, &format!("approves {key}: {reason}"));
    }
    Ok(())
}

/// The Nova Lite path; answers the workload.
async fn bedrock(player: &Player<'_>) -> anyhow::Result<String> {
    let space = space(player, "Commerce", &[PETRA.sub, OMAR.sub]).await?;
    let workload = workload(player, PETRA, &space, "Checkout assistant", "lambda").await?;
    let scopes =
        json!([{ "accountId": CHECKOUT, "region": "us-east-1" }, { "accountId": CHECKOUT, "region": "us-west-2" }]);
    let request = json!({
        "workloadId": workload, "platform": "bedrock", "modelId": NOVA_LITE, "scopes": scopes,
        "actions": ["invoke", "stream"], "justification": "answers questions during checkout",
    });
    let request = player.post(PETRA, "/v1/requests", request, "request-checkout").await?;
    let request = text(&request, "id")?.to_owned();
    tell(PETRA, "asks for Nova Lite in us-east-1 and us-west-2");
    let approval = json!({
        "platform": "bedrock", "modelId": NOVA_LITE, "actions": ["invoke", "stream"],
        "scopes": [scope(CHECKOUT, "us-east-1", "finops-ai-checkout-assistant"), through_profile(scope(CHECKOUT,
        "us-west-2", "finops-ai-checkout-assistant"), "us.amazon.nova-lite-v1:0")],
        "businessCaseAcknowledged": true, "note": "checkout assistant, phase 1",
    });
    let approve = format!("/v1/requests/{request}/approve");
    if player.list(PETRA, &format!("/v1/workloads/{workload}/estimates")).await?.is_empty() {
        tell(LENA, "approves, but nobody has said what it will cost");
        player.refused(LENA, &approve, approval.clone(), "estimate-missing").await?;
    }
    estimate(player, PETRA, &workload, "bedrock", "800.00").await?;
    let approved = player.post(LENA, &approve, approval, "approve-checkout").await?;
    tell(LENA, &format!("approves {} with digest {}", text(&approved, "id")?, text(&approved, "digest")?));
    player.settle().await?;
    let task = ready_task(player, text(&approved, "id")?, "bedrock-iam-policy").await?;
    let id = text(&task, "id")?.to_owned();
    player.post(CHEN, &format!("/v1/tasks/{id}/start"), json!({}), "start-checkout").await?;
    tell(CHEN, &format!("takes the task: {}", text(&task, "title")?));
    tell(CHEN, "completes it with the digest of another decision");
    let stale = json!({ "digest": format!("sha256:{}", "0".repeat(64)), "evidence": { "roleArn": "x" } });
    if text(&player.get(CHEN, &format!("/v1/tasks/{id}")).await?, "state")? == "in-progress" {
        player.refused(CHEN, &format!("/v1/tasks/{id}/complete"), stale, "stale-digest").await?;
    }
    apply_role(player, CHECKOUT, "finops-ai-checkout-assistant", &task).await?;
    let evidence = json!({ "roleArn": format!("arn:aws:iam::{CHECKOUT}:role/finops-ai-checkout-assistant") });
    let done = complete(player, &id, &task, evidence, "complete-checkout").await?;
    let verified =
        done.get("verification").and_then(|v| v.get("result")).and_then(Value::as_str).unwrap_or("not looked at");
    tell(CHEN, &format!("runs the commands and completes it; the live role is {verified}"));
    player.settle().await?;
    Ok(workload)
}

/// The Claude Platform path; answers the workload.
async fn claude(player: &Player<'_>) -> anyhow::Result<String> {
    let space = space(player, "Support", &[SAMIR.sub]).await?;
    let workload = workload(player, SAMIR, &space, "Support desk", "lambda").await?;
    estimate(player, SAMIR, &workload, "claude-platform", "900.00").await?;
    let request = json!({
        "workloadId": workload, "platform": "claude-platform", "modelId": SONNET,
        "scopes": [{ "accountId": DATA, "region": "us-west-2" }], "actions": ["inference"],
        "justification": "drafts answers to tickets",
    });
    let request = player.post(SAMIR, "/v1/requests", request, "request-desk").await?;
    tell(SAMIR, "asks for Claude Sonnet 4.6 on Claude Platform");
    let approval = json!({
        "platform": "claude-platform", "modelId": SONNET, "actions": ["inference"],
        "scopes": [scope(DATA, "us-west-2", "finops-ai-support-desk")], "workspaceName": "support-desk",
        "businessCaseAcknowledged": true,
    });
    let approved =
        player.post(LENA, &format!("/v1/requests/{}/approve", text(&request, "id")?), approval, "approve-desk").await?;
    tell(LENA, "approves and names the workspace: support-desk");
    player.settle().await?;
    let approval_id = text(&approved, "id")?;
    let chain = player.list(CHEN, &format!("/v1/tasks?approvalId={approval_id}")).await?;
    let of_kind = |kind: &str| {
        chain.iter().find(|t| t.get("kind").and_then(Value::as_str) == Some(kind)).cloned().unwrap_or_default()
    };
    let second = of_kind("claude-register-workspace");
    if text(&second, "state")? == "blocked" {
        tell(CHEN, "starts with the second task");
        player.refused(CHEN, &format!("/v1/tasks/{}/start", text(&second, "id")?), json!({}), "task-blocked").await?;
    }
    let role_arn = format!("arn:aws:iam::{DATA}:role/finops-ai-support-desk");
    for (kind, evidence, what) in [
        ("claude-create-workspace", json!({}), "creates the workspace support-desk"),
        ("claude-register-workspace", json!({ "workspaceArn": WORKSPACE_ARN }), "registers its ARN"),
        (
            "claude-deploy-lambda",
            json!({ "lambdaRoleArn": role_arn }),
            "deploys the passthrough function under its role",
        ),
    ] {
        let id = text(&of_kind(kind), "id")?.to_owned();
        player.post(CHEN, &format!("/v1/tasks/{id}/start"), json!({}), &format!("start-{kind}")).await?;
        let task = player.get(CHEN, &format!("/v1/tasks/{id}")).await?;
        if kind == "claude-deploy-lambda" {
            apply_role(player, DATA, "finops-ai-support-desk", &task).await?;
        }
        complete(player, &id, &task, evidence, &format!("complete-{kind}")).await?;
        tell(CHEN, what);
    }
    player.settle().await?;
    Ok(workload)
}

/// Claude 3 Haiku for two workloads, one of them from September on; Claude Haiku 4.5 under review; a self-approval.
async fn others(player: &Player<'_>) -> anyhow::Result<()> {
    let commerce = space(player, "Commerce", &[PETRA.sub, OMAR.sub]).await?;
    let fraud = workload(player, OMAR, &commerce, "Fraud notes", "ecs").await?;
    estimate(player, OMAR, &fraud, "bedrock", "60.00").await?;
    let places = [(CHECKOUT, "us-east-1"), (CHECKOUT, "us-west-2"), (SHARED, "us-east-1")];
    let request = haiku_request(&fraud, &places, "summarises fraud cases");
    let request = text(&player.post(OMAR, "/v1/requests", request, "request-fraud").await?, "id")?.to_owned();
    tell(OMAR, "asks, as Product Owner, for Claude 3 Haiku in three places");
    let approval = haiku_approval(&places, "finops-ai-fraud-notes", Some("2026-09-01"));
    tell(OMAR, "approves his own request, as Lead");
    player.refused(OMAR, &format!("/v1/requests/{request}/approve"), approval.clone(), "separation-of-duties").await?;
    player.post(LENA, &format!("/v1/requests/{request}/approve"), approval, "approve-fraud").await?;
    tell(LENA, "approves it from 1 September on: decided, no task yet");
    let returns = workload(player, PETRA, &commerce, "Returns summaries", "lambda").await?;
    estimate(player, PETRA, &returns, "bedrock", "35.00").await?;
    let places = [(SHARED, "us-east-1")];
    let request = haiku_request(&returns, &places, "summarises return reasons");
    let request = text(&player.post(PETRA, "/v1/requests", request, "request-returns").await?, "id")?.to_owned();
    player
        .post(
            LENA,
            &format!("/v1/requests/{request}/approve"),
            haiku_approval(&places, "finops-ai-returns", None),
            "approve-returns",
        )
        .await?;
    tell(LENA, "approves Claude 3 Haiku for Returns summaries: its task is in the queue");
    let support = space(player, "Support", &[SAMIR.sub]).await?;
    let triage = workload(player, SAMIR, &support, "Ticket triage", "lambda").await?;
    let request = json!({
        "workloadId": triage, "platform": "claude-platform", "modelId": HAIKU, "monthlyEstimate": { "amount": "80.00",
        "currency": "USD" },
        "scopes": [{ "accountId": DATA, "region": "us-west-2" }], "actions": ["inference"],
        "justification": "sorts tickets",
    });
    player.post(SAMIR, "/v1/requests", request, "request-triage").await?;
    tell(SAMIR, "asks for Claude Haiku 4.5, which no Lead has reviewed: the request waits");
    player.settle().await
}

async fn claims(player: &Player<'_>, checkout: &str, desk: &str) -> anyhow::Result<()> {
    let role =
        json!({ "type": "iam-role", "arn": format!("arn:aws:iam::{CHECKOUT}:role/finops-ai-checkout-assistant") });
    let body = json!({ "anchor": role, "effectiveFrom": "2026-07-01" });
    player.post(PETRA, &format!("/v1/workloads/{checkout}/claims"), body, "claim-checkout").await?;
    tell(PETRA, "claims the role finops-ai-checkout-assistant from 1 July");
    let body = json!({ "anchor": { "type": "workspace", "arn": WORKSPACE_ARN }, "effectiveFrom": "2026-07-01" });
    player.post(SAMIR, &format!("/v1/workloads/{desk}/claims"), body, "claim-desk").await?;
    tell(SAMIR, "claims the workspace support-desk from 1 July");
    player.settle().await
}

fn scope(account: &str, region: &str, role: &str) -> Value {
    json!({ "accountId": account, "region": region, "iamRole": role })
}

/// The model's bare id cannot be called in every region: there the scope goes through a profile.
fn through_profile(mut scope: Value, profile: &str) -> Value {
    if let Some(fields) = scope.as_object_mut() {
        fields.insert("inferenceProfile".to_owned(), json!(profile));
    }
    scope
}

fn haiku_request(workload: &str, places: &[(&str, &str)], why: &str) -> Value {
    let scopes: Vec<Value> =
        places.iter().map(|(account, region)| json!({ "accountId": account, "region": region })).collect();
    json!({ "workloadId": workload, "platform": "bedrock", "modelId": CLAUDE_3_HAIKU, "scopes": scopes,
        "actions": ["invoke"], "justification": why })
}

fn haiku_approval(places: &[(&str, &str)], role: &str, from: Option<&str>) -> Value {
    let scopes: Vec<Value> = places.iter().map(|(account, region)| scope(account, region, role)).collect();
    json!({ "platform": "bedrock", "modelId": CLAUDE_3_HAIKU, "actions": ["invoke"], "scopes": scopes,
        "effectiveFrom": from, "businessCaseAcknowledged": true })
}

async fn space(player: &Player<'_>, name: &str, owners: &[&str]) -> anyhow::Result<String> {
    let body = json!({ "name": name, "owners": owners, "businessUnit": "Retail", "portfolio": name });
    Ok(text(&player.post(LENA, "/v1/spaces", body, &format!("space-{name}")).await?, "id")?.to_owned())
}

async fn workload(
    player: &Player<'_>,
    owner: super::cast::Person,
    space: &str,
    name: &str,
    runtime: &str,
) -> anyhow::Result<String> {
    let case = json!({ "valueType": "cost-saving", "annualBaseline": { "amount": "50000.00", "currency": "USD" },
        "targetPercent": "12" });
    let body = json!({ "name": name, "runtime": runtime, "useCase": "operations-ai", "businessCase": case });
    let made = player
        .post(owner, &format!("/v1/spaces/{space}/workloads"), body, &format!("workload-{name}").replace(' ', "-"))
        .await?;
    Ok(text(&made, "id")?.to_owned())
}

async fn estimate(
    player: &Player<'_>,
    owner: super::cast::Person,
    workload: &str,
    platform: &str,
    monthly: &str,
) -> anyhow::Result<()> {
    let body = json!({ "platform": platform, "monthly": { "amount": monthly, "currency": "USD" },
        "reason": "first estimate", "validFrom": "2026-07-01" });
    player
        .post(owner, &format!("/v1/workloads/{workload}/estimates"), body, &format!("estimate-{workload}-{platform}"))
        .await?;
    tell(owner, &format!("estimates {monthly} USD a month on {platform}"));
    Ok(())
}

/// The task of a kind that can be worked or was worked, in the order of the queue.
async fn ready_task(player: &Player<'_>, approval: &str, kind: &str) -> anyhow::Result<Value> {
    let tasks = player.list(CHEN, &format!("/v1/tasks?approvalId={approval}")).await?;
    let workable = |t: &&Value| {
        t.get("kind").and_then(Value::as_str) == Some(kind) && t.get("state").and_then(Value::as_str) != Some("blocked")
    };
    let first = tasks.iter().filter(workable).min_by_key(|t| {
        t.get("history")
            .and_then(Value::as_array)
            .and_then(|h| h.get(1))
            .and_then(|s| s.get("at"))
            .map(ToString::to_string)
    });
    first.cloned().ok_or_else(|| anyhow::anyhow!("no task of kind {kind} is ready under {approval}"))
}

async fn complete(player: &Player<'_>, id: &str, task: &Value, evidence: Value, key: &str) -> anyhow::Result<Value> {
    let body = json!({ "digest": text(task, "digest")?, "evidence": evidence });
    player.post(CHEN, &format!("/v1/tasks/{id}/complete"), body, key).await
}

/// Does in the account what the task's commands do: create the role, put the policy; again if it was cut off.
async fn apply_role(player: &Player<'_>, account: &str, role: &str, task: &Value) -> anyhow::Result<()> {
    let artifact = |name: &str| {
        let artifacts = task.get("artifacts").and_then(Value::as_array);
        let found = artifacts.and_then(|a| a.iter().find(|a| a.get("name").and_then(Value::as_str) == Some(name)));
        found.and_then(|a| a.get("content")).and_then(Value::as_str).map(str::to_owned)
    };
    let credentials = player.local.cloud.credentials(account);
    let aws = lambda::Aws::in_process(player.local.cloud.http_client(), player.local.cloud.region());
    let iam = Iam::new(&aws.config_as(credentials, "us-east-1"));
    if let Some(trust) = artifact("trust-policy.json") {
        let created = iam.create_role().role_name(role).assume_role_policy_document(trust).send().await;
        if let Err(error) = created.map_err(aws_sdk_iam::Error::from)
            && error.code() != Some("EntityAlreadyExists")
        {
            return Err(error.into());
        }
    }
    if let Some(policy) = artifact("policy.json") {
        let name = domain::access::policy::POLICY_NAME;
        iam.put_role_policy()
            .role_name(role)
            .policy_name(name)
            .policy_document(policy)
            .send()
            .await
            .map_err(aws_sdk_iam::Error::from)?;
    }
    Ok(())
}
