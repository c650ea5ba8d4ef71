//! What follows from a decision about a model: a block rejects its open requests and revokes its approvals; a restriction
//! does so to what no longer conforms. Each request and approval is a transaction of its own, so a run that dies resumes.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::events::Event;
use domain::approval::{Approval, ApprovalState, decide_revoke};
use domain::audit::AuditEvent;
use domain::chain::Chain;
use domain::ids::{ApprovalId, RequestId};
use domain::model::{Model, ModelDecision, can_conform};
use domain::outcome::Outcome;
use domain::platform::ModelKey;
use domain::request::{Request, decide_reject};
use domain::space::Space;
use domain::text::Note;
use lambda::{Event as Delivery, Failure, Tried};
use serde_json::Value;
use store::aggregates::chain::scopes_of;
use store::{Index, Step, Transaction};

use crate::App;
use crate::approvals::place;
use crate::requests::ended_event;

pub(crate) async fn of_model_decision(app: Arc<App>, delivery: Delivery<AuditEvent>) -> Result<(), Failure> {
    let event = Event::of(&delivery.envelope).map_err(|e| Failure::Poison(e.to_string()))?;
    let Event::ModelDecided { model_key, .. } = event else { return Ok(()) };
    // The model as it is now decides: an older delivery after a newer decision does no more than that one.
    let Some(model) = app.store.load::<Model>(model_key.as_str()).await? else { return Ok(()) };
    let decision = model.value.decision;
    if !matches!(decision, ModelDecision::Blocked | ModelDecision::Restricted) {
        return Ok(());
    }
    let reason = reason_of(&model.value)?;
    let (requests, approvals) = affected(&app, &model_key).await?;
    let mut tried = Tried::default();
    for id in requests {
        tried.note(reject(&app, &delivery, &id, &model.value, &reason).await);
    }
    for id in approvals {
        tried.note(revoke(&app, &delivery, &id, &model.value, &reason).await);
    }
    tried.outcome()
}

fn reason_of(model: &Model) -> Result<Note, Failure> {
    let why = model.decision_reason.as_ref().map_or("no reason given", Note::as_str);
    let text: String = format!("the model is {}: {why}", model.decision.as_str()).chars().take(2000).collect();
    text.parse().map_err(|_| Failure::Poison("the model's reason cannot be repeated".to_owned()))
}

/// Open requests and approvals with scopes of the model.
async fn affected(app: &App, model: &ModelKey) -> Result<(BTreeSet<RequestId>, BTreeSet<ApprovalId>), Failure> {
    let mut requests = BTreeSet::new();
    let mut approvals = BTreeSet::new();
    for entry in app.store.list_all(Index::Parent, &[scopes_of(model)]).await? {
        if let Ok(chain) = entry.read::<Chain>() {
            approvals.insert(chain.approval_id);
        } else if let Some(id) =
            entry.read::<Value>()?.get("requestId").and_then(Value::as_str).and_then(|id| id.parse().ok())
        {
            requests.insert(id);
        }
    }
    // A request that names no scope has no row under the model: it is found among the open ones.
    for entry in app
        .store
        .list_all(Index::List, &store::aggregates::request::requests_in(Some(domain::request::RequestState::Submitted)))
        .await?
    {
        let request: Request = entry.read()?;
        if request.model_key.as_ref() == Some(model) {
            requests.insert(request.id);
        }
    }
    Ok((requests, approvals))
}

/// Rejects a request that nobody could approve any more.
async fn reject(
    app: &App,
    delivery: &Delivery<AuditEvent>,
    id: &RequestId,
    model: &Model,
    reason: &Note,
) -> Result<(), Failure> {
    app.store
        .decide(|| async {
            let Some(found) = app.store.load::<Request>(id.as_str()).await? else { return Ok(Step::Done(())) };
            if model.restriction.as_ref().is_some_and(|limits| can_conform(limits, &found.value)) {
                return Ok(Step::Done(()));
            }
            let Some(space) = app.store.load::<Space>(found.value.space_id.as_str()).await? else {
                return Ok(Step::Done(()));
            };
            match decide_reject(&found.value, &space.value, reason.clone(), &delivery.actor, delivery.now) {
                Outcome::Changed(request) => {
                    let mut tx =
                        Transaction::new(&delivery.actor, delivery.now, &delivery.request_id).because(reason.as_str());
                    tx.update(&found, &request, &ended_event(&request));
                    tx.count_request(Some(&found.value), Some(&request));
                    Ok(Step::Commit(tx, ()))
                }
                Outcome::AlreadyDone | Outcome::Refused(_) => Ok(Step::Done(())),
            }
        })
        .await
}

async fn revoke(
    app: &App,
    delivery: &Delivery<AuditEvent>,
    id: &ApprovalId,
    model: &Model,
    reason: &Note,
) -> Result<(), Failure> {
    app.store
        .decide(|| async {
            let Some(found) = app.store.load::<Approval>(id.as_str()).await? else { return Ok(Step::Done(())) };
            let Some(space) = app.store.load::<Space>(found.value.space_id.as_str()).await? else {
                return Ok(Step::Done(()));
            };
            if found.value.state != ApprovalState::Active || any_scope_conforms(&found.value, model) {
                return Ok(Step::Done(()));
            }
            match decide_revoke(&found.value, &space.value, reason.clone(), &delivery.actor, delivery.now) {
                Outcome::Changed(approval) => {
                    let mut tx =
                        Transaction::new(&delivery.actor, delivery.now, &delivery.request_id).because(reason.as_str());
                    let event = Event::ApprovalRevoked {
                        place: place(&approval),
                        approval_id: approval.id.clone(),
                        reason: reason.as_str().to_owned(),
                    };
                    tx.update(&found, &approval, &event);
                    Ok(Step::Commit(tx, ()))
                }
                Outcome::AlreadyDone | Outcome::Refused(_) => Ok(Step::Done(())),
            }
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
