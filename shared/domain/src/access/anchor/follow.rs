//! How a scope's step moves the anchors it takes: whose turn it is on the role, what is live there, what may be
//! claimed.
//!
//! Written in the same transaction as the step, so that the anchor never tells another story than its chains.

use std::collections::BTreeSet;

use crate::access::anchor::{Anchor, RoleGrant};
use crate::access::policy::grant::Grant;
use crate::access::tasks::chain::beside::Beside;
use crate::access::tasks::chain::issue::RoleTurn;
use crate::access::tasks::chain::{Chain, ScopeState};
use crate::access::tasks::task::{Task, TaskState};
use crate::base::ids::{ScopeId, TaskId};
use crate::base::outcome::Refusal;
use crate::base::platform::Platform;

/// The file with a role's document, as tasks name it.
const POLICY_FILE: &str = "policy.json";

impl Anchor {
    /// Whose turn it is for a scope's next policy task: a task of the same scope does not stand in its own way, since
    /// the step that makes the next one ready ends or cancels it.
    #[must_use]
    pub fn turn_for_chain(&self, chain: &Chain) -> RoleTurn {
        match &self.policy_task {
            Some(holder) if Chain::id_of_task(holder).as_ref() != Some(&chain.id) => RoleTurn::HeldBy(holder.clone()),
            _ => RoleTurn::Free,
        }
    }

    /// The task that may take the turn now, if the role is free and one waits.
    #[must_use]
    pub fn next_in_turn(&self) -> Option<&TaskId> {
        if self.policy_task.is_some() { None } else { self.waiting.front() }
    }

    /// Notes that a policy task became ready, or that it waits.
    pub fn take_turn(&mut self, task: TaskId) {
        match &self.policy_task {
            None => {
                self.waiting.retain(|t| *t != task);
                self.policy_task = Some(task);
            }
            Some(holder) if *holder == task || self.waiting.contains(&task) => {}
            Some(_) => self.waiting.push_back(task),
        }
    }

    /// Notes that a policy task ended or was cancelled, whether it held the turn or waited for it.
    pub fn end_turn(&mut self, task: &TaskId) {
        if self.policy_task.as_ref() == Some(task) {
            self.policy_task = None;
        }
        self.waiting.retain(|t| t != task);
    }

    /// The other scopes whose grants are in the document of the scope's open task, or would be if it were written
    /// now. What left the role since the task became ready is in its document still; of one that an older version
    /// wrote nobody knows what it holds, so every scope on the role counts.
    #[must_use]
    pub fn scopes_beside(&self, chain: &Chain) -> BTreeSet<ScopeId> {
        let issued = self.grants.iter().filter(|(_, grant)| grant.issued).map(|(scope, _)| scope);
        let open = || chain.tasks.iter().filter(|task| task.kind.puts_policy() && !task.state.is_terminal());
        let held = open().flat_map(|task| &task.holds);
        let puts = |task: &Task| task.artifacts.iter().any(|file| file.name == POLICY_FILE);
        let is_unknown = open().any(|task| task.holds.is_empty() && puts(task));
        let any = self.scopes.iter().filter(|_| is_unknown);
        issued.chain(held).chain(any).filter(|scope| **scope != chain.id).cloned().collect()
    }

    /// The grants of those scopes that a document written now holds beside the scope's own: not one whose workspace
    /// is not registered yet, and not one that was given back, which an older version left here as issued.
    #[must_use]
    pub fn grants_beside(&self, chain: &Chain, beside: &[Beside]) -> Vec<Grant> {
        let is_held = |grant: &Grant| {
            let other = beside.iter().find(|other| other.chain.id == grant.scope_id && grant.scope_id != chain.id);
            let is_real = grant.platform == Platform::Bedrock || grant.workspace.is_some();
            is_real && other.is_some_and(|other| other.chain.state != ScopeState::Approved)
        };
        self.live_grants().into_iter().filter(is_held).collect()
    }

    /// The role after a step of one of its scopes.
    ///
    /// # Errors
    /// When the scope's grant cannot be expressed.
    pub fn follow_as_role(&self, after: &Chain) -> Result<Self, Refusal> {
        let mut next = self.clone();
        let policy_tasks = || after.tasks.iter().filter(|t| t.kind.puts_policy());
        for task in policy_tasks().filter(|t| t.state.is_terminal() || t.state == TaskState::Returned) {
            next.end_turn(&task.id);
            next.exists |= task.state == TaskState::Completed;
        }
        for task in policy_tasks() {
            let is_open = matches!(task.state, TaskState::Ready | TaskState::InProgress);
            let waits_for_other = task.state == TaskState::Blocked
                && task.blocked_by.as_ref().is_some_and(|b| Chain::id_of_task(b).as_ref() != Some(&after.id));
            if is_open || waits_for_other {
                next.take_turn(task.id.clone());
            }
        }
        match after.state {
            ScopeState::PendingTask | ScopeState::Implemented => {
                // A grant belongs in the role's document once its own policy task is there to put it, not before: until
                // then its workspace or profile may not exist.
                let is_put = |state| matches!(state, TaskState::Ready | TaskState::InProgress | TaskState::Completed);
                let issued = policy_tasks().any(|t| is_put(t.state));
                let (approval_id, grant) = (after.approval_id.clone(), after.grant()?);
                next.grants.insert(after.id.clone(), RoleGrant { approval_id, issued, grant });
            }
            ScopeState::PendingRevocation => {
                next.grants.remove(&after.id);
            }
            ScopeState::Revoked => next.release_scope(&after.id),
            // Given back: nobody vouches for what was put of it, so no other task's document may hold it until it is
            // issued again.
            ScopeState::Approved => {
                if let Some(grant) = next.grants.get_mut(&after.id) {
                    grant.issued = false;
                }
            }
            ScopeState::UnderReview => {}
        }
        next.note_implemented(after);
        Ok(next)
    }

    /// The workspace after a step of one of its scopes.
    #[must_use]
    pub fn follow_as_workspace(&self, after: &Chain) -> Self {
        let mut next = self.clone();
        if let Some(arn) = &after.workspace_arn {
            next.arn = Some(arn.to_string());
            next.exists = true;
        }
        if after.state == ScopeState::Revoked {
            next.release_scope(&after.id);
        }
        next.note_implemented(after);
        next
    }

    fn note_implemented(&mut self, after: &Chain) {
        if after.state == ScopeState::Implemented && self.ready_to_claim.is_none() {
            self.ready_to_claim = Some(after.approval_id.clone());
        }
    }
}
