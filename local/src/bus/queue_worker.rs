//! One queue's event source mapping: batches to a function, failures back with a delay, and in the end set aside.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::event::{failed_items, sqs_batch};
use super::invocation::{Counts, invoke};
use super::{Deliveries, Handler, backoff, wait_for_work};
use crate::cloud::queue::Taken;
use crate::cloud::{Cloud, StateError};

/// Longer than any invocation: the worker itself gives messages back.
const HIDDEN_WHILE_HANDLED: Duration = Duration::from_secs(3600);

/// How a batch becomes an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Envelope {
    /// An SQS event of many records; says whether `batchItemFailures` count.
    SqsBatch { reports_failures: bool },
    /// The message's body is the event: an asynchronous invocation, by EventBridge.
    Body,
}

/// A queue, its function, and when to give up.
pub(super) struct QueueWorker {
    pub(super) cloud: Cloud,
    pub(super) queue: String,
    pub(super) envelope: Envelope,
    pub(super) batch_size: usize,
    /// Receives before a message is set aside; None repeats for ever.
    pub(super) max_receives: Option<u32>,
    pub(super) dead_letters: Option<String>,
    pub(super) handler: Handler,
    pub(super) deliveries: Deliveries,
    pub(super) counts: Arc<Counts>,
}

impl QueueWorker {
    /// Works until it is aborted.
    pub(super) async fn run(self) {
        let mut moves = self.cloud.activity().watch();
        loop {
            moves.borrow_and_update();
            match self.step().await {
                Ok(true) => {}
                Ok(false) => wait_for_work(&mut moves, self.cloud.queues().next_visible(&self.queue)).await,
                Err(error) => {
                    tracing::error!(queue = %self.queue, error = %error, "a queue could not be worked");
                    tokio::time::sleep(backoff(8)).await;
                }
            }
        }
    }

    /// Handles one batch; false if there was none.
    async fn step(&self) -> Result<bool, StateError> {
        let queues = self.cloud.queues();
        let batch = queues.receive(&self.queue, self.batch_size, HIDDEN_WHILE_HANDLED)?;
        let event = match (self.envelope, batch.first()) {
            (_, None) => return Ok(false),
            (Envelope::SqsBatch { .. }, Some(_)) => sqs_batch(&self.cloud, &self.queue, &batch),
            (Envelope::Body, Some(taken)) => serde_json::from_str(&taken.message.body).unwrap_or_default(),
        };
        let outcome = invoke(&self.handler, event, self.deliveries).await;
        let (failed, done): (Vec<Taken>, Vec<Taken>) =
            batch.into_iter().partition(|taken| self.failed(taken, &outcome));
        if let (Err(error), Some(first)) = (&outcome, failed.first()) {
            tracing::warn!(queue = %self.queue, message.id = %first.message.id, error = %error, "an invocation failed");
        }
        let places: Vec<u128> = done.iter().map(|taken| taken.place).collect();
        self.counts.delivered(places.len());
        if !places.is_empty() {
            queues.remove(&self.queue, &places)?;
        }
        for taken in &failed {
            if self.max_receives.is_some_and(|most| taken.message.receives >= most) {
                self.counts.dead_lettered();
                queues.bury(&self.queue, taken, self.dead_letters.as_deref())?;
            } else {
                self.counts.retried();
                queues.release(&self.queue, taken.place, backoff(taken.message.receives));
            }
        }
        Ok(true)
    }

    fn failed(&self, taken: &Taken, outcome: &Result<Value, String>) -> bool {
        match (outcome, self.envelope) {
            (Err(_), _) => true,
            (Ok(answer), Envelope::SqsBatch { reports_failures: true }) => {
                failed_items(answer).contains(&taken.message.id)
            }
            (Ok(_), _) => false,
        }
    }
}
