//! Spend facts: the bill folded to day × anchor × account × region × model × usage kind × unit.
//!
//! A fact follows from rows, settings and the alias table alone, so an unchanged delivery makes unchanged facts, and a
//! changed claim needs no second look at the bill. Folding commutes: any order and any split of the rows, same facts.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::alias::{Aliases, ModelName};
use super::anchor::SpendAnchor;
use super::line::{LineGroup, LineItemType};
use super::rule::Rule;
use super::settings::BillSettings;
use super::usage::{Serving, UsageKind, read_usage};
use crate::base::calendar::Month;
use crate::base::digest::Digest;
use crate::base::money::Currency;
use crate::base::platform::Platform;

/// What makes two rows one fact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FactKey {
    /// UTC day of usage.
    pub day: Date,
    /// The month of the bill, where `day` is not in it: a late correction, or what AWS Marketplace bills afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed_in: Option<Month>,
    /// What the spend hangs on.
    pub anchor: SpendAnchor,
    /// Usage account, as the bill writes it.
    pub account_id: String,
    /// Region, as the bill writes it; blank on some Marketplace rows.
    pub region: String,
    /// The platform; `None` for rows that meet no term here.
    pub platform: Option<Platform>,
    /// The model.
    pub model: ModelName,
    /// What was consumed.
    pub usage_kind: UsageKind,
    /// The usage type, where kind or unit is not understood.
    pub detail: Option<String>,
    /// Unit of the quantity.
    pub unit: String,
    /// Usage, or what kind of charge else.
    pub line_item_type: LineItemType,
    /// Billing currency; facts of different currencies are never added.
    pub currency: Currency,
    /// Whether the rows carry an invoice: then they are final.
    pub invoiced: bool,
    /// Which rules read the rows, in order: rows that were read otherwise are another fact, so that an explanation
    /// holds for every row behind it. Facts of earlier versions name none.
    #[serde(default)]
    pub read_by: Vec<Rule>,
}

/// A spend fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// What it is about.
    pub key: FactKey,
    /// Quantity in the key's unit.
    pub quantity: Decimal,
    /// Unblended cost in the key's currency, to ten places.
    pub amount: Decimal,
    /// How many rows of the bill it sums.
    pub rows: u64,
}

impl FactKey {
    /// The month of the bill that it is part of.
    #[must_use]
    pub fn month(&self) -> Month {
        self.billed_in.unwrap_or_else(|| Month::of(self.day))
    }

    /// The day on which cards and exports count it: its own, or else the day of the bill's month that is nearest to
    /// it. So the days of a month hold every cent of that month's bill, and of no other.
    #[must_use]
    pub fn counts_on(&self) -> Date {
        let month = self.month();
        self.day.clamp(month.first_day(), month.last_day())
    }

    /// The day of usage, where it is not the day that it counts on.
    #[must_use]
    pub fn used_outside(&self) -> Option<Date> {
        self.billed_in.map(|_| self.day)
    }
}

impl Fact {
    /// The fact as part of this month's bill.
    #[must_use]
    pub fn billed_in(mut self, month: Month) -> Self {
        self.key.billed_in = (Month::of(self.key.day) != month).then_some(month);
        self
    }

    fn absorb(&mut self, other: &Self) {
        self.quantity = self.quantity.saturating_add(other.quantity).normalize();
        self.amount = self.amount.saturating_add(other.amount).normalize();
        self.rows = self.rows.saturating_add(other.rows);
    }
}

/// A group of rows as a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadGroup {
    /// The fact.
    pub fact: Fact,
    /// How requests were served, where that moves the price; not part of the fact.
    pub serving: Vec<Serving>,
}

/// Reads one group of rows; of which month's bill they are is said by [`Fact::billed_in`].
#[must_use]
pub fn read_group(group: &LineGroup, settings: &BillSettings, aliases: &Aliases) -> ReadGroup {
    let (platform, platform_rule) = settings.platform_of(group);
    let (anchor, anchor_rule) = SpendAnchor::of(group, platform);
    let (model, model_rule) = aliases.read_model(group, platform.unwrap_or(Platform::Bedrock));
    let usage = read_usage(group, platform);
    let mut read_by = vec![platform_rule, model_rule];
    read_by.extend(usage.because);
    read_by.push(anchor_rule);
    let key = FactKey {
        day: group.usage_day,
        billed_in: None,
        anchor,
        account_id: group.account_id.clone(),
        region: group.region.clone(),
        platform,
        model,
        usage_kind: usage.kind,
        detail: usage.detail,
        unit: usage.unit,
        line_item_type: group.line_item_type.clone(),
        currency: group.currency.clone(),
        invoiced: group.invoiced,
        read_by,
    };
    let fact = Fact { key, quantity: usage.quantity, amount: group.cost, rows: group.rows };
    ReadGroup { fact, serving: usage.serving }
}

/// The facts of one anchor and day: what is stored in one item, and rewritten only when its digest moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnchorDay {
    /// The anchor.
    pub anchor: SpendAnchor,
    /// The day.
    pub day: Date,
    /// Its facts, in key order.
    pub facts: Vec<Fact>,
    /// Digest of the facts.
    pub digest: Digest,
}

/// Facts being added up one by one, so that a large result is never held as a whole.
#[derive(Debug, Clone, Default)]
pub struct Folding(BTreeMap<FactKey, Fact>);

impl Folding {
    /// Adds a fact to the one with its key.
    pub fn add(&mut self, fact: Fact) {
        match self.0.get_mut(&fact.key) {
            Some(sum) => sum.absorb(&fact),
            None => {
                self.0.insert(fact.key.clone(), fact);
            }
        }
    }

    /// The facts, in key order.
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.0.values()
    }

    /// The anchor days, ordered by anchor and day.
    #[must_use]
    pub fn into_days(self) -> Vec<AnchorDay> {
        let mut days: BTreeMap<(SpendAnchor, Date), Vec<Fact>> = BTreeMap::new();
        for (key, fact) in self.0 {
            days.entry((key.anchor, key.day)).or_default().push(fact);
        }
        let day = |((anchor, day), facts): ((SpendAnchor, Date), Vec<Fact>)| AnchorDay {
            digest: Digest::of(&facts),
            anchor,
            day,
            facts,
        };
        days.into_iter().map(day).collect()
    }
}

/// Folds facts into anchor days, ordered by anchor and day. Facts with one key become one.
#[must_use]
pub fn fold(facts: impl IntoIterator<Item = Fact>) -> Vec<AnchorDay> {
    let mut folding = Folding::default();
    facts.into_iter().for_each(|fact| folding.add(fact));
    folding.into_days()
}

/// Adds up facts with the same key; the answer is in key order.
#[must_use]
pub fn merge(facts: impl IntoIterator<Item = Fact>) -> Vec<Fact> {
    let mut folding = Folding::default();
    facts.into_iter().for_each(|fact| folding.add(fact));
    folding.0.into_values().collect()
}
