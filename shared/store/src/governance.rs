//! What attribution looks facts up in, gathered from the governance table: anchors with their claims, what was approved
//! for whom and when, which model an application inference profile stands for, and what settled disputes moved.
//!
//! Approvals of every state count, each for the days on which it was in force: late spend is judged by the day of its
//! usage, never by today.

use domain::access::anchor::{Anchor, AnchorKey, workspace_arn};
use domain::access::decisions::approval::{Approval, ApprovedScope, MapMethod};
use domain::access::tasks::chain::Chain;
use domain::base::aws::{Partition, RoleRef, WorkspaceArn};
use domain::base::calendar::{next_day, utc_day};
use domain::base::platform::Platform;
use domain::spend::bill::attribution::{Governance, LiveScope};

use crate::aggregates::approval::approvals_in;
use crate::{Index, Store, StoreError};

/// What an application inference profile's ARN holds.
const APPLICATION_PROFILE: &str = ":application-inference-profile/";

/// Everything that attribution needs to know.
///
/// # Errors
/// [`StoreError`].
pub async fn load_governance(store: &Store) -> Result<Governance, StoreError> {
    load_governance_with(store, &store.list_anchors().await?).await
}

/// The same, with all anchors as they were read already.
///
/// # Errors
/// [`StoreError`].
pub async fn load_governance_with(store: &Store, anchors: &[Anchor]) -> Result<Governance, StoreError> {
    let mut governance = Governance::default();
    anchors.iter().for_each(|anchor| governance.add_anchor(anchor));
    store.list_transfers().await?.into_iter().for_each(|transfer| governance.add_transfer(transfer));
    // The bill names an application profile by its ARN alone. What discovery saw in the accounts is said first, since what
    // was approved and what a chain gave evidence of knows better.
    for profile in store.list_application_profiles().await? {
        if let Some(model_id) = profile.model_id() {
            governance.add_profile(profile.arn, model_id);
        }
    }
    let mut profiled: Vec<String> = Vec::new();
    for entry in store.list_all(Index::List, &approvals_in(None)).await? {
        let approval: Approval = entry.read()?;
        add_scopes(&mut governance, &approval, anchors);
        if approval.decision.map.as_ref().is_some_and(|map| map.methods.contains(&MapMethod::InferenceProfile)) {
            profiled.extend(approval.scopes.iter().map(|scope| scope.id.to_string()));
        }
    }
    // Profiles that tasks made are known by the evidence of their chains.
    for chain in store.load_many::<Chain>(&profiled).await? {
        let Chain { profile_arn, model_id, .. } = chain.value;
        if let Some(arn) = profile_arn.filter(|arn| arn.contains(APPLICATION_PROFILE)) {
            governance.add_profile(arn, model_id);
        }
    }
    Ok(governance)
}

fn add_scopes(governance: &mut Governance, approval: &Approval, anchors: &[Anchor]) {
    let decision = &approval.decision;
    for scope in &approval.scopes {
        governance.add_role_scope(&role_of(scope), live_scope(approval, scope));
        if decision.platform == Platform::ClaudePlatform {
            for arn in workspaces_of(approval, scope, anchors) {
                governance.add_workspace_scope(arn, live_scope(approval, scope));
            }
        }
        if let Some(arn) = scope.spec.inference_profile.as_ref().filter(|arn| arn.contains(APPLICATION_PROFILE)) {
            governance.add_profile(arn.clone(), decision.model_id.clone());
        }
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
