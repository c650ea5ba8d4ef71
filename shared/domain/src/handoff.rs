//! What a developer is handed when a scope is implemented: where to call, as whom, with what, and code that works.
//!
//! Nothing secret is in it: the caller runs under the role, whose credentials the runtime supplies.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::aws::{Region, WorkspaceArn};
use crate::chain::Chain;
use crate::instructions::template::function_name;
use crate::outcome::{Refusal, RefusalKind};
use crate::platform::{ModelId, Platform};

mod snippets;

/// The hand-off of one scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Handoff {
    /// On which platform.
    pub platform: Platform,
    /// The role to run under; on Claude Platform the passthrough function's execution role.
    pub role_arn: String,
    /// The model.
    pub model_id: ModelId,
    /// What to call: the inference profile's ARN where one is approved, else the model's id.
    pub call_id: String,
    /// The inference profile, where one is approved.
    pub inference_profile_arn: Option<String>,
    /// The workspace, on Claude Platform.
    pub workspace_arn: Option<WorkspaceArn>,
    /// Its id, for the header `anthropic-workspace-id`.
    pub workspace_id: Option<String>,
    /// The passthrough function, on Claude Platform.
    pub function_name: Option<String>,
    /// From which region.
    pub region: Region,
    /// Where the calls go.
    pub endpoint: String,
    /// Environment variables that the snippets read.
    pub environment: BTreeMap<String, String>,
    /// Code that makes one call.
    pub snippets: Vec<Snippet>,
}

/// Code that makes one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snippet {
    /// In which language.
    pub language: Language,
    /// How to get what it imports.
    pub install: String,
    /// The code.
    pub code: String,
}

/// The languages of the snippets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the languages' names")]
pub enum Language {
    Python,
    Typescript,
    Rust,
}

/// The hand-off of an implemented scope.
///
/// # Errors
/// [`RefusalKind::WrongState`] on Claude Platform while the workspace is not registered.
pub fn handoff(chain: &Chain) -> Result<Handoff, Refusal> {
    match chain.platform {
        Platform::Bedrock => Ok(on_bedrock(chain)),
        Platform::ClaudePlatform => match &chain.workspace_arn {
            Some(workspace) => Ok(on_claude_platform(chain, workspace)),
            None => {
                Err(Refusal::new(RefusalKind::WrongState, "the workspace is not registered yet; wait for its chain"))
            }
        },
    }
}

fn on_bedrock(chain: &Chain) -> Handoff {
    let region = &chain.spec.region;
    let call_id = chain.profile_arn.clone().unwrap_or_else(|| chain.model_id.to_string());
    let environment = environment(&[("AWS_REGION", region.as_str()), ("BEDROCK_MODEL_ID", &call_id)]);
    Handoff {
        platform: chain.platform,
        role_arn: chain.role().arn(),
        model_id: chain.model_id.clone(),
        inference_profile_arn: chain.profile_arn.clone(),
        call_id,
        workspace_arn: None,
        workspace_id: None,
        function_name: None,
        region: region.clone(),
        endpoint: format!("https://bedrock-runtime.{region}.amazonaws.com"),
        environment,
        snippets: snippets::bedrock(),
    }
}

fn on_claude_platform(chain: &Chain, workspace: &WorkspaceArn) -> Handoff {
    let region = &chain.spec.region;
    let endpoint = crate::instructions::endpoint(region);
    let environment = environment(&[
        ("AWS_REGION", region.as_str()),
        ("ANTHROPIC_AWS_WORKSPACE_ID", &workspace.workspace_id),
        ("CLAUDE_MODEL_ID", chain.model_id.as_str()),
        ("CLAUDE_ENDPOINT", &endpoint),
    ]);
    Handoff {
        platform: chain.platform,
        role_arn: chain.role().arn(),
        model_id: chain.model_id.clone(),
        call_id: chain.model_id.to_string(),
        inference_profile_arn: None,
        workspace_arn: Some(workspace.clone()),
        workspace_id: Some(workspace.workspace_id.clone()),
        function_name: Some(function_name(&chain.role().name)),
        region: region.clone(),
        endpoint,
        environment,
        snippets: snippets::claude_platform(),
    }
}

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests;
