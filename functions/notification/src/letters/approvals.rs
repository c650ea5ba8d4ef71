//! Letters about approvals: broken glass, and everything that ends one.

use contract::events::{Event, Place};
use domain::base::ids::ApprovalId;
use domain::base::platform::ModelKey;

use super::{Addressed, Audience, Draft, model_name, workload_name};
use crate::known::Known;

pub(super) fn letter_of(event: &Event, known: &Known, why: Option<&str>) -> Option<Addressed> {
    match event {
        Event::ApprovalDecided { place, approval_id, model_key, break_glass: true, .. } => {
            broken_glass(place, approval_id, model_key, known, why)
        }
        Event::ApprovalExpiring { place, approval_id, expires_at, days_left } => {
            let when = match days_left {
                0 => "today".to_owned(),
                1 => "in 1 day".to_owned(),
                days => format!("in {days} days"),
            };
            let what = "What was approved ends then, and a Cloud Engineer takes the access away.";
            ending(format!("Approval ends {when}: {}", workload_name(known, place)), what, place, approval_id, known)
                .fact("Ends at", expires_at.to_string())
                .step("Ask for it to go on", "POST /v1/requests")
                .to(Audience::OwnersAndLeads)
        }
        Event::ApprovalRevoked { place, approval_id, reason } => {
            let what = "A FinOps Lead took the approval back. What was set up is taken away; late spend still \
                follows the claim.";
            ending(format!("Approval revoked: {}", workload_name(known, place)), what, place, approval_id, known)
                .fact("Reason", reason)
                .to(Audience::OwnersAndLeads)
        }
        Event::ApprovalExpired { place, approval_id } => {
            let what =
                "The approval's time is over. What was set up is taken away; late spend still follows the claim.";
            ending(format!("Approval expired: {}", workload_name(known, place)), what, place, approval_id, known)
                .step("Ask for it anew", "POST /v1/requests")
                .to(Audience::OwnersAndLeads)
        }
        _ => None,
    }
}

fn broken_glass(
    place: &Place,
    approval_id: &ApprovalId,
    model_key: &ModelKey,
    known: &Known,
    why: Option<&str>,
) -> Option<Addressed> {
    let what = "A FinOps Lead approved this without a request, because it could not wait. It ends within 24 hours, \
        and another Lead reviews it.";
    Draft::new(format!("Break-glass approval: {}", workload_name(known, place)), what)
        .place(known, place)
        .fact("Model", model_name(model_key, known))
        .fact("Approval", approval_id.as_str())
        .maybe("Reason", why)
        .step("Read it", format!("GET /v1/approvals/{approval_id}"))
        .step("Review it, as another Lead", format!("POST /v1/approvals/{approval_id}/review"))
        .step("Take it back", format!("POST /v1/approvals/{approval_id}/revoke"))
        .to(Audience::Leads)
}

fn ending(headline: String, what: &str, place: &Place, approval_id: &ApprovalId, known: &Known) -> Draft {
    Draft::new(headline, what)
        .place(known, place)
        .fact("Approval", approval_id.as_str())
        .step("Read it", format!("GET /v1/approvals/{approval_id}"))
}
