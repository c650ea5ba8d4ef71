//! Items as the table holds them. A thing's state is one attribute of canonical JSON: exact decimals, and one spelling.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::base::digest::{Digest, canonical_json};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::keys;

/// Bytes that an item may have, the names of its attributes included (DynamoDB quota).
pub(crate) const ITEM_BYTES_MAX: usize = 400 * 1024;

/// An item.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Attribute of a thing's state.
pub(crate) const DOC: &str = "doc";
/// Attribute of its version.
pub(crate) const VERSION: &str = "v";
/// Attribute of its last event's sequence.
pub(crate) const SEQUENCE: &str = "seq";
/// Attribute of its last event's hash.
pub(crate) const HEAD: &str = "head";
/// Attribute of the rows that it carries: their documents by their names.
pub(crate) const ROWS: &str = "rows";
/// Attribute of the other thing's event that told its last change: `sequence#aggregate`.
pub(crate) const TOLD_BY: &str = "told";
/// Attribute of an event's record.
pub const EVENT: &str = "event";
/// Attribute of an event's type.
pub const TYPE: &str = "type";

/// Where a thing shows up in the two indexes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Partition and sort key in `list`.
    pub list: Option<(String, String)>,
    /// Partition and sort key in `parent`.
    pub parent: Option<(String, String)>,
}

impl Listing {
    /// In `list` only.
    #[must_use]
    pub const fn list(partition: String, sort: String) -> Self {
        Self { list: Some((partition, sort)), parent: None }
    }

    /// In `parent` as well.
    #[must_use]
    pub fn and_parent(mut self, partition: String, sort: String) -> Self {
        self.parent = Some((partition, sort));
        self
    }
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// An item with its keys, index keys and state.
pub(crate) fn item_of<T: Serialize>(partition: &str, sort: &str, listing: &Listing, doc: &T) -> Item {
    let mut item = primary_key(partition, sort);
    item.insert(DOC.to_owned(), text(canonical_json(doc)));
    for (names, place) in [((keys::LPK, keys::LSK), &listing.list), ((keys::PPK, keys::PSK), &listing.parent)] {
        if let Some((partition, sort)) = place {
            item.insert(names.0.to_owned(), text(partition));
            item.insert(names.1.to_owned(), text(sort));
        }
    }
    item
}

/// What an item counts against its limit: texts by their bytes, numbers by no more than their digits.
pub(crate) fn bytes_of(item: &Item) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
        _ => 1,
    };
    item.iter().map(|(name, held)| name.len() + value(held)).sum()
}

pub(crate) fn primary_key(partition: &str, sort: &str) -> Item {
    HashMap::from([(keys::PK.to_owned(), text(partition)), (keys::SK.to_owned(), text(sort))])
}

/// A text attribute, or what is wrong.
pub(crate) fn text_of<'a>(item: &'a Item, name: &str) -> Result<&'a str, StoreError> {
    item.get(name)
        .and_then(|v| v.as_s().ok())
        .map(String::as_str)
        .ok_or_else(|| unreadable(item, format!("`{name}` is missing")))
}

/// A number attribute; zero if it is missing.
pub(crate) fn number_of(item: &Item, name: &str) -> Result<u64, StoreError> {
    match item.get(name) {
        None => Ok(0),
        Some(value) => value
            .as_n()
            .ok()
            .and_then(|n| n.parse().ok())
            .ok_or_else(|| unreadable(item, format!("`{name}` is not a whole number"))),
    }
}

/// The state in an item.
pub(crate) fn doc_of<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    serde_json::from_str(text_of(item, DOC)?).map_err(|e| unreadable(item, e.to_string()))
}

/// The hash of the last event, if there was one.
pub(crate) fn head_of(item: &Item) -> Result<Option<Digest>, StoreError> {
    match item.get(HEAD).and_then(|v| v.as_s().ok()) {
        None => Ok(None),
        Some(hash) => Digest::try_from(hash.clone()).map(Some).map_err(|e| unreadable(item, e.to_string())),
    }
}

pub(crate) fn unreadable(item: &Item, why: String) -> StoreError {
    let part = |name: &str| item.get(name).and_then(|v| v.as_s().ok()).cloned().unwrap_or_default();
    StoreError::Unreadable { key: format!("{} / {}", part(keys::PK), part(keys::SK)), why }
}
