//! Approvals: by id, by state, by workload; and the one active approval under a key.

use domain::approval::{Approval, ApprovalState};
use domain::ids::WorkloadId;

use crate::aggregate::{Aggregate, Listing, Loaded};
use crate::{Store, StoreError, keys};

impl Aggregate for Approval {
    const KIND: &'static str = "APPROVAL";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::in_state_shard(Self::KIND, self.state.as_str(), self.id.as_str()), self.id())
            .and_parent(approvals_of(&self.workload_id), self.id())
    }
}

/// Parent partition of a workload's approvals.
#[must_use]
pub fn approvals_of(workload: &WorkloadId) -> String {
    keys::partition("APPROVALS-OF", workload.as_str())
}

/// List partitions of the approvals in these states; in all of them if none is given.
#[must_use]
pub fn approvals_in(state: Option<ApprovalState>) -> Vec<String> {
    let states = state.map_or(ApprovalState::ALL.to_vec(), |s| vec![s]);
    states.iter().flat_map(|s| keys::in_state(Approval::KIND, s.as_str())).collect()
}

/// The unique name under which the active approval of a workload, model and tier is found.
#[must_use]
pub fn approval_pointer(approval_key: &str) -> String {
    format!("APPROVAL#{approval_key}")
}

impl Store {
    /// The last approval under a key (see [`Approval::key`]), whatever its state, with the pointer's target.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_last_approval(&self, approval_key: &str) -> Result<Option<Loaded<Approval>>, StoreError> {
        match self.follow(&approval_pointer(approval_key)).await? {
            None => Ok(None),
            Some(id) => self.load(&id).await,
        }
    }
}
