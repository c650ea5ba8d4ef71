//! Whose turn it is on a role: when one policy task ends, the one that waited longest becomes ready, its document made then.

use std::sync::Arc;

use contract::events::Event;
use domain::access::tasks::chain::Chain;
use domain::access::tasks::chain::issue::decide_take_role;
use domain::base::audit::AuditEvent;
use domain::base::ids::ScopeId;
use domain::base::outcome::Outcome;
use lambda::{Event as Delivery, Failure};
use store::{Step, Transaction};

use crate::App;
use crate::scene::{Scene, task_ref};

/// Gives the role of the scope that moved to the task that waits for it, if it is free now.
pub(crate) async fn next(app: Arc<App>, delivery: Delivery<AuditEvent>) -> Result<(), Failure> {
    let event = Event::of(&delivery.envelope).map_err(|e| Failure::Poison(e.to_string()))?;
    let moved = match event {
        Event::TaskCompleted { task }
        | Event::TaskReturned { task, .. }
        | Event::TaskCancelled { task, .. }
        | Event::ChainImplemented { task, .. } => task.scope_id,
        Event::ChainEnding { scope_id, .. } | Event::ChainRevoked { scope_id, .. } => scope_id,
        _ => return Ok(()),
    };
    app.store
        .decide(|| async {
            let Some(scene) = Scene::load(&app.store, &moved).await? else { return Ok(Step::Done(())) };
            let Some(waiting) = scene.role().next_in_turn().cloned() else { return Ok(Step::Done(())) };
            let Some(scope) = Chain::id_of_task(&waiting) else { return Ok(Step::Done(())) };
            take(&app, &delivery, &scope, &waiting).await
        })
        .await
}

async fn take(
    app: &App,
    delivery: &Delivery<AuditEvent>,
    scope: &ScopeId,
    waiting: &domain::base::ids::TaskId,
) -> Result<Step<()>, Failure> {
    let Some(scene) = Scene::load(&app.store, scope).await? else { return Ok(Step::Done(())) };
    // The role may have been given away since the turn was seen; only what this scene says is guarded by the commit.
    if scene.role().next_in_turn() != Some(waiting) {
        return Ok(Step::Done(()));
    }
    let render = |chain: &Chain, kind| scene.render(chain, kind, None);
    match decide_take_role(&scene.chain.value, waiting, &render, &delivery.actor, delivery.now) {
        Outcome::Changed(stepped) => {
            let Some(task) = stepped.chain.task(waiting) else { return Ok(Step::Done(())) };
            let event = Event::TaskReady { task: task_ref(&stepped.chain, task, &stepped.progress) };
            let mut tx = Transaction::new(&delivery.actor, delivery.now, &delivery.request_id);
            scene.write(&mut tx, &stepped, &event).map_err(|r| Failure::Poison(r.to_string()))?;
            Ok(Step::Commit(tx, ()))
        }
        Outcome::AlreadyDone => Ok(Step::Done(())),
        Outcome::Refused(refusal) => Err(Failure::Poison(refusal.to_string())),
    }
}
