//! Which platform a row is of, and the settings that say so.
//!
//! The terms mirror those of `ai_terms.sql`, which selects by them; here they only tell the platforms apart. The exact
//! strings of Claude Platform rows are not public, so every term is configuration with a documented default.

use serde::{Deserialize, Serialize};

use super::line::LineGroup;
use super::rule::Rule;
use super::terms::{PARAMETER_CHARS_MAX, is_tag_key, too_long};
use crate::aws::Principal;
use crate::outcome::{Refusal, RefusalKind};
use crate::platform::Platform;

/// `bill_billing_entity` of whatever is sold through AWS Marketplace.
pub const MARKETPLACE: &str = "AWS Marketplace";

/// What the Claude Platform's resources have in their ARN.
const CLAUDE_RESOURCE: &str = ":aws-external-anthropic:";

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
    /// Text in the description or product name of a Claude Platform row from AWS Marketplace, letter case aside; kept in
    /// lower case.
    pub claude_product_terms: Vec<String>,
    /// Parts of a Claude Platform usage type, likewise; every part of one term must occur, in its order, the first at the
    /// beginning of a word: `ccu` is found in `USE1-CCU-Units` and not in `Occupancy`.
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

/// Entries that one list of the settings may have; each becomes part of a query parameter.
const ENTRIES_MAX: usize = 50;
/// Characters of one entry: AWS's longest tag key.
const ENTRY_CHARS_MAX: usize = 128;

impl BillSettings {
    /// The settings as they are kept: the terms that are looked for in lower case are in lower case.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        let usage_parts = self.claude_usage_terms.iter_mut().flatten();
        usage_parts.chain(&mut self.claude_product_terms).for_each(|term| *term = term.to_lowercase());
        self
    }

    /// Whether the terms can be used in a query: short, not blank, without the comma that separates them there, and
    /// together no longer than a parameter.
    ///
    /// # Errors
    /// [`RefusalKind::InvalidValue`] naming the field.
    pub fn check(&self) -> Result<(), Refusal> {
        let usage_parts: Vec<String> = self.claude_usage_terms.iter().flatten().cloned().collect();
        let lists = [
            ("bedrockProductCodes", &self.bedrock_product_codes),
            ("bedrockProductFamilies", &self.bedrock_product_families),
            ("bedrockOperations", &self.bedrock_operations),
            ("claudeProductTerms", &self.claude_product_terms),
            ("claudeUsageTerms", &usage_parts),
            ("claudeProductCodes", &self.claude_product_codes),
            ("defaultWorkspaceNames", &self.default_workspace_names),
            ("broadRolePatterns", &self.broad_role_patterns),
        ];
        let usable = |text: &str| {
            (1..=ENTRY_CHARS_MAX).contains(&text.chars().count())
                && !text.contains(',')
                && !text.chars().any(char::is_control)
        };
        let broken = lists.into_iter().find(|(_, list)| list.len() > ENTRIES_MAX || !list.iter().all(|t| usable(t)));
        let texts = [
            ("bedrockProductNameSuffix", &self.bedrock_product_name_suffix),
            ("workspaceTagKey", &self.workspace_tag_key),
        ];
        let field = broken
            .map(|(field, _)| field)
            .or_else(|| texts.into_iter().find(|(_, t)| !usable(t)).map(|(field, _)| field));
        let invalid = |detail: String| Err(Refusal::new(RefusalKind::InvalidValue, detail));
        if let Some(field) = field {
            return invalid(format!(
                "`bill.{field}` holds at most {ENTRIES_MAX} texts of 1 to {ENTRY_CHARS_MAX} characters, without commas"
            ));
        }
        if !is_tag_key(&self.workspace_tag_key) {
            let key = &self.workspace_tag_key;
            return invalid(format!(
                "`bill.workspaceTagKey` is `{key}`; write letters, digits, spaces and _ . : / = + - @, as its queries take no others"
            ));
        }
        match too_long(self) {
            None => Ok(()),
            Some((field, chars)) => invalid(format!(
                "`bill.{field}` makes a query parameter of {chars} characters, and Athena takes {PARAMETER_CHARS_MAX}; \
                 give fewer or shorter texts"
            )),
        }
    }

    /// The platform of a row and the term that says so. `None` is a row that `facts.sql` selected by a term unknown here;
    /// it has no principal, or it would be Bedrock, so its dollars become a *No Principal* gap and are not lost.
    #[must_use]
    pub fn platform_of(&self, group: &LineGroup) -> (Option<Platform>, Rule) {
        if group.resource_id.contains(CLAUDE_RESOURCE) {
            return (Some(Platform::ClaudePlatform), Rule::PlatformByWorkspaceResource);
        }
        if let Some(rule) = self.bedrock_term(group) {
            return (Some(Platform::Bedrock), rule);
        }
        if self.is_claude(group) {
            return (Some(Platform::ClaudePlatform), Rule::PlatformByClaudeTerm);
        }
        (None, Rule::PlatformUnknown)
    }

    fn bedrock_term(&self, group: &LineGroup) -> Option<Rule> {
        let is_code = |code: &String| self.bedrock_product_codes.contains(code);
        let from_marketplace = group.billing_entity == MARKETPLACE;
        let suffix = self.bedrock_product_name_suffix.as_str();
        if is_code(&group.product_code) || is_code(&group.product_servicecode) {
            Some(Rule::PlatformByProductCode)
        } else if self.bedrock_product_families.contains(&group.product_family) {
            Some(Rule::PlatformByProductFamily)
        } else if group.principal != Principal::Blank {
            Some(Rule::PlatformByPrincipal)
        } else if from_marketplace && self.bedrock_operations.contains(&group.operation) {
            Some(Rule::PlatformByOperation)
        } else if from_marketplace && !suffix.is_empty() && group.product_name.ends_with(suffix) {
            Some(Rule::PlatformByEdition)
        } else {
            None
        }
    }

    fn is_claude(&self, group: &LineGroup) -> bool {
        let texts = [group.description.to_lowercase(), group.product_name.to_lowercase()];
        group.billing_entity == MARKETPLACE
            && (self.claude_product_terms.iter().any(|term| texts.iter().any(|text| text.contains(term.as_str())))
                || self.claude_usage_terms.iter().any(|parts| Self::is_usage_term_in(parts, &group.usage_type))
                || self.claude_product_codes.contains(&group.product_code))
    }

    /// Whether a usage type meets a term.
    #[must_use]
    pub fn is_usage_term_in(parts: &[String], usage_type: &str) -> bool {
        holds_in_order(&usage_type.to_lowercase(), parts)
    }

    /// Whether a role name stands for many people or uses, so that a role of its own is to be recommended.
    #[must_use]
    pub fn is_broad_role(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.broad_role_patterns.iter().any(|pattern| matches_pattern(&pattern.to_ascii_lowercase(), &name))
    }

    /// Whether a workspace tag's value can name a team's workspace at all.
    #[must_use]
    pub fn is_usable_workspace_tag(&self, tag: &str) -> bool {
        !tag.is_empty() && !self.default_workspace_names.iter().any(|name| name == tag)
    }
}

/// Whether the parts occur one after the other, the first where no letter stands before it. What is leftmost leaves the
/// most for the others.
fn holds_in_order(text: &str, parts: &[String]) -> bool {
    let Some((first, others)) = parts.split_first() else { return false };
    let begins_word =
        |at: usize| !text.as_bytes().get(..at).is_some_and(|b| b.last().is_some_and(u8::is_ascii_lowercase));
    let found = text.match_indices(first.as_str()).find(|(at, _)| begins_word(*at));
    let mut rest = found.and_then(|(at, part)| text.get(at + part.len()..));
    for part in others {
        rest = rest.and_then(|r| r.split_once(part.as_str())).map(|(_, after)| after);
    }
    rest.is_some()
}

/// Whether `text` has the form of `pattern`, where `*` stands for any text.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((prefix, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(prefix) else { return false };
    let (middle, suffix) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bill::line::UnreadableRow;
    use crate::bill::line::samples::group;

    #[test]
    fn each_family_of_rows_finds_its_platform() -> Result<(), UnreadableRow> {
        use Platform::{Bedrock, ClaudePlatform};
        let settings = BillSettings::default();
        let workspace = "arn:aws:aws-external-anthropic:us-west-2:111122223333:workspace/wrkspc_01";
        let check = |set: &[(&str, &str)], platform: Option<Platform>, rule: Rule| -> Result<(), UnreadableRow> {
            assert_eq!(settings.platform_of(&group(set)?), (platform, rule), "{set:?}");
            Ok(())
        };
        check(&[("product_code", "AmazonBedrockService")], Some(Bedrock), Rule::PlatformByProductCode)?;
        check(&[("product_servicecode", "AmazonBedrock")], Some(Bedrock), Rule::PlatformByProductCode)?;
        check(&[("product_family", "Amazon Bedrock")], Some(Bedrock), Rule::PlatformByProductFamily)?;
        check(&[("principal", "arn:aws:iam::111122223333:user/u")], Some(Bedrock), Rule::PlatformByPrincipal)?;
        let sold = ("billing_entity", MARKETPLACE);
        check(&[sold, ("operation", "InvokeModelInference")], Some(Bedrock), Rule::PlatformByOperation)?;
        check(
            &[sold, ("product_name", "Claude 3 Haiku (Amazon Bedrock Edition)")],
            Some(Bedrock),
            Rule::PlatformByEdition,
        )?;
        check(&[sold, ("resource_id", workspace)], Some(ClaudePlatform), Rule::PlatformByWorkspaceResource)?;
        check(&[sold, ("usage_type", "USE1-CCU-Units")], Some(ClaudePlatform), Rule::PlatformByClaudeTerm)?;
        check(&[sold, ("usage_type", "Claude_Consumption_Units")], Some(ClaudePlatform), Rule::PlatformByClaudeTerm)?;
        check(&[sold, ("usage_type", "MP:USE1_ClaudeCCU-Units")], Some(ClaudePlatform), Rule::PlatformByClaudeTerm)?;
        check(&[sold, ("usage_type", "USE1-Occupancy-CCU")], Some(ClaudePlatform), Rule::PlatformByClaudeTerm)?;
        for foreign in ["USE1-MP:USE1_OccupancySensors-Units", "AccuWeather-Calls", "Claude", "Consumption-claude"] {
            check(&[sold, ("usage_type", foreign)], None, Rule::PlatformUnknown)?;
        }
        check(&[sold, ("description", "Claude Platform on AWS")], Some(ClaudePlatform), Rule::PlatformByClaudeTerm)?;
        check(&[("description", "Claude Platform on AWS")], None, Rule::PlatformUnknown)?;
        check(&[("operation", "InvokeModelInference")], None, Rule::PlatformUnknown)
    }

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
            assert!(settings.is_broad_role(broad), "{broad}");
        }
        for own in ["finops-ai-checkout-assistant", "administration-bot-x", "Admin2"] {
            assert!(!settings.is_broad_role(own), "{own}");
        }
    }

    #[test]
    fn terms_that_a_query_cannot_hold_are_refused() {
        let with = |code: &str| BillSettings { claude_product_codes: vec![code.to_owned()], ..BillSettings::default() };
        assert!(BillSettings::default().check().is_ok() && with("8o2pcmqxzwy").check().is_ok());
        for bad in ["", "a,b", "a\nb"] {
            assert!(with(bad).check().is_err(), "{bad:?}");
        }
        let keyed = |key: &str| BillSettings { workspace_tag_key: key.to_owned(), ..BillSettings::default() };
        assert!(keyed("cost:Workspace name").check().is_ok());
        for bad in ["a'b", "{key}", "ключ"] {
            assert!(keyed(bad).check().is_err_and(|refusal| refusal.detail.contains("workspaceTagKey")), "{bad:?}");
        }
    }

    #[test]
    fn lists_that_athena_would_not_take_are_refused_by_name_and_length() {
        let codes = |count: usize, code: &str| {
            let claude_product_codes = vec![code.to_owned(); count];
            BillSettings { claude_product_codes, ..BillSettings::default() }.check()
        };
        // Each code with its comma, one comma before them, two quotes: 1011 characters, and 21 more.
        assert_eq!(codes(48, &"c".repeat(20)), Ok(()));
        let refused = codes(49, &"c".repeat(20)).err().map(|refusal| refusal.detail).unwrap_or_default();
        assert!(refused.contains("`bill.claudeProductCodes`") && refused.contains("1032"), "{refused}");
        assert!(codes(9, &"'".repeat(60)).is_err(), "a quote takes two characters");
        let terms = BillSettings { claude_product_terms: vec![".".repeat(120); 5], ..BillSettings::default() };
        assert!(terms.check().is_err_and(|refusal| refusal.detail.contains("claudeProductTerms")), "escaped");
    }

    #[test]
    fn terms_are_kept_in_the_lower_case_that_they_are_looked_for_in() -> Result<(), UnreadableRow> {
        let written = BillSettings {
            claude_product_terms: vec!["Claude Überall".to_owned()],
            claude_usage_terms: vec![vec!["MyClaude".to_owned(), "Units".to_owned()]],
            ..BillSettings::default()
        };
        let kept = written.normalised();
        let sold = ("billing_entity", MARKETPLACE);
        for set in [("description", "CLAUDE ÜBERALL"), ("usage_type", "USE1-MyClaude-Units")] {
            assert_eq!(kept.platform_of(&group(&[sold, set])?).0, Some(Platform::ClaudePlatform), "{set:?}");
        }
        assert_eq!(kept.clone().normalised(), kept);
        assert_eq!(BillSettings::default().normalised(), BillSettings::default());
        Ok(())
    }

    #[test]
    fn patterns_are_anchored_at_both_ends() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(matches_pattern(pattern, text), expected, "{pattern} {text}");
        };
        check("a*b", "ab", true);
        check("a*b", "axxb", true);
        check("a*b", "abx", false);
        check("a*a", "a", false);
        check("*", "", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-c-b", false);
        check("abc", "abcd", false);
        check("", "x", false);
    }
}
