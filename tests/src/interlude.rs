//! A director that holds one transaction, so that a test can act between what a decision read and what it writes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use local::seam::{AwsCall, Fate, Seam};
use tokio::sync::Notify;

/// Holds the next transaction that writes a thing of some kind. Clones share it; it needs a runtime of several threads.
#[derive(Clone, Default)]
pub struct Interlude(Arc<State>);

#[derive(Default)]
struct State {
    /// What the body of the transaction to be held contains; nothing while none is to be.
    wanted: Mutex<Option<&'static str>>,
    is_held: Notify,
    is_over: Mutex<bool>,
    over: Condvar,
}

impl Interlude {
    /// The seam that it directs.
    #[must_use]
    pub fn seam(&self) -> Seam {
        let state = Arc::clone(&self.0);
        Seam::directed(Arc::new(move |call| {
            if state.takes(&call) {
                state.is_held.notify_one();
                tokio::task::block_in_place(|| state.wait());
            }
            Fate::Pass
        }))
    }

    /// Holds the next transaction whose body contains this, such as the beginning of a key.
    pub fn hold(&self, mark: &'static str) {
        *locked(&self.0.is_over) = false;
        *locked(&self.0.wanted) = Some(mark);
    }

    /// Waits until it is held: what it depends on was read.
    pub async fn begun(&self) {
        self.0.is_held.notified().await;
    }

    /// Lets it go on.
    pub fn end(&self) {
        *locked(&self.0.is_over) = true;
        self.0.over.notify_all();
    }
}

impl State {
    fn takes(&self, call: &AwsCall<'_>) -> bool {
        let mut wanted = locked(&self.wanted);
        let body = std::str::from_utf8(call.request.body()).unwrap_or_default();
        let is_it = call.operation == "TransactWriteItems" && wanted.is_some_and(|mark| body.contains(mark));
        is_it && wanted.take().is_some()
    }

    fn wait(&self) {
        let over = self.over.wait_while(locked(&self.is_over), |is_over| !*is_over);
        drop(over.unwrap_or_else(PoisonError::into_inner));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
