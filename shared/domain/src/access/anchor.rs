//! Attribution anchors: an IAM role, a Lambda's execution role, or a Claude workspace, and who claims it when.
//!
//! One record per anchor holds all that must be unique about it: the workload it serves, the grants that are live on
//! it, whose turn it is to put its policy, and its claims over time. Claims are half-open days [from, to); history
//! stays, so spend of each day goes to who held the claim that day. Revoking an approval does not end a claim: late
//! spend follows it.

use std::collections::{BTreeMap, VecDeque};

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use crate::access::policy::grant::Grant;
use crate::access::tasks::chain::Chain;
use crate::access::workloads::space::{Space, Workload};
use crate::base::authorization::{Action, Relation, authorize, not_found};
use crate::base::aws::{AccountId, Partition, Region, RoleRef, WorkspaceArn, WorkspaceName};
use crate::base::calendar::{Month, next_day, utc_day};
use crate::base::ids::{ApprovalId, ClaimId, ScopeId, SpaceId, TaskId, WorkloadId};
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::platform::Platform;
use crate::base::text::{Note, Sub};

pub mod follow;
mod room;
mod twins;

pub use room::CLAIMS_MAX;
pub use twins::check_twins;

/// Days ahead that a claim may begin: a claim is about spend that is about to come, not a plan.
const CLAIM_DAYS_AHEAD_MAX: i32 = 31;

/// What identifies an anchor before anything exists in the account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", rename_all_fields = "camelCase")]
pub enum AnchorKey {
    /// A role; IAM compares role names without regard to case.
    Role(RoleRef),
    /// A Claude workspace: its name is unique per account and region.
    Workspace {
        /// The partition.
        partition: Partition,
        /// The account.
        account_id: AccountId,
        /// The region.
        region: Region,
        /// The name as the Lead gave it.
        name: WorkspaceName,
    },
}

/// Stable, unique, within a DynamoDB key's alphabet.
impl std::fmt::Display for AnchorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Role(role) => {
                let name = role.name.as_str().to_ascii_lowercase();
                write!(f, "{}#{}#role#{name}", role.partition.as_str(), role.account_id)
            }
            Self::Workspace { partition, account_id, region, name } => {
                write!(f, "{}#{account_id}#workspace#{region}#{name}", partition.as_str())
            }
        }
    }
}

impl AnchorKey {
    /// The anchors that a scope takes: its role, and on Claude Platform its workspace.
    #[must_use]
    pub fn of_chain(chain: &Chain) -> Vec<Self> {
        let role = Self::Role(chain.role());
        let workspace = chain.workspace_name.as_ref().map(|name| Self::Workspace {
            partition: chain.role().partition,
            account_id: chain.spec.account_id.clone(),
            region: chain.spec.region.clone(),
            name: name.clone(),
        });
        std::iter::once(role).chain(workspace).collect()
    }
}

/// The kinds of anchor on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the contract's own names")]
pub enum AnchorType {
    IamRole,
    Workspace,
    LambdaRole,
}

/// An anchor on the wire: its type and ARN.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnchorRef {
    /// What it is.
    #[serde(rename = "type")]
    pub anchor_type: AnchorType,
    /// Its ARN: a role's or a workspace's.
    pub arn: String,
}

/// What an anchor on the wire names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedAnchor {
    /// A role, which its ARN identifies.
    Role(RoleRef),
    /// A workspace; its ARN does not hold its name.
    Workspace(WorkspaceArn),
}

impl NamedAnchor {
    /// The key of an anchor that only the bill knows: the name of a workspace being unknown, it goes by its id.
    ///
    /// # Errors
    /// [`RefusalKind::InvalidValue`] for an id longer than a name may be.
    pub fn key_in_bill(&self) -> Result<AnchorKey, Refusal> {
        match self {
            Self::Role(role) => Ok(AnchorKey::Role(role.clone())),
            Self::Workspace(arn) => Ok(AnchorKey::Workspace {
                partition: arn.partition,
                account_id: arn.account_id.clone(),
                region: arn.region.clone(),
                name: arn.workspace_id.parse().map_err(|_| {
                    Refusal::new(
                        RefusalKind::InvalidValue,
                        "the workspace's id is longer than 64 characters; check its ARN",
                    )
                })?,
            }),
        }
    }
}

impl AnchorRef {
    /// What it names.
    ///
    /// # Errors
    /// [`RefusalKind::InvalidValue`] when the ARN is not one of its type.
    pub fn named(&self) -> Result<NamedAnchor, Refusal> {
        let role = || RoleRef::parse_arn(&self.arn).filter(|_| self.arn.contains(":iam::")).map(NamedAnchor::Role);
        let (named, form) = match self.anchor_type {
            AnchorType::IamRole | AnchorType::LambdaRole => (role(), "arn:aws:iam::ACCOUNT:role/NAME"),
            AnchorType::Workspace => (
                WorkspaceArn::parse(&self.arn).map(NamedAnchor::Workspace),
                "arn:aws:aws-external-anthropic:REGION:ACCOUNT:workspace/wrkspc_ID",
            ),
        };
        let detail = || format!("`anchor.arn` reads {form} for this type; copy the anchor from GET /v1/anchors");
        named.ok_or_else(|| Refusal::new(RefusalKind::InvalidValue, detail()))
    }
}

/// What one scope grants on a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleGrant {
    /// The approval that it comes from.
    pub approval_id: ApprovalId,
    /// Whether its chain was issued: only then it belongs in the role's document.
    pub issued: bool,
    /// What it grants.
    pub grant: Grant,
}

/// A workload's hold on an anchor, for half-open days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// Its id.
    pub id: ClaimId,
    /// Who answers for the spend.
    pub workload_id: WorkloadId,
    /// The workload's Space.
    pub space_id: SpaceId,
    /// First day.
    pub from: Date,
    /// The day after the last; none while it lasts.
    pub to: Option<Date>,
    /// Who claimed.
    pub claimed_by: Sub,
    /// When.
    pub claimed_at: Timestamp,
    /// Who released it.
    pub released_by: Option<Sub>,
    /// Why.
    pub release_reason: Option<Note>,
}

impl Claim {
    /// Whether the claim holds on a day.
    #[must_use]
    pub fn holds_on(&self, day: Date) -> bool {
        self.from <= day && self.to.is_none_or(|to| day < to)
    }

    fn overlaps(&self, from: Date, to: Option<Date>) -> bool {
        self.to.is_none_or(|own_end| from < own_end) && to.is_none_or(|end| self.from < end)
    }
}

/// An anchor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Anchor {
    /// What identifies it.
    pub key: AnchorKey,
    /// What it is on the wire.
    pub anchor_type: AnchorType,
    /// The ARN: a role's is known from the start, a workspace's once task 2 has confirmed it.
    pub arn: Option<String>,
    /// The workload it serves; another one's approval or claim is refused.
    pub workload_id: WorkloadId,
    /// That workload's Space.
    pub space_id: SpaceId,
    /// Live grants by scope; for a workspace the grants of the roles that reach it are not repeated here.
    pub grants: BTreeMap<ScopeId, RoleGrant>,
    /// Scopes that use it: it is free for another workload when there are none and nobody claims it.
    pub scopes: Vec<ScopeId>,
    /// Whether it is there: a task of the product created or verified it.
    #[serde(default)]
    pub exists: bool,
    /// The policy task that is ready or in progress.
    pub policy_task: Option<TaskId>,
    /// Policy tasks that wait for it, oldest first.
    pub waiting: VecDeque<TaskId>,
    /// The approval whose chain made it, once complete: the owner may claim.
    pub ready_to_claim: Option<ApprovalId>,
    /// Who held it when, oldest first.
    pub claims: Vec<Claim>,
}

impl Anchor {
    /// A fresh anchor, taken for a workload.
    #[must_use]
    pub fn new(key: AnchorKey, platform: Platform, workload_id: WorkloadId, space_id: SpaceId) -> Self {
        let (anchor_type, arn) = match (&key, platform) {
            (AnchorKey::Role(role), Platform::Bedrock) => (AnchorType::IamRole, Some(role.arn())),
            (AnchorKey::Role(role), Platform::ClaudePlatform) => (AnchorType::LambdaRole, Some(role.arn())),
            (AnchorKey::Workspace { .. }, _) => (AnchorType::Workspace, None),
        };
        Self {
            key,
            anchor_type,
            arn,
            workload_id,
            space_id,
            grants: BTreeMap::new(),
            scopes: Vec::new(),
            exists: false,
            policy_task: None,
            waiting: VecDeque::new(),
            ready_to_claim: None,
            claims: Vec::new(),
        }
    }

    /// An anchor that no task made: it was found in the bill, under [`NamedAnchor::key_in_bill`].
    #[must_use]
    pub fn found_in_bill(key: AnchorKey, wanted: &AnchorRef, workload: &Workload) -> Self {
        let AnchorRef { anchor_type, arn } = wanted.clone();
        let platform = if anchor_type == AnchorType::IamRole { Platform::Bedrock } else { Platform::ClaudePlatform };
        let anchor = Self::new(key, platform, workload.id.clone(), workload.space_id.clone());
        Self { arn: anchor.arn.or(Some(arn)), ..anchor }
    }

    /// The anchor as the wire names it; a workspace without ARN has none yet.
    #[must_use]
    pub fn reference(&self) -> Option<AnchorRef> {
        self.arn.clone().map(|arn| AnchorRef { anchor_type: self.anchor_type, arn })
    }

    /// The grants that belong in the role's document now.
    #[must_use]
    pub fn live_grants(&self) -> Vec<Grant> {
        self.grants.values().filter(|g| g.issued).map(|g| g.grant.clone()).collect()
    }

    /// The claim that holds on a day.
    #[must_use]
    pub fn claim_on(&self, day: Date) -> Option<&Claim> {
        self.claims.iter().find(|c| c.holds_on(day))
    }

    /// Whether another workload may not use it: it has scopes or a claim that lasts.
    #[must_use]
    pub fn is_taken_from(&self, workload: &WorkloadId) -> bool {
        self.workload_id != *workload && (!self.scopes.is_empty() || self.claims.iter().any(|c| c.to.is_none()))
    }

    /// Takes the anchor for a scope of a workload; a free one that served another before is passed on.
    ///
    /// # Errors
    /// [`RefusalKind::AnchorTaken`] when it serves another workload.
    pub fn reserve(&mut self, scope: &ScopeId, workload: &WorkloadId, space: &SpaceId) -> Result<(), Refusal> {
        if self.is_taken_from(workload) {
            return Err(anchor_taken(&self.key));
        }
        self.pass_on_to(workload, space);
        if !self.scopes.contains(scope) {
            self.scopes.push(scope.clone());
        }
        Ok(())
    }

    /// Makes it serve a workload; what another one's chain completed is not ready for this one.
    fn pass_on_to(&mut self, workload: &WorkloadId, space: &SpaceId) {
        if self.workload_id != *workload {
            self.ready_to_claim = None;
        }
        self.workload_id = workload.clone();
        self.space_id = space.clone();
    }

    /// Lets go of a scope that is revoked.
    pub fn release_scope(&mut self, scope: &ScopeId) {
        self.scopes.retain(|s| s != scope);
        self.grants.remove(scope);
    }
}

fn anchor_taken(key: &AnchorKey) -> Refusal {
    let what = match key {
        AnchorKey::Role(role) => format!("role `{}` in account {}", role.name, role.account_id),
        AnchorKey::Workspace { account_id, region, name, .. } => format!("workspace `{name}` in {account_id} {region}"),
    };
    Refusal::new(
        RefusalKind::AnchorTaken,
        format!("{what} serves another workload; choose another name, since its bill cannot be told apart"),
    )
}

/// The first day that a claim made today may reach back to: the first of the previous month.
#[must_use]
pub fn first_claimable_day(today: Date) -> Date {
    Month::of(today).previous().first_day()
}

/// Claims an anchor for a workload from a day on.
pub fn decide_claim(
    anchor: &Anchor,
    id: ClaimId,
    workload: &Workload,
    space: &Space,
    from: Date,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<(Anchor, Claim)> {
    if let Err(refusal) = authorize(actor, Action::ClaimAnchor, space.relations(actor), "") {
        return refusal.into();
    }
    if anchor.workload_id != workload.id {
        return not_found().into();
    }
    if let Some(outcome) = overlap(anchor, workload, from, actor) {
        return outcome;
    }
    if anchor.ready_to_claim.is_none() || anchor.arn.is_none() {
        return Refusal::new(
            RefusalKind::WrongState,
            "its task chain is not complete; the owner is told when it is ready to claim",
        )
        .into();
    }
    claimed(anchor.clone(), id, workload, from, actor, now)
}

/// Claims what a Lead proposed: no chain need have made the anchor, and one that is free is passed on to the workload.
pub fn decide_claim_proposed(
    anchor: &Anchor,
    id: ClaimId,
    workload: &Workload,
    space: &Space,
    from: Date,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<(Anchor, Claim)> {
    if let Err(refusal) = authorize(actor, Action::ClaimAnchor, space.relations(actor), "") {
        return refusal.into();
    }
    if anchor.is_taken_from(&workload.id) {
        return anchor_taken(&anchor.key).into();
    }
    if let Some(outcome) = overlap(anchor, workload, from, actor) {
        return outcome;
    }
    let mut taken = anchor.clone();
    taken.pass_on_to(&workload.id, &workload.space_id);
    claimed(taken, id, workload, from, actor, now)
}

/// The answer if somebody holds the anchor on a day from `from` on: the same claim again, or a refusal.
fn overlap(anchor: &Anchor, workload: &Workload, from: Date, actor: &Actor) -> Option<Outcome<(Anchor, Claim)>> {
    let claim = anchor.claims.iter().find(|c| c.overlaps(from, None))?;
    let is_mine = claim.workload_id == workload.id && claim.from == from && claim.to.is_none();
    if is_mine && claim.claimed_by == actor.sub {
        return Some(Outcome::AlreadyDone);
    }
    let days = match claim.to {
        None => format!("claimed from {} on; release that claim first", claim.from),
        Some(to) => format!("claimed from {} to the day before {to}; claim it from {to} on", claim.from),
    };
    Some(Refusal::new(RefusalKind::ClaimOverlaps, format!("the anchor is {days}")).into())
}

fn claimed(
    mut anchor: Anchor,
    id: ClaimId,
    workload: &Workload,
    from: Date,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<(Anchor, Claim)> {
    let today = utc_day(now);
    let latest = today.checked_add(CLAIM_DAYS_AHEAD_MAX.days()).unwrap_or(today);
    if from < first_claimable_day(today) || from > latest {
        let detail = format!("`effectiveFrom` lies between {} and {latest}", first_claimable_day(today));
        return Refusal::new(RefusalKind::InvalidValue, detail).into();
    }
    if let Err(refusal) = room::check_room(&anchor) {
        return refusal.into();
    }
    let claim = Claim {
        id,
        workload_id: workload.id.clone(),
        space_id: workload.space_id.clone(),
        from,
        to: None,
        claimed_by: actor.sub.clone(),
        claimed_at: now,
        released_by: None,
        release_reason: None,
    };
    anchor.claims.push(claim.clone());
    anchor.claims.sort_by_key(|c| c.from);
    Outcome::Changed((anchor, claim))
}

/// Ends a claim: `to` is the first day that it no longer holds.
pub fn decide_release_claim(
    anchor: &Anchor,
    id: &ClaimId,
    space: &Space,
    to: Date,
    reason: Note,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<(Anchor, Claim)> {
    let relations = space.relations(actor);
    if let Err(refusal) = authorize(actor, Action::ReleaseClaim, relations, "") {
        return refusal.into();
    }
    let Some(claim) = anchor.claims.iter().find(|c| c.id == *id).filter(|_| relations.has(Relation::Owner)) else {
        return not_found().into();
    };
    if claim.to == Some(to)
        && claim.released_by.as_ref() == Some(&actor.sub)
        && claim.release_reason.as_ref() == Some(&reason)
    {
        return Outcome::AlreadyDone;
    }
    if let Some(ended) = claim.to {
        return Refusal::new(RefusalKind::AlreadyDecided, format!("the claim already ends before {ended}")).into();
    }
    let today = utc_day(now);
    let earliest = next_day(claim.from).max(first_claimable_day(today));
    if to < earliest || to > next_day(today) {
        let detail = format!(
            "`effectiveTo` is the first day without the claim and lies between {earliest} and {}",
            next_day(today)
        );
        return Refusal::new(RefusalKind::InvalidValue, detail).into();
    }
    let ended =
        Claim { to: Some(to), released_by: Some(actor.sub.clone()), release_reason: Some(reason), ..claim.clone() };
    let mut next = anchor.clone();
    if let Some(slot) = next.claims.iter_mut().find(|c| c.id == *id) {
        slot.clone_from(&ended);
    }
    Outcome::Changed((next, ended))
}

/// The ARN of a workspace, checked, for an anchor that is one.
#[must_use]
pub fn workspace_arn(anchor: &Anchor) -> Option<WorkspaceArn> {
    anchor.arn.as_deref().and_then(WorkspaceArn::parse)
}
