//! What follows for owners from a Lead's action on a gap: a proposal to claim its anchor, or to ask for access.

use std::sync::Arc;

use contract::events::Event;
use domain::access::anchor::AnchorRef;
use domain::access::models::model::Model;
use domain::access::workloads::space::{Workload, WorkloadState};
use domain::base::audit::AuditEvent;
use domain::base::ids::ProposalId;
use domain::spend::gap::{Gap, GapAction, GapEntry, asked_model, is_asked_model};
use domain::spend::proposal::{Proposal, claimable, decide_propose_claim, decide_propose_request};
use lambda::{Cause, Failure, Heard};
use store::{Step, StoreError};

use crate::App;

/// The actions of a Lead that an owner is asked to follow.
const PUT_TO_OWNERS: [GapAction; 4] =
    [GapAction::ProposeClaim, GapAction::Approve, GapAction::AddScope, GapAction::RecommendDedicatedRole];

/// Consumes `gap.actioned`. The proposal's id follows from the gap and the action's place in its history, so that every
/// delivery makes the same one.
///
/// Done: an action that puts nothing to an owner, or names none, or one whose workload was retired meanwhile; a gap
/// that was closed meanwhile; one that nobody can claim or ask for. Retry: the store. Poison: an event, gap or
/// workload that is not there.
pub(crate) async fn propose(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let Event::GapActioned { gap, .. } = &heard.event else { return Err(heard.unexpected()) };
    let puts = |action: &GapAction| gap.action.as_deref() == Some(action.as_str());
    let Some(action) = PUT_TO_OWNERS.into_iter().find(puts) else { return Ok(()) };
    let id = ProposalId::derived(&format!("{}.{}", gap.gap_id.suffix(), heard.envelope.sequence));
    app.store
        .transact(|| async {
            if app.store.load::<Proposal>(&id).await?.is_some() {
                return Ok(Step::Done(()));
            }
            let missing = |what: &str| Failure::Poison(format!("gap `{}` has no {what}", gap.gap_id));
            let found = app.store.require::<Gap>(&gap.gap_id).await?.value;
            let deed = deed_of(&found, action, &heard.envelope).ok_or_else(|| missing("such action"))?;
            let workload = match workload_of(&app, &found, deed).await? {
                Some(workload) if workload.state == WorkloadState::Retired => {
                    tracing::warn!(
                        gap.id = %found.id, workload.id = %workload.id,
                        "its workload is retired: nothing was proposed"
                    );
                    return Ok(Step::Done(()));
                }
                Some(workload) => workload,
                // Whoever is to have a role of their own may not be known yet.
                None if action == GapAction::RecommendDedicatedRole => return Ok(Step::Done(())),
                None => return Err(missing("workload to propose to")),
            };
            let (id, Cause { actor, now, .. }) = (id.clone(), &heard.cause);
            let decided = match asked(&app, &found, deed).await? {
                Asked::Anchor(anchor) => decide_propose_claim(id, &found, deed, anchor, &workload, actor, *now),
                Asked::Access(model) => decide_propose_request(id, &found, deed, &workload, model.as_deref(), actor),
            };
            let proposal = match decided {
                Ok(proposal) => proposal,
                Err(refusal) => {
                    tracing::warn!(
                        gap.id = %found.id, event.id = %heard.envelope.id, why = %refusal,
                        "nothing was proposed"
                    );
                    return Ok(Step::Done(()));
                }
            };
            let mut tx = heard.cause.transaction();
            tx.because(proposal.note.as_str());
            let (place, proposal_id) = ((&workload).into(), proposal.id.clone());
            tx.create(&proposal, &Event::ProposalMade { place, proposal_id });
            Ok(Step::Commit(tx, ()))
        })
        .await
}

/// What the owner would be asked for, as the registers have it.
enum Asked {
    /// The anchor, to claim it; none where nobody can.
    Anchor(Option<AnchorRef>),
    /// Access to what the bill shows, to the model if the catalog has it.
    Access(Option<Box<Model>>),
}

async fn asked(app: &App, gap: &Gap, deed: &GapEntry) -> Result<Asked, StoreError> {
    if deed.action == Some(GapAction::ProposeClaim) {
        return Ok(Asked::Anchor(match claimable(&gap.about.anchor) {
            Some(reference) => Some(app.as_registered(reference).await?),
            None => None,
        }));
    }
    let named = deed.target.as_ref().and_then(|target| target.model_key.as_ref());
    let Some(key) = asked_model(gap, named) else { return Ok(Asked::Access(None)) };
    let found = app.store.load::<Model>(&key).await?.map(|loaded| loaded.value);
    Ok(Asked::Access(found.filter(|model| is_asked_model(gap, named, model)).map(Box::new)))
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
        Some(id) => Ok(app.store.load::<Workload>(id).await?.map(|loaded| loaded.value)),
    }
}
