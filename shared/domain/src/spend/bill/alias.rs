//! Which model a row of the bill means.
//!
//! The bill names models in many ways; a shipped, versioned table maps those names to model ids. A name that is not in
//! the table stays as it is and raises a finding. It is never matched by resemblance.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::line::LineGroup;
use super::rule::Rule;
use crate::base::aws::profile::CalledThrough;
use crate::base::platform::{ModelId, Platform};

/// The table that ships with this version; maintained by hand from AWS's model and pricing pages.
const SHIPPED: &str = include_str!("aliases.json");

/// What AWS Marketplace appends to the names of Bedrock models.
const EDITION: &str = "(amazon bedrock edition)";

/// Vendors' names that some columns put before a model's name.
const VENDOR_PREFIXES: [&str; 5] = ["anthropic", "amazon", "cohere", "meta", "openai"];

/// A row's model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ModelName {
    /// A model id as its platform writes it, context-length variants folded into their base.
    Known(ModelId),
    /// An application inference profile, by its ARN; which model it stands for is not in the bill.
    Profile(String),
    /// A name that the alias table does not hold, as it stands in the bill.
    Unmapped(String),
    /// The row names no model.
    Unnamed,
}

impl ModelName {
    /// The model id, or the raw name, or `unnamed`.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Known(id) => id.as_str(),
            Self::Profile(name) | Self::Unmapped(name) => name,
            Self::Unnamed => "unnamed",
        }
    }

    /// The model id, if the name is mapped.
    #[must_use]
    pub const fn id(&self) -> Option<&ModelId> {
        match self {
            Self::Known(id) => Some(id),
            _ => None,
        }
    }
}

/// The table's file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    version: String,
    profile_geographies: BTreeSet<String>,
    models: BTreeMap<Platform, BTreeMap<ModelId, Vec<String>>>,
}

/// A table that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MalformedAliases {
    /// The file is not what this version reads.
    #[error("the alias table cannot be read")]
    File(#[from] serde_json::Error),
    /// One name stands for two models.
    #[error("the name `{name}` stands for both `{one}` and `{other}`")]
    Ambiguous {
        /// The name.
        name: String,
        /// The first model.
        one: ModelId,
        /// The second model.
        other: ModelId,
    },
}

/// Names in the bill and the model ids they stand for.
#[derive(Debug, Clone)]
pub struct Aliases {
    version: String,
    geographies: BTreeSet<String>,
    ids: BTreeMap<(Platform, String), ModelId>,
}

impl Aliases {
    /// The table that ships with this version.
    ///
    /// # Errors
    /// [`MalformedAliases`] if the build ships a broken table, which a test rules out.
    pub fn shipped() -> Result<Self, MalformedAliases> {
        Self::parse(SHIPPED)
    }

    /// Reads a table.
    ///
    /// # Errors
    /// [`MalformedAliases`] if it is not one, or if a name is ambiguous.
    pub fn parse(json: &str) -> Result<Self, MalformedAliases> {
        let file: File = serde_json::from_str(json)?;
        let mut ids = BTreeMap::new();
        for (platform, models) in file.models {
            for (id, names) in models {
                for name in std::iter::once(id.as_str()).chain(names.iter().map(String::as_str)) {
                    match ids.insert((platform, normalise(name)), id.clone()) {
                        Some(one) if one != id => {
                            return Err(MalformedAliases::Ambiguous { name: name.to_owned(), one, other: id });
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(Self { version: file.version, geographies: file.profile_geographies, ids })
    }

    /// The table's version, recorded with every run.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The model id that a name stands for on a platform.
    #[must_use]
    pub fn lookup(&self, platform: Platform, name: &str) -> Option<&ModelId> {
        self.ids.get(&(platform, normalise(name)))
    }

    /// The id under which facts know a model: dated and context-length spellings of one model become one.
    #[must_use]
    pub fn canonical(&self, platform: Platform, id: &ModelId) -> ModelId {
        let base = id.base();
        self.lookup(platform, base.as_str()).cloned().unwrap_or(base)
    }

    /// The model that a row of a platform means, first match wins: its resource, the product map's model, the
    /// Marketplace product's name, the usage type.
    #[must_use]
    pub fn read_model(&self, group: &LineGroup, platform: Platform) -> (ModelName, Rule) {
        if let Some(name) = self.by_resource(&group.resource_id, platform) {
            let by_profile = matches!(name, ModelName::Profile(_));
            return (name, if by_profile { Rule::ModelByApplicationProfile } else { Rule::ModelByResource });
        }
        let candidates = [
            (Some(group.product_model.as_str()).filter(|m| !m.is_empty()), Rule::ModelByProductModel),
            (edition_name(&group.product_name), Rule::ModelByProductName),
            (usage_type_model(&group.usage_type), Rule::ModelByUsageType),
        ];
        for (name, rule) in candidates {
            if let Some(id) = name.and_then(|n| self.lookup(platform, n)) {
                return (ModelName::Known(id.clone()), rule);
            }
        }
        // The usage types of Claude Platform are not public: what stands before `-ccu` need not be a model at all.
        let named = candidates.into_iter().find_map(|(name, rule)| {
            name.filter(|_| platform == Platform::Bedrock || rule == Rule::ModelByProductModel)
        });
        match named {
            Some(raw) => (ModelName::Unmapped(raw.to_owned()), Rule::ModelUnmapped),
            None => (ModelName::Unnamed, Rule::ModelUnnamed),
        }
    }

    fn by_resource(&self, resource: &str, platform: Platform) -> Option<ModelName> {
        let id: ModelId = match CalledThrough::parse(resource)? {
            CalledThrough::Model(id) => id.parse().ok()?,
            CalledThrough::SystemProfile(id) => self.without_geography(id)?.parse().ok()?,
            CalledThrough::ApplicationProfile => return Some(ModelName::Profile(resource.to_owned())),
        };
        Some(ModelName::Known(self.canonical(platform, &id)))
    }

    fn without_geography<'n>(&self, profile: &'n str) -> Option<&'n str> {
        let (geography, id) = profile.split_once('.')?;
        self.geographies.contains(geography).then_some(id)
    }
}

/// `Claude 3 Haiku (Amazon Bedrock Edition)` names a model; other product names, such as `Amazon Bedrock`, do not.
fn edition_name(product_name: &str) -> Option<&str> {
    let at = product_name.to_ascii_lowercase().rfind(EDITION)?;
    product_name.get(..at).map(str::trim).filter(|n| !n.is_empty())
}

/// The model in `{reg}-{Model}-{token}…`; Marketplace usage types (`MP:`) hold none.
fn usage_type_model(usage_type: &str) -> Option<&str> {
    if usage_type.contains("MP:") {
        return None;
    }
    let (_, rest) = usage_type.split_once('-')?;
    let lower = rest.to_ascii_lowercase();
    let end =
        ["-input", "-output", "-cache", "-mantle", "-batch", "-ccu"].iter().filter_map(|m| lower.find(m)).min()?;
    rest.get(..end).filter(|m| !m.is_empty())
}

/// A name without letter case, vendor, edition and punctuation. The point stays: `Llama 3.2 11B` is not `Llama 3 211B`.
fn normalise(name: &str) -> String {
    let lower = name.to_ascii_lowercase().replace('+', "plus");
    let plain: String = lower.replace(EDITION, "").chars().filter(|c| c.is_alphanumeric() || *c == '.').collect();
    let without_vendor = VENDOR_PREFIXES.iter().find_map(|vendor| plain.strip_prefix(vendor)).filter(|r| !r.is_empty());
    without_vendor.map_or(plain.clone(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spend::bill::line::samples::group;

    #[test]
    fn the_shipped_table_is_read_and_no_name_is_ambiguous() -> Result<(), MalformedAliases> {
        let aliases = Aliases::shipped()?;
        assert!(aliases.ids.len() > 150, "{}", aliases.ids.len());
        let clash = r#"{"version":"1","profileGeographies":[],"models":{"bedrock":{"a.x":["Same"],"b.y":["same"]}}}"#;
        assert!(matches!(Aliases::parse(clash), Err(MalformedAliases::Ambiguous { .. })));
        Ok(())
    }

    #[test]
    fn a_model_is_found_wherever_the_row_names_it() -> Result<(), Box<dyn std::error::Error>> {
        let aliases = Aliases::shipped()?;
        let check = |set: &[(&str, &str)], platform: Platform, label: &str, rule: Rule| {
            let read = group(set).map(|g| aliases.read_model(&g, platform));
            assert_eq!(read.as_ref().map(|(name, rule)| (name.label(), *rule)), Ok((label, rule)), "{set:?}");
        };
        let bedrock = Platform::Bedrock;
        let haiku = "anthropic.claude-3-haiku-20240307-v1:0";
        let arn = |tail: &str| format!("arn:aws:bedrock:us-east-1:111122223333:{tail}");
        check(
            &[("resource_id", &arn(&format!("inference-profile/us.{haiku}")))],
            bedrock,
            haiku,
            Rule::ModelByResource,
        );
        check(
            &[("resource_id", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k")],
            bedrock,
            "amazon.nova-lite-v1:0",
            Rule::ModelByResource,
        );
        check(
            &[("resource_id", "arn:aws:bedrock:us-east-1::foundation-model/new.model-v9:0")],
            bedrock,
            "new.model-v9:0",
            Rule::ModelByResource,
        );
        let profile = arn("application-inference-profile/abc123");
        check(&[("resource_id", &profile)], bedrock, &profile, Rule::ModelByApplicationProfile);
        check(
            &[("resource_id", &arn("inference-profile/xx.unheard-of.model"))],
            bedrock,
            "unnamed",
            Rule::ModelUnnamed,
        );
        check(&[("product_model", "Nova Lite")], bedrock, "amazon.nova-lite-v1:0", Rule::ModelByProductModel);
        check(&[("product_model", "Anthropic Claude 3 Haiku")], bedrock, haiku, Rule::ModelByProductModel);
        check(&[("product_name", "Claude 3 Haiku (Amazon Bedrock Edition)")], bedrock, haiku, Rule::ModelByProductName);
        check(
            &[
                ("usage_type", "USE1-Claude4.6Sonnet-output-tokens-cross-region-global"),
                ("product_name", "Amazon Bedrock"),
            ],
            bedrock,
            "anthropic.claude-sonnet-4-6",
            Rule::ModelByUsageType,
        );
        check(
            &[("usage_type", "EUC1-Llama3-1-8B-input-tokens")],
            bedrock,
            "meta.llama3-1-8b-instruct-v1:0",
            Rule::ModelByUsageType,
        );
        check(&[("usage_type", "USE1-MP:USE1_InputTokenCount-Units")], bedrock, "unnamed", Rule::ModelUnnamed);
        check(&[("usage_type", "USE1-Nova9Ultra-input-tokens")], bedrock, "Nova9Ultra", Rule::ModelUnmapped);
        check(
            &[("product_name", "Claude 9 Haiku (Amazon Bedrock Edition)")],
            bedrock,
            "Claude 9 Haiku",
            Rule::ModelUnmapped,
        );
        let claude = Platform::ClaudePlatform;
        check(&[("product_model", "claude-haiku-4-5-20251001")], claude, "claude-haiku-4-5", Rule::ModelByProductModel);
        check(&[("usage_type", "USW2-claude-sonnet-4-6-ccu")], claude, "claude-sonnet-4-6", Rule::ModelByUsageType);
        check(&[("usage_type", "USW2-Consumption-CCU")], claude, "unnamed", Rule::ModelUnnamed);
        Ok(())
    }

    #[test]
    fn spellings_of_one_model_are_one_model() -> Result<(), Box<dyn std::error::Error>> {
        let aliases = Aliases::shipped()?;
        let dated = aliases.canonical(Platform::ClaudePlatform, &"claude-haiku-4-5-20251001".parse()?);
        assert_eq!(dated.as_str(), "claude-haiku-4-5");
        Ok(())
    }
}
