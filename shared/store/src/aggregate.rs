//! What the store needs to know of a thing: its partition, where it is listed, and its rows.

use std::collections::{BTreeMap, BTreeSet};

use domain::digest::Digest;
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
pub trait Aggregate: Serialize + DeserializeOwned + Clone + Send + Sync {
    /// What its partition key begins with.
    const KIND: &'static str;

    /// Whether its item carries its rows as well, so that many can be read by their ids with all that they are. For few and
    /// small rows: an item holds 400 KB.
    const CARRIES_ROWS: bool = false;

    /// The rest of its partition key.
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

    /// What its own item says of it: all of it, unless texts stand in its rows as well, from which [`Self::attach`] takes
    /// them. An item is read with many others and holds 400 KB.
    #[must_use]
    fn abridged(&self) -> Self {
        self.clone()
    }

    /// The rows as its item carries them, where it does.
    fn carried(&self) -> BTreeMap<String, Value> {
        documents_of(self)
    }

    /// The digest of its state, which every event names: of all that it says, however that is laid out in items.
    fn digest(&self) -> Digest {
        Digest::of(&(self, documents_of(self)))
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
    /// The names of the rows that its partition held; unknown where it was read without them.
    pub(crate) row_names: Option<BTreeSet<String>>,
}

impl<A> Loaded<A> {
    /// A thing as it is after its creation under another one's event, for whoever changes it again at once.
    #[must_use]
    pub const fn created_under(value: A) -> Self {
        Self { value, version: 1, sequence: 0, head: None, row_names: None }
    }

    /// The thing as it is after this change under another one's event.
    #[must_use]
    pub fn updated_under(self, value: A) -> Self {
        Self { value, version: self.version + 1, row_names: None, ..self }
    }

    /// The sequence of its last event: how many there are.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }
}

impl<A: Aggregate> Loaded<A> {
    /// Its rows as they stand in the table. One that an older version of the product laid out otherwise is not among them.
    pub(crate) fn stored_rows(&self) -> Vec<Row> {
        let mut rows = self.value.rows();
        if let Some(names) = &self.row_names {
            rows.retain(|row| names.contains(&row.name));
        }
        rows
    }
}

/// The documents of a thing's rows by their names.
pub(crate) fn documents_of<A: Aggregate>(value: &A) -> BTreeMap<String, Value> {
    value.rows().into_iter().map(|row| (row.name, row.doc)).collect()
}
