//! What follows from decisions, scope by scope: issuing, carrying over, ending. Each scope is a transaction of its
//! own, so that a delivery which dies half-way is resumed by its repetition.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::events::{Event, Place};
use domain::access::decisions::approval::{Approval, ApprovalState};
use domain::access::models::model::{Model, ModelDecision};
use domain::access::tasks::chain::end::{decide_carry, decide_end};
use domain::access::tasks::chain::issue::decide_issue;
use domain::access::tasks::chain::{Chain, Progress, ScopeState, Stepped};
use domain::base::ids::ScopeId;
use domain::base::outcome::{Outcome, RefusalKind};
use domain::base::text::Note;
use lambda::{Cause, Failure, Heard, Tried};
use store::aggregates::chain::scopes_of;
use store::{Index, Step};

use crate::App;
use crate::scene::{Scene, ready, task_ref};

pub(crate) async fn of_decision(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let (Event::ApprovalDecided { scope_ids, .. } | Event::ApprovalEffective { scope_ids, .. }) = &heard.event else {
        return Err(heard.unexpected());
    };
    let mut tried = Tried::default();
    for scope in scope_ids {
        tried.note(issue_scope(&app, &heard.cause, scope).await);
    }
    tried.outcome()
}

pub(crate) async fn of_supersession(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let Event::ApprovalSuperseded { approval_id, by, .. } = &heard.event else { return Err(heard.unexpected()) };
    let (Some(old), Some(new)) =
        (app.store.load::<Approval>(approval_id).await?, app.store.load::<Approval>(by).await?)
    else {
        return Ok(());
    };
    let carried: BTreeSet<&ScopeId> = new.value.scopes.iter().filter(|s| s.carried).map(|s| &s.id).collect();
    let reason = note(&format!("superseded by approval {by}"))?;
    let mut tried = Tried::default();
    for scope in &old.value.scopes {
        if carried.contains(&scope.id) {
            tried.note(carry_scope(&app, &heard.cause, &scope.id, &new.value).await);
        } else {
            tried.note(end_scope(&app, &heard.cause, &scope.id, &reason).await);
        }
    }
    tried.outcome()
}

/// An approval was revoked or expired: all of its scopes end.
pub(crate) async fn of_end(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let (approval_id, reason) = match &heard.event {
        Event::ApprovalRevoked { approval_id, reason, .. } => (approval_id, reason.as_str()),
        Event::ApprovalExpired { approval_id, .. } => (approval_id, "the approval expired"),
        _ => return Err(heard.unexpected()),
    };
    let Some(approval) = app.store.load::<Approval>(approval_id).await? else { return Ok(()) };
    let reason = note(reason)?;
    let mut tried = Tried::default();
    for scope in &approval.value.scopes {
        tried.note(end_scope(&app, &heard.cause, &scope.id, &reason).await);
    }
    tried.outcome()
}

/// A model was restricted: scopes that no longer conform end, the others stay. A block ends whole approvals.
pub(crate) async fn of_model_decision(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let Event::ModelDecided { model_key, .. } = &heard.event else { return Err(heard.unexpected()) };
    let Some(model) = app.store.load::<Model>(model_key).await? else { return Ok(()) };
    let mut tried = Tried::default();
    enforce(&app, &heard.cause, &model.value, &mut tried).await?;
    tried.outcome()
}

/// Ends once more what restrictions end: the index may not have named a scope that was decided just before its model
/// was.
pub(crate) async fn end_restricted(app: &App, cause: &Cause, tried: &mut Tried) -> Result<(), Failure> {
    for row in app.store.list_models().await? {
        enforce(app, cause, &row.model, tried).await?;
    }
    Ok(())
}

async fn enforce(app: &App, cause: &Cause, model: &Model, tried: &mut Tried) -> Result<(), Failure> {
    let (ModelDecision::Restricted, Some(restriction)) = (model.decision, &model.restriction) else {
        return Ok(());
    };
    let reason = note("the model is restricted, and this scope lies outside the restriction")?;
    for entry in app.store.list_all(Index::Parent, &[scopes_of(&model.model_key)]).await? {
        let Ok(chain) = entry.read::<Chain>() else { continue };
        if matches!(chain.state, ScopeState::PendingRevocation | ScopeState::Revoked) {
            continue;
        }
        let Some(approval) = app.store.load::<Approval>(&chain.approval_id).await? else { continue };
        let fits = approval.value.conforms_to(restriction, &chain.spec.account_id, &chain.spec.region);
        if fits.is_err() {
            tried.note(end_scope(app, cause, &chain.id, &reason).await);
        }
    }
    Ok(())
}

async fn issue_scope(app: &App, cause: &Cause, scope: &ScopeId) -> Result<(), Failure> {
    app.store
        .transact(|| async {
            let Some(scene) = Scene::load(&app.store, scope).await? else { return Ok(Step::Done(())) };
            if scene.approval.value.state != ApprovalState::Active {
                return Ok(Step::Done(()));
            }
            let render = |chain: &Chain, kind| scene.render(chain, kind, None);
            let decided = decide_issue(&scene.chain.value, &scene.turn(), &render, &cause.actor, cause.now);
            // Not effective yet: the event of that day issues it.
            if matches!(&decided, Outcome::Refused(refusal) if refusal.kind == RefusalKind::WrongState) {
                return Ok(Step::Done(()));
            }
            scene.step(cause, decided, |_, stepped| {
                let first = stepped.chain.tasks.iter().find(|t| t.sequence == 1 && !t.state.is_terminal())?;
                Some(Event::ChainIssued { task: task_ref(&stepped.chain, first, &stepped.progress) })
            })
        })
        .await
}

async fn end_scope(app: &App, cause: &Cause, scope: &ScopeId, reason: &Note) -> Result<(), Failure> {
    app.store
        .transact(|| async {
            let Some(scene) = Scene::load(&app.store, scope).await? else { return Ok(Step::Done(())) };
            let render = |chain: &Chain, kind| scene.render(chain, kind, None);
            let decided = decide_end(&scene.chain.value, reason, &scene.turn(), &render, &cause.actor, cause.now);
            scene.step(cause, decided, |tx, stepped| {
                tx.because(reason.as_str());
                let chain = &stepped.chain;
                let (place, approval_id, scope_id) = (Place::from(chain), chain.approval_id.clone(), chain.id.clone());
                let (ready, reason) = (ready(&stepped.progress), reason.as_str().to_owned());
                Some(match stepped.progress {
                    Progress::Revoked => Event::ChainRevoked { place, approval_id, scope_id },
                    _ => Event::ChainEnding { place, approval_id, scope_id, ready, reason },
                })
            })
        })
        .await
}

async fn carry_scope(app: &App, cause: &Cause, scope: &ScopeId, successor: &Approval) -> Result<(), Failure> {
    app.store
        .transact(|| async {
            let Some(scene) = Scene::load(&app.store, scope).await? else { return Ok(Step::Done(())) };
            let decided = decide_carry(&scene.chain.value, successor, &cause.actor);
            let stepped = decided.map(|chain| Stepped::alone(chain, Progress::None));
            scene.step(cause, stepped, |_, stepped| {
                let chain = &stepped.chain;
                let (place, approval_id, scope_id) = (Place::from(chain), chain.approval_id.clone(), chain.id.clone());
                Some(Event::ChainCarried { place, approval_id, scope_id })
            })
        })
        .await
}

fn note(text: &str) -> Result<Note, Failure> {
    text.parse().map_err(|_| Failure::Poison("the reason cannot be repeated".to_owned()))
}
