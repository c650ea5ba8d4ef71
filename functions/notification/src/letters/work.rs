//! Letters about what is set up and taken away: tasks, chains, drift.

use contract::events::{Event, Place, TaskRef};
use domain::access::anchor::AnchorRef;
use domain::access::tasks::task::Task;
use domain::base::ids::DriftId;

use super::{Addressed, Audience, Draft, workload_name};
use crate::known::Known;

/// Differences that one letter lists; the finding has them all.
const DIFFERENCES_SHOWN: usize = 10;

pub(super) fn letter_of(event: &Event, known: &Known) -> Option<Addressed> {
    match event {
        Event::ChainIssued { task }
        | Event::TaskCompleted { task }
        | Event::TaskReady { task }
        | Event::TaskReissued { task } => {
            task.ready.as_ref()?;
            ready(&task.place, known.ready.as_ref(), known, Some(task))
        }
        Event::ChainEnding { place, ready: Some(_), .. } => ready(place, known.ready.as_ref(), known, None),
        Event::TaskReturned { task, reason } => returned(task, reason, known),
        Event::ChainImplemented { task, anchors } => implemented(task, anchors, known),
        Event::DriftFound { place, drift_id, role_arn, differences } => {
            let shown = differences.iter().take(DIFFERENCES_SHOWN);
            let what = "A live role is no longer what was approved. A task to restore it follows; until then the \
                role may grant more, or less, than was approved.";
            let draft = shown
                .fold(drift("Drift found", what, place, drift_id, role_arn, known), |d, text| d.fact("Differs", text));
            draft.to(Audience::Leads)
        }
        Event::DriftResolved { place, drift_id, role_arn } => {
            let what = "The live role is what was approved again.";
            drift("Drift resolved", what, place, drift_id, role_arn, known).to(Audience::Leads)
        }
        _ => None,
    }
}

/// The task that waits for an engineer. One that was taken or cancelled meanwhile needs nobody to be told.
fn ready(place: &Place, task: Option<&Task>, known: &Known, cause: Option<&TaskRef>) -> Option<Addressed> {
    let task = task?;
    let title = if task.title.is_empty() { task.id.as_str() } else { &task.title };
    let account = cause.map(|cause| cause.account_id.to_string());
    let what = "A task is ready: exact instructions and artefacts are with it. Its requester and its approver may \
        not carry it out.";
    Draft::new(format!("Task ready: {title}"), what)
        .fact("Task", task.id.as_str())
        .maybe("Account", account.as_deref())
        .place(known, place)
        .step("Read it", format!("GET /v1/tasks/{}", task.id))
        .step("Take it", format!("POST /v1/tasks/{}/start", task.id))
        .step("Fetch its files", format!("GET /v1/tasks/{}/bundle", task.id))
        .to(Audience::Engineers)
}

fn returned(task: &TaskRef, reason: &str, known: &Known) -> Option<Addressed> {
    let what =
        "A Cloud Engineer gave the task back. Its scope waits until you send it out again or take the approval back.";
    about(Draft::new(format!("Task returned: {}", task.title), what), task, known)
        .fact("Task", task.task_id.as_str())
        .fact("Reason", reason)
        .step("Read it", format!("GET /v1/tasks/{}", task.task_id))
        .step("Send it out again", format!("POST /v1/tasks/{}/reissue", task.task_id))
        .step("Take the approval back", format!("POST /v1/approvals/{}/revoke", task.approval_id))
        .to(Audience::Leads)
}

fn implemented(task: &TaskRef, anchors: &[AnchorRef], known: &Known) -> Option<Addressed> {
    let what = "Everything that was approved for this scope is set up. Claim it, so that its spend is yours, and \
        hand it to your developers.";
    let workload = &task.place.workload_id;
    let draft = Draft::new(format!("Ready to Claim: {}", workload_name(known, &task.place)), what);
    let draft = anchors.iter().fold(about(draft, task, known), |draft, anchor| draft.fact("Anchor", &anchor.arn));
    draft
        .step("Claim", format!("POST /v1/workloads/{workload}/claims"))
        .step("Hand it to developers", format!("GET /v1/workloads/{workload}/handoff"))
        .to(Audience::Owners)
}

fn about(draft: Draft, task: &TaskRef, known: &Known) -> Draft {
    draft
        .place(known, &task.place)
        .fact("Account", task.account_id.as_str())
        .fact("Approval", task.approval_id.as_str())
        .fact("Scope", task.scope_id.as_str())
}

fn drift(headline: &str, what: &str, place: &Place, drift_id: &DriftId, role_arn: &str, known: &Known) -> Draft {
    let role = role_arn.rsplit('/').next().unwrap_or(role_arn);
    Draft::new(format!("{headline}: {role}"), what)
        .fact("Role", role_arn)
        .place(known, place)
        .fact("Finding", drift_id.as_str())
        .step("See the findings", "GET /v1/drift")
}
