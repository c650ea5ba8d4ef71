//! What an actor sees of a list: a Product Owner what belongs to their own Spaces, everybody else all that their role
//! reads.
//!
//! Whatever is not theirs is answered exactly like what does not exist, also where a list is asked for it by name.

use std::collections::BTreeSet;

use domain::access::workloads::space::Space;
use domain::base::authorization::is_cut_to_own;
use domain::base::ids::{SpaceId, WorkloadId};
use store::{Index, Store, StoreError};

use crate::call::Call;

/// What of a list an actor sees.
#[derive(Debug)]
pub enum Sight {
    /// All of it.
    Everything,
    /// What belongs to these Spaces.
    Own(Vec<Space>),
}

impl Sight {
    /// What a caller sees.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn of<B>(store: &Store, call: &Call<B>) -> Result<Self, StoreError> {
        if is_cut_to_own(&call.actor, call.action) {
            Ok(Self::Own(store.list_spaces_of_owner(&call.actor.sub).await?))
        } else {
            Ok(Self::Everything)
        }
    }

    /// Whether what belongs to a Space is in sight.
    #[must_use]
    pub fn includes(&self, space: &SpaceId) -> bool {
        match self {
            Self::Everything => true,
            Self::Own(spaces) => spaces.iter().any(|own| own.id == *space),
        }
    }

    /// Where a list of what belongs to workloads is read from: the one workload that is asked for, those of the
    /// caller's own Spaces, or everything. Entries are to be shown only if they are in sight.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn listed(
        &self,
        store: &Store,
        asked_for: Option<&WorkloadId>,
        of_workload: fn(&WorkloadId) -> String,
        everything: Vec<String>,
    ) -> Result<(Index, Vec<String>), StoreError> {
        match (asked_for, self) {
            (Some(workload), _) => Ok((Index::Parent, vec![of_workload(workload)])),
            (None, Self::Everything) => Ok((Index::List, everything)),
            (None, Self::Own(spaces)) => {
                let mut partitions = BTreeSet::new();
                for space in spaces {
                    let workloads = store.list_workloads_of_space(&space.id).await?;
                    partitions.extend(workloads.iter().map(|workload| of_workload(&workload.id)));
                }
                Ok((Index::Parent, partitions.into_iter().collect()))
            }
        }
    }
}
