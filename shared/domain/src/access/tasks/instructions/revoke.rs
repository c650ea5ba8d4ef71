//! Taking approved access away: the document compiled from what remains on the role, or no document at all.

use super::claude::{TEMPLATE, archive, delete_stack, deploy, files_of_the_function, registered};
use super::command::account;
use super::template::{self, function_name};
use super::{Steps, Surroundings, WorkspaceUse, bedrock, role, title};
use crate::access::decisions::approval::MapMethod;
use crate::access::policy::document::Document;
use crate::access::tasks::chain::Chain;
use crate::access::tasks::task::TaskKind;
use crate::access::tasks::task::content::{Artifact, Step, TaskContent};
use crate::base::aws::profile::ProfileKind;
use crate::base::outcome::Refusal;

/// Takes a Bedrock scope off its role. The role stays: late spend still follows its claim.
///
/// # Errors
/// As the policy generator says of what remains.
pub fn render_revoke_bedrock_policy(chain: &Chain, around: &Surroundings<'_>) -> Result<TaskContent, Refusal> {
    let role = chain.role();
    let remaining = role::without(&role, around.others_on_role)?;
    let own_profile = chain.map.as_ref().is_some_and(|m| m.methods.contains(&MapMethod::InferenceProfile))
        && chain.profile_arn.as_deref().and_then(ProfileKind::of_arn) == Some(ProfileKind::Application);
    let steps = take_off(check_account(chain), chain, remaining.as_ref())
        .when(own_profile, |steps| bedrock::delete_profile(steps, chain));
    let what = format!("{} on role {} in {} {}", chain.model_id, role.name, role.account_id, chain.spec.region);
    Ok(TaskContent {
        title: title(TaskKind::RevokeBedrockPolicy, &what, chain),
        instructions: steps.done(),
        undo: not_undone(),
        artifacts: remaining.iter().map(|document| Artifact::document("policy.json", document)).collect(),
        evidence_required: Vec::new(),
    })
}

/// Takes a Claude Platform scope off its role, its function and, if nothing else uses it, its workspace.
///
/// # Errors
/// As the policy generator says of what remains.
pub fn render_revoke_claude_workspace(chain: &Chain, around: &Surroundings<'_>) -> Result<TaskContent, Refusal> {
    let role = chain.role();
    let function = function_name(&role.name);
    let remaining = role::without(&role, around.others_on_role)?;
    let mut artifacts: Vec<Artifact> =
        remaining.iter().map(|document| Artifact::document("policy.json", document)).collect();
    let mut steps = check_account(chain);
    // Revoked before its third task, a scope may have neither role nor function nor a registered workspace.
    if chain.workspace_arn.is_some() {
        let still_served = around.others_on_role.iter().any(|grant| template::serves(&chain.spec.region, grant));
        steps = if still_served {
            artifacts.extend(files_of_the_function(chain, around.others_on_role)?);
            deploy(take_off(steps, chain, remaining.as_ref()), chain, &function, TEMPLATE)
        } else {
            take_off(delete_stack(steps, chain, &function), chain, remaining.as_ref())
        };
    }
    match (around.workspace_use, registered(chain)) {
        (WorkspaceUse::Last, Ok(workspace)) => steps = archive(steps, chain, workspace),
        (WorkspaceUse::Last, Err(_)) => {
            let name = chain.workspace_name.as_ref().map(ToString::to_string).unwrap_or_default();
            steps = steps.by_hand(
                &format!("Archive the workspace \"{name}\" in the console, if it was created"),
                "no workspace of this name is active",
            );
        }
        (WorkspaceUse::Shared, _) => {
            steps = steps.by_hand("Leave the workspace as it is", "another approved scope uses it");
        }
    }
    let name = chain.workspace_name.as_ref().map(ToString::to_string).unwrap_or_default();
    Ok(TaskContent {
        title: title(
            TaskKind::RevokeClaudeWorkspace,
            &format!("\"{name}\" in {} {}", role.account_id, chain.spec.region),
            chain,
        ),
        instructions: steps.done(),
        undo: not_undone(),
        artifacts,
        evidence_required: Vec::new(),
    })
}

fn check_account(chain: &Chain) -> Steps {
    let expect = format!("{}; another account means other credentials", chain.spec.account_id);
    Steps::default().run("Check the account", account(), &expect)
}

fn take_off(steps: Steps, chain: &Chain, remaining: Option<&Document>) -> Steps {
    let name = chain.spec.iam_role.as_str();
    match remaining {
        Some(document) => {
            let steps = role::put(steps, name, "Apply the document of what remains approved", "policy.json");
            role::read_back(steps, name, document)
        }
        None => role::untag(role::delete_policy(steps, name), chain),
    }
}

fn not_undone() -> Vec<Step> {
    Steps::default()
        .by_hand("A revocation is not taken back", "access comes back by a new approval and its own task")
        .done()
}
