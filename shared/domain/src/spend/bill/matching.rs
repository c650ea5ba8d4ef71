//! Which platform a row is of.
//!
//! The terms mirror those of `ai_terms.sql`, which selects by them; here they only tell the platforms apart.

use super::line::LineGroup;
use super::rule::Rule;
use super::settings::BillSettings;
use crate::base::aws::Principal;
use crate::base::platform::Platform;

/// `bill_billing_entity` of whatever is sold through AWS Marketplace.
pub const MARKETPLACE: &str = "AWS Marketplace";

/// What the Claude Platform's resources have in their ARN.
const CLAUDE_RESOURCE: &str = ":aws-external-anthropic:";

impl BillSettings {
    /// The platform of a row and the term that says so. `None` is a row that `facts.sql` selected by a term unknown
    /// here; it has no principal, or it would be Bedrock, so its dollars become a *No Principal* gap and are not
    /// lost.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spend::bill::line::UnreadableRow;
    use crate::spend::bill::line::samples::group;

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
}
