//! What follows for owners from a Lead's action on a gap: a proposal to claim its anchor.

use std::sync::Arc;

use contract::events::Event as Happened;
use domain::audit::AuditEvent;
use domain::gap::{Gap, GapAction, GapEntry};
use domain::ids::ProposalId;
use domain::outcome::Outcome;
use domain::proposal::{Proposal, claimable, decide_propose_claim};
use domain::space::Workload;
use lambda::{Event, Failure};
use store::{Loaded, Step, StoreError, Transaction};

use crate::App;
use crate::access::place_of;

/// Consumes `gap.actioned`. The proposal's id follows from the gap and the action's place in its history, so that every
/// delivery makes the same one.
///
/// Done: another action; a gap that was closed meanwhile; one that nobody can claim. Retry: the store. Poison: an event,
/// gap or workload that is not there.
pub(crate) async fn propose_claim(app: Arc<App>, event: Event<AuditEvent>) -> Result<(), Failure> {
    let envelope = &event.envelope;
    let Happened::GapActioned { gap, .. } = Happened::of(envelope).map_err(|e| Failure::Poison(e.to_string()))? else {
        return Err(Failure::Poison(format!("event `{}` is no `gap.actioned`", envelope.id)));
    };
    if gap.action.as_deref() != Some(GapAction::ProposeClaim.as_str()) {
        return Ok(());
    }
    let id = ProposalId::derived(&format!("{}.{}", gap.gap_id.suffix(), envelope.sequence));
    app.store
        .decide(|| async {
            if app.store.load::<Proposal>(id.as_str()).await?.is_some() {
                return Ok(Step::Done(()));
            }
            let missing = |what: &str| Failure::Poison(format!("gap `{}` has no {what}", gap.gap_id));
            let loaded: Option<Loaded<Gap>> = app.store.load(gap.gap_id.as_str()).await?;
            let found = loaded.ok_or_else(|| missing("record"))?.value;
            let deed = deed_of(&found, envelope).ok_or_else(|| missing("such action"))?;
            let workload = workload_of(&app, &found, deed).await?.ok_or_else(|| missing("workload to propose to"))?;
            let anchor = match claimable(&found.about.anchor) {
                Some(reference) => Some(app.as_registered(reference).await?),
                None => None,
            };
            match decide_propose_claim(id.clone(), &found, deed, anchor, &workload, &event.actor, event.now) {
                Outcome::Changed(proposal) => {
                    let mut tx = Transaction::new(&event.actor, event.now, &event.request_id).because(proposal.note.as_str());
                    let made = Happened::ProposalMade { place: place_of(&workload), proposal_id: id.clone() };
                    tx.create(&proposal, &made);
                    Ok(Step::Commit(tx, ()))
                }
                Outcome::AlreadyDone => Ok(Step::Done(())),
                Outcome::Refused(refusal) => {
                    tracing::warn!(gap.id = %found.id, event.id = %envelope.id, why = %refusal, "no claim was proposed");
                    Ok(Step::Done(()))
                }
            }
        })
        .await
}

/// What the Lead did, as the gap's own history has it.
fn deed_of<'a>(gap: &'a Gap, envelope: &AuditEvent) -> Option<&'a GapEntry> {
    let is_it = |entry: &&GapEntry| entry.action == Some(GapAction::ProposeClaim) && entry.at <= envelope.at;
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
