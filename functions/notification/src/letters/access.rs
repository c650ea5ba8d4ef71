//! Letters about what is asked for: models to review, requests, proposals.

use contract::events::{Event, Place};
use domain::access::models::model::Model;
use domain::base::ids::{ProposalId, RequestId};
use domain::base::platform::ModelKey;

use super::{Addressed, Audience, Draft, model_name, workload_name};
use crate::known::Known;

pub(super) fn letter_of(event: &Event, known: &Known, why: Option<&str>) -> Option<Addressed> {
    match event {
        Event::ModelsAnnounced { model_keys } => new_models(model_keys, known),
        Event::RequestSubmitted { place, request_id, model_key } => {
            submitted(place, request_id, model_key.as_ref(), known, why)
        }
        Event::RequestApproved { place, request_id, approval_id } => {
            let what = "A FinOps Lead approved what you asked for. Cloud Engineers set it up now; you are told when \
                it is ready to claim.";
            Draft::new(format!("Request approved: {}", workload_name(known, place)), what)
                .place(known, place)
                .fact("Request", request_id.as_str())
                .fact("Approval", approval_id.as_str())
                .step("See what was approved", format!("GET /v1/approvals/{approval_id}"))
                .to(Audience::Owners)
        }
        Event::RequestRejected { place, request_id, reason } => {
            Draft::new(format!("Request rejected: {}", workload_name(known, place)), "What you asked for was rejected.")
                .place(known, place)
                .fact("Request", request_id.as_str())
                .fact("Reason", reason)
                .step("Read it", format!("GET /v1/requests/{request_id}"))
                .step("Ask for something else", "POST /v1/requests")
                .to(Audience::Owners)
        }
        Event::ProposalMade { place, proposal_id } => {
            let what = "A FinOps Lead proposes that this workload answers for spend. Nothing moves before you accept.";
            proposal(
                format!("Proposal to answer: {}", workload_name(known, place)),
                what,
                place,
                proposal_id,
                known,
                why,
            )
            .step("Accept it", format!("POST /v1/proposals/{proposal_id}/accept"))
            .step("Decline it", format!("POST /v1/proposals/{proposal_id}/decline"))
            .to(Audience::Owners)
        }
        Event::ProposalAccepted { place, proposal_id } => {
            let headline = format!("Proposal accepted: {}", workload_name(known, place));
            proposal(headline, "The owner answers for the spend.", place, proposal_id, known, why).to(Audience::Leads)
        }
        Event::ProposalDeclined { place, proposal_id } => {
            let headline = format!("Proposal declined: {}", workload_name(known, place));
            proposal(
                headline,
                "The owner does not answer for the spend; it stays a gap.",
                place,
                proposal_id,
                known,
                why,
            )
            .step("See the gaps", "GET /v1/gaps?state=actioned")
            .to(Audience::Leads)
        }
        _ => None,
    }
}

fn new_models(keys: &[ModelKey], known: &Known) -> Option<Addressed> {
    let shown = |model: &Model| {
        format!("{} by {} on {} ({})", model.name, model.vendor, model.platform.display_name(), model.model_key)
    };
    let headline = match (keys, known.models.as_slice()) {
        ([key], []) => format!("New model to review: {key}"),
        ([_], [model]) => format!("New model to review: {} on {}", model.name, model.platform.display_name()),
        _ => format!("{} new models to review", keys.len()),
    };
    let draft = Draft::new(
        headline,
        "Seen for the first time: it may be asked for, and not used before a FinOps Lead decides.",
    );
    let unread =
        keys.iter().filter(|key| known.models.iter().all(|model| model.model_key != **key)).map(ToString::to_string);
    let draft = known.models.iter().map(shown).chain(unread).fold(draft, |draft, model| draft.fact("Model", model));
    draft
        .step("List what is undecided", "GET /v1/models?decision=unreviewed")
        .step("Decide about one", "PUT /v1/models/{modelKey}/decision")
        .to(Audience::Leads)
}

fn submitted(
    place: &Place,
    request_id: &RequestId,
    model_key: Option<&ModelKey>,
    known: &Known,
    why: Option<&str>,
) -> Option<Addressed> {
    let what = match model_key {
        Some(_) => "A Product Owner asks for access to a model.",
        None => "A Product Owner needs a model and names none; the justification says what for.",
    };
    Draft::new(format!("Request to decide: {}", workload_name(known, place)), what)
        .place(known, place)
        .maybe("Model", model_key.map(|key| model_name(key, known)).as_deref())
        .fact("Request", request_id.as_str())
        .maybe("Justification", why)
        .step("Read it", format!("GET /v1/requests/{request_id}"))
        .step("Approve it", format!("POST /v1/requests/{request_id}/approve"))
        .step("Reject it", format!("POST /v1/requests/{request_id}/reject"))
        .to(Audience::Leads)
}

fn proposal(
    headline: String,
    what: &str,
    place: &Place,
    proposal_id: &ProposalId,
    known: &Known,
    why: Option<&str>,
) -> Draft {
    Draft::new(headline, what)
        .place(known, place)
        .fact("Proposal", proposal_id.as_str())
        .maybe("Note", why)
        .step("Read it", "GET /v1/proposals")
}
