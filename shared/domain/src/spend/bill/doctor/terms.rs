//! The settings' AI terms one by one, so that it can be said which of them a bill meets.

use std::fmt;

use super::super::matching::MARKETPLACE;
use super::super::settings::BillSettings;
use super::row::CensusRow;

/// One entry of one list of the settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// `bill.bedrockProductCodes`.
    BedrockProductCode(String),
    /// `bill.bedrockProductFamilies`.
    BedrockProductFamily(String),
    /// `bill.bedrockOperations`.
    BedrockOperation(String),
    /// `bill.bedrockProductNameSuffix`.
    BedrockProductNameSuffix(String),
    /// `bill.claudeProductTerms`.
    ClaudeProduct(String),
    /// `bill.claudeUsageTerms`.
    ClaudeUsage(Vec<String>),
    /// `bill.claudeProductCodes`.
    ClaudeProductCode(String),
}

impl Term {
    /// Every term of the settings.
    #[must_use]
    pub fn all_of(settings: &BillSettings) -> Vec<Self> {
        let each = |list: &[String], term: fn(String) -> Self| list.iter().cloned().map(term).collect::<Vec<_>>();
        let mut terms = each(&settings.bedrock_product_codes, Self::BedrockProductCode);
        terms.extend(each(&settings.bedrock_product_families, Self::BedrockProductFamily));
        terms.extend(each(&settings.bedrock_operations, Self::BedrockOperation));
        terms.push(Self::BedrockProductNameSuffix(settings.bedrock_product_name_suffix.clone()));
        terms.extend(each(&settings.claude_product_terms, Self::ClaudeProduct));
        terms.extend(settings.claude_usage_terms.iter().cloned().map(Self::ClaudeUsage));
        terms.extend(each(&settings.claude_product_codes, Self::ClaudeProductCode));
        terms
    }

    /// Whether it is a term of the Claude Platform.
    #[must_use]
    pub fn is_claude(&self) -> bool {
        matches!(self, Self::ClaudeProduct(_) | Self::ClaudeUsage(_) | Self::ClaudeProductCode(_))
    }

    /// Whether rows meet it, as `ai_terms.sql` and [`BillSettings::platform_of`] match.
    #[must_use]
    pub fn is_met_by(&self, group: &CensusRow) -> bool {
        let is_sold = group.billing_entity == MARKETPLACE;
        match self {
            Self::BedrockProductCode(code) => group.product_code == *code || group.product_servicecode == *code,
            Self::BedrockProductFamily(family) => group.product_family == *family,
            Self::BedrockOperation(operation) => is_sold && group.operation == *operation,
            Self::BedrockProductNameSuffix(suffix) => is_sold && group.product_name.ends_with(suffix.as_str()),
            Self::ClaudeProduct(term) => {
                let holds = |text: &str| text.to_lowercase().contains(term.as_str());
                is_sold && (holds(&group.description) || holds(&group.product_name))
            }
            Self::ClaudeUsage(parts) => is_sold && BillSettings::is_usage_term_in(parts, &group.usage_type),
            Self::ClaudeProductCode(code) => is_sold && group.product_code == *code,
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (list, text) = match self {
            Self::BedrockProductCode(text) => ("bedrockProductCodes", text.clone()),
            Self::BedrockProductFamily(text) => ("bedrockProductFamilies", text.clone()),
            Self::BedrockOperation(text) => ("bedrockOperations", text.clone()),
            Self::BedrockProductNameSuffix(text) => ("bedrockProductNameSuffix", text.clone()),
            Self::ClaudeProduct(text) => ("claudeProductTerms", text.clone()),
            Self::ClaudeUsage(parts) => ("claudeUsageTerms", parts.join(" … ")),
            Self::ClaudeProductCode(text) => ("claudeProductCodes", text.clone()),
        };
        write!(f, "`{text}` of `bill.{list}`")
    }
}
