//! What a record of the stream holds: an event of the outbox, or a change that is no event.

use domain::base::audit::{AuditEvent, EVENT_BYTES_MAX};
use lambda::{Failure, StreamRecord};

/// Sort keys of events begin with this (see `store`, which writes them).
const EVENT_PREFIX: &str = "EVENT#";
/// The attribute that holds the event exactly as it is published.
const EVENT: &str = "event";

/// One record, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// An event, to be published.
    Event(Outgoing),
    /// Any other change; the mapping's filter keeps most of them away.
    NoEvent,
}

/// An event on its way out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) sequence_number: String,
    pub(crate) event_type: String,
    pub(crate) aggregate: String,
    pub(crate) json: String,
}

pub(crate) fn read(record: &StreamRecord) -> Result<Reading, Failure> {
    let is_event = record.event_name == "INSERT" && record.text("SK").is_some_and(|sk| sk.starts_with(EVENT_PREFIX));
    if !is_event {
        return Ok(Reading::NoEvent);
    }
    let poison = |why: String| Failure::Poison(why);
    let json = record.text(EVENT).ok_or_else(|| poison(format!("the item has no `{EVENT}`")))?;
    if json.len() > EVENT_BYTES_MAX {
        return Err(poison(format!("the event has {} bytes; {EVENT_BYTES_MAX} is the most", json.len())));
    }
    let event: AuditEvent =
        serde_json::from_str(json).map_err(|error| poison(format!("the event is unreadable: {error}")))?;
    Ok(Reading::Event(Outgoing {
        sequence_number: record.sequence_number.clone(),
        event_type: event.event_type,
        aggregate: event.aggregate,
        json: json.to_owned(),
    }))
}
