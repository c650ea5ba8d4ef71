//! What was consumed: the usage kind of a row and its quantity in tokens, CCU, or the row's own unit.
//!
//! Three families of usage types are read (native, Marketplace up to Claude 4.6, Marketplace from 4.7). The one trap
//! is the order: `cache-read-input-token-count` holds `input-token`, so cache is asked for before input. An unknown
//! unit or kind keeps its dollars and its quantity; nothing is guessed.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::line::LineGroup;
use super::matching::MARKETPLACE;
use super::rule::Rule;
use crate::base::money::ccu_of_usd;
use crate::base::platform::Platform;

/// What a row charges for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the explanation; batch has its own price, hence its own kinds")]
pub enum UsageKind {
    Input,
    Output,
    CacheRead,
    CacheWrite,
    BatchInput,
    BatchOutput,
    BatchCacheRead,
    BatchCacheWrite,
    ProvisionedHours,
    Ccu,
    /// Amazon Bedrock AgentCore, in its own units.
    AgentCore,
    /// Anything else; the usage type is kept beside it.
    Other,
}

impl UsageKind {
    /// The kind's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::CacheRead => "cache-read",
            Self::CacheWrite => "cache-write",
            Self::BatchInput => "batch-input",
            Self::BatchOutput => "batch-output",
            Self::BatchCacheRead => "batch-cache-read",
            Self::BatchCacheWrite => "batch-cache-write",
            Self::ProvisionedHours => "provisioned-hours",
            Self::Ccu => "ccu",
            Self::AgentCore => "agent-core",
            Self::Other => "other",
        }
    }

    /// Whether it is counted in tokens.
    #[must_use]
    pub const fn is_tokens(self) -> bool {
        !matches!(self, Self::ProvisionedHours | Self::Ccu | Self::AgentCore | Self::Other)
    }

    const fn in_batch(self) -> Self {
        match self {
            Self::Input => Self::BatchInput,
            Self::Output => Self::BatchOutput,
            Self::CacheRead => Self::BatchCacheRead,
            Self::CacheWrite => Self::BatchCacheWrite,
            other => other,
        }
    }
}

/// How a request was served, where that moves the price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "AWS's own words for its service tiers and routings")]
pub enum Serving {
    Batch,
    Flex,
    Priority,
    Global,
    LatencyOptimized,
    Mantle,
}

/// Unit of quantities that are tokens.
pub const TOKENS: &str = "tokens";
/// Unit of Claude Consumption Units.
pub const CCU: &str = "CCU";
/// Unit of provisioned throughput: model units times hours.
pub const HOURS: &str = "hours";
/// Unit of quantities whose row names none.
pub const UNNAMED_UNIT: &str = "units";

/// What a row consumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// What it charges for.
    pub kind: UsageKind,
    /// How it was served; several may hold.
    pub serving: Vec<Serving>,
    /// Quantity in `unit`.
    pub quantity: Decimal,
    /// [`TOKENS`], [`CCU`], [`HOURS`], or the row's own unit.
    pub unit: String,
    /// The usage type, where kind or unit is not understood.
    pub detail: Option<String>,
    /// What said so.
    pub because: Vec<Rule>,
}

impl Usage {
    /// Tokens, where the unit says how many.
    #[must_use]
    pub fn tokens(&self) -> Option<Decimal> {
        (self.unit == TOKENS).then_some(self.quantity)
    }

    /// CCU, on Claude Platform.
    #[must_use]
    pub fn ccu(&self) -> Option<Decimal> {
        (self.unit == CCU).then_some(self.quantity)
    }
}

/// Reads what a row of a platform consumed.
#[must_use]
pub fn read_usage(group: &LineGroup, platform: Option<Platform>) -> Usage {
    let serving = serving_of(group);
    if platform == Some(Platform::ClaudePlatform) {
        let (quantity, rule) = ccu_of(group);
        let because = vec![Rule::KindByClaudePlatform, rule];
        return Usage { kind: UsageKind::Ccu, serving, quantity, unit: CCU.to_owned(), detail: None, because };
    }
    let (kind, kind_rule) = kind_of(group);
    let kind = if serving.contains(&Serving::Batch) { kind.in_batch() } else { kind };
    let mut because = vec![kind_rule];
    let tokens = kind.is_tokens().then(|| tokens_per_unit(group)).flatten();
    let (quantity, unit) = match tokens {
        Some(per_unit) => {
            because.push(Rule::TokensByUnit);
            ((group.quantity * per_unit).normalize(), TOKENS.to_owned())
        }
        None if kind == UsageKind::ProvisionedHours => (group.quantity, HOURS.to_owned()),
        None => (group.quantity, own_unit(group)),
    };
    let unread_tokens = kind.is_tokens() && tokens.is_none();
    if unread_tokens {
        because.push(Rule::TokensUnknown);
    }
    let detail = (unread_tokens || matches!(kind, UsageKind::Other | UsageKind::AgentCore))
        .then(|| group.usage_type.clone())
        .filter(|t| !t.is_empty());
    Usage { kind, serving, quantity, unit, detail, because }
}

/// One CCU costs one cent, never discounted; where the rate is anything else, the dollars are what counts.
fn ccu_of(group: &LineGroup) -> (Decimal, Rule) {
    if group.unblended_rate == Some(Decimal::new(1, 2)) {
        (group.quantity, Rule::CcuByRate)
    } else {
        (ccu_of_usd(group.cost), Rule::CcuByCost)
    }
}

fn kind_of(group: &LineGroup) -> (UsageKind, Rule) {
    if [&group.product_code, &group.product_servicecode].iter().any(|code| code.ends_with("AgentCore")) {
        return (UsageKind::AgentCore, Rule::KindByAgentCore);
    }
    if let Some(kind) = kind_named_by(&group.inference_type) {
        return (kind, Rule::KindByInferenceType);
    }
    match kind_named_by(&group.usage_type) {
        Some(kind) => (kind, Rule::KindByUsageType),
        None if is_hourly(group) => (UsageKind::ProvisionedHours, Rule::KindByUsageType),
        None => (UsageKind::Other, Rule::KindUnknown),
    }
}

/// The kind that an inference type or a usage type names. Punctuation differs between the families, so it is left out.
fn kind_named_by(text: &str) -> Option<UsageKind> {
    let squeezed = squeeze(text);
    let has = |part: &str| squeezed.contains(part);
    if has("cacheread") {
        Some(UsageKind::CacheRead)
    } else if has("cachewrite") || has("cachecreation") {
        Some(UsageKind::CacheWrite)
    } else if has("provisionedthroughput") || has("modelunit") {
        Some(UsageKind::ProvisionedHours)
    } else if !has("token") {
        None
    } else if has("output") {
        Some(UsageKind::Output)
    } else if has("input") {
        Some(UsageKind::Input)
    } else {
        None
    }
}

fn is_hourly(group: &LineGroup) -> bool {
    matches!(group.pricing_unit.to_ascii_lowercase().as_str(), "hour" | "hours" | "hrs")
        && squeeze(&group.usage_type).contains("provisioned")
}

fn serving_of(group: &LineGroup) -> Vec<Serving> {
    let text = format!("{} {}", group.usage_type, group.feature).to_ascii_lowercase();
    let squeezed = squeeze(&text);
    let names = |word: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == word);
    [
        (Serving::Batch, squeezed.contains("batch")),
        (Serving::Flex, names("flex")),
        (Serving::Priority, names("priority")),
        (Serving::Global, names("global")),
        (Serving::LatencyOptimized, squeezed.contains("latencyoptimized")),
        (Serving::Mantle, names("mantle")),
    ]
    .into_iter()
    .filter_map(|(serving, holds)| holds.then_some(serving))
    .collect()
}

/// How many tokens one unit of the quantity is; `None` keeps the quantity in its own unit.
fn tokens_per_unit(group: &LineGroup) -> Option<Decimal> {
    let unit: String = group.pricing_unit.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    match unit.as_str() {
        "token" | "tokens" => Some(Decimal::ONE),
        "1ktoken" | "1ktokens" | "ktokens" | "1000tokens" | "thousandtokens" => Some(Decimal::ONE_THOUSAND),
        "1mtoken" | "1mtokens" | "mtokens" | "1000000tokens" | "milliontokens" | "1milliontokens" => {
            Some(Decimal::from(1_000_000))
        }
        // AWS Marketplace prices Bedrock models per million tokens and calls that `Units`.
        "unit" | "units" if is_marketplace_usage(group) => Some(Decimal::from(1_000_000)),
        _ => None,
    }
}

fn is_marketplace_usage(group: &LineGroup) -> bool {
    group.usage_type.contains("MP:") || group.billing_entity == MARKETPLACE
}

fn own_unit(group: &LineGroup) -> String {
    if group.pricing_unit.is_empty() { UNNAMED_UNIT.to_owned() } else { group.pricing_unit.clone() }
}

fn squeeze(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spend::bill::line::UnreadableRow;
    use crate::spend::bill::line::samples::group;

    fn check(set: &[(&str, &str)], kind: UsageKind, quantity: &str, unit: &str) -> Result<Usage, UnreadableRow> {
        let usage = read_usage(&group(set)?, Some(Platform::Bedrock));
        assert_eq!(
            (usage.kind, usage.quantity.to_string().as_str(), usage.unit.as_str()),
            (kind, quantity, unit),
            "{set:?}"
        );
        Ok(usage)
    }

    #[test]
    fn every_family_of_usage_types_is_read() -> Result<(), UnreadableRow> {
        use UsageKind::{BatchOutput, CacheRead, CacheWrite, Input, Output};
        let k = ("pricing_unit", "1K tokens");
        check(&[k, ("usage_type", "USE1-Nova2.0Lite-input-tokens-flex")], Input, "10000", TOKENS)?;
        check(&[k, ("usage_type", "USE1-Claude4.6Sonnet-output-tokens-cross-region-global")], Output, "10000", TOKENS)?;
        check(&[k, ("usage_type", "USE1-NovaLite-cache-read-input-token-count")], CacheRead, "10000", TOKENS)?;
        check(&[k, ("usage_type", "USE1-NovaLite-cache-write-input-token-count")], CacheWrite, "10000", TOKENS)?;
        check(&[k, ("usage_type", "USE1-gpt-oss-120b-mantle-input-tokens-standard")], Input, "10000", TOKENS)?;
        let units = ("pricing_unit", "Units");
        check(&[units, ("usage_type", "USE1-MP:USE1_InputTokenCount-Units")], Input, "10000000", TOKENS)?;
        check(
            &[units, ("usage_type", "USE1-MP:USE1_CacheReadInputTokenCount_Global-Units")],
            CacheRead,
            "10000000",
            TOKENS,
        )?;
        check(&[units, ("usage_type", "USE1-MP:USE1_OutputTokenCount_Batch-Units")], BatchOutput, "10000000", TOKENS)?;
        check(&[units, ("usage_type", "USE1-MP:USE1_input_tokens_global_standard-Units")], Input, "10000000", TOKENS)?;
        check(&[units, ("usage_type", "USE1-MP:USE1_cache_write_tokens_standa")], CacheWrite, "10000000", TOKENS)?;
        Ok(())
    }

    #[test]
    fn the_product_map_is_preferred_and_the_feature_makes_it_batch() -> Result<(), UnreadableRow> {
        let set = [
            ("inference_type", "Output tokens"),
            ("feature", "Batch"),
            ("usage_type", "USE1-x-input-tokens"),
            ("pricing_unit", "tokens"),
        ];
        let usage = check(&set, UsageKind::BatchOutput, "10", TOKENS)?;
        assert_eq!(usage.because, vec![Rule::KindByInferenceType, Rule::TokensByUnit]);
        Ok(())
    }

    #[test]
    fn what_is_not_understood_keeps_its_quantity_unit_and_usage_type() -> Result<(), UnreadableRow> {
        let usage = check(
            &[("usage_type", "USE1-NovaLite-input-tokens"), ("pricing_unit", "10K tokens")],
            UsageKind::Input,
            "10",
            "10K tokens",
        )?;
        assert_eq!((usage.tokens(), usage.detail.as_deref()), (None, Some("USE1-NovaLite-input-tokens")));
        let usage = check(
            &[("usage_type", "USE1-NovaCanvas-T2I-1024-Standard"), ("pricing_unit", "image")],
            UsageKind::Other,
            "10",
            "image",
        )?;
        assert_eq!(usage.detail.as_deref(), Some("USE1-NovaCanvas-T2I-1024-Standard"));
        check(&[("usage_type", "日本語")], UsageKind::Other, "10", UNNAMED_UNIT)?;
        check(
            &[("usage_type", "USE1-Nova-ProvisionedThroughput-ModelUnits"), ("pricing_unit", "hour")],
            UsageKind::ProvisionedHours,
            "10",
            HOURS,
        )?;
        check(
            &[
                ("product_code", "AmazonBedrockAgentCore"),
                ("usage_type", "USE1-Runtime-vCPU"),
                ("pricing_unit", "vCPU-Hours"),
            ],
            UsageKind::AgentCore,
            "10",
            "vCPU-Hours",
        )?;
        Ok(())
    }

    #[test]
    fn servings_are_told_apart() -> Result<(), UnreadableRow> {
        let check = |usage_type: &str, expected: &[Serving]| -> Result<(), UnreadableRow> {
            assert_eq!(serving_of(&group(&[("usage_type", usage_type)])?), expected, "{usage_type}");
            Ok(())
        };
        check("USE1-Nova2.0Lite-input-tokens", &[])?;
        check("USE1-Nova2.0Lite-input-tokens-priority", &[Serving::Priority])?;
        check("USE1-MP:USE1_InputTokenCount_LatencyOptimized-Units", &[Serving::LatencyOptimized])?;
        check("USE1-MP:USE1_InputTokenCount_Batch_Global-Units", &[Serving::Batch, Serving::Global])?;
        check("USE1-flexible-mantle-input-tokens-standard", &[Serving::Mantle])
    }

    #[test]
    fn ccu_are_the_quantity_at_one_cent_and_the_dollars_otherwise() -> Result<(), UnreadableRow> {
        let ccu = |rate: &str| -> Result<Option<String>, UnreadableRow> {
            let group = group(&[("unblended_rate", rate), ("quantity", "4213"), ("cost", "42.13")])?;
            Ok(read_usage(&group, Some(Platform::ClaudePlatform)).ccu().map(|c| c.to_string()))
        };
        assert_eq!(ccu("0.01")?.as_deref(), Some("4213"));
        assert_eq!(ccu("1")?.as_deref(), Some("4213"));
        assert_eq!(ccu("")?.as_deref(), Some("4213"));
        Ok(())
    }
}
