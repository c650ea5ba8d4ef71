//! Proposals: by state, and by the workload that they are put to.

use domain::base::ids::{ProposalId, WorkloadId};
use domain::spend::proposal::{Proposal, ProposalState};

use crate::aggregate::{Aggregate, Listing};
use crate::keys;

impl Aggregate for Proposal {
    type Id = ProposalId;

    const KIND: &'static str = "PROPOSAL";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::in_state_shard(Self::KIND, self.state.as_str(), self.id.as_str()), self.id())
            .and_parent(proposals_to(&self.workload_id), self.id())
    }
}

/// Parent partition of the proposals put to a workload's owners.
#[must_use]
pub fn proposals_to(workload: &WorkloadId) -> String {
    keys::partition("PROPOSALS-TO", workload.as_str())
}

/// List partitions of the proposals in a state, or in every one.
#[must_use]
pub fn proposals_in(state: Option<ProposalState>) -> Vec<String> {
    let states = state.map_or(ProposalState::ALL.to_vec(), |s| vec![s]);
    states.iter().flat_map(|s| keys::in_state(Proposal::KIND, s.as_str())).collect()
}
