//! Chains that the tests of instructions and hand-offs share.

use std::collections::BTreeSet;

use crate::access::decisions::approval::{Priority, ScopeSpec};
use crate::access::decisions::parties::Parties;
use crate::access::policy::fixtures::{self, ACCOUNT};
use crate::access::tasks::chain::{Chain, ScopeState};
use crate::base::digest::Digest;
use crate::base::ids::{ApprovalId, ScopeId, SpaceId, WorkloadId};
use crate::base::platform::{ModelAction, ModelId, ModelKey, Platform, Tier};

const NOVA: &str = "amazon.nova-lite-v1:0";

/// A fresh chain of one scope.
pub(crate) fn chain(platform: Platform, model: &str, region: &str, actions: &[ModelAction]) -> anyhow::Result<Chain> {
    let model_id: ModelId = model.parse()?;
    Ok(Chain {
        id: ScopeId::derived("01K3B4"),
        approval_id: ApprovalId::derived("01K3B2"),
        digest: Digest::of_bytes(b"decision"),
        workload_id: WorkloadId::derived("01K3A1"),
        space_id: SpaceId::derived("01K3A0"),
        platform,
        model_key: ModelKey::of(platform, &model_id),
        model_id,
        tier: Tier::Standard,
        actions: actions.iter().copied().collect(),
        agentic: None,
        map: None,
        map_found: None,
        sig_v4_only: false,
        spec: ScopeSpec {
            account_id: ACCOUNT.parse()?,
            region: region.parse()?,
            iam_role: "finops-ai-checkout-assistant".parse()?,
            existing: false,
            inference_profile: None,
            runtime_detail: None,
        },
        workspace_name: None,
        workspace_arn: None,
        function_url: None,
        profile_arn: None,
        profile_model_arns: Vec::new(),
        priority: Priority::Normal,
        effective_from: None,
        requested_by: None,
        decided_by: "lead-1".parse()?,
        carried: Parties::default(),
        executors: BTreeSet::new(),
        state: ScopeState::Approved,
        tasks: Vec::new(),
    })
}

/// Nova Lite in us-east-1, to invoke and stream.
pub(crate) fn on_bedrock() -> anyhow::Result<Chain> {
    chain(Platform::Bedrock, NOVA, "us-east-1", &[ModelAction::Invoke, ModelAction::Stream])
}

/// Claude Sonnet 4.6 in a workspace of us-west-2, before or after its ARN is registered.
pub(crate) fn on_claude(registered: bool) -> anyhow::Result<Chain> {
    let actions = [ModelAction::Inference, ModelAction::CountTokens];
    let mut chain = chain(Platform::ClaudePlatform, "claude-sonnet-4-6", "us-west-2", &actions)?;
    chain.workspace_name = Some("Retail team.1".parse()?);
    chain.workspace_arn = fixtures::claude("wrkspc_01Ab", &actions)?.workspace.filter(|_| registered);
    Ok(chain)
}
