//! The two platforms, what may be done on each, and how a model is named in a URL.
//!
//! `Platform` is closed: adding a third one is a walk along the compiler's errors.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::checked_text;

/// Where a model is used, billed and governed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// Amazon Bedrock: billed per token, per model, per hour; attributed by IAM role.
    Bedrock,
    /// Claude Platform on AWS: billed in CCU through AWS Marketplace; attributed by workspace.
    ClaudePlatform,
}

impl Platform {
    /// Both platforms.
    pub const ALL: [Self; 2] = [Self::Bedrock, Self::ClaudePlatform];

    /// The platform's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bedrock => "bedrock",
            Self::ClaudePlatform => "claude-platform",
        }
    }

    /// The platform's name in the AI Models table.
    #[must_use]
    pub const fn display_name(self) -> &'static str {
        match self {
            Self::Bedrock => "Bedrock",
            Self::ClaudePlatform => "Claude Platform",
        }
    }

    /// Which actions an approval on this platform may name.
    #[must_use]
    pub const fn actions(self) -> &'static [ModelAction] {
        use ModelAction::{Agents, Batch, CountTokens, Files, Inference, Invoke, Stream};
        match self {
            Self::Bedrock => &[Invoke, Stream, Batch, CountTokens, Agents],
            Self::ClaudePlatform => &[Inference, Batch, CountTokens, Files, Agents],
        }
    }
}

/// What an approval may let a workload do with a model; which of them a platform knows, [`Platform::actions`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the platforms' own words; the policy generator says what each becomes in IAM")]
pub enum ModelAction {
    Invoke,
    Stream,
    Inference,
    Batch,
    CountTokens,
    Files,
    Agents,
}

impl ModelAction {
    /// The action's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::Stream => "stream",
            Self::Inference => "inference",
            Self::Batch => "batch",
            Self::CountTokens => "count-tokens",
            Self::Files => "files",
            Self::Agents => "agents",
        }
    }
}

/// Whether agents may use the model; always an approval of its own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema, Default,
)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Calls by the application itself.
    #[default]
    Standard,
    /// Calls by agents, within the named servers and actions.
    Agentic,
}

impl Tier {
    /// The tier's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Agentic => "agentic",
        }
    }
}

/// What an agentic approval opens. Everything it does not name stays denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Agentic {
    /// Service principals of AWS-managed MCP servers (`aws:CalledViaAWSMCP`), such as `eks-mcp.amazonaws.com`.
    /// Bedrock only.
    #[serde(default)]
    pub mcp_servers: BTreeSet<String>,
    /// The agents' actions: `bedrock:InvokeAgent` …, or Claude Platform's managed-agent actions.
    #[serde(default)]
    pub actions: BTreeSet<String>,
}

checked_text! {
    /// A model id as its platform writes it: `amazon.nova-lite-v1:0`, `claude-sonnet-4-6`.
    ModelId, "modelId", "must be 1 to 140 characters of a-z A-Z 0-9 . _ : / -",
    |t| (1..=140).contains(&t.len()) && t.starts_with(|c: char| c.is_ascii_alphanumeric())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:/-".contains(&b))
}

impl ModelId {
    /// The id without a context-length suffix: `amazon.nova-lite-v1:0:24k` is the same model as
    /// `amazon.nova-lite-v1:0`.
    #[must_use]
    pub fn base(&self) -> Self {
        match self.0.rsplit_once(':') {
            Some((base, variant)) if is_context_variant(variant) => Self(base.to_owned()),
            _ => self.clone(),
        }
    }
}

/// `24k`, `300k`, `mm`, `512`: what Bedrock appends for provisioned-throughput variants of one model.
fn is_context_variant(variant: &str) -> bool {
    variant == "mm" || (variant.len() > 1 && variant.trim_end_matches('k').bytes().all(|b| b.is_ascii_digit()))
}

checked_text! {
    /// The URL-safe name of a model on a platform: `bedrock.amazon.nova-lite-v1-0`.
    ModelKey, "modelKey", "must be a modelKey as the list of models returns it",
    |t| (3..=160).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

impl ModelKey {
    /// The key of a model: platform, a dot, and the id with `:` and `/` as `-`.
    #[must_use]
    pub fn of(platform: Platform, model_id: &ModelId) -> Self {
        Self(format!("{}.{}", platform.as_str(), model_id.as_str().replace([':', '/'], "-")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_named_as_on_the_wire() -> serde_json::Result<()> {
        for action in Platform::ALL.into_iter().flat_map(Platform::actions) {
            assert_eq!(serde_json::to_value(action)?, action.as_str());
        }
        Ok(())
    }

    #[test]
    fn context_length_variants_fold_into_the_base_id_and_versions_do_not()
    -> Result<(), crate::base::text::MalformedText> {
        for (given, base) in [
            ("amazon.nova-lite-v1:0:24k", "amazon.nova-lite-v1:0"),
            ("amazon.nova-lite-v1:0:300k", "amazon.nova-lite-v1:0"),
            ("amazon.titan-embed-image-v1:0", "amazon.titan-embed-image-v1:0"),
            ("cohere.embed-english-v3:0:512", "cohere.embed-english-v3:0"),
            ("amazon.nova-premier-v1:0:mm", "amazon.nova-premier-v1:0"),
            ("claude-sonnet-4-6", "claude-sonnet-4-6"),
        ] {
            assert_eq!(given.parse::<ModelId>()?.base().as_str(), base);
        }
        let key = ModelKey::of(Platform::Bedrock, &"amazon.nova-lite-v1:0".parse()?);
        assert_eq!(key.as_str(), "bedrock.amazon.nova-lite-v1-0");
        Ok(())
    }
}
