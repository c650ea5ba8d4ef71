//! One Cloud Engineer task: its kinds and its states. What a task may do next is its chain's to decide.

pub mod content;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::content::{Artifact, Rendered, Step, TaskContent};
use crate::access::policy::live::UnreadableCause;
use crate::base::digest::Digest;
use crate::base::ids::{ScopeId, TaskId};
use crate::base::outcome::{Refusal, RefusalKind};
use crate::base::text::{Note, Sub};

/// What a task is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the contract's own names; instructions say what each asks for")]
pub enum TaskKind {
    BedrockCreateProfile,
    BedrockIamPolicy,
    ClaudeCreateWorkspace,
    ClaudeRegisterWorkspace,
    ClaudeDeployLambda,
    RevokeBedrockPolicy,
    RevokeClaudeWorkspace,
    FixDrift,
}

impl TaskKind {
    /// Whether the task puts a role's policy document: of these only one per role is ready or in progress.
    #[must_use]
    pub const fn puts_policy(self) -> bool {
        match self {
            Self::BedrockIamPolicy
            | Self::ClaudeDeployLambda
            | Self::RevokeBedrockPolicy
            | Self::RevokeClaudeWorkspace
            | Self::FixDrift => true,
            Self::BedrockCreateProfile | Self::ClaudeCreateWorkspace | Self::ClaudeRegisterWorkspace => false,
        }
    }

    /// Whether the task takes access away.
    #[must_use]
    pub const fn revokes(self) -> bool {
        matches!(self, Self::RevokeBedrockPolicy | Self::RevokeClaudeWorkspace)
    }
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the states of the product's page on things and their states")]
pub enum TaskState {
    Blocked,
    Ready,
    InProgress,
    Completed,
    Returned,
    Cancelled,
}

impl TaskState {
    /// Every state, in the order of a task's life.
    pub const ALL: [Self; 6] =
        [Self::Blocked, Self::Ready, Self::InProgress, Self::Completed, Self::Returned, Self::Cancelled];

    /// The state's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Ready => "ready",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Returned => "returned",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing can happen to the task any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

/// Steps of a history with which a task may still be taken up or sent out again: read whole, with the longest reasons,
/// they are 5 MB, and an answer holds 6 MB.
pub const STEPS_MAX: usize = 1_000;

/// What an engineer supplies on completion, by the names that the task asks for.
pub type Evidence = BTreeMap<String, String>;

/// One line of a task's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskStep {
    /// The state that the task took.
    pub state: TaskState,
    /// Who or which job moved it.
    pub by: Sub,
    /// When.
    pub at: Timestamp,
    /// Why, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
}

/// What was found when the live role was compared with the approved documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "result", rename_all_fields = "camelCase")]
pub enum Verification {
    /// The live role is what was approved.
    Verified {
        /// When it was read.
        at: Timestamp,
    },
    /// It is something else.
    Drifted {
        /// When it was read.
        at: Timestamp,
        /// Each difference, for people.
        differences: Vec<String>,
    },
    /// It could not be read.
    Unreadable {
        /// When that was tried.
        at: Timestamp,
        /// What kept it from being read.
        #[serde(default)]
        cause: UnreadableCause,
        /// The same, in the service's own words.
        why: String,
    },
}

/// A task. Everything that it shows comes from the approval; the engineer adds evidence, never scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Derived from the scope and the place in its chain.
    pub id: TaskId,
    /// Counts the task's changes.
    pub version: u64,
    /// What it is about.
    pub kind: TaskKind,
    /// Its place in the chain, from 1.
    pub sequence: u32,
    /// How many the chain has.
    pub of: u32,
    /// Where it stands.
    pub state: TaskState,
    /// In one line.
    pub title: String,
    /// The task that must be completed first.
    pub blocked_by: Option<TaskId>,
    /// Who holds or completed it.
    pub assignee: Option<Sub>,
    /// When it was issued; queues are oldest first within a priority.
    pub issued_at: Timestamp,
    /// What to do; empty until the task is ready.
    pub instructions: Vec<Step>,
    /// How to take it back.
    pub undo: Vec<Step>,
    /// The files that the commands use; empty until the task is ready.
    pub artifacts: Vec<Artifact>,
    /// The scopes whose grants its document holds, fixed when it becomes ready: who asked for or decided on any of them
    /// does not carry it out.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub holds: BTreeSet<ScopeId>,
    /// The names of the evidence that completion needs.
    pub evidence_required: Vec<String>,
    /// The evidence supplied.
    pub evidence: Evidence,
    /// The digest presented on completion.
    pub completed_digest: Option<Digest>,
    /// What was found in the live account.
    pub verification: Option<Verification>,
    /// Everything that happened to it, oldest first; lists, and the answers of its steps, show the newest.
    pub history: Vec<TaskStep>,
}

impl Task {
    /// The task with its next state, counted and recorded.
    #[must_use]
    pub(crate) fn moved(&self, state: TaskState, by: &Sub, at: Timestamp, reason: Option<Note>) -> Self {
        let mut task = self.clone();
        task.version += 1;
        task.state = state;
        task.history.push(TaskStep { state, by: by.clone(), at, reason });
        task
    }

    /// The task as it reads once it is written.
    #[must_use]
    pub(crate) fn rendered(self, rendered: Rendered) -> Self {
        let TaskContent { title, instructions, undo, artifacts, evidence_required } = rendered.content;
        Self { title, instructions, undo, artifacts, evidence_required, holds: rendered.holds, ..self }
    }

    /// Whether the task can be taken up or sent out once more. One that takes access away always can: access that
    /// nobody may remove is worse than a long history.
    ///
    /// # Errors
    /// [`RefusalKind::LimitExceeded`] after [`STEPS_MAX`] steps.
    pub(crate) fn check_room(&self) -> Result<(), Refusal> {
        if self.history.len() < STEPS_MAX || self.kind.revokes() {
            return Ok(());
        }
        let detail = format!(
            "the history of task `{}` holds {STEPS_MAX} steps, the most it may; have its approval revoked and \
             decided anew",
            self.id
        );
        Err(Refusal::new(RefusalKind::LimitExceeded, detail))
    }

    /// Who last brought the task into `state`.
    #[must_use]
    pub fn last_in(&self, state: TaskState) -> Option<&TaskStep> {
        self.history.iter().rev().find(|s| s.state == state)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_is_taken_up_until_its_history_is_full_and_one_that_takes_access_away_always() -> serde_json::Result<()> {
        let task = |kind: &str, steps: usize| {
            let step = json!({ "state": "ready", "by": "chen", "at": "2026-08-24T07:00:00Z" });
            serde_json::from_value::<Task>(json!({
                "id": "tsk_1", "version": 1, "kind": kind, "sequence": 1, "of": 1, "state": "ready", "title": "t",
                "blockedBy": null, "assignee": null, "issuedAt": "2026-08-24T07:00:00Z", "instructions": [], "undo": [],
                "artifacts": [], "evidenceRequired": [], "evidence": {}, "completedDigest": null, "verification": null,
                "history": vec![step; steps],
            }))
        };
        let kind = |task: &Task| task.check_room().map_err(|refusal| refusal.kind);
        assert_eq!(kind(&task("bedrock-iam-policy", STEPS_MAX - 1)?), Ok(()));
        assert_eq!(kind(&task("bedrock-iam-policy", STEPS_MAX)?), Err(RefusalKind::LimitExceeded));
        assert_eq!(kind(&task("fix-drift", STEPS_MAX)?), Err(RefusalKind::LimitExceeded));
        assert_eq!(kind(&task("revoke-bedrock-policy", STEPS_MAX)?), Ok(()));
        Ok(())
    }
}
