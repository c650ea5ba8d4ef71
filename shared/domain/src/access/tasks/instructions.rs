//! What the Cloud Engineer is handed: steps that run as they stand, the files they use, and how to take it all back.
//!
//! Everything in a task comes from the approval. Commands are for bash in a folder that holds the artefacts, with
//! options that version 1 and 2 of the AWS CLI know; every interpolated value is quoted ([`crate::base::shell`]),
//! whoever chose it. Checks are steps with `expect`: nothing here reads the live account, and nothing decides.

use crate::access::policy::grant::Grant;
use crate::access::policy::trust::{Runtime, RuntimeDetail};
use crate::access::tasks::chain::Chain;
use crate::access::tasks::task::TaskKind;
use crate::access::tasks::task::content::{Step, TaskContent};
use crate::base::aws::WorkspaceArn;
use crate::base::outcome::{Refusal, RefusalKind};

mod bedrock;
mod claude;
mod command;
mod curl;
mod drift;
mod pod_identity;
mod revoke;
mod role;
pub mod source;
pub mod template;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;

pub use bedrock::{render_bedrock_create_profile, render_bedrock_iam_policy};
pub(crate) use claude::function_url_command;
pub use claude::{render_claude_create_workspace, render_claude_deploy_lambda, render_claude_register_workspace};
pub(crate) use curl::endpoint;
pub use drift::{Drift, render_fix_drift};
pub use revoke::{render_revoke_bedrock_policy, render_revoke_claude_workspace};
pub(crate) use role::runs_batch_on_bedrock;

/// Where the role of a scope stands when its task becomes ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleState<'a> {
    /// It is not there: the task creates it, with this trust.
    ToCreate(Trust<'a>),
    /// An earlier task of this product created it: its trust is brought up to date, since a further scope may add
    /// regions.
    Created(Trust<'a>),
    /// It was there before and the approval adopts it: it is verified, and its trust stays its owner's.
    Adopted,
}

impl<'a> RoleState<'a> {
    pub(crate) const fn trust(self) -> Option<Trust<'a>> {
        match self {
            Self::ToCreate(trust) | Self::Created(trust) => Some(trust),
            Self::Adopted => None,
        }
    }
}

/// What the trust policy of a role that this product created is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trust<'a> {
    /// Where the workload runs. On Claude Platform it is of no matter: there the role is the passthrough function's.
    pub runtime: Runtime,
    /// What that runtime needs to know: the scope's own detail, else the workload's.
    pub detail: Option<&'a RuntimeDetail>,
}

/// How the workspace of a scope comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkspaceState<'a> {
    /// The chain creates it.
    ToCreate,
    /// Another chain has registered a workspace of this name in the account and region.
    Registered(&'a WorkspaceArn),
}

/// Whether anything approved remains in a workspace after a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkspaceUse {
    /// Another scope uses it: it stays.
    Shared,
    /// Nothing does: it is archived.
    Last,
}

/// What a task's text depends on beside its own scope, as of the moment when it becomes ready.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The grants of every other scope that is live on the same role. Those whose workspace is not registered yet are
    /// not live: leave them out.
    pub others_on_role: &'a [Grant],
    /// Where the role stands.
    pub role: RoleState<'a>,
    /// How the workspace comes to be; of no matter on Bedrock.
    pub workspace: WorkspaceState<'a>,
    /// The key of the tag by which a row of the bill finds its workspace; a setting.
    pub workspace_tag: &'a str,
    /// What remains in the workspace; of no matter but to its revocation.
    pub workspace_use: WorkspaceUse,
    /// What was found on the live role; only for repairs.
    pub drift: Option<&'a Drift>,
}

/// The content of a task of this kind, for this scope.
///
/// # Errors
/// [`RefusalKind::PolicyImpossible`] and [`RefusalKind::InvalidValue`] as the policy generator says;
/// [`RefusalKind::WrongState`] for a repair of nothing.
pub fn render(kind: TaskKind, chain: &Chain, around: &Surroundings<'_>) -> Result<TaskContent, Refusal> {
    match kind {
        TaskKind::BedrockCreateProfile => render_bedrock_create_profile(chain),
        TaskKind::BedrockIamPolicy => render_bedrock_iam_policy(chain, around),
        TaskKind::ClaudeCreateWorkspace => render_claude_create_workspace(chain, around),
        TaskKind::ClaudeRegisterWorkspace => render_claude_register_workspace(chain, around),
        TaskKind::ClaudeDeployLambda => render_claude_deploy_lambda(chain, around),
        TaskKind::RevokeBedrockPolicy => render_revoke_bedrock_policy(chain, around),
        TaskKind::RevokeClaudeWorkspace => render_revoke_claude_workspace(chain, around),
        TaskKind::FixDrift => match around.drift {
            Some(drift) => render_fix_drift(chain, around, drift),
            None => Err(Refusal::new(RefusalKind::WrongState, "no drift is known on the role; run the check first")),
        },
    }
}

/// What a task of this kind is called before it is ready.
#[must_use]
pub const fn title_of(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::BedrockCreateProfile => "Create the inference profile that carries the MAP tag",
        TaskKind::BedrockIamPolicy => "Put the approved policy on the workload's role",
        TaskKind::ClaudeCreateWorkspace => "Create the Claude Platform workspace",
        TaskKind::ClaudeRegisterWorkspace => "Validate the workspace and register its ARN",
        TaskKind::ClaudeDeployLambda => "Deploy the passthrough function under its execution role",
        TaskKind::RevokeBedrockPolicy => "Take the revoked access off the workload's role",
        TaskKind::RevokeClaudeWorkspace => "Take the revoked access to the workspace away",
        TaskKind::FixDrift => "Put the role back to what was approved",
    }
}

/// Steps in the making: numbered as they are added.
#[derive(Debug, Default)]
pub(crate) struct Steps(Vec<Step>);

impl Steps {
    /// Adds a command with what it should print.
    pub(crate) fn run(self, title: &str, command: impl Into<String>, expect: &str) -> Self {
        self.add(title, Some(command.into()), Some(expect))
    }

    /// Adds something that only a person can do or judge.
    pub(crate) fn by_hand(self, title: &str, expect: &str) -> Self {
        self.add(title, None, Some(expect))
    }

    fn add(mut self, title: &str, command: Option<String>, expect: Option<&str>) -> Self {
        let step = u32::try_from(self.0.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.0.push(Step { step, title: title.to_owned(), command, expect: expect.map(str::to_owned) });
        self
    }

    /// Adds the steps that `more` makes, if `wanted`.
    pub(crate) fn when(self, wanted: bool, more: impl FnOnce(Self) -> Self) -> Self {
        if wanted { more(self) } else { self }
    }

    /// Adds the steps that `more` makes of a value that is there.
    pub(crate) fn when_some<T>(self, given: Option<T>, more: impl FnOnce(Self, T) -> Self) -> Self {
        match given {
            Some(given) => more(self, given),
            None => self,
        }
    }

    pub(crate) fn done(self) -> Vec<Step> {
        self.0
    }
}

/// The title of a ready task: what, for whom, and under which decision.
pub(crate) fn title(kind: TaskKind, what: &str, chain: &Chain) -> String {
    let digest: String = chain.digest.hex().chars().take(12).collect();
    format!("{}: {what} (approval {}, digest {digest})", title_of(kind), chain.approval_id)
}
