//! What follows from decisions, scope by scope: issuing, carrying over, ending. Each scope is a transaction of its own, so
//! that a delivery which dies half-way is resumed by its repetition.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::events::Event;
use domain::access::decisions::approval::{Approval, ApprovalState};
use domain::access::models::model::{Model, ModelDecision};
use domain::access::tasks::chain::end::{decide_carry, decide_end};
use domain::access::tasks::chain::issue::decide_issue;
use domain::access::tasks::chain::{Chain, Progress, ScopeState, Stepped};
use domain::base::audit::AuditEvent;
use domain::base::ids::ScopeId;
use domain::base::outcome::{Outcome, Refusal, RefusalKind};
use domain::base::text::Note;
use lambda::{Cause, Event as Delivery, Failure, Tick, Tried};
use store::aggregates::chain::scopes_of;
use store::{Index, Step};

use crate::App;
use crate::scene::{Scene, place, ready, task_ref};

pub(crate) async fn of_decision(app: Arc<App>, delivery: Delivery<AuditEvent>) -> Result<(), Failure> {
    let (Event::ApprovalDecided { scope_ids, .. } | Event::ApprovalEffective { scope_ids, .. }) = read(&delivery)?
    else {
        return Ok(());
    };
    let mut tried = Tried::default();
    for scope in &scope_ids {
        tried.note(issue(&app, &Cause::from(&delivery), scope).await);
    }
    tried.outcome()
}

pub(crate) async fn of_supersession(app: Arc<App>, delivery: Delivery<AuditEvent>) -> Result<(), Failure> {
    let Event::ApprovalSuperseded { approval_id, by, .. } = read(&delivery)? else { return Ok(()) };
    let (Some(old), Some(new)) =
        (app.store.load::<Approval>(approval_id.as_str()).await?, app.store.load::<Approval>(by.as_str()).await?)
    else {
        return Ok(());
    };
    let carried: BTreeSet<&ScopeId> = new.value.scopes.iter().filter(|s| s.carried).map(|s| &s.id).collect();
    let reason = note(&format!("superseded by approval {by}"))?;
    let mut tried = Tried::default();
    for scope in &old.value.scopes {
        if carried.contains(&scope.id) {
            tried.note(carry(&app, &Cause::from(&delivery), &scope.id, &new.value).await);
        } else {
            tried.note(end(&app, &Cause::from(&delivery), &scope.id, &reason).await);
        }
    }
    tried.outcome()
}

/// An approval was revoked or expired: all of its scopes end.
pub(crate) async fn of_end(app: Arc<App>, delivery: Delivery<AuditEvent>) -> Result<(), Failure> {
    let (approval_id, reason) = match read(&delivery)? {
        Event::ApprovalRevoked { approval_id, reason, .. } => (approval_id, reason),
        Event::ApprovalExpired { approval_id, .. } => (approval_id, "the approval expired".to_owned()),
        _ => return Ok(()),
    };
    let Some(approval) = app.store.load::<Approval>(approval_id.as_str()).await? else { return Ok(()) };
    let reason = note(&reason)?;
    let mut tried = Tried::default();
    for scope in &approval.value.scopes {
        tried.note(end(&app, &Cause::from(&delivery), &scope.id, &reason).await);
    }
    tried.outcome()
}

/// A model was restricted: scopes that no longer conform end, the others stay. A block ends whole approvals.
pub(crate) async fn of_model_decision(app: Arc<App>, delivery: Delivery<AuditEvent>) -> Result<(), Failure> {
    let Event::ModelDecided { model_key, .. } = read(&delivery)? else { return Ok(()) };
    let Some(model) = app.store.load::<Model>(model_key.as_str()).await? else { return Ok(()) };
    let mut tried = Tried::default();
    enforce(&app, &Cause::from(&delivery), &model.value, &mut tried).await?;
    tried.outcome()
}

/// Ends once more what restrictions end: the index may not have named a scope that was decided just before its model was.
pub(crate) async fn end_restricted(app: &App, tick: &Tick, tried: &mut Tried) -> Result<(), Failure> {
    for row in app.store.list_models().await? {
        enforce(app, &Cause::from(tick), &row.model, tried).await?;
    }
    Ok(())
}

async fn enforce(app: &App, cause: &Cause<'_>, model: &Model, tried: &mut Tried) -> Result<(), Failure> {
    let (ModelDecision::Restricted, Some(restriction)) = (model.decision, &model.restriction) else {
        return Ok(());
    };
    let reason = note("the model is restricted, and this scope lies outside the restriction")?;
    for entry in app.store.list_all(Index::Parent, &[scopes_of(&model.model_key)]).await? {
        let Ok(chain) = entry.read::<Chain>() else { continue };
        if matches!(chain.state, ScopeState::PendingRevocation | ScopeState::Revoked) {
            continue;
        }
        let Some(approval) = app.store.load::<Approval>(chain.approval_id.as_str()).await? else { continue };
        let fits = approval.value.conforms_to(restriction, &chain.spec.account_id, &chain.spec.region);
        if fits.is_err() {
            tried.note(end(app, cause, &chain.id, &reason).await);
        }
    }
    Ok(())
}

async fn issue(app: &App, cause: &Cause<'_>, scope: &ScopeId) -> Result<(), Failure> {
    app.store
        .decide(|| async {
            let Some(scene) = Scene::load(&app.store, scope).await? else { return Ok(Step::Done(())) };
            if scene.approval.value.state != ApprovalState::Active {
                return Ok(Step::Done(()));
            }
            let render = |chain: &Chain, kind| scene.render(chain, kind, None);
            match decide_issue(&scene.chain.value, &scene.turn(), &render, cause.actor, cause.now) {
                Outcome::Changed(stepped) => {
                    let mut tx = cause.transaction();
                    let first = stepped.chain.tasks.iter().find(|t| t.sequence == 1 && !t.state.is_terminal());
                    let Some(first) = first else { return Ok(Step::Done(())) };
                    let event = Event::ChainIssued { task: task_ref(&stepped.chain, first, &stepped.progress) };
                    scene.write(&mut tx, &stepped, &event).map_err(|refusal| refused(&refusal))?;
                    Ok(Step::Commit(tx, ()))
                }
                Outcome::AlreadyDone => Ok(Step::Done(())),
                // Not effective yet: the event of that day issues it.
                Outcome::Refused(refusal) if refusal.kind == RefusalKind::WrongState => Ok(Step::Done(())),
                Outcome::Refused(refusal) => Err(refused(&refusal)),
            }
        })
        .await
}

async fn end(app: &App, cause: &Cause<'_>, scope: &ScopeId, reason: &Note) -> Result<(), Failure> {
    app.store
        .decide(|| async {
            let Some(scene) = Scene::load(&app.store, scope).await? else { return Ok(Step::Done(())) };
            let render = |chain: &Chain, kind| scene.render(chain, kind, None);
            match decide_end(&scene.chain.value, reason, &scene.turn(), &render, cause.actor, cause.now) {
                Outcome::Changed(stepped) => {
                    let mut tx = cause.transaction().because(reason.as_str());
                    let chain = &stepped.chain;
                    let (place, approval_id, scope_id) = (place(chain), chain.approval_id.clone(), chain.id.clone());
                    let event = match stepped.progress {
                        Progress::Revoked => Event::ChainRevoked { place, approval_id, scope_id },
                        _ => Event::ChainEnding {
                            place,
                            approval_id,
                            scope_id,
                            ready: ready(&stepped.progress),
                            reason: reason.as_str().to_owned(),
                        },
                    };
                    scene.write(&mut tx, &stepped, &event).map_err(|refusal| refused(&refusal))?;
                    Ok(Step::Commit(tx, ()))
                }
                Outcome::AlreadyDone => Ok(Step::Done(())),
                Outcome::Refused(refusal) => Err(refused(&refusal)),
            }
        })
        .await
}

async fn carry(app: &App, cause: &Cause<'_>, scope: &ScopeId, successor: &Approval) -> Result<(), Failure> {
    app.store
        .decide(|| async {
            let Some(scene) = Scene::load(&app.store, scope).await? else { return Ok(Step::Done(())) };
            match decide_carry(&scene.chain.value, successor, cause.actor) {
                Outcome::Changed(chain) => {
                    let mut tx = cause.transaction();
                    let event = Event::ChainCarried {
                        place: place(&chain),
                        approval_id: chain.approval_id.clone(),
                        scope_id: chain.id.clone(),
                    };
                    let stepped = Stepped::alone(chain, Progress::None);
                    scene.write(&mut tx, &stepped, &event).map_err(|refusal| refused(&refusal))?;
                    Ok(Step::Commit(tx, ()))
                }
                Outcome::AlreadyDone => Ok(Step::Done(())),
                Outcome::Refused(refusal) => Err(refused(&refusal)),
            }
        })
        .await
}

fn read(delivery: &Delivery<AuditEvent>) -> Result<Event, Failure> {
    Event::of(&delivery.envelope).map_err(|e| Failure::Poison(e.to_string()))
}

/// What cannot be carried out as decided is set aside, visibly; repeating it would not help.
fn refused(refusal: &Refusal) -> Failure {
    Failure::Poison(refusal.to_string())
}

fn note(text: &str) -> Result<Note, Failure> {
    text.parse().map_err(|_| Failure::Poison("the reason cannot be repeated".to_owned()))
}
