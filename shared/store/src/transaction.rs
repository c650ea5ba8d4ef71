//! A transaction: the new state, its events, the counters and the records that make it happen once, all or nothing.
//!
//! This is the only way in which the product writes. Each write knows what its failed condition means.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use contract::events::Event;
use domain::access::tasks::chain::{Presence, ScopeState};
use domain::base::audit::{AuditEvent, Bound, By, EVENT_BYTES_MAX, Statement};
use domain::base::calendar::utc_day;
use domain::base::digest::canonical_json;
use domain::base::ids::{EventId, SpaceId};
use domain::base::people::Actor;
use domain::base::platform::ModelKey;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::aggregate::{Aggregate, Loaded, Row};
use crate::error::StoreError;
use crate::idempotency::IdempotencyKey;
use crate::item::{self, Item, Listing, number, text};
use crate::keys;

/// How long a consumer remembers an event: longer than any queue or stream redelivers, replays by hand included.
const HANDLED_FOR: SignedDuration = SignedDuration::from_hours(45 * 24);

/// What a failed condition of a write means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guard {
    Absent(String),
    Version(String),
    Pointer(String),
    Handled,
    Answered,
    Nothing,
}

impl Guard {
    /// What it says about the state when it does not hold.
    pub(crate) fn broken(&self) -> Option<StoreError> {
        match self {
            Self::Absent(name) => Some(StoreError::AlreadyExists(name.clone())),
            Self::Version(name) => Some(StoreError::VersionMoved(name.clone())),
            Self::Pointer(name) => Some(StoreError::PointerMoved(name.clone())),
            Self::Handled => Some(StoreError::AlreadyHandled),
            Self::Answered => Some(StoreError::AlreadyAnswered),
            Self::Nothing => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Write {
    Put { item: Item, condition: Option<Condition> },
    Delete { key: Item },
    Check { key: Item, condition: Condition },
    Add { key: Item, listing: Item, amounts: BTreeMap<String, i64>, ended: BTreeSet<String> },
}

#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Absent,
    VersionIs(u64),
    TargetIs(String),
}

/// What becomes of the counters of one model.
#[derive(Debug, Clone, Default)]
struct Counts {
    amounts: BTreeMap<String, i64>,
    /// Those that only ever counted one thing, which is gone.
    ended: BTreeSet<String>,
}

/// A transaction in the making.
#[derive(Debug, Clone)]
pub struct Transaction {
    by: By,
    at: Timestamp,
    request_id: String,
    why: Option<String>,
    pub(crate) writes: Vec<(Write, Guard)>,
    /// What is added to which item, by its partition and sort key.
    counts: BTreeMap<(String, String), Counts>,
    recorded: Box<Recorded>,
}

/// What this transaction's events tell, and what changes without one.
#[derive(Debug, Clone, Default)]
struct Recorded {
    told: Vec<Told>,
    untold: Vec<Untold>,
}

/// An event of this transaction, and where its record and its thing's item are among the writes.
#[derive(Debug, Clone)]
struct Told {
    event: AuditEvent,
    record_at: usize,
    state_at: usize,
}

/// A thing that changes without an event of its own, and where its item is among the writes.
#[derive(Debug, Clone)]
struct Untold {
    aggregate: String,
    bound: Bound,
    state_at: usize,
}

impl Transaction {
    /// A transaction by an actor at a moment, caused by a request or an event.
    #[must_use]
    pub fn new(actor: &Actor, at: Timestamp, request_id: &str) -> Self {
        Self {
            by: By::from(actor),
            at,
            request_id: request_id.to_owned(),
            why: None,
            writes: Vec::new(),
            counts: BTreeMap::new(),
            recorded: Box::default(),
        }
    }

    /// Says why, for the audit record.
    pub fn because(&mut self, why: impl Into<String>) {
        self.why = Some(why.into());
    }

    /// Creates a thing; refused if it is there.
    pub fn create<A: Aggregate>(&mut self, value: &A, event: &Event) {
        let audit = self.audit::<A>(None, value, event);
        self.put_told(None::<&Loaded<A>>, value, audit);
    }

    /// Creates a thing whose creation another thing's event in this transaction tells.
    pub fn create_under<A: Aggregate>(&mut self, value: &A) {
        self.put_untold(None::<&Loaded<A>>, value);
    }

    /// Changes a thing that is still as it was read.
    pub fn update<A: Aggregate>(&mut self, before: &Loaded<A>, value: &A, event: &Event) {
        let audit = self.audit(Some(before), value, event);
        self.put_told(Some(before), value, audit);
    }

    /// Changes a thing whose change another thing's event in this transaction tells.
    pub fn update_under<A: Aggregate>(&mut self, before: &Loaded<A>, value: &A) {
        self.put_untold(Some(before), value);
    }

    /// Changes a thing, or creates it if it was not there.
    pub fn save<A: Aggregate>(&mut self, before: Option<&Loaded<A>>, value: &A, event: &Event) {
        match before {
            Some(before) => self.update(before, value, event),
            None => self.create(value, event),
        }
    }

    /// Like [`Self::save`], told by another thing's event.
    pub fn save_under<A: Aggregate>(&mut self, before: Option<&Loaded<A>>, value: &A) {
        self.put_untold(before, value);
    }

    /// Goes through only if this thing, which the decision depended on, is still as it was read.
    pub fn unless_changed<A: Aggregate>(&mut self, seen: &Loaded<A>) {
        let partition = seen.value.partition();
        let key = item::primary_key(&partition, keys::META);
        self.push(Write::Check { key, condition: Condition::VersionIs(seen.version) }, Guard::Version(partition));
    }

    /// Makes a unique name lead to `to`, if it leads to `from` still.
    pub fn point(&mut self, name: &str, from: Option<&str>, to: &str) {
        let mut item = item::primary_key(&keys::pointer(name), keys::META);
        item.insert("target".to_owned(), text(to));
        let condition = from.map_or(Condition::Absent, |from| Condition::TargetIs(from.to_owned()));
        self.push(Write::Put { item, condition: Some(condition) }, Guard::Pointer(name.to_owned()));
    }

    /// Moves what a scope adds to its model's row, and to the row that its Space's owners see, from one place to
    /// another.
    pub fn count(&mut self, model: &ModelKey, before: Option<&Presence>, after: Option<&Presence>) {
        // A zero would stay for each row of each request that there ever was, in one item.
        let gone = before.filter(|_| after.is_none()).and_then(counter_of_one_row);
        for (presence, sign) in before.map(|b| (b, -1)).into_iter().chain(after.map(|a| (a, 1))) {
            let row = keys::model(model);
            let own = (keys::counts_of_space(&presence.space), row.clone());
            for item in [(row, keys::COUNTS.to_owned()), own] {
                let Counts { amounts, ended } = self.counts.entry(item).or_default();
                ended.extend(gone.clone());
                for name in counter_names(presence) {
                    *amounts.entry(name).or_default() += sign;
                }
                amounts.retain(|name, amount| *amount != 0 && !ended.contains(name));
            }
        }
    }

    /// Says of a Space that is being created that all its scopes will be counted.
    pub fn count_from_now_on(&mut self, space: &SpaceId) {
        let partition = keys::counts_of_space(space);
        let item = item::primary_key(&partition, keys::COUNTED);
        self.push(Write::Put { item, condition: Some(Condition::Absent) }, Guard::Absent(partition));
    }

    /// Keeps the answer, so that the same call again gets the same answer.
    pub fn remember(&mut self, key: Option<&IdempotencyKey>, status: u16, answer: &Value, location: Option<&str>) {
        if let Some(key) = key {
            let item = key.record(status, Some(answer), location);
            self.push(Write::Put { item, condition: Some(Condition::Absent) }, Guard::Answered);
        }
    }

    /// Notes that a consumer has handled an event; a repeat fails as a whole.
    pub fn once(&mut self, consumer: &str, event: &EventId) {
        let mut item = item::primary_key(&keys::handled(consumer, event), keys::META);
        let expires = self.at.saturating_add(HANDLED_FOR).unwrap_or(Timestamp::MAX);
        item.insert(keys::TTL.to_owned(), number(expires.as_second()));
        self.push(Write::Put { item, condition: Some(Condition::Absent) }, Guard::Handled);
    }

    /// Every write, the merged counters last.
    ///
    /// # Errors
    /// When an event is larger than a topic carries.
    pub(crate) fn into_writes(mut self) -> Result<Vec<(Write, Guard)>, StoreError> {
        self.bind_untold()?;
        for ((partition, sort), Counts { amounts, ended }) in std::mem::take(&mut self.counts) {
            if amounts.is_empty() {
                continue;
            }
            let key = item::primary_key(&partition, &sort);
            let mut listing = Item::new();
            if sort == keys::COUNTS {
                listing.insert(keys::LPK.to_owned(), text(keys::all_of("MODEL")));
                listing.insert(keys::LSK.to_owned(), text(format!("{partition}#1")));
            }
            self.writes.push((Write::Add { key, listing, amounts, ended }, Guard::Nothing));
        }
        Ok(self.writes)
    }

    /// Has the first event say how it left the things that changed with it, so that the state of every one of them is
    /// bound to a chain; each of them names that event.
    fn bind_untold(&mut self) -> Result<(), StoreError> {
        let Recorded { mut told, untold } = std::mem::take(&mut *self.recorded);
        if let (Some(first), false) = (told.first_mut(), untold.is_empty()) {
            let states = untold.iter().map(|one| (one.aggregate.clone(), one.bound.clone())).collect();
            first.event = first.event.clone().telling(states);
            let name = format!("{}#{}", first.event.sequence, first.event.aggregate);
            let (record, head) = (canonical_json(&first.event), first.event.hash.as_str().to_owned());
            self.amend(first.record_at, item::EVENT, &record);
            self.amend(first.state_at, item::HEAD, &head);
            for one in &untold {
                self.amend(one.state_at, item::TOLD_BY, &name);
            }
        }
        let sizes = told.iter().map(|told| (&told.event.event_type, canonical_json(&told.event).len()));
        match sizes.filter(|(_, bytes)| *bytes > EVENT_BYTES_MAX).max_by_key(|(_, bytes)| *bytes) {
            None => Ok(()),
            Some((event, bytes)) => Err(StoreError::TooLarge(format!(
                "event `{event}` would have {bytes} bytes; shorten the texts and send again"
            ))),
        }
    }

    fn amend(&mut self, at: usize, attribute: &str, value: &str) {
        if let Some((Write::Put { item, .. }, _)) = self.writes.get_mut(at) {
            item.insert(attribute.to_owned(), text(value));
        }
    }

    fn push(&mut self, write: Write, guard: Guard) {
        self.writes.push((write, guard));
    }

    fn audit<A: Aggregate>(&self, before: Option<&Loaded<A>>, value: &A, event: &Event) -> AuditEvent {
        let (event_type, payload) = event.parts();
        let aggregate = value.partition();
        let statement = Statement {
            event_type: &event_type,
            aggregate: &aggregate,
            at: self.at,
            by: self.by.clone(),
            request_id: &self.request_id,
            why: self.why.clone(),
            before: before.map(|b| b.value.digest()),
            after: value.digest(),
            payload,
        };
        let previous = before.and_then(|b| b.head.clone().map(|head| (b.sequence, head)));
        AuditEvent::chained(statement, previous)
    }

    fn put_told<A: Aggregate>(&mut self, before: Option<&Loaded<A>>, value: &A, event: AuditEvent) {
        let state_at = self.writes.len();
        self.put_state(before, value, Some(&event));
        let record_at = self.writes.len();
        self.put_event(&event);
        self.recorded.told.push(Told { event, record_at, state_at });
    }

    fn put_untold<A: Aggregate>(&mut self, before: Option<&Loaded<A>>, value: &A) {
        let bound = Bound { version: before.map_or(1, |before| before.version + 1), state: value.digest() };
        self.recorded.untold.push(Untold { aggregate: value.partition(), bound, state_at: self.writes.len() });
        self.put_state(before, value, None);
    }

    fn put_state<A: Aggregate>(&mut self, before: Option<&Loaded<A>>, value: &A, audit: Option<&AuditEvent>) {
        let partition = value.partition();
        let mut item = item::item_of(&partition, keys::META, &value.listing(), &value.abridged());
        item.insert(item::VERSION.to_owned(), number(before.map_or(1, |b| b.version + 1)));
        let (sequence, head) = match (audit, before) {
            (Some(audit), _) => (audit.sequence, Some(audit.hash.clone())),
            (None, Some(before)) => (before.sequence, before.head.clone()),
            (None, None) => (0, None),
        };
        item.insert(item::SEQUENCE.to_owned(), number(sequence));
        if let Some(head) = head {
            item.insert(item::HEAD.to_owned(), text(head.as_str()));
        }
        if A::CARRIES_ROWS {
            item.insert(item::ROWS.to_owned(), text(canonical_json(&value.carried())));
        }
        let (condition, guard) = match before {
            Some(before) => (Condition::VersionIs(before.version), Guard::Version(partition.clone())),
            None => (Condition::Absent, Guard::Absent(partition.clone())),
        };
        self.push(Write::Put { item, condition: Some(condition) }, guard);
        self.put_rows(&partition, before, value.rows());
    }

    /// Writes the rows that are not there as they are to be, and takes away those that are there no more.
    fn put_rows<A: Aggregate>(&mut self, partition: &str, before: Option<&Loaded<A>>, after: Vec<Row>) {
        let known = before.map(|before| before.value.rows()).unwrap_or_default();
        let mut known: BTreeMap<String, Row> = known.into_iter().map(|row| (row.name.clone(), row)).collect();
        let read = before.and_then(|before| before.rows_read.as_ref());
        let mut gone: BTreeSet<String> = read.map_or(known.keys().cloned().collect(), |r| r.keys().cloned().collect());
        for row in after {
            gone.remove(&row.name);
            let is_there = known.remove(&row.name).as_ref() == Some(&row)
                && read.is_none_or(|read| read.get(&row.name) == Some(&row.doc));
            if !is_there {
                let item = item::item_of(partition, &keys::row_sort(&row.name), &row.listing, &row.doc);
                self.push(Write::Put { item, condition: None }, Guard::Nothing);
            }
        }
        for name in gone {
            let key = item::primary_key(partition, &keys::row_sort(&name));
            self.push(Write::Delete { key }, Guard::Nothing);
        }
    }

    fn put_event(&mut self, audit: &AuditEvent) {
        let record = canonical_json(audit);
        let listing = Listing::list(
            keys::audit_shard(utc_day(audit.at), &audit.aggregate),
            format!("{}#{}#{:012}", audit.at, audit.aggregate, audit.sequence),
        );
        let sort = keys::event_sort(audit.sequence);
        let mut item = item::item_of(&audit.aggregate, &sort, &listing, &Value::Null);
        item.remove(item::DOC);
        item.insert(item::EVENT.to_owned(), text(record));
        item.insert(item::TYPE.to_owned(), text(&audit.event_type));
        self.push(Write::Put { item, condition: Some(Condition::Absent) }, Guard::Version(audit.aggregate.clone()));
    }
}

/// The counters that a scope is in: its state's, its account's, and on Claude Platform its workspace's.
fn counter_names(presence: &Presence) -> Vec<String> {
    if presence.state == ScopeState::Revoked {
        return Vec::new();
    }
    let state = format!("state#{}", presence.state.as_str());
    let account = format!("account#{}", presence.account);
    let workspace = presence.workspace.as_deref().map(workspace_counter);
    [state, account].into_iter().chain(workspace).collect()
}

fn workspace_counter(workspace: &str) -> String {
    format!("workspace#{workspace}")
}

/// The counter that one row of an open request has to itself: such a row counts as a workspace of its own.
fn counter_of_one_row(presence: &Presence) -> Option<String> {
    let workspace = presence.workspace.as_deref().filter(|_| presence.state == ScopeState::UnderReview);
    workspace.map(workspace_counter)
}

/// A condition as the API takes it.
pub(crate) struct Expression {
    pub(crate) text: &'static str,
    pub(crate) name: (&'static str, &'static str),
    pub(crate) value: Option<(&'static str, AttributeValue)>,
}

impl Condition {
    /// The condition as an expression with its name and value.
    pub(crate) fn expression(&self) -> Expression {
        match self {
            Self::Absent => Expression { text: "attribute_not_exists(#pk)", name: ("#pk", keys::PK), value: None },
            Self::VersionIs(version) => {
                Expression { text: "#v = :v", name: ("#v", item::VERSION), value: Some((":v", number(version))) }
            }
            Self::TargetIs(target) => {
                Expression { text: "#t = :t", name: ("#t", "target"), value: Some((":t", text(target))) }
            }
        }
    }
}
