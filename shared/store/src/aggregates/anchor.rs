//! Anchors: one partition each, so that what must be unique about one is decided on one item.

use domain::anchor::{Anchor, AnchorKey, AnchorRef};
use domain::ids::{ClaimId, WorkloadId};

use crate::aggregate::{Aggregate, Listing, Loaded};
use crate::read::{Entry, Index};
use crate::{Store, StoreError, keys};

impl Aggregate for Anchor {
    const KIND: &'static str = "ANCHOR";

    fn id(&self) -> String {
        self.key.text()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::all_of(Self::KIND), self.id()).and_parent(anchors_of(&self.workload_id), self.id())
    }
}

fn anchors_of(workload: &WorkloadId) -> String {
    keys::partition("ANCHORS-OF", workload.as_str())
}

/// The unique name under which a claim's anchor is found.
#[must_use]
pub fn claim_pointer(claim: &ClaimId) -> String {
    format!("CLAIM#{claim}")
}

impl Store {
    /// The anchor under this key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_anchor(&self, key: &AnchorKey) -> Result<Option<Loaded<Anchor>>, StoreError> {
        self.load(&key.text()).await
    }

    /// The anchor that a claim is on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_anchor_of_claim(&self, claim: &ClaimId) -> Result<Option<Loaded<Anchor>>, StoreError> {
        match self.follow(&claim_pointer(claim)).await? {
            None => Ok(None),
            Some(anchor) => self.load(&anchor).await,
        }
    }

    /// The anchor of this type and ARN that serves a workload.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_anchor_of_workload(
        &self,
        workload: &WorkloadId,
        wanted: &AnchorRef,
    ) -> Result<Option<Loaded<Anchor>>, StoreError> {
        let serves = self.list_anchors_of_workload(workload).await?;
        match serves.into_iter().find(|a| a.reference().as_ref() == Some(wanted)) {
            None => Ok(None),
            Some(anchor) => self.load_anchor(&anchor.key).await,
        }
    }

    /// The anchors that serve a workload.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_anchors_of_workload(&self, workload: &WorkloadId) -> Result<Vec<Anchor>, StoreError> {
        let entries = self.list_all(Index::Parent, &[anchors_of(workload)]).await?;
        entries.iter().map(Entry::read).collect()
    }

    /// Every anchor: what attribution needs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_anchors(&self) -> Result<Vec<Anchor>, StoreError> {
        let entries = self.list_all(Index::List, &[keys::all_of(Anchor::KIND)]).await?;
        entries.iter().map(Entry::read).collect()
    }
}
