//! What people do about a gap: act, resolve, recall. Each with time, reason and identity.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Deed, Gap, GapAction, GapEntry, GapState, asked_model};
use crate::access::workloads::space::{Workload, WorkloadState};
use crate::base::authorization::{Action, Relations, authorize};
use crate::base::ids::{ApprovalId, WorkloadId};
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::platform::ModelKey;
use crate::base::text::Note;

/// Entries of a gap's history up to which somebody may still act on it: all are in its item of 400 KB. Closing it stays
/// possible.
const ENTRIES_MAX: usize = 30;

/// What an action is aimed at, where the gap itself does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Target {
    /// The workload that is asked to answer for the spend.
    pub workload_id: Option<WorkloadId>,
    /// The model that is to be blocked or approved.
    pub model_key: Option<ModelKey>,
    /// The approval that is to be expanded.
    pub approval_id: Option<ApprovalId>,
    /// The day from which a proposed claim holds.
    pub from: Option<Date>,
}

/// Something that is done about a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// What.
    pub action: GapAction,
    /// At what.
    pub target: Option<Target>,
    /// Why.
    pub rationale: Note,
}

/// Starts something about a gap; several things may be started, one after the other.
pub fn decide_act(gap: &Gap, act: Act, actor: &Actor, now: Timestamp) -> Outcome<Gap> {
    let deed = Deed {
        state: GapState::Actioned,
        action: Some(act.action),
        target: act.target,
        rationale: Some(act.rationale),
    };
    let fits = || check_room(gap).and_then(|()| check_fit(gap, act.action, deed.target.as_ref())).err();
    decide_deed(gap, &deed, actor, fits).map(|mut next| {
        next.record(actor, now, deed);
        next
    })
}

/// The workload that an action is put to: the one that the Lead names, or else the one that approvals suggest, where
/// the action needs somebody to ask.
#[must_use]
pub fn asked_workload<'a>(gap: &'a Gap, action: GapAction, target: Option<&'a Target>) -> Option<&'a WorkloadId> {
    let suggested = match action {
        GapAction::ProposeClaim | GapAction::Approve | GapAction::AddScope => gap.suggested_workload.as_ref(),
        _ => None,
    };
    target.and_then(|target| target.workload_id.as_ref()).or(suggested)
}

/// Whether the workload that an action is put to can answer for anything.
///
/// # Errors
/// A refusal when it is not there, or asks for nothing more.
pub fn check_asked_workload(asked: &WorkloadId, found: Option<&Workload>) -> Result<(), Refusal> {
    let refused = |why: &str| {
        let detail =
            format!("workload `{asked}` {why}; name an active one of GET /v1/workloads in `target.workloadId`");
        Err(Refusal::new(RefusalKind::InvalidValue, detail))
    };
    match found.map(|workload| workload.state) {
        Some(WorkloadState::Active) => Ok(()),
        Some(WorkloadState::Retired) => refused("is retired"),
        None => refused("does not exist"),
    }
}

/// Declares a gap answered for. It has been acted on before: what was done is what answers for it.
pub fn decide_resolve(gap: &Gap, rationale: Note, actor: &Actor, now: Timestamp) -> Outcome<Gap> {
    let acted_on = || {
        (gap.state == GapState::Active).then(|| {
            let detail = "it is `active`; act on it first, or recall it if it is no gap after all";
            Refusal::new(RefusalKind::WrongState, detail)
                .with_current(serde_json::json!({ "state": gap.state.as_str() }))
        })
    };
    close(gap, GapState::Resolved, rationale, actor, now, acted_on)
}

/// Withdraws a gap that is none after all.
pub fn decide_recall(gap: &Gap, rationale: Note, actor: &Actor, now: Timestamp) -> Outcome<Gap> {
    close(gap, GapState::Recalled, rationale, actor, now, || None)
}

fn close(
    gap: &Gap,
    state: GapState,
    rationale: Note,
    actor: &Actor,
    now: Timestamp,
    objection: impl FnOnce() -> Option<Refusal>,
) -> Outcome<Gap> {
    let deed = Deed { state, action: None, target: None, rationale: Some(rationale) };
    decide_deed(gap, &deed, actor, objection).map(|mut next| {
        next.to = Some(next.last_seen);
        next.record(actor, now, deed);
        next
    })
}

/// Role first, then repetition, then state, then the command's own objection.
fn decide_deed(gap: &Gap, deed: &Deed, actor: &Actor, objection: impl FnOnce() -> Option<Refusal>) -> Outcome<Gap> {
    if let Err(refusal) = authorize(actor, Action::ActOnGap, Relations::NONE, GapState::Active.as_str()) {
        return refusal.into();
    }
    let same = |entry: &&GapEntry| entry.state == deed.state && entry.action == deed.action;
    if let Some(entry) = gap.history.last().filter(same) {
        let is_repeat = entry.by == actor.sub && entry.target == deed.target && entry.rationale == deed.rationale;
        if is_repeat {
            return Outcome::AlreadyDone;
        }
        if entry.by != actor.sub {
            let detail = format!("somebody else has done this already at {}", entry.at);
            return Refusal::new(RefusalKind::AlreadyDecided, detail).into();
        }
    }
    if let Err(refusal) = authorize(actor, Action::ActOnGap, Relations::NONE, gap.state.as_str()) {
        return refusal.into();
    }
    match objection() {
        Some(refusal) => refusal.into(),
        None => Outcome::Changed(gap.clone()),
    }
}

fn check_room(gap: &Gap) -> Result<(), Refusal> {
    if gap.history.len() < ENTRIES_MAX {
        return Ok(());
    }
    let detail =
        format!("the gap was acted on {ENTRIES_MAX} times, the most that its history holds; resolve or recall it now");
    Err(Refusal::new(RefusalKind::LimitExceeded, detail))
}

fn check_fit(gap: &Gap, action: GapAction, target: Option<&Target>) -> Result<(), Refusal> {
    let invalid = |detail: String| Err(Refusal::new(RefusalKind::InvalidValue, detail));
    let fitting = gap.kind.actions();
    if !fitting.contains(&action) {
        let names: Vec<&str> = fitting.iter().map(|a| a.as_str()).collect();
        return invalid(format!(
            "`{}` does not fit a gap of kind {}; {} do",
            action.as_str(),
            gap.kind.as_str(),
            names.join(", ")
        ));
    }
    let names_workload = gap.suggested_workload.is_some() || target.is_some_and(|t| t.workload_id.is_some());
    let names_model = asked_model(gap, target.and_then(|t| t.model_key.as_ref())).is_some();
    match action {
        GapAction::ProposeClaim if !names_workload => invalid("name the workload in `target.workloadId`".to_owned()),
        GapAction::Approve | GapAction::AddScope if !names_workload => {
            invalid("name the workload whose owner is to ask for it in `target.workloadId`".to_owned())
        }
        GapAction::Block if !names_model => invalid("name the model to block in `target.modelKey`".to_owned()),
        _ => Ok(()),
    }
}
