//! Writes what the check saw: the finding, and with it the task that repairs the role, in one transaction.

use contract::events::{Event, Place};
use domain::approval::ApprovalState;
use domain::chain::end::decide_fix_drift;
use domain::chain::issue::RoleTurn;
use domain::chain::{Chain, Progress, Stepped};
use domain::drift::{DriftFinding, DriftState, Seen, decide_check, decide_close};
use domain::ids::{DriftId, TaskId};
use domain::instructions::Drift;
use domain::outcome::{Outcome, Refusal};
use lambda::{Failure, Tick};
use store::{Step, Transaction};

use super::Checked;
use crate::App;
use crate::scene::{Scene, task_ref};

/// What recording came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) opened_task: bool,
}

/// A repair in the making: the chain as it was and as it will be.
struct Repair {
    scene: Scene,
    stepped: Stepped,
    task: TaskId,
}

/// Records what was seen of a role. Seeing the same again writes nothing, unless a repair can be opened only now.
pub(super) async fn seen(app: &App, tick: &Tick, checked: &Checked) -> Result<Recorded, Failure> {
    let Checked { role, anchor, seen, .. } = checked;
    app.store
        .decide(|| async {
            let before = app.store.load_drift_on_role(role).await?;
            let repair = match seen {
                Seen::Drifted(drift) => plan_repair(app, tick, checked, drift).await?,
                Seen::AsApproved | Seen::Unreadable(_) => None,
            };
            let known = before.as_ref().map(|b| &b.value);
            let task = repair.as_ref().map(|r| &r.task);
            let finding = match decide_check(known, role, anchor, seen, task, &tick.actor, tick.now) {
                Outcome::Changed(finding) => finding,
                Outcome::AlreadyDone => return Ok(Step::Done(Recorded { opened_task: false })),
                Outcome::Refused(refusal) => return Err(poison(&refusal)),
            };
            let mut tx = Transaction::new(&tick.actor, tick.now, &tick.request_id);
            match told(known, &finding) {
                Some(event) => tx.save(before.as_ref(), &finding, &event),
                None => tx.save_under(before.as_ref(), &finding),
            }
            if let Some(Repair { scene, stepped, task }) = &repair
                && let Some(opened) = stepped.chain.task(task)
            {
                let event = Event::TaskReady { task: task_ref(&stepped.chain, opened, &stepped.progress) };
                scene.write(&mut tx, stepped, &event).map_err(|refusal| poison(&refusal))?;
            }
            Ok(Step::Commit(tx, Recorded { opened_task: repair.is_some() }))
        })
        .await
}

/// Closes the finding on a role on which nothing is approved any more.
pub(super) async fn closed(app: &App, tick: &Tick, id: &DriftId) -> Result<(), Failure> {
    app.store
        .decide(|| async {
            let Some(before) = app.store.load::<DriftFinding>(id.as_str()).await? else { return Ok(Step::Done(())) };
            match decide_close(&before.value, &tick.actor, tick.now) {
                Outcome::Changed(finding) => {
                    let why = "no implemented scope is on the role any more";
                    let mut tx = Transaction::new(&tick.actor, tick.now, &tick.request_id).because(why);
                    tx.update(&before, &finding, &event_of(&finding));
                    Ok(Step::Commit(tx, ()))
                }
                Outcome::AlreadyDone => Ok(Step::Done(())),
                Outcome::Refused(refusal) => Err(poison(&refusal)),
            }
        })
        .await
}

/// The repair of a drifted role, if one can be opened now. While another policy task is open on the role, or its approval
/// is about to be replaced, there is none: putting that task's document may be the repair, and the next night knows.
async fn plan_repair(app: &App, tick: &Tick, checked: &Checked, drift: &Drift) -> Result<Option<Repair>, Failure> {
    let Some(scene) = Scene::load(&app.store, &checked.scope).await? else { return Ok(None) };
    if scene.turn() != RoleTurn::Free || scene.approval.value.state != ApprovalState::Active {
        return Ok(None);
    }
    let render = |chain: &Chain, kind| scene.render(chain, kind, Some(drift));
    let outcome = decide_fix_drift(&scene.chain.value, &scene.turn(), &render, &tick.actor, tick.now);
    match outcome {
        Outcome::Changed(stepped) => {
            let Progress::TaskReady(task) = stepped.progress.clone() else { return Ok(None) };
            Ok(Some(Repair { scene, stepped, task }))
        }
        Outcome::AlreadyDone => Ok(None),
        Outcome::Refused(refusal) => {
            // The finding stands without a task, and people are told of it all the same.
            tracing::error!(scope.id = %checked.scope, error = %refusal, "a repair cannot be written");
            Ok(None)
        }
    }
}

/// The event of a change; none if all that is new is the repair, which the task's own event tells.
fn told(before: Option<&DriftFinding>, finding: &DriftFinding) -> Option<Event> {
    let same =
        |b: &DriftFinding| b.state == finding.state && b.differences == finding.differences && b.why == finding.why;
    (!before.is_some_and(same)).then(|| event_of(finding))
}

fn event_of(finding: &DriftFinding) -> Event {
    let place = Place { space_id: finding.space_id.clone(), workload_id: finding.workload_id.clone() };
    let (drift_id, role_arn) = (finding.id.clone(), finding.role_arn.clone());
    match finding.state {
        DriftState::Drifted => {
            Event::DriftFound { place, drift_id, role_arn, differences: finding.differences.clone() }
        }
        DriftState::Unreadable => {
            Event::DriftUnreadable { place, drift_id, role_arn, why: finding.why.clone().unwrap_or_default() }
        }
        DriftState::Resolved => Event::DriftResolved { place, drift_id, role_arn },
    }
}

fn poison(refusal: &Refusal) -> Failure {
    Failure::Poison(refusal.to_string())
}
