//! The FinOps Lead's decision: what is approved, its digest, and how it ends.
//!
//! An approval is never edited. A change of scope is a new approval that supersedes the old one, found by the key
//! workload × platform × model × tier. The digest covers exactly what the executor must carry out and nothing that a
//! later event could move.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::access::decisions::parties::Parties;
use crate::access::models::model::{Restriction, conforms};
use crate::access::policy::trust::RuntimeDetail;
use crate::access::workloads::space::Space;
use crate::base::authorization::{Action, Relation, Relations, authorize};
use crate::base::aws::{AccountId, Region, RoleName, WorkspaceName};
use crate::base::calendar::utc_day;
use crate::base::digest::Digest;
use crate::base::ids::{ApprovalId, RequestId, ScopeId, SpaceId, WorkloadId};
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::platform::{Agentic, ModelAction, ModelId, ModelKey, Platform, Tier};
use crate::base::text::{Note, Sub};

pub mod approve;
pub mod checks;
pub mod comparison;
mod narrowing;

/// How urgent the work is; orders the engineer's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema, Default)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the three words say it")]
pub enum Priority {
    High,
    #[default]
    Normal,
    Low,
}

impl Priority {
    /// The priority's name on the wire; `high` < `low` < `normal` as text, so queues sort by [`Priority::rank`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// A digit that sorts high before normal before low.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }
}

/// How spend is to be recognised by the Migration Acceleration Program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "AWS's two methods: MAP user guide, Amazon Bedrock tagging")]
pub enum MapMethod {
    RoleTag,
    InferenceProfile,
}

/// MAP tagging, on Bedrock only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MapTagging {
    /// The value of the tag `map-migrated`.
    pub value: String,
    /// Where the tag goes.
    pub methods: BTreeSet<MapMethod>,
}

/// One scope as the Lead decides it: model × account × region × role, and on Claude Platform × workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScopeSpec {
    /// Where.
    pub account_id: AccountId,
    /// Where in it.
    pub region: Region,
    /// The workload's role; on Claude Platform the Lambda's execution role.
    pub iam_role: RoleName,
    /// The role is already there: verify it and put the policy, create nothing.
    #[serde(default)]
    pub existing: bool,
    /// Id or ARN of the inference profile to call through; null calls the model itself.
    #[serde(default)]
    pub inference_profile: Option<String>,
    /// What the trust policy needs here, where it differs from the workload's.
    #[serde(default)]
    pub runtime_detail: Option<RuntimeDetail>,
}

/// The body of an approval: everything the Lead may say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalFields {
    /// On which platform.
    pub platform: Platform,
    /// Which model.
    pub model_id: ModelId,
    /// Standard or agentic.
    #[serde(default)]
    pub tier: Tier,
    /// What may be done.
    pub actions: BTreeSet<ModelAction>,
    /// The full new set of scopes, 1 to 20.
    pub scopes: Vec<ScopeSpec>,
    /// The workspace, on Claude Platform.
    #[serde(default)]
    pub workspace_name: Option<WorkspaceName>,
    /// What agents may do, in tier agentic.
    #[serde(default)]
    pub agentic: Option<Agentic>,
    /// MAP tagging, on Bedrock.
    #[serde(default)]
    pub map: Option<MapTagging>,
    /// Forbid API keys: only SigV4-signed calls.
    #[serde(default)]
    pub sig_v4_only: bool,
    /// First day, from 00:00 UTC; null is now.
    #[serde(default)]
    pub effective_from: Option<Date>,
    /// Last day, to its end in UTC; null is until revoked.
    #[serde(default)]
    pub expires_on: Option<Date>,
    /// The approval that this replaces; derived, and refused when given and different.
    #[serde(default)]
    pub supersedes: Option<ApprovalId>,
    /// How urgent the work is.
    #[serde(default)]
    pub priority: Priority,
    /// The Lead has read the business case.
    #[serde(default)]
    pub business_case_acknowledged: bool,
    /// For the people who carry it out.
    #[serde(default)]
    pub note: Option<Note>,
}

/// What the digest covers, in the order of its canonical JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Digested<'a> {
    workload_id: &'a WorkloadId,
    model_key: &'a ModelKey,
    #[serde(flatten)]
    fields: &'a ApprovalFields,
    request_id: Option<&'a RequestId>,
    break_glass_expires_at: Option<Timestamp>,
}

/// A scope within an approval, with the id of its chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovedScope {
    /// The scope's id, which is its chain's.
    pub id: ScopeId,
    /// The scope.
    #[serde(flatten)]
    pub spec: ScopeSpec,
    /// It was implemented under the approval that this one replaces, and stays as it is.
    pub carried: bool,
}

/// A decision without a request: at most 24 hours, reviewed afterwards by another Lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BreakGlass {
    /// Why it could not wait.
    pub reason: Note,
    /// When it ends, at most 24 hours after the decision.
    pub expires_at: Timestamp,
}

/// Another Lead's judgement of a break-glass decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BreakGlassReview {
    /// Who reviewed.
    pub by: Sub,
    /// When.
    pub at: Timestamp,
    /// Justified or not.
    pub outcome: ReviewOutcome,
    /// What they found.
    pub note: Note,
}

/// What a review finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the two words say it")]
pub enum ReviewOutcome {
    Justified,
    NotJustified,
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the states of the product's page on things and their states")]
pub enum ApprovalState {
    Active,
    Superseded,
    Revoked,
    Expired,
}

impl ApprovalState {
    /// Every state, the live one first.
    pub const ALL: [Self; 4] = [Self::Active, Self::Superseded, Self::Revoked, Self::Expired];

    /// The state's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// How an approval ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalEnd {
    /// Who or which job ended it.
    pub by: Sub,
    /// When.
    pub at: Timestamp,
    /// Why, when revoked.
    pub reason: Option<Note>,
    /// The approval that replaced it, when superseded.
    pub superseded_by: Option<ApprovalId>,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The digest of what was decided.
    pub digest: Digest,
    /// The workload it serves.
    pub workload_id: WorkloadId,
    /// The workload's Space.
    pub space_id: SpaceId,
    /// The model's key.
    pub model_key: ModelKey,
    /// Exactly what was decided, `scopes` included.
    pub decision: ApprovalFields,
    /// The scopes with their ids.
    pub scopes: Vec<ApprovedScope>,
    /// The approval it replaced.
    pub supersedes: Option<ApprovalId>,
    /// The request it answers; none for a narrowing or break-glass.
    pub request_id: Option<RequestId>,
    /// Who asked; for a narrowing who asked originally.
    pub requested_by: Option<Sub>,
    /// Who decided.
    pub decided_by: Sub,
    /// Who asked for and decided on the approvals that it replaced, one after the other.
    #[serde(default, skip_serializing_if = "Parties::is_empty")]
    pub carried: Parties,
    /// When.
    pub decided_at: Timestamp,
    /// Where it stands.
    pub state: ApprovalState,
    /// Set for a break-glass decision.
    pub break_glass: Option<BreakGlass>,
    /// Its review.
    pub review: Option<BreakGlassReview>,
    /// How it ended.
    pub end: Option<ApprovalEnd>,
}

impl Approval {
    /// The digest of what was decided.
    #[must_use]
    pub fn digest_of(
        workload_id: &WorkloadId,
        model_key: &ModelKey,
        fields: &ApprovalFields,
        request_id: Option<&RequestId>,
        break_glass: Option<&BreakGlass>,
    ) -> Digest {
        let break_glass_expires_at = break_glass.map(|b| b.expires_at);
        Digest::of(&Digested { workload_id, model_key, fields, request_id, break_glass_expires_at })
    }

    /// What makes two approvals about the same thing: at most one of them is active.
    #[must_use]
    pub fn key(workload_id: &WorkloadId, model_key: &ModelKey, tier: Tier) -> String {
        format!("{workload_id}#{model_key}#{}", tier.as_str())
    }

    /// Everybody who asked for it or decided on it, or on what it replaced.
    #[must_use]
    pub fn parties(&self) -> Parties {
        Parties::of(self.requested_by.as_ref(), &self.decided_by).and(&self.carried)
    }

    /// Whether somebody reviewed it as a break-glass decision.
    #[must_use]
    pub fn is_reviewed_by(&self, sub: &Sub) -> bool {
        self.review.as_ref().is_some_and(|review| review.by == *sub)
    }

    /// How an actor stands to this approval, given its Space.
    #[must_use]
    pub fn relations(&self, space: &Space, actor: &Actor) -> Relations {
        let parties = self.parties();
        space
            .relations(actor)
            .with(Relation::Requester, parties.requesters.contains(&actor.sub))
            .with(Relation::Approver, parties.approvers.contains(&actor.sub))
    }

    /// The moment at which it ends by itself, if any: the end of `expiresOn`, or of a break-glass's hours.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        let end_of_day =
            self.decision.expires_on.map(|d| crate::base::calendar::start_of_day(crate::base::calendar::next_day(d)));
        let break_glass = self.break_glass.as_ref().map(|b| b.expires_at);
        end_of_day.into_iter().chain(break_glass).min()
    }

    /// Whether a use of one place under this approval lies within a restriction of its model, now that it is decided.
    ///
    /// # Errors
    /// As [`conforms`].
    pub fn conforms_to(&self, restriction: &Restriction, account: &AccountId, region: &Region) -> Result<(), Refusal> {
        let first_day = self.decision.effective_from.unwrap_or_else(|| utc_day(self.decided_at));
        let last_day = last_day(&self.decision, self.break_glass.as_ref());
        conforms(restriction, &self.space_id, account, region, &self.decision.actions, last_day, first_day)
    }

    /// Whether its effects have begun.
    #[must_use]
    pub fn is_effective(&self, now: Timestamp) -> bool {
        self.decision.effective_from.is_none_or(|day| crate::base::calendar::start_of_day(day) <= now)
    }
}

/// The last day of a decision; break-glass ends by itself, whether or not a last day is given.
fn last_day(fields: &ApprovalFields, break_glass: Option<&BreakGlass>) -> Option<Date> {
    fields.expires_on.into_iter().chain(break_glass.map(|b| utc_day(b.expires_at))).min()
}

/// Revokes an approval; its scopes follow one by one.
pub fn decide_revoke(
    approval: &Approval,
    space: &Space,
    reason: Note,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Approval> {
    let same = |e: &ApprovalEnd| e.by == actor.sub && e.reason.as_ref() == Some(&reason);
    if approval.state == ApprovalState::Revoked && approval.end.as_ref().is_some_and(same) {
        return Outcome::AlreadyDone;
    }
    match authorize(actor, Action::RevokeApproval, approval.relations(space, actor), approval.state.as_str()) {
        Err(refusal) => refusal.into(),
        Ok(()) => Outcome::Changed(ended(approval, ApprovalState::Revoked, actor, now, Some(reason), None)),
    }
}

/// Ends an approval whose time is over; before that nothing happens.
pub fn decide_expire(approval: &Approval, actor: &Actor, now: Timestamp) -> Outcome<Approval> {
    if let Err(refusal) = authorize(actor, Action::ExpireApproval, Relations::NONE, "") {
        return refusal.into();
    }
    let is_over = approval.expires_at().is_some_and(|at| at <= now);
    if approval.state != ApprovalState::Active || !is_over {
        return Outcome::AlreadyDone;
    }
    Outcome::Changed(ended(approval, ApprovalState::Expired, actor, now, None, None))
}

/// Reviews a break-glass decision; neither who took it nor who carried it out can. `executors` are those of its scopes.
pub fn decide_review(
    approval: &Approval,
    space: &Space,
    executors: &BTreeSet<Sub>,
    outcome: ReviewOutcome,
    note: Note,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Approval> {
    let relations = approval.relations(space, actor).with(Relation::Executor, executors.contains(&actor.sub));
    if let Err(refusal) = authorize(actor, Action::ReviewBreakGlass, relations, "") {
        return refusal.into();
    }
    if approval.break_glass.is_none() {
        return Refusal::new(
            RefusalKind::WrongState,
            "this approval was decided on a request; only break-glass is reviewed",
        )
        .into();
    }
    match &approval.review {
        Some(review) if review.by == actor.sub && review.outcome == outcome && review.note == note => {
            Outcome::AlreadyDone
        }
        Some(review) => {
            Refusal::new(RefusalKind::AlreadyDecided, format!("reviewed by `{}` at {}", review.by, review.at)).into()
        }
        None => {
            let review = Some(BreakGlassReview { by: actor.sub.clone(), at: now, outcome, note });
            Outcome::Changed(Approval { review, ..approval.clone() })
        }
    }
}

pub(crate) fn ended(
    approval: &Approval,
    state: ApprovalState,
    actor: &Actor,
    at: Timestamp,
    reason: Option<Note>,
    superseded_by: Option<ApprovalId>,
) -> Approval {
    let end = Some(ApprovalEnd { by: actor.sub.clone(), at, reason, superseded_by });
    Approval { state, end, ..approval.clone() }
}
