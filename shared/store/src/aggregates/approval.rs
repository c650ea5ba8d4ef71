//! Approvals: by id, by state, by workload; and the one active approval under a key.

use domain::access::decisions::approval::{Approval, ApprovalState};
use domain::access::tasks::chain::Chain;
use domain::base::ids::{ApprovalId, WorkloadId};

use crate::aggregate::{Aggregate, Listing, Loaded};
use crate::{Entry, Index, Store, StoreError, keys};

impl Aggregate for Approval {
    type Id = ApprovalId;

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

/// The unique name under which the last break-glass decision for a workload is found.
#[must_use]
pub fn break_glass_pointer(workload: &WorkloadId) -> String {
    format!("BREAK-GLASS#{workload}")
}

/// Where the last break-glass decision for a workload stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LastBreakGlass {
    /// Where the workload's pointer leads.
    pub target: Option<String>,
    /// The decision that nobody has reviewed yet.
    pub unreviewed: Option<ApprovalId>,
}

fn is_unreviewed(approval: &Approval) -> bool {
    approval.break_glass.is_some() && approval.review.is_none()
}

impl Store {
    /// The chains of an approval's scopes, without their tasks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_chains_of(&self, approval: &Approval) -> Result<Vec<Loaded<Chain>>, StoreError> {
        self.load_many(approval.scopes.iter().map(|scope| &scope.id)).await
    }

    /// Where the last break-glass decision for a workload stands.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_last_break_glass(&self, workload: &WorkloadId) -> Result<LastBreakGlass, StoreError> {
        let target = self.follow(&break_glass_pointer(workload)).await?;
        let unreviewed = match &target {
            Some(id) => self.load_named::<Approval>(id).await?.map(|last| last.value).filter(is_unreviewed),
            // An older version led no pointer to those that it decided.
            None => {
                let listed = self.list_all(Index::Parent, &[approvals_of(workload)]).await?;
                let approvals: Vec<Approval> = listed.iter().map(Entry::read).collect::<Result<_, _>>()?;
                approvals.into_iter().find(is_unreviewed)
            }
        };
        Ok(LastBreakGlass { target, unreviewed: unreviewed.map(|approval| approval.id) })
    }

    /// The last approval under a key (see [`Approval::key`]), whatever its state, with the pointer's target.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_last_approval(&self, approval_key: &str) -> Result<Option<Loaded<Approval>>, StoreError> {
        match self.follow(&approval_pointer(approval_key)).await? {
            None => Ok(None),
            Some(id) => self.load_named(&id).await,
        }
    }
}
