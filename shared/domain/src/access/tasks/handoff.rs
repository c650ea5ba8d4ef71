//! What a developer is handed when a scope is implemented: where to call, as whom, with what, and code that works.
//!
//! Nothing secret is in it: the caller runs under a role, whose credentials the runtime supplies. On Bedrock that is
//! the approved role. On Claude Platform the approved role is the passthrough function's, which Lambda alone assumes:
//! the workload calls the function's URL, under the role that the engineer gave `caller-policy.json`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::access::tasks::chain::Chain;
use crate::access::tasks::instructions::function_url_command;
use crate::access::tasks::instructions::template::function_name;
use crate::base::aws::{Region, WorkspaceArn};
use crate::base::outcome::{Refusal, RefusalKind};
use crate::base::platform::{ModelId, Platform};

mod snippets;

/// The evidence by which the engineer tells the function's URL. It is not required: the hand-off then names the
/// command.
pub(crate) const FUNCTION_URL_EVIDENCE: &str = "functionUrl";

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
    /// Its URL, which signed calls go to; none if the engineer handed none in.
    pub function_url: Option<String>,
    /// The command that prints the URL, for whoever may read the function.
    pub function_url_command: Option<String>,
    /// From which region.
    pub region: Region,
    /// Where the platform answers; on Claude Platform the function forwards there.
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
        function_url: None,
        function_url_command: None,
        region: region.clone(),
        endpoint: format!("https://bedrock-runtime.{region}.amazonaws.com"),
        environment,
        snippets: snippets::bedrock(),
    }
}

fn on_claude_platform(chain: &Chain, workspace: &WorkspaceArn) -> Handoff {
    let region = &chain.spec.region;
    let function = function_name(&chain.role().name);
    let function_url = chain.function_url.clone();
    let mut environment = environment(&[
        ("AWS_REGION", region.as_str()),
        ("CLAUDE_WORKSPACE_ID", &workspace.workspace_id),
        ("CLAUDE_MODEL_ID", chain.model_id.as_str()),
    ]);
    environment.extend(function_url.iter().map(|url| ("CLAUDE_PASSTHROUGH_URL".to_owned(), url.clone())));
    Handoff {
        platform: chain.platform,
        role_arn: chain.role().arn(),
        model_id: chain.model_id.clone(),
        call_id: chain.model_id.to_string(),
        inference_profile_arn: None,
        workspace_arn: Some(workspace.clone()),
        workspace_id: Some(workspace.workspace_id.clone()),
        function_url_command: Some(function_url_command(region, &function)),
        function_name: Some(function),
        function_url,
        region: region.clone(),
        endpoint: crate::access::tasks::instructions::endpoint(region),
        environment,
        snippets: snippets::claude_platform(),
    }
}

/// Whether this is the URL of a function in the region; its name is Lambda's own choice (Lambda developer guide,
/// "Function URLs").
pub(crate) fn is_function_url(region: &Region, url: &str) -> bool {
    let id = url.strip_prefix("https://").and_then(|rest| rest.strip_suffix(&format!(".lambda-url.{region}.on.aws/")));
    id.is_some_and(|id| {
        (1..=63).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    })
}

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests;
