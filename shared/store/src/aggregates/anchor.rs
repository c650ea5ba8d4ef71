//! Anchors: one partition each, so that what must be unique about one is decided on one item. That item holds every
//! claim, since attribution reads all anchors at once; why a claim was released stands in the claim's row only.

use std::collections::BTreeMap;

use domain::access::anchor::{Anchor, AnchorKey, AnchorRef, Claim};
use domain::base::ids::{ClaimId, WorkloadId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aggregate::{Aggregate, Listing, Loaded, Row};
use crate::read::{Entry, Index};
use crate::{Store, StoreError, keys};

impl Aggregate for Anchor {
    type Id = AnchorKey;

    const KIND: &'static str = "ANCHOR";

    fn id(&self) -> String {
        self.key.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::all_of(Self::KIND), self.id()).and_parent(anchors_of(&self.workload_id), self.id())
    }

    fn rows(&self) -> Vec<Row> {
        let Some(anchor) = self.reference() else { return Vec::new() };
        let row = |claim: &Claim| {
            let id = claim.id.to_string();
            let listing = Listing::list(claims(), id.clone()).and_parent(claims_of(&claim.workload_id), id.clone());
            let doc = ClaimRow { claim: claim.clone(), anchor: anchor.clone() };
            Row { name: row_name(&claim.id), doc: serde_json::to_value(doc).unwrap_or(Value::Null), listing }
        };
        self.claims.iter().map(row).collect()
    }

    fn abridged(&self) -> Self {
        let mut brief = self.clone();
        if brief.arn.is_some() {
            brief.claims.iter_mut().for_each(|claim| claim.release_reason = None);
        }
        brief
    }

    fn attach(&mut self, rows: &BTreeMap<String, Value>) -> Result<(), serde_json::Error> {
        for claim in &mut self.claims {
            if let Some(row) = rows.get(&row_name(&claim.id)) {
                claim.release_reason = ClaimRow::deserialize(row)?.claim.release_reason;
            }
        }
        Ok(())
    }
}

fn row_name(claim: &ClaimId) -> String {
    format!("CLAIM#{claim}")
}

/// What a claim's row holds: claims are listed by themselves, also those of a workload that the anchor served before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimRow {
    /// The claim.
    pub claim: Claim,
    /// What it is on.
    pub anchor: AnchorRef,
}

/// Parent partition of the anchors that serve a workload.
#[must_use]
pub fn anchors_of(workload: &WorkloadId) -> String {
    keys::partition("ANCHORS-OF", workload.as_str())
}

/// Parent partition of a workload's claims, ended ones included.
#[must_use]
pub fn claims_of(workload: &WorkloadId) -> String {
    keys::partition("CLAIMS-OF", workload.as_str())
}

/// List partition of every claim.
#[must_use]
pub fn claims() -> String {
    keys::all_of("CLAIM")
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
        self.load(key).await
    }

    /// The anchor that a claim is on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_anchor_of_claim(&self, claim: &ClaimId) -> Result<Option<Loaded<Anchor>>, StoreError> {
        match self.follow(&claim_pointer(claim)).await? {
            None => Ok(None),
            Some(anchor) => self.load_named(&anchor).await,
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
