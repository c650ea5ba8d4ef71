//! The Cloud Engineer's function: chains of tasks out of approvals, the queue, completion with evidence, drift.
//!
//! It carries decisions out and takes none: what a task says comes from its approval, and which task is next from its
//! chain.
//!
//! Begin with `chains`, where an approval's event becomes tasks. `queue` shows them, `steps` are what engineers do with
//! them, and `scene` is everything that such a step depends on. A role has one policy task at a time, in turn
//! (`turns`), since one document holds what all scopes grant it (`beside`). `verify` looks at the live role when a task
//! is completed, `drift` every night, both through `live`. The rules are in `domain::access::tasks`, `policy` and
//! `drift`.

mod beside;
mod chains;
mod drift;
mod live;
mod queue;
mod scene;
mod steps;
mod turns;
mod verify;

use std::sync::Arc;

use contract::events::EventType;
use domain::base::authorization::Action;
use lambda::{Function, Host};
use store::Store;

/// What the handlers share.
#[derive(Debug)]
pub struct App {
    pub(crate) store: Store,
    pub(crate) host: Host,
}

/// What may end a policy task, and with it the turn on a role.
const ENDS_OF_TURNS: [EventType; 6] = [
    EventType::TaskCompleted,
    EventType::TaskReturned,
    EventType::TaskCancelled,
    EventType::ChainImplemented,
    EventType::ChainEnding,
    EventType::ChainRevoked,
];

/// The function, with its routes and triggers.
///
/// # Errors
/// When `GOVERNANCE_TABLE` is not set.
pub fn function(host: Host) -> anyhow::Result<Function> {
    let app = Arc::new(App { store: host.store()?, host: host.clone() });
    let builder = Function::builder("task-sequencing", app, host)
        .get("/v1/tasks", Action::ReadTasks, queue::list)
        .paged()
        .query(&["state", "accountId", "priority", "approvalId"])
        .summary("The queue: high priority first, then oldest")
        .get("/v1/tasks/{id}", Action::ReadTasks, queue::read)
        .summary("A task with its instructions and artefacts")
        .post("/v1/tasks/{id}/start", Action::StartTask, steps::start)
        .summary("Take a ready task")
        .post("/v1/tasks/{id}/complete", Action::CompleteTask, steps::complete)
        .summary("Complete a task with its digest and evidence")
        .post("/v1/tasks/{id}/return", Action::ReturnTask, steps::give_back)
        .summary("Give a task back with a reason")
        .post("/v1/tasks/{id}/release", Action::ReleaseTask, steps::release)
        .summary("Put a started task back into the queue")
        .post("/v1/tasks/{id}/reissue", Action::ReissueTask, steps::reissue)
        .summary("Send a returned task out again")
        .get_file("/v1/tasks/{id}/artifacts/{name}", Action::ReadTasks, queue::artifact)
        .summary("One artefact, byte for byte")
        .get_file("/v1/tasks/{id}/bundle", Action::ReadTasks, queue::bundle)
        .summary("All artefacts as one archive")
        .get("/v1/drift", Action::ReadDrift, drift::list)
        .paged()
        .query(&["state"])
        .summary("Live roles that are not what was approved");
    Ok(builder
        .on_events(&[EventType::ApprovalDecided, EventType::ApprovalEffective], chains::of_decision)
        .on_events(&[EventType::ApprovalSuperseded], chains::of_supersession)
        .on_events(&[EventType::ApprovalRevoked, EventType::ApprovalExpired], chains::of_end)
        .on_events(&[EventType::ModelDecided], chains::of_model_decision)
        .on_events(&ENDS_OF_TURNS, turns::give_role_to_next)
        .on_schedule("drift", drift::run)
        .build())
}
