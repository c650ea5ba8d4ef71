//! Writes what the check saw: the finding, and with it the task that repairs the role, in one transaction.

use contract::events::{Event, Place};
use domain::access::decisions::approval::ApprovalState;
use domain::access::drift::{DriftFinding, DriftState, Seen, decide_check, decide_close, is_noted};
use domain::access::tasks::chain::end::{decide_fix_drift, decide_refresh_repair, decide_withdraw_repair};
use domain::access::tasks::chain::issue::RoleTurn;
use domain::access::tasks::chain::{Chain, Progress, Stepped};
use domain::access::tasks::instructions::Drift;
use domain::access::tasks::migration::tag::MapFound;
use domain::access::tasks::migration::{decide_note, standing};
use domain::base::ids::{DriftId, ScopeId, TaskId};
use domain::base::outcome::Outcome;
use domain::base::text::Note;
use lambda::{Cause, Failure};
use store::{Step, Transaction};

use super::Checked;
use crate::App;
use crate::scene::{Scene, task_ref};

/// What recording came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) opened_task: bool,
}

/// What becomes of the repair: the chain as it was and as it will be.
struct Repair {
    scene: Scene,
    stepped: Stepped,
    task: TaskId,
    step: RepairStep,
}

/// Why the chain moves.
enum RepairStep {
    /// A task is opened.
    Open,
    /// One that nobody has begun is written anew: something else differs.
    Refresh,
    /// One that nobody has in hand is withdrawn: nothing differs any more.
    Withdraw(Note),
}

/// Records what was seen of a role. Seeing the same again writes nothing, unless a repair can be opened only now.
pub(super) async fn record_seen(app: &App, cause: &Cause, checked: &Checked) -> Result<Recorded, Failure> {
    let Checked { role, anchor, seen, .. } = checked;
    app.store
        .transact(|| async {
            let before = app.store.load_drift_on_role(role).await?;
            let known = before.as_ref().map(|b| &b.value);
            if !is_noted(known, seen, checked.scope.as_ref()) {
                return Ok(Step::Done(Recorded { opened_task: false }));
            }
            let repair = match seen {
                // Boxed: each renders a task, and this future would carry both.
                Seen::Drifted(drift) => match Box::pin(refreshed(app, cause, known, drift)).await? {
                    Some(refreshed) => Some(refreshed),
                    None => Box::pin(plan_repair(app, cause, checked, drift)).await?,
                },
                Seen::AsApproved => withdrawn(app, cause, known).await?,
                Seen::Unreadable { .. } => None,
            };
            let task = repair.as_ref().filter(|r| !matches!(r.step, RepairStep::Withdraw(_))).map(|r| &r.task);
            let finding = match decide_check(known, role, anchor, seen, task, &cause.actor, cause.now) {
                Outcome::Changed(finding) => finding,
                Outcome::AlreadyDone => return Ok(Step::Done(Recorded { opened_task: false })),
                Outcome::Refused(refusal) => return Err(refusal.into()),
            };
            let mut tx = cause.transaction();
            match event_of_change(known, &finding) {
                Some(event) => tx.save(before.as_ref(), &finding, &event),
                None => tx.save_under(before.as_ref(), &finding),
            }
            if let Some(repair) = &repair {
                repair.write(&mut tx)?;
            }
            let opened_task = repair.is_some_and(|r| matches!(r.step, RepairStep::Open));
            Ok(Step::Commit(tx, Recorded { opened_task }))
        })
        .await
}

/// Closes the finding on a role on which nothing is approved any more.
pub(super) async fn close_finding(app: &App, cause: &Cause, id: &DriftId) -> Result<bool, Failure> {
    app.store
        .transact(|| async {
            let Some(before) = app.store.load::<DriftFinding>(id).await? else { return Ok(Step::Done(false)) };
            let decided = decide_close(&before.value, &cause.actor, cause.now);
            Ok(cause.change(&before, decided, |tx, finding| {
                tx.because("no implemented scope is on the role any more");
                event_of(finding)
            })?)
        })
        .await
}

impl Repair {
    fn write(&self, tx: &mut Transaction) -> Result<(), Failure> {
        let Some(task) = self.stepped.chain.task(&self.task) else { return Ok(()) };
        let task = task_ref(&self.stepped.chain, task, &self.stepped.progress);
        let event = match &self.step {
            RepairStep::Open => Event::TaskReady { task },
            RepairStep::Refresh => Event::TaskRewritten { task },
            RepairStep::Withdraw(reason) => Event::TaskCancelled { task, reason: reason.as_str().to_owned() },
        };
        Ok(self.scene.write(tx, &self.stepped, &event)?)
    }
}

/// Notes what was found of the MAP tag on the scopes of a role.
pub(super) async fn map_tags(app: &App, cause: &Cause, checked: &Checked) -> Result<(), Failure> {
    for (scope, found) in &checked.map_found {
        note_map_tag(app, cause, scope, found).await?;
    }
    Ok(())
}

async fn note_map_tag(app: &App, cause: &Cause, scope: &ScopeId, found: &MapFound) -> Result<bool, Failure> {
    app.store
        .transact(|| async {
            let Some(before) = app.store.load::<Chain>(scope).await? else { return Ok(Step::Done(false)) };
            let decided = decide_note(&before.value, found, &cause.actor);
            Ok(cause.change(&before, decided, |_, chain| {
                let (approval_id, scope_id) = (chain.approval_id.clone(), chain.id.clone());
                Event::ChainMapChanged {
                    place: Place::from(chain),
                    approval_id,
                    scope_id,
                    state: standing(chain).state,
                }
            })?)
        })
        .await
}

/// The open repair written anew, if something else differs than when it was opened and nobody has begun it.
async fn refreshed(
    app: &App,
    cause: &Cause,
    known: Option<&DriftFinding>,
    drift: &Drift,
) -> Result<Option<Repair>, Failure> {
    let Some((scene, task)) = repair_of(app, known).await? else { return Ok(None) };
    let render = |chain: &Chain, kind| scene.render(chain, kind, Some(drift));
    match decide_refresh_repair(&scene.chain.value, &task, &render, &cause.actor, cause.now) {
        Outcome::Changed(stepped) => Ok(Some(Repair { scene, stepped, task, step: RepairStep::Refresh })),
        Outcome::AlreadyDone => Ok(None),
        Outcome::Refused(refusal) => {
            tracing::error!(task.id = %task, error = %refusal, "a repair cannot be written anew");
            Ok(None)
        }
    }
}

/// The open repair withdrawn, if nobody has it in hand.
async fn withdrawn(app: &App, cause: &Cause, known: Option<&DriftFinding>) -> Result<Option<Repair>, Failure> {
    let Some((scene, task)) = repair_of(app, known).await? else { return Ok(None) };
    let reason: Note = "the live role is what was approved again"
        .parse()
        .map_err(|_| Failure::Poison("the reason of a withdrawal is no note".to_owned()))?;
    match decide_withdraw_repair(&scene.chain.value, &task, &reason, &cause.actor, cause.now) {
        Outcome::Changed(stepped) => Ok(Some(Repair { scene, stepped, task, step: RepairStep::Withdraw(reason) })),
        Outcome::AlreadyDone => Ok(None),
        Outcome::Refused(refusal) => Err(refusal.into()),
    }
}

/// The repair that an open finding names, in its surroundings.
async fn repair_of(app: &App, known: Option<&DriftFinding>) -> Result<Option<(Scene, TaskId)>, Failure> {
    let open = known.filter(|finding| finding.state == DriftState::Drifted);
    let Some(task) = open.and_then(|finding| finding.task_id.clone()) else { return Ok(None) };
    let Some(scope) = Chain::id_of_task(&task) else { return Ok(None) };
    Ok(Scene::load(&app.store, &scope).await?.map(|scene| (scene, task)))
}

/// The repair of a drifted role, if one can be opened now. While another policy task is open on the role, or its
/// approval is about to be replaced, there is none: putting that task's document may be the repair, and the next
/// night knows.
async fn plan_repair(app: &App, cause: &Cause, checked: &Checked, drift: &Drift) -> Result<Option<Repair>, Failure> {
    let Some(scope) = &checked.scope else { return Ok(None) };
    let Some(scene) = Scene::load(&app.store, scope).await? else { return Ok(None) };
    if scene.turn() != RoleTurn::Free || scene.approval.value.state != ApprovalState::Active {
        return Ok(None);
    }
    let render = |chain: &Chain, kind| scene.render(chain, kind, Some(drift));
    let outcome = decide_fix_drift(&scene.chain.value, &scene.turn(), &render, &cause.actor, cause.now);
    match outcome {
        Outcome::Changed(stepped) => {
            let Progress::TaskReady(task) = stepped.progress.clone() else { return Ok(None) };
            Ok(Some(Repair { scene, stepped, task, step: RepairStep::Open }))
        }
        Outcome::AlreadyDone => Ok(None),
        Outcome::Refused(refusal) => {
            // The finding stands without a task, and people are told of it all the same.
            tracing::error!(scope.id = %scope, error = %refusal, "a repair cannot be written");
            Ok(None)
        }
    }
}

/// The event of a change; none if all that is new is the repair, which the task's own event tells.
fn event_of_change(before: Option<&DriftFinding>, finding: &DriftFinding) -> Option<Event> {
    let same =
        |b: &DriftFinding| b.state == finding.state && b.differences == finding.differences && b.why == finding.why;
    (!before.is_some_and(same)).then(|| event_of(finding))
}

fn event_of(finding: &DriftFinding) -> Event {
    let place = Place::from(finding);
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
