//! What a grant on Amazon Bedrock becomes in IAM.
//!
//! The model in its region; or the inference profile, and behind it the model in every destination region, callable
//! only through that profile. Never a wildcard over models. `bedrock-mantle` knows no model, so it stays denied as a
//! whole. An agent calls models under its own service role: naming agents' actions opens the agents, not further
//! models.

use std::collections::BTreeSet;

use super::condition::{Comparison, Conditions, Operator};
use super::document::Action;
use super::grant::{Grant, Permission, Profile};
use crate::base::aws::profile::ProfileKind;
use crate::base::aws::{Partition, Region, RoleRef};
use crate::base::outcome::Refusal;
use crate::base::platform::{ModelAction, ModelId};

const COUNT_TOKENS: Action = Action::known("bedrock:CountTokens");
const CREATE_JOB: Action = Action::known("bedrock:CreateModelInvocationJob");

/// The ARN of a foundation model in a region. A context-length variant is governed as its base model.
#[must_use]
pub fn model_arn(partition: Partition, region: &Region, model_id: &ModelId) -> String {
    format!("arn:{}:bedrock:{region}::foundation-model/{}", partition.as_str(), model_id.base())
}

/// The permissions of one grant.
pub(crate) fn permissions(grant: &Grant) -> Result<Vec<Permission>, Refusal> {
    grant.check()?;
    if grant.workspace.is_some() {
        return Err(grant.impossible("a workspace belongs to Claude Platform, not to Bedrock"));
    }
    let mut permissions = model_permissions(grant)?;
    if grant.actions.contains(&ModelAction::Batch) {
        permissions.extend(batch_permissions(grant));
    }
    for action in grant.agent_actions()? {
        permissions.push(agent_permission(grant, action));
    }
    Ok(permissions)
}

fn model_permissions(grant: &Grant) -> Result<Vec<Permission>, Refusal> {
    // Converse is authorised as InvokeModel, ConverseStream as InvokeModelWithResponseStream.
    let mut calls = BTreeSet::new();
    if grant.actions.contains(&ModelAction::Invoke) {
        calls.insert(Action::known("bedrock:InvokeModel"));
    }
    if grant.actions.contains(&ModelAction::Stream) {
        calls.insert(Action::known("bedrock:InvokeModelWithResponseStream"));
    }
    let model = model_arn(grant.role.partition, &grant.region, &grant.model_id);
    let counts = grant.actions.contains(&ModelAction::CountTokens);
    let mut permissions = Vec::new();
    match &grant.inference_profile {
        None => {
            calls.extend(counts.then_some(COUNT_TOKENS));
            permissions.push(Permission::new("AllowApprovedModel", calls, [model]));
        }
        Some(profile) => {
            let behind = models_behind(grant, profile)?;
            // The key's type is ARN, so the operator is too (service authorisation reference, Amazon Bedrock).
            let by_arn = Operator::plain(Comparison::ArnEquals);
            let via = Conditions::none().and(by_arn, "bedrock:InferenceProfileArn", [profile.arn.clone()]);
            permissions.push(Permission::new("AllowApprovedProfile", calls.clone(), [profile.arn.clone()]));
            permissions.push(Permission::new("AllowModelOnlyViaProfile", calls, behind).when(via));
            // CountTokens takes the model itself; it runs nothing and costs nothing.
            permissions.push(Permission::new("AllowCountTokens", counts.then_some(COUNT_TOKENS), [model]));
        }
    }
    permissions.retain(|p| !p.actions.is_empty());
    Ok(permissions)
}

/// Batch inference: create jobs for the approved model, follow and stop the account's jobs in the region, and pass this
/// very role to Bedrock, which runs the job under it (Bedrock user guide, "Permissions for batch inference"). The S3
/// buckets are the workload's own; no approval names them, so no statement here does.
fn batch_permissions(grant: &Grant) -> Vec<Permission> {
    let jobs = resource(grant, "model-invocation-job/*");
    let mut sources = BTreeSet::from([model_arn(grant.role.partition, &grant.region, &grant.model_id)]);
    sources.extend(grant.inference_profile.iter().map(|p| p.arn.clone()));
    let follow =
        [CREATE_JOB, Action::known("bedrock:GetModelInvocationJob"), Action::known("bedrock:StopModelInvocationJob")];
    let list = Action::known("bedrock:ListModelInvocationJobs");
    let to_bedrock = Conditions::none().and_equals("iam:PassedToService", "bedrock.amazonaws.com");
    vec![
        Permission::new("AllowBatchOnModel", [CREATE_JOB], sources),
        Permission::new("AllowBatchJobs", follow, [jobs]),
        Permission::new("AllowListBatchJobs", [list], ["*".to_owned()]).when(in_region(grant)),
        Permission::new("AllowPassRoleToBatch", [Action::known("iam:PassRole")], [grant.role.arn()]).when(to_bedrock),
    ]
}

fn agent_permission(grant: &Grant, action: Action) -> Permission {
    let name = "AllowNamedAgentActions";
    match action.as_str() {
        "bedrock:InvokeAgent" => Permission::new(name, [action], [resource(grant, "agent-alias/*")]),
        "bedrock:InvokeFlow" => Permission::new(name, [action], [resource(grant, "flow/*/alias/*")]),
        "bedrock:Retrieve" => Permission::new(name, [action], [resource(grant, "knowledge-base/*")]),
        // InvokeInlineAgent and RetrieveAndGenerate have no resource, so the region is all that can be held.
        _ => Permission::new(name, [action], ["*".to_owned()]).when(in_region(grant)),
    }
}

fn in_region(grant: &Grant) -> Conditions {
    Conditions::none().and_equals("aws:RequestedRegion", grant.region.as_str())
}

fn resource(grant: &Grant, rest: &str) -> String {
    let RoleRef { partition, account_id, .. } = &grant.role;
    format!("arn:{}:bedrock:{}:{account_id}:{rest}", partition.as_str(), grant.region)
}

/// The model's ARNs behind a profile: every destination that the profile lists; for a global one, the source region and
/// the ARN without region (Bedrock user guide, "Prerequisites for inference profiles").
fn models_behind(grant: &Grant, profile: &Profile) -> Result<BTreeSet<String>, Refusal> {
    check_profile_arn(grant, profile)?;
    if profile.model_arns.is_empty() {
        return Err(grant.impossible(&format!("the profile `{}` lists no model", profile.arn)));
    }
    for arn in &profile.model_arns {
        let routed = parse_model_arn(arn);
        let region_fits = |region: &str| match profile.kind {
            ProfileKind::System => region.parse::<Region>().is_ok(),
            ProfileKind::Application | ProfileKind::Global => region.is_empty() || region.parse::<Region>().is_ok(),
        };
        let fits = routed.as_ref().is_some_and(|(partition, region, id)| {
            *partition == grant.role.partition && region_fits(region) && id.base() == grant.model_id.base()
        });
        if !fits {
            let detail = format!("the profile routes to `{arn}`, which is not the approved model `{}`", grant.model_id);
            return Err(grant.impossible(&detail));
        }
    }
    if profile.kind == ProfileKind::Global {
        let partition = grant.role.partition;
        let anywhere = format!("arn:{}:bedrock:::foundation-model/{}", partition.as_str(), grant.model_id.base());
        return Ok(BTreeSet::from([model_arn(partition, &grant.region, &grant.model_id), anywhere]));
    }
    Ok(profile.model_arns.iter().cloned().collect())
}

fn check_profile_arn(grant: &Grant, profile: &Profile) -> Result<(), Refusal> {
    let prefix = match profile.kind {
        ProfileKind::System | ProfileKind::Global => resource(grant, "inference-profile/"),
        ProfileKind::Application => resource(grant, "application-inference-profile/"),
    };
    let fits = profile.arn.strip_prefix(&prefix).is_some_and(|id| {
        let kind_fits = profile.kind == ProfileKind::Application
            || id.starts_with("global.") == (profile.kind == ProfileKind::Global);
        let characters_fit = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b));
        !id.is_empty() && id.len() <= 140 && kind_fits && characters_fit
    });
    if fits {
        return Ok(());
    }
    let kind = profile.kind;
    let expected = format!("an inference profile of kind {kind:?} in this account and region begins with `{prefix}`");
    Err(grant.impossible(&format!("`{}` does not fit: {expected}", profile.arn)))
}

fn parse_model_arn(arn: &str) -> Option<(Partition, &str, ModelId)> {
    let mut parts = arn.splitn(6, ':');
    let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let id = rest.strip_prefix("foundation-model/")?;
    let plain = scheme == "arn" && service == "bedrock" && account.is_empty();
    plain.then_some((Partition::parse(partition)?, region, id.parse().ok()?))
}
