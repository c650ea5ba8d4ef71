//! An engineer's steps on a task: start, complete, return, release; and the Lead's reissue.
//!
//! Completing presents the digest of the approval. Evidence is checked against what was approved: an ARN of another
//! account, partition or role is refused.

use jiff::Timestamp;

use crate::access::decisions::approval::{Approval, ApprovalState};
use crate::access::tasks::chain::beside::Beside;
use crate::access::tasks::chain::issue::{Onward, make_ready};
use crate::access::tasks::chain::{Chain, Progress, ScopeState, Stepped, no_such_task};
use crate::access::tasks::handoff::{FUNCTION_URL_EVIDENCE, is_function_url};
use crate::access::tasks::migration::tag::MapFound;
use crate::access::tasks::task::{Evidence, Task, TaskKind, TaskState, Verification};
use crate::base::authorization::{Action, Relation, authorize};
use crate::base::aws::profile::is_application_profile;
use crate::base::aws::{RoleRef, WorkspaceArn};
use crate::base::digest::Digest;
use crate::base::ids::TaskId;
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::text::Note;

/// Entries of evidence one completion may carry, and characters of each: evidence is names and ARNs, not files.
const EVIDENCE_ENTRIES_MAX: usize = 20;
const EVIDENCE_CHARS_MAX: usize = 2_000;

/// Whether a mismatch between the live role and the approved documents stops a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema, Default)]
#[serde(rename_all = "kebab-case")]
pub enum VerificationMode {
    /// Recorded, and a drift finding if it stays so.
    #[default]
    Advisory,
    /// Refused, with the difference.
    Strict,
}

/// What stands around a task when somebody takes a step on it.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The approval that the chain implements.
    pub approval: &'a Approval,
    /// Where it was replaced, the last one under its key: its successor may have been replaced as well.
    pub latest: Option<&'a Approval>,
    /// The other scopes whose grants are in the document of the chain's open task, or would be if it were written now.
    pub beside: &'a [Beside],
}

impl<'a> Standing<'a> {
    /// The other scopes whose grants the task puts on the role; none before it has a document.
    const fn put_by(self, task: &Task) -> &'a [Beside] {
        let has_document = task.kind.puts_policy() && matches!(task.state, TaskState::Ready | TaskState::InProgress);
        if has_document { self.beside } else { &[] }
    }
}

/// What an engineer presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The digest of the approval, as the task shows it.
    pub digest: Digest,
    /// The evidence asked for.
    pub evidence: Evidence,
    /// What was found in the live account, if it was looked at.
    pub verification: Option<Verification>,
    /// What was found of the MAP tag there.
    pub map_found: Option<MapFound>,
}

/// Takes a ready task.
pub fn decide_start(
    chain: &Chain,
    id: &TaskId,
    standing: Standing<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stepped> {
    let Some(task) = chain.task(id) else {
        return no_such_task().into();
    };
    if task.state == TaskState::InProgress && task.assignee.as_ref() == Some(&actor.sub) {
        return Outcome::AlreadyDone;
    }
    if let Err(refusal) = may_work(actor, Action::StartTask, chain, task, standing).and_then(|()| task.check_room()) {
        return refusal.into();
    }
    let mut next = chain.clone();
    next.executors.insert(actor.sub.clone());
    next.replace(Task {
        assignee: Some(actor.sub.clone()),
        ..task.moved(TaskState::InProgress, &actor.sub, now, None)
    });
    let beside = standing.put_by(task).iter().filter_map(|other| carried_out_by(&other.chain, actor)).collect();
    Outcome::Changed(Stepped { chain: next, progress: Progress::None, beside })
}

/// A scope whose grant somebody puts with another scope's task; none if they have put it before.
fn carried_out_by(chain: &Chain, actor: &Actor) -> Option<Chain> {
    let mut next = chain.clone();
    next.executors.insert(actor.sub.clone()).then_some(next)
}

/// Completes the task one holds; the next one becomes ready, or the chain is complete.
#[expect(clippy::too_many_arguments, reason = "each is an input of the decision, and none belongs to another")]
pub fn decide_complete(
    chain: &Chain,
    id: &TaskId,
    standing: Standing<'_>,
    completion: Completion,
    mode: VerificationMode,
    onward: Onward<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stepped> {
    let Some(task) = chain.task(id) else {
        return no_such_task().into();
    };
    let same = task.evidence == completion.evidence && task.completed_digest.as_ref() == Some(&completion.digest);
    if task.state == TaskState::Completed && task.assignee.as_ref() == Some(&actor.sub) && same {
        return Outcome::AlreadyDone;
    }
    let allowed = may_work(actor, Action::CompleteTask, chain, task, standing)
        .and_then(|()| same_digest(chain, &completion.digest))
        .and_then(|()| check_evidence(chain, task, &completion.evidence))
        .and_then(|()| check_verification(mode, completion.verification.as_ref()));
    if let Err(refusal) = allowed {
        return refusal.into();
    }
    let done = Task {
        evidence: completion.evidence,
        completed_digest: Some(completion.digest),
        verification: completion.verification,
        ..task.moved(TaskState::Completed, &actor.sub, now, None)
    };
    let mut next = chain.clone();
    next.map_found = completion.map_found.or(next.map_found);
    learn(&mut next, &done);
    next.replace(done.clone());
    advance(next, &done, onward, actor, now)
}

/// What follows from a completed task.
fn advance(
    mut chain: Chain,
    done: &Task,
    Onward { turn, render }: Onward<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stepped> {
    let follower =
        chain.tasks.iter().find(|t| t.state == TaskState::Blocked && t.blocked_by.as_ref() == Some(&done.id));
    if let Some(follower) = follower.map(|t| t.id.clone()) {
        return make_ready(chain, &follower, turn, render, actor, now);
    }
    let progress = match done.kind {
        kind if kind.revokes() => {
            chain.state = ScopeState::Revoked;
            Progress::Revoked
        }
        TaskKind::FixDrift => Progress::Repaired,
        _ => {
            chain.state = ScopeState::Implemented;
            Progress::Implemented
        }
    };
    Outcome::Changed(Stepped::alone(chain, progress))
}

/// Gives a task back with a reason: the scope is as if not issued until the Lead reissues the task.
pub fn decide_return(chain: &Chain, id: &TaskId, reason: Note, actor: &Actor, now: Timestamp) -> Outcome<Stepped> {
    let Some(task) = chain.task(id) else {
        return no_such_task().into();
    };
    let same =
        task.last_in(TaskState::Returned).is_some_and(|s| s.by == actor.sub && s.reason.as_ref() == Some(&reason));
    if task.state == TaskState::Returned && same {
        return Outcome::AlreadyDone;
    }
    if let Err(refusal) = may(actor, Action::ReturnTask, chain, task, None) {
        return refusal.into();
    }
    let mut next = chain.clone();
    next.replace(Task { assignee: None, ..task.moved(TaskState::Returned, &actor.sub, now, Some(reason)) });
    if next.state == ScopeState::PendingTask {
        next.state = ScopeState::Approved;
    }
    Outcome::Changed(Stepped::alone(next, Progress::None))
}

/// Puts a started task back into the queue.
pub fn decide_release(chain: &Chain, id: &TaskId, actor: &Actor, now: Timestamp) -> Outcome<Stepped> {
    let Some(task) = chain.task(id) else {
        return no_such_task().into();
    };
    let released_by_me =
        task.history.iter().rev().nth(1).is_some_and(|s| s.state == TaskState::InProgress && s.by == actor.sub);
    if task.state == TaskState::Ready && released_by_me {
        return Outcome::AlreadyDone;
    }
    if let Err(refusal) = may(actor, Action::ReleaseTask, chain, task, None) {
        return refusal.into();
    }
    let mut next = chain.clone();
    next.replace(Task { assignee: None, ..task.moved(TaskState::Ready, &actor.sub, now, None) });
    Outcome::Changed(Stepped::alone(next, Progress::None))
}

/// The Lead sends a returned task out again, its artefacts made anew.
pub fn decide_reissue(
    chain: &Chain,
    id: &TaskId,
    standing: Standing<'_>,
    reason: Note,
    onward: Onward<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stepped> {
    let Some(task) = chain.task(id) else {
        return no_such_task().into();
    };
    let mine = |s: &crate::access::tasks::task::TaskStep| s.by == actor.sub && s.reason.as_ref() == Some(&reason);
    if matches!(task.state, TaskState::Ready | TaskState::Blocked) && task.last_in(TaskState::Blocked).is_some_and(mine)
    {
        return Outcome::AlreadyDone;
    }
    if let Err(refusal) = may_work(actor, Action::ReissueTask, chain, task, standing).and_then(|()| task.check_room()) {
        return refusal.into();
    }
    let mut next = chain.clone();
    next.replace(task.moved(TaskState::Blocked, &actor.sub, now, Some(reason)));
    if next.state == ScopeState::Approved {
        next.state = ScopeState::PendingTask;
    }
    make_ready(next, id, onward.turn, onward.render, actor, now)
}

/// The authorisation table's answer, and the approval still stands. An approval that was replaced is told before the
/// state into which that brought the task, whether its event has arrived or not.
fn may_work(actor: &Actor, action: Action, chain: &Chain, task: &Task, standing: Standing<'_>) -> Result<(), Refusal> {
    match may(actor, action, chain, task, Some(standing)) {
        Err(refusal) if matches!(refusal.kind, RefusalKind::WrongState | RefusalKind::NotAssignee) => {
            still_approved(task, standing).and(Err(refusal))
        }
        answer => answer.and_then(|()| still_approved(task, standing)),
    }
}

/// The authorisation table's answer about the task and everything that it puts, with two things named that engineers
/// meet: blocked behind another task, and barred by what another approval has in the document.
fn may(
    actor: &Actor,
    action: Action,
    chain: &Chain,
    task: &Task,
    standing: Option<Standing<'_>>,
) -> Result<(), Refusal> {
    let reviewed = standing.is_some_and(|standing| standing.approval.is_reviewed_by(&actor.sub));
    let own = chain.relations(Some(task), None, actor).with(Relation::Reviewer, reviewed);
    let mut all = own;
    let mut barring = None;
    for other in standing.map_or(&[][..], |standing| standing.put_by(task)) {
        let Some(relation) = other.bars(&actor.sub) else { continue };
        all = all.with(relation, true);
        barring = barring.or(Some((relation, other)));
    }
    authorize(actor, action, all, task.state.as_str()).map_err(|refusal| {
        match (&refusal.kind, task.state, &task.blocked_by) {
            (RefusalKind::SeparationOfDuties, ..) => match barring {
                Some((relation, other)) if !own.has(relation) => barred_by(relation, other),
                _ => refusal,
            },
            (RefusalKind::WrongState | RefusalKind::NotAssignee, TaskState::Blocked, Some(before)) => Refusal::new(
                RefusalKind::TaskBlocked,
                format!("task `{}` waits for task `{before}`; complete that one first", task.id),
            )
            .with_current(serde_json::json!({ "state": "blocked", "blockedBy": before })),
            _ => refusal,
        }
    })
}

fn barred_by(relation: Relation, other: &Beside) -> Refusal {
    let deed = match relation {
        Relation::Requester => "asked for",
        Relation::Reviewer => "reviewed",
        _ => "approved",
    };
    let detail = format!(
        "the document of this task also holds what approval `{}` grants on the role, and you {deed} that; requester, \
         approver and executor are three people: ask a colleague",
        other.approval.id
    );
    Refusal::new(RefusalKind::SeparationOfDuties, detail)
        .with_current(serde_json::json!({ "approvalId": other.approval.id, "scopeId": other.chain.id }))
}

/// A task of an approval that no longer stands cannot be worked, unless it takes access away.
fn still_approved(task: &Task, standing: Standing<'_>) -> Result<(), Refusal> {
    let approval = standing.approval;
    if approval.state == ApprovalState::Active || task.kind.revokes() {
        return Ok(());
    }
    let successor = approval.end.as_ref().and_then(|e| e.superseded_by.as_ref());
    Err(match successor.map(|by| standing.latest.map_or(by, |latest| &latest.id)) {
        Some(by) => Refusal::new(
            RefusalKind::ApprovalSuperseded,
            format!("approval `{}` was replaced by `{by}`; take up the tasks of that one", approval.id),
        )
        .with_current(serde_json::json!({ "approvalId": by })),
        None => Refusal::new(
            RefusalKind::WrongState,
            format!("approval `{}` is {}; leave this task, it will be cancelled", approval.id, approval.state.as_str()),
        ),
    })
}

fn same_digest(chain: &Chain, presented: &Digest) -> Result<(), Refusal> {
    if *presented == chain.digest {
        return Ok(());
    }
    let detail =
        "the digest is not that of the approval this task implements; read the task again and check what changed";
    Err(Refusal::new(RefusalKind::StaleDigest, detail)
        .with_current(serde_json::json!({ "digest": chain.digest, "approvalId": chain.approval_id })))
}

fn check_evidence(chain: &Chain, task: &Task, evidence: &Evidence) -> Result<(), Refusal> {
    let mismatch = |detail: String| Err(Refusal::new(RefusalKind::EvidenceMismatch, detail));
    if evidence.len() > EVIDENCE_ENTRIES_MAX || evidence.values().any(|v| v.chars().count() > EVIDENCE_CHARS_MAX) {
        return mismatch(format!(
            "evidence holds at most {EVIDENCE_ENTRIES_MAX} entries of {EVIDENCE_CHARS_MAX} characters"
        ));
    }
    for name in &task.evidence_required {
        let Some(given) = evidence.get(name).filter(|v| !v.trim().is_empty()) else {
            return mismatch(format!("evidence `{name}` is missing; the task's steps show where to read it"));
        };
        check_named_evidence(chain, name, given)?;
    }
    match evidence.get(FUNCTION_URL_EVIDENCE).filter(|_| task.kind == TaskKind::ClaudeDeployLambda) {
        Some(url) => check_named_evidence(chain, FUNCTION_URL_EVIDENCE, url),
        None => Ok(()),
    }
}

fn check_named_evidence(chain: &Chain, name: &str, given: &str) -> Result<(), Refusal> {
    let expected = match name {
        "roleArn" | "lambdaRoleArn" if RoleRef::parse_arn(given) != Some(chain.role()) => chain.role().arn(),
        "workspaceArn" if !WorkspaceArn::parse(given).is_some_and(|w| is_in_scope(chain, &w)) => format!(
            "arn:{}:aws-external-anthropic:{}:{}:workspace/wrkspc_…",
            chain.role().partition.as_str(),
            chain.spec.region,
            chain.spec.account_id
        ),
        "inferenceProfileArn" if !is_application_profile(given, &chain.spec.account_id, &chain.spec.region) => format!(
            "arn:{}:bedrock:{}:{}:application-inference-profile/…",
            chain.role().partition.as_str(),
            chain.spec.region,
            chain.spec.account_id
        ),
        FUNCTION_URL_EVIDENCE if !is_function_url(&chain.spec.region, given) => {
            format!("https://….lambda-url.{}.on.aws/", chain.spec.region)
        }
        _ => return Ok(()),
    };
    Err(Refusal::new(
        RefusalKind::EvidenceMismatch,
        format!("evidence `{name}` is `{given}`, but what was approved is `{expected}`"),
    ))
}

fn is_in_scope(chain: &Chain, workspace: &WorkspaceArn) -> bool {
    workspace.account_id == chain.spec.account_id
        && workspace.region == chain.spec.region
        && workspace.partition == chain.role().partition
}

fn check_verification(mode: VerificationMode, found: Option<&Verification>) -> Result<(), Refusal> {
    match (mode, found) {
        (VerificationMode::Strict, Some(Verification::Drifted { differences, .. })) => Err(Refusal::new(
            RefusalKind::EvidenceMismatch,
            format!(
                "the live role is not what was approved: {}; apply the task's files and complete again",
                differences.join("; ")
            ),
        )),
        (VerificationMode::Strict, Some(Verification::Unreadable { why, .. })) => Err(Refusal::new(
            RefusalKind::EvidenceMismatch,
            format!("the live role could not be read: {why}; check the reader role in the account and complete again"),
        )),
        _ => Ok(()),
    }
}

/// What later tasks, the policy and the hand-off need from evidence.
fn learn(chain: &mut Chain, done: &Task) {
    match done.kind {
        TaskKind::ClaudeRegisterWorkspace => {
            chain.workspace_arn = done.evidence.get("workspaceArn").and_then(|a| WorkspaceArn::parse(a));
        }
        TaskKind::ClaudeDeployLambda => chain.function_url = done.evidence.get(FUNCTION_URL_EVIDENCE).cloned(),
        TaskKind::BedrockCreateProfile => chain.profile_arn = done.evidence.get("inferenceProfileArn").cloned(),
        _ => {}
    }
}
