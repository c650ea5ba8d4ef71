//! Events from queues, streams, schedules and EventBridge, to the handlers declared for them.

use std::collections::BTreeMap;

use domain::base::people::Actor;
use serde_json::Value;

use super::{Erased, Function};
use crate::cause::Cause;
use crate::events::{
    AwsEvent, Failure, Heard, StreamBatch, Tick, due_time, partial_batch_response, poison, queued_event, required,
    stream_record,
};
use crate::parameters::shown;

impl Function {
    /// Each message by itself: the others neither wait for one that fails nor are repeated with it.
    pub(super) async fn consume(&self, records: &[Value]) -> Value {
        let mut failed = Vec::new();
        for record in records {
            let id = record.get("messageId").and_then(Value::as_str).unwrap_or_default();
            if let Err(failure) = self.consume_one(record).await {
                self.log(&failure, id);
                failed.push(id.to_owned());
            }
        }
        partial_batch_response(failed)
    }

    async fn consume_one(&self, record: &Value) -> Result<(), Failure> {
        let envelope = queued_event(record)?;
        let heard = Heard::read(&envelope, self.cause_of(required(&envelope, "id")?))?;
        let kind = heard.event.event_type();
        let handler = self.events.get(&kind).ok_or_else(|| undeclared("governance event", kind.as_str()))?;
        done_or(handler(heard).await, ())
    }

    /// A shard's records in their order; the first that fails is reported, and comes again with all after it.
    pub(super) async fn relay(&self, records: &[Value]) -> Result<Value, Failure> {
        let handler = self.stream.as_ref().ok_or_else(|| poison("this function reads no stream"))?;
        let mut batch = StreamBatch { records: Vec::with_capacity(records.len()), now: self.host.clock.now() };
        let mut malformed = None;
        for record in records {
            match stream_record(record) {
                Ok(read) => batch.records.push(read),
                Err(failure) => {
                    malformed = Some((record, failure));
                    break;
                }
            }
        }
        let done = if batch.records.is_empty() { Ok(()) } else { handler(batch).await };
        if let Err(failure) = done {
            self.log(&failure.why, &failure.sequence_number);
            return Ok(partial_batch_response([failure.sequence_number]));
        }
        match malformed {
            None => Ok(partial_batch_response([])),
            Some((record, failure)) => {
                self.log(&failure, "malformed");
                let place =
                    record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str).filter(|n| !n.is_empty());
                place.map(|n| partial_batch_response([n.to_owned()])).ok_or(failure)
            }
        }
    }

    pub(super) async fn tick(&self, name: &str, event: &Value) -> Result<Value, Failure> {
        let handler = declared(&self.schedules, name, "schedule")?;
        let scheduled_at = due_time(event)?;
        let request_id = format!("{name}@{scheduled_at}");
        let tick = Tick { schedule: name.to_owned(), scheduled_at, cause: self.cause_of(&request_id) };
        done_or(handler(tick).await, Value::Null).inspect_err(|failure| self.log(failure, &request_id))
    }

    pub(super) async fn react(&self, detail_type: &str, event: &Value) -> Result<Value, Failure> {
        let handler = declared(&self.aws_events, detail_type, "AWS event")?;
        let request_id = required(event, "id")?;
        let happened = AwsEvent {
            detail_type: detail_type.to_owned(),
            source: required(event, "source")?.to_owned(),
            detail: event.get("detail").cloned().unwrap_or_default(),
            cause: self.cause_of(request_id),
        };
        done_or(handler(happened).await, Value::Null).inspect_err(|failure| self.log(failure, request_id))
    }

    fn cause_of(&self, request_id: &str) -> Cause {
        let (actor, now) = (Actor::system(self.name), self.host.clock.now());
        Cause { actor, now, request_id: request_id.to_owned() }
    }

    fn log(&self, failure: &Failure, id: &str) {
        match failure {
            Failure::Retry(why) => tracing::warn!(function = self.name, event.id = id, why, "to be delivered again"),
            Failure::Poison(why) => tracing::error!(function = self.name, event.id = id, why, "set aside"),
            Failure::Repetition => tracing::debug!(function = self.name, event.id = id, "done before"),
        }
    }
}

/// A repetition is done.
fn done_or<T>(outcome: Result<T, Failure>, repeated: T) -> Result<T, Failure> {
    match outcome {
        Err(Failure::Repetition) => Ok(repeated),
        other => other,
    }
}

fn declared<'a, I, O>(
    handlers: &'a BTreeMap<&'static str, Erased<I, O>>,
    name: &str,
    what: &str,
) -> Result<&'a Erased<I, O>, Failure> {
    handlers.get(name).ok_or_else(|| undeclared(what, name))
}

fn undeclared(what: &str, name: &str) -> Failure {
    poison(&format!("no {what} `{}` is known to this function", shown(name)))
}
