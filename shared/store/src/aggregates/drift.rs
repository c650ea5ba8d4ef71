//! Drift findings: one per role, listed by state.

use domain::access::drift::{DriftFinding, DriftState, finding_id};
use domain::base::aws::RoleRef;
use domain::base::ids::DriftId;

use crate::aggregate::{Aggregate, Listing, Loaded};
use crate::read::{Entry, Index};
use crate::{Store, StoreError, keys};

impl Aggregate for DriftFinding {
    type Id = DriftId;

    const KIND: &'static str = "DRIFT";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::in_state_shard(Self::KIND, self.state.as_str(), self.id.as_str()), self.id())
    }
}

/// List partitions of the findings in a state, or in every one.
#[must_use]
pub fn drift_in(state: Option<DriftState>) -> Vec<String> {
    let states = state.map_or(DriftState::ALL.to_vec(), |s| vec![s]);
    states.iter().flat_map(|s| keys::in_state(DriftFinding::KIND, s.as_str())).collect()
}

impl Store {
    /// The finding on a role, if the role ever drifted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_drift_on_role(&self, role: &RoleRef) -> Result<Option<Loaded<DriftFinding>>, StoreError> {
        self.load(&finding_id(role)).await
    }

    /// The findings about which somebody has to do something.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_open_drift(&self) -> Result<Vec<DriftFinding>, StoreError> {
        let partitions: Vec<String> = DriftState::OPEN.iter().flat_map(|s| drift_in(Some(*s))).collect();
        self.list_all(Index::List, &partitions).await?.iter().map(Entry::read).collect()
    }
}
