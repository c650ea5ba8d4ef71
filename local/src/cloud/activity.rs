//! Whether anything is in flight: a count that moves with each thing that happens, and the work that is still running.
//!
//! A settled bus is one whose queues and stream were empty *while the count stood still*: looking at the one and then
//! at the other without it would miss what moves between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

/// Shared by the services that make work and the bus that does it.
#[derive(Debug, Clone)]
pub struct Activity {
    moves: Arc<watch::Sender<u64>>,
    running: Arc<AtomicUsize>,
}

impl Default for Activity {
    fn default() -> Self {
        Self { moves: Arc::new(watch::Sender::new(0)), running: Arc::default() }
    }
}

impl Activity {
    /// Says that something happened; wakes whoever waits.
    pub(crate) fn touch(&self) {
        self.moves.send_modify(|moves| *moves = moves.wrapping_add(1));
    }

    /// Notes work that runs outside the queues (an Athena query, say) until the guard is dropped.
    #[must_use]
    pub fn begin(&self) -> Running {
        self.running.fetch_add(1, Ordering::SeqCst);
        Running(self.clone())
    }

    /// Whether such work is running.
    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::SeqCst) > 0
    }

    /// The count, to be awaited. What happens after this call is not missed.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.moves.subscribe()
    }
}

/// Work in flight.
#[derive(Debug)]
pub struct Running(Activity);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.touch();
    }
}
