//! Estimates: each change is a new version with who, when and why; none is ever edited.

use std::sync::Arc;

use domain::access::workloads::estimate::{Estimate, SetEstimate, decide_set};
use domain::base::ids::{EstimateId, WorkloadId};
use domain::base::money::Money;
use domain::base::platform::Platform;
use domain::base::text::Note;
use jiff::civil::Date;
use lambda::{Answer, Call, Page, Problem};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Deserialize;
use store::Index;
use store::aggregates::estimate::{estimates_of, versions};

use crate::App;

/// What an owner plans to spend.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EstimateFields {
    /// On which platform.
    platform: Platform,
    /// US dollars a month.
    monthly: Money,
    /// Tokens a month, where planned.
    #[serde(default)]
    tokens: Option<u64>,
    /// CCU a month; follows from `monthly`, so it may be left out.
    #[serde(default)]
    ccu: Option<Decimal>,
    /// Why it is so much.
    reason: Note,
    /// The first of a month.
    valid_from: Date,
}

pub(crate) async fn set(app: Arc<App>, call: Call<EstimateFields>) -> Result<Answer<Estimate>, Problem> {
    let workload_id: WorkloadId = call.path.parse("id")?;
    let id = EstimateId::new(call.now, app.ids.entropy());
    let location = format!("/v1/workloads/{workload_id}/estimates");
    call.transact(&app.store, || async {
        let (workload, space) = app.workload(&workload_id).await?;
        let loaded = app.store.load_estimates(&workload_id).await?;
        let existing = versions(loaded.as_ref());
        let latest = existing.iter().filter(|e| e.platform == call.body.platform).max_by_key(|e| e.version);
        let wanted = call.body.clone().into_version(id.clone(), &workload_id);
        let relations = space.value.relations(&call.actor);
        let decided = decide_set(existing, wanted, &call.actor, relations, call.now);
        let stands = || {
            let estimate = latest.cloned().ok_or_else(Problem::not_found)?;
            let version = estimate.version;
            Ok(Answer::ok(estimate).versioned(version))
        };
        call.conclude(latest.map_or(0, |e| e.version), decided, stands, |tx, estimate| {
            tx.set_estimate(loaded.as_ref(), &workload.value.space_id, &estimate);
            let version = estimate.version;
            Ok(Answer::created(location.clone(), estimate).versioned(version))
        })
    })
    .await
}

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<Estimate>>, Problem> {
    let workload = app.readable_workload(&call).await?;
    call.list(&app.store, Index::Parent, &[estimates_of(&workload.value.id)], |e| e.read().map(Some)).await
}

impl EstimateFields {
    fn into_version(self, id: EstimateId, workload_id: &WorkloadId) -> SetEstimate {
        let Self { platform, monthly, tokens, ccu, reason, valid_from } = self;
        SetEstimate { id, workload_id: workload_id.clone(), platform, monthly, tokens, ccu, reason, valid_from }
    }
}
