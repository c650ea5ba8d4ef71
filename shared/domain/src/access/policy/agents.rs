//! What agents may do: the actions and MCP servers that an approval of tier `agentic` may name.

use super::document::Action;
use crate::base::platform::Platform;

/// The action of agents that a person names, with or without the service prefix and in any case; none if it is not one.
#[must_use]
pub fn agent_action(platform: Platform, given: &str) -> Option<Action> {
    let known: &[&'static str] = match platform {
        Platform::Bedrock => &BEDROCK,
        Platform::ClaudePlatform => &CLAUDE_PLATFORM,
    };
    let bare = |text: &'static str| text.split_once(':').map_or(text, |(_, name)| name);
    let names = |known: &str, short: &str| known.eq_ignore_ascii_case(given) || short.eq_ignore_ascii_case(given);
    known.iter().find(|known| names(known, bare(known))).map(|known| Action::known(known))
}

/// Whether this is the principal of an AWS-managed MCP server (`aws:CalledViaAWSMCP`): `eks-mcp.amazonaws.com`.
#[must_use]
pub fn is_mcp_server(text: &str) -> bool {
    text.len() <= 128
        && text.strip_suffix("-mcp.amazonaws.com").is_some_and(|service| {
            !service.is_empty() && service.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// The agents' actions that an agentic approval may name (service authorisation reference, Amazon Bedrock).
pub(crate) const BEDROCK: [&str; 5] = [
    "bedrock:InvokeAgent",
    "bedrock:InvokeFlow",
    "bedrock:InvokeInlineAgent",
    "bedrock:Retrieve",
    "bedrock:RetrieveAndGenerate",
];

/// The managed-agent actions that an agentic approval may name (service authorisation reference, Claude Platform on
/// AWS).
pub(crate) const CLAUDE_PLATFORM: [&str; 30] = [
    "aws-external-anthropic:CreateAgent",
    "aws-external-anthropic:GetAgent",
    "aws-external-anthropic:ListAgents",
    "aws-external-anthropic:UpdateAgent",
    "aws-external-anthropic:ArchiveAgent",
    "aws-external-anthropic:CreateSession",
    "aws-external-anthropic:GetSession",
    "aws-external-anthropic:ListSessions",
    "aws-external-anthropic:UpdateSession",
    "aws-external-anthropic:ArchiveSession",
    "aws-external-anthropic:DeleteSession",
    "aws-external-anthropic:CreateEnvironment",
    "aws-external-anthropic:GetEnvironment",
    "aws-external-anthropic:ListEnvironments",
    "aws-external-anthropic:UpdateEnvironment",
    "aws-external-anthropic:ArchiveEnvironment",
    "aws-external-anthropic:DeleteEnvironment",
    "aws-external-anthropic:ProcessEnvironmentWork",
    "aws-external-anthropic:CreateVault",
    "aws-external-anthropic:GetVault",
    "aws-external-anthropic:ListVaults",
    "aws-external-anthropic:UpdateVault",
    "aws-external-anthropic:ArchiveVault",
    "aws-external-anthropic:DeleteVault",
    "aws-external-anthropic:CreateMemoryStore",
    "aws-external-anthropic:GetMemoryStore",
    "aws-external-anthropic:ListMemoryStores",
    "aws-external-anthropic:UpdateMemoryStore",
    "aws-external-anthropic:ArchiveMemoryStore",
    "aws-external-anthropic:DeleteMemoryStore",
];
