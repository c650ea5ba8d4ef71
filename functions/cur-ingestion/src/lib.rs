//! The bill: CUR 2.0 through Athena into spend facts, reconciled to the cent, and the gaps in who answers for them.
//!
//! Manifests arrive twice, late and out of order, and AWS rewrites a month's files while Athena may be reading them.
//! So a run is bound to one manifest, which is its id; it is read whole, checked against a control total, and shown
//! whole or not at all. A repetition finds its own work done; an older manifest after a newer one changes nothing.
//!
//! Facts follow from the bill alone. Who answers for them follows from claims and approvals and is said anew at every
//! reading; only gaps are kept, because people act on them. Spend, its explanation and the gaps are read in
//! `functions/spend`; this is the one function that may start a query.

mod athena;
mod begin;
mod columns;
mod delivery;
mod error;
mod findings;
mod finish;
mod ingestions;
pub mod query;
mod reading;
mod reattribute;
mod result_file;
mod row;
mod rows;
mod settle;
mod submit;
mod triggers;

use std::sync::Arc;

use contract::events::EventType;
use domain::base::authorization::Action;
use domain::spend::bill::alias::Aliases;
use lambda::{Function, Host};
use store::Store;
use store::spend::SpendStore;

use crate::athena::Athena;
use crate::delivery::Bucket;

/// What the handlers share.
#[derive(Debug)]
pub struct App {
    pub(crate) store: Store,
    pub(crate) spend: SpendStore,
    pub(crate) bucket: Bucket,
    pub(crate) athena: Athena,
    pub(crate) aliases: Aliases,
}

/// What changes which roles and workspaces are approved or were created.
const CHANGES_OF_APPROVALS: [EventType; 5] = [
    EventType::ApprovalDecided,
    EventType::ApprovalSuperseded,
    EventType::ApprovalRevoked,
    EventType::ApprovalExpired,
    EventType::ChainImplemented,
];

/// The function, with its routes and triggers.
///
/// # Errors
/// When a variable that the template sets is missing or broken.
pub fn function(host: Host) -> anyhow::Result<Function> {
    let client = aws_sdk_dynamodb::Client::new(&host.aws.config());
    let app = Arc::new(App {
        store: host.store()?,
        spend: SpendStore::new(client, host.env.require("SPEND_TABLE")?.to_owned()),
        bucket: Bucket::from_env(&host.aws, &host.env)?,
        athena: Athena::from_env(&host.aws, &host.env)?,
        aliases: Aliases::shipped()?,
    });
    let builder = Function::builder("cur-ingestion", app, host)
        .post("/v1/ingestions", Action::StartIngestion, ingestions::start)
        .answers(202)
        .summary("Read a month's delivery")
        .get("/v1/bill/findings", Action::ReadIngestions, findings::read)
        .summary("What is wrong with the bill as it is delivered, and what to do next");
    Ok(builder
        .on_schedule("cur-ingestion", triggers::on_schedule)
        .on_schedule("ingestion-sweep", triggers::sweep)
        .on_aws_event("Object Created", triggers::on_manifest)
        .on_aws_event("Athena Query State Change", triggers::on_query_end)
        .on_events(&[EventType::ClaimMade, EventType::ClaimReleased], reattribute::after_claim)
        .on_events(&CHANGES_OF_APPROVALS, reattribute::after_approval)
        .on_events(&[EventType::CardResolved], reattribute::after_resolution)
        .build())
}
