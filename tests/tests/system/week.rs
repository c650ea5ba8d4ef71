//! The governance week of both platforms, from the first account to the signed cards, step by step through the API.

use anyhow::Context as _;
use local::bus::Deliveries;
use serde_json::{Value, json};
use system_tests::{
    CHECKOUT, CHEN, CLAUDE_3_HAIKU, DATA, EMIL, Granted, HAIKU, LENA, NOVA_LITE, OMAR, PETRA, Person, SAMIR, SHARED,
    SONNET, WORKSPACE_ARN, World, approval, fields, nova_places, places, text,
};

const CHECKOUT_ROLE: &str = "finops-ai-checkout-assistant";
const DESK_ROLE: &str = "finops-ai-support-desk";
/// The Sunday on which last week's cards begin.
pub(super) const LAST_WEEK: &str = "2026-08-16";

/// What a week leaves behind.
pub(super) struct Week {
    pub(super) world: World,
    pub(super) checkout: Granted,
    pub(super) desk: Granted,
}

impl Week {
    /// Plays the week.
    pub(super) async fn played(deliveries: Deliveries) -> anyhow::Result<Self> {
        Self::played_in(World::with_bill(deliveries).await?).await
    }

    /// Plays the week in a world that has the shipped bill.
    pub(super) async fn played_in(world: World) -> anyhow::Result<Self> {
        world.organisation().await?;
        let commerce = world.space("Commerce", &[PETRA, OMAR]).await?;
        let support = world.space("Support", &[SAMIR]).await?;
        let checkout = checkout(&world, &commerce).await?;
        let desk = desk(&world, &support).await?;
        rest(&world, &commerce, &support).await?;
        let role = format!("arn:aws:iam::{CHECKOUT}:role/{CHECKOUT_ROLE}");
        claim(&world, PETRA, &checkout.workload, "iam-role", &role).await?;
        claim(&world, SAMIR, &desk.workload, "workspace", WORKSPACE_ARN).await?;
        world.settle().await?;
        // One month after the other, so that each card's history follows from what was done and not from which was
        // faster.
        for month in local::sample::months() {
            let month = json!({ "billingPeriod": month.to_string() });
            assert_eq!(world.post(LENA, "/v1/ingestions", &month).await?.status, 202);
            world.settle().await?;
        }
        world.schedule("spend-cards").await?;
        let week = Self { world, checkout, desk };
        week.sign().await?;
        Ok(week)
    }

    /// The card of last week that somebody sees.
    pub(super) async fn card(&self, who: Person) -> anyhow::Result<Value> {
        let cards = self.world.list(who, &format!("/v1/spend-cards?from={LAST_WEEK}")).await?;
        let is_last_weeks = |card: &&Value| card.pointer("/period/from") == Some(&json!(LAST_WEEK));
        cards.iter().find(is_last_weeks).cloned().with_context(|| format!("{} has no card: {cards:?}", who.sub))
    }

    /// Petra signs; Samir disputes, Lena resolves, Samir signs.
    async fn sign(&self) -> anyhow::Result<()> {
        let signed = self.step(PETRA, PETRA, "approve", json!({ "note": "as expected" })).await?;
        assert_eq!(text(&signed, "/state")?, "approved");
        let disputed = self.step(SAMIR, SAMIR, "dispute", json!({ "reason": "a load test ran here" })).await?;
        assert_eq!(text(&disputed, "/state")?, "disputed");
        let resolution = json!({ "decision": "accept-as-is", "reason": "the load test was his team's" });
        let path = format!("/v1/spend-cards/{}/resolve", text(&disputed, "/id")?);
        let resolved = self.world.post(LENA, &path, &resolution).await?.ok()?;
        assert_eq!(text(&resolved, "/state")?, "resolved");
        let signed = self.step(SAMIR, SAMIR, "approve", json!({})).await?;
        assert_eq!(text(&signed, "/state")?, "approved");
        self.world.settle().await.map(drop)
    }

    /// A step on the card that `whose` sees, in the version that it has.
    pub(super) async fn step(&self, who: Person, whose: Person, step: &str, body: Value) -> anyhow::Result<Value> {
        let card = self.card(whose).await?;
        let body = fields(&body, &json!({ "version": card.get("version") }));
        self.world.post(who, &format!("/v1/spend-cards/{}/{step}", text(&card, "/id")?), &body).await?.ok()
    }
}

/// Nova Lite in two regions under one role: the first implemented, the second waiting in the queue.
async fn checkout(world: &World, space: &str) -> anyhow::Result<Granted> {
    let workload = world.workload(PETRA, space, "Checkout assistant").await?;
    world.estimate(PETRA, &workload, "bedrock", "120.00").await?;
    let body = approval(&nova_places(CHECKOUT_ROLE, &["us-east-1", "us-west-2"]));
    let body = fields(&body, &json!({ "actions": ["invoke", "stream"], "modelId": NOVA_LITE }));
    let granted = world.granted(PETRA, &workload, &body).await?;
    let blocked = world.task_in(&granted.id, "blocked").await?;
    let ready = world.task_in(&granted.id, "ready").await?;
    assert_eq!(blocked.get("blockedBy"), ready.get("id"), "one policy task on a role at a time");
    world.implement(&granted.id, CHECKOUT, CHECKOUT_ROLE).await?;
    assert_eq!(world.task_in(&granted.id, "ready").await?.get("id"), blocked.get("id"), "its turn has come");
    Ok(granted)
}

/// Claude Sonnet 4.6 in a workspace: three tasks, in their order.
pub(super) async fn desk(world: &World, space: &str) -> anyhow::Result<Granted> {
    let workload = world.workload(SAMIR, space, "Support desk").await?;
    world.estimate(SAMIR, &workload, "claude-platform", "900.00").await?;
    let body = json!({
        "platform": "claude-platform", "modelId": SONNET, "actions": ["inference"], "workspaceName": "support-desk",
        "scopes": places(DESK_ROLE, &[(DATA, "us-west-2")]), "businessCaseAcknowledged": true,
    });
    let granted = world.granted(SAMIR, &workload, &body).await?;
    let role = format!("arn:aws:iam::{DATA}:role/{DESK_ROLE}");
    let steps = [
        ("claude-create-workspace", json!({})),
        ("claude-register-workspace", json!({ "workspaceArn": WORKSPACE_ARN })),
        ("claude-deploy-lambda", json!({ "lambdaRoleArn": role })),
    ];
    for (number, (kind, evidence)) in (1..).zip(steps) {
        let task = world.task_in(&granted.id, "ready").await?;
        assert_eq!(
            (task.get("kind"), task.get("sequence"), task.get("of")),
            (Some(&json!(kind)), Some(&json!(number)), Some(&json!(3)))
        );
        let engineer = if number == 2 { EMIL } else { CHEN };
        world.work(engineer, &task, &evidence).await?;
    }
    Ok(granted)
}

/// Claude 3 Haiku for two workloads, one of them from September on; a model that nobody has reviewed is asked for.
async fn rest(world: &World, commerce: &str, support: &str) -> anyhow::Result<()> {
    let haiku = |role: &str, at: &[(&str, &str)], set: Value| {
        fields(&approval(&places(role, at)), &fields(&json!({ "modelId": CLAUDE_3_HAIKU }), &set))
    };
    let fraud = world.workload(OMAR, commerce, "Fraud notes").await?;
    world.estimate(OMAR, &fraud, "bedrock", "60.00").await?;
    let three = [(CHECKOUT, "us-east-1"), (CHECKOUT, "us-west-2"), (SHARED, "us-east-1")];
    world
        .granted(OMAR, &fraud, &haiku("finops-ai-fraud-notes", &three, json!({ "effectiveFrom": "2026-09-01" })))
        .await?;
    let returns = world.workload(PETRA, commerce, "Returns summaries").await?;
    world.estimate(PETRA, &returns, "bedrock", "35.00").await?;
    world.granted(PETRA, &returns, &haiku("finops-ai-returns", &[(SHARED, "us-east-1")], json!({}))).await?;
    let triage = world.workload(SAMIR, support, "Ticket triage").await?;
    let asked = json!({
        "workloadId": triage, "platform": "claude-platform", "modelId": HAIKU, "actions": ["inference"],
        "justification": "sorts tickets",
        "scopes": [{ "accountId": DATA, "region": "us-west-2" }], "monthlyEstimate": { "amount": "80.00",
        "currency": "USD" },
    });
    world.post(SAMIR, "/v1/requests", &asked).await?.ok()?;
    world.settle().await.map(drop)
}

pub(super) async fn claim(
    world: &World,
    owner: Person,
    workload: &str,
    kind: &str,
    arn: &str,
) -> anyhow::Result<Value> {
    let body = json!({ "anchor": { "type": kind, "arn": arn }, "effectiveFrom": "2026-07-01" });
    world.post(owner, &format!("/v1/workloads/{workload}/claims"), &body).await?.ok()
}
