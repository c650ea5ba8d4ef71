//! A scope and its chain of tasks: one aggregate, because strict sequence is a rule about all of them at once.
//!
//! A chain has 1 task (Bedrock; 2 with an application inference profile) or 3 (Claude Platform), then at most one
//! open revocation or repair task after them. Task n + 1 is blocked until task n is completed; nobody can skip. A
//! task shows its artefacts only when it becomes ready, since the document for a role depends on what else is live on
//! it then.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::access::decisions::approval::{Approval, MapMethod, MapTagging, Priority, ScopeSpec};
use crate::access::decisions::parties::Parties;
use crate::access::tasks::migration::tag::MapFound;
use crate::access::tasks::task::{Task, TaskKind, TaskState};
use crate::access::workloads::space::Space;
use crate::base::authorization::{Relation, Relations};
use crate::base::aws::{Partition, RoleRef, WorkspaceArn, WorkspaceName};
use crate::base::digest::Digest;
use crate::base::ids::{ApprovalId, ScopeId, SpaceId, TaskId, WorkloadId};
use crate::base::outcome::{Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::platform::{Agentic, ModelAction, ModelId, ModelKey, Platform, Tier};
use crate::base::text::Sub;

pub mod beside;
pub mod end;
mod grant;
pub mod issue;
pub mod work;

/// Where a scope stands. `UnderReview` is a row of an open request; the others are rows of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the states of the product's page on things and their states")]
pub enum ScopeState {
    UnderReview,
    Approved,
    PendingTask,
    Implemented,
    PendingRevocation,
    Revoked,
}

impl ScopeState {
    /// Every state, in the order of a scope's life.
    pub const ALL: [Self; 6] = [
        Self::UnderReview,
        Self::Approved,
        Self::PendingTask,
        Self::Implemented,
        Self::PendingRevocation,
        Self::Revoked,
    ];

    /// The state's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnderReview => "under-review",
            Self::Approved => "approved",
            Self::PendingTask => "pending-task",
            Self::Implemented => "implemented",
            Self::PendingRevocation => "pending-revocation",
            Self::Revoked => "revoked",
        }
    }

    /// Whether the scope counts in coverage.
    #[must_use]
    pub const fn is_live(self) -> bool {
        !matches!(self, Self::Revoked)
    }
}

/// A scope of an approval with everything its tasks need, so that the chain can be worked without reading the
/// approval again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Chain {
    /// The scope's id.
    pub id: ScopeId,
    /// The approval it implements now; a carried scope moves to the approval that replaced its own.
    pub approval_id: ApprovalId,
    /// The digest of that approval.
    pub digest: Digest,
    /// Whom it serves.
    pub workload_id: WorkloadId,
    /// The workload's Space.
    pub space_id: SpaceId,
    /// On which platform.
    pub platform: Platform,
    /// The model's key.
    pub model_key: ModelKey,
    /// The model.
    pub model_id: ModelId,
    /// Standard or agentic.
    pub tier: Tier,
    /// What may be done.
    pub actions: BTreeSet<ModelAction>,
    /// What agents may do.
    pub agentic: Option<Agentic>,
    /// MAP tagging.
    pub map: Option<MapTagging>,
    /// What was last found of the MAP tag.
    #[serde(default)]
    pub map_found: Option<MapFound>,
    /// API keys are forbidden.
    pub sig_v4_only: bool,
    /// Where, and under which role.
    #[serde(flatten)]
    pub spec: ScopeSpec,
    /// The workspace's name, on Claude Platform.
    pub workspace_name: Option<WorkspaceName>,
    /// The workspace's ARN, once task 2 has confirmed it.
    pub workspace_arn: Option<WorkspaceArn>,
    /// The URL of the passthrough function, as the task that deployed it was completed with.
    #[serde(default)]
    pub function_url: Option<String>,
    /// The inference profile's ARN: a system profile's from the catalog, an application profile's from evidence.
    pub profile_arn: Option<String>,
    /// The model ARNs that the profile routes to.
    pub profile_model_arns: Vec<String>,
    /// How urgent it is.
    pub priority: Priority,
    /// First day.
    pub effective_from: Option<Date>,
    /// Who asked.
    pub requested_by: Option<Sub>,
    /// Who decided.
    pub decided_by: Sub,
    /// Who asked for and decided on what its approval replaced, and on every approval that it served before.
    #[serde(default, skip_serializing_if = "Parties::is_empty")]
    pub carried: Parties,
    /// Who started any of its tasks, or another scope's task whose document held its grant.
    pub executors: BTreeSet<Sub>,
    /// Where it stands.
    pub state: ScopeState,
    /// Its tasks, in order; later ones revoke or repair.
    #[serde(skip)]
    pub tasks: Vec<Task>,
}

impl Chain {
    /// The chain of one scope of a fresh approval.
    #[must_use]
    pub fn of_scope(approval: &Approval, id: ScopeId, spec: ScopeSpec, profile: Option<(String, Vec<String>)>) -> Self {
        let decision = &approval.decision;
        let (profile_arn, profile_model_arns) = profile.map_or((None, Vec::new()), |(arn, models)| (Some(arn), models));
        Self {
            id,
            approval_id: approval.id.clone(),
            digest: approval.digest.clone(),
            workload_id: approval.workload_id.clone(),
            space_id: approval.space_id.clone(),
            platform: decision.platform,
            model_key: approval.model_key.clone(),
            model_id: decision.model_id.clone(),
            tier: decision.tier,
            actions: decision.actions.clone(),
            agentic: decision.agentic.clone(),
            map: decision.map.clone(),
            map_found: None,
            sig_v4_only: decision.sig_v4_only,
            spec,
            workspace_name: decision.workspace_name.clone(),
            workspace_arn: None,
            function_url: None,
            profile_arn,
            profile_model_arns,
            priority: decision.priority,
            effective_from: decision.effective_from,
            requested_by: approval.requested_by.clone(),
            decided_by: approval.decided_by.clone(),
            carried: approval.carried.clone(),
            executors: BTreeSet::new(),
            state: ScopeState::Approved,
            tasks: Vec::new(),
        }
    }

    /// The role of the scope: the workload's, or the Lambda's execution role.
    #[must_use]
    pub fn role(&self) -> RoleRef {
        RoleRef {
            partition: Partition::of_region(&self.spec.region),
            account_id: self.spec.account_id.clone(),
            name: self.spec.iam_role.clone(),
        }
    }

    /// The kinds of its implementing tasks, in order.
    #[must_use]
    pub fn kinds(&self) -> &'static [TaskKind] {
        let wants_profile = self.map.as_ref().is_some_and(|m| m.methods.contains(&MapMethod::InferenceProfile));
        match (self.platform, wants_profile) {
            (Platform::Bedrock, true) => &[TaskKind::BedrockCreateProfile, TaskKind::BedrockIamPolicy],
            (Platform::Bedrock, false) => &[TaskKind::BedrockIamPolicy],
            (Platform::ClaudePlatform, _) => {
                &[TaskKind::ClaudeCreateWorkspace, TaskKind::ClaudeRegisterWorkspace, TaskKind::ClaudeDeployLambda]
            }
        }
    }

    /// The kind of task that takes its access away.
    #[must_use]
    pub const fn revocation_kind(&self) -> TaskKind {
        match self.platform {
            Platform::Bedrock => TaskKind::RevokeBedrockPolicy,
            Platform::ClaudePlatform => TaskKind::RevokeClaudeWorkspace,
        }
    }

    /// A task by its id.
    #[must_use]
    pub fn task(&self, id: &TaskId) -> Option<&Task> {
        self.tasks.iter().find(|t| t.id == *id)
    }

    /// The task that can be worked or waits its turn; at most one is ready or in progress.
    #[must_use]
    pub fn open_task(&self) -> Option<&Task> {
        self.tasks.iter().find(|t| matches!(t.state, TaskState::Ready | TaskState::InProgress | TaskState::Returned))
    }

    /// The chain that a task id belongs to: task ids are derived from it.
    #[must_use]
    pub fn id_of_task(task: &TaskId) -> Option<ScopeId> {
        let (scope, _sequence) = task.suffix().rsplit_once('-')?;
        format!("{}_{scope}", ScopeId::PREFIX).parse().ok()
    }

    /// The id of the chain's n-th task.
    #[must_use]
    pub fn task_id(&self, sequence: u32) -> TaskId {
        TaskId::derived(&format!("{}-{sequence}", self.id.suffix()))
    }

    /// Everybody who asked for it or decided on it, under this approval and those before.
    #[must_use]
    pub fn parties(&self) -> Parties {
        Parties::of(self.requested_by.as_ref(), &self.decided_by).and(&self.carried)
    }

    /// How an actor stands to one of its tasks.
    #[must_use]
    pub fn relations(&self, task: Option<&Task>, space: Option<&Space>, actor: &Actor) -> Relations {
        let parties = self.parties();
        space
            .map_or(Relations::NONE, |s| s.relations(actor))
            .with(Relation::Requester, parties.requesters.contains(&actor.sub))
            .with(Relation::Approver, parties.approvers.contains(&actor.sub))
            .with(Relation::Executor, self.executors.contains(&actor.sub))
            .with(Relation::Assignee, task.is_some_and(|t| t.assignee.as_ref() == Some(&actor.sub)))
    }

    /// Where the scope stands in the AI Models table's terms.
    #[must_use]
    pub fn presence(&self) -> Presence {
        Presence {
            space: self.space_id.clone(),
            state: self.state,
            account: self.spec.account_id.to_string(),
            workspace: self.workspace_name.as_ref().map(|name| workspace_key(&self.spec, name)),
        }
    }

    fn replace(&mut self, task: Task) {
        if let Some(slot) = self.tasks.iter_mut().find(|t| t.id == task.id) {
            *slot = task;
        } else {
            self.tasks.push(task);
        }
    }
}

/// What identifies a workspace before its ARN is known: names are unique per account and region.
#[must_use]
pub fn workspace_key(spec: &ScopeSpec, name: &WorkspaceName) -> String {
    format!("{}#{}#{}", spec.account_id, spec.region, name)
}

/// What one scope, or one row of an open request, adds to its model's row in the AI Models table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// The Space whose workload it serves.
    pub space: SpaceId,
    /// The counter it is in.
    pub state: ScopeState,
    /// The account it covers.
    pub account: String,
    /// The workspace it covers, on Claude Platform.
    pub workspace: Option<String>,
}

/// What became ready, for the caller to tell people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A task became ready.
    TaskReady(TaskId),
    /// The next task waits for another task on the same role.
    WaitsForRole(TaskId),
    /// The chain is complete: the owner may claim.
    Implemented,
    /// The access is gone.
    Revoked,
    /// The drift is repaired.
    Repaired,
    /// Nothing beyond the task itself.
    None,
}

/// The answer of a step on a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stepped {
    /// The chain's new state.
    pub chain: Chain,
    /// What follows from it.
    pub progress: Progress,
    /// Other scopes that it moves: those whose grants the actor puts as well.
    pub beside: Vec<Chain>,
}

impl Stepped {
    /// A step that moves this scope alone.
    #[must_use]
    pub const fn alone(chain: Chain, progress: Progress) -> Self {
        Self { chain, progress, beside: Vec::new() }
    }
}

pub(crate) fn no_such_task() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "there is no such task; take its id from GET /v1/tasks")
}
