//! On whose behalf something is written that no call asked for.

use domain::base::people::Actor;
use jiff::Timestamp;
use store::Transaction;

use crate::events::{Event, Tick};

/// Who acts, when, and because of what: of an event or a tick.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// The consumer or job itself.
    pub actor: &'a Actor,
    /// The time of this delivery.
    pub now: Timestamp,
    /// The same at every delivery.
    pub request_id: &'a str,
}

impl<'a, E> From<&'a Event<E>> for Cause<'a> {
    fn from(event: &'a Event<E>) -> Self {
        Self { actor: &event.actor, now: event.now, request_id: &event.request_id }
    }
}

impl<'a> From<&'a Tick> for Cause<'a> {
    fn from(tick: &'a Tick) -> Self {
        Self { actor: &tick.actor, now: tick.now, request_id: &tick.request_id }
    }
}

impl Cause<'_> {
    /// A transaction in its name.
    #[must_use]
    pub fn transaction(self) -> Transaction {
        Transaction::new(self.actor, self.now, self.request_id)
    }
}
