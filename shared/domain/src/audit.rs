//! The audit record: append-only, ordered within its aggregate, hash-chained, one per accepted change.
//!
//! It is also the outbox: the stream relay publishes this very record. Order ends at the topic, so consumers order by
//! `sequence`. The hash covers every other field, so that neither a record nor its order can be changed unseen.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::checked_text;
use crate::digest::Digest;
use crate::ids::EventId;
use crate::people::{Actor, Role};
use crate::text::Sub;

/// Bytes one event may have: SQS and SNS take 256 KB a batch of ten.
pub const EVENT_BYTES_MAX: usize = 24 * 1024;

checked_text! {
    /// What an event happened to, as events name it. Its length is a sort key's, of which it is a part in the audit list.
    AggregateName, "aggregate", "must be what an event's `aggregate` names, such as APPROVAL#apr_…, at most 1,024 bytes",
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
            hash: Digest::of_bytes(b""),
        };
        event.hash = event.computed_hash();
        event
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

/// What is wrong with an aggregate's history, first finding first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenChain {
    /// A record's fields do not give its hash.
    #[error("event {0} was altered: its content does not give its hash")]
    Altered(u64),
    /// A record does not follow the one before it.
    #[error("event {0} does not follow the one before it: one was removed, added or reordered")]
    OutOfOrder(u64),
}

/// Verifies an aggregate's events in order, from its first; returns the hash of the last.
///
/// # Errors
/// The first [`BrokenChain`] found.
pub fn verify_chain<'a>(events: impl IntoIterator<Item = &'a AuditEvent>) -> Result<Option<Digest>, BrokenChain> {
    let mut head: Option<(u64, Digest)> = None;
    for event in events {
        if event.computed_hash() != event.hash {
            return Err(BrokenChain::Altered(event.sequence));
        }
        let (expected_sequence, expected_previous) = head.map_or((1, None), |(s, h)| (s + 1, Some(h)));
        if event.sequence != expected_sequence || event.previous != expected_previous {
            return Err(BrokenChain::OutOfOrder(event.sequence));
        }
        head = Some((event.sequence, event.hash.clone()));
    }
    Ok(head.map(|(_, hash)| hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> Vec<AuditEvent> {
        let mut events: Vec<AuditEvent> = Vec::new();
        for n in 0..3 {
            let statement = Statement {
                event_type: "request.submitted",
                aggregate: "REQUEST#req_1",
                at: Timestamp::UNIX_EPOCH,
                by: By { sub: Actor::system("test").sub, roles: vec![Role::System] },
                request_id: "r",
                why: None,
                before: None,
                after: Digest::of(&n),
                payload: serde_json::json!({ "n": n }),
            };
            let previous = events.last().map(|e| (e.sequence, e.hash.clone()));
            events.push(AuditEvent::chained(statement, previous));
        }
        events
    }

    #[test]
    fn any_change_removal_or_reordering_of_events_is_found() {
        let good = history();
        assert!(verify_chain(&good).is_ok());
        let mut altered = good.clone();
        if let Some(event) = altered.get_mut(1) {
            event.payload = serde_json::json!({ "n": 9 });
        }
        assert_eq!(verify_chain(&altered), Err(BrokenChain::Altered(2)));
        let mut removed = good.clone();
        removed.remove(1);
        assert_eq!(verify_chain(&removed), Err(BrokenChain::OutOfOrder(3)));
        let mut swapped = good;
        swapped.swap(0, 1);
        assert_eq!(verify_chain(&swapped), Err(BrokenChain::OutOfOrder(2)));
    }
}
