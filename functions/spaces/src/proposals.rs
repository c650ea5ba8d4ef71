//! Proposals: a Lead proposes, an owner answers. Accepting a proposed claim makes it, and accepting a proposed request
//! submits it as the owner's own, in the same transaction; what an accepted re-attribution moves is for the cards' function, which hears of it.

use std::sync::Arc;

use contract::answers::Versioned;
use contract::events::{Event, Place};
use domain::access::anchor::{Anchor, AnchorRef, decide_claim_proposed};
use domain::access::decisions::approval::Approval;
use domain::access::decisions::request::{RequestFields, check_expanded, decide_submit};
use domain::access::workloads::space::Space;
use domain::base::ids::{ClaimId, ProposalId, RequestId, WorkloadId};
use domain::base::outcome::Outcome;
use domain::spend::proposal::{Proposal, ProposalState, Proposed, decide_answer};
use jiff::civil::Date;
use lambda::{Answer, Call, Nothing, Page, Problem, Sight, list_page};
use store::aggregates::proposal::{proposals_in, proposals_to};
use store::{Loaded, Order, Step, Transaction};

use crate::{App, claims};

type Shown = Answer<Versioned<Proposal>>;

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<Versioned<Proposal>>>, Problem> {
    let wanted: Option<ProposalState> = call.query.one_of("state")?;
    let workload: Option<WorkloadId> = call.query.maybe("workloadId")?;
    let sight = Sight::of(&app.store, &call).await?;
    let (index, partitions) = sight.listed(&app.store, workload.as_ref(), proposals_to, proposals_in(wanted)).await?;
    let asked = call.page()?;
    let page = list_page(&app.store, index, &partitions, Order::Ascending, &asked, |entry| {
        let proposal: Proposal = entry.read()?;
        let version = entry.version()?;
        let is_shown = sight.includes(&proposal.space_id) && wanted.is_none_or(|state| proposal.state == state);
        Ok(is_shown.then_some(Versioned { version, value: proposal }))
    });
    Ok(Answer::ok(page.await?))
}

pub(crate) async fn accept(app: Arc<App>, call: Call<Nothing>) -> Result<Shown, Problem> {
    let claim_id = ClaimId::new(call.now, app.ids.entropy());
    let request_id = RequestId::new(call.now, app.ids.entropy());
    app.store
        .decide(|| async {
            let (found, space) = proposal(&app, &call).await?;
            match decide_answer(&found.value, &space, true, &call.actor, call.now) {
                Outcome::Changed(accepted) => {
                    call.check_version(found.version)?;
                    let mut tx = call.transaction();
                    match &accepted.proposed {
                        Proposed::Claim { anchor, effective_from, .. } => {
                            let proposed = (&accepted, anchor, *effective_from);
                            claim_proposed(&app, &call, &mut tx, claim_id.clone(), &space, proposed).await?;
                        }
                        Proposed::Request { request, .. } => {
                            let asked = (request_id.clone(), request.as_ref().clone());
                            submit_proposed(&app, &call, &mut tx, &space, asked).await?;
                        }
                        // The cards' function hears of it.
                        Proposed::ReAttribute { .. } => {}
                    }
                    let event =
                        Event::ProposalAccepted { place: place_of(&accepted), proposal_id: accepted.id.clone() };
                    tx.update(&found, &accepted, &event);
                    Ok(call.commit(tx, shown(found.version + 1, accepted)))
                }
                Outcome::AlreadyDone => Ok(Step::Done(shown(found.version, found.value))),
                Outcome::Refused(refusal) => Err(refusal.into()),
            }
        })
        .await
}

pub(crate) async fn decline(app: Arc<App>, call: Call<Nothing>) -> Result<Shown, Problem> {
    app.store
        .decide(|| async {
            let (found, space) = proposal(&app, &call).await?;
            match decide_answer(&found.value, &space, false, &call.actor, call.now) {
                Outcome::Changed(declined) => {
                    call.check_version(found.version)?;
                    let mut tx = call.transaction();
                    let event =
                        Event::ProposalDeclined { place: place_of(&declined), proposal_id: declined.id.clone() };
                    tx.update(&found, &declined, &event);
                    Ok(call.commit(tx, shown(found.version + 1, declined)))
                }
                Outcome::AlreadyDone => Ok(Step::Done(shown(found.version, found.value))),
                Outcome::Refused(refusal) => Err(refusal.into()),
            }
        })
        .await
}

/// Adds the claim that was proposed, on the anchor's record, which is made if only the bill knew the anchor.
async fn claim_proposed(
    app: &App,
    call: &Call<Nothing>,
    tx: &mut Transaction,
    id: ClaimId,
    space: &Space,
    (proposal, wanted, from): (&Proposal, &AnchorRef, Date),
) -> Result<(), Problem> {
    let (workload, _) = app.workload(&proposal.workload_id).await?;
    let named = wanted.named()?;
    let found = app.find_anchor(&named).await?;
    let anchor = match &found {
        Some(found) => found.value.clone(),
        None => Anchor::found_in_bill(named.key_in_bill()?, wanted, &workload.value),
    };
    let reference = anchor.reference().ok_or_else(Problem::not_found)?;
    match decide_claim_proposed(&anchor, id, &workload.value, space, from, &call.actor, call.now) {
        Outcome::Changed((anchor, claim)) => {
            claims::leave_twins_alone(app, tx, &anchor, &claim).await?;
            claims::make(tx, found.as_ref(), &anchor, &claim, &reference);
        }
        Outcome::AlreadyDone => {}
        Outcome::Refused(refusal) => return Err(refusal.into()),
    }
    Ok(())
}

/// Adds the request that was proposed, submitted by the owner who accepts it.
async fn submit_proposed(
    app: &App,
    call: &Call<Nothing>,
    tx: &mut Transaction,
    space: &Space,
    (id, mut fields): (RequestId, RequestFields),
) -> Result<(), Problem> {
    let (workload, _) = app.workload(&fields.workload_id).await?;
    // The gap's Lead or the bill named it a while ago; it may have ended since, or never have been this workload's.
    if let Some(named) = fields.approval_id.clone() {
        let approval: Option<Loaded<Approval>> = app.store.load(named.as_str()).await?;
        fields.approval_id =
            check_expanded(&fields, approval.as_ref().map(|found| &found.value)).is_ok().then_some(named);
    }
    let seen = app.store.load_submission(space.clone(), workload, &fields).await?;
    match decide_submit(id, fields, &seen.context(), &call.actor, call.now) {
        Outcome::Changed(request) => {
            tx.submit_request(&seen, &request);
            Ok(())
        }
        Outcome::AlreadyDone => Ok(()),
        Outcome::Refused(refusal) => Err(refusal.into()),
    }
}

/// The proposal that the path names, with its Space; whether the caller owns that is for the decision to check.
async fn proposal(app: &App, call: &Call<Nothing>) -> Result<(Loaded<Proposal>, Space), Problem> {
    let id: ProposalId = call.path.parse("id")?;
    let found: Loaded<Proposal> = app.store.load(id.as_str()).await?.ok_or_else(Problem::not_found)?;
    let space = app.space(&found.value.space_id).await?.value;
    Ok((found, space))
}

fn place_of(proposal: &Proposal) -> Place {
    Place { space_id: proposal.space_id.clone(), workload_id: proposal.workload_id.clone() }
}

fn shown(version: u64, proposal: Proposal) -> Shown {
    Answer::ok(Versioned { version, value: proposal }).versioned(version)
}
