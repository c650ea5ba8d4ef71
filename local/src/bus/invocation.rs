//! One invocation of a function: isolated from the worker, once or, for tests, twice.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{Deliveries, Handler};

/// What happened to the events since the bus was last settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    /// Messages and stream records that a function took.
    pub delivered: u64,
    /// Attempts that failed and were repeated.
    pub retried: u64,
    /// Messages and records given up and set aside.
    pub dead_lettered: u64,
}

/// The counts behind [`Settled`].
#[derive(Debug, Default)]
pub(super) struct Counts {
    delivered: AtomicU64,
    retried: AtomicU64,
    dead_lettered: AtomicU64,
}

impl Counts {
    pub(super) fn delivered(&self, events: usize) {
        self.delivered.fetch_add(u64::try_from(events).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn retried(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dead_lettered(&self) {
        self.dead_lettered.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts, which start again at zero.
    pub(super) fn take(&self) -> Settled {
        Settled {
            delivered: self.delivered.swap(0, Ordering::Relaxed),
            retried: self.retried.swap(0, Ordering::Relaxed),
            dead_lettered: self.dead_lettered.swap(0, Ordering::Relaxed),
        }
    }
}

/// Invokes the function as often as deliveries say; the first failure is the outcome.
pub(super) async fn invoke(handler: &Handler, event: Value, deliveries: Deliveries) -> Result<Value, String> {
    if deliveries == Deliveries::Twice {
        invoke_once(handler, event.clone()).await?;
    }
    invoke_once(handler, event).await
}

/// A panic in a function fails its invocation, as it does on Lambda, and a stopped bus stops the invocation.
async fn invoke_once(handler: &Handler, event: Value) -> Result<Value, String> {
    let mut running = AbortOnDrop(tokio::spawn(handler(event)));
    (&mut running.0).await.unwrap_or_else(|error| Err(error.to_string()))
}

struct AbortOnDrop(JoinHandle<Result<Value, String>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
