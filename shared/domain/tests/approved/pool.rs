//! Grants of every kind, on four roles of three accounts and two partitions, and the sets of them that are compiled.

use std::collections::BTreeSet;

use domain::access::policy::grant::{Grant, Profile};
use domain::base::aws::profile::ProfileKind;
use domain::base::aws::{Partition, Region, RoleRef, WorkspaceArn};
use domain::base::ids::ScopeId;
use domain::base::platform::ModelAction::{Batch, CountTokens, Files, Inference, Invoke, Stream};
use domain::base::platform::{Agentic, ModelAction, Platform, Tier};

pub(crate) const NOVA: &str = "amazon.nova-lite-v1:0";
pub(crate) const SONNET: &str = "anthropic.claude-sonnet-4-6";
pub(crate) const EKS: &str = "eks-mcp.amazonaws.com";
pub(crate) const ECS: &str = "ecs-mcp.amazonaws.com";
pub(crate) const US_PROFILE: &str =
    "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.anthropic.claude-sonnet-4-6";
pub(crate) const GLOBAL_PROFILE: &str =
    "arn:aws:bedrock:us-east-1:111122223333:inference-profile/global.anthropic.claude-sonnet-4-6";
pub(crate) const OWN_PROFILE: &str =
    "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2c3d4e5f6";

/// Grants whose approvals are in force together, and the document of each role among them.
pub(crate) struct Situation {
    pub(crate) name: String,
    pub(crate) grants: Vec<Grant>,
}

/// Each grant alone, every pair on one role, all of one role, and an organisation of several roles.
///
/// # Errors
/// When a fixture is malformed.
pub(crate) fn situations() -> anyhow::Result<Vec<Situation>> {
    let pool = on_one_role()?;
    let mut situations = vec![
        Situation { name: "everything on one role".to_owned(), grants: pool.clone() },
        Situation { name: "an organisation of four roles".to_owned(), grants: on_four_roles()? },
    ];
    for (index, first) in pool.iter().enumerate() {
        situations.push(Situation { name: format!("grant {index}"), grants: vec![first.clone()] });
        for (other, second) in pool.iter().enumerate().skip(index + 1) {
            let grants = vec![first.clone(), second.clone()];
            situations.push(Situation { name: format!("grants {index} and {other}"), grants });
        }
    }
    Ok(situations)
}

fn on_one_role() -> anyhow::Result<Vec<Grant>> {
    let us = ["us-east-1", "us-west-2"];
    Ok(vec![
        bedrock(NOVA, &[Invoke, Stream])?,
        Grant { sigv4_only: true, ..bedrock(NOVA, &[CountTokens])? },
        Grant { region: "us-west-2".parse()?, ..bedrock(NOVA, &[Invoke])? },
        bedrock(NOVA, &[Batch])?,
        through(bedrock(SONNET, &[Invoke])?, US_PROFILE, ProfileKind::System, &us),
        through(bedrock(SONNET, &[Invoke, CountTokens])?, GLOBAL_PROFILE, ProfileKind::Global, &["", "us-east-1"]),
        through(bedrock(SONNET, &[Stream])?, OWN_PROFILE, ProfileKind::Application, &us),
        through(bedrock(SONNET, &[Batch])?, US_PROFILE, ProfileKind::System, &us),
        agentic(bedrock(SONNET, &[Invoke])?, &[EKS], &["InvokeAgent", "RetrieveAndGenerate"]),
        agentic(bedrock(NOVA, &[Stream])?, &[ECS], &[]),
        agentic(bedrock(NOVA, &[])?, &[], &["Retrieve"]),
        claude("wrkspc_01Ab", &[Inference, Files])?,
        Grant { sigv4_only: true, ..claude("wrkspc_02Cd", &[Batch, CountTokens])? },
        agentic(claude("wrkspc_01Ab", &[])?, &[], &["CreateSession"]),
    ])
}

/// What one role may do, none of the others may: another name, another account, another partition.
fn on_four_roles() -> anyhow::Result<Vec<Grant>> {
    let other_role = role(Partition::Aws, "111122223333", "finops-ai-returns")?;
    let other_account = role(Partition::Aws, "444455556666", "finops-ai-checkout-assistant")?;
    let gov = role(Partition::AwsUsGov, "777788889999", "finops-ai-checkout-assistant")?;
    Ok(vec![
        bedrock(NOVA, &[Invoke])?,
        claude("wrkspc_01Ab", &[Inference])?,
        Grant { role: other_role.clone(), ..agentic(bedrock(NOVA, &[Stream])?, &[EKS], &[]) },
        Grant { role: other_role, ..claude("wrkspc_02Cd", &[Inference])? },
        Grant { role: other_account, ..bedrock(NOVA, &[Batch])? },
        Grant { role: gov, region: "us-gov-west-1".parse()?, ..bedrock(NOVA, &[Invoke, Stream])? },
    ])
}

fn role(partition: Partition, account: &str, name: &str) -> anyhow::Result<RoleRef> {
    Ok(RoleRef { partition, account_id: account.parse()?, name: name.parse()? })
}

fn grant(platform: Platform, model: &str, region: Region, actions: &[ModelAction]) -> anyhow::Result<Grant> {
    Ok(Grant {
        scope_id: ScopeId::derived(model),
        platform,
        model_id: model.parse()?,
        tier: Tier::Standard,
        actions: actions.iter().copied().collect(),
        role: role(Partition::Aws, "111122223333", "finops-ai-checkout-assistant")?,
        region,
        inference_profile: None,
        workspace: None,
        agentic: None,
        sigv4_only: false,
    })
}

fn bedrock(model: &str, actions: &[ModelAction]) -> anyhow::Result<Grant> {
    grant(Platform::Bedrock, model, "us-east-1".parse()?, actions)
}

fn claude(workspace: &str, actions: &[ModelAction]) -> anyhow::Result<Grant> {
    let arn = format!("arn:aws:aws-external-anthropic:us-west-2:111122223333:workspace/{workspace}");
    let standard = grant(Platform::ClaudePlatform, "claude-sonnet-4-6", "us-west-2".parse()?, actions)?;
    Ok(Grant { workspace: Some(WorkspaceArn::try_from(arn)?), ..standard })
}

fn through(grant: Grant, arn: &str, kind: ProfileKind, regions: &[&str]) -> Grant {
    let model_arn = |region: &&str| format!("arn:aws:bedrock:{region}::foundation-model/{}", grant.model_id);
    let model_arns = regions.iter().map(model_arn).collect();
    Grant { inference_profile: Some(Profile { arn: arn.to_owned(), kind, model_arns }), ..grant }
}

fn agentic(mut grant: Grant, servers: &[&str], actions: &[&str]) -> Grant {
    let set = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect::<BTreeSet<String>>();
    grant.tier = Tier::Agentic;
    grant.actions.insert(ModelAction::Agents);
    grant.agentic = Some(Agentic { mcp_servers: set(servers), actions: set(actions) });
    grant
}
