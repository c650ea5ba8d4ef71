//! One document per role, compiled from all active grants on it.
//!
//! It must be one: a second document could not lift a deny of the first. So merging has two duties. *Never widen*: two
//! permissions become one only where that is exactly their union, that is when all but their actions, or all but their
//! resources, are the same. *Never narrow*: a deny is computed over the union of all grants, so that none hits what
//! another one allows.
//!
//! - `DenyOtherWorkspaces` spares every workspace of every grant (`NotResource`); each allow names its own workspace, so
//!   sparing more allows nothing.
//! - Bearer tokens: no approved action is one, so nothing ever allows them, and the deny of one SigV4-only grant takes
//!   nothing away from another.
//! - Managed MCP servers: without agentic grants one deny closes them all. With one, the denies spare the union of the
//!   approved servers and actions, which alone would let server A's approval carry grant B. Therefore each grant's own
//!   allow then says which servers it may be used through, and a standard grant says none.
//! - `bedrock-mantle` is denied whatever is granted, since no grant can name a model there.

use std::collections::{BTreeMap, BTreeSet};

use super::condition::{Comparison, Conditions, Operator};
use super::document::{Action, Actions, Document, Effect, Resources, Sid, Statement};
use super::grant::{Grant, Permission};
use super::linter::{self, DocumentKind};
use super::{bedrock, claude};
use crate::base::aws::RoleRef;
use crate::base::outcome::{Refusal, RefusalKind};
use crate::base::platform::Platform;

const VIA_MCP: &str = "aws:ViaAWSMCPService";
const MCP_SERVER: &str = "aws:CalledViaAWSMCP";

/// The document that is to live on `role`, from all active grants on it, whatever their order.
///
/// # Errors
/// [`RefusalKind::PolicyImpossible`] without any grant (delete the policy instead), for a grant on another role, for
/// one that IAM cannot express, and when the document exceeds 10,240 characters (split by role).
pub fn compile(role: &RoleRef, grants: &[Grant]) -> Result<Document, Refusal> {
    if grants.is_empty() {
        let detail = format!("no active approval is on role `{}`; delete its policy instead", role.name);
        return Err(Refusal::new(RefusalKind::PolicyImpossible, detail));
    }
    let servers = approved_servers(grants)?;
    let mut permissions = Vec::new();
    let mut actions_via_mcp = BTreeSet::new();
    for grant in grants {
        if &grant.role != role {
            return Err(grant.impossible(&format!("the document is for `{}`", role.arn())));
        }
        let own_servers = grant.mcp_servers()?;
        for permission in permissions_of(grant)? {
            if !own_servers.is_empty() {
                actions_via_mcp.extend(permission.actions.iter().cloned());
            }
            permissions.push(limit_to_servers(permission, &servers, &own_servers));
        }
    }
    let mut statements = number(merge(permissions));
    statements.extend(denies(grants, &servers, &actions_via_mcp)?);
    let document = Document::new(statements);
    linter::require_clean(&document, DocumentKind::Identity)?;
    Ok(document)
}

fn permissions_of(grant: &Grant) -> Result<Vec<Permission>, Refusal> {
    match grant.platform {
        Platform::Bedrock => bedrock::permissions(grant),
        Platform::ClaudePlatform => claude::permissions(grant),
    }
}

fn approved_servers(grants: &[Grant]) -> Result<BTreeSet<String>, Refusal> {
    let mut servers = BTreeSet::new();
    for grant in grants {
        servers.extend(grant.mcp_servers()?);
    }
    Ok(servers)
}

/// Says in the allow itself through which servers it may be used; needed only where the role's deny spares some.
fn limit_to_servers(mut permission: Permission, spared: &BTreeSet<String>, own: &BTreeSet<String>) -> Permission {
    if spared.is_empty() {
        return permission;
    }
    permission.conditions = if own.is_empty() {
        permission.conditions.and(Operator::if_exists(Comparison::Bool), VIA_MCP, ["false"])
    } else {
        // Absent on a direct call, which the grant allows as well.
        permission.conditions.and(Operator::if_exists(Comparison::StringEquals), MCP_SERVER, own.iter().cloned())
    };
    permission
}

/// Unites permissions on the same resources, then those with the same actions. Each step is an exact union.
fn merge(permissions: Vec<Permission>) -> Vec<Permission> {
    let mut by_resources: BTreeMap<(&'static str, Conditions, BTreeSet<String>), BTreeSet<Action>> = BTreeMap::new();
    for Permission { name, actions, resources, conditions } in permissions {
        by_resources.entry((name, conditions, resources)).or_default().extend(actions);
    }
    let mut by_actions: BTreeMap<(&'static str, Conditions, BTreeSet<Action>), BTreeSet<String>> = BTreeMap::new();
    for ((name, conditions, resources), actions) in by_resources {
        by_actions.entry((name, conditions, actions)).or_default().extend(resources);
    }
    by_actions
        .into_iter()
        .map(|((name, conditions, actions), resources)| Permission { name, actions, resources, conditions })
        .collect()
}

fn number(permissions: Vec<Permission>) -> Vec<Statement> {
    let mut places: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut statements = Vec::new();
    for Permission { name, actions, resources, conditions } in permissions {
        let place = places.entry(name).or_default();
        *place += 1;
        statements.push(Statement {
            sid: Some(Sid::numbered(name, *place)),
            effect: Effect::Allow,
            principals: None,
            actions: Actions::Only(actions),
            resources: Some(Resources::Only(resources)),
            conditions,
        });
    }
    statements
}

fn denies(
    grants: &[Grant],
    servers: &BTreeSet<String>,
    actions_via_mcp: &BTreeSet<Action>,
) -> Result<Vec<Statement>, Refusal> {
    let mut denies = Vec::new();
    let on = |platform: Platform| grants.iter().filter(move |g| g.platform == platform);
    if on(Platform::Bedrock).next().is_some() {
        let mantle = Actions::Only(BTreeSet::from([Action::known("bedrock-mantle:*")]));
        denies.push(deny("DenyBedrockMantle", mantle, Resources::all(), Conditions::none()));
    }
    let mut workspaces = BTreeSet::new();
    for grant in on(Platform::ClaudePlatform) {
        workspaces.insert(claude::workspace(grant)?.to_string());
    }
    if !workspaces.is_empty() {
        let calls = Actions::Only(claude::MODEL_CALLS.into());
        denies.push(deny("DenyOtherWorkspaces", calls, Resources::AllBut(workspaces), Conditions::none()));
    }
    let bearer: BTreeSet<Action> = grants
        .iter()
        .filter(|g| g.sigv4_only)
        .map(|g| match g.platform {
            Platform::Bedrock => Action::known("bedrock:CallWithBearerToken"),
            Platform::ClaudePlatform => Action::known("aws-external-anthropic:CallWithBearerToken"),
        })
        .collect();
    if !bearer.is_empty() {
        denies.push(deny("DenyBearerTokens", Actions::Only(bearer), Resources::all(), Conditions::none()));
    }
    denies.extend(agentic_denies(servers, actions_via_mcp));
    Ok(denies)
}

fn agentic_denies(servers: &BTreeSet<String>, actions_via_mcp: &BTreeSet<Action>) -> Vec<Statement> {
    let via_mcp = || Conditions::none().and(Operator::plain(Comparison::Bool), VIA_MCP, ["true"]);
    let everything = || Actions::Only(BTreeSet::from([Action::known("*")]));
    if servers.is_empty() {
        return vec![deny("DenyAgenticViaAwsMcp", everything(), Resources::all(), via_mcp())];
    }
    // `StringNotEquals` also holds where the server is not named at all: closed by default.
    let other_servers =
        via_mcp().and(Operator::plain(Comparison::StringNotEquals), MCP_SERVER, servers.iter().cloned());
    let other_actions = Actions::AllBut(actions_via_mcp.clone());
    vec![
        deny("DenyAgenticViaOtherServers", everything(), Resources::all(), other_servers),
        deny("DenyAgenticOtherActions", other_actions, Resources::all(), via_mcp()),
    ]
}

fn deny(sid: &'static str, actions: Actions, resources: Resources, conditions: Conditions) -> Statement {
    let (sid, effect) = (Some(Sid::numbered(sid, 1)), Effect::Deny);
    Statement { sid, effect, principals: None, actions, resources: Some(resources), conditions }
}
