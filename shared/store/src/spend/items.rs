//! The spend table's items: their keys, batches with their unprocessed rest, and the one conditional write.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, PutRequest, TransactWriteItem, Update, WriteRequest};
use domain::base::calendar::Month;
use domain::base::digest::{Digest, canonical_json};
use domain::spend::bill::facts::AnchorDay;
use jiff::{SignedDuration, Timestamp};

use super::month::{Index, ItemName, day_of, documents_of};
use super::{Head, IndexName};
use crate::batch::{self, pause_before, some_at_a_time};
use crate::error::StoreError;
use crate::item::{self, Item, number, text};
use crate::keys;

/// Items that one BatchWriteItem takes (DynamoDB quota).
const BATCH_WRITES_MAX: usize = 25;
/// Bytes that one BatchWriteItem is given: DynamoDB takes 16 MB, and a slow link should not repeat that much.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Items that are given an end in one transaction: DynamoDB takes 4 MB of them, and one may hold 400 KB.
const ENDED_AT_ONCE_MAX: usize = 10;
/// How long what is no longer shown stays: longer than any reader takes.
const SUPERSEDED_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

const HEAD: &str = "HEAD";
const REVISION: &str = "revision";
/// Attribute of a head on top of which a run writes what it is going to show.
const WRITING: &str = "writing";

/// The table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    client: Client,
    name: String,
}

fn period(month: Month) -> String {
    format!("PERIOD#{month}")
}

fn index_key(month: Month, facts: &Digest, part: u32) -> Item {
    item::primary_key(&period(month), &format!("INDEX#{}#{part:04}", facts.hex()))
}

fn day_key(month: Month, place: &ItemName) -> Item {
    let ItemName { anchor, day, digest, part } = place;
    item::primary_key(&format!("SPEND#{month}#{anchor}"), &format!("DAY#{day}#{}#{part:04}", digest.hex()))
}

fn document(mut key: Item, json: String) -> Item {
    key.insert(item::DOC.to_owned(), text(json));
    key
}

impl Table {
    pub(super) const fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    pub(super) async fn head(&self, month: Month) -> Result<Option<Head>, StoreError> {
        let key = item::primary_key(&period(month), HEAD);
        let answer =
            self.client.get_item().table_name(&self.name).consistent_read(true).set_key(Some(key)).send().await;
        let found = answer.map_err(|e| StoreError::of_call("GetItem", e))?.item;
        found.as_ref().map(item::doc_of).transpose()
    }

    pub(super) async fn index(&self, month: Month, name: &IndexName) -> Result<Index, StoreError> {
        let keys: Vec<Item> = (0..name.parts).map(|part| index_key(month, &name.facts, part)).collect();
        let found = self.get_all(&keys).await?;
        let mut index = Index::default();
        for key in &keys {
            index.rows.extend(item::doc_of::<Vec<super::month::Row>>(of_key(&found, key)?)?);
        }
        Ok(index)
    }

    pub(super) async fn days(&self, month: Month, index: &Index) -> Result<Vec<AnchorDay>, StoreError> {
        let keys: Vec<Item> = index.places().iter().map(|place| day_key(month, place)).collect();
        let found = self.get_all(&keys).await?;
        let mut days = Vec::new();
        for row in &index.rows {
            let anchor = row.anchor.key();
            for (day, entry) in &row.days {
                let mut parts = Vec::new();
                for part in 0..entry.parts {
                    let place = ItemName { anchor: anchor.clone(), day: *day, digest: entry.digest.clone(), part };
                    parts.push(item::text_of(of_key(&found, &day_key(month, &place))?, item::DOC)?);
                }
                let read = day_of(&row.anchor, *day, &entry.digest, &parts);
                days.push(read.map_err(|e| unreadable(&format!("{month} {anchor} {day}"), &e.to_string()))?);
            }
        }
        Ok(days)
    }

    /// Writes the days that the old index does not name.
    pub(super) async fn put_days(&self, month: Month, days: &[AnchorDay], old: &Index) -> Result<(), StoreError> {
        let known = old.places();
        let documents = days.iter().flat_map(documents_of).filter(|(place, _)| !known.contains(place));
        let items: Vec<Item> = documents.map(|(place, json)| document(day_key(month, &place), json)).collect();
        self.put_all(items).await
    }

    /// Writes the index; answers how many items it takes.
    pub(super) async fn put_index(&self, month: Month, index: &Index, facts: &Digest) -> Result<u32, StoreError> {
        let items: Vec<Item> = (0_u32..)
            .zip(index.documents())
            .map(|(part, json)| document(index_key(month, facts, part), json))
            .collect();
        let parts = u32::try_from(items.len()).unwrap_or(u32::MAX);
        self.put_all(items).await?;
        Ok(parts)
    }

    /// Shows this head, if the one before is still the one that was read.
    pub(super) async fn put_head(&self, head: &Head, before: Option<u64>) -> Result<(), StoreError> {
        let key = period(head.billing_period);
        let mut item = document(item::primary_key(&key, HEAD), canonical_json(head));
        item.insert(REVISION.to_owned(), number(head.revision));
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item));
        let put = match before {
            None => put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", keys::PK),
            Some(revision) => put
                .condition_expression("#r = :r")
                .expression_attribute_names("#r", REVISION)
                .expression_attribute_values(":r", number(revision)),
        };
        match put.send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(context))
                if matches!(context.err(), PutItemError::ConditionalCheckFailedException(_)) =>
            {
                Err(StoreError::VersionMoved(key))
            }
            Err(error) => Err(StoreError::of_call("PutItem", error)),
        }
    }

    /// Says that a run writes on top of this head: from here to the next flip nothing is given an end.
    pub(super) async fn hold(&self, head: &Head) -> Result<(), StoreError> {
        let key = period(head.billing_period);
        let update = self.client.update_item().table_name(&self.name).set_key(Some(item::primary_key(&key, HEAD)));
        let sent = update
            .update_expression("SET #w = :w")
            .condition_expression("#r = :r")
            .expression_attribute_names("#w", WRITING)
            .expression_attribute_names("#r", REVISION)
            .expression_attribute_values(":w", AttributeValue::Bool(true))
            .expression_attribute_values(":r", number(head.revision))
            .send();
        match sent.await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(context))
                if matches!(context.err(), UpdateItemError::ConditionalCheckFailedException(_)) =>
            {
                Err(StoreError::VersionMoved(key))
            }
            Err(error) => Err(StoreError::of_call("UpdateItem", error)),
        }
    }

    /// Whether an index has an end, or is gone: it is the last that is given one, after all that it named.
    pub(super) async fn is_ended(&self, month: Month, name: &IndexName) -> Result<bool, StoreError> {
        let keys: Vec<Item> = (0..name.parts).map(|part| index_key(month, &name.facts, part)).collect();
        let found = self.get_all(&keys).await?;
        Ok(keys.iter().all(|key| found.get(&name_of(key)).is_none_or(|item| item.contains_key(keys::TTL))))
    }

    /// Lets what only the old index names go after a while, as long as `head` is shown and nobody writes on top of
    /// it: what a run writes, perhaps the very same items, must not be given an end by one that was overtaken.
    pub(super) async fn expire(
        &self,
        head: &Head,
        old: &Index,
        current: &Index,
        old_name: &IndexName,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let month = head.billing_period;
        let end = number(now.saturating_add(SUPERSEDED_FOR).unwrap_or(Timestamp::MAX).as_second());
        let shown = current.places();
        let days = old.places().into_iter().filter(|place| !shown.contains(place)).map(|place| day_key(month, &place));
        let indexes = (0..old_name.parts).map(|part| index_key(month, &old_name.facts, part));
        let ended: Vec<Item> = days.chain(indexes).collect();
        for keys in ended.chunks(ENDED_AT_ONCE_MAX) {
            if !self.expire_items(head, keys, &end).await? {
                break;
            }
        }
        Ok(())
    }

    /// Gives items their end; answers whether the head is still as it was read.
    async fn expire_items(&self, head: &Head, keys: &[Item], end: &AttributeValue) -> Result<bool, StoreError> {
        let unbuilt = |e| StoreError::Unavailable("TransactWriteItems".to_owned(), Box::new(e));
        let check = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(item::primary_key(&period(head.billing_period), HEAD)))
            .condition_expression("#r = :r AND attribute_not_exists(#w)")
            .expression_attribute_names("#r", REVISION)
            .expression_attribute_names("#w", WRITING)
            .expression_attribute_values(":r", number(head.revision))
            .build()
            .map_err(unbuilt)?;
        let mut actions = vec![TransactWriteItem::builder().condition_check(check).build()];
        for key in keys {
            let update = Update::builder()
                .table_name(&self.name)
                .set_key(Some(key.clone()))
                .update_expression("SET #ttl = if_not_exists(#ttl, :end)")
                .expression_attribute_names("#ttl", keys::TTL)
                .expression_attribute_values(":end", end.clone())
                .build()
                .map_err(unbuilt)?;
            actions.push(TransactWriteItem::builder().update(update).build());
        }
        match self.client.transact_write_items().set_transact_items(Some(actions)).send().await {
            Ok(_) => Ok(true),
            Err(error) => match code_of_cancellation(&error).map(str::to_owned).as_deref() {
                Some("ConditionalCheckFailed") => Ok(false),
                code => Err(StoreError::of_transaction(code, error)),
            },
        }
    }

    async fn get_all(&self, keys: &[Item]) -> Result<BTreeMap<String, Item>, StoreError> {
        let items = batch::get_all(&self.client, &self.name, keys).await?;
        Ok(items.into_iter().map(|item| (name_of(&item), item)).collect())
    }

    async fn put_all(&self, items: Vec<Item>) -> Result<(), StoreError> {
        let batches = batches(items).into_iter().map(|batch| self.clone().put_batch(batch));
        some_at_a_time(batches).await.map(drop)
    }

    async fn put_batch(self, batch: Vec<Item>) -> Result<(), StoreError> {
        let mut pending: Vec<WriteRequest> = Vec::with_capacity(batch.len());
        for item in batch {
            let put = PutRequest::builder().set_item(Some(item)).build().map_err(unwritten)?;
            pending.push(WriteRequest::builder().put_request(put).build());
        }
        let mut attempts = 0;
        while !pending.is_empty() {
            pause_before(attempts).await?;
            attempts += 1;
            let answer = self.client.batch_write_item().request_items(&self.name, pending).send().await;
            let answer = answer.map_err(|e| StoreError::of_call("BatchWriteItem", e))?;
            pending = answer.unprocessed_items.unwrap_or_default().into_values().flatten().collect();
        }
        Ok(())
    }
}

/// Why a transaction was cancelled: the first of its actions that says so.
fn code_of_cancellation(error: &SdkError<TransactWriteItemsError>) -> Option<&str> {
    let SdkError::ServiceError(context) = error else { return None };
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = context.err() else { return None };
    cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code()).find(|code| *code != "None")
}

fn unwritten(why: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable("BatchWriteItem".to_owned(), Box::new(why))
}

/// Items in batches by number and size, each key once.
fn batches(items: Vec<Item>) -> Vec<Vec<Item>> {
    let mut seen = BTreeSet::new();
    let mut batches: Vec<Vec<Item>> = Vec::new();
    let mut bytes = 0;
    for item in items.into_iter().filter(|item| seen.insert(name_of(item))) {
        let length = item.get(item::DOC).and_then(|doc| doc.as_s().ok()).map_or(0, String::len);
        match batches.last_mut().filter(|batch| batch.len() < BATCH_WRITES_MAX && bytes + length <= BATCH_BYTES_MAX) {
            Some(batch) => {
                bytes += length;
                batch.push(item);
            }
            None => {
                bytes = length;
                batches.push(vec![item]);
            }
        }
    }
    batches
}

fn name_of(item: &HashMap<String, AttributeValue>) -> String {
    let part = |name: &str| item.get(name).and_then(|v| v.as_s().ok()).map_or("", String::as_str);
    format!("{} / {}", part(keys::PK), part(keys::SK))
}

fn of_key<'a>(found: &'a BTreeMap<String, Item>, key: &Item) -> Result<&'a Item, StoreError> {
    let name = name_of(key);
    found.get(&name).ok_or_else(|| unreadable(&name, "it is not there"))
}

fn unreadable(key: &str, why: &str) -> StoreError {
    StoreError::Unreadable { key: key.to_owned(), why: why.to_owned() }
}
