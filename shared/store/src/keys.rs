//! The one place that knows key strings: partition and sort keys, and the keys of both indexes.
//!
//! A sort key orders `COUNTS` < `EVENT#…` < `META` < `ROW#…`, so that one query from `META` on reads an aggregate
//! with its rows and without its history. Numbers in keys are zero-padded, so that text order is their order.

use domain::base::digest::Digest;
use domain::base::ids::{EventId, SpaceId};
use domain::base::platform::ModelKey;
use jiff::civil::Date;

/// Partition key attribute.
pub const PK: &str = "PK";
/// Sort key attribute.
pub const SK: &str = "SK";
/// The sparse index of queues and lists: its name and its keys.
pub const LIST: &str = "list";
/// Partition key of `list`.
pub const LPK: &str = "LPK";
/// Sort key of `list`.
pub const LSK: &str = "LSK";
/// The index by what a thing belongs to: its name and its keys.
pub const PARENT: &str = "parent";
/// Partition key of `parent`.
pub const PPK: &str = "PPK";
/// Sort key of `parent`.
pub const PSK: &str = "PSK";
/// Expiry attribute, epoch seconds.
pub const TTL: &str = "ttl";

/// Sort key of an aggregate's own item.
pub const META: &str = "META";
/// Sort key of a model's counters.
pub const COUNTS: &str = "COUNTS";
/// Sort key of the item that says that a Space's counters hold everything: its scopes were counted from the first on.
pub const COUNTED: &str = "COUNTED";
/// What an event item's sort key begins with; the stream's filter in the template names it too.
pub const EVENT_PREFIX: &str = "EVENT#";
const ROW_PREFIX: &str = "ROW#";

/// Shards of an index key that hot states share: one key takes 1,000 writes a second, a Monday opens 10,000 cards.
const HOT_SHARDS: u8 = 8;

/// An aggregate's partition.
#[must_use]
pub fn partition(kind: &str, id: &str) -> String {
    format!("{kind}#{id}")
}

/// The id of an aggregate of a kind, from its partition.
#[must_use]
pub fn id_in<'p>(kind: &str, partition: &'p str) -> &'p str {
    partition.strip_prefix(kind).and_then(|rest| rest.strip_prefix('#')).unwrap_or(partition)
}

/// An event's sort key.
#[must_use]
pub fn event_sort(sequence: u64) -> String {
    format!("{EVENT_PREFIX}{sequence:012}")
}

/// A row's sort key.
#[must_use]
pub fn row_sort(name: &str) -> String {
    format!("{ROW_PREFIX}{name}")
}

/// A row's name, from its sort key.
#[must_use]
pub fn row_name(sort: &str) -> Option<&str> {
    sort.strip_prefix(ROW_PREFIX)
}

/// The partition of a consumer's record that it has handled an event.
#[must_use]
pub fn handled(consumer: &str, event: &EventId) -> String {
    format!("HANDLED#{consumer}#{event}")
}

/// The partition of a pointer: a name that leads to exactly one thing.
#[must_use]
pub fn pointer(name: &str) -> String {
    format!("POINTER#{name}")
}

/// The partition of a model.
#[must_use]
pub fn model(key: &ModelKey) -> String {
    partition("MODEL", key.as_str())
}

/// The partition of what a Space's own scopes add up to: an item for each model, under the model's partition as sort
/// key.
#[must_use]
pub fn counts_of_space(space: &SpaceId) -> String {
    partition("COUNTS-OF", space.as_str())
}

/// List partition of all things of a kind, for kinds of which there are few.
#[must_use]
pub fn all_of(kind: &str) -> String {
    format!("ALL#{kind}")
}

/// List partitions of the things of a kind that are in a state, every shard.
#[must_use]
pub fn in_state(kind: &str, state: &str) -> Vec<String> {
    (0..HOT_SHARDS).map(|shard| format!("STATE#{kind}#{state}#{shard}")).collect()
}

/// The list partition among [`in_state`] that one thing goes to.
#[must_use]
pub fn in_state_shard(kind: &str, state: &str, id: &str) -> String {
    let shard = Digest::of_bytes(id.as_bytes()).hex().bytes().next().map_or(0, |b| b % HOT_SHARDS);
    format!("STATE#{kind}#{state}#{shard}")
}

/// List partitions of the events of a day, every shard.
#[must_use]
pub fn audit_of(day: Date) -> Vec<String> {
    (0..HOT_SHARDS).map(|shard| format!("AUDIT#{day}#{shard}")).collect()
}

/// The list partition among [`audit_of`] that the events of one aggregate go to.
#[must_use]
pub fn audit_shard(day: Date, aggregate: &str) -> String {
    let shard = Digest::of_bytes(aggregate.as_bytes()).hex().bytes().next().map_or(0, |b| b % HOT_SHARDS);
    format!("AUDIT#{day}#{shard}")
}
