//! Deciding an approval: on a request, as a narrowing, or as break-glass.

use jiff::Timestamp;

use crate::access::decisions::approval::checks::{
    check_break_glass, check_ceiling, check_dedicated, check_form, check_model, check_places, check_trust,
};
use crate::access::decisions::approval::narrowing::check_narrowing;
use crate::access::decisions::approval::{Approval, ApprovalFields, ApprovalState, ApprovedScope, BreakGlass, ended};
use crate::access::decisions::request::{self, Request, RequestState, check_may_ask};
use crate::access::models::model::Model;
use crate::access::models::model::application::ApplicationProfile;
use crate::access::tasks::chain::{Chain, ScopeState};
use crate::access::workloads::account::Account;
use crate::access::workloads::space::{Space, Workload, WorkloadState};
use crate::base::authorization::{Action, Relation, Relations, authorize};
use crate::base::aws::BroadRoles;
use crate::base::ids::{ApprovalId, RequestId, ScopeId};
use crate::base::outcome::{Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::text::Sub;

/// What the Lead decides on.
#[derive(Debug)]
pub enum Ground<'a> {
    /// A request, which is answered by it.
    Request(&'a Request),
    /// Nothing: a subset of the approval it supersedes.
    Narrowing,
    /// Nothing: it cannot wait.
    BreakGlass(BreakGlass),
}

/// What a decision depends on, all read consistently before.
#[derive(Debug)]
pub struct DecideContext<'a> {
    /// The workload's Space.
    pub space: &'a Space,
    /// The workload.
    pub workload: &'a Workload,
    /// The model.
    pub model: &'a Model,
    /// The roles that stand for many people or uses, by the settings in force.
    pub broad_roles: BroadRoles<'a>,
    /// The accounts that the scopes name, as far as they exist.
    pub accounts: &'a [Account],
    /// The application profiles that the scopes name, as far as discovery knows them.
    pub profiles: &'a [ApplicationProfile],
    /// The active approval under the same key, if there is one.
    pub replaced: Option<&'a Approval>,
    /// The chains of that approval.
    pub replaced_chains: &'a [Chain],
    /// Whether the workload has an estimate for the platform.
    pub has_estimate: bool,
    /// A break-glass decision for the workload that nobody has reviewed, if there is one.
    pub unreviewed: Option<&'a ApprovalId>,
}

/// A decision taken: everything that one transaction writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The new approval.
    pub approval: Approval,
    /// Chains that come into being with it, all `Approved`.
    pub chains: Vec<Chain>,
    /// The request, approved.
    pub request: Option<Request>,
    /// The approval it replaces, superseded.
    pub replaced: Option<Approval>,
}

/// Approves. The ids of new scopes come from `scope_ids`, one for each scope in order.
///
/// # Errors
/// The refusal.
pub fn decide_approve(
    id: ApprovalId,
    scope_ids: &[ScopeId],
    fields: ApprovalFields,
    ground: &Ground<'_>,
    context: &DecideContext<'_>,
    actor: &Actor,
    now: Timestamp,
) -> Result<Decided, Refusal> {
    check_right(ground, context, actor)?;
    check_all(&fields, ground, context, now)?;
    let supersedes = context.replaced.map(|a| a.id.clone());
    let model_id = fields.model_id.base();
    let decision = ApprovalFields { supersedes: supersedes.clone(), model_id, ..fields };
    let request = match ground {
        Ground::Request(request) => Some(*request),
        Ground::Narrowing | Ground::BreakGlass(_) => None,
    };
    let break_glass = match ground {
        Ground::BreakGlass(terms) => Some(terms.clone()),
        Ground::Request(_) | Ground::Narrowing => None,
    };
    let request_id: Option<RequestId> = request.map(|r| r.id.clone());
    let model_key = context.model.model_key.clone();
    let digest =
        Approval::digest_of(&context.workload.id, &model_key, &decision, request_id.as_ref(), break_glass.as_ref());
    let scopes = scopes_of(&decision, scope_ids, context);
    check_no_pause(&decision, &scopes, context, now)?;
    let approval = Approval {
        id: id.clone(),
        digest,
        workload_id: context.workload.id.clone(),
        space_id: context.space.id.clone(),
        model_key,
        scopes,
        supersedes,
        request_id,
        requested_by: requested_by(request, context.replaced),
        decided_by: actor.sub.clone(),
        carried: context.replaced.map(Approval::parties).unwrap_or_default(),
        decided_at: now,
        state: ApprovalState::Active,
        break_glass,
        review: None,
        end: None,
        decision,
    };
    let chains = chains_of(&approval, context.model, context.profiles)?;
    let replaced =
        context.replaced.map(|old| ended(old, ApprovalState::Superseded, actor, now, None, Some(id.clone())));
    let request = request.map(|r| request::approved(r, id, actor, now));
    Ok(Decided { approval, chains, request, replaced })
}

/// The actor may decide this: by the table, with the people of what is replaced counted in. Who asked for that or
/// carried it out does not decide what takes it over, and who decided it or carried it out does not ask for that.
fn check_right(ground: &Ground<'_>, context: &DecideContext<'_>, actor: &Actor) -> Result<(), Refusal> {
    let carried_out = |sub: &Sub| context.replaced_chains.iter().any(|chain| chain.executors.contains(sub));
    let asked_before = context.replaced.is_some_and(|old| old.parties().requesters.contains(&actor.sub));
    let of_replaced = |relations: Relations| {
        let requester = asked_before || relations.has(Relation::Requester);
        relations.with(Relation::Requester, requester).with(Relation::Executor, carried_out(&actor.sub))
    };
    match ground {
        Ground::Request(request) => {
            let relations = of_replaced(request.relations(context.space, actor));
            authorize(actor, Action::ApproveRequest, relations, request.state.as_str()).map_err(|refusal| {
                match &request.end {
                    Some(end) if refusal.kind == RefusalKind::WrongState && request.state == RequestState::Approved => {
                        Refusal::new(
                            RefusalKind::AlreadyDecided,
                            format!(
                                "`{}` approved it already; read approval {}",
                                end.by,
                                end.approval_id.as_ref().map_or("", ApprovalId::as_str)
                            ),
                        )
                        .with_current(serde_json::json!({ "state": request.state, "approvalId": end.approval_id }))
                    }
                    _ => refusal,
                }
            })?;
            check_may_ask(&request.requested_by, context.replaced, context.replaced_chains)
        }
        Ground::Narrowing => {
            authorize(actor, Action::DecideWithoutRequest, of_replaced(context.space.relations(actor)), "")
        }
        Ground::BreakGlass(_) => authorize(actor, Action::BreakGlass, of_replaced(context.space.relations(actor)), ""),
    }
}

fn check_all(
    fields: &ApprovalFields,
    ground: &Ground<'_>,
    context: &DecideContext<'_>,
    now: Timestamp,
) -> Result<(), Refusal> {
    check_form(fields, now)?;
    if !context.model.is(fields.platform, &fields.model_id) {
        let detail = "no such model on this platform; take `modelId` from GET /v1/models";
        return Err(Refusal::new(RefusalKind::InvalidValue, detail));
    }
    if context.workload.state == WorkloadState::Retired {
        return Err(Refusal::new(RefusalKind::WrongState, "the workload is `retired`; nothing can be approved for it"));
    }
    let derived = context.replaced.map(|a| &a.id);
    if fields.supersedes.as_ref().is_some_and(|given| Some(given) != derived) {
        let detail = "`supersedes` is not the active approval of this workload, model and tier; leave it out, or \
            read the current one";
        return Err(
            Refusal::new(RefusalKind::StaleVersion, detail).with_current(serde_json::json!({ "supersedes": derived }))
        );
    }
    let break_glass = match ground {
        Ground::BreakGlass(terms) => Some(terms),
        Ground::Request(_) | Ground::Narrowing => None,
    };
    check_model(fields, context.model, &context.space.id, break_glass, now)?;
    match ground {
        Ground::Request(request) => {
            check_ceiling(fields, request, context.replaced)?;
            check_estimate(fields, context)?;
        }
        Ground::Narrowing => match context.replaced {
            Some(replaced) => check_narrowing(fields, replaced)?,
            None => {
                let detail = "there is no active approval to narrow for this workload, model and tier; have the \
                    owner send a request, or decide break-glass";
                return Err(Refusal::new(RefusalKind::WiderThanRequested, detail));
            }
        },
        Ground::BreakGlass(terms) => {
            check_break_glass(terms, now)?;
            if let Some(unreviewed) = context.unreviewed {
                let detail = format!(
                    "break-glass decision `{unreviewed}` for this workload is not reviewed yet; have another Lead \
                     review it with POST /v1/approvals/{unreviewed}/review, or have the owner send a request"
                );
                return Err(Refusal::new(RefusalKind::WrongState, detail)
                    .with_current(serde_json::json!({ "unreviewed": unreviewed })));
            }
            if context.replaced.is_some() {
                let detail = "an approval is active for this workload, model and tier; break-glass opens what has \
                    none: narrow that one, or have a request sent";
                return Err(Refusal::new(RefusalKind::WrongState, detail));
            }
        }
    }
    check_dedicated(fields, context.broad_roles, context.replaced)?;
    check_places(fields, context.accounts, context.model, context.profiles)?;
    check_trust(fields, context.workload)
}

/// Replacing takes effect at once, so a first day in the future would take access away until then. What carries over
/// has no pause, and what was not issued loses nothing.
fn check_no_pause(
    decision: &ApprovalFields,
    scopes: &[ApprovedScope],
    context: &DecideContext<'_>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let Some(day) = decision.effective_from.filter(|day| crate::base::calendar::start_of_day(*day) > now) else {
        return Ok(());
    };
    let carries = |chain: &Chain| scopes.iter().any(|s| s.carried && s.id == chain.id);
    let ends = context
        .replaced_chains
        .iter()
        .find(|c| matches!(c.state, ScopeState::Implemented | ScopeState::PendingTask) && !carries(c));
    match ends {
        None => Ok(()),
        Some(chain) => {
            let detail = format!(
                "role `{}` in {} would lose its access today and get it on {day} only; leave `effectiveFrom` out, or \
                 decide on that day",
                chain.spec.iam_role, chain.spec.region
            );
            Err(Refusal::new(RefusalKind::InvalidValue, detail))
        }
    }
}

fn check_estimate(fields: &ApprovalFields, context: &DecideContext<'_>) -> Result<(), Refusal> {
    if context.has_estimate {
        return Ok(());
    }
    Err(Refusal::new(
        RefusalKind::EstimateMissing,
        format!(
            "the workload has no estimate for {}; its owner sets one with POST /v1/workloads/{}/estimates, the \
             request waits",
            fields.platform.display_name(),
            context.workload.id
        ),
    ))
}

fn requested_by(request: Option<&Request>, replaced: Option<&Approval>) -> Option<Sub> {
    request.map(|r| r.requested_by.clone()).or_else(|| replaced.and_then(|a| a.requested_by.clone()))
}

/// The scopes with their ids: those that stay as they are and are implemented keep their chain.
fn scopes_of(decision: &ApprovalFields, scope_ids: &[ScopeId], context: &DecideContext<'_>) -> Vec<ApprovedScope> {
    let unchanged = context.replaced.is_some_and(|old| same_grant(&old.decision, decision));
    let kept = |spec: &crate::access::decisions::approval::ScopeSpec| {
        context.replaced_chains.iter().find(|c| unchanged && c.state == ScopeState::Implemented && c.spec == *spec)
    };
    decision
        .scopes
        .iter()
        .zip(scope_ids)
        .map(|(spec, fresh)| match kept(spec) {
            Some(chain) => ApprovedScope { id: chain.id.clone(), spec: spec.clone(), carried: true },
            None => ApprovedScope { id: fresh.clone(), spec: spec.clone(), carried: false },
        })
        .collect()
}

/// Whether two decisions grant the same on a scope that both hold.
fn same_grant(old: &ApprovalFields, new: &ApprovalFields) -> bool {
    old.actions == new.actions
        && old.agentic == new.agentic
        && old.workspace_name == new.workspace_name
        && old.map == new.map
        && old.sig_v4_only == new.sig_v4_only
}

fn chains_of(approval: &Approval, model: &Model, profiles: &[ApplicationProfile]) -> Result<Vec<Chain>, Refusal> {
    let fresh = approval.scopes.iter().filter(|s| !s.carried);
    fresh
        .map(|scope| {
            let profile = super::checks::profile_of(&scope.spec, approval.decision.platform, model, profiles)?;
            Ok(Chain::of_scope(approval, scope.id.clone(), scope.spec.clone(), profile))
        })
        .collect()
}
