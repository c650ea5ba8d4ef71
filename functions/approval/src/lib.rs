//! The FinOps Lead's function: what a Lead decides, and what everybody reads about it.
//!
//! Decisions about models are in `models`, what follows from them in `consequences`; requests in `requests`; an
//! approval is made in `approving`, read, revoked and reviewed in `approvals`, and begins and ends by the clock in
//! `lifecycle`. Around them lie the organisation's accounts, settings and people, and the audit record with its
//! verification and seals (`audit`).
//!
//! It decides and records; it issues no task and touches no account. What follows from a decision is done by whoever
//! consumes its event. The rules are in `domain::access`. Begin with [`function`], which lists the routes, then
//! `approving`.

mod accounts;
mod approvals;
mod approving;
mod audit;
mod consequences;
mod lifecycle;
mod models;
mod people;
mod requests;
mod settings;
mod views;

use std::sync::Arc;

use contract::events::EventType;
use domain::base::authorization::Action;
use lambda::{Builder, Function, Host, Ids};
use store::Store;

use crate::audit::seals::SealBucket;

/// The document of all functions' routes: `cargo run -p local -- openapi` writes it, a test compares.
const OPENAPI: &str = include_str!("../openapi.json");

/// What the handlers share.
#[derive(Debug)]
pub struct App {
    pub(crate) store: Store,
    pub(crate) ids: Ids,
    /// Where seals are told as objects, if a bucket is named.
    pub(crate) seals: Option<SealBucket>,
}

/// The function, with its routes and triggers.
///
/// # Errors
/// When `GOVERNANCE_TABLE` is not set.
pub fn function(host: Host) -> anyhow::Result<Function> {
    let bucket =
        |name: &str| SealBucket { objects: aws_sdk_s3::Client::new(&host.aws.config()), name: name.to_owned() };
    let seals = host.env.get("SEALS_BUCKET").map(bucket);
    let app = Arc::new(App { store: host.store()?, ids: host.ids.clone(), seals });
    let builder =
        Function::builder("approval", app, host).public_document("/v1/openapi.json", OPENAPI).summary("This document");
    Ok(audit_log(decisions(models(organisation(builder))))
        .on_events(&[EventType::ModelDecided], consequences::of_model_decision)
        .on_schedule("approval-lifecycle", lifecycle::run)
        .on_events(&[EventType::VerificationRequested, EventType::VerificationAdvanced], audit::day::verify_next_piece)
        .on_schedule("daily-seal", audit::seals::run)
        .build())
}

fn organisation(builder: Builder<App>) -> Builder<App> {
    builder
        .get("/v1/me", Action::ReadMe, people::me)
        .summary("Who I am and what I may do")
        .get("/v1/people/{sub}", Action::ReadPerson, people::read)
        .summary("A person, as notices know them")
        .put("/v1/people/{sub}", Action::WritePerson, people::write)
        .summary("Correct a person's name and e-mail")
        .get("/v1/settings", Action::ReadSettings, settings::read)
        .summary("The settings in force")
        .put("/v1/settings", Action::WriteSettings, settings::write)
        .summary("Replace the settings")
        .get("/v1/accounts", Action::ReadAccounts, accounts::list)
        .paged()
        .summary("The accounts in governance")
        .put("/v1/accounts/{accountId}", Action::WriteAccount, accounts::put)
        .summary("Register an account, or change it")
        .post("/v1/accounts/{accountId}/retire", Action::WriteAccount, accounts::retire)
        .summary("Take an account out of governance")
}

fn models(builder: Builder<App>) -> Builder<App> {
    builder
        .get("/v1/models", Action::ReadModels, models::list)
        .paged()
        .query(&["vendor", "platform", "decision"])
        .summary("The AI Models table")
        .get("/v1/models/{modelKey}", Action::ReadModels, models::read)
        .summary("A model with its regions, profiles and history")
        .get("/v1/models/{modelKey}/scopes", Action::ReadScopes, models::scopes)
        .paged()
        .summary("A model's scopes")
        .put("/v1/models/{modelKey}/decision", Action::DecideModel, models::write_decision)
        .summary("Approve, restrict or block a model")
        .get("/v1/models/{modelKey}/organisation-deny", Action::ReadOrganisationDeny, models::organisation_deny)
        .summary("The service control policy for a blocked model")
}

fn decisions(builder: Builder<App>) -> Builder<App> {
    builder
        .post("/v1/requests", Action::SubmitRequest, requests::submit)
        .answers(201)
        .summary("Ask for access to a model")
        .get("/v1/requests", Action::ReadRequests, requests::list)
        .paged()
        .query(&["state", "workloadId"])
        .summary("Requests")
        .get("/v1/requests/{id}", Action::ReadRequests, requests::read)
        .summary("A request")
        .post("/v1/requests/{id}/withdraw", Action::WithdrawRequest, requests::withdraw)
        .summary("Withdraw a request")
        .post("/v1/requests/{id}/reject", Action::RejectRequest, requests::reject)
        .summary("Reject a request")
        .post("/v1/requests/{id}/approve", Action::ApproveRequest, approving::approve)
        .answers(201)
        .summary("Approve a request")
        .post("/v1/approvals", Action::DecideWithoutRequest, approving::approve_directly)
        .answers(201)
        .summary("Narrow an approval, or break glass")
        .post("/v1/approvals/{id}/review", Action::ReviewBreakGlass, approvals::review)
        .summary("Review a break-glass decision")
        .get("/v1/approvals", Action::ReadApprovals, approvals::list)
        .paged()
        .query(&["state", "workloadId", "modelKey"])
        .summary("Approvals")
        .get("/v1/approvals/{id}", Action::ReadApprovals, approvals::read)
        .summary("An approval with its scopes")
        .post("/v1/approvals/{id}/revoke", Action::RevokeApproval, approvals::revoke)
        .summary("Take an approval back")
}

fn audit_log(builder: Builder<App>) -> Builder<App> {
    builder
        .get("/v1/audit", Action::ReadAudit, audit::read)
        .paged()
        .query(&["aggregate", "day"])
        .summary("The audit log of a thing or a day")
        .post("/v1/audit/verifications", Action::VerifyAudit, audit::verify)
        .answers(202)
        .summary("Verify a thing or a day: chains, states, seals")
        .get("/v1/audit/verifications/{id}", Action::ReadAudit, audit::read_verification)
        .summary("What the verification of a big day found so far")
}
