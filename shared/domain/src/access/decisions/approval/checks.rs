//! What an approval must satisfy before it may be decided: forms, governance, the model's decision, and the request's
//! ceiling.
//!
//! Nothing here widens or repairs: a decision that does not fit is refused with what would.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::access::decisions::approval::{Approval, ApprovalFields, BreakGlass, MapMethod, ScopeSpec, last_day};
use crate::access::decisions::request::{ActionsOf, Request, SCOPES_MAX, check_actions, check_profile_names};
use crate::access::models::model::application::ApplicationProfile;
use crate::access::models::model::{Model, ModelDecision, conforms};
use crate::access::policy::trust::{Trusted, trust};
use crate::access::workloads::account::{Account, AccountState};
use crate::access::workloads::space::Workload;
use crate::base::aws::profile::{CalledThrough, ProfileKind, is_application_profile};
use crate::base::aws::{BroadRoles, Partition, RoleRef};
use crate::base::calendar::utc_day;
use crate::base::ids::SpaceId;
use crate::base::outcome::{Refusal, RefusalKind};
use crate::base::platform::Platform;

/// Hours a break-glass decision may last.
const BREAK_GLASS_HOURS_MAX: i64 = 24;

pub(super) fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::InvalidValue, detail)
}

/// The form of the decision itself, on its platform.
pub(super) fn check_form(fields: &ApprovalFields, now: Timestamp) -> Result<(), Refusal> {
    if fields.scopes.is_empty() || fields.scopes.len() > SCOPES_MAX {
        return Err(Refusal::new(
            RefusalKind::LimitExceeded,
            format!("an approval holds 1 to {SCOPES_MAX} scopes; decide the rest in another"),
        ));
    }
    let places: BTreeSet<_> = fields.scopes.iter().map(|s| (&s.account_id, &s.region, &s.iam_role)).collect();
    if places.len() != fields.scopes.len() {
        return Err(invalid("`scopes` names the same account, region and role twice; leave one out"));
    }
    check_profile_names(fields.scopes.iter().map(|scope| scope.inference_profile.as_deref()))?;
    check_actions(fields.platform, fields.tier, &fields.actions, fields.agentic.as_ref(), ActionsOf::Approval)?;
    match (fields.platform, &fields.workspace_name) {
        (Platform::ClaudePlatform, None) => {
            return Err(invalid("`workspaceName` is missing: on Claude Platform the Lead names the workspace"));
        }
        (Platform::Bedrock, Some(_)) => {
            return Err(invalid("`workspaceName` belongs to Claude Platform; leave it out"));
        }
        _ => {}
    }
    check_map(fields)?;
    let today = utc_day(now);
    if fields.effective_from.is_some_and(|day| day < today) {
        return Err(invalid(format!("`effectiveFrom` lies in the past; today is {today} (UTC)")));
    }
    if fields.expires_on.is_some_and(|day| day < fields.effective_from.unwrap_or(today)) {
        return Err(invalid("`expiresOn` lies before the approval would begin"));
    }
    Ok(())
}

fn check_map(fields: &ApprovalFields) -> Result<(), Refusal> {
    let Some(map) = &fields.map else { return Ok(()) };
    if fields.platform == Platform::ClaudePlatform {
        return Err(invalid(
            "`map` is not applicable on Claude Platform: AWS recognises Bedrock lines only; leave it out",
        ));
    }
    if map.methods.is_empty() {
        return Err(invalid("`map.methods` is empty; choose role-tag or inference-profile"));
    }
    let plain = |v: &str| (1..=256).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_alphanumeric());
    if !plain(&map.value) {
        return Err(invalid(
            "`map.value` is the tag value of the migration program: letters and digits, such as mig12345",
        ));
    }
    if map.methods.contains(&MapMethod::InferenceProfile)
        && fields.scopes.iter().any(|s| {
            s.inference_profile.as_ref().is_some_and(|p| ProfileKind::of_arn(p) == Some(ProfileKind::Application))
        })
    {
        return Err(invalid(
            "`inferenceProfile` already names an application profile; MAP would create another: choose one",
        ));
    }
    Ok(())
}

/// Every scope lies in a governed account and region, where the model is offered in the way asked for.
pub(super) fn check_places(
    fields: &ApprovalFields,
    accounts: &[Account],
    model: &Model,
    profiles: &[ApplicationProfile],
) -> Result<(), Refusal> {
    for scope in &fields.scopes {
        let governed = accounts.iter().find(|a| a.account_id == scope.account_id && a.state == AccountState::Active);
        let Some(account) = governed else {
            let detail = format!(
                "account `{}` is not in governance; a FinOps Lead registers it with PUT /v1/accounts/{}",
                scope.account_id, scope.account_id
            );
            return Err(Refusal::new(RefusalKind::NotInGovernance, detail));
        };
        if !account.regions.contains(&scope.region) {
            let known: Vec<&str> = account.regions.iter().map(crate::base::aws::Region::as_str).collect();
            let detail = format!(
                "region `{}` of account `{}` is not in governance; it has {}",
                scope.region,
                scope.account_id,
                known.join(", ")
            );
            return Err(Refusal::new(RefusalKind::NotInGovernance, detail));
        }
        if !model.is_offered_in(&scope.region) {
            return Err(invalid(format!(
                "`{}` is not offered in {}; GET /v1/models/{} lists its regions",
                model.model_id, scope.region, model.model_key
            )));
        }
        profile_of(scope, fields.platform, model, profiles)?;
    }
    Ok(())
}

/// A role serves one workload: what many people or uses share is a gap in the bill, and no anchor to approve. One
/// that was approved before the settings called it broad may stay, so that such an approval can still be narrowed.
pub(super) fn check_dedicated(
    fields: &ApprovalFields,
    broad: BroadRoles<'_>,
    replaced: Option<&Approval>,
) -> Result<(), Refusal> {
    let had = |scope: &ScopeSpec| {
        let of_old = |old: &ScopeSpec| old.account_id == scope.account_id && old.iam_role == scope.iam_role;
        replaced.is_some_and(|approval| approval.decision.scopes.iter().any(of_old))
    };
    let broad = fields.scopes.iter().find(|scope| broad.include(scope.iam_role.as_str()) && !had(scope));
    broad.map_or(Ok(()), |scope| {
        Err(invalid(format!(
            "`iamRole` `{}` is a broad role by the settings' `broadRolePatterns`: its spend could not be told apart; \
             name a role of the workload's own",
            scope.iam_role
        )))
    })
}

/// A trust policy can be made for every role that is to be created: a task that cannot say whom to trust is never
/// issued.
pub(super) fn check_trust(fields: &ApprovalFields, workload: &Workload) -> Result<(), Refusal> {
    // On Claude Platform the role is the passthrough function's, wherever the workload runs.
    let created = fields.scopes.iter().filter(|s| fields.platform == Platform::Bedrock && !s.existing);
    let mut details = BTreeMap::new();
    for scope in created {
        let detail = scope.runtime_detail.as_ref().or(workload.fields.runtime_detail.as_ref());
        let partition = Partition::of_region(&scope.region);
        let role = RoleRef { partition, account_id: scope.account_id.clone(), name: scope.iam_role.clone() };
        let (regions, none) = (BTreeSet::from([scope.region.clone()]), BTreeSet::new());
        let runtime = workload.fields.runtime;
        trust(&Trusted { role: &role, regions: &regions, runtime, detail, batch_regions: &none })?;
        if details.insert((&scope.account_id, &scope.iam_role), detail).is_some_and(|other| other != detail) {
            let name = &scope.iam_role;
            return Err(invalid(format!(
                "`runtimeDetail` differs between two scopes of role `{name}`; a role has one trust policy: name two \
                 roles"
            )));
        }
    }
    Ok(())
}

/// The profile that a scope calls through: its ARN and the model ARNs it leads to; none for a call of the model itself.
///
/// # Errors
/// [`RefusalKind::InvalidValue`] when the profile is unknown there, or needed and missing.
pub fn profile_of(
    scope: &ScopeSpec,
    platform: Platform,
    model: &Model,
    profiles: &[ApplicationProfile],
) -> Result<Option<(String, Vec<String>)>, Refusal> {
    let offer = model.regions.get(&scope.region);
    let known =
        || offer.map(|o| o.profiles.iter().map(|p| p.id.as_str()).collect::<Vec<_>>().join(", ")).unwrap_or_default();
    match (platform, &scope.inference_profile) {
        (Platform::ClaudePlatform, None) => Ok(None),
        (Platform::ClaudePlatform, Some(_)) => Err(invalid("`inferenceProfile` belongs to Bedrock; leave it out")),
        (Platform::Bedrock, None) if offer.is_some_and(crate::access::models::model::RegionOffer::needs_profile) => {
            Err(invalid(format!(
                "`{}` cannot be called by its bare id in {}; choose `inferenceProfile` from {}",
                model.model_id,
                scope.region,
                known()
            )))
        }
        (Platform::Bedrock, None) => Ok(None),
        (Platform::Bedrock, Some(wanted)) => {
            let partition = crate::base::aws::Partition::of_region(&scope.region);
            let prefix = format!("arn:{}:bedrock:{}:{}:", partition.as_str(), scope.region, scope.account_id);
            if CalledThrough::parse(wanted) == Some(CalledThrough::ApplicationProfile) {
                return application_profile(scope, wanted, model, profiles).map(Some);
            }
            let id =
                wanted.strip_prefix(&prefix).and_then(|rest| rest.strip_prefix("inference-profile/")).unwrap_or(wanted);
            let Some(profile) = model.profile(&scope.region, id) else {
                let detail = format!(
                    "`inferenceProfile` `{wanted}` does not lead to `{}` from {}; it has {}",
                    model.model_id,
                    scope.region,
                    known()
                );
                return Err(invalid(detail));
            };
            let mut arns = profile.model_arns(&model.model_id);
            if profile.global {
                arns.push(format!(
                    "arn:{}:bedrock:{}::foundation-model/{}",
                    partition.as_str(),
                    scope.region,
                    model.model_id
                ));
                arns.sort();
                arns.dedup();
            }
            Ok(Some((format!("{prefix}inference-profile/{}", profile.id), arns)))
        }
    }
}

/// An application profile routes where its account made it route: only what discovery read there can be approved.
fn application_profile(
    scope: &ScopeSpec,
    wanted: &str,
    model: &Model,
    profiles: &[ApplicationProfile],
) -> Result<(String, Vec<String>), Refusal> {
    if !is_application_profile(wanted, &scope.account_id, &scope.region) {
        let detail =
            format!("`inferenceProfile` `{wanted}` is not of account {} in {}", scope.account_id, scope.region);
        return Err(invalid(detail));
    }
    let known = profiles.iter().find(|p| p.arn == wanted && p.gone_since.is_none());
    let Some(profile) = known else {
        return Err(invalid(format!(
            "`inferenceProfile` `{wanted}` is not known; the daily discovery reads the profiles of each account \
             through its reader role: let it run, or name a system profile"
        )));
    };
    if profile.model_id().as_ref() != Some(&model.model_id.base()) {
        let leads_to: Vec<&str> = profile.model_arns.iter().map(String::as_str).collect();
        return Err(invalid(format!(
            "`inferenceProfile` `{wanted}` leads to {}, not to `{}`",
            leads_to.join(", "),
            model.model_id
        )));
    }
    Ok((profile.arn.clone(), profile.model_arns.iter().cloned().collect()))
}

/// The model's own decision allows this use.
pub(super) fn check_model(
    fields: &ApprovalFields,
    model: &Model,
    space: &SpaceId,
    break_glass: Option<&BreakGlass>,
    now: Timestamp,
) -> Result<(), Refusal> {
    match (model.decision, &model.restriction) {
        (ModelDecision::Unreviewed, _) => Err(Refusal::new(
            RefusalKind::ModelNotApproved,
            format!(
                "`{}` is unreviewed; decide about the model first with PUT /v1/models/{}/decision, the request waits",
                model.model_id, model.model_key
            ),
        )),
        (ModelDecision::Blocked, _) => Err(Refusal::new(
            RefusalKind::ModelBlocked,
            format!("`{}` is blocked; nothing can be approved for it", model.model_id),
        )),
        (ModelDecision::Restricted, Some(restriction)) => {
            let first_day = fields.effective_from.unwrap_or_else(|| utc_day(now));
            let last_day = last_day(fields, break_glass);
            fields.scopes.iter().try_for_each(|s| {
                conforms(restriction, space, &s.account_id, &s.region, &fields.actions, last_day, first_day)
            })
        }
        (ModelDecision::Approved | ModelDecision::Restricted, _) => Ok(()),
    }
}

/// Nothing goes beyond the request together with the approval that it expands.
pub(super) fn check_ceiling(
    fields: &ApprovalFields,
    request: &Request,
    replaced: Option<&Approval>,
) -> Result<(), Refusal> {
    let wider = |detail: String| {
        Err(Refusal::new(
            RefusalKind::WiderThanRequested,
            format!("{detail}; approve within the request, or have a new one sent"),
        ))
    };
    // What break-glass opened was opened for hours: it is no ceiling of what lasts.
    let replaced = replaced.filter(|approval| approval.break_glass.is_none());
    let asked = &request.fields;
    if asked.platform.is_some_and(|p| p != fields.platform)
        || asked.model_id.as_ref().is_some_and(|m| m.base() != fields.model_id.base())
    {
        return wider("the request names another model or platform".to_owned());
    }
    if asked.tier != fields.tier {
        return wider(format!("the request asks for tier `{}`", asked.tier.as_str()));
    }
    let had = |a: &&Approval, scope: &ScopeSpec| {
        a.decision.scopes.iter().any(|s| {
            s.account_id == scope.account_id
                && s.region == scope.region
                && s.iam_role == scope.iam_role
                && s.inference_profile == scope.inference_profile
        })
    };
    for scope in &fields.scopes {
        let asked_for = asked.scopes.is_empty()
            || asked.scopes.iter().any(|s| {
                s.account_id == scope.account_id
                    && s.region == scope.region
                    && s.iam_role.as_ref().is_none_or(|role| *role == scope.iam_role)
                    && (s.inference_profile.is_none() || s.inference_profile == scope.inference_profile)
            });
        if !asked_for && !replaced.is_some_and(|a| had(&a, scope)) {
            return wider(format!(
                "scope {} {} `{}` was not asked for",
                scope.account_id, scope.region, scope.iam_role
            ));
        }
    }
    let allowed_before = replaced.map(|a| &a.decision.actions);
    let extra = fields.actions.iter().find(|a| {
        !asked.actions.is_empty() && !asked.actions.contains(a) && !allowed_before.is_some_and(|b| b.contains(a))
    });
    if let Some(action) = extra {
        return wider(format!("action `{}` was not asked for", action.as_str()));
    }
    if let (Some(given), Some(wanted)) = (&fields.agentic, &asked.agentic) {
        let before = replaced.and_then(|a| a.decision.agentic.as_ref());
        let server_ok =
            |s: &String| wanted.mcp_servers.contains(s) || before.is_some_and(|b| b.mcp_servers.contains(s));
        let action_ok = |s: &String| wanted.actions.contains(s) || before.is_some_and(|b| b.actions.contains(s));
        if !given.mcp_servers.iter().all(server_ok) || !given.actions.iter().all(action_ok) {
            return wider("`agentic` names servers or actions that were not asked for".to_owned());
        }
    }
    Ok(())
}

/// A break-glass decision lasts at most a day and takes nobody else's place.
pub(super) fn check_break_glass(break_glass: &BreakGlass, now: Timestamp) -> Result<(), Refusal> {
    let hours = break_glass.expires_at.duration_since(now).as_secs();
    if hours <= 0 || hours > BREAK_GLASS_HOURS_MAX * 3600 {
        return Err(invalid(format!("`breakGlass.expiresAt` lies within the next {BREAK_GLASS_HOURS_MAX} hours")));
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(in crate::access::decisions::approval) fn fields() -> Value {
        json!({
            "platform": "bedrock", "modelId": "amazon.nova-lite-v1:0", "actions": ["invoke", "stream"],
            "scopes": [{ "accountId": "111122223333", "region": "us-east-1", "iamRole": "app" }],
        })
    }

    pub(in crate::access::decisions::approval) fn approval(break_glass: &Value) -> anyhow::Result<Approval> {
        Ok(serde_json::from_value(json!({
            "id": "apr_01K3A1", "digest": crate::base::digest::Digest::of(&1), "workloadId": "wkl_01K3A1",
            "spaceId": "spc_01K3A1",
            "modelKey": crate::base::platform::ModelKey::of(Platform::Bedrock, &"amazon.nova-lite-v1:0".parse()?),
            "decision": fields(), "scopes": [], "decidedBy": "lena", "decidedAt": "2026-08-01T00:00:00Z",
            "state": "active", "breakGlass": break_glass,
        }))?)
    }

    pub(in crate::access::decisions::approval) fn glass() -> Value {
        json!({ "reason": "an outage", "expiresAt": "2026-08-01T12:00:00Z" })
    }

    #[test]
    fn break_glass_lies_within_a_restriction_by_its_hours() -> anyhow::Result<()> {
        let limits = serde_json::from_value(json!({
            "spaceIds": [], "accountIds": [], "regions": [], "actions": [], "maxDays": 2,
        }))?;
        let conforms = |approval: Approval| {
            let scope = approval.decision.scopes[0].clone();
            approval.conforms_to(&limits, &scope.account_id, &scope.region).is_ok()
        };
        assert!(conforms(approval(&glass())?));
        assert!(!conforms(approval(&Value::Null)?), "it never ends");
        Ok(())
    }

    #[test]
    fn what_only_break_glass_opened_was_not_asked_for() -> anyhow::Result<()> {
        let request = |actions: Value, region: &str| {
            serde_json::from_value::<Request>(json!({
                "id": "req_01K3A1", "spaceId": "spc_01K3A1", "workloadId": "wkl_01K3A1",
                "justification": "for the tests",
                "platform": "bedrock", "actions": actions, "scopes": [{ "accountId": "111122223333",
                "region": region }],
                "kind": "new-access", "state": "submitted", "requestedBy": "petra",
                "requestedAt": "2026-08-01T00:00:00Z",
            }))
        };
        let wanted: ApprovalFields = serde_json::from_value(fields())?;
        for request in [request(json!(["invoke"]), "us-east-1")?, request(json!([]), "us-west-2")?] {
            assert_eq!(check_ceiling(&wanted, &request, Some(&approval(&Value::Null)?)), Ok(()));
            let refused = check_ceiling(&wanted, &request, Some(&approval(&glass())?)).map_err(|refusal| refusal.kind);
            assert_eq!(refused, Err(RefusalKind::WiderThanRequested));
        }
        Ok(())
    }
}
