//! Grants that the tests of policies, instructions and hand-offs share.

use std::collections::BTreeSet;

use super::grant::{Grant, Profile};
use crate::base::aws::profile::ProfileKind;
use crate::base::aws::{Partition, RoleRef, WorkspaceArn};
use crate::base::ids::ScopeId;
use crate::base::platform::{Agentic, ModelAction, Platform, Tier};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const SONNET: &str = "anthropic.claude-sonnet-4-6";
pub(crate) const US_PROFILE: &str =
    "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.anthropic.claude-sonnet-4-6";
pub(crate) const GLOBAL_PROFILE: &str =
    "arn:aws:bedrock:us-east-1:111122223333:inference-profile/global.anthropic.claude-sonnet-4-6";
pub(crate) const OWN_PROFILE: &str =
    "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2c3d4e5f6";

pub(crate) fn role() -> anyhow::Result<RoleRef> {
    Ok(RoleRef {
        partition: Partition::Aws,
        account_id: ACCOUNT.parse()?,
        name: "finops-ai-checkout-assistant".parse()?,
    })
}

/// A standard Bedrock grant on a model in us-east-1.
pub(crate) fn bedrock(model_id: &str, actions: &[ModelAction]) -> anyhow::Result<Grant> {
    Ok(Grant {
        scope_id: ScopeId::derived(model_id),
        platform: Platform::Bedrock,
        model_id: model_id.parse()?,
        tier: Tier::Standard,
        actions: actions.iter().copied().collect(),
        role: role()?,
        region: "us-east-1".parse()?,
        inference_profile: None,
        workspace: None,
        agentic: None,
        sigv4_only: false,
    })
}

/// The same through a profile.
pub(crate) fn through(mut grant: Grant, arn: &str, kind: ProfileKind, regions: &[&str]) -> Grant {
    let model_arn = |region: &&str| format!("arn:aws:bedrock:{region}::foundation-model/{}", grant.model_id);
    let model_arns = regions.iter().map(model_arn).collect();
    grant.inference_profile = Some(Profile { arn: arn.to_owned(), kind, model_arns });
    grant
}

/// The same for agents.
pub(crate) fn agentic(mut grant: Grant, servers: &[&str], actions: &[&str]) -> Grant {
    let set = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect::<BTreeSet<String>>();
    grant.tier = Tier::Agentic;
    grant.actions.insert(ModelAction::Agents);
    grant.agentic = Some(Agentic { mcp_servers: set(servers), actions: set(actions) });
    grant
}

/// A standard Claude Platform grant in a workspace of us-west-2.
pub(crate) fn claude(workspace_id: &str, actions: &[ModelAction]) -> anyhow::Result<Grant> {
    let mut grant = bedrock("claude-sonnet-4-6", actions)?;
    grant.scope_id = ScopeId::derived(workspace_id);
    grant.platform = Platform::ClaudePlatform;
    grant.region = "us-west-2".parse()?;
    let arn = format!("arn:aws:aws-external-anthropic:us-west-2:{ACCOUNT}:workspace/{workspace_id}");
    grant.workspace = Some(WorkspaceArn::try_from(arn)?);
    Ok(grant)
}
