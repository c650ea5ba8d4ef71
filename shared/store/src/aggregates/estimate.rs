//! Estimates: one aggregate per workload with every version as a row, so that which estimate governs is one
//! consistent read, and two people who set one at the same moment get two versions, never the same one twice. The
//! item carries every version for whoever reads many workloads at once, with the opening of its reason; the rows have
//! the reasons whole.

use std::collections::BTreeMap;

use contract::events::{Event, Place};
use domain::access::workloads::estimate::Estimate;
use domain::base::ids::{SpaceId, WorkloadId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aggregate::{Aggregate, Listing, Loaded, Row, documents_of};
use crate::{Store, StoreError, Transaction, keys};

/// Characters of a reason that the item carries of each version: with them the most versions that a workload may have
/// take 330 KB of the 400 KB that an item holds.
const REASON_CHARS_CARRIED: usize = 40;

/// Every estimate of a workload, of both platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimates {
    /// The workload.
    pub workload_id: WorkloadId,
    /// The workload's Space.
    pub space_id: SpaceId,
    /// Every version ever set, as `domain::access::workloads::estimate` takes them.
    #[serde(skip)]
    pub versions: Vec<Estimate>,
}

impl Aggregate for Estimates {
    type Id = WorkloadId;

    const KIND: &'static str = "ESTIMATES";
    const CARRIES_ROWS: bool = true;

    fn id(&self) -> String {
        self.workload_id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }

    fn rows(&self) -> Vec<Row> {
        let row = |estimate: &Estimate| Row {
            name: format!("{}#{:08}", estimate.platform.as_str(), estimate.version),
            doc: serde_json::to_value(estimate).unwrap_or(Value::Null),
            listing: Listing { list: None, parent: Some((estimates_of(&self.workload_id), estimate.id.to_string())) },
        };
        self.versions.iter().map(row).collect()
    }

    fn carried(&self) -> BTreeMap<String, Value> {
        let brief = |estimate: &Estimate| {
            let reason = estimate.reason.opening(REASON_CHARS_CARRIED);
            Estimate { reason, ..estimate.clone() }
        };
        documents_of(&Self { versions: self.versions.iter().map(brief).collect(), ..self.clone() })
    }

    fn attach(&mut self, rows: &BTreeMap<String, Value>) -> Result<(), serde_json::Error> {
        let versions: Result<Vec<Estimate>, _> = rows.values().map(|row| serde_json::from_value(row.clone())).collect();
        self.versions = versions?;
        Ok(())
    }
}

/// Parent partition of a workload's estimates, in the order in which they were set.
#[must_use]
pub fn estimates_of(workload: &WorkloadId) -> String {
    keys::partition("ESTIMATES-OF", workload.as_str())
}

/// The versions of a workload that may have none yet.
#[must_use]
pub fn versions(loaded: Option<&Loaded<Estimates>>) -> &[Estimate] {
    loaded.map_or(&[], |estimates| &estimates.value.versions)
}

impl Store {
    /// Every estimate of a workload; `None` if none was ever set.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_estimates(&self, workload: &WorkloadId) -> Result<Option<Loaded<Estimates>>, StoreError> {
        self.load(workload).await
    }
}

impl Transaction {
    /// Adds the version that `domain::access::workloads::estimate::decide_set` decided on what was loaded.
    pub fn set_estimate(&mut self, before: Option<&Loaded<Estimates>>, space_id: &SpaceId, estimate: &Estimate) {
        let place = Place { space_id: space_id.clone(), workload_id: estimate.workload_id.clone() };
        let event = Event::EstimateSet {
            place,
            platform: estimate.platform,
            monthly: estimate.monthly.clone(),
            valid_from: estimate.valid_from,
        };
        let versions = versions(before).iter().chain([estimate]).cloned().collect();
        let all = Estimates { workload_id: estimate.workload_id.clone(), space_id: space_id.clone(), versions };
        self.save(before, &all, &event);
    }
}

#[cfg(test)]
mod tests {
    use domain::access::workloads::estimate::VERSIONS_MAX;
    use domain::base::platform::Platform;
    use serde_json::json;

    use super::*;
    use crate::item::ITEM_BYTES_MAX;

    #[test]
    fn the_most_versions_with_the_longest_reasons_are_carried_by_one_item() -> Result<(), Box<dyn std::error::Error>> {
        let estimate: Estimate = serde_json::from_value(json!({
            "id": format!("est_{}", "0".repeat(26)), "workloadId": format!("wkl_{}", "0".repeat(26)),
            "platform": Platform::ClaudePlatform, "monthly": { "amount": "1000000000.00", "currency": "USD" },
            "tokens": u64::MAX, "ccu": "100000000000.00", "reason": "🙂".repeat(2_000), "validFrom": "2026-08-01",
            "by": "x".repeat(128), "at": "2026-08-24T07:00:00.123456789Z", "version": 0,
        }))?;
        let versions = (0..).take(VERSIONS_MAX).map(|version| Estimate { version, ..estimate.clone() }).collect();
        let (workload_id, space_id) = (estimate.workload_id.clone(), "spc_1".parse()?);
        let all = Estimates { workload_id, space_id, versions };
        let carried = domain::base::digest::canonical_json(&all.carried()).len();
        assert!(carried < ITEM_BYTES_MAX * 9 / 10, "{carried}");
        assert_eq!(all.carried().len(), VERSIONS_MAX);
        Ok(())
    }
}
