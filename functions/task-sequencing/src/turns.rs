//! Whose turn it is on a role: when one policy task ends, the one that waited longest becomes ready, its document
//! made then.

use std::sync::Arc;

use contract::events::Event;
use domain::access::tasks::chain::Chain;
use domain::access::tasks::chain::issue::decide_take_role;
use domain::base::ids::{ScopeId, TaskId};
use lambda::{Cause, Failure, Heard};
use store::Step;

use crate::App;
use crate::scene::{Scene, task_ref};

/// Gives the role of the scope that moved to the task that waits for it, if it is free now.
pub(crate) async fn give_role_to_next(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let moved = match &heard.event {
        Event::TaskCompleted { task }
        | Event::TaskReturned { task, .. }
        | Event::TaskCancelled { task, .. }
        | Event::ChainImplemented { task, .. } => &task.scope_id,
        Event::ChainEnding { scope_id, .. } | Event::ChainRevoked { scope_id, .. } => scope_id,
        _ => return Err(heard.unexpected()),
    };
    app.store
        .transact(|| async {
            let Some(scene) = Scene::load(&app.store, moved).await? else { return Ok(Step::Done(())) };
            let Some(waiting) = scene.role().next_in_turn().cloned() else { return Ok(Step::Done(())) };
            let Some(scope) = Chain::id_of_task(&waiting) else { return Ok(Step::Done(())) };
            take_role(&app, &heard.cause, &scope, &waiting).await
        })
        .await
}

async fn take_role(app: &App, cause: &Cause, scope: &ScopeId, waiting: &TaskId) -> Result<Step<()>, Failure> {
    let Some(scene) = Scene::load(&app.store, scope).await? else { return Ok(Step::Done(())) };
    // The role may have been given away since the turn was seen; only what this scene says is guarded by the commit.
    if scene.role().next_in_turn() != Some(waiting) {
        return Ok(Step::Done(()));
    }
    let render = |chain: &Chain, kind| scene.render(chain, kind, None);
    let decided = decide_take_role(&scene.chain.value, waiting, &render, &cause.actor, cause.now);
    scene.step(cause, decided, |_, stepped| {
        let task = stepped.chain.task(waiting)?;
        Some(Event::TaskReady { task: task_ref(&stepped.chain, task, &stepped.progress) })
    })
}
