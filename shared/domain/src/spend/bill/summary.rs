//! Spend by workload, model, account, region, usage kind or day. The groups of every grouping sum to `cur`.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::attributed::AttributedFact;
use super::attribution::Verdict;
use super::facts::Fact;

/// What spend is grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, Default)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each name is the column it groups by")]
pub enum GroupBy {
    #[default]
    Workload,
    Model,
    Account,
    Region,
    UsageKind,
    Day,
}

impl std::str::FromStr for GroupBy {
    type Err = UnknownGrouping;
    fn from_str(given: &str) -> Result<Self, UnknownGrouping> {
        Ok(match given {
            "workload" => Self::Workload,
            "model" => Self::Model,
            "account" => Self::Account,
            "region" => Self::Region,
            "usage-kind" => Self::UsageKind,
            "day" => Self::Day,
            _ => return Err(UnknownGrouping(given.to_owned())),
        })
    }
}

/// Text that is not a grouping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a grouping; write workload, model, account, region, usage-kind or day")]
pub struct UnknownGrouping(pub String);

/// One group of spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpendGroup {
    /// A workload id, model, account, region, usage kind or day; `gap:<kind>` and `excluded:<why>` beside them.
    pub key: String,
    /// Its cost.
    pub amount: Decimal,
    /// Its quantity, where all of it is in one unit.
    pub quantity: Option<Decimal>,
    /// That unit.
    pub unit: Option<String>,
}

/// Groups facts of one currency. What is excluded keeps its own key in every grouping, since it is not spend; gaps keep
/// theirs when grouping by workload, and count for their model, account, region, kind or day otherwise.
#[must_use]
pub fn summarise<'a>(facts: impl IntoIterator<Item = &'a AttributedFact>, by: GroupBy) -> Vec<SpendGroup> {
    let mut groups: BTreeMap<String, Sum> = BTreeMap::new();
    for attributed in facts {
        groups.entry(key_of(attributed, by)).or_default().add(&attributed.fact);
    }
    groups.into_iter().map(|(key, sum)| sum.into_group(key)).collect()
}

fn key_of(attributed: &AttributedFact, by: GroupBy) -> String {
    let key = &attributed.fact.key;
    match (attributed.verdict(), by) {
        (Verdict::Excluded { why }, _) => format!("excluded:{why}"),
        (Verdict::Gap { kind, .. }, GroupBy::Workload) => format!("gap:{}", kind.as_str()),
        (Verdict::Workload { workload_id, .. }, GroupBy::Workload) => workload_id.as_str().to_owned(),
        (_, GroupBy::Model) => attributed.attribution.model.label().to_owned(),
        (_, GroupBy::Account) => named(&key.account_id),
        (_, GroupBy::Region) => named(&key.region),
        (_, GroupBy::UsageKind) => key.usage_kind.as_str().to_owned(),
        (_, GroupBy::Day) => key.day.to_string(),
    }
}

fn named(text: &str) -> String {
    if text.is_empty() { "unnamed".to_owned() } else { text.to_owned() }
}

#[derive(Default)]
struct Sum {
    amount: Decimal,
    quantity: Decimal,
    units: Vec<String>,
}

impl Sum {
    fn add(&mut self, fact: &Fact) {
        self.amount += fact.amount;
        self.quantity = self.quantity.saturating_add(fact.quantity);
        if !self.units.contains(&fact.key.unit) {
            self.units.push(fact.key.unit.clone());
        }
    }

    fn into_group(self, key: String) -> SpendGroup {
        let unit = match <[String; 1]>::try_from(self.units) {
            Ok([unit]) => Some(unit),
            Err(_) => None,
        };
        let quantity = unit.is_some().then(|| self.quantity.normalize());
        SpendGroup { key, amount: self.amount.normalize(), quantity, unit }
    }
}
