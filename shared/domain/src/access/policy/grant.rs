//! What the generator is given: one grant per scope of an active approval, and what a grant becomes before compilation.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::agents::{agent_action, is_mcp_server};
use super::condition::Conditions;
use super::document::Action;
use crate::base::aws::profile::ProfileKind;
use crate::base::aws::{Partition, Region, RoleRef, WorkspaceArn};
use crate::base::ids::ScopeId;
use crate::base::outcome::{Refusal, RefusalKind};
use crate::base::platform::{Agentic, ModelAction, ModelId, Platform, Tier};

/// One scope of one active approval, as far as a policy is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The scope that it implements.
    pub scope_id: ScopeId,
    /// On which platform.
    pub platform: Platform,
    /// Which model. On Claude Platform no IAM document can hold it; see [`super::claude`].
    pub model_id: ModelId,
    /// Standard or agentic.
    pub tier: Tier,
    /// What may be done.
    pub actions: BTreeSet<ModelAction>,
    /// By which role; on Claude Platform the Lambda's execution role.
    pub role: RoleRef,
    /// From which region.
    pub region: Region,
    /// Through which inference profile; none calls the model in its region.
    pub inference_profile: Option<Profile>,
    /// In which workspace, on Claude Platform, once its ARN is known.
    pub workspace: Option<WorkspaceArn>,
    /// What agents may do, in tier agentic.
    pub agentic: Option<Agentic>,
    /// API keys are forbidden: only SigV4-signed calls.
    pub sigv4_only: bool,
}

/// An inference profile with the models behind it, from `ListInferenceProfiles`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Its ARN, in the scope's account and region.
    pub arn: String,
    /// Which kind.
    pub kind: ProfileKind,
    /// `models[].modelArn`: the model in every destination region.
    pub model_arns: Vec<String>,
}

/// What a grant becomes: actions on resources under conditions, named after what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Permission {
    pub(crate) name: &'static str,
    pub(crate) actions: BTreeSet<Action>,
    pub(crate) resources: BTreeSet<String>,
    pub(crate) conditions: Conditions,
}

impl Permission {
    pub(crate) fn new(
        name: &'static str,
        actions: impl IntoIterator<Item = Action>,
        resources: impl IntoIterator<Item = String>,
    ) -> Self {
        let (actions, resources) = (actions.into_iter().collect(), resources.into_iter().collect());
        Self { name, actions, resources, conditions: Conditions::none() }
    }

    pub(crate) fn when(mut self, conditions: Conditions) -> Self {
        self.conditions = conditions;
        self
    }
}

impl Grant {
    /// Checks what holds for both platforms.
    ///
    /// # Errors
    /// [`RefusalKind::PolicyImpossible`] with what does not fit.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if Partition::of_region(&self.region) != self.role.partition {
            return Err(self.impossible(&format!("the region `{}` is not in the role's partition", self.region)));
        }
        if self.actions.is_empty() {
            return Err(self.impossible("it names no action"));
        }
        if let Some(action) = self.actions.iter().find(|a| !self.platform.actions().contains(a)) {
            let name = self.platform.display_name();
            return Err(self.impossible(&format!("the action `{}` does not exist on {name}", action.as_str())));
        }
        let agents = self.actions.contains(&ModelAction::Agents);
        if self.tier == Tier::Standard && (agents || self.agentic.is_some()) {
            return Err(self.impossible("agents need an approval of tier `agentic`"));
        }
        if agents && self.agentic.as_ref().is_none_or(|a| a.actions.is_empty() && a.mcp_servers.is_empty()) {
            return Err(self.impossible("`agents` needs the named actions or MCP servers that agents may use"));
        }
        Ok(())
    }

    /// The agents' actions, in the platform's spelling; only where `agents` is approved.
    pub(crate) fn agent_actions(&self) -> Result<BTreeSet<Action>, Refusal> {
        let named =
            self.agentic.iter().filter(|_| self.actions.contains(&ModelAction::Agents)).flat_map(|a| &a.actions);
        named
            .map(|given| {
                agent_action(self.platform, given).ok_or_else(|| {
                    let name = self.platform.display_name();
                    self.impossible(&format!("`{given}` is not an action of agents on {name}; name one of them"))
                })
            })
            .collect()
    }

    /// The approved MCP servers; none on Claude Platform, which no AWS-managed MCP server calls.
    pub(crate) fn mcp_servers(&self) -> Result<BTreeSet<String>, Refusal> {
        let servers: BTreeSet<String> = self.agentic.iter().flat_map(|a| a.mcp_servers.iter().cloned()).collect();
        if self.platform == Platform::ClaudePlatform && !servers.is_empty() {
            return Err(self.impossible("MCP servers can be named on Bedrock only"));
        }
        if let Some(server) = servers.iter().find(|s| !is_mcp_server(s)) {
            let detail = format!("`{server}` is not a managed MCP server's principal such as eks-mcp.amazonaws.com");
            return Err(self.impossible(&detail));
        }
        Ok(servers)
    }

    pub(crate) fn impossible(&self, why: &str) -> Refusal {
        let Self { scope_id, role, .. } = self;
        Refusal::new(RefusalKind::PolicyImpossible, format!("scope `{scope_id}` on role `{}`: {why}", role.name))
    }
}
