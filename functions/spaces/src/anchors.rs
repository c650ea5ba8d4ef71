//! Anchors as people see them: ready to claim, or claimed. One that is still being made shows only as its tasks.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::access::anchor::{Anchor, AnchorKey, AnchorRef, NamedAnchor, workspace_arn};
use domain::base::ids::{ApprovalId, ClaimId, SpaceId, WorkloadId};
use domain::base::text::Sub;
use jiff::civil::Date;
use lambda::{Answer, Call, Page, Problem, Sight};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::aggregates::anchor::anchors_of;
use store::{Aggregate as _, Loaded, StoreError, keys};

use crate::App;

/// Where an anchor stands for its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AnchorState {
    ReadyToClaim,
    Claimed,
}

/// An anchor that a workload may claim, or has.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnchorView {
    anchor: AnchorRef,
    state: AnchorState,
    /// The approval whose chain made it; none if it was found in the bill.
    approval_id: Option<ApprovalId>,
    /// The workload that it serves.
    workload_id: WorkloadId,
    space_id: SpaceId,
    /// Who claimed it.
    claimed_by: Option<Sub>,
    claim_id: Option<ClaimId>,
    /// First day of the claim.
    effective_from: Option<Date>,
}

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<AnchorView>>, Problem> {
    let wanted: Option<AnchorState> = call.query.one_of("state")?;
    let workload: Option<WorkloadId> = call.query.maybe("workloadId")?;
    let sight = Sight::of(&app.store, &call).await?;
    let everything = vec![keys::all_of(Anchor::KIND)];
    let (index, partitions) = sight.listed(&app.store, workload.as_ref(), anchors_of, everything).await?;
    call.list(&app.store, index, &partitions, |entry| {
        let anchor: Anchor = entry.read()?;
        let shown = view(&anchor).filter(|_| sight.includes(&anchor.space_id));
        Ok(shown.filter(|view| wanted.is_none_or(|state| view.state == state)))
    })
    .await
}

fn view(anchor: &Anchor) -> Option<AnchorView> {
    let claim = anchor.claims.iter().find(|claim| claim.to.is_none());
    let state = match claim {
        Some(_) => AnchorState::Claimed,
        None => anchor.ready_to_claim.as_ref().map(|_| AnchorState::ReadyToClaim)?,
    };
    Some(AnchorView {
        anchor: anchor.reference()?,
        state,
        approval_id: anchor.ready_to_claim.clone(),
        workload_id: anchor.workload_id.clone(),
        space_id: anchor.space_id.clone(),
        claimed_by: claim.map(|claim| claim.claimed_by.clone()),
        claim_id: claim.map(|claim| claim.id.clone()),
        effective_from: claim.map(|claim| claim.from),
    })
}

impl App {
    /// The record of an anchor, whatever workload it serves. A workspace is found among all anchors, since its ARN does
    /// not hold its name; one that only the bill knew goes by its id.
    pub(crate) async fn find_anchor(&self, named: &NamedAnchor) -> Result<Option<Loaded<Anchor>>, StoreError> {
        if let NamedAnchor::Workspace(arn) = named {
            let arn = arn.to_string();
            let anchors = self.store.list_anchors().await?;
            if let Some(anchor) = anchors.iter().find(|anchor| anchor.arn.as_ref() == Some(&arn)) {
                return self.store.load_anchor(&anchor.key).await;
            }
        }
        match named.key_in_bill() {
            Ok(key) => self.store.load_anchor(&key).await,
            Err(_) => Ok(None),
        }
    }

    /// Other records of the same workspace: the one that the bill made under its id, the one that a chain made under
    /// its name. Whoever claims one of them goes through only if the others are as they were seen here.
    pub(crate) async fn twins_of(&self, anchor: &Anchor) -> Result<Vec<Loaded<Anchor>>, StoreError> {
        let Some(arn) = workspace_arn(anchor) else { return Ok(Vec::new()) };
        let text = arn.to_string();
        let listed = self.store.list_anchors().await?.into_iter().filter(|other| other.arn.as_ref() == Some(&text));
        let in_bill = NamedAnchor::Workspace(arn).key_in_bill().ok();
        let keys: BTreeSet<AnchorKey> = listed.map(|other| other.key).chain(in_bill).collect();
        let mut twins = Vec::new();
        for key in keys.into_iter().filter(|key| *key != anchor.key) {
            let twin = self.store.load_anchor(&key).await?;
            twins.extend(twin.filter(|twin| twin.value.arn.as_ref() == Some(&text)));
        }
        Ok(twins)
    }

    /// An anchor of the bill as its record names it, if it has one: a role of a Lambda function is one of its own type.
    pub(crate) async fn as_registered(&self, reference: AnchorRef) -> Result<AnchorRef, StoreError> {
        let Ok(named) = reference.named() else { return Ok(reference) };
        let record = self.find_anchor(&named).await?;
        Ok(record.and_then(|anchor| anchor.value.reference()).unwrap_or(reference))
    }
}
