//! The index of a month: which anchor days one reading holds, by the digests of their facts. Pure.

use std::collections::{BTreeMap, BTreeSet};

use domain::base::digest::{Digest, canonical_json};
use domain::spend::bill::anchor::SpendAnchor;
use domain::spend::bill::facts::{AnchorDay, Fact};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Bytes of JSON that one item holds: DynamoDB takes 400 KB, attribute names and keys included.
const ITEM_BYTES_MAX: usize = 300 * 1024;

/// An anchor's days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) anchor: SpendAnchor,
    pub(super) days: BTreeMap<Date, Day>,
}

/// One day's facts: their digest, and how many items they take.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Day {
    pub(super) digest: Digest,
    pub(super) parts: u32,
}

/// A month's index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) rows: Vec<Row>,
}

/// Where the facts of an anchor day lie: what an item's keys are made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ItemName {
    pub(super) anchor: String,
    pub(super) day: Date,
    pub(super) digest: Digest,
    pub(super) part: u32,
}

impl Index {
    /// The index of days in their order.
    pub(super) fn of(days: &[AnchorDay]) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for day in days {
            let parts = u32::try_from(split(&day.facts).len()).unwrap_or(u32::MAX);
            let entry = Day { digest: day.digest.clone(), parts };
            match rows.last_mut().filter(|row| row.anchor == day.anchor) {
                Some(row) => {
                    row.days.insert(day.day, entry);
                }
                None => rows.push(Row { anchor: day.anchor.clone(), days: BTreeMap::from([(day.day, entry)]) }),
            }
        }
        Self { rows }
    }

    pub(super) fn digest(&self) -> Digest {
        Digest::of(&self.rows)
    }

    /// The rows as the JSON of as many items as they take.
    pub(super) fn documents(&self) -> Vec<String> {
        split(&self.rows).into_iter().map(|part| canonical_json(&part)).collect()
    }

    /// Every item that it names.
    pub(super) fn places(&self) -> BTreeSet<ItemName> {
        let mut places = BTreeSet::new();
        for row in &self.rows {
            let anchor = row.anchor.key();
            for (day, Day { digest, parts }) in &row.days {
                let place = |part| ItemName { anchor: anchor.clone(), day: *day, digest: digest.clone(), part };
                places.extend((0..*parts).map(place));
            }
        }
        places
    }
}

/// The items of an anchor day: where each lies, and its JSON.
pub(super) fn documents_of(day: &AnchorDay) -> impl Iterator<Item = (ItemName, String)> {
    let anchor = day.anchor.key();
    (0_u32..).zip(split(&day.facts)).map(move |(part, facts)| {
        let place = ItemName { anchor: anchor.clone(), day: day.day, digest: day.digest.clone(), part };
        (place, canonical_json(&facts))
    })
}

/// An anchor day from its items' JSON, in order.
pub(super) fn day_of(
    anchor: &SpendAnchor,
    day: Date,
    digest: &Digest,
    parts: &[&str],
) -> Result<AnchorDay, serde_json::Error> {
    let mut facts: Vec<Fact> = Vec::new();
    for part in parts {
        facts.extend(serde_json::from_str::<Vec<Fact>>(part)?);
    }
    Ok(AnchorDay { anchor: anchor.clone(), day, facts, digest: digest.clone() })
}

/// Values in their order, in as few parts as fit their items. What is longer than an item by itself stays alone.
fn split<T: Serialize>(values: &[T]) -> Vec<&[T]> {
    let mut parts = Vec::new();
    let (mut rest, mut taken, mut bytes) = (values, 0, 0);
    for value in values {
        let length = canonical_json(value).len() + 1;
        if taken > 0 && bytes + length > ITEM_BYTES_MAX {
            let (part, after) = rest.split_at(taken);
            parts.push(part);
            (rest, taken, bytes) = (after, 0, 0);
        }
        taken += 1;
        bytes += length;
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_split_in_order_and_none_is_lost() {
        let texts: Vec<String> = (0..700).map(|n| format!("{n:04}{}", "x".repeat(1000))).collect();
        let parts = split(&texts);
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().all(|part| canonical_json(part).len() <= ITEM_BYTES_MAX));
        assert_eq!(parts.concat(), texts);
        assert!(split::<String>(&[]).is_empty());
        let huge = ["y".repeat(2 * ITEM_BYTES_MAX), "z".to_owned()];
        assert_eq!(split(&huge).len(), 2);
    }
}
