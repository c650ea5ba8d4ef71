//! The signature: weekly spend cards, disputes and their resolution, the portfolio review, exports, the month's close.
//!
//! Figures come from the bill's stored facts and from claims, by `domain::spend::card`; nothing here adds up a cent.
//! Whatever happened, every run asks the same question — what do the cards have to say now? — and writes only what
//! differs.
//!
//! Begin with `plan`, which asks it; `triggers` are its occasions and `bill` what it asks of. What owners and Leads do
//! with a card is in `cards` and `disputes`. `portfolio` and `months` look at many cards together, `exports` makes
//! files of them; what a file says is `domain::spend::export`'s.

mod bill;
mod cards;
mod disputes;
mod exports;
mod months;
mod plan;
mod portfolio;
mod triggers;

use std::sync::Arc;

use contract::events::EventType;
use domain::base::authorization::Action;
use domain::spend::bill::alias::Aliases;
use lambda::{Function, Host, Ids};
use store::Store;
use store::spend::SpendStore;

/// What the handlers share.
#[derive(Debug)]
pub struct App {
    pub(crate) store: Store,
    pub(crate) spend: SpendStore,
    pub(crate) objects: aws_sdk_s3::Client,
    pub(crate) exports_bucket: String,
    pub(crate) aliases: Aliases,
    pub(crate) ids: Ids,
}

/// The function, with its routes and triggers.
///
/// # Errors
/// When `GOVERNANCE_TABLE`, `SPEND_TABLE` or `EXPORTS_BUCKET` is not set.
pub fn function(host: Host) -> anyhow::Result<Function> {
    let config = host.aws.config();
    let spend_table = host.env.require("SPEND_TABLE")?.to_owned();
    let app = Arc::new(App {
        store: host.store()?,
        spend: SpendStore::new(aws_sdk_dynamodb::Client::new(&config), spend_table),
        objects: aws_sdk_s3::Client::new(&config),
        exports_bucket: host.env.require("EXPORTS_BUCKET")?.to_owned(),
        aliases: Aliases::shipped()?,
        ids: host.ids.clone(),
    });
    let builder = Function::builder("spend-cards", app, host)
        .get("/v1/spend-cards", Action::ReadCards, cards::list)
        .paged()
        .query(&["state", "from", "workloadId"])
        .summary("Spend cards, oldest period first")
        .get("/v1/spend-cards/{id}", Action::ReadCards, cards::read)
        .summary("A spend card")
        .post("/v1/spend-cards/{id}/approve", Action::ApproveCard, cards::approve)
        .summary("Sign a card, in the version that was looked at")
        .post("/v1/spend-cards/{id}/dispute", Action::DisputeCard, cards::dispute)
        .summary("Dispute a card or some of its lines")
        .post("/v1/spend-cards/{id}/resolve", Action::ResolveCard, disputes::resolve)
        .summary("Decide a dispute");
    let builder = builder
        .get("/v1/portfolio", Action::ReadPortfolio, portfolio::read)
        .query(&["week"])
        .summary("The weekly review; without `week`, of the week that ended last")
        .post("/v1/portfolio/{week}/review", Action::ReviewPortfolio, portfolio::review)
        .summary("Record that the week's review was held")
        .post("/v1/exports", Action::CreateExport, exports::request)
        .answers(202)
        .summary("Ask for a file")
        .get("/v1/exports/{id}", Action::ReadExports, exports::read)
        .summary("A file's state, manifest and signed link")
        .get("/v1/months/{month}", Action::ReadMonths, months::read)
        .summary("How complete a month is")
        .post("/v1/months/{month}/close", Action::CloseMonth, months::close)
        .summary("Close a complete month");
    Ok(builder
        .on_events(&[EventType::IngestionCompleted, EventType::SpendReattributed], triggers::of_bill)
        .on_events(&[EventType::EstimateSet, EventType::ClaimMade, EventType::ClaimReleased], triggers::of_workload)
        .on_events(&[EventType::CardResolved], triggers::of_resolution)
        .on_events(&[EventType::ProposalAccepted, EventType::ProposalDeclined], disputes::settle)
        .on_events(&[EventType::ExportRequested], exports::write_file)
        .on_schedule("spend-cards", triggers::of_schedule)
        .build())
}
