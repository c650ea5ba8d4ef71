//! What the API shows of approvals and models. Shapes are the contract's; nothing is decided here.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::decisions::approval::comparison::{self, Comparison};
use domain::access::decisions::approval::{
    Approval, ApprovalEnd, ApprovalState, BreakGlass, BreakGlassReview, MapTagging, Priority,
};
use domain::access::decisions::request::Request;
use domain::access::models::model::{Lifecycle, ModelDecision};
use domain::access::models::models_table::{self, Counts, Coverage};
use domain::access::tasks::chain::{Chain, ScopeState};
use domain::access::tasks::migration::{self, MapStanding};
use domain::base::aws::{AccountId, Region, RoleName, WorkspaceName};
use domain::base::digest::Digest;
use domain::base::ids::{ApprovalId, RequestId, ScopeId, SpaceId, WorkloadId};
use domain::base::platform::{Agentic, ModelAction, ModelId, ModelKey, Platform, Tier};
use domain::base::text::{Note, Sub};
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;
use store::aggregates::model::ModelRow;
use store::{Loaded, Store, StoreError};

/// A scope of an approval, with where its chain stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScopeView {
    id: ScopeId,
    state: ScopeState,
    account_id: AccountId,
    region: Region,
    iam_role: RoleName,
    existing: bool,
    inference_profile: Option<String>,
    workspace_arn: Option<String>,
    carried: bool,
    /// Where it stands with the Migration Acceleration Program.
    map: MapStanding,
}

/// An approval.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApprovalView {
    pub(crate) id: ApprovalId,
    pub(crate) version: u64,
    state: ApprovalState,
    digest: Digest,
    platform: Platform,
    model_id: ModelId,
    model_key: ModelKey,
    tier: Tier,
    actions: BTreeSet<ModelAction>,
    scopes: Vec<ScopeView>,
    workspace_name: Option<WorkspaceName>,
    agentic: Option<Agentic>,
    map: Option<MapTagging>,
    sig_v4_only: bool,
    effective_from: Option<Date>,
    expires_on: Option<Date>,
    priority: Priority,
    business_case_acknowledged: bool,
    note: Option<Note>,
    supersedes: Option<ApprovalId>,
    request_id: Option<RequestId>,
    workload_id: WorkloadId,
    space_id: SpaceId,
    requested_by: Option<Sub>,
    decided_by: Sub,
    decided_at: Timestamp,
    break_glass: Option<BreakGlass>,
    review: Option<BreakGlassReview>,
    end: Option<ApprovalEnd>,
    /// What to look at again; none of it stopped the decision.
    warnings: Vec<String>,
    /// What was asked beside what was approved; lists leave it out.
    comparison: Option<Comparison>,
}

impl ApprovalView {
    /// The same beside what was asked.
    pub(crate) fn beside(self, comparison: Comparison) -> Self {
        Self { comparison: Some(comparison), ..self }
    }

    /// The approval with the given states of its scopes; a scope whose chain is not known is as decided.
    pub(crate) fn of(approval: &Approval, version: u64, chains: &BTreeMap<ScopeId, Chain>) -> Self {
        let decision = approval.decision.clone();
        let warnings = migration::warnings(&decision);
        let scope = |scope: &domain::access::decisions::approval::ApprovedScope| {
            let chain = chains.get(&scope.id);
            let map = chain.map_or_else(|| migration::of_decision(&approval.decision), migration::standing);
            ScopeView {
                id: scope.id.clone(),
                state: chain.map_or(ScopeState::Approved, |c| c.state),
                account_id: scope.spec.account_id.clone(),
                region: scope.spec.region.clone(),
                iam_role: scope.spec.iam_role.clone(),
                existing: scope.spec.existing,
                inference_profile: scope.spec.inference_profile.clone(),
                workspace_arn: chain.and_then(|c| c.workspace_arn.as_ref()).map(ToString::to_string),
                carried: scope.carried,
                map,
            }
        };
        Self {
            id: approval.id.clone(),
            version,
            state: approval.state,
            digest: approval.digest.clone(),
            platform: decision.platform,
            model_id: decision.model_id,
            model_key: approval.model_key.clone(),
            tier: decision.tier,
            actions: decision.actions,
            scopes: approval.scopes.iter().map(scope).collect(),
            workspace_name: decision.workspace_name,
            agentic: decision.agentic,
            map: decision.map,
            sig_v4_only: decision.sig_v4_only,
            effective_from: decision.effective_from,
            expires_on: decision.expires_on,
            priority: decision.priority,
            business_case_acknowledged: decision.business_case_acknowledged,
            note: decision.note,
            supersedes: approval.supersedes.clone(),
            request_id: approval.request_id.clone(),
            workload_id: approval.workload_id.clone(),
            space_id: approval.space_id.clone(),
            requested_by: approval.requested_by.clone(),
            decided_by: approval.decided_by.clone(),
            decided_at: approval.decided_at,
            break_glass: approval.break_glass.clone(),
            review: approval.review.clone(),
            end: approval.end.clone(),
            warnings,
            comparison: None,
        }
    }
}

/// What an approval is shown beside: its scopes' chains, and what was asked or is replaced.
pub(crate) struct ApprovalContext {
    pub(crate) chains: Vec<Loaded<Chain>>,
    request: Option<Loaded<Request>>,
    replaced: Option<Loaded<Approval>>,
}

impl ApprovalContext {
    pub(crate) async fn load(store: &Store, approval: &Approval) -> Result<Self, StoreError> {
        let chains = store.load_chains_of(approval).await?;
        let request = match &approval.request_id {
            Some(id) => store.load(id).await?,
            None => None,
        };
        let replaced = match &approval.supersedes {
            Some(id) => store.load(id).await?,
            None => None,
        };
        Ok(Self { chains, request, replaced })
    }

    /// Who carried out any of it.
    pub(crate) fn executors(&self) -> BTreeSet<Sub> {
        self.chains.iter().flat_map(|chain| chain.value.executors.iter().cloned()).collect()
    }

    /// The approval at a version.
    pub(crate) fn view(&self, approval: &Approval, version: u64) -> ApprovalView {
        let chains = self.chains.iter().map(|chain| (chain.value.id.clone(), chain.value.clone())).collect();
        let (request, replaced) = (self.request.as_ref().map(|r| &r.value), self.replaced.as_ref().map(|r| &r.value));
        ApprovalView::of(approval, version, &chains).beside(comparison::compare(approval, request, replaced))
    }
}

/// A row of the AI Models table.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ModelView {
    model_key: ModelKey,
    vendor: String,
    platform: Platform,
    model: String,
    model_id: ModelId,
    badge: Option<&'static str>,
    decision: ModelDecision,
    scope_coverage: String,
    status: String,
    counts: Counts,
    covered_accounts: u64,
    total_accounts: u64,
    workspaces: u64,
    lifecycle: Lifecycle,
    version: u64,
}

impl ModelView {
    /// The row of a model, `total_accounts` accounts being in governance.
    pub(crate) fn of(row: &ModelRow, total_accounts: u64) -> Self {
        let counts = Counts {
            under_review: row.counts.of(ScopeState::UnderReview),
            approved: row.counts.of(ScopeState::Approved),
            pending_task: row.counts.of(ScopeState::PendingTask),
            implemented: row.counts.of(ScopeState::Implemented),
            pending_revocation: row.counts.of(ScopeState::PendingRevocation),
        };
        let size = |set: &BTreeSet<String>| u64::try_from(set.len()).unwrap_or(u64::MAX);
        let coverage = Coverage {
            covered_accounts: size(&row.counts.accounts),
            total_accounts,
            workspaces: size(&row.counts.workspaces),
        };
        let model = &row.model;
        Self {
            model_key: model.model_key.clone(),
            vendor: model.vendor.clone(),
            platform: model.platform,
            model: model.name.clone(),
            model_id: model.model_id.clone(),
            badge: models_table::badge(model.platform),
            decision: model.decision,
            scope_coverage: models_table::scope_coverage(model.platform, coverage, &counts),
            status: models_table::status(&counts),
            counts,
            covered_accounts: coverage.covered_accounts,
            total_accounts: coverage.total_accounts,
            workspaces: coverage.workspaces,
            lifecycle: model.lifecycle.clone(),
            version: row.version,
        }
    }
}
