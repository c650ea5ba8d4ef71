//! Events that are not API calls: governance events, schedules, AWS's own events, the table's stream.
//!
//! A handler has three outcomes: done, which includes repetitions and whatever a job rightly passes over; retry;
//! poison, which is also what a job is refused that was to be done. All but done go back to the sender by the
//! record's id, so that one bad record neither loses nor repeats the others.

use contract::events::Event;
use domain::base::audit::AuditEvent;
use domain::base::outcome::Refusal;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use store::StoreError;

use crate::cause::Cause;
use crate::parameters::shown;

/// Why an event is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It may succeed when delivered again: a dependency is away, or somebody wrote at the same moment.
    #[error("to be delivered again: {0}")]
    Retry(String),
    /// It will never succeed as it is; it ends in the failure queue, where people see it.
    #[error("set aside: {0}")]
    Poison(String),
    /// An earlier delivery had its effect already: done, and nothing was written.
    #[error("done before")]
    Repetition,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::AlreadyHandled => Self::Repetition,
            StoreError::Missing(_) | StoreError::Unreadable { .. } | StoreError::TooLarge(_) => {
                Self::Poison(error.to_string())
            }
            _ => Self::Retry(error.to_string()),
        }
    }
}

/// What a job is refused stays refused, however often it is delivered.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Poison(refusal.to_string())
    }
}

impl Failure {
    /// The same, of a piece of a delivery that its words do not name.
    #[must_use]
    pub fn about(self, piece: &str) -> Self {
        match self {
            Self::Retry(why) => Self::Retry(format!("{piece}: {why}")),
            Self::Poison(why) => Self::Poison(format!("{piece}: {why}")),
            Self::Repetition => Self::Repetition,
        }
    }
}

/// What became of the pieces of work of one delivery: each is tried, so that one which cannot be done keeps none of the
/// others from being done.
#[derive(Debug, Default)]
pub struct Tried(Option<Failure>);

impl Tried {
    /// Notes what became of a piece; answers its result.
    pub fn note<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        match result {
            Ok(done) => Some(done),
            Err(failure) => {
                tracing::error!(%failure, "a piece of a delivery failed; the others go on");
                // What may succeed when it comes again must come again.
                if matches!((&self.0, &failure), (None, _) | (Some(Failure::Poison(_)), Failure::Retry(_))) {
                    self.0 = Some(failure);
                }
                None
            }
        }
    }

    /// What the delivery answers.
    ///
    /// # Errors
    /// The first failure that may succeed when delivered again, else the first.
    pub fn outcome(self) -> Result<(), Failure> {
        self.0.map_or(Ok(()), Err)
    }
}

/// A governance event, as a consumer hears it: one of those that it is registered for.
#[derive(Debug, Clone)]
pub struct Heard {
    /// What happened.
    pub event: Event,
    /// The record that tells it.
    pub envelope: AuditEvent,
    /// The consumer itself, because of the envelope's id.
    pub cause: Cause,
}

impl Heard {
    /// Reads the event out of its record.
    pub(crate) fn read(envelope: &Value, cause: Cause) -> Result<Self, Failure> {
        let envelope: AuditEvent = parse("the event", envelope)?;
        let event = Event::of(&envelope).map_err(|error| poison(&error.to_string()))?;
        Ok(Self { event, envelope, cause })
    }

    /// The failure of a handler that was registered for an event which it does not know.
    #[must_use]
    pub fn unexpected(&self) -> Failure {
        poison(&format!("`{}` reached a handler that does not know it", self.envelope.event_type))
    }
}

/// A schedule's tick.
#[derive(Debug, Clone)]
pub struct Tick {
    /// The schedule's name.
    pub schedule: String,
    /// The time it was due: the same at every delivery of this tick.
    pub scheduled_at: Timestamp,
    /// The job itself, because of schedule and due time.
    pub cause: Cause,
}

/// An event of AWS itself, through EventBridge.
#[derive(Debug, Clone)]
pub struct AwsEvent<D> {
    /// What happened, in EventBridge's words.
    pub detail_type: String,
    /// The service's name, such as `aws.athena`.
    pub source: String,
    /// The particulars.
    pub detail: D,
    /// The job itself, because of EventBridge's id.
    pub cause: Cause,
}

/// Records of the table's stream, in the order of their shard.
#[derive(Debug, Clone)]
pub struct StreamBatch {
    /// The records.
    pub records: Vec<StreamRecord>,
    /// The time of this delivery.
    pub now: Timestamp,
}

/// One change of an item.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamRecord {
    /// Its place in the shard, by which a failure is reported.
    pub sequence_number: String,
    /// `INSERT`, `MODIFY` or `REMOVE`.
    pub event_name: String,
    /// The item after the change, in DynamoDB's JSON; empty when it was removed.
    pub new_image: Map<String, Value>,
}

impl StreamRecord {
    /// An attribute of the new item that is text.
    #[must_use]
    pub fn text(&self, attribute: &str) -> Option<&str> {
        self.new_image.get(attribute)?.get("S")?.as_str()
    }
}

/// The first record that is not done. The stream delivers it, and all after it, again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {sequence_number}: {why}")]
pub struct StreamFailure {
    /// Its place in the shard.
    pub sequence_number: String,
    /// Why.
    #[source]
    pub why: Failure,
}

/// What has been sent to a function.
#[derive(Debug)]
pub(crate) enum Inbound<'a> {
    Gateway(crate::gateway::Request<'a>),
    Queue(&'a [Value]),
    Stream(&'a [Value]),
    Aws { detail_type: &'a str, event: &'a Value },
    Schedule { name: &'a str, event: &'a Value },
    Unknown,
}

impl<'a> Inbound<'a> {
    /// Tells the kinds apart by the marks that their senders always set; whatever has none is refused, never guessed.
    pub(crate) fn of(event: &'a Value) -> Self {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        if let Some(request) = crate::gateway::Request::of(event) {
            return Self::Gateway(request);
        }
        if let Some(records) = event.get("Records").and_then(Value::as_array) {
            let all_from = |source: &str| {
                let from = |record: &Value| record.get("eventSource").and_then(Value::as_str) == Some(source);
                !records.is_empty() && records.iter().all(from)
            };
            return match () {
                () if all_from("aws:sqs") => Self::Queue(records),
                () if all_from("aws:dynamodb") => Self::Stream(records),
                () => Self::Unknown,
            };
        }
        if let (Some(detail_type), Some(_), Some(_)) = (text("detail-type"), text("source"), event.get("detail")) {
            return Self::Aws { detail_type, event };
        }
        if let (Some(name), Some(_)) = (text("schedule"), text("scheduledTime")) {
            return Self::Schedule { name, event };
        }
        Self::Unknown
    }
}

/// What a body of a queue says it is, and whether it can be read at all.
pub(crate) fn queued_event(record: &Value) -> Result<Value, Failure> {
    let body = record.get("body").and_then(Value::as_str).ok_or_else(|| poison("a message without a body"))?;
    serde_json::from_str(body).map_err(|error| poison(&format!("a message that is not JSON: {error}")))
}

pub(crate) fn parse<T: DeserializeOwned>(what: &str, value: &Value) -> Result<T, Failure> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| poison(&format!("{what}: `{}`: {}", error.path(), error.inner())))
}

/// An identifier that the sender always sets.
pub(crate) fn required<'a>(event: &'a Value, name: &str) -> Result<&'a str, Failure> {
    event.get(name).and_then(Value::as_str).filter(|v| !v.is_empty()).ok_or_else(|| poison(&format!("no `{name}`")))
}

pub(crate) fn due_time(event: &Value) -> Result<Timestamp, Failure> {
    let given = required(event, "scheduledTime")?;
    given.parse().map_err(|_| poison(&format!("`scheduledTime` `{}` is not a time", shown(given))))
}

pub(crate) fn stream_record(record: &Value) -> Result<StreamRecord, Failure> {
    let change = record.get("dynamodb").ok_or_else(|| poison("a record without `dynamodb`"))?;
    Ok(StreamRecord {
        sequence_number: required(change, "SequenceNumber")?.to_owned(),
        event_name: required(record, "eventName")?.to_owned(),
        new_image: change.get("NewImage").and_then(Value::as_object).cloned().unwrap_or_default(),
    })
}

/// The answer by which a sender learns which records are to be delivered again.
pub(crate) fn partial_batch_response(failed: impl IntoIterator<Item = String>) -> Value {
    let failures: Vec<Value> = failed.into_iter().map(|id| json!({ "itemIdentifier": id })).collect();
    json!({ "batchItemFailures": failures })
}

pub(crate) fn poison(why: &str) -> Failure {
    Failure::Poison(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(event: &Value) -> &'static str {
        match Inbound::of(event) {
            Inbound::Gateway(_) => "gateway",
            Inbound::Queue(_) => "queue",
            Inbound::Stream(_) => "stream",
            Inbound::Aws { .. } => "aws",
            Inbound::Schedule { .. } => "schedule",
            Inbound::Unknown => "unknown",
        }
    }

    #[test]
    fn every_sender_is_known_by_its_mark_and_what_has_none_is_unknown() {
        for (event, expected) in [
            (json!({"version": "2.0", "requestContext": {"http": {"method": "GET"}}}), "gateway"),
            (json!({"Records": [{"eventSource": "aws:sqs"}]}), "queue"),
            (json!({"Records": [{"eventSource": "aws:dynamodb"}]}), "stream"),
            (json!({"detail-type": "Object Created", "source": "aws.s3", "detail": {}}), "aws"),
            (json!({"schedule": "drift", "scheduledTime": "2026-08-24T06:00:00Z"}), "schedule"),
            (json!({"Records": []}), "unknown"),
            (json!({"Records": [{"eventSource": "aws:sqs"}, {"eventSource": "aws:dynamodb"}]}), "unknown"),
            (json!({"Records": [{"EventSource": "aws:sns"}]}), "unknown"),
            (json!({"schedule": "drift"}), "unknown"),
            (json!({"actor": "admin", "action": "approve"}), "unknown"),
            (json!([]), "unknown"),
            (json!("x"), "unknown"),
            (Value::Null, "unknown"),
        ] {
            assert_eq!(kind(&event), expected, "{event}");
        }
    }
}
