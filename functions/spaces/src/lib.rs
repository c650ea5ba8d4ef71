//! The Product Owner's function: what an owner has, expects, and answers for.
//!
//! `spaces` and `workloads` are what there is to govern, `estimates` what it is expected to cost. `anchors` are what
//! its use is known by on the bill; an owner claims one in `claims`, or answers what a Lead proposed in `proposals`,
//! where `gaps` put it. `handoff` gives a workload's developers what they need to call what was approved.
//!
//! It makes no anchor ready to claim: that is part of the very step that completes a chain. What it alone writes of an
//! anchor is who claims it. Begin with [`function`], which lists the routes; the rules are in `domain::access`.

mod access;
mod anchors;
mod claims;
mod estimates;
mod gaps;
mod handoff;
mod proposals;
mod spaces;
mod workloads;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use contract::events::EventType;
use domain::base::authorization::Action;
use lambda::{Function, Host, Ids};
use store::Store;

/// What the handlers share.
#[derive(Debug)]
pub struct App {
    pub(crate) store: Store,
    pub(crate) ids: Ids,
}

/// The function, with its routes and triggers.
///
/// # Errors
/// When `GOVERNANCE_TABLE` is not set.
pub fn function(host: Host) -> anyhow::Result<Function> {
    let client = Client::new(&host.aws.config());
    let store = Store::new(client, host.env.require("GOVERNANCE_TABLE")?.to_owned());
    let app = Arc::new(App { store, ids: host.ids.clone() });
    let builder = Function::builder("spaces", app, host)
        .get("/v1/spaces", Action::ReadSpaces, spaces::list)
        .paged()
        .summary("Spaces")
        .post("/v1/spaces", Action::CreateSpace, spaces::create)
        .answers(201)
        .summary("Create a Space")
        .get("/v1/spaces/{id}", Action::ReadSpaces, spaces::read)
        .summary("A Space")
        .put("/v1/spaces/{id}", Action::UpdateSpace, spaces::update)
        .summary("Change a Space's name, owners or labels")
        .post("/v1/spaces/{id}/workloads", Action::CreateWorkload, workloads::create)
        .answers(201)
        .summary("Create a workload in a Space")
        .get("/v1/workloads", Action::ReadWorkloads, workloads::list)
        .paged()
        .query(&["spaceId"])
        .summary("Workloads")
        .get("/v1/workloads/{id}", Action::ReadWorkloads, workloads::read)
        .summary("A workload")
        .post("/v1/workloads/{id}/retire", Action::RetireWorkload, workloads::retire)
        .summary("Retire a workload: it asks for nothing more")
        .post("/v1/workloads/{id}/estimates", Action::SetEstimate, estimates::set)
        .answers(201)
        .summary("Set a new version of an estimate")
        .get("/v1/workloads/{id}/estimates", Action::ReadEstimates, estimates::list)
        .paged()
        .summary("A workload's estimates, every version");
    let builder = builder
        .get("/v1/anchors", Action::ReadAnchors, anchors::list)
        .paged()
        .query(&["state", "workloadId"])
        .summary("Roles and workspaces that are claimed or ready to be")
        .post("/v1/workloads/{id}/claims", Action::ClaimAnchor, claims::claim)
        .answers(201)
        .summary("Claim an anchor for a workload")
        .get("/v1/claims", Action::ReadClaims, claims::list)
        .paged()
        .query(&["workloadId"])
        .summary("Claims, ended ones included")
        .post("/v1/claims/{id}/release", Action::ReleaseClaim, claims::release)
        .summary("End a claim")
        .get("/v1/proposals", Action::ReadProposals, proposals::list)
        .paged()
        .query(&["state", "workloadId"])
        .summary("What Leads proposed to owners")
        .post("/v1/proposals/{id}/accept", Action::AnswerProposal, proposals::accept)
        .summary("Accept a proposal; a proposed claim is made, a proposed request submitted")
        .post("/v1/proposals/{id}/decline", Action::AnswerProposal, proposals::decline)
        .summary("Decline a proposal")
        .get("/v1/workloads/{id}/handoff", Action::ReadHandoff, handoff::read)
        .paged()
        .summary("What a developer needs to call each implemented scope");
    Ok(builder.on_events(&[EventType::GapActioned], gaps::propose).build())
}
