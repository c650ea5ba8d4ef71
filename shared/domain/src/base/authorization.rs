//! The one authorisation table: role × action × state × relation of the actor to the thing.
//!
//! Every entry path asks here, people and the product's own jobs alike, and nothing else in the product names a role
//! to decide anything. [`may_ever`] is asked before a body is read; [`authorize`] once the thing is known. A thing
//! that the actor may not see is refused exactly like one that does not exist.

use serde::Serialize;

use crate::base::outcome::{Refusal, RefusalKind};
use crate::base::people::{Actor, Role};
use Role::{Auditor, CloudEngineer, FinopsLead, ProductOwner, System};

/// How an actor stands to the thing they act on; several may hold at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// Owns the Space that the thing belongs to.
    Owner,
    /// Asked for what the approval grants.
    Requester,
    /// Decided the approval.
    Approver,
    /// Started or completed a task of the approval.
    Executor,
    /// Holds the task.
    Assignee,
    /// Disputed the card.
    Disputer,
    /// Decided the card's dispute.
    Resolver,
    /// Reviewed the break-glass decision.
    Reviewer,
    /// Is the person that it is about.
    Oneself,
}

/// A set of relations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Relations(u16);

impl Relations {
    /// No relation at all.
    pub const NONE: Self = Self(0);

    /// The same set with `relation` in it when `holds`.
    #[must_use]
    pub const fn with(self, relation: Relation, holds: bool) -> Self {
        if holds { Self(self.0 | 1 << relation as u16) } else { self }
    }

    /// Whether `relation` is in the set.
    #[must_use]
    pub const fn has(self, relation: Relation) -> bool {
        self.0 & (1 << relation as u16) != 0
    }
}

/// Everything that can be asked of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each name is its own sentence; the table below says who may do it")]
pub enum Action {
    ReadMe,
    ReadPerson,
    WritePerson,
    ReadSettings,
    WriteSettings,
    ReadAccounts,
    WriteAccount,
    ReadModels,
    ReadScopes,
    DecideModel,
    ReadOrganisationDeny,
    SubmitRequest,
    ReadRequests,
    WithdrawRequest,
    ApproveRequest,
    RejectRequest,
    ReadApprovals,
    DecideWithoutRequest,
    BreakGlass,
    ReviewBreakGlass,
    RevokeApproval,
    ReadAudit,
    VerifyAudit,
    CreateSpace,
    ReadSpaces,
    UpdateSpace,
    CreateWorkload,
    ReadWorkloads,
    RetireWorkload,
    SetEstimate,
    ReadEstimates,
    ReadAnchors,
    ClaimAnchor,
    ReadClaims,
    ReleaseClaim,
    ReadProposals,
    AnswerProposal,
    ReadHandoff,
    ReadTasks,
    StartTask,
    CompleteTask,
    ReturnTask,
    ReleaseTask,
    ReissueTask,
    ReadDrift,
    ReadSpend,
    ReadIngestions,
    StartIngestion,
    ReadGaps,
    ActOnGap,
    ReadCards,
    ApproveCard,
    DisputeCard,
    ResolveCard,
    ReadPortfolio,
    ReviewPortfolio,
    CreateExport,
    ReadExports,
    ReadMonths,
    CloseMonth,
    ReadSubscription,
    WriteSubscription,
    DiscoverModels,
    IssueChain,
    CancelTasks,
    ExpireApproval,
    CheckDrift,
    IngestSpend,
    OpenCards,
    SendNotice,
    RelayEvents,
    SealDay,
}

/// One role's right to an action.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Permission {
    /// Who.
    pub role: Role,
    /// Only when the actor stands so to the thing.
    pub only_as: Option<Relation>,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rule {
    /// What is asked.
    pub action: Action,
    /// Who may ask, and as what. No grant, no right.
    pub grants: &'static [Permission],
    /// Relations that forbid it whatever the roles: separation of duties.
    pub never_as: &'static [Relation],
    /// States of the thing in which it may be done; empty where the thing has none that matter.
    pub while_in: &'static [&'static str],
}

const fn any(role: Role) -> Permission {
    Permission { role, only_as: None }
}
const fn as_owner() -> Permission {
    Permission { role: ProductOwner, only_as: Some(Relation::Owner) }
}
const fn as_oneself(role: Role) -> Permission {
    Permission { role, only_as: Some(Relation::Oneself) }
}
const fn rule(action: Action, grants: &'static [Permission]) -> Rule {
    Rule { action, grants, never_as: &[], while_in: &[] }
}
const fn step(
    action: Action,
    grants: &'static [Permission],
    never_as: &'static [Relation],
    while_in: &'static [&'static str],
) -> Rule {
    Rule { action, grants, never_as, while_in }
}

const EVERYBODY: &[Permission] = &[any(FinopsLead), any(ProductOwner), any(CloudEngineer), any(Auditor)];
const LEAD: &[Permission] = &[any(FinopsLead)];
const LEAD_AND_AUDITOR: &[Permission] = &[any(FinopsLead), any(Auditor)];
const ALL_BUT_OWNERS: &[Permission] = &[any(FinopsLead), any(CloudEngineer), any(Auditor)];
const OWNER: &[Permission] = &[as_owner()];
const READERS_AND_OWNER: &[Permission] = &[any(FinopsLead), any(CloudEngineer), any(Auditor), as_owner()];
const LEAD_AUDITOR_AND_OWNER: &[Permission] = &[any(FinopsLead), any(Auditor), as_owner()];
const ENGINEER: &[Permission] = &[any(CloudEngineer)];
const ASSIGNEE: &[Permission] = &[Permission { role: CloudEngineer, only_as: Some(Relation::Assignee) }];
const LEAD_AND_ONESELF: &[Permission] =
    &[any(FinopsLead), as_oneself(ProductOwner), as_oneself(CloudEngineer), as_oneself(Auditor)];
const JOB: &[Permission] = &[any(System)];
/// Who has a part in an approval already that is not the executor's.
const NOT_THE_EXECUTOR: &[Relation] = &[Relation::Requester, Relation::Approver, Relation::Reviewer];

/// The table.
pub const TABLE: &[Rule] = &[
    rule(Action::ReadMe, EVERYBODY),
    rule(Action::ReadPerson, LEAD_AND_AUDITOR),
    step(Action::WritePerson, LEAD_AND_ONESELF, &[], &["own", "unheard"]),
    rule(Action::ReadSettings, EVERYBODY),
    rule(Action::WriteSettings, LEAD),
    rule(Action::ReadAccounts, EVERYBODY),
    rule(Action::WriteAccount, LEAD),
    rule(Action::ReadModels, EVERYBODY),
    rule(Action::ReadScopes, READERS_AND_OWNER),
    rule(Action::DecideModel, LEAD),
    rule(Action::ReadOrganisationDeny, ALL_BUT_OWNERS),
    step(Action::SubmitRequest, OWNER, &[Relation::Approver, Relation::Executor], &[]),
    rule(Action::ReadRequests, READERS_AND_OWNER),
    step(Action::WithdrawRequest, OWNER, &[], &["submitted"]),
    step(Action::ApproveRequest, LEAD, &[Relation::Requester, Relation::Executor], &["submitted"]),
    step(Action::RejectRequest, &[any(FinopsLead), any(System)], &[Relation::Requester], &["submitted"]),
    rule(Action::ReadApprovals, READERS_AND_OWNER),
    step(Action::DecideWithoutRequest, LEAD, &[Relation::Requester, Relation::Executor], &[]),
    step(Action::BreakGlass, LEAD, &[Relation::Owner, Relation::Requester, Relation::Executor], &[]),
    step(Action::ReviewBreakGlass, LEAD, &[Relation::Approver, Relation::Executor], &[]),
    step(Action::RevokeApproval, &[any(FinopsLead), any(System)], &[], &["active"]),
    rule(Action::ReadAudit, LEAD_AND_AUDITOR),
    rule(Action::VerifyAudit, &[any(FinopsLead), any(Auditor), any(System)]),
    rule(Action::CreateSpace, LEAD),
    rule(Action::ReadSpaces, READERS_AND_OWNER),
    rule(Action::UpdateSpace, LEAD),
    rule(Action::CreateWorkload, OWNER),
    rule(Action::ReadWorkloads, READERS_AND_OWNER),
    step(Action::RetireWorkload, OWNER, &[], &["active"]),
    rule(Action::SetEstimate, OWNER),
    rule(Action::ReadEstimates, LEAD_AUDITOR_AND_OWNER),
    rule(Action::ReadAnchors, READERS_AND_OWNER),
    rule(Action::ClaimAnchor, OWNER),
    rule(Action::ReadClaims, LEAD_AUDITOR_AND_OWNER),
    rule(Action::ReleaseClaim, OWNER),
    rule(Action::ReadProposals, LEAD_AUDITOR_AND_OWNER),
    step(Action::AnswerProposal, OWNER, &[], &["proposed"]),
    rule(Action::ReadHandoff, READERS_AND_OWNER),
    rule(Action::ReadTasks, READERS_AND_OWNER),
    step(Action::StartTask, ENGINEER, NOT_THE_EXECUTOR, &["ready"]),
    step(Action::CompleteTask, ASSIGNEE, NOT_THE_EXECUTOR, &["in-progress"]),
    step(Action::ReturnTask, ASSIGNEE, &[], &["in-progress"]),
    step(Action::ReleaseTask, ASSIGNEE, &[], &["in-progress"]),
    step(Action::ReissueTask, LEAD, &[], &["returned"]),
    rule(Action::ReadDrift, ALL_BUT_OWNERS),
    rule(Action::ReadSpend, LEAD_AUDITOR_AND_OWNER),
    rule(Action::ReadIngestions, ALL_BUT_OWNERS),
    rule(Action::StartIngestion, LEAD),
    rule(Action::ReadGaps, LEAD_AND_AUDITOR),
    step(Action::ActOnGap, &[any(FinopsLead), any(System)], &[], &["active", "actioned"]),
    rule(Action::ReadCards, LEAD_AUDITOR_AND_OWNER),
    step(Action::ApproveCard, OWNER, &[Relation::Resolver], &["open", "resolved"]),
    step(Action::DisputeCard, OWNER, &[], &["open"]),
    step(Action::ResolveCard, LEAD, &[Relation::Disputer], &["disputed"]),
    rule(Action::ReadPortfolio, LEAD_AND_AUDITOR),
    rule(Action::ReviewPortfolio, LEAD),
    rule(Action::CreateExport, LEAD_AND_AUDITOR),
    rule(Action::ReadExports, LEAD_AND_AUDITOR),
    rule(Action::ReadMonths, LEAD_AND_AUDITOR),
    rule(Action::CloseMonth, LEAD),
    rule(Action::ReadSubscription, EVERYBODY),
    rule(Action::WriteSubscription, EVERYBODY),
    rule(Action::DiscoverModels, JOB),
    rule(Action::IssueChain, JOB),
    rule(Action::CancelTasks, JOB),
    rule(Action::ExpireApproval, JOB),
    rule(Action::CheckDrift, JOB),
    rule(Action::IngestSpend, JOB),
    rule(Action::OpenCards, JOB),
    rule(Action::SendNotice, JOB),
    rule(Action::RelayEvents, JOB),
    rule(Action::SealDay, JOB),
];

/// The table's row for an action. A missing row is caught by a test; until then nobody may do it.
#[must_use]
pub fn rule_of(action: Action) -> Rule {
    TABLE.iter().copied().find(|r| r.action == action).unwrap_or(rule(action, &[]))
}

/// Whether any role of the actor may ever do this, whatever the thing: asked before anything is read.
///
/// # Errors
/// [`RefusalKind::RoleForbidden`] if not.
pub fn may_ever(actor: &Actor, action: Action) -> Result<(), Refusal> {
    if rule_of(action).grants.iter().any(|g| actor.is(g.role)) { Ok(()) } else { Err(role_forbidden(actor, action)) }
}

/// Whether the actor may see or touch only what they own when doing this: then lists are cut to their Spaces.
#[must_use]
pub fn is_cut_to_own(actor: &Actor, action: Action) -> bool {
    !rule_of(action).grants.iter().any(|g| actor.is(g.role) && g.only_as.is_none())
}

/// Whether the actor may do this to the thing that stands so to them and is in `state`.
///
/// # Errors
/// In this order: no role ([`RefusalKind::RoleForbidden`]); not the owner ([`RefusalKind::NotFound`]) or not the
/// assignee ([`RefusalKind::NotAssignee`]); [`RefusalKind::SeparationOfDuties`]; [`RefusalKind::WrongState`].
pub fn authorize(actor: &Actor, action: Action, relations: Relations, state: &str) -> Result<(), Refusal> {
    let rule = rule_of(action);
    may_ever(actor, action)?;
    let mut held = rule.grants.iter().filter(|g| actor.is(g.role));
    let granted = held.clone().any(|g| g.only_as.is_none_or(|r| relations.has(r)));
    if !granted {
        return Err(match held.find_map(|g| g.only_as) {
            Some(Relation::Assignee) => Refusal::new(
                RefusalKind::NotAssignee,
                "another engineer holds this task or nobody does; start it first, or ask its holder to release it",
            ),
            _ => not_found(),
        });
    }
    if let Some(relation) = barring(action, relations) {
        return Err(Refusal::new(RefusalKind::SeparationOfDuties, separation_detail(relation)));
    }
    if !rule.while_in.is_empty() && !rule.while_in.contains(&state) {
        return Err(Refusal::new(
            RefusalKind::WrongState,
            format!("it is `{state}`; this can be done while it is {}", rule.while_in.join(" or ")),
        )
        .with_current(serde_json::json!({ "state": state })));
    }
    Ok(())
}

/// The relation that forbids an action to whoever stands so to the thing, whatever their roles; also asked about
/// somebody who is not the actor, such as the requester of what is approved.
#[must_use]
pub fn barring(action: Action, relations: Relations) -> Option<Relation> {
    rule_of(action).never_as.iter().copied().find(|relation| relations.has(*relation))
}

/// The one answer for what does not exist and for what the actor may not know of.
#[must_use]
pub fn not_found() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "there is no such thing, or it is not yours to see; check the id in the list")
}

fn role_forbidden(actor: &Actor, action: Action) -> Refusal {
    let names = |roles: &mut dyn Iterator<Item = Role>| roles.map(Role::as_str).collect::<Vec<_>>().join(", ");
    let needed = names(&mut rule_of(action).grants.iter().map(|g| g.role));
    let held = names(&mut actor.roles.iter().copied());
    Refusal::new(
        RefusalKind::RoleForbidden,
        format!("this takes the role {needed}; your token carries {}", if held.is_empty() { "none" } else { &held }),
    )
}

const fn separation_detail(relation: Relation) -> &'static str {
    match relation {
        Relation::Requester => "you requested this; requester, approver and executor are three people: ask a colleague",
        Relation::Approver => "you approved this; requester, approver and executor are three people: ask a colleague",
        Relation::Executor => {
            "you carried out a task of this; requester, approver and executor are three people: ask a colleague"
        }
        Relation::Disputer => "you disputed this card; somebody else resolves it",
        Relation::Reviewer => {
            "you reviewed this break-glass decision; who reviews one has no hand in it: ask a colleague"
        }
        Relation::Resolver => "you decided this card's dispute; another owner of the Space signs it",
        Relation::Owner | Relation::Assignee | Relation::Oneself => {
            "you may not do this to what is yours; ask a colleague"
        }
    }
}
