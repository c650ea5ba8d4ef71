//! Spaces and workloads. A Space is listed once for each of its owners, so that an owner's list is one query.

use domain::access::workloads::space::{Space, Workload};
use domain::base::ids::{SpaceId, WorkloadId};
use domain::base::text::Sub;
use serde_json::Value;

use crate::aggregate::{Aggregate, Listing, Row};
use crate::read::{Entry, Index};
use crate::{Store, StoreError, keys};

impl Aggregate for Space {
    type Id = SpaceId;

    const KIND: &'static str = "SPACE";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::all_of(Self::KIND), self.id())
    }

    fn rows(&self) -> Vec<Row> {
        let row = |owner: &Sub| Row {
            name: format!("OWNER#{owner}"),
            doc: serde_json::to_value(self).unwrap_or(Value::Null),
            listing: Listing { list: None, parent: Some((spaces_of(owner), self.id())) },
        };
        self.fields.owners.iter().map(row).collect()
    }
}

impl Aggregate for Workload {
    type Id = WorkloadId;

    const KIND: &'static str = "WORKLOAD";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::all_of(Self::KIND), self.id()).and_parent(workloads_of(&self.space_id), self.id())
    }
}

/// Parent partition of the Spaces that a person owns.
#[must_use]
pub fn spaces_of(owner: &Sub) -> String {
    keys::partition("SPACES-OF", owner.as_str())
}

/// Parent partition of a Space's workloads.
#[must_use]
pub fn workloads_of(space: &SpaceId) -> String {
    keys::partition("WORKLOADS-OF", space.as_str())
}

impl Store {
    /// The Spaces that a person owns.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_spaces_of_owner(&self, owner: &Sub) -> Result<Vec<Space>, StoreError> {
        let entries = self.list_all(Index::Parent, &[spaces_of(owner)]).await?;
        entries.iter().map(Entry::read).collect()
    }

    /// The workloads of a Space.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_workloads_of_space(&self, space: &SpaceId) -> Result<Vec<Workload>, StoreError> {
        let entries = self.list_all(Index::Parent, &[workloads_of(space)]).await?;
        entries.iter().map(Entry::read).collect()
    }

    /// Every workload: what cards and attribution need.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_workloads(&self) -> Result<Vec<Workload>, StoreError> {
        let entries = self.list_all(Index::List, &[keys::all_of(Workload::KIND)]).await?;
        entries.iter().map(Entry::read).collect()
    }
}
