//! Proposals: a Lead proposes, an owner answers. Accepting a proposed claim makes it, and accepting a proposed
//! request submits it as the owner's own, in the same transaction; what an accepted re-attribution moves is for the
//! cards' function.

use std::sync::Arc;

use contract::answers::Versioned;
use contract::events::Event;
use domain::access::anchor::{Anchor, AnchorRef, Claim, decide_claim_proposed};
use domain::access::decisions::approval::Approval;
use domain::access::decisions::request::{Request, RequestFields, check_expanded, decide_submit};
use domain::access::workloads::space::{Space, Workload};
use domain::base::ids::{ClaimId, RequestId, WorkloadId};
use domain::base::outcome::Outcome;
use domain::spend::proposal::{Proposal, ProposalAnswer, ProposalState, Proposed, decide_answer};
use jiff::civil::Date;
use lambda::{Answer, Call, Nothing, Page, Problem, Sight};
use store::aggregates::proposal::{proposals_in, proposals_to};
use store::aggregates::request::Submission;
use store::{Loaded, Transaction};

use crate::{App, claims};

type Shown = Answer<Versioned<Proposal>>;

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<Versioned<Proposal>>>, Problem> {
    let wanted: Option<ProposalState> = call.query.one_of("state")?;
    let workload: Option<WorkloadId> = call.query.maybe("workloadId")?;
    let sight = Sight::of(&app.store, &call).await?;
    let (index, partitions) = sight.listed(&app.store, workload.as_ref(), proposals_to, proposals_in(wanted)).await?;
    call.list(&app.store, index, &partitions, |entry| {
        let found: Versioned<Proposal> = entry.versioned()?;
        let is_shown = sight.includes(&found.value.space_id) && wanted.is_none_or(|state| found.value.state == state);
        Ok(is_shown.then_some(found))
    })
    .await
}

pub(crate) async fn accept(app: Arc<App>, call: Call<Nothing>) -> Result<Shown, Problem> {
    let ids =
        Ids { claim: ClaimId::new(call.now, app.ids.entropy()), request: RequestId::new(call.now, app.ids.entropy()) };
    call.transact(&app.store, || async {
        let (found, space) = proposal(&app, &call).await?;
        let decided = decide_answer(&found.value, &space, ProposalAnswer::Accept, &call.actor, call.now);
        let follow_up = match &decided {
            Outcome::Changed(accepted) => follow_up_of(&app, &call, &ids, &space, accepted).await?,
            _ => FollowUp::Nothing,
        };
        let event = |tx: &mut Transaction, accepted: &Proposal| {
            follow_up.write(tx);
            Event::ProposalAccepted { place: accepted.into(), proposal_id: accepted.id.clone() }
        };
        call.change(&found, decided, event, Answer::at)
    })
    .await
}

pub(crate) async fn decline(app: Arc<App>, call: Call<Nothing>) -> Result<Shown, Problem> {
    call.transact(&app.store, || async {
        let (found, space) = proposal(&app, &call).await?;
        let decided = decide_answer(&found.value, &space, ProposalAnswer::Decline, &call.actor, call.now);
        let event = |_: &mut _, declined: &Proposal| Event::ProposalDeclined {
            place: declined.into(),
            proposal_id: declined.id.clone(),
        };
        call.change(&found, decided, event, Answer::at)
    })
    .await
}

/// The ids of what accepting may make: the same at every attempt.
struct Ids {
    claim: ClaimId,
    request: RequestId,
}

/// What accepting a proposal makes, in the same transaction.
enum FollowUp {
    /// A claim on the anchor's record, which is made if only the bill knew the anchor.
    Claim(Box<NewClaim>),
    /// A request, submitted by the owner who accepts.
    Request(Box<(Submission, Request)>),
    /// Nothing here: the claim is made already, or the cards' function moves the spend, which hears of it.
    Nothing,
}

struct NewClaim {
    found: Option<Loaded<Anchor>>,
    twins: Vec<Loaded<Anchor>>,
    anchor: Anchor,
    claim: Claim,
    reference: AnchorRef,
}

impl FollowUp {
    fn write(&self, tx: &mut Transaction) {
        match self {
            Self::Claim(made) => {
                let NewClaim { found, twins, anchor, claim, reference } = made.as_ref();
                twins.iter().for_each(|twin| tx.unless_changed(twin));
                claims::make(tx, found.as_ref(), anchor, claim, reference);
            }
            Self::Request(made) => {
                let (seen, request) = made.as_ref();
                let event = tx.guard_submission(seen, request);
                tx.create(request, &event);
            }
            Self::Nothing => {}
        }
    }
}

async fn follow_up_of(
    app: &App,
    call: &Call<Nothing>,
    ids: &Ids,
    space: &Space,
    accepted: &Proposal,
) -> Result<FollowUp, Problem> {
    match &accepted.proposed {
        Proposed::Claim { anchor, effective_from, .. } => {
            let (workload, _) = app.workload(&accepted.workload_id).await?;
            claim_to_make(app, call, ids.claim.clone(), space, &workload.value, (anchor, *effective_from)).await
        }
        Proposed::Request { request, .. } => {
            request_to_submit(app, call, ids.request.clone(), space, request.as_ref().clone()).await
        }
        Proposed::ReAttribute { .. } => Ok(FollowUp::Nothing),
    }
}

async fn claim_to_make(
    app: &App,
    call: &Call<Nothing>,
    id: ClaimId,
    space: &Space,
    workload: &Workload,
    (wanted, from): (&AnchorRef, Date),
) -> Result<FollowUp, Problem> {
    let named = wanted.named()?;
    let found = app.find_anchor(&named).await?;
    let anchor = match &found {
        Some(found) => found.value.clone(),
        None => Anchor::found_in_bill(named.key_in_bill()?, wanted, workload),
    };
    let reference = anchor.reference().ok_or_else(Problem::not_found)?;
    match decide_claim_proposed(&anchor, id, workload, space, from, &call.actor, call.now) {
        Outcome::Changed((anchor, claim)) => {
            let twins = claims::twins_to_guard(app, &anchor, &claim).await?;
            Ok(FollowUp::Claim(Box::new(NewClaim { found, twins, anchor, claim, reference })))
        }
        Outcome::AlreadyDone => Ok(FollowUp::Nothing),
        Outcome::Refused(refusal) => Err(refusal.into()),
    }
}

async fn request_to_submit(
    app: &App,
    call: &Call<Nothing>,
    id: RequestId,
    space: &Space,
    mut fields: RequestFields,
) -> Result<FollowUp, Problem> {
    let (workload, _) = app.workload(&fields.workload_id).await?;
    // The Lead who acted on the gap, or the bill, named the approval a while ago: it may have ended since, or be
    // another workload's.
    if let Some(named) = fields.approval_id.clone() {
        let approval: Option<Loaded<Approval>> = app.store.load(&named).await?;
        let expands = check_expanded(&fields, approval.as_ref().map(|found| &found.value)).is_ok();
        fields.approval_id = expands.then_some(named);
    }
    let seen = app.store.load_submission(space.clone(), workload, &fields).await?;
    let request = decide_submit(id, fields, &seen.context(), &call.actor, call.now)?;
    Ok(FollowUp::Request(Box::new((seen, request))))
}

/// The proposal that the path names, with its Space; whether the caller owns that is for the decision to check.
async fn proposal(app: &App, call: &Call<Nothing>) -> Result<(Loaded<Proposal>, Space), Problem> {
    let found = app.store.require::<Proposal>(&call.path.parse("id")?).await?;
    let space = app.space(&found.value.space_id).await?.value;
    Ok((found, space))
}
