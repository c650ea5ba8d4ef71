//! Reading: one consistent query per aggregate, batches by id, and pages of the two indexes. There is no scan.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::Pin;

use aws_sdk_dynamodb::types::AttributeValue;
use contract::answers::Versioned;
use domain::base::audit::AuditEvent;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Store;
use crate::aggregate::{Aggregate, Loaded};
use crate::batch;
use crate::error::StoreError;
use crate::item::{self, Item, text};
use crate::keys;

/// Which index a list is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// Queues and lists.
    List,
    /// By what a thing belongs to.
    Parent,
}

impl Index {
    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::List => (keys::LIST, keys::LPK, keys::LSK),
            Self::Parent => (keys::PARENT, keys::PPK, keys::PSK),
        }
    }
}

/// In which order a list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By sort key.
    Ascending,
    /// By sort key, last first.
    Descending,
}

/// One entry of a list: a thing or a row, as its index holds it.
#[derive(Debug, Clone)]
pub struct Entry {
    sort: String,
    item: Item,
}

impl Entry {
    /// Its sort key in the index, which continues a list after it.
    #[must_use]
    pub fn sort(&self) -> &str {
        &self.sort
    }

    /// The thing or row itself.
    ///
    /// # Errors
    /// When the item is not of this kind.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        item::doc_of(&self.item)
    }

    /// The version of the thing; zero for a row.
    ///
    /// # Errors
    /// When the attribute is malformed.
    pub fn version(&self) -> Result<u64, StoreError> {
        item::number_of(&self.item, item::VERSION)
    }

    /// The thing at its version.
    ///
    /// # Errors
    /// As above.
    pub fn versioned<T: DeserializeOwned>(&self) -> Result<Versioned<T>, StoreError> {
        Ok(Versioned { version: self.version()?, value: self.read()? })
    }

    /// The entry's partition, by which things and rows of several kinds in one list are told apart.
    ///
    /// # Errors
    /// When the attribute is missing.
    pub fn partition(&self) -> Result<&str, StoreError> {
        item::text_of(&self.item, keys::PK)
    }

    /// The event, for an entry of an audit list.
    ///
    /// # Errors
    /// When the item is no event.
    pub fn event(&self) -> Result<AuditEvent, StoreError> {
        event_of(&self.item)
    }

    /// The record of the event as it is stored, for an entry of an audit list.
    ///
    /// # Errors
    /// When the item has none.
    pub fn record(&self) -> Result<&str, StoreError> {
        item::text_of(&self.item, item::EVENT)
    }

    pub(crate) const fn item(&self) -> &Item {
        &self.item
    }
}

/// Things under way.
pub type Many<'a, A> = Pin<Box<dyn Future<Output = Result<Vec<Loaded<A>>, StoreError>> + Send + 'a>>;

/// Things under way, each by its id as text.
pub type Each<'a, A> =
    Pin<Box<dyn Future<Output = Result<BTreeMap<String, Result<Loaded<A>, StoreError>>, StoreError>> + Send + 'a>>;

impl Store {
    /// A thing with its rows, consistently.
    ///
    /// # Errors
    /// [`StoreError`]; a thing that is not there is `None`.
    pub async fn load<A: Aggregate>(&self, id: &A::Id) -> Result<Option<Loaded<A>>, StoreError> {
        self.load_named(&id.to_string()).await
    }

    /// A thing that must be there.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when it is not.
    pub async fn require<A: Aggregate>(&self, id: &A::Id) -> Result<Loaded<A>, StoreError> {
        let id = id.to_string();
        self.load_named(&id).await?.ok_or_else(|| StoreError::Missing(keys::partition(A::KIND, &id)))
    }

    /// A thing by its id as the table has it: what a pointer or an item says.
    pub(crate) async fn load_named<A: Aggregate>(&self, id: &str) -> Result<Option<Loaded<A>>, StoreError> {
        let items = self.query_partition(&keys::partition(A::KIND, id), keys::META).await?;
        let Some(meta) = items.iter().find(|i| item::text_of(i, keys::SK).is_ok_and(|s| s == keys::META)) else {
            return Ok(None);
        };
        let mut loaded = loaded_of::<A>(meta)?;
        let mut rows = BTreeMap::new();
        for row in &items {
            if let Some(name) = keys::row_name(item::text_of(row, keys::SK)?) {
                rows.insert(name.to_owned(), item::doc_of::<Value>(row)?);
            }
        }
        loaded.value.attach(&rows).map_err(|e| item::unreadable(meta, e.to_string()))?;
        loaded.rows_read = Some(rows);
        Ok(Some(loaded))
    }

    /// Things by id, with those rows only that their items carry, consistently; those that are not there are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load_many<A: Aggregate>(&self, ids: impl IntoIterator<Item: Borrow<A::Id>>) -> Many<'_, A> {
        let each = self.load_each(ids);
        Box::pin(async move { each.await?.into_values().collect() })
    }

    /// The same, each by its id as text, so that one which cannot be read spoils none of the others.
    ///
    /// # Errors
    /// [`StoreError`] when the table does not answer.
    pub fn load_each<A: Aggregate>(&self, ids: impl IntoIterator<Item: Borrow<A::Id>>) -> Each<'_, A> {
        let wanted: BTreeSet<String> =
            ids.into_iter().map(|id| keys::partition(A::KIND, &id.borrow().to_string())).collect();
        // Boxed, so that what the ids come from is no part of the future.
        Box::pin(self.load_partitions(wanted))
    }

    async fn load_partitions<A: Aggregate>(
        &self,
        wanted: BTreeSet<String>,
    ) -> Result<BTreeMap<String, Result<Loaded<A>, StoreError>>, StoreError> {
        let mut found = BTreeMap::new();
        let wanted: Vec<Item> = wanted.iter().map(|partition| item::primary_key(partition, keys::META)).collect();
        for meta in batch::get_all(&self.client, &self.governance_table, &wanted).await? {
            let id = keys::id_in(A::KIND, item::text_of(&meta, keys::PK)?).to_owned();
            let loaded = if A::CARRIES_ROWS && !meta.contains_key(item::ROWS) {
                // It was written before its kind carried them.
                self.load_named(&id).await.transpose()
            } else {
                Some(loaded_with_carried(&meta))
            };
            if let Some(loaded) = loaded {
                found.insert(id, loaded);
            }
        }
        Ok(found)
    }

    /// Where a unique name leads.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn follow(&self, name: &str) -> Result<Option<String>, StoreError> {
        let key = item::primary_key(&keys::pointer(name), keys::META);
        match self.get(key).await? {
            None => Ok(None),
            Some(found) => item::text_of(&found, "target").map(|t| Some(t.to_owned())),
        }
    }

    /// Up to `limit` entries of the given partitions of an index, merged by sort key, after a sort key; fewer than
    /// `limit` means that there are no more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        index: Index,
        partitions: &[String],
        after: Option<&str>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut merged = Vec::new();
        for partition in partitions {
            merged.extend(self.list_partition(index, partition, after, limit, order).await?);
        }
        match order {
            Order::Ascending => merged.sort_by(|a, b| a.sort.cmp(&b.sort)),
            Order::Descending => merged.sort_by(|a, b| b.sort.cmp(&a.sort)),
        }
        merged.truncate(limit);
        Ok(merged)
    }

    /// Every entry of the given partitions, in order. For lists that the product itself bounds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_all(&self, index: Index, partitions: &[String]) -> Result<Vec<Entry>, StoreError> {
        self.list(index, partitions, None, usize::MAX, Order::Ascending).await
    }

    /// The history of an aggregate in order, from after a sequence on, at most `limit` events.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(&self, partition: &str, after: u64, limit: usize) -> Result<Vec<AuditEvent>, StoreError> {
        self.history_items(partition, after, limit).await?.iter().map(event_of).collect()
    }

    pub(crate) async fn history_items(
        &self,
        partition: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError> {
        let mut events = Vec::new();
        let mut start = Some(item::primary_key(partition, &keys::event_sort(after)));
        while let (Some(key), true) = (start.take(), events.len() < limit) {
            let answer = self
                .client
                .query()
                .table_name(&self.governance_table)
                .consistent_read(true)
                .key_condition_expression("#pk = :pk AND begins_with(#sk, :event)")
                .expression_attribute_names("#pk", keys::PK)
                .expression_attribute_names("#sk", keys::SK)
                .expression_attribute_values(":pk", text(partition))
                .expression_attribute_values(":event", text(keys::EVENT_PREFIX))
                .set_exclusive_start_key(Some(key))
                .limit(i32::try_from(limit.min(1000)).unwrap_or(1000))
                .send()
                .await
                .map_err(|e| StoreError::of_call("Query history", e))?;
            events.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
        }
        events.truncate(limit);
        Ok(events)
    }

    pub(crate) async fn get(&self, key: Item) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.governance_table)
            .set_key(Some(key))
            .consistent_read(true)
            .send()
            .await;
        Ok(answer.map_err(|e| StoreError::of_call("GetItem", e))?.item)
    }

    pub(crate) async fn query_partition(&self, partition: &str, from_sort: &str) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut start: Option<HashMap<String, AttributeValue>> = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.governance_table)
                .consistent_read(true)
                .key_condition_expression("#pk = :pk AND #sk >= :sk")
                .expression_attribute_names("#pk", keys::PK)
                .expression_attribute_names("#sk", keys::SK)
                .expression_attribute_values(":pk", text(partition))
                .expression_attribute_values(":sk", text(from_sort))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|e| StoreError::of_call("Query", e))?;
            items.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    async fn list_partition(
        &self,
        index: Index,
        partition: &str,
        after: Option<&str>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<Entry>, StoreError> {
        let (index_name, hash, range) = index.names();
        let mut entries = Vec::new();
        let mut start: Option<Item> = None;
        loop {
            let mut query = self
                .client
                .query()
                .table_name(&self.governance_table)
                .index_name(index_name)
                .scan_index_forward(order == Order::Ascending)
                .expression_attribute_names("#h", hash)
                .expression_attribute_values(":h", text(partition))
                .set_exclusive_start_key(start);
            let mut condition = "#h = :h".to_owned();
            if let Some(after) = after {
                condition.push_str(if order == Order::Ascending { " AND #r > :r" } else { " AND #r < :r" });
                query = query.expression_attribute_names("#r", range).expression_attribute_values(":r", text(after));
            }
            if let Ok(limit) = i32::try_from(limit - entries.len()) {
                query = query.limit(limit);
            }
            let answer = query.key_condition_expression(condition).send().await;
            let answer = answer.map_err(|e| StoreError::of_call("Query index", e))?;
            for item in answer.items.unwrap_or_default() {
                let sort = item::text_of(&item, range)?.to_owned();
                entries.push(Entry { sort, item });
            }
            start = answer.last_evaluated_key;
            if start.is_none() || entries.len() >= limit {
                return Ok(entries);
            }
        }
    }
}

fn loaded_of<A: Aggregate>(meta: &Item) -> Result<Loaded<A>, StoreError> {
    Ok(Loaded {
        value: item::doc_of(meta)?,
        version: item::number_of(meta, item::VERSION)?,
        sequence: item::number_of(meta, item::SEQUENCE)?,
        head: item::head_of(meta)?,
        rows_read: None,
    })
}

/// With the rows that the item carries, if it does.
fn loaded_with_carried<A: Aggregate>(meta: &Item) -> Result<Loaded<A>, StoreError> {
    let mut loaded = loaded_of::<A>(meta)?;
    if A::CARRIES_ROWS {
        let rows = serde_json::from_str(item::text_of(meta, item::ROWS)?);
        let attached = rows.and_then(|rows| loaded.value.attach(&rows));
        attached.map_err(|e| item::unreadable(meta, e.to_string()))?;
    }
    Ok(loaded)
}

pub(crate) fn event_of(item: &Item) -> Result<AuditEvent, StoreError> {
    serde_json::from_str(item::text_of(item, item::EVENT)?).map_err(|e| item::unreadable(item, e.to_string()))
}
