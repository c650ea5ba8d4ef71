//! What the store needs to know of a thing: its partition, where it is listed, and its rows.

use std::collections::BTreeMap;

use domain::base::digest::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use crate::item::Listing;

/// A part of an aggregate that is listed by itself, such as one task of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name within the aggregate.
    pub name: String,
    /// Its state.
    pub doc: Value,
    /// Where it is listed.
    pub listing: Listing,
}

/// A thing with a partition of its own: one version, one history.
pub trait Aggregate: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// What it is loaded by.
    type Id: std::fmt::Display + Sync + ?Sized;

    /// What its partition key begins with.
    const KIND: &'static str;

    /// Whether its item carries its rows as well, so that many can be read by their ids with all that they are. For
    /// few and small rows: an item holds 400 KB.
    const CARRIES_ROWS: bool = false;

    /// The rest of its partition key: its [`Self::Id`] as text.
    fn id(&self) -> String;

    /// Where it is listed.
    fn listing(&self) -> Listing;

    /// Its rows.
    fn rows(&self) -> Vec<Row> {
        Vec::new()
    }

    /// Takes the rows that were read with it; those that are only there to be listed may be dropped.
    ///
    /// # Errors
    /// When a row cannot be read.
    fn attach(&mut self, _rows: &BTreeMap<String, Value>) -> Result<(), serde_json::Error> {
        Ok(())
    }

    /// What its own item says of it: all of it, unless texts stand in its rows as well, from which [`Self::attach`]
    /// takes them. An item is read with many others and holds 400 KB.
    #[must_use]
    fn abridged(&self) -> Self {
        self.clone()
    }

    /// The rows as its item carries them, where it does.
    fn carried(&self) -> BTreeMap<String, Value> {
        documents_of(self)
    }

    /// The digest of its state, which every event names: of its item and its rows as the table holds them, that is of
    /// the JSON list `[state, {name of a row: its state}]`.
    fn digest(&self) -> Digest {
        Digest::of(&(self.abridged(), documents_of(self)))
    }

    /// Its partition key, which is also its name in events.
    fn partition(&self) -> String {
        crate::keys::partition(Self::KIND, &self.id())
    }
}

/// A thing as it was read, with what a write is conditioned on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<A> {
    /// The thing.
    pub value: A,
    /// Counts its changes.
    pub version: u64,
    /// The sequence of its last event.
    pub(crate) sequence: u64,
    /// The hash of its last event.
    pub(crate) head: Option<Digest>,
    /// Its rows as they are in the table; unknown where it was read without them. An older version of the product may
    /// have laid them out otherwise, and then they are written anew, so that a state's digest is that of what is
    /// there.
    pub(crate) rows_read: Option<BTreeMap<String, Value>>,
}

impl<A> Loaded<A> {
    /// A thing as it is after its creation under another one's event, for whoever changes it again at once.
    #[must_use]
    pub fn created_under(value: A) -> Self
    where
        A: Aggregate,
    {
        Self { rows_read: Some(documents_of(&value)), value, version: 1, sequence: 0, head: None }
    }

    /// The thing as it is after this change under another one's event.
    #[must_use]
    pub fn updated_under(self, value: A) -> Self
    where
        A: Aggregate,
    {
        Self { rows_read: Some(documents_of(&value)), value, version: self.version + 1, ..self }
    }

    /// The sequence of its last event: how many there are.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// The documents of a thing's rows by their names.
pub(crate) fn documents_of<A: Aggregate>(value: &A) -> BTreeMap<String, Value> {
    value.rows().into_iter().map(|row| (row.name, row.doc)).collect()
}
