//! The queues under SQS, SNS and EventBridge: durable, at least once, counted.
//!
//! A message is kept when [`Queues::send`] returns and is removed only by [`Queues::remove`]. Hiding a message while it
//! is being handled is memory only: after a restart every message is visible again, and its receive count stands.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::activity::Activity;
use super::answer::fresh_id;
use super::state::{Change, State, StateError};

const KIND: &str = "queue/";

/// A message attribute of SNS and SQS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// `String`, `Number`, `String.Array` …
    pub data_type: String,
    /// Its text; binary attributes are not emulated.
    pub value: String,
}

/// A message in a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Assigned when sent.
    pub id: String,
    /// As sent.
    pub body: String,
    /// As sent, or those of the SNS message under raw delivery.
    pub attributes: BTreeMap<String, Attribute>,
    /// Milliseconds since the epoch, wall clock.
    pub sent_ms: u128,
    /// When it was first received.
    pub first_received_ms: Option<u128>,
    /// How often it was received, over restarts.
    pub receives: u32,
}

impl Message {
    /// A message as a sender makes it.
    pub(crate) fn new(body: String, attributes: BTreeMap<String, Attribute>) -> Self {
        Self { id: fresh_id(), body, attributes, sent_ms: now_ms(), first_received_ms: None, receives: 0 }
    }
}

/// A received message and its place in the queue.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) place: u128,
    pub(crate) message: Message,
}

#[derive(Default)]
struct Queue {
    messages: BTreeMap<u128, Message>,
    hidden_until: BTreeMap<u128, Instant>,
}

/// All queues by name; a queue exists from its first declaration on.
pub(crate) struct Queues {
    state: Arc<State>,
    activity: Activity,
    queues: Mutex<BTreeMap<String, Queue>>,
}

impl Queues {
    /// No queues yet; their messages are read back as they are declared.
    pub(crate) fn new(state: Arc<State>, activity: Activity) -> Self {
        Self { state, activity, queues: Mutex::default() }
    }

    /// Makes sure that the queue exists, with what an earlier process left in it.
    pub(crate) fn declare(&self, name: &str) -> Result<(), StateError> {
        let mut queues = self.lock();
        if queues.contains_key(name) {
            return Ok(());
        }
        let mut queue = Queue::default();
        for (key, message) in self.state.list::<Message>(&kind(name), "")? {
            queue.messages.insert(key.parse().unwrap_or_default(), message);
        }
        queues.insert(name.to_owned(), queue);
        drop(queues);
        self.activity.touch();
        Ok(())
    }

    /// The names of all queues.
    pub(crate) fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Whether the queue exists.
    pub(crate) fn exists(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }

    /// Keeps all messages and `with` in one transaction. Messages to unknown queues are dropped, as SNS drops them.
    pub(crate) fn send(&self, messages: Vec<(String, Message)>, with: Vec<Change>) -> Result<(), StateError> {
        let mut queues = self.lock();
        let mut changes = with;
        let mut kept = Vec::new();
        let mut place = now_micros();
        for (name, message) in messages {
            let Some(queue) = queues.get(&name) else {
                tracing::warn!(
                    queue = %name, message.id = %message.id,
                    "a message to a queue that does not exist is dropped"
                );
                continue;
            };
            place = queue.messages.last_key_value().map_or(place, |(last, _)| place.max(last + 1));
            changes.push(Change::put(&kind(&name), &key(place), &message)?);
            kept.push((name, place, message));
            place += 1;
        }
        self.state.commit(changes)?;
        for (name, place, message) in kept {
            if let Some(queue) = queues.get_mut(&name) {
                queue.messages.insert(place, message);
            }
        }
        drop(queues);
        self.activity.touch();
        Ok(())
    }

    /// Receives up to `limit` visible messages, oldest first, and hides them for `visibility`.
    pub(crate) fn receive(&self, name: &str, limit: usize, visibility: Duration) -> Result<Vec<Taken>, StateError> {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(name) else { return Ok(Vec::new()) };
        let now = Instant::now();
        let visible = |place: &u128| queue.hidden_until.get(place).is_none_or(|until| *until <= now);
        let places: Vec<u128> = queue.messages.keys().filter(|place| visible(place)).take(limit).copied().collect();
        let mut taken = Vec::with_capacity(places.len());
        let mut changes = Vec::with_capacity(places.len());
        for place in places {
            let Some(message) = queue.messages.get_mut(&place) else { continue };
            message.receives += 1;
            message.first_received_ms.get_or_insert_with(now_ms);
            changes.push(Change::put(&kind(name), &key(place), message)?);
            queue.hidden_until.insert(place, now + visibility);
            taken.push(Taken { place, message: message.clone() });
        }
        self.state.commit(changes)?;
        Ok(taken)
    }

    /// Removes handled messages.
    pub(crate) fn remove(&self, name: &str, places: &[u128]) -> Result<(), StateError> {
        let mut queues = self.lock();
        self.state.commit(places.iter().map(|place| Change::remove(&kind(name), &key(*place))).collect())?;
        if let Some(queue) = queues.get_mut(name) {
            for place in places {
                queue.messages.remove(place);
                queue.hidden_until.remove(place);
            }
        }
        drop(queues);
        self.activity.touch();
        Ok(())
    }

    /// Makes a message visible again after `delay`.
    pub(crate) fn release(&self, name: &str, place: u128, delay: Duration) {
        if let Some(queue) = self.lock().get_mut(name) {
            queue.hidden_until.insert(place, Instant::now() + delay);
        }
        self.activity.touch();
    }

    /// Moves a message to the dead-letter queue, or drops it where there is none, in one transaction.
    pub(crate) fn bury(&self, name: &str, taken: &Taken, dead_letters: Option<&str>) -> Result<(), StateError> {
        let removal = Change::remove(&kind(name), &key(taken.place));
        let letter = dead_letters.map(|queue| (queue.to_owned(), taken.message.clone()));
        self.send(letter.into_iter().collect(), vec![removal])?;
        self.remove(name, &[taken.place])
    }

    /// How many messages wait or are being handled.
    pub(crate) fn depth(&self, name: &str) -> usize {
        self.lock().get(name).map_or(0, |queue| queue.messages.len())
    }

    /// The messages as they stand, oldest first.
    pub(crate) fn peek(&self, name: &str) -> Vec<Message> {
        self.lock().get(name).map(|queue| queue.messages.values().cloned().collect()).unwrap_or_default()
    }

    /// When the next hidden message becomes visible.
    pub(crate) fn next_visible(&self, name: &str) -> Option<Instant> {
        self.lock().get(name)?.hidden_until.values().min().copied()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kind(name: &str) -> String {
    format!("{KIND}{name}")
}

fn key(place: u128) -> String {
    format!("{place:020}")
}

fn now_micros() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros()
}

fn now_ms() -> u128 {
    now_micros() / 1000
}
