//! Business Requests: what a Product Owner asks for. What a request names is a ceiling; what it leaves open the Lead
//! may choose.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::decisions::approval::{Approval, ApprovalState};
use crate::access::models::model::{Model, ModelDecision, Restriction, within};
use crate::access::policy::agents::{agent_action, is_mcp_server};
use crate::access::tasks::chain::Chain;
use crate::access::workloads::space::{Space, Workload, WorkloadState};
use crate::base::authorization::{Action, Relation, Relations, authorize, barring};
use crate::base::aws::{AccountId, Region, RoleName};
use crate::base::ids::{ApprovalId, RequestId, SpaceId, WorkloadId};
use crate::base::money::Money;
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::platform::{Agentic, ModelAction, ModelId, ModelKey, Platform, Tier};
use crate::base::text::{Note, Sub};

/// Scopes one request or approval may hold: a transaction takes 100 actions, and a scope takes up to four of them.
pub const SCOPES_MAX: usize = 20;

/// Bytes of a named inference profile: twice the longest ARN that AWS makes, and twenty of them fit an item with room
/// to spare.
pub const INFERENCE_PROFILE_BYTES_MAX: usize = 256;

/// Entries that a list of `agentic` may hold: more than any platform has actions of agents, and each becomes part of a
/// policy, of which a role holds 10,240 characters.
pub const AGENTIC_ENTRIES_MAX: usize = 50;

/// Bytes of one entry of `agentic`: as long as a service principal or an action's name can be in IAM.
const AGENTIC_ENTRY_BYTES_MAX: usize = 128;

/// One row of a request: an account and region, and what else the owner chose to name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestedScope {
    /// Where.
    pub account_id: AccountId,
    /// Where in it.
    pub region: Region,
    /// The role, if the owner already knows it.
    #[serde(default)]
    pub iam_role: Option<RoleName>,
    /// Whether that role is already there.
    #[serde(default)]
    pub existing: bool,
    /// The inference profile, if the owner wants a particular one.
    #[serde(default)]
    pub inference_profile: Option<String>,
}

/// What an owner asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestFields {
    /// For which workload.
    pub workload_id: WorkloadId,
    /// On which platform; open if left out.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// Which model; open if left out, then the Lead chooses.
    #[serde(default)]
    pub model_id: Option<ModelId>,
    /// Where; open if empty.
    #[serde(default)]
    pub scopes: Vec<RequestedScope>,
    /// Which actions; open if empty.
    #[serde(default)]
    pub actions: BTreeSet<ModelAction>,
    /// Standard or agentic.
    #[serde(default)]
    pub tier: Tier,
    /// What agents may do, in tier agentic.
    #[serde(default)]
    pub agentic: Option<Agentic>,
    /// Why.
    pub justification: Note,
    /// The first monthly estimate, set with the request.
    #[serde(default)]
    pub monthly_estimate: Option<Money>,
    /// The active approval that this would expand: the workload's own, for the model and tier. What kind of request
    /// it is follows from what is approved, and not from this.
    #[serde(default)]
    pub approval_id: Option<ApprovalId>,
}

/// What kind of request it is; derived, never typed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the product's own four words")]
pub enum RequestKind {
    NewAccess,
    ScopeExpansion,
    AgenticExpansion,
    UnapprovedModel,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the states of the product's page on things and their states")]
pub enum RequestState {
    Submitted,
    Approved,
    Rejected,
    Withdrawn,
}

impl RequestState {
    /// Every state, open ones first.
    pub const ALL: [Self; 4] = [Self::Submitted, Self::Approved, Self::Rejected, Self::Withdrawn];

    /// The state's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestEnd {
    /// Who decided or withdrew.
    pub by: Sub,
    /// When.
    pub at: Timestamp,
    /// Why, when rejected.
    pub reason: Option<Note>,
    /// The approval, when approved.
    pub approval_id: Option<ApprovalId>,
}

/// A Business Request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// The Space of the workload.
    pub space_id: SpaceId,
    /// What was asked.
    #[serde(flatten)]
    pub fields: RequestFields,
    /// The model's key, when one was named.
    pub model_key: Option<ModelKey>,
    /// What kind it is.
    pub kind: RequestKind,
    /// Where it stands.
    pub state: RequestState,
    /// Who asked.
    pub requested_by: Sub,
    /// When.
    pub requested_at: Timestamp,
    /// How it ended.
    pub end: Option<RequestEnd>,
}

impl Request {
    /// Whether any approval of it could lie within a restriction: what it leaves open the Lead may choose.
    #[must_use]
    pub fn can_conform(&self, restriction: &Restriction) -> bool {
        let asked = &self.fields;
        let place = |s: &RequestedScope| {
            within("account", &restriction.account_ids, &s.account_id).is_ok()
                && within("region", &restriction.regions, &s.region).is_ok()
        };
        let actions = restriction.actions.is_empty()
            || asked.actions.is_empty()
            || !asked.actions.is_disjoint(&restriction.actions);
        within("space", &restriction.space_ids, &self.space_id).is_ok()
            && (asked.scopes.is_empty() || asked.scopes.iter().any(place))
            && actions
    }

    /// How an actor stands to this request, given its Space.
    #[must_use]
    pub fn relations(&self, space: &Space, actor: &Actor) -> Relations {
        space.relations(actor).with(Relation::Requester, self.requested_by == actor.sub)
    }
}

/// What submitting a request depends on.
#[derive(Debug)]
pub struct SubmitContext<'a> {
    /// The workload's Space.
    pub space: &'a Space,
    /// The workload.
    pub workload: &'a Workload,
    /// The model named, if it is known.
    pub model: Option<&'a Model>,
    /// The active approval for this workload, model and tier, which this would replace, if it names what one is about.
    pub replaced: Option<&'a Approval>,
    /// The chains of that approval.
    pub replaced_chains: &'a [Chain],
}

/// Who may ask for what takes over an approval: neither who decided on that, or on what it replaced in turn, nor who
/// carried out any of it, else one of them would have two of the three parts in what goes on.
///
/// # Errors
/// [`RefusalKind::SeparationOfDuties`].
pub(crate) fn check_may_ask(sub: &Sub, replaced: Option<&Approval>, chains: &[Chain]) -> Result<(), Refusal> {
    let Some(replaced) = replaced else { return Ok(()) };
    let relations = Relations::NONE
        .with(Relation::Approver, replaced.parties().approvers.contains(sub))
        .with(Relation::Executor, chains.iter().any(|chain| chain.executors.contains(sub)));
    let deed = match barring(Action::SubmitRequest, relations) {
        None => return Ok(()),
        Some(Relation::Approver) => "decided on",
        Some(_) => "carried out a task of",
    };
    let detail = format!(
        "`{sub}` {deed} approval `{}`, which this would expand; requester, approver and executor are three people: \
         have another owner of the Space ask",
        replaced.id
    );
    Err(Refusal::new(RefusalKind::SeparationOfDuties, detail)
        .with_current(serde_json::json!({ "approvalId": replaced.id })))
}

/// Submits a request. A blocked model is refused at once, with the reason it was blocked for.
///
/// # Errors
/// The refusal.
pub fn decide_submit(
    id: RequestId,
    fields: RequestFields,
    context: &SubmitContext<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Result<Request, Refusal> {
    authorize(actor, Action::SubmitRequest, context.space.relations(actor), "")?;
    check_may_ask(&actor.sub, context.replaced, context.replaced_chains)?;
    check_fields(&fields, context)?;
    let kind = kind_of(&fields, context);
    let model_key = fields.platform.zip(fields.model_id.as_ref()).map(|(p, m)| ModelKey::of(p, &m.base()));
    Ok(Request {
        id,
        space_id: context.space.id.clone(),
        fields,
        model_key,
        kind,
        state: RequestState::Submitted,
        requested_by: actor.sub.clone(),
        requested_at: now,
        end: None,
    })
}

fn kind_of(fields: &RequestFields, context: &SubmitContext<'_>) -> RequestKind {
    let approved =
        context.model.is_some_and(|m| m.decision == ModelDecision::Approved || m.decision == ModelDecision::Restricted);
    match (fields.model_id.is_some() && !approved, fields.tier, context.replaced.is_some()) {
        (true, _, _) => RequestKind::UnapprovedModel,
        (_, Tier::Agentic, _) => RequestKind::AgenticExpansion,
        (_, Tier::Standard, true) => RequestKind::ScopeExpansion,
        (_, Tier::Standard, false) => RequestKind::NewAccess,
    }
}

fn check_fields(fields: &RequestFields, context: &SubmitContext<'_>) -> Result<(), Refusal> {
    let invalid = |detail: &str| Err(Refusal::new(RefusalKind::InvalidValue, detail));
    if context.workload.state == WorkloadState::Retired {
        return Err(Refusal::new(
            RefusalKind::WrongState,
            "the workload is `retired`; create a new one to ask for access",
        ));
    }
    if fields.scopes.len() > SCOPES_MAX {
        return Err(Refusal::new(
            RefusalKind::LimitExceeded,
            format!("a request holds at most {SCOPES_MAX} scopes; send several"),
        ));
    }
    if fields.scopes.iter().collect::<BTreeSet<_>>().len() != fields.scopes.len() {
        return invalid("`scopes` names the same scope twice; leave one out");
    }
    check_profile_names(fields.scopes.iter().map(|scope| scope.inference_profile.as_deref()))?;
    check_agentic_size(fields.agentic.as_ref())?;
    if fields.model_id.is_some() && fields.platform.is_none() {
        return invalid("`platform` is missing; a model id means something only on a platform");
    }
    if let Some(platform) = fields.platform {
        check_actions(platform, fields.tier, &fields.actions, fields.agentic.as_ref(), ActionsOf::Request)?;
        let is_unknown = |id: &ModelId| context.model.is_none_or(|model| !model.is(platform, id));
        if fields.model_id.as_ref().is_some_and(is_unknown) {
            return invalid(
                "no such model on this platform; take `modelId` from GET /v1/models, or leave it out and say in \
                 `justification` what you need",
            );
        }
    } else if fields.agentic.is_some() && fields.tier == Tier::Standard {
        return invalid("`agentic` belongs to tier `agentic`");
    }
    if fields.monthly_estimate.as_ref().is_some_and(|m| !m.is_plausible_plan()) {
        return invalid("`monthlyEstimate` is US dollars in whole cents, not negative, at most a thousand million");
    }
    if fields.monthly_estimate.is_some() && fields.platform.is_none() {
        return invalid("`monthlyEstimate` needs `platform`: estimates are per platform");
    }
    if let Some(model) = context.model.filter(|m| m.decision == ModelDecision::Blocked) {
        let why = model.decision_reason.as_ref().map_or("no reason given", Note::as_str);
        return Err(Refusal::new(
            RefusalKind::ModelBlocked,
            format!("the model is blocked: {why}; ask a FinOps Lead, or choose another model"),
        ));
    }
    Ok(())
}

/// Whether the approval that a request says it would expand is one that it can: active, of its workload and tier, and
/// for its model if it names one. `named` is the approval of that id, if there is any.
///
/// # Errors
/// [`RefusalKind::NotFound`], the same for one that never was and for somebody else's.
pub fn check_expanded(fields: &RequestFields, named: Option<&Approval>) -> Result<(), Refusal> {
    let Some(id) = &fields.approval_id else { return Ok(()) };
    let is_expanded = |approval: &&Approval| {
        approval.id == *id
            && approval.state == ApprovalState::Active
            && approval.workload_id == fields.workload_id
            && approval.decision.tier == fields.tier
            && fields.platform.is_none_or(|platform| platform == approval.decision.platform)
            && fields.model_id.as_ref().is_none_or(|model| model.base() == approval.decision.model_id)
    };
    match named.filter(is_expanded) {
        Some(_) => Ok(()),
        None => Err(Refusal::new(
            RefusalKind::NotFound,
            format!(
                "there is no active approval `{id}` of this workload, model and tier; leave `approvalId` out, or \
                 take it from GET /v1/approvals"
            ),
        )),
    }
}

/// Whether the profiles that scopes name could be names of profiles at all; which of them there are is asked later.
///
/// # Errors
/// [`RefusalKind::LimitExceeded`], or [`RefusalKind::InvalidValue`] for what is no id and no ARN.
pub(crate) fn check_profile_names<'a>(named: impl Iterator<Item = Option<&'a str>>) -> Result<(), Refusal> {
    for name in named.flatten() {
        if name.len() > INFERENCE_PROFILE_BYTES_MAX {
            let detail =
                format!("`inferenceProfile` has at most {INFERENCE_PROFILE_BYTES_MAX} bytes; give its id or ARN");
            return Err(Refusal::new(RefusalKind::LimitExceeded, detail));
        }
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
            let detail = "`inferenceProfile` is the id or ARN of a profile, or left out; GET /v1/models/{modelKey} \
                lists the system's own";
            return Err(Refusal::new(RefusalKind::InvalidValue, detail));
        }
    }
    Ok(())
}

fn check_agentic_size(agentic: Option<&Agentic>) -> Result<(), Refusal> {
    let Some(agentic) = agentic else { return Ok(()) };
    for (field, entries) in [("mcpServers", &agentic.mcp_servers), ("actions", &agentic.actions)] {
        if entries.len() > AGENTIC_ENTRIES_MAX || entries.iter().any(|entry| entry.len() > AGENTIC_ENTRY_BYTES_MAX) {
            let detail = format!(
                "`agentic.{field}` holds at most {AGENTIC_ENTRIES_MAX} entries of {AGENTIC_ENTRY_BYTES_MAX} bytes; \
                 name only what the agents need"
            );
            return Err(Refusal::new(RefusalKind::LimitExceeded, detail));
        }
    }
    Ok(())
}

/// Where actions stand: a request may leave open what the Lead chooses, an approval says all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as the line above says")]
pub enum ActionsOf {
    Request,
    Approval,
}

/// Whether these actions may stand together on a platform and tier.
///
/// # Errors
/// [`RefusalKind::InvalidValue`], naming the field.
pub fn check_actions(
    platform: Platform,
    tier: Tier,
    actions: &BTreeSet<ModelAction>,
    agentic: Option<&Agentic>,
    of: ActionsOf,
) -> Result<(), Refusal> {
    let invalid = |detail: String| Err(Refusal::new(RefusalKind::InvalidValue, detail));
    let complete = of == ActionsOf::Approval;
    check_agentic_size(agentic)?;
    if let Some(foreign) = actions.iter().find(|a| !platform.actions().contains(a)) {
        let known: Vec<&str> = platform.actions().iter().map(|action| action.as_str()).collect();
        return invalid(format!(
            "`actions`: `{}` does not exist on {}; it knows {}",
            foreign.as_str(),
            platform.display_name(),
            known.join(", ")
        ));
    }
    if complete && actions.is_empty() {
        return invalid("`actions` is empty; an approval says what may be done".to_owned());
    }
    match (tier, agentic) {
        (Tier::Standard, Some(_)) => invalid("`agentic` belongs to tier `agentic`".to_owned()),
        (Tier::Standard, None) if actions.contains(&ModelAction::Agents) => {
            invalid("`actions`: `agents` needs tier `agentic`, which is an approval of its own".to_owned())
        }
        (Tier::Agentic, None) if complete => {
            invalid("`agentic` is missing: tier `agentic` names its servers and actions".to_owned())
        }
        (Tier::Agentic, Some(agentic)) => check_agentic(platform, agentic, of),
        _ => Ok(()),
    }
}

fn check_agentic(platform: Platform, agentic: &Agentic, of: ActionsOf) -> Result<(), Refusal> {
    let invalid = |detail: &str| Err(Refusal::new(RefusalKind::InvalidValue, detail));
    let (name, example) = match platform {
        Platform::Bedrock => (platform.display_name(), "bedrock:InvokeAgent"),
        Platform::ClaudePlatform => (platform.display_name(), "aws-external-anthropic:CreateSession"),
    };
    if platform == Platform::ClaudePlatform && !agentic.mcp_servers.is_empty() {
        return invalid("`agentic.mcpServers` exists on Bedrock only; Claude Platform approves managed-agent actions");
    }
    if !agentic.mcp_servers.iter().all(|server| is_mcp_server(server)) {
        return invalid(
            "`agentic.mcpServers` holds principals of AWS-managed MCP servers such as eks-mcp.amazonaws.com",
        );
    }
    if let Some(other) = agentic.actions.iter().find(|action| agent_action(platform, action).is_none()) {
        return Err(Refusal::new(
            RefusalKind::InvalidValue,
            format!("`agentic.actions` names `{other}`, which is no action of agents on {name}; {example} is one"),
        ));
    }
    if of == ActionsOf::Approval && agentic.mcp_servers.is_empty() && agentic.actions.is_empty() {
        return invalid("`agentic` names no server and no action; name what agents may do");
    }
    Ok(())
}

/// Withdraws one's own request.
pub fn decide_withdraw(request: &Request, space: &Space, actor: &Actor, now: Timestamp) -> Outcome<Request> {
    if request.state == RequestState::Withdrawn && request.end.as_ref().is_some_and(|e| e.by == actor.sub) {
        return Outcome::AlreadyDone;
    }
    match authorize(actor, Action::WithdrawRequest, request.relations(space, actor), request.state.as_str()) {
        Err(refusal) => refusal.into(),
        Ok(()) => ended(request, RequestState::Withdrawn, actor, now, None, None),
    }
}

/// Rejects a request, with the reason that the owner is told.
pub fn decide_reject(
    request: &Request,
    space: &Space,
    reason: Note,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Request> {
    let same = |e: &RequestEnd| e.by == actor.sub && e.reason.as_ref() == Some(&reason);
    if request.state == RequestState::Rejected && request.end.as_ref().is_some_and(same) {
        return Outcome::AlreadyDone;
    }
    match authorize(actor, Action::RejectRequest, request.relations(space, actor), request.state.as_str()) {
        Err(refusal) => refusal.into(),
        Ok(()) => ended(request, RequestState::Rejected, actor, now, Some(reason), None),
    }
}

/// Marks a request approved; only [`crate::access::decisions::approval::decide_approve`] does so.
pub(crate) fn approved(request: &Request, approval_id: ApprovalId, actor: &Actor, now: Timestamp) -> Request {
    let end = RequestEnd { by: actor.sub.clone(), at: now, reason: None, approval_id: Some(approval_id) };
    Request { state: RequestState::Approved, end: Some(end), ..request.clone() }
}

fn ended(
    request: &Request,
    state: RequestState,
    actor: &Actor,
    at: Timestamp,
    reason: Option<Note>,
    approval_id: Option<ApprovalId>,
) -> Outcome<Request> {
    let end = RequestEnd { by: actor.sub.clone(), at, reason, approval_id };
    Outcome::Changed(Request { state, end: Some(end), ..request.clone() })
}
