//! Slices of the bill: day × account × line-item type. When the totals differ, they say where.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::facts::Fact;
use super::line::LineItemType;
use crate::base::money::Currency;

/// One slice of the AI rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slice {
    /// The currency.
    pub currency: Currency,
    /// The day of usage.
    pub day: Date,
    /// The usage account, as the bill writes it.
    pub account_id: String,
    /// Usage, or what kind of charge else.
    pub line_item_type: LineItemType,
}

/// What a slice holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SliceTotal {
    /// Cost of its rows.
    pub cost: Decimal,
    /// How many rows it has.
    pub rows: u64,
    /// How many of those have a cost that is missing or no number; the facts cannot tell.
    pub unreadable_rows: u64,
}

/// A slice in which the facts are not what the bill holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error(
    "{day} account `{account_id}` {line_item_type} {currency}: the bill has {expected_cost} in {expected_rows} rows, \
     the facts {found_cost} in {found_rows}; {unreadable_rows} rows without a readable cost"
)]
pub struct SliceMismatch {
    /// The currency.
    pub currency: Currency,
    /// The day of usage.
    pub day: Date,
    /// The usage account.
    pub account_id: String,
    /// AWS's name for the kind of charge.
    pub line_item_type: String,
    /// What the bill holds.
    #[schemars(with = "String")]
    pub expected_cost: Decimal,
    /// What the facts hold.
    #[schemars(with = "String")]
    pub found_cost: Decimal,
    /// Rows of the bill.
    pub expected_rows: u64,
    /// Rows behind the facts.
    pub found_rows: u64,
    /// Rows of the bill whose cost is missing or no finite number.
    pub unreadable_rows: u64,
}

/// The slices of facts.
#[must_use]
pub fn slices_of<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> BTreeMap<Slice, SliceTotal> {
    let mut slices: BTreeMap<Slice, SliceTotal> = BTreeMap::new();
    for fact in facts {
        let slice = Slice {
            currency: fact.key.currency.clone(),
            day: fact.key.day,
            account_id: fact.key.account_id.clone(),
            line_item_type: fact.key.line_item_type.clone(),
        };
        let total = slices.entry(slice).or_default();
        total.cost += fact.amount;
        total.rows = total.rows.saturating_add(fact.rows);
    }
    slices
}

/// The slices that differ, or whose cost cannot be read, in order.
#[must_use]
pub fn diff_slices(found: &BTreeMap<Slice, SliceTotal>, bill: &BTreeMap<Slice, SliceTotal>) -> Vec<SliceMismatch> {
    let keys: std::collections::BTreeSet<&Slice> = found.keys().chain(bill.keys()).collect();
    let mismatch = |slice: &Slice| {
        let found = found.get(slice).copied().unwrap_or_default();
        let bill = bill.get(slice).copied().unwrap_or_default();
        let differs = found.cost != bill.cost || found.rows != bill.rows || bill.unreadable_rows > 0;
        differs.then(|| SliceMismatch {
            currency: slice.currency.clone(),
            day: slice.day,
            account_id: slice.account_id.clone(),
            line_item_type: slice.line_item_type.as_str().to_owned(),
            expected_cost: bill.cost.normalize(),
            found_cost: found.cost.normalize(),
            expected_rows: bill.rows,
            found_rows: found.rows,
            unreadable_rows: bill.unreadable_rows,
        })
    };
    keys.into_iter().filter_map(mismatch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn slices_differ_by_cost_by_rows_and_by_what_cannot_be_read() {
        let slice = |day: i8| Slice {
            currency: Currency::usd(),
            day: date(2026, 8, day),
            account_id: "111122223333".to_owned(),
            line_item_type: LineItemType::Usage,
        };
        let total =
            |cents: i64, rows, unreadable_rows| SliceTotal { cost: Decimal::new(cents, 2), rows, unreadable_rows };
        let found = [(slice(1), total(100, 1, 0)), (slice(2), total(100, 1, 0)), (slice(3), total(100, 2, 0))];
        let bill = [(slice(1), total(100, 1, 0)), (slice(3), total(100, 2, 1)), (slice(4), total(0, 1, 0))];
        let differ = diff_slices(&BTreeMap::from(found), &BTreeMap::from(bill));
        let days: Vec<(i8, u64)> = differ.iter().map(|slice| (slice.day.day(), slice.unreadable_rows)).collect();
        assert_eq!(days, [(2, 0), (3, 1), (4, 0)]);
        assert!(
            differ.first().is_some_and(|slice| slice.to_string().contains("2026-08-02 account `111122223333` Usage"))
        );
    }
}
