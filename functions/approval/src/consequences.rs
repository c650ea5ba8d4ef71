//! What follows from a decision about a model: a block rejects its open requests and revokes its approvals; a
//! restriction does so to what no longer conforms. Each request and approval is a transaction of its own, so a run
//! that dies resumes.
//!
//! Requests and approvals are written only while their model is as it was when they were decided, so whatever a
//! decision about the model must end was committed before it. The index that names them may not have heard of it yet:
//! what the event's delivery does not find, the hourly run does.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::events::Event;
use domain::access::decisions::approval::{Approval, ApprovalState, decide_revoke};
use domain::access::decisions::request::{Request, RequestState, decide_reject};
use domain::access::models::model::{Model, ModelDecision};
use domain::access::workloads::space::Space;
use domain::base::ids::{ApprovalId, RequestId, SpaceId};
use domain::base::platform::ModelKey;
use domain::base::text::Note;
use lambda::{Cause, Failure, Heard, Tried};
use store::aggregates::approval::approvals_in;
use store::aggregates::request::requests_in;
use store::{Index, Step};

use crate::App;
use crate::approvals::revoked;
use crate::requests::request_ended;

pub(crate) async fn of_model_decision(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let Event::ModelDecided { model_key, .. } = &heard.event else { return Err(heard.unexpected()) };
    // The model as it is now decides: an older delivery after a newer decision does no more than that one.
    let Some(model) = app.store.load::<Model>(model_key).await? else { return Ok(()) };
    if !takes_away(&model.value) {
        return Ok(());
    }
    let mut tried = Tried::default();
    let approvals = app.store.list_all(Index::List, &approvals_in(Some(ApprovalState::Active))).await?;
    let approvals = approvals.iter().map(|entry| entry.read::<Approval>().map_err(Failure::from));
    let approvals: Vec<Approval> = approvals.filter_map(|read| tried.note(read)).collect();
    let requests = submitted(&app, &mut tried).await?;
    enforce(&app, &heard.cause, &model.value, &requests, &approvals, &mut tried).await;
    tried.outcome()
}

/// Does again whatever follows from the decisions about these active approvals' models and those of the open requests.
pub(crate) async fn repeat(app: &App, cause: &Cause, approvals: &[Approval], tried: &mut Tried) -> Result<(), Failure> {
    let requests = submitted(app, tried).await?;
    let asked = requests.iter().filter_map(|request| request.model_key.as_ref());
    let keys: BTreeSet<&ModelKey> = approvals.iter().map(|approval| &approval.model_key).chain(asked).collect();
    for (key, model) in app.store.load_each::<Model>(keys).await? {
        let model = model.map_err(|why| Failure::from(why).about(&format!("what the decision on `{key}` ends")));
        if let Some(model) = tried.note(model).filter(|model| takes_away(&model.value)) {
            enforce(app, cause, &model.value, &requests, approvals, tried).await;
        }
    }
    Ok(())
}

async fn submitted(app: &App, tried: &mut Tried) -> Result<Vec<Request>, Failure> {
    let entries = app.store.list_all(Index::List, &requests_in(Some(RequestState::Submitted))).await?;
    let read = entries.iter().map(|entry| entry.read::<Request>().map_err(Failure::from));
    Ok(read.filter_map(|read| tried.note(read)).collect())
}

/// Whether the model's decision may end anything.
const fn takes_away(model: &Model) -> bool {
    matches!(model.decision, ModelDecision::Blocked | ModelDecision::Restricted)
}

/// Rejects and revokes what the model's decision does not allow.
async fn enforce(
    app: &App,
    cause: &Cause,
    model: &Model,
    requests: &[Request],
    approvals: &[Approval],
    tried: &mut Tried,
) {
    for request in requests.iter().filter(|request| request.model_key.as_ref() == Some(&model.model_key)) {
        tried.note(reject(app, cause, &request.id, model).await);
    }
    for approval in approvals.iter().filter(|approval| approval.model_key == model.model_key) {
        tried.note(revoke(app, cause, &approval.id, model).await);
    }
}

/// The reason as the Space's owners may read it.
fn reason_of(model: &Model, space: &SpaceId) -> Result<Note, Failure> {
    let given = model.reason_for(&BTreeSet::from([space.clone()]));
    let why = given.map_or("it is not for this space", Note::as_str);
    let text: String = format!("the model is {}: {why}", model.decision.as_str()).chars().take(2000).collect();
    text.parse().map_err(|_| Failure::Poison("the model's reason cannot be repeated".to_owned()))
}

/// Rejects a request that nobody could approve any more.
async fn reject(app: &App, cause: &Cause, id: &RequestId, model: &Model) -> Result<bool, Failure> {
    app.store
        .transact(|| async {
            let Some(found) = app.store.load::<Request>(id).await? else { return Ok(Step::Done(false)) };
            if model.restriction.as_ref().is_some_and(|limits| found.value.can_conform(limits)) {
                return Ok(Step::Done(false));
            }
            let Some(space) = app.store.load::<Space>(&found.value.space_id).await? else {
                return Ok(Step::Done(false));
            };
            let reason = reason_of(model, &space.value.id)?;
            let decided = decide_reject(&found.value, &space.value, reason, &cause.actor, cause.now);
            Ok(cause.save(Some(&found), decided.changed(), |tx, request| request_ended(tx, &found.value, request)))
        })
        .await
}

async fn revoke(app: &App, cause: &Cause, id: &ApprovalId, model: &Model) -> Result<bool, Failure> {
    app.store
        .transact(|| async {
            let Some(found) = app.store.load::<Approval>(id).await? else { return Ok(Step::Done(false)) };
            let Some(space) = app.store.load::<Space>(&found.value.space_id).await? else {
                return Ok(Step::Done(false));
            };
            if found.value.state != ApprovalState::Active || any_scope_conforms(&found.value, model) {
                return Ok(Step::Done(false));
            }
            let reason = reason_of(model, &space.value.id)?;
            let decided = decide_revoke(&found.value, &space.value, reason.clone(), &cause.actor, cause.now);
            Ok(cause.save(Some(&found), decided.changed(), |tx, approval| revoked(tx, approval, &reason)))
        })
        .await
}

/// Whether the restriction leaves anything of the approval; single scopes that do not conform end by themselves.
fn any_scope_conforms(approval: &Approval, model: &Model) -> bool {
    match (&model.decision, &model.restriction) {
        (ModelDecision::Restricted, Some(restriction)) => approval
            .scopes
            .iter()
            .any(|s| approval.conforms_to(restriction, &s.spec.account_id, &s.spec.region).is_ok()),
        (ModelDecision::Blocked, _) => false,
        _ => true,
    }
}
