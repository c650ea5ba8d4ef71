//! The audit record: append-only, ordered within its aggregate, hash-chained, one per accepted change.
//!
//! It is also the outbox: the stream relay publishes this very record. Order ends at the topic, so consumers order by
//! `sequence`. The hash covers every other field, so that neither a record nor its order can be changed unseen. What a
//! verification compares with the record is `evidence` and `seal`.

pub mod evidence;
pub mod references;
pub mod seal;
pub mod verification;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::digest::Digest;
use crate::base::ids::EventId;
use crate::base::people::{Actor, Role};
use crate::base::text::Sub;
use crate::checked_text;

/// Bytes one event may have: SQS and SNS take 256 KB a batch of ten.
pub const EVENT_BYTES_MAX: usize = 24 * 1024;

checked_text! {
    /// What an event happened to, as events name it. Its length is a sort key's, of which it is a part in the audit
    /// list.
    AggregateName, "aggregate", "must be what an event's `aggregate` names, such as APPROVAL#apr_…, at most 1,024 \
        bytes",
    |t| t.len() <= 1024 && t.split_once('#').is_some_and(|(kind, id)| !kind.is_empty() && !id.is_empty())
}

/// Who did it, as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct By {
    /// The subject.
    pub sub: Sub,
    /// The roles held at that moment.
    pub roles: Vec<Role>,
}

impl From<&Actor> for By {
    fn from(actor: &Actor) -> Self {
        Self { sub: actor.sub.clone(), roles: actor.roles.iter().copied().collect() }
    }
}

/// The state that a thing has in one of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bound {
    /// Which version: it counts all changes of the thing, its own events' and others'.
    pub version: u64,
    /// The digest of the state.
    pub state: Digest,
}

/// One accepted change, as recorded and as published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// The version of this envelope.
    pub schema: String,
    /// Derived from aggregate and sequence: a repeat is the same id.
    pub id: EventId,
    /// What happened, in the past tense: `request.submitted`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it happened to: `REQUEST#req_…`.
    pub aggregate: String,
    /// Its place in the aggregate's history, from 1.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: By,
    /// The request or event that caused it.
    pub request_id: String,
    /// Why, where somebody said so.
    pub why: Option<String>,
    /// The digest of the state before; none for a creation.
    pub before: Option<Digest>,
    /// The digest of the state after.
    pub after: Digest,
    /// The hash of the aggregate's event before this one.
    pub previous: Option<Digest>,
    /// What consumers need; its shape belongs to the type and the schema version.
    pub payload: Value,
    /// The things that changed with this one and have no event of their own about it, as they were after it. None in
    /// events that were recorded before events said so, and then the hash does not cover it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub states: Option<BTreeMap<String, Bound>>,
    /// The digest of all of the above.
    pub hash: Digest,
}

/// What a record states, before it is chained.
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    /// What happened.
    pub event_type: &'a str,
    /// To what.
    pub aggregate: &'a str,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: By,
    /// Caused by which request.
    pub request_id: &'a str,
    /// Why.
    pub why: Option<String>,
    /// State before.
    pub before: Option<Digest>,
    /// State after.
    pub after: Digest,
    /// Payload.
    pub payload: Value,
}

impl AuditEvent {
    /// Chains a statement behind the aggregate's last event.
    #[must_use]
    pub fn chained(statement: Statement<'_>, previous: Option<(u64, Digest)>) -> Self {
        let (sequence, previous) = previous.map_or((1, None), |(sequence, hash)| (sequence + 1, Some(hash)));
        let mut event = Self {
            schema: "v1".to_owned(),
            id: EventId::derived(&format!("{}.{sequence}", statement.aggregate)),
            event_type: statement.event_type.to_owned(),
            aggregate: statement.aggregate.to_owned(),
            sequence,
            at: statement.at,
            by: statement.by,
            request_id: statement.request_id.to_owned(),
            why: statement.why,
            before: statement.before,
            after: statement.after,
            previous,
            payload: statement.payload,
            states: Some(BTreeMap::new()),
            hash: Digest::of_bytes(b""),
        };
        event.hash = event.computed_hash();
        event
    }

    /// The same event, telling of other things that changed with its own.
    #[must_use]
    pub fn telling(mut self, states: BTreeMap<String, Bound>) -> Self {
        self.states = Some(states);
        self.hash = self.computed_hash();
        self
    }

    /// The digest of every field but `hash`.
    #[must_use]
    pub fn computed_hash(&self) -> Digest {
        let mut value = serde_json::to_value(self).unwrap_or(Value::Null);
        if let Some(fields) = value.as_object_mut() {
            fields.remove("hash");
        }
        Digest::of(&value)
    }
}
