//! The engineer's steps by API: start, complete, return, release; and the Lead's reissue.

use std::sync::Arc;

use contract::events::Event;
use domain::access::tasks::chain::issue::Onward;
use domain::access::tasks::chain::work::{
    Completion, decide_complete, decide_reissue, decide_release, decide_return, decide_start,
};
use domain::access::tasks::chain::{Chain, Progress, Stepped};
use domain::access::tasks::task::{Evidence, Task};
use domain::base::digest::Digest;
use domain::base::ids::TaskId;
use domain::base::outcome::Outcome;
use domain::base::text::Note;
use lambda::{Answer, Call, Nothing, Problem, Reason};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::App;
use crate::queue::TaskView;
use crate::scene::{Scene, ready, task_ref};
use crate::verify::verify;

/// What an engineer presents on completion.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CompletionFields {
    digest: Digest,
    #[serde(default)]
    evidence: Evidence,
}

pub(crate) async fn start(app: Arc<App>, call: Call<Nothing>) -> Result<Answer<TaskView>, Problem> {
    step(
        &app,
        &call,
        None,
        |scene, id| decide_start(&scene.chain.value, id, scene.standing(), &call.actor, call.now),
        |_, task, stepped| Event::TaskStarted { task: task_ref(&stepped.chain, task, &stepped.progress) },
    )
    .await
}

pub(crate) async fn complete(app: Arc<App>, call: Call<CompletionFields>) -> Result<Answer<TaskView>, Problem> {
    let id: TaskId = call.path.parse("id")?;
    let mode = app.store.settings_in_force().await?.0.verification;
    // Looked at once, before deciding: reading a live account takes seconds, and a lost race needs no second look.
    let verification = match Chain::id_of_task(&id) {
        Some(scope) => match app.store.load::<Chain>(&scope).await? {
            Some(chain) => verify(&app, &chain.value, &id, call.now).await,
            None => None,
        },
        None => None,
    };
    let (verification, map_found) = verification.unzip();
    let (digest, evidence) = (call.body.digest.clone(), call.body.evidence.clone());
    let completion = Completion { digest, evidence, verification, map_found: map_found.flatten() };
    step(
        &app,
        &call,
        None,
        |scene, id| {
            let render = |chain: &Chain, kind| scene.render(chain, kind, None);
            let turn = scene.turn();
            decide_complete(
                &scene.chain.value,
                id,
                scene.standing(),
                completion.clone(),
                mode,
                Onward { turn: &turn, render: &render },
                &call.actor,
                call.now,
            )
        },
        |scene, task, stepped| {
            let task = task_ref(&stepped.chain, task, &stepped.progress);
            let chain = &stepped.chain;
            match stepped.progress {
                Progress::Implemented => Event::ChainImplemented { task, anchors: scene.claimable(chain) },
                Progress::Revoked => Event::ChainRevoked {
                    place: chain.into(),
                    approval_id: chain.approval_id.clone(),
                    scope_id: chain.id.clone(),
                },
                _ => Event::TaskCompleted { task },
            }
        },
    )
    .await
}

pub(crate) async fn give_back(app: Arc<App>, call: Call<Reason>) -> Result<Answer<TaskView>, Problem> {
    let reason = call.body.reason.clone();
    step(
        &app,
        &call,
        Some(&reason),
        |scene, id| decide_return(&scene.chain.value, id, reason.clone(), &call.actor, call.now),
        |_, task, stepped| Event::TaskReturned {
            task: task_ref(&stepped.chain, task, &stepped.progress),
            reason: reason.as_str().to_owned(),
        },
    )
    .await
}

pub(crate) async fn release(app: Arc<App>, call: Call<Nothing>) -> Result<Answer<TaskView>, Problem> {
    step(
        &app,
        &call,
        None,
        |scene, id| decide_release(&scene.chain.value, id, &call.actor, call.now),
        |_, task, stepped| Event::TaskReleased { task: task_ref(&stepped.chain, task, &stepped.progress) },
    )
    .await
}

pub(crate) async fn reissue(app: Arc<App>, call: Call<Reason>) -> Result<Answer<TaskView>, Problem> {
    let reason = call.body.reason.clone();
    step(
        &app,
        &call,
        Some(&reason),
        |scene, id| {
            let render = |chain: &Chain, kind| scene.render(chain, kind, None);
            let turn = scene.turn();
            decide_reissue(
                &scene.chain.value,
                id,
                scene.standing(),
                reason.clone(),
                Onward { turn: &turn, render: &render },
                &call.actor,
                call.now,
            )
        },
        |_, task, stepped| {
            let mut task = task_ref(&stepped.chain, task, &stepped.progress);
            task.ready = ready(&stepped.progress);
            Event::TaskReissued { task }
        },
    )
    .await
}

/// One step on the task in the path: read the scene, decide, write, answer with the task as it is then.
async fn step<B: Sync>(
    app: &App,
    call: &Call<B>,
    why: Option<&Note>,
    decide: impl Fn(&Scene, &TaskId) -> Outcome<Stepped> + Send + Sync,
    event: impl Fn(&Scene, &Task, &Stepped) -> Event + Send + Sync,
) -> Result<Answer<TaskView>, Problem> {
    let id: TaskId = call.path.parse("id")?;
    let scope = Chain::id_of_task(&id).ok_or_else(Problem::not_found)?;
    call.transact(&app.store, || async {
        let scene = Scene::load(&app.store, &scope).await?.ok_or_else(Problem::not_found)?;
        let task = scene.chain.value.task(&id).ok_or_else(Problem::not_found)?;
        let stands = || Ok(TaskView::answer(&scene.chain.value, task));
        call.conclude(task.version, decide(&scene, &id), stands, |tx, stepped| {
            why.iter().for_each(|why| tx.because(why.as_str()));
            let after = stepped.chain.task(&id).ok_or_else(Problem::not_found)?;
            scene.write(tx, &stepped, &event(&scene, after, &stepped))?;
            scene.unless_people_changed(tx);
            Ok(TaskView::answer(&stepped.chain, after))
        })
    })
    .await
}
