//! The steps of the governance week, each by whoever may take it: what a test says in a line to get to its point.

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{CHEN, LENA, Person, World, text};

/// A Bedrock model that is approved in [`World::organisation`].
pub const NOVA_LITE: &str = "amazon.nova-lite-v1:0";
/// Another one.
pub const CLAUDE_3_HAIKU: &str = "anthropic.claude-3-haiku-20240307-v1:0";
/// A Claude Platform model that is approved in [`World::organisation`].
pub const SONNET: &str = "claude-sonnet-4-6";
/// One that nobody has reviewed.
pub const HAIKU: &str = "claude-haiku-4-5";
/// The account of the checkout.
pub const CHECKOUT: &str = "111122223333";
/// The account of the data platform.
pub const DATA: &str = "222233334444";
/// The account of shared services.
pub const SHARED: &str = "333344445555";
/// The registered accounts: id, name, regions.
pub const ACCOUNTS: [(&str, &str, &[&str]); 5] = [
    (CHECKOUT, "checkout-prod", &["us-east-1", "us-west-2"]),
    (DATA, "data-platform", &["us-east-1", "us-west-2"]),
    (SHARED, "shared-services", &["us-east-1", "eu-west-1"]),
    ("444455556666", "research", &["us-east-1"]),
    ("555566667777", "sandbox", &["us-west-2"]),
];
/// The workspace that the sample's bill knows.
pub const WORKSPACE_ARN: &str = "arn:aws:aws-external-anthropic:us-west-2:222233334444:workspace/wrkspc_01SupportDesk";

/// An approval, as far as tests name it.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The workload it serves.
    pub workload: String,
    /// The request it answers.
    pub request: String,
    /// Its id.
    pub id: String,
    /// Its digest.
    pub digest: String,
}

/// A model's key.
#[must_use]
pub fn model_key(platform: &str, model: &str) -> String {
    format!("{platform}.{}", model.replace(':', "-"))
}

/// A scope, with the role that the Lead chooses.
#[must_use]
pub fn place(account: &str, region: &str, role: &str) -> Value {
    json!({ "accountId": account, "region": region, "iamRole": role })
}

/// Scopes of one role in several places.
#[must_use]
pub fn places(role: &str, at: &[(&str, &str)]) -> Value {
    at.iter().map(|(account, region)| place(account, region, role)).collect()
}

/// Scopes of Nova Lite in the checkout's account; in us-west-2 it is called through its profile only.
#[must_use]
pub fn nova_places(role: &str, regions: &[&str]) -> Value {
    let profile = |region: &str| (region == "us-west-2").then(|| format!("us.{NOVA_LITE}"));
    let scope = |region: &&str| {
        json!({ "accountId": CHECKOUT, "region": region, "iamRole": role,
        "inferenceProfile": profile(region) })
    };
    regions.iter().map(scope).collect()
}

/// A request for Nova Lite that leaves the places open.
#[must_use]
pub fn request(workload: &str) -> Value {
    json!({ "workloadId": workload, "platform": "bedrock", "modelId": NOVA_LITE, "actions": ["invoke", "stream"],
        "justification": "for the tests" })
}

/// An approval of Nova Lite for these scopes.
#[must_use]
pub fn approval(scopes: &Value) -> Value {
    json!({ "platform": "bedrock", "modelId": NOVA_LITE, "actions": ["invoke"], "scopes": scopes,
        "businessCaseAcknowledged": true })
}

impl World {
    /// Five accounts, the discovered catalog, and three approved models.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn organisation(&self) -> anyhow::Result<()> {
        for (id, name, regions) in ACCOUNTS {
            self.put(LENA, &format!("/v1/accounts/{id}"), &json!({ "name": name, "regions": regions })).await?.ok()?;
        }
        self.schedule("model-discovery").await?;
        for (platform, model) in [("bedrock", NOVA_LITE), ("bedrock", CLAUDE_3_HAIKU), ("claude-platform", SONNET)] {
            self.decide_model(&model_key(platform, model), json!({ "decision": "approved", "reason": "reviewed" }))
                .await?;
        }
        self.settle().await.map(drop)
    }

    /// The Lead decides about a model.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn decide_model(&self, key: &str, decision: Value) -> anyhow::Result<Value> {
        self.put(LENA, &format!("/v1/models/{key}/decision"), &decision).await?.ok()
    }

    /// A Space of these owners.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn space(&self, name: &str, owners: &[Person]) -> anyhow::Result<String> {
        let owners: Vec<&str> = owners.iter().map(|owner| owner.sub).collect();
        let body = json!({ "name": name, "owners": owners, "businessUnit": "Retail", "portfolio": name });
        text(&self.post(LENA, "/v1/spaces", &body).await?.ok()?, "/id")
    }

    /// A workload in a Space.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn workload(&self, owner: Person, space: &str, name: &str) -> anyhow::Result<String> {
        let case = json!({ "valueType": "cost-saving", "annualBaseline": { "amount": "50000.00", "currency": "USD" },
            "targetPercent": "12" });
        let body = json!({ "name": name, "runtime": "lambda", "useCase": "operations-ai", "businessCase": case });
        text(&self.post(owner, &format!("/v1/spaces/{space}/workloads"), &body).await?.ok()?, "/id")
    }

    /// An estimate from July on.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn estimate(
        &self,
        owner: Person,
        workload: &str,
        platform: &str,
        monthly: &str,
    ) -> anyhow::Result<Value> {
        let monthly = json!({ "amount": monthly, "currency": "USD" });
        let body =
            json!({ "platform": platform, "monthly": monthly, "reason": "first estimate", "validFrom": "2026-07-01" });
        self.post(owner, &format!("/v1/workloads/{workload}/estimates"), &body).await?.ok()
    }

    /// A Space with one workload that has an estimate on Bedrock.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn ready_workload(&self, owner: Person, name: &str) -> anyhow::Result<String> {
        let space = self.space(name, &[owner]).await?;
        let workload = self.workload(owner, &space, name).await?;
        self.estimate(owner, &workload, "bedrock", "120.00").await?;
        Ok(workload)
    }

    /// A request and its approval by the Lead, and the tasks that follow. The request asks for what `body` approves.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn granted(&self, owner: Person, workload: &str, body: &Value) -> anyhow::Result<Granted> {
        let asked = json!({
            "workloadId": workload, "platform": body.get("platform"), "modelId": body.get("modelId"),
            "actions": body.get("actions"),
            "justification": "for the tests",
        });
        let request = text(&self.post(owner, "/v1/requests", &asked).await?.ok()?, "/id")?;
        let approved = self.post(LENA, &format!("/v1/requests/{request}/approve"), body).await?.ok()?;
        self.settle().await?;
        Ok(Granted {
            workload: workload.to_owned(),
            request,
            id: text(&approved, "/id")?,
            digest: text(&approved, "/digest")?,
        })
    }

    /// A fresh organisation in which Petra's workload was granted Nova Lite in one place.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn one_grant(&self) -> anyhow::Result<Granted> {
        self.organisation().await?;
        let workload = self.ready_workload(crate::PETRA, "Checkout").await?;
        self.granted(crate::PETRA, &workload, &approval(&places("finops-ai-checkout", &[(CHECKOUT, "us-east-1")])))
            .await
    }

    /// What a verification found, at once or by the worker.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn verified(&self, body: &Value) -> anyhow::Result<Value> {
        let asked = self.post(crate::ADA, "/v1/audit/verifications", body).await?;
        match asked.location.clone() {
            None => asked.ok(),
            Some(location) => {
                self.settle().await?;
                self.get(crate::ADA, &location).await?.ok()
            }
        }
    }

    /// The tasks of an approval, in the order of the queue.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn tasks(&self, approval: &str) -> anyhow::Result<Vec<Value>> {
        self.list(CHEN, &format!("/v1/tasks?approvalId={approval}")).await
    }

    /// The one task of an approval that is in a state.
    ///
    /// # Errors
    /// When none is.
    pub async fn task_in(&self, approval: &str, state: &str) -> anyhow::Result<Value> {
        let tasks = self.tasks(approval).await?;
        let found = tasks.iter().find(|task| task.get("state").and_then(Value::as_str) == Some(state)).cloned();
        found.with_context(|| format!("no task of {approval} is {state}: {tasks:?}"))
    }

    /// An engineer starts and completes a task.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn work(&self, engineer: Person, task: &Value, evidence: &Value) -> anyhow::Result<Value> {
        let id = text(task, "/id")?;
        self.post(engineer, &format!("/v1/tasks/{id}/start"), &json!({})).await?.ok()?;
        let body = json!({ "digest": text(task, "/digest")?, "evidence": evidence });
        let done = self.post(engineer, &format!("/v1/tasks/{id}/complete"), &body).await?.ok()?;
        self.settle().await?;
        Ok(done)
    }

    /// The engineer implements the one ready Bedrock task of an approval.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn implement(&self, approval: &str, account: &str, role: &str) -> anyhow::Result<Value> {
        let task = self.task_in(approval, "ready").await?;
        self.work(CHEN, &task, &json!({ "roleArn": format!("arn:aws:iam::{account}:role/{role}") })).await
    }
}
