//! Claude Platform's models: a catalog shipped with the product, because the platform has no listing that works
//! without a workspace. It says what exists and what it costs at list price; whether a model may be used is a
//! decision, not here.

use std::sync::LazyLock;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::base::platform::ModelId;

/// Who makes every model on Claude Platform.
pub const CLAUDE_PLATFORM_VENDOR: &str = "Anthropic";

/// A version of the catalog; the version is the month of its sources.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Catalog {
    /// `YYYY-MM`.
    pub version: String,
    /// Where its facts come from.
    pub source: String,
    /// Its models, as the sources order them.
    pub models: Vec<CatalogModel>,
}

/// A model on Claude Platform.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CatalogModel {
    /// Its id in the API: no vendor prefix, no ARN.
    pub model_id: ModelId,
    /// Its name in the AI Models table.
    pub name: String,
    /// Dated ids that mean the same model.
    pub dated_ids: Vec<ModelId>,
    /// List prices.
    pub usd_per_million_tokens: TokenPrices,
    /// Whether `inference_geo: us` is accepted, at 1.1 times the price.
    pub us_only_inference: bool,
}

/// List prices in US dollars per million tokens; batch halves them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "each name is the token class that the price list names")]
pub struct TokenPrices {
    pub input: Decimal,
    #[serde(rename = "cacheWrite5m")]
    pub cache_write_5m: Decimal,
    #[serde(rename = "cacheWrite1h")]
    pub cache_write_1h: Decimal,
    pub cache_read: Decimal,
    pub output: Decimal,
}

/// The shipped catalog. A test holds that it parses; were it broken, it would be empty and nothing could be approved.
#[must_use]
pub fn claude_catalog() -> &'static Catalog {
    static CATALOG: LazyLock<Catalog> = LazyLock::new(|| parse(SHIPPED).unwrap_or_default());
    &CATALOG
}

const SHIPPED: &str = include_str!("catalog/claude-platform.json");

fn parse(text: &str) -> Result<Catalog, serde_json::Error> {
    serde_json::from_str(text)
}

impl Catalog {
    /// The model that an id means, dated or not.
    #[must_use]
    pub fn find(&self, id: &ModelId) -> Option<&CatalogModel> {
        self.models.iter().find(|m| m.model_id == *id || m.dated_ids.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_shipped_catalog_parses_and_says_its_version_and_source() -> Result<(), serde_json::Error> {
        let catalog = parse(SHIPPED)?;
        assert_eq!(&catalog, claude_catalog());
        assert_eq!(catalog.version, "2026-08");
        assert!(!catalog.source.is_empty());
        Ok(())
    }

    #[test]
    fn every_id_names_one_model() {
        let ids: Vec<_> =
            claude_catalog().models.iter().flat_map(|m| m.dated_ids.iter().chain([&m.model_id])).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        assert!(claude_catalog().models.len() >= 10);
    }

    #[test]
    fn a_dated_id_finds_the_model_that_the_table_names() -> Result<(), crate::base::text::MalformedText> {
        for (id, name) in [
            ("claude-sonnet-4-6", Some("Claude Sonnet 4.6")),
            ("claude-haiku-4-5", Some("Claude Haiku 4.5")),
            ("claude-haiku-4-5-20251001", Some("Claude Haiku 4.5")),
            ("anthropic.claude-sonnet-4-6", None),
        ] {
            assert_eq!(claude_catalog().find(&id.parse()?).map(|m| m.name.as_str()), name, "{id}");
        }
        Ok(())
    }

    #[test]
    fn cache_prices_follow_from_the_input_price() {
        let times = |price: Decimal, hundredths: i64| price * Decimal::new(hundredths, 2);
        for model in &claude_catalog().models {
            let prices = &model.usd_per_million_tokens;
            assert_eq!(prices.cache_write_5m, times(prices.input, 125), "{}", model.name);
            assert_eq!(prices.cache_write_1h, times(prices.input, 200), "{}", model.name);
            assert_eq!(prices.cache_read, times(prices.input, 10), "{}", model.name);
            assert_eq!(prices.output, times(prices.input, 500), "{}", model.name);
        }
    }
}
