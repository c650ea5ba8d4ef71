//! What the rest of the product knows about anchors, arranged for attribution.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::access::anchor::{Anchor, AnchorKey, workspace_arn};
use crate::access::decisions::approval::{Approval, ApprovedScope};
use crate::base::aws::profile::ProfileKind;
use crate::base::aws::{AccountId, Partition, Region, RoleRef, WorkspaceArn};
use crate::base::calendar::{next_day, utc_day};
use crate::base::ids::{ApprovalId, CardId, ClaimId, WorkloadId};
use crate::base::platform::{ModelId, Platform};
use crate::spend::bill::alias::ModelName;
use crate::spend::bill::anchor::SpendAnchor;
use crate::spend::bill::facts::Fact;
use crate::spend::card::Transfer;

/// A claim, by the days it holds: from the first, up to but without the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimDays {
    /// The claim.
    pub claim_id: ClaimId,
    /// Who holds it.
    pub workload_id: WorkloadId,
    /// First day.
    pub from: Date,
    /// First day no longer held; `None` while it is held.
    pub to: Option<Date>,
}

impl ClaimDays {
    /// Whether the claim holds that day.
    #[must_use]
    pub fn holds_on(&self, day: Date) -> bool {
        self.from <= day && self.to.is_none_or(|to| day < to)
    }
}

/// A scope that is, or was, in force: what its anchor may do, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveScope {
    /// The approval it belongs to.
    pub approval_id: ApprovalId,
    /// The workload it was approved for.
    pub workload_id: WorkloadId,
    /// The platform.
    pub platform: Platform,
    /// The approved model.
    pub model_id: ModelId,
    /// The approved account.
    pub account_id: AccountId,
    /// The approved region.
    pub region: Region,
    /// First day in force.
    pub from: Date,
    /// First day no longer in force.
    pub to: Option<Date>,
}

impl LiveScope {
    /// Whether the scope was in force that day.
    #[must_use]
    pub fn is_live_on(&self, day: Date) -> bool {
        self.from <= day && self.to.is_none_or(|to| day < to)
    }
}

/// Claims, created anchors, workspaces, scopes, application profiles, and what settled disputes moved.
///
/// Scopes of a role are found under its name in any account, since the right role in the wrong account is a finding
/// of its own; claims are found under the exact role only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Governance {
    claims: BTreeMap<SpendAnchor, Vec<ClaimDays>>,
    created: BTreeSet<SpendAnchor>,
    workspaces: BTreeMap<(String, String), BTreeSet<WorkspaceArn>>,
    role_scopes: BTreeMap<String, Vec<LiveScope>>,
    workspace_scopes: BTreeMap<WorkspaceArn, Vec<LiveScope>>,
    profiles: BTreeMap<String, ModelId>,
    transfers: BTreeMap<WorkloadId, BTreeMap<CardId, Transfer>>,
}

impl Governance {
    /// An anchor with its claims, its workspace name, and whether a task made it. A workspace without ARN has no
    /// spend yet.
    pub fn add_anchor(&mut self, anchor: &Anchor) {
        let spend_anchor = match &anchor.key {
            AnchorKey::Role(role) => SpendAnchor::role(role.clone()),
            AnchorKey::Workspace { name, .. } => {
                let Some(arn) = workspace_arn(anchor) else { return };
                self.add_workspace(arn.clone(), name.as_str());
                SpendAnchor::workspace(arn)
            }
        };
        for claim in &anchor.claims {
            let (claim_id, workload_id) = (claim.id.clone(), claim.workload_id.clone());
            self.add_claim(spend_anchor.clone(), ClaimDays { claim_id, workload_id, from: claim.from, to: claim.to });
        }
        if anchor.ready_to_claim.is_some() {
            self.add_created(spend_anchor);
        }
    }

    /// What an approval allows, each scope for the days on which the approval was in force, whatever its state is now.
    pub fn add_approval(&mut self, approval: &Approval, anchors: &[Anchor]) {
        let decision = &approval.decision;
        for scope in &approval.scopes {
            self.add_role_scope(&role_of(scope), live_scope(approval, scope));
            if decision.platform == Platform::ClaudePlatform {
                for arn in workspaces_of(approval, scope, anchors) {
                    self.add_workspace_scope(arn, live_scope(approval, scope));
                }
            }
            if let Some(arn) = scope
                .spec
                .inference_profile
                .as_ref()
                .filter(|arn| ProfileKind::of_arn(arn) == Some(ProfileKind::Application))
            {
                self.add_profile(arn.clone(), decision.model_id.clone());
            }
        }
    }

    /// A claim of a role or workspace.
    pub fn add_claim(&mut self, anchor: SpendAnchor, claim: ClaimDays) {
        self.claims.entry(fold_case(anchor)).or_default().push(claim);
    }

    /// A role or workspace that a task created, or adopted, for an approval.
    pub fn add_created(&mut self, anchor: SpendAnchor) {
        self.created.insert(fold_case(anchor));
    }

    /// A registered workspace and the name that its tag carries.
    pub fn add_workspace(&mut self, arn: WorkspaceArn, name: &str) {
        self.workspaces.entry((arn.account_id.as_str().to_owned(), name.to_owned())).or_default().insert(arn);
    }

    /// What a role was approved for.
    pub fn add_role_scope(&mut self, role: &RoleRef, scope: LiveScope) {
        self.role_scopes.entry(role.name.as_str().to_ascii_lowercase()).or_default().push(scope);
    }

    /// What a registered workspace was approved for.
    pub fn add_workspace_scope(&mut self, arn: WorkspaceArn, scope: LiveScope) {
        self.workspace_scopes.entry(arn).or_default().push(scope);
    }

    /// Which model an application inference profile stands for.
    pub fn add_profile(&mut self, arn: String, model_id: ModelId) {
        self.profiles.insert(arn, model_id);
    }

    /// What a settled dispute took off a card; the same one again changes nothing.
    pub fn add_transfer(&mut self, transfer: Transfer) {
        let of_workload = self.transfers.entry(transfer.workload_id.clone()).or_default();
        of_workload.insert(transfer.card_id.clone(), transfer);
    }

    /// The anchors under which facts of a workspace may be stored: its ARN, and its name in the tag.
    #[must_use]
    pub fn fact_anchors_of_workspace(arn: &WorkspaceArn, name: Option<&str>) -> Vec<SpendAnchor> {
        let by_tag = |region: &str| {
            let (account_id, region) = (arn.account_id.as_str().to_owned(), region.to_owned());
            name.map(|tag| SpendAnchor::WorkspaceTag { account_id, region, tag: tag.to_owned() })
        };
        let by_arn = SpendAnchor::workspace(arn.clone());
        std::iter::once(by_arn).chain(by_tag(arn.region.as_str())).chain(by_tag("")).collect()
    }

    pub(super) fn claims_on(&self, anchor: &SpendAnchor, day: Date) -> Vec<&ClaimDays> {
        self.claims.get(&fold_case(anchor.clone())).into_iter().flatten().filter(|c| c.holds_on(day)).collect()
    }

    /// Who answers for a fact that this workload claims, after what disputes moved; nobody where one raised a gap.
    /// What was moved may be disputed and move on; each transfer applies once, so that a circle ends.
    pub(super) fn owner_after_transfers(
        &self,
        claimed_by: &WorkloadId,
        fact: &Fact,
        model: &ModelName,
    ) -> Option<WorkloadId> {
        let mut owner = Some(claimed_by);
        let mut used = BTreeSet::new();
        while let Some(held) = owner {
            let mut of_held = self.transfers.get(held).into_iter().flat_map(BTreeMap::values);
            let Some(next) = of_held.find(|t| t.moves(held, fact, model) && !used.contains(&t.card_id)) else { break };
            used.insert(&next.card_id);
            owner = next.to.as_ref();
        }
        owner.cloned()
    }

    pub(super) fn was_created_by_a_task(&self, anchor: &SpendAnchor) -> bool {
        self.created.contains(&fold_case(anchor.clone()))
    }

    pub(super) fn scopes_of(&self, anchor: &SpendAnchor) -> Vec<&LiveScope> {
        let scopes = match anchor {
            SpendAnchor::Role { role } => self.role_scopes.get(&role.name.as_str().to_ascii_lowercase()),
            SpendAnchor::Workspace { arn } => self.workspace_scopes.get(arn),
            _ => None,
        };
        scopes.into_iter().flatten().collect()
    }

    /// Names are unique per account and region; a row without a region may therefore meet several.
    pub(super) fn workspaces_named(&self, account: &str, region: &str, name: &str) -> Vec<&WorkspaceArn> {
        let named = self.workspaces.get(&(account.to_owned(), name.to_owned()));
        named.into_iter().flatten().filter(|arn| region.is_empty() || arn.region.as_str() == region).collect()
    }

    pub(super) fn model_of_profile(&self, arn: &str) -> Option<&ModelId> {
        self.profiles.get(arn)
    }
}

/// IAM compares role names without regard to letter case.
fn fold_case(anchor: SpendAnchor) -> SpendAnchor {
    match anchor {
        SpendAnchor::Role { mut role } => {
            role.name = role.name.as_str().to_ascii_lowercase().parse().unwrap_or(role.name);
            SpendAnchor::Role { role }
        }
        other => other,
    }
}

fn role_of(scope: &ApprovedScope) -> RoleRef {
    RoleRef {
        partition: Partition::of_region(&scope.spec.region),
        account_id: scope.spec.account_id.clone(),
        name: scope.spec.iam_role.clone(),
    }
}

/// The registered workspace that a scope names; none before its ARN was confirmed.
fn workspaces_of(approval: &Approval, scope: &ApprovedScope, anchors: &[Anchor]) -> Vec<WorkspaceArn> {
    let is_named = |anchor: &&Anchor| match &anchor.key {
        AnchorKey::Workspace { account_id, region, name, .. } => {
            *account_id == scope.spec.account_id
                && *region == scope.spec.region
                && approval.decision.workspace_name.as_ref() == Some(name)
        }
        AnchorKey::Role(_) => false,
    };
    anchors.iter().filter(is_named).filter_map(workspace_arn).collect()
}

/// A scope with the days on which its approval was in force; the day on which it ended is the last of them.
fn live_scope(approval: &Approval, scope: &ApprovedScope) -> LiveScope {
    let decision = &approval.decision;
    let ended = approval.end.as_ref().map(|end| utc_day(end.at));
    LiveScope {
        approval_id: approval.id.clone(),
        workload_id: approval.workload_id.clone(),
        platform: decision.platform,
        model_id: decision.model_id.clone(),
        account_id: scope.spec.account_id.clone(),
        region: scope.spec.region.clone(),
        from: decision.effective_from.unwrap_or_else(|| utc_day(approval.decided_at)),
        to: ended.into_iter().chain(decision.expires_on).min().map(next_day),
    }
}
