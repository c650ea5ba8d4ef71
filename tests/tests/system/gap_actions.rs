//! What a Lead does about a gap starts the thing that it names: a request proposed to an owner, a decision about a
//! model.

use std::sync::Arc;

use anyhow::Context as _;
use local::seam::Seam;
use local::stack::Options;
use serde_json::{Value, json};
use system_tests::bill::{self, Line};
use system_tests::{CHECKOUT, Interlude, LENA, NOVA_LITE, PETRA, SAMIR, World, model_key, text, texts};

const NOVA_RESOURCE: &str = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0";

struct Acted {
    _folder: tempfile::TempDir,
    world: World,
    workload: String,
}

impl Acted {
    /// Two callers that nobody approved: an application's role and a person's.
    async fn read() -> anyhow::Result<Self> {
        Self::read_through(Seam::default()).await
    }

    async fn read_through(seam: Seam) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let cur = folder.path().join(bill::EXPORT);
        let call = |role: &str, region: &'static str, cost: &str| Line {
            day: 5,
            region,
            principal: format!("arn:aws:sts::{CHECKOUT}:assumed-role/{role}/s"),
            resource: NOVA_RESOURCE.replace("us-east-1", region),
            code: "AmazonBedrock",
            cost: cost.to_owned(),
            ..Line::default()
        };
        let sso = "AWSReservedSSO_Dev_0a";
        let lines = [call("app", "us-east-1", "3"), call("app", "us-west-2", "4"), call(sso, "us-east-1", "5")];
        bill::write(&cur, "first", &lines, 1)?;
        let world = World::start(Options { cur: Some(cur), seam, ..Options::default() }).await?;
        world.organisation().await?;
        let workload = world.ready_workload(PETRA, "Checkout").await?;
        world.schedule("cur-ingestion").await?;
        Ok(Self { _folder: folder, world, workload })
    }

    async fn gap(&self, kind: &str) -> anyhow::Result<Value> {
        let gaps = self.world.list(LENA, &format!("/v1/gaps?billingPeriod=2026-08&kind={kind}")).await?;
        gaps.into_iter().next().context("a gap of this kind")
    }

    async fn act(&self, gap: &Value, action: &Value) -> anyhow::Result<system_tests::Reply> {
        let reply = self.world.post(LENA, &format!("/v1/gaps/{}/act", text(gap, "/id")?), action).await?;
        self.world.settle().await?;
        Ok(reply)
    }
}

#[tokio::test]
async fn approving_a_gap_proposes_a_prefilled_request_that_its_owner_submits() -> anyhow::Result<()> {
    let acted = Acted::read().await?;
    let gap = acted.gap("not-business-approved").await?;
    let usage = gap["usage"].as_array().context("usage")?;
    assert_eq!(texts(usage, "region"), ["us-west-2", "us-east-1"], "the most expensive first");
    let bare = json!({ "action": "approve", "rationale": "it is the checkout's" });
    assert_eq!(acted.act(&gap, &bare).await?.status, 422, "somebody has to ask");
    let target = json!({ "workloadId": acted.workload });
    let approve = json!({ "action": "approve", "rationale": "it is the checkout's", "target": target });
    assert_eq!(acted.act(&gap, &approve).await?.body["state"], "actioned");
    assert_eq!(acted.act(&gap, &approve).await?.status, 200);
    let proposals = acted.world.list(PETRA, "/v1/proposals").await?;
    let [proposal] = proposals.as_slice() else { anyhow::bail!("one proposal: {proposals:?}") };
    let asked = &proposal["request"];
    assert_eq!((&proposal["kind"], &asked["modelId"]), (&json!("request"), &json!(NOVA_LITE)));
    let place = |region: &str| {
        json!({ "accountId": CHECKOUT, "region": region, "iamRole": "app", "existing": true,
        "inferenceProfile": null })
    };
    assert_eq!(asked["scopes"], json!([place("us-east-1"), place("us-west-2")]));
    assert!(text(asked, "/justification")?.contains("7 USD in 2 rows"), "{asked}");

    let accept = format!("/v1/proposals/{}/accept", text(proposal, "/id")?);
    assert_eq!(acted.world.post(SAMIR, &accept, &json!({})).await?.refusal(), (404, "not-found"));
    assert_eq!(acted.world.list(LENA, "/v1/requests").await?.len(), 0, "nothing is asked before the owner says so");
    acted.world.post(PETRA, &accept, &json!({})).await?.ok()?;
    acted.world.post(PETRA, &accept, &json!({})).await?.ok()?;
    acted.world.settle().await?;
    let requests = acted.world.list(LENA, "/v1/requests").await?;
    let [request] = requests.as_slice() else { anyhow::bail!("one request: {requests:?}") };
    assert_eq!((&request["requestedBy"], &request["state"]), (&json!("petra"), &json!("submitted")));
    assert_eq!((&request["scopes"], &request["kind"]), (&asked["scopes"], &json!("new-access")));
    let row = acted.world.get(LENA, &format!("/v1/models/{}", model_key("bedrock", NOVA_LITE))).await?.ok()?;
    assert_eq!(row["counts"]["underReview"], 2, "the AI Models table counts what is under review");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_that_is_accepted_while_its_model_is_blocked_is_refused() -> anyhow::Result<()> {
    let interlude = Interlude::default();
    let acted = Arc::new(Acted::read_through(interlude.seam()).await?);
    let gap = acted.gap("not-business-approved").await?;
    let target = json!({ "workloadId": acted.workload });
    acted.act(&gap, &json!({ "action": "approve", "rationale": "the checkout's", "target": target })).await?.ok()?;
    let proposals = acted.world.list(PETRA, "/v1/proposals").await?;
    let accept = format!("/v1/proposals/{}/accept", text(proposals.first().context("a proposal")?, "/id")?);
    interlude.hold("\"REQUEST#");
    let accepting = {
        let acted = Arc::clone(&acted);
        tokio::spawn(async move { acted.world.post(PETRA, &accept, &json!({})).await })
    };
    interlude.begun().await;
    let blocked = json!({ "decision": "blocked", "reason": "a leak was found" });
    acted.world.decide_model(&model_key("bedrock", NOVA_LITE), blocked).await?;
    interlude.end();
    assert_eq!(accepting.await??.refusal(), (409, "model-blocked"));
    let proposals = acted.world.list(PETRA, "/v1/proposals").await?;
    assert_eq!(texts(&proposals, "state"), ["proposed"], "nothing of the answer was written");
    assert_eq!(acted.world.list(LENA, "/v1/requests").await?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn an_action_on_a_gap_is_put_to_a_workload_that_is_there_and_active() -> anyhow::Result<()> {
    let acted = Acted::read().await?;
    acted.world.post(PETRA, &format!("/v1/workloads/{}/retire", acted.workload), &json!({})).await?.ok()?;
    acted.world.settle().await?;
    let actions = [("approve", "not-business-approved"), ("recommend-dedicated-role", "role-recommendation")];
    for (workload, why) in [("wkl_nobody", "does not exist"), (acted.workload.as_str(), "is retired")] {
        for (action, kind) in actions {
            let gap = acted.gap(kind).await?;
            let act = json!({ "action": action, "rationale": "theirs", "target": { "workloadId": workload } });
            let refused = acted.act(&gap, &act).await?;
            let detail = text(&refused.body, "/detail")?;
            assert_eq!(refused.refusal(), (422, "invalid-value"), "{action}: {detail}");
            assert!(detail.contains(why) && detail.contains("target.workloadId"), "{action}: {detail}");
            assert_eq!(acted.gap(kind).await?["state"], "active");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_broad_role_is_no_role_to_ask_for_and_a_block_decides_about_the_model() -> anyhow::Result<()> {
    let acted = Acted::read().await?;
    let gap = acted.gap("role-recommendation").await?;
    let target = json!({ "workloadId": acted.workload });
    let recommend = json!({ "action": "recommend-dedicated-role", "rationale": "one of their own", "target": target });
    acted.act(&gap, &recommend).await?.ok()?;
    let proposals = acted.world.list(PETRA, "/v1/proposals").await?;
    let scope = &proposals.first().context("a proposal")?["request"]["scopes"][0];
    assert_eq!(
        (&scope["region"], &scope["iamRole"], &scope["existing"]),
        (&json!("us-east-1"), &Value::Null, &json!(false))
    );
    let starts = |gap: &Value, action: &str| {
        let advice = gap["advice"].as_array().cloned().unwrap_or_default();
        advice.into_iter().find(|advice| advice["action"] == action).map(|advice| advice["starts"].clone())
    };
    assert!(
        starts(&gap, "block")
            .is_some_and(|starts| starts.as_str().is_some_and(|text| text.contains("blocks the model")))
    );

    let unknown =
        json!({ "action": "block", "rationale": "no", "target": { "modelKey": "bedrock.nobody.knows-v1-0" } });
    assert_eq!(acted.act(&gap, &unknown).await?.status, 422);
    let block = json!({ "action": "block", "rationale": "not for people's own use" });
    acted.act(&gap, &block).await?.ok()?;
    let key = model_key("bedrock", NOVA_LITE);
    let model = acted.world.get(LENA, &format!("/v1/models/{key}")).await?.ok()?;
    let decided = (&model["decision"], &model["decidedBy"], &model["decisionReason"]);
    assert_eq!(decided, (&json!("blocked"), &json!("lena"), &json!("not for people's own use")));
    let accept = format!("/v1/proposals/{}/accept", text(proposals.first().context("a proposal")?, "/id")?);
    assert_eq!(acted.world.post(PETRA, &accept, &json!({})).await?.refusal(), (409, "model-blocked"));
    Ok(())
}
