//! A table stream's event source mapping: in order, from a durable position, with failing batches cut in halves.
//!
//! The position moves only after the function took what lies before it, so a record is relayed at least once. A failing
//! record blocks those behind it until it passes or is given up, as in a shard on AWS.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::event::{failed_items, stream_failure};
use super::invocation::{Counts, invoke};
use super::wiring::StreamSource;
use super::{Deliveries, Handler, backoff, wait_for_work};
use crate::cloud::queue::Message;
use crate::cloud::state::Change;
use crate::cloud::{Cloud, StateError, pattern};

const POSITIONS: &str = "stream-position";

/// The last sequence number that is done with.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    after: String,
}

/// A stream's mapping at work.
pub(super) struct StreamWorker {
    pub(super) cloud: Cloud,
    pub(super) source: StreamSource,
    pub(super) handler: Handler,
    pub(super) deliveries: Deliveries,
    pub(super) counts: Arc<Counts>,
}

/// How the first record in line has fared, and how many go together until it passes.
#[derive(Debug, Default)]
struct Trouble {
    attempts: u32,
    limit: Option<usize>,
}

impl StreamWorker {
    /// Works until it is aborted.
    pub(super) async fn run(self) {
        let mut moves = self.cloud.activity().watch();
        let mut trouble = Trouble::default();
        loop {
            moves.borrow_and_update();
            match self.step(&mut trouble).await {
                Ok(true) if trouble.attempts > 0 => tokio::time::sleep(backoff(trouble.attempts)).await,
                Ok(true) => {}
                Ok(false) => wait_for_work(&mut moves, None).await,
                Err(error) => {
                    tracing::error!(function = %self.source.function, error = %error, "a stream could not be worked");
                    tokio::time::sleep(backoff(8)).await;
                }
            }
        }
    }

    /// Handles one batch of the first stream that has one; false if none has.
    async fn step(&self, trouble: &mut Trouble) -> Result<bool, StateError> {
        let limit = trouble.limit.unwrap_or(self.source.batch_size);
        for (table, stream) in self.cloud.dynamodb().streams()? {
            let key = position_key(&self.source, &table);
            let records = read(&self.cloud, &key, &table, &stream, limit)?;
            if !records.is_empty() {
                self.handle(&key, &records, trouble).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn handle(&self, key: &str, records: &[Value], trouble: &mut Trouble) -> Result<(), StateError> {
        let wanted: Vec<&Value> = records.iter().filter(|record| self.wants(record)).collect();
        let outcome = match wanted.as_slice() {
            [] => Ok(Value::Null),
            wanted => invoke(&self.handler, json!({"Records": wanted}), self.deliveries).await,
        };
        let failed = match &outcome {
            Ok(answer) if self.source.reports_failures => first_failure(records, &failed_items(answer)),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(function = %self.source.function, error = %error, "an invocation for a stream failed");
                Some(0)
            }
        };
        let Some(done) = failed else {
            self.counts.delivered(wanted.len());
            *trouble = Trouble::default();
            return self.advance(key, records.last(), Vec::new());
        };
        if done > 0 {
            let passed = records.get(..done).unwrap_or_default();
            self.counts.delivered(passed.iter().filter(|record| self.wants(record)).count());
            self.advance(key, passed.last(), Vec::new())?;
            *trouble = Trouble { attempts: 1, limit: None };
            self.counts.retried();
            return Ok(());
        }
        trouble.attempts += 1;
        match (records, self.source.max_attempts) {
            ([record], Some(most)) if trouble.attempts >= most => {
                self.counts.dead_lettered();
                let letter = stream_failure(&self.cloud, &self.source.function, record, trouble.attempts);
                let letter = Message::new(letter.to_string(), Default::default());
                let letters = self.source.on_failure.iter().map(|queue| (queue.clone(), letter.clone())).collect();
                *trouble = Trouble::default();
                self.advance(key, Some(record), letters)
            }
            _ => {
                self.counts.retried();
                trouble.limit = Some(records.len().div_ceil(2));
                Ok(())
            }
        }
    }

    /// Moves the position behind the record, in one transaction with the letters about it.
    fn advance(&self, key: &str, last: Option<&Value>, letters: Vec<(String, Message)>) -> Result<(), StateError> {
        let Some(after) = last.map(|record| sequence_number(record).to_owned()) else { return Ok(()) };
        self.cloud.queues().send(letters, vec![Change::put(POSITIONS, key, &Position { after })?])
    }

    fn wants(&self, record: &Value) -> bool {
        let filters = &self.source.filters;
        filters.is_empty() || filters.iter().any(|filter| pattern::matches(filter, Some(record)))
    }
}

/// Whether the function has taken all that its streams hold.
pub(super) fn is_caught_up(cloud: &Cloud, source: &StreamSource) -> Result<bool, StateError> {
    for (table, stream) in cloud.dynamodb().streams()? {
        if !read(cloud, &position_key(source, &table), &table, &stream, 1)?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn read(cloud: &Cloud, key: &str, table: &str, stream: &str, limit: usize) -> Result<Vec<Value>, StateError> {
    let position: Option<Position> = cloud.state().load(POSITIONS, key)?;
    let after = position.as_ref().map(|position| position.after.as_str());
    cloud.dynamodb().read_stream(table, stream, after, limit)
}

fn position_key(source: &StreamSource, table: &str) -> String {
    format!("{}/{table}", source.name)
}

/// Where the first failed record stands; an identifier that is none of theirs fails the whole batch, as on AWS.
fn first_failure(records: &[Value], failed: &[String]) -> Option<usize> {
    if failed.is_empty() {
        return None;
    }
    let known = |identifier: &String| records.iter().position(|record| sequence_number(record) == identifier);
    Some(failed.iter().map(|identifier| known(identifier).unwrap_or(0)).min().unwrap_or(0))
}

fn sequence_number(record: &Value) -> &str {
    record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str).unwrap_or_default()
}
