//! Taking a scope away: revoked, superseded, expired or blocked. What was never started ends at once; what was
//! started or implemented gets a revocation task and counts in coverage until that is done.

use jiff::Timestamp;

use crate::access::decisions::approval::{Approval, ApprovalState};
use crate::access::tasks::chain::issue::{Render, RoleTurn, blocked_task, make_ready};
use crate::access::tasks::chain::{Chain, Progress, ScopeState, Stepped};
use crate::access::tasks::task::{Task, TaskKind, TaskState};
use crate::base::authorization::{Action, Relations, authorize};
use crate::base::ids::TaskId;
use crate::base::outcome::Outcome;
use crate::base::people::Actor;
use crate::base::text::Note;

/// Ends a scope: cancels its open tasks and, if anything was started, issues the task that takes the access away.
pub fn decide_end(
    chain: &Chain,
    reason: &Note,
    turn: &RoleTurn,
    render: Render<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stepped> {
    if let Err(refusal) = authorize(actor, Action::CancelTasks, Relations::NONE, "") {
        return refusal.into();
    }
    if matches!(chain.state, ScopeState::PendingRevocation | ScopeState::Revoked) {
        return Outcome::AlreadyDone;
    }
    let mut next = cancelled(chain, reason, actor, now);
    if !was_touched(chain) {
        next.state = ScopeState::Revoked;
        return Outcome::Changed(Stepped::alone(next, Progress::Revoked));
    }
    next.state = ScopeState::PendingRevocation;
    append(next, chain.revocation_kind(), turn, render, actor, now)
}

/// Opens the task that repairs a live role which is no longer what was approved.
pub fn decide_fix_drift(
    chain: &Chain,
    turn: &RoleTurn,
    render: Render<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stepped> {
    if let Err(refusal) = authorize(actor, Action::CheckDrift, Relations::NONE, "") {
        return refusal.into();
    }
    let already_open = chain.tasks.iter().any(|t| !t.state.is_terminal());
    if chain.state != ScopeState::Implemented || already_open {
        return Outcome::AlreadyDone;
    }
    append(chain.clone(), TaskKind::FixDrift, turn, render, actor, now)
}

/// Writes anew a repair that nobody has begun, since something else differs now than when it was opened.
pub fn decide_refresh_repair(
    chain: &Chain,
    id: &TaskId,
    render: Render<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stepped> {
    if let Err(refusal) = authorize(actor, Action::CheckDrift, Relations::NONE, "") {
        return refusal.into();
    }
    let Some(task) = chain.task(id).filter(|t| t.kind == TaskKind::FixDrift && t.state == TaskState::Ready) else {
        return Outcome::AlreadyDone;
    };
    let rendered = match render(chain, task.kind) {
        Ok(rendered) => rendered,
        Err(refusal) => return refusal.into(),
    };
    if task.instructions == rendered.content.instructions && task.artifacts == rendered.content.artifacts {
        return Outcome::AlreadyDone;
    }
    let mut next = chain.clone();
    next.replace(task.moved(TaskState::Ready, &actor.sub, now, None).rendered(rendered));
    Outcome::Changed(Stepped::alone(next, Progress::None))
}

/// Withdraws a repair that nobody has in hand, since nothing is left to repair.
pub fn decide_withdraw_repair(
    chain: &Chain,
    id: &TaskId,
    reason: &Note,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stepped> {
    if let Err(refusal) = authorize(actor, Action::CheckDrift, Relations::NONE, "") {
        return refusal.into();
    }
    let in_nobodys_hands = |t: &&Task| {
        t.kind == TaskKind::FixDrift && matches!(t.state, TaskState::Ready | TaskState::Blocked | TaskState::Returned)
    };
    let Some(task) = chain.task(id).filter(in_nobodys_hands) else { return Outcome::AlreadyDone };
    let mut next = chain.clone();
    next.replace(task.moved(TaskState::Cancelled, &actor.sub, now, Some(reason.clone())));
    Outcome::Changed(Stepped::alone(next, Progress::None))
}

/// Moves an implemented scope, unchanged, under the approval that replaced its own. One that was replaced itself
/// meanwhile takes nothing: that the event about it comes late must not carry a scope back.
pub fn decide_carry(chain: &Chain, successor: &Approval, actor: &Actor) -> Outcome<Chain> {
    if let Err(refusal) = authorize(actor, Action::IssueChain, Relations::NONE, "") {
        return refusal.into();
    }
    let takes = successor.state == ApprovalState::Active && chain.approval_id != successor.id;
    if !takes || chain.state != ScopeState::Implemented {
        return Outcome::AlreadyDone;
    }
    let mut next = chain.clone();
    next.carried = chain.parties().and(&successor.carried);
    next.approval_id = successor.id.clone();
    next.digest = successor.digest.clone();
    next.requested_by.clone_from(&successor.requested_by);
    next.decided_by = successor.decided_by.clone();
    next.priority = successor.decision.priority;
    Outcome::Changed(next)
}

/// Whether anybody may have changed anything in the account for this scope.
fn was_touched(chain: &Chain) -> bool {
    let started =
        |s: &crate::access::tasks::task::TaskStep| matches!(s.state, TaskState::InProgress | TaskState::Completed);
    chain.state == ScopeState::Implemented || chain.tasks.iter().any(|t| t.history.iter().any(started))
}

fn cancelled(chain: &Chain, reason: &Note, actor: &Actor, now: Timestamp) -> Chain {
    let mut next = chain.clone();
    for task in chain.tasks.iter().filter(|t| !t.state.is_terminal()) {
        next.replace(task.moved(TaskState::Cancelled, &actor.sub, now, Some(reason.clone())));
    }
    next
}

fn append(
    mut chain: Chain,
    kind: TaskKind,
    turn: &RoleTurn,
    render: Render<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stepped> {
    let number = u32::try_from(chain.tasks.len()).unwrap_or(u32::MAX).saturating_add(1);
    let task = blocked_task(&chain, kind, number, (1, 1), None, actor, now);
    let id = task.id.clone();
    chain.tasks.push(task);
    make_ready(chain, &id, turn, render, actor, now)
}
