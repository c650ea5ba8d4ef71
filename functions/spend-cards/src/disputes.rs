//! Deciding disputes. A decision is applied at once: the card is generated anew with it and frozen; a re-attribution
//! waits for the other owner, whose answer settles it. What a decision moves follows from the card, see
//! `domain::spend::card::Transfer`.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::events::{CardRef, Event};
use domain::access::workloads::space::Workload;
use domain::base::ids::{ProposalId, SpaceId};
use domain::base::outcome::Outcome;
use domain::base::text::Note;
use domain::spend::card::{
    AdjustmentReason, CardFigures, CardKind, Decision, ResolutionTarget, Resolve, SpendCard, Transfer, decide_resolve,
    plan_figures, proposal_of, settle_resolution,
};
use domain::spend::proposal::{Proposal, ProposalState, Proposed};
use jiff::Timestamp;
use lambda::{Answer, Call, Cause, Failure, Heard, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use store::aggregates::estimate::versions;
use store::{Loaded, Step, StoreError};

use crate::App;
use crate::bill::Claims;
use crate::cards::answer;

/// A Lead's decision.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResolveFields {
    /// What.
    decision: Decision,
    /// To whom, and from which day on; for a re-attribution.
    #[serde(default)]
    target: Option<ResolutionTarget>,
    /// Why.
    reason: Note,
}

pub(crate) async fn resolve(app: Arc<App>, call: Call<ResolveFields>) -> Result<Answer<SpendCard>, Problem> {
    let proposal_id = ProposalId::new(call.now, app.ids.entropy());
    let ResolveFields { decision, target, reason } = call.body.clone();
    call.transact(&app.store, || async {
        let (found, space) = app.card(&call).await?;
        let moved = Transfer::wanted(&found.value, decision, target.as_ref());
        let figures = figures_after(&app, &found.value, moved, call.now).await?;
        let command = Resolve { decision, target: target.clone(), reason: reason.clone() };
        let relations = space.relations(&call.actor);
        let decided = decide_resolve(&found.value, command, figures, &call.actor, relations, call.now);
        let proposal = match &decided {
            Outcome::Changed(card) => propose(&app, card, &proposal_id).await?,
            _ => None,
        };
        let stands = || Ok(answer(found.value.clone()));
        call.conclude(found.version, decided, stands, |tx, card| {
            tx.because(reason.as_str());
            match &proposal {
                Some(proposal) => {
                    let (place, proposal_id) = (proposal.into(), proposal.id.clone());
                    tx.create(proposal, &Event::ProposalMade { place, proposal_id });
                    tx.update_under(&found, &card);
                }
                None => tx.update(&found, &card, &resolved(&card, decision)),
            }
            Ok(answer(card))
        })
    })
    .await
}

/// Consumes `proposal.accepted` and `proposal.declined`.
///
/// Done: proposals that are no re-attribution, and answers that no card waits for any more. Retry: the store. Poison:
/// an event, proposal or card that is not there.
pub(crate) async fn settle(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let (Event::ProposalAccepted { proposal_id, .. } | Event::ProposalDeclined { proposal_id, .. }) = &heard.event
    else {
        return Err(heard.unexpected());
    };
    let Cause { actor, now, .. } = &heard.cause;
    let proposal = app.store.require::<Proposal>(proposal_id).await?.value;
    let Proposed::ReAttribute { card_id, .. } = &proposal.proposed else { return Ok(()) };
    let is_accepted = proposal.state == ProposalState::Accepted;
    let settled = app.store.transact(|| async {
        let found = app.store.require::<SpendCard>(card_id).await?;
        let card = &found.value;
        let Some(waiting) = card.resolution.as_ref().filter(|_| card.awaits(&proposal)) else {
            return Ok::<_, Failure>(Step::Done(false));
        };
        let moved = Transfer::wanted(card, waiting.decision, waiting.target.as_ref()).filter(|_| is_accepted);
        let figures = figures_after(&app, card, moved, *now).await?;
        let decided = settle_resolution(card, is_accepted, figures, actor, *now);
        Ok(heard.cause.save(Some(&found), decided.changed(), |_, card| match is_accepted {
            true => resolved(card, Decision::ReAttribute),
            false => declined(card, &proposal),
        }))
    });
    settled.await.map(drop)
}

fn resolved(card: &SpendCard, decision: Decision) -> Event {
    Event::CardResolved { card: CardRef::of(card), decision: decision.as_str().to_owned() }
}

/// A declined re-attribution leaves the card disputed as before: a Lead decides again.
fn declined(card: &SpendCard, proposal: &Proposal) -> Event {
    let reason = format!("the owner of `{}` declined to take the spend over; decide again", proposal.workload_id);
    Event::CardDisputed { card: CardRef::of(card), reason }
}

/// The proposal to the other owner, if the card waits for one.
async fn propose(app: &App, card: &SpendCard, id: &ProposalId) -> Result<Option<Proposal>, Problem> {
    let Some(waiting) = card.resolution.as_ref().filter(|resolution| resolution.awaits_owner) else { return Ok(None) };
    Ok(proposal_of(card, id.clone(), space_of(app, waiting.target.as_ref()).await?))
}

async fn space_of(app: &App, target: Option<&ResolutionTarget>) -> Result<SpaceId, Problem> {
    let unknown = || Problem::invalid("`target.workloadId` names no workload; copy the id from GET /v1/workloads");
    let id = &target.ok_or_else(unknown)?.workload_id;
    let workload: Option<Loaded<Workload>> = app.store.load(id).await?;
    Ok(workload.ok_or_else(unknown)?.value.space_id)
}

/// What a card says once `moved` has left it, with the bill, claims and estimates as they are now. Adjustment cards,
/// and cards whose month is not at hand, say what they said.
async fn figures_after(
    app: &App,
    card: &SpendCard,
    moved: Option<Transfer>,
    now: Timestamp,
) -> Result<CardFigures, StoreError> {
    let workload: Option<Loaded<Workload>> = app.store.load(&card.workload_id).await?;
    let bill = app.read_bill(&BTreeSet::from([card.period.month()]), moved).await?;
    let (Some(workload), CardKind::Period, false) = (workload, card.kind, bill.deliveries.is_empty()) else {
        return Ok(card.figures.clone());
    };
    let estimates = app.store.load_estimates(&card.workload_id).await?;
    let claims = Claims::of(app.store.list_anchors().await?);
    let facts = bill.facts_of(&card.workload_id);
    let reason = AdjustmentReason::Reattributed;
    let inputs = bill.inputs(&workload.value, &facts, versions(estimates.as_ref()), &claims, now, reason);
    let before = card.figures.previous.as_ref().map(|trend| (trend.period, trend.actual.amount));
    Ok(plan_figures(&inputs, card.period, before, card.figures.adjustments.clone()))
}
