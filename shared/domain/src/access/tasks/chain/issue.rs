//! Issuing a chain: the tasks come into being together, and the first becomes ready.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::access::tasks::chain::{Chain, Progress, ScopeState, Stepped};
use crate::access::tasks::task::content::Rendered;
use crate::access::tasks::task::{Evidence, Task, TaskKind, TaskState};
use crate::base::authorization::{Action, Relations, authorize};
use crate::base::ids::TaskId;
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;

/// What a task waits for before it can be ready, beyond its own predecessor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleTurn {
    /// No other policy task on the role is open.
    Free,
    /// This task is; it must end first, so that an older document never overwrites a newer one.
    HeldBy(TaskId),
}

/// Writes a task that becomes ready; pure, so that deciding twice writes the same.
pub type Render<'a> = &'a dyn Fn(&Chain, TaskKind) -> Result<Rendered, Refusal>;

/// How the chain goes on after a step: whose turn it is on the role, and what writes the task that becomes ready.
#[derive(Clone, Copy)]
pub struct Onward<'a> {
    /// Whose turn it is.
    pub turn: &'a RoleTurn,
    /// What writes the task.
    pub render: Render<'a>,
}

/// Issues the chain of a scope whose time has come.
pub fn decide_issue(
    chain: &Chain,
    turn: &RoleTurn,
    render: Render<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stepped> {
    if let Err(refusal) = authorize(actor, Action::IssueChain, Relations::NONE, "") {
        return refusal.into();
    }
    if chain.state != ScopeState::Approved || chain.tasks.iter().any(|t| !t.state.is_terminal()) {
        return Outcome::AlreadyDone;
    }
    if chain.effective_from.is_some_and(|day| crate::base::calendar::start_of_day(day) > now) {
        return Refusal::new(
            RefusalKind::WrongState,
            "the approval is not effective yet; its chain is issued on that day",
        )
        .into();
    }
    let mut next = chain.clone();
    next.state = ScopeState::PendingTask;
    let offset = u32::try_from(chain.tasks.len()).unwrap_or(u32::MAX);
    let of = u32::try_from(chain.kinds().len()).unwrap_or(u32::MAX);
    for (index, kind) in (1..).zip(chain.kinds()) {
        let blocked_by = (index > 1).then(|| chain.task_id(offset + index - 1));
        next.tasks.push(blocked_task(chain, *kind, offset + index, (index, of), blocked_by, actor, now));
    }
    let first = next.task_id(offset + 1);
    make_ready(next, &first, turn, render, actor, now)
}

/// A task of this chain as it comes into being: blocked, without content.
pub(crate) fn blocked_task(
    chain: &Chain,
    kind: TaskKind,
    number: u32,
    (sequence, of): (u32, u32),
    blocked_by: Option<TaskId>,
    actor: &Actor,
    now: Timestamp,
) -> Task {
    let born = Task {
        id: chain.task_id(number),
        version: 0,
        kind,
        sequence,
        of,
        state: TaskState::Blocked,
        title: crate::access::tasks::instructions::title_of(kind).to_owned(),
        blocked_by,
        assignee: None,
        issued_at: now,
        instructions: Vec::new(),
        undo: Vec::new(),
        artifacts: Vec::new(),
        holds: BTreeSet::new(),
        evidence_required: Vec::new(),
        evidence: Evidence::new(),
        completed_digest: None,
        verification: None,
        history: Vec::new(),
    };
    born.moved(TaskState::Blocked, &actor.sub, now, None)
}

/// Makes a blocked task ready, or leaves it blocked behind the policy task that holds the role.
pub(super) fn make_ready(
    mut chain: Chain,
    id: &TaskId,
    turn: &RoleTurn,
    render: Render<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stepped> {
    let Some(task) = chain.task(id).cloned() else {
        return super::no_such_task().into();
    };
    if let (true, RoleTurn::HeldBy(holder)) = (task.kind.puts_policy(), turn) {
        let waiting = Task { blocked_by: Some(holder.clone()), ..task };
        chain.replace(waiting);
        return Outcome::Changed(Stepped::alone(chain, Progress::WaitsForRole(id.clone())));
    }
    let rendered = match render(&chain, task.kind) {
        Ok(rendered) => rendered,
        Err(refusal) => return refusal.into(),
    };
    let ready = Task {
        blocked_by: None,
        assignee: None,
        ..task.moved(TaskState::Ready, &actor.sub, now, None).rendered(rendered)
    };
    chain.replace(ready);
    Outcome::Changed(Stepped::alone(chain, Progress::TaskReady(id.clone())))
}

/// Gives the role to a task that waited for it.
pub fn decide_take_role(
    chain: &Chain,
    id: &TaskId,
    render: Render<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stepped> {
    if let Err(refusal) = authorize(actor, Action::IssueChain, Relations::NONE, "") {
        return refusal.into();
    }
    let predecessor_open = |task: &Task| {
        task.blocked_by.as_ref().and_then(|b| chain.task(b)).is_some_and(|b| b.state != TaskState::Completed)
    };
    match chain.task(id) {
        None => super::no_such_task().into(),
        Some(task) if task.state != TaskState::Blocked || predecessor_open(task) => Outcome::AlreadyDone,
        Some(_) => make_ready(chain.clone(), id, &RoleTurn::Free, render, actor, now),
    }
}
