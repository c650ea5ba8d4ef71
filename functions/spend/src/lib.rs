//! The bill as people read it: a month's spend, why each cent is where it is, the runs that read it, and the gaps with
//! what is done about them.
//!
//! Nothing here reads a delivery or starts a query; `cur-ingestion` does. Who answers for a fact is said anew from
//! claims and approvals, once for each reading of a month (`months`), and every route shows that one answer.
//!
//! Begin with `month`, a month's figures; `explain` says of each fact why it is where it is. `gaps` starts what a Lead
//! does about spend that nobody answers for, `ingestions` shows the runs, and `sight` says what of a month a caller
//! sees.

mod explain;
mod gaps;
mod ingestions;
mod months;
mod sight;
mod summary;

use std::sync::Arc;

use domain::base::authorization::Action;
use domain::spend::bill::alias::Aliases;
use lambda::{Function, Host};
use store::Store;
use store::spend::SpendStore;

use crate::months::Months;

/// What the handlers share.
#[derive(Debug)]
pub struct App {
    pub(crate) store: Store,
    pub(crate) months: Months,
}

/// The function, with its routes.
///
/// # Errors
/// When `GOVERNANCE_TABLE` or `SPEND_TABLE` is not set.
pub fn function(host: Host) -> anyhow::Result<Function> {
    let client = aws_sdk_dynamodb::Client::new(&host.aws.config());
    let store = host.store()?;
    let spend = SpendStore::new(client, host.env.require("SPEND_TABLE")?.to_owned());
    let months = Months::new(store.clone(), spend, Aliases::shipped()?);
    let app = Arc::new(App { store, months });
    let builder = Function::builder("spend", app, host)
        .get("/v1/spend", Action::ReadSpend, summary::read)
        .query(&["billingPeriod", "workloadId", "groupBy"])
        .summary("A month's spend: attributed, gap and excluded, which add up to the bill")
        .get("/v1/spend/explain", Action::ReadSpend, explain::read)
        .paged()
        .query(&["billingPeriod", "workloadId", "gapId", "day"])
        .summary("Which facts, which rules, which run")
        .get("/v1/ingestions", Action::ReadIngestions, ingestions::list)
        .paged()
        .query(&["billingPeriod"])
        .summary("Ingestion runs, newest first")
        .get("/v1/ingestions/{id}", Action::ReadIngestions, ingestions::read)
        .summary("An ingestion run")
        .get("/v1/gaps", Action::ReadGaps, gaps::list)
        .paged()
        .query(&["state", "kind", "billingPeriod"])
        .summary("Spend nobody answers for")
        .get("/v1/gaps/{id}", Action::ReadGaps, gaps::read)
        .summary("A gap")
        .post("/v1/gaps/{id}/act", Action::ActOnGap, gaps::act)
        .summary("Start something about a gap")
        .post("/v1/gaps/{id}/resolve", Action::ActOnGap, gaps::resolve)
        .summary("Declare a gap answered for")
        .post("/v1/gaps/{id}/recall", Action::ActOnGap, gaps::recall)
        .summary("Withdraw a gap that is none");
    Ok(builder.build())
}
