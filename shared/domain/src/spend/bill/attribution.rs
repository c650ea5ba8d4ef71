//! Who answers for a fact: a workload through its claim, a gap, or nobody because it is not usage.
//!
//! A claim of that day always wins, but for what a settled dispute moved: a claimed anchor's spend is attributed even
//! outside what was approved, and the finding then shows its dollars outside the totals. Without a claim the order of
//! [`GapKind`] decides. Ambiguity is a gap: two workspaces behind one tag, or two claims of one day, are never
//! settled by taking the first.

mod governance;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use governance::{ClaimDays, Governance, LiveScope};

use super::alias::{Aliases, ModelName};
use super::anchor::SpendAnchor;
use super::facts::{Fact, ReadGroup, read_group};
use super::line::LineGroup;
use super::rule::Rule;
use super::settings::BillSettings;
use super::usage::UsageKind;
use crate::base::aws::Partition;
use crate::base::ids::{ApprovalId, ClaimId, WorkloadId};
use crate::base::platform::Platform;
use crate::spend::gap::{About, GapKind};

/// What attribution looks things up in.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The bill's settings.
    pub settings: &'a BillSettings,
    /// The alias table.
    pub aliases: &'a Aliases,
    /// Claims, workspaces, scopes.
    pub governance: &'a Governance,
}

/// How finely a claim tells spend apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttributionLevel {
    /// By the workload's own role.
    Workload,
    /// By workspace, which may serve a whole product team.
    Workspace,
}

/// Who answers for a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Verdict {
    /// The workload that held the claim that day, or to which a settled dispute moved the spend.
    Workload {
        /// The workload.
        workload_id: WorkloadId,
        /// The claim through which the spend is known.
        claim_id: ClaimId,
    },
    /// Nobody.
    Gap {
        /// Why not.
        kind: GapKind,
        /// What it is about.
        about: About,
    },
    /// Not usage.
    Excluded {
        /// The exclusion's name.
        why: String,
    },
}

/// Something that attribution noticed beside its verdict.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Finding {
    /// Claimed spend beyond what was approved; its dollars are attributed, so the gap is outside the totals.
    BeyondApproval {
        /// Outside the approved scope, or not approved at all.
        kind: GapKind,
        /// What it is about.
        about: About,
    },
    /// The alias table does not hold this name.
    UnmappedModel {
        /// The name in the bill.
        raw: String,
    },
    /// An application inference profile that discovery has not seen.
    UnknownProfile {
        /// Its ARN.
        arn: String,
    },
    /// Tokens in a unit that is not understood.
    UnknownUnit {
        /// The unit in the bill.
        unit: String,
    },
    /// One workspace tag names several registered workspaces.
    AmbiguousWorkspaceTag {
        /// The tag's value.
        tag: String,
    },
    /// Several claims hold one anchor on one day, which the claims' own rules forbid.
    AmbiguousClaim {
        /// The claims.
        claim_ids: Vec<ClaimId>,
    },
    /// The row meets no AI term here though the query selected it.
    UnmatchedTerms,
    /// A line-item type that is not known here.
    UnknownLineItemType {
        /// AWS's name.
        name: String,
    },
}

/// A fact, attributed and explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// The platform.
    pub platform: Option<Platform>,
    /// The anchor, a tag replaced by the one workspace that it names.
    pub anchor: SpendAnchor,
    /// The model, an application profile replaced by the model it stands for.
    pub model: ModelName,
    /// What was consumed.
    pub usage_kind: UsageKind,
    /// How finely the verdict tells spend apart, where there is a claim.
    pub level: Option<AttributionLevel>,
    /// Who answers for it.
    pub verdict: Verdict,
    /// What else was noticed.
    pub findings: Vec<Finding>,
    /// Which rules decided, in order.
    pub because: Vec<Rule>,
    /// The one workload that approvals name for the anchor, claimed or not; none where they name several.
    pub suggested_workload: Option<WorkloadId>,
    /// The one approval behind the use of the anchor; none where it may be one of several.
    pub approval_id: Option<ApprovalId>,
}

/// Reads and attributes a group of rows: [`read_group`], then [`attribute_fact`].
#[must_use]
pub fn attribute(group: &LineGroup, context: &Context<'_>) -> (Fact, Attribution) {
    let ReadGroup { fact, .. } = read_group(group, context.settings, context.aliases);
    let attribution = attribute_fact(&fact, context);
    (fact, attribution)
}

/// Says who answers for a fact, and names the rules that read its rows and then attributed it, in order. Run again
/// whenever a claim, scope or workspace changes: the fact stays the same.
#[must_use]
pub fn attribute_fact(fact: &Fact, context: &Context<'_>) -> Attribution {
    let key = &fact.key;
    let mut findings = Vec::new();
    let mut because = key.read_by.clone();
    let anchor = resolve_anchor(&key.anchor, context, &mut findings, &mut because);
    let model = resolve_model(fact, context, &mut findings);
    if key.usage_kind.is_tokens() && key.unit != super::usage::TOKENS {
        findings.push(Finding::UnknownUnit { unit: key.unit.clone() });
    }
    let behind = scopes_behind(&anchor, &model, fact, context);
    let mut attribution = Attribution {
        platform: key.platform,
        usage_kind: key.usage_kind,
        level: None,
        verdict: Verdict::Gap { kind: GapKind::NoPrincipal, about: About::anchor(anchor.clone(), key.platform) },
        suggested_workload: the_only(behind.iter().map(|scope| &scope.workload_id)).cloned(),
        approval_id: the_only(behind.iter().map(|scope| &scope.approval_id)).cloned(),
        anchor,
        model,
        findings,
        because,
    };
    if let Some(why) = key.line_item_type.excluded_as() {
        exclude(&mut attribution, fact, why);
    } else {
        assign(&mut attribution, fact, context);
    }
    attribution
}

/// Credits and taxes carry the columns of the usage they are about; what is odd about those is that usage's finding.
fn exclude(attribution: &mut Attribution, fact: &Fact, why: String) {
    attribution.findings.clear();
    if let super::LineItemType::Other(name) = &fact.key.line_item_type {
        attribution.findings.push(Finding::UnknownLineItemType { name: name.clone() });
    }
    attribution.because.push(Rule::ExcludedByLineItemType);
    attribution.verdict = Verdict::Excluded { why };
}

fn assign(attribution: &mut Attribution, fact: &Fact, context: &Context<'_>) {
    if attribution.platform.is_none() {
        attribution.findings.push(Finding::UnmatchedTerms);
    }
    match context.governance.claims_on(&attribution.anchor, fact.key.day).as_slice() {
        [claim] => {
            let owner = context.governance.owner_after_transfers(&claim.workload_id, fact, &attribution.model);
            if owner.as_ref() != Some(&claim.workload_id) {
                attribution.because.push(Rule::OwnerByResolution);
            }
            let Some(workload_id) = owner else {
                attribution.verdict = gap_of(attribution, fact, context);
                return;
            };
            let scopes = context.governance.scopes_of(&attribution.anchor);
            let own: Vec<&LiveScope> = scopes.into_iter().filter(|s| s.workload_id == claim.workload_id).collect();
            let kind = match standing(&own, attribution, fact, context) {
                Standing::Approved => None,
                Standing::OutsideScope => Some(GapKind::OutsideApprovedScope),
                Standing::NotApproved => Some(GapKind::NotBusinessApproved),
            };
            let beyond = kind.map(|kind| Finding::BeyondApproval { kind, about: about_usage(attribution, fact) });
            attribution.findings.extend(beyond);
            attribution.level = Some(match attribution.platform {
                Some(Platform::ClaudePlatform) => AttributionLevel::Workspace,
                _ => AttributionLevel::Workload,
            });
            attribution.because.push(Rule::OwnerByClaim);
            attribution.verdict = Verdict::Workload { workload_id, claim_id: claim.claim_id.clone() };
        }
        claims => {
            if !claims.is_empty() {
                let claim_ids = claims.iter().map(|c| c.claim_id.clone()).collect();
                attribution.findings.push(Finding::AmbiguousClaim { claim_ids });
            }
            attribution.because.push(Rule::OwnerMissing);
            attribution.verdict = gap_of(attribution, fact, context);
        }
    }
}

/// Which kind of gap takes the dollars of unclaimed spend: the first that fits, in the order of [`GapKind`].
fn gap_of(attribution: &Attribution, fact: &Fact, context: &Context<'_>) -> Verdict {
    let anchor = &attribution.anchor;
    let whole = || About::anchor(anchor.clone(), attribution.platform);
    let (kind, about) = match anchor {
        SpendAnchor::NoPrincipal { .. } => (GapKind::NoPrincipal, whole()),
        SpendAnchor::NoWorkspace { .. } | SpendAnchor::WorkspaceTag { .. } => (GapKind::UntaggedWorkspace, whole()),
        SpendAnchor::Role { role } if context.settings.broad_roles().include(role.name.as_str()) => {
            (GapKind::RoleRecommendation, whole())
        }
        _ if context.governance.was_created_by_a_task(anchor) => (GapKind::Unclaimed, whole()),
        _ => match standing(&context.governance.scopes_of(anchor), attribution, fact, context) {
            Standing::Approved => (GapKind::Unclaimed, whole()),
            Standing::OutsideScope => (GapKind::OutsideApprovedScope, about_usage(attribution, fact)),
            Standing::NotApproved => (GapKind::NotBusinessApproved, whole()),
        },
    };
    Verdict::Gap { kind, about }
}

fn about_usage(attribution: &Attribution, fact: &Fact) -> About {
    About {
        anchor: attribution.anchor.clone(),
        platform: attribution.platform,
        model: Some(attribution.model.clone()),
        account_id: Some(fact.key.account_id.clone()),
        region: Some(fact.key.region.clone()),
    }
}

/// The scopes that may stand behind a use of the anchor: of all that it has, those of its own account, then those in
/// force that day, then those of the model. What none of them fits tells nothing apart.
fn scopes_behind<'a>(
    anchor: &SpendAnchor,
    model: &ModelName,
    fact: &Fact,
    context: &Context<'a>,
) -> Vec<&'a LiveScope> {
    let narrow = |scopes: Vec<&'a LiveScope>, fits: &dyn Fn(&LiveScope) -> bool| {
        let fitting: Vec<&LiveScope> = scopes.iter().copied().filter(|scope| fits(scope)).collect();
        if fitting.is_empty() { scopes } else { fitting }
    };
    let scopes = context.governance.scopes_of(anchor);
    let scopes = narrow(scopes, &|scope| scope.account_id.as_str() == anchor.account());
    let scopes = narrow(scopes, &|scope| scope.is_live_on(fact.key.day));
    narrow(scopes, &|scope| is_of_model(scope, model, context))
}

/// The value, if all are the same.
pub(crate) fn the_only<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// A row that names no model, or one that is not mapped, may be of any.
fn is_of_model(scope: &LiveScope, model: &ModelName, context: &Context<'_>) -> bool {
    model.id().is_none_or(|id| context.aliases.canonical(scope.platform, &scope.model_id) == *id)
}

/// How usage stands to the live scopes of its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Approved,
    OutsideScope,
    NotApproved,
}

/// A row that names no model, or one that is not mapped, is judged by its place alone; a blank region is not held
/// against it. A workspace's own account and region count, not those of the Marketplace row.
fn standing(scopes: &[&LiveScope], attribution: &Attribution, fact: &Fact, context: &Context<'_>) -> Standing {
    let key = &fact.key;
    let (account, region) = match &attribution.anchor {
        SpendAnchor::Workspace { arn } => (arn.account_id.as_str(), arn.region.as_str()),
        _ => (key.account_id.as_str(), key.region.as_str()),
    };
    let in_force = |scope: &&&LiveScope| scope.is_live_on(key.day) && attribution.platform == Some(scope.platform);
    let mut of_model =
        scopes.iter().filter(in_force).filter(|s| is_of_model(s, &attribution.model, context)).peekable();
    if of_model.peek().is_none() {
        return Standing::NotApproved;
    }
    // A role of the same name in another account or partition is another role, wherever it calls from.
    let is_approved_role = |s: &LiveScope| match &attribution.anchor {
        SpendAnchor::Role { role } => {
            role.account_id == s.account_id && role.partition == Partition::of_region(&s.region)
        }
        _ => true,
    };
    let is_here = |s: &&LiveScope| {
        s.account_id.as_str() == account && (region.is_empty() || s.region.as_str() == region) && is_approved_role(s)
    };
    if of_model.any(is_here) { Standing::Approved } else { Standing::OutsideScope }
}

fn resolve_anchor(
    anchor: &SpendAnchor,
    context: &Context<'_>,
    findings: &mut Vec<Finding>,
    because: &mut Vec<Rule>,
) -> SpendAnchor {
    let SpendAnchor::WorkspaceTag { account_id, region, tag } = anchor else { return anchor.clone() };
    let usable = context.settings.is_usable_workspace_tag(tag);
    let named = if usable { context.governance.workspaces_named(account_id, region, tag) } else { Vec::new() };
    if let [arn] = named.as_slice() {
        because.push(Rule::AnchorByWorkspaceTag);
        return SpendAnchor::workspace((*arn).clone());
    }
    because.push(Rule::AnchorTagUnusable);
    if named.len() > 1 {
        findings.push(Finding::AmbiguousWorkspaceTag { tag: tag.clone() });
    }
    anchor.clone()
}

fn resolve_model(fact: &Fact, context: &Context<'_>, findings: &mut Vec<Finding>) -> ModelName {
    match &fact.key.model {
        ModelName::Profile(arn) => match context.governance.model_of_profile(arn) {
            Some(id) => ModelName::Known(context.aliases.canonical(Platform::Bedrock, id)),
            None => {
                findings.push(Finding::UnknownProfile { arn: arn.clone() });
                fact.key.model.clone()
            }
        },
        ModelName::Unmapped(raw) => {
            findings.push(Finding::UnmappedModel { raw: raw.clone() });
            fact.key.model.clone()
        }
        known => known.clone(),
    }
}
