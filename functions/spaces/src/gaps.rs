//! What follows for owners from a Lead's action on a gap: a proposal to claim its anchor, or to ask for access.

use std::sync::Arc;

use contract::events::Event as Happened;
use domain::access::models::model::Model;
use domain::access::workloads::space::{Workload, WorkloadState};
use domain::base::audit::AuditEvent;
use domain::base::ids::ProposalId;
use domain::base::outcome::Outcome;
use domain::spend::gap::{Gap, GapAction, GapEntry, asked_model, is_asked_model};
use domain::spend::proposal::{Proposal, claimable, decide_propose_claim, decide_propose_request};
use lambda::{Event, Failure};
use store::{Loaded, Step, StoreError, Transaction};

use crate::App;
use crate::access::place_of;

/// The actions of a Lead that an owner is asked to follow.
const PUT_TO_OWNERS: [GapAction; 4] =
    [GapAction::ProposeClaim, GapAction::Approve, GapAction::AddScope, GapAction::RecommendDedicatedRole];

/// Consumes `gap.actioned`. The proposal's id follows from the gap and the action's place in its history, so that every
/// delivery makes the same one.
///
/// Done: an action that puts nothing to an owner, or names none, or one whose workload was retired meanwhile; a gap that was
/// closed meanwhile; one that nobody can claim or ask for. Retry: the store. Poison: an event, gap or workload that is not there.
pub(crate) async fn propose(app: Arc<App>, event: Event<AuditEvent>) -> Result<(), Failure> {
    let envelope = &event.envelope;
    let Happened::GapActioned { gap, .. } = Happened::of(envelope).map_err(|e| Failure::Poison(e.to_string()))? else {
        return Err(Failure::Poison(format!("event `{}` is no `gap.actioned`", envelope.id)));
    };
    let puts = |action: &GapAction| gap.action.as_deref() == Some(action.as_str());
    let Some(action) = PUT_TO_OWNERS.into_iter().find(puts) else { return Ok(()) };
    let id = ProposalId::derived(&format!("{}.{}", gap.gap_id.suffix(), envelope.sequence));
    app.store
        .decide(|| async {
            if app.store.load::<Proposal>(id.as_str()).await?.is_some() {
                return Ok(Step::Done(()));
            }
            let missing = |what: &str| Failure::Poison(format!("gap `{}` has no {what}", gap.gap_id));
            let loaded: Option<Loaded<Gap>> = app.store.load(gap.gap_id.as_str()).await?;
            let found = loaded.ok_or_else(|| missing("record"))?.value;
            let deed = deed_of(&found, action, envelope).ok_or_else(|| missing("such action"))?;
            let workload = match workload_of(&app, &found, deed).await? {
                Some(workload) if workload.state == WorkloadState::Retired => {
                    tracing::warn!(gap.id = %found.id, workload.id = %workload.id, "its workload is retired: nothing was proposed");
                    return Ok(Step::Done(()));
                }
                Some(workload) => workload,
                // Whoever is to have a role of their own may not be known yet.
                None if action == GapAction::RecommendDedicatedRole => return Ok(Step::Done(())),
                None => return Err(missing("workload to propose to")),
            };
            match decided(&app, id.clone(), &found, deed, &workload, &event).await? {
                Outcome::Changed(proposal) => {
                    let mut tx =
                        Transaction::new(&event.actor, event.now, &event.request_id).because(proposal.note.as_str());
                    let made = Happened::ProposalMade { place: place_of(&workload), proposal_id: id.clone() };
                    tx.create(&proposal, &made);
                    Ok(Step::Commit(tx, ()))
                }
                Outcome::AlreadyDone => Ok(Step::Done(())),
                Outcome::Refused(refusal) => {
                    tracing::warn!(gap.id = %found.id, event.id = %envelope.id, why = %refusal, "nothing was proposed");
                    Ok(Step::Done(()))
                }
            }
        })
        .await
}

/// What the owner is asked: to claim the anchor, or to ask for access to what the bill shows.
async fn decided(
    app: &App,
    id: ProposalId,
    gap: &Gap,
    deed: &GapEntry,
    workload: &Workload,
    event: &Event<AuditEvent>,
) -> Result<Outcome<Proposal>, StoreError> {
    if deed.action == Some(GapAction::ProposeClaim) {
        let anchor = match claimable(&gap.about.anchor) {
            Some(reference) => Some(app.as_registered(reference).await?),
            None => None,
        };
        return Ok(decide_propose_claim(id, gap, deed, anchor, workload, &event.actor, event.now));
    }
    let named = deed.target.as_ref().and_then(|target| target.model_key.as_ref());
    let model = match asked_model(gap, named) {
        Some(key) => {
            let found = app.store.load::<Model>(key.as_str()).await?.map(|loaded| loaded.value);
            found.filter(|model| is_asked_model(gap, named, model))
        }
        None => None,
    };
    Ok(decide_propose_request(id, gap, deed, workload, model.as_ref(), &event.actor))
}

/// What the Lead did, as the gap's own history has it.
fn deed_of<'a>(gap: &'a Gap, action: GapAction, envelope: &AuditEvent) -> Option<&'a GapEntry> {
    let is_it = |entry: &&GapEntry| entry.action == Some(action) && entry.at <= envelope.at;
    gap.history.iter().rev().find(is_it)
}

/// The workload that the Lead named, or else the one that approvals suggest.
async fn workload_of(app: &App, gap: &Gap, deed: &GapEntry) -> Result<Option<Workload>, StoreError> {
    let named = deed.target.as_ref().and_then(|target| target.workload_id.as_ref());
    match named.or(gap.suggested_workload.as_ref()) {
        None => Ok(None),
        Some(id) => Ok(app.store.load::<Workload>(id.as_str()).await?.map(|loaded| loaded.value)),
    }
}
