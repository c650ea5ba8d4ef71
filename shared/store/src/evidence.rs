//! What verification reads: chains event by event, things as the bytes in the table say they are, and the last events
//! of a day. Nothing here knows what a thing is; a state that this version could not read is compared all the same.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::base::audit::evidence::{CREATED_BY_OTHERS, Held, Telling, Walk, kind_of};
use domain::base::audit::seal::Heads;
use domain::base::digest::{Digest, canonical_json};
use domain::base::ids::EventId;
use jiff::civil::Date;
use serde_json::Value;

use crate::item::{self, Item};
use crate::read::{Index, Order, event_of};
use crate::{Store, StoreError, batch, keys};

/// Events that one reading takes: a page of a query at their usual size.
const EVENTS_PER_READ: usize = 1_000;

/// The one field of which a copy of rows holds the beginning only.
const CUT_IN_COPIES: &str = "reason";

/// A thing, with what it says.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Its chain.
    pub chain: Walk,
    /// What the table holds of it; none if it has no item of its own.
    pub held: Option<Held>,
    /// Its state; null if it is no JSON.
    pub state: Value,
}

impl Store {
    /// A thing's chain from its first event to its last, and its state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn evidence_of(&self, aggregate: &str) -> Result<Evidence, StoreError> {
        let chain = self.walk(aggregate).await?;
        let (held, state) = self.held(aggregate).await?.unzip();
        Ok(Evidence { chain, held, state: state.unwrap_or_default() })
    }

    /// A thing's chain, from its first event to its last.
    ///
    /// # Errors
    /// [`StoreError`] when the table does not answer; a record that cannot be read is a finding.
    pub async fn walk(&self, aggregate: &str) -> Result<Walk, StoreError> {
        let mut chain = Walk::of(aggregate);
        let mut after = 0;
        loop {
            let records = self.history_items(aggregate, after, EVENTS_PER_READ).await?;
            for record in &records {
                match event_of(record) {
                    // A field that nobody reads would be in no hash.
                    Ok(event) if canonical_json(&event) == text_in(record, item::EVENT) => chain.add(&event),
                    Ok(_) | Err(_) => chain.add_unreadable(sequence_in(record)),
                }
            }
            match records.last().map(sequence_in) {
                Some(last) if records.len() == EVENTS_PER_READ && last > after => after = last,
                _ => return Ok(chain),
            }
        }
    }

    /// Things as the table holds them; those without an item of their own are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn held_of(
        &self,
        aggregates: impl IntoIterator<Item = &str> + Send,
    ) -> Result<BTreeMap<String, Held>, StoreError> {
        let names: Vec<String> = aggregates.into_iter().map(str::to_owned).collect();
        let mut found = BTreeMap::new();
        for name in names {
            if let Some((held, _)) = self.held(&name).await? {
                found.insert(name, held);
            }
        }
        Ok(found)
    }

    /// Those of the named things of which there is no record: no item of their own, or, unless their kind may come into
    /// being without one, no first event.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn without_record(&self, named: &[String]) -> Result<Vec<String>, StoreError> {
        let items_of = |name: &String| {
            let first = (!CREATED_BY_OTHERS.contains(&kind_of(name))).then(|| keys::event_sort(1));
            let sorts = [Some(keys::META.to_owned()), first].into_iter().flatten();
            sorts.map(|sort| (name.clone(), sort)).collect::<Vec<_>>()
        };
        let wanted: BTreeSet<(String, String)> = named.iter().flat_map(items_of).collect();
        let keys: Vec<Item> = wanted.iter().map(|(name, sort)| item::primary_key(name, sort)).collect();
        let mut there = BTreeSet::new();
        for found in batch::get_all(&self.client, &self.governance_table, &keys).await? {
            there.insert((item::text_of(&found, keys::PK)?.to_owned(), item::text_of(&found, keys::SK)?.to_owned()));
        }
        let is_gone = |name: &&String| items_of(name).iter().any(|item| !there.contains(item));
        Ok(named.iter().filter(is_gone).cloned().collect())
    }

    /// The last event of every thing among those of one shard of a day, by the thing; and at most about `limit` of
    /// them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn heads_in(&self, partition: &str, limit: usize) -> Result<Heads, StoreError> {
        let mut heads: BTreeMap<String, (u64, EventId, Digest)> = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let partitions = [partition.to_owned()];
            let page = self.list(Index::List, &partitions, after.as_deref(), EVENTS_PER_READ, Order::Ascending).await?;
            for entry in &page {
                // By where the record is, whatever it says; one that cannot be read has its bytes' digest for its hash.
                let (name, sequence) = (entry.partition()?, sequence_in(entry.item()));
                let (id, hash) = match entry.event() {
                    Ok(event) => (event.id, event.hash),
                    Err(_) => (EventId::derived(name), Digest::of_bytes(text_in(entry.item(), item::EVENT).as_bytes())),
                };
                if heads.get(name).is_none_or(|(last, ..)| *last < sequence) {
                    heads.insert(name.to_owned(), (sequence, id, hash));
                }
            }
            after = page.last().map(|entry| entry.sort().to_owned());
            if page.len() < EVENTS_PER_READ || heads.len() > limit {
                return Ok(heads.into_iter().map(|(name, (_, id, hash))| (name, (id, hash))).collect());
            }
        }
    }

    /// The last event of a day of every thing that changed on it; more than `limit` things say only that there are
    /// more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn heads_of(&self, day: Date, limit: usize) -> Result<Heads, StoreError> {
        let mut heads = Heads::new();
        for partition in keys::audit_of(day) {
            heads.extend(self.heads_in(&partition, limit).await?);
            if heads.len() > limit {
                break;
            }
        }
        Ok(heads)
    }

    /// Whether anything happened on a day.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_events(&self, day: Date) -> Result<bool, StoreError> {
        Ok(!self.list(Index::List, &keys::audit_of(day), None, 1, Order::Ascending).await?.is_empty())
    }

    async fn held(&self, aggregate: &str) -> Result<Option<(Held, Value)>, StoreError> {
        let items = self.query_partition(aggregate, keys::META).await?;
        let Some(meta) = items.iter().find(|item| text_in(item, keys::SK) == keys::META) else { return Ok(None) };
        let rows = rows_of(&items);
        let doc = text_in(meta, item::DOC);
        let carried = meta.get(item::ROWS).and_then(|rows| rows.as_s().ok());
        let held = Held {
            version: number_in(meta, item::VERSION),
            sequence: number_in(meta, item::SEQUENCE),
            head: Digest::try_from(text_in(meta, item::HEAD).to_owned()).ok(),
            state: Digest::of_bytes(format!("[{doc},{rows}]").as_bytes()),
            carries_its_rows: carried.is_none_or(|carried| are_abridged(carried, &rows)),
            told_by: meta.contains_key(item::TOLD_BY).then(|| telling_of(text_in(meta, item::TOLD_BY))),
        };
        Ok(Some((held, serde_json::from_str(doc).unwrap_or_default())))
    }
}

/// The rows as one JSON object, their states byte for byte as they are there.
fn rows_of(items: &[Item]) -> String {
    let rows =
        items.iter().filter_map(|item| Some((keys::row_name(text_in(item, keys::SK))?, text_in(item, item::DOC))));
    let rows: BTreeMap<&str, &str> = rows.collect();
    let fields: Vec<String> = rows.iter().map(|(name, doc)| format!("{}:{doc}", Value::from(*name))).collect();
    format!("{{{}}}", fields.join(","))
}

/// Whether the rows that an item carries are its rows, but for texts that are cut there.
fn are_abridged(carried: &str, rows: &str) -> bool {
    carried == rows
        || serde_json::from_str(carried)
            .and_then(|carried: Value| Ok((carried, serde_json::from_str(rows)?)))
            .is_ok_and(|(carried, rows)| says_no_else(&carried, &rows))
}

fn says_no_else(brief: &Value, full: &Value) -> bool {
    let (Value::Object(brief), Value::Object(full)) = (brief, full) else { return brief == full };
    brief.len() == full.len()
        && brief.iter().all(|(name, brief)| match (full.get(name), brief) {
            (Some(Value::String(full)), Value::String(brief)) if name == CUT_IN_COPIES => {
                full.trim_start().starts_with(brief.as_str())
            }
            (Some(full), brief) => says_no_else(brief, full),
            (None, _) => false,
        })
}

/// Which event an item names; one that is written otherwise names none that there is.
fn telling_of(named: &str) -> Telling {
    let (sequence, aggregate) = named.split_once('#').unwrap_or((named, ""));
    Telling { aggregate: aggregate.to_owned(), sequence: sequence.parse().unwrap_or(0) }
}

/// A text attribute; empty where it is missing or of another type, as whoever tampers may have left it.
fn text_in<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value: &AttributeValue| value.as_s().ok()).map_or("", String::as_str)
}

/// Which event a record is, by its key.
fn sequence_in(item: &Item) -> u64 {
    text_in(item, keys::SK).strip_prefix(keys::EVENT_PREFIX).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn number_in(item: &Item, name: &str) -> u64 {
    item.get(name).and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok()).unwrap_or(0)
}
