//! The settings that say what on the bill is AI, and of which platform.
//!
//! The exact strings of Claude Platform rows are not public, so every term is configuration with a documented default.

use serde::{Deserialize, Serialize};

use crate::base::aws::BroadRoles;

/// The bill's part of the settings document: versioned and audited like the rest, and recorded with every run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct BillSettings {
    /// `line_item_product_code` or `product_servicecode` of Bedrock rows.
    pub bedrock_product_codes: Vec<String>,
    /// `product_product_family` of Bedrock rows.
    pub bedrock_product_families: Vec<String>,
    /// `line_item_operation` of Bedrock rows that come through AWS Marketplace.
    pub bedrock_operations: Vec<String>,
    /// How `product['product_name']` of a Bedrock model sold through AWS Marketplace ends.
    pub bedrock_product_name_suffix: String,
    /// Text in the description or product name of a Claude Platform row from AWS Marketplace, letter case aside; kept
    /// in lower case.
    pub claude_product_terms: Vec<String>,
    /// Parts of a Claude Platform usage type, likewise; every part of one term must occur, in its order, the first at
    /// the beginning of a word: `ccu` is found in `USE1-CCU-Units` and not in `Occupancy`.
    pub claude_usage_terms: Vec<Vec<String>>,
    /// `line_item_product_code` of the Claude Platform in AWS Marketplace; empty until a bill shows it.
    pub claude_product_codes: Vec<String>,
    /// Cost allocation tag that carries the workspace's name.
    pub workspace_tag_key: String,
    /// Values of that tag that name no team's workspace: the one that exists from sign-up.
    pub default_workspace_names: Vec<String>,
    /// Role names that stand for many people or uses, `*` for any text, letter case aside.
    pub broad_role_patterns: Vec<String>,
}

impl Default for BillSettings {
    fn default() -> Self {
        let texts = |of: &[&str]| of.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        Self {
            bedrock_product_codes: texts(&[
                "AmazonBedrock",
                "AmazonBedrockService",
                "AmazonBedrockFoundationModels",
                "AmazonBedrockAgentCore",
            ]),
            bedrock_product_families: texts(&["Amazon Bedrock"]),
            bedrock_operations: texts(&["InvokeModelInference", "InvokeModelStreamingInference"]),
            bedrock_product_name_suffix: "(Amazon Bedrock Edition)".to_owned(),
            claude_product_terms: texts(&["claude platform"]),
            claude_usage_terms: vec![texts(&["ccu"]), texts(&["claude", "ccu"]), texts(&["claude", "consumption"])],
            claude_product_codes: Vec::new(),
            workspace_tag_key: "finops-workspace".to_owned(),
            default_workspace_names: texts(&["default", "Default", "Default Workspace"]),
            broad_role_patterns: texts(&[
                "AWSReservedSSO_*",
                "*Administrator*",
                "*PowerUser*",
                "OrganizationAccountAccessRole",
                "AWSControlTowerExecution",
                "Admin",
                "*-admin",
            ]),
        }
    }
}

/// The bill's part of a document that replaces the settings: every field, none of which has a default here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields of `BillSettings`, which says what each is")]
pub struct WholeBillSettings {
    pub bedrock_product_codes: Vec<String>,
    pub bedrock_product_families: Vec<String>,
    pub bedrock_operations: Vec<String>,
    pub bedrock_product_name_suffix: String,
    pub claude_product_terms: Vec<String>,
    pub claude_usage_terms: Vec<Vec<String>>,
    pub claude_product_codes: Vec<String>,
    pub workspace_tag_key: String,
    pub default_workspace_names: Vec<String>,
    pub broad_role_patterns: Vec<String>,
}

impl From<WholeBillSettings> for BillSettings {
    fn from(whole: WholeBillSettings) -> Self {
        Self {
            bedrock_product_codes: whole.bedrock_product_codes,
            bedrock_product_families: whole.bedrock_product_families,
            bedrock_operations: whole.bedrock_operations,
            bedrock_product_name_suffix: whole.bedrock_product_name_suffix,
            claude_product_terms: whole.claude_product_terms,
            claude_usage_terms: whole.claude_usage_terms,
            claude_product_codes: whole.claude_product_codes,
            workspace_tag_key: whole.workspace_tag_key,
            default_workspace_names: whole.default_workspace_names,
            broad_role_patterns: whole.broad_role_patterns,
        }
    }
}

impl BillSettings {
    /// The settings as they are kept: the terms that are looked for in lower case are in lower case.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        let usage_parts = self.claude_usage_terms.iter_mut().flatten();
        usage_parts.chain(&mut self.claude_product_terms).for_each(|term| *term = term.to_lowercase());
        self
    }

    /// The roles that stand for many people or uses.
    #[must_use]
    pub fn broad_roles(&self) -> BroadRoles<'_> {
        BroadRoles(&self.broad_role_patterns)
    }

    /// Whether a workspace tag's value can name a team's workspace at all.
    #[must_use]
    pub fn is_usable_workspace_tag(&self, tag: &str) -> bool {
        !tag.is_empty() && !self.default_workspace_names.iter().any(|name| name == tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broad_roles_are_known_by_pattern() {
        let settings = BillSettings::default();
        for broad in [
            "AWSReservedSSO_AWSPowerUserAccess_0123456789abcdef",
            "AWSAdministratorAccess",
            "CompanyAdministrators",
            "OrganizationAccountAccessRole",
            "admin",
            "platform-admin",
        ] {
            assert!(settings.broad_roles().include(broad), "{broad}");
        }
        for own in ["finops-ai-checkout-assistant", "administration-bot-x", "Admin2"] {
            assert!(!settings.broad_roles().include(own), "{own}");
        }
    }
}
