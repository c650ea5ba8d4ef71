//! EventBridge's default bus: what AWS services announce, kept for the functions whose rules ask for it.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Cloud;
use super::answer::fresh_id;
use super::pattern;
use super::queue::{Message, Queues};
use super::state::StateError;

/// A rule: which events go to which queue.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) pattern: Value,
    pub(crate) queue: String,
}

/// The rules, set when the bus starts.
pub(crate) struct Events {
    queues: Arc<Queues>,
    rules: RwLock<Vec<Rule>>,
}

impl Events {
    pub(crate) fn new(queues: Arc<Queues>) -> Self {
        Self { queues, rules: RwLock::default() }
    }

    pub(crate) fn set_rules(&self, rules: Vec<Rule>) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    fn deliver(&self, envelope: &Value) -> Result<(), StateError> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let matching = rules.iter().filter(|rule| pattern::matches(&rule.pattern, Some(envelope)));
        let message = |rule: &Rule| (rule.queue.clone(), Message::new(envelope.to_string(), Default::default()));
        let messages: Vec<_> = matching.map(message).collect();
        drop(rules);
        if messages.is_empty() { Ok(()) } else { self.queues.send(messages, Vec::new()) }
    }
}

impl Cloud {
    /// Announces an event as an AWS service does. It is durable for every matching rule when this returns.
    ///
    /// # Errors
    /// When the local state cannot be written.
    pub fn emit(&self, detail_type: &str, source: &str, detail: &Value) -> Result<(), StateError> {
        let time = Timestamp::from_second(self.now().as_second()).unwrap_or_default();
        let envelope = json!({
            "version": "0",
            "id": fresh_id(),
            "detail-type": detail_type,
            "source": source,
            "account": self.account(),
            "time": time.to_string(),
            "region": self.region(),
            "resources": [],
            "detail": detail,
        });
        self.announce(&envelope)
    }

    /// Announces an event whose envelope another part of the stack made.
    ///
    /// # Errors
    /// When the local state cannot be written.
    pub fn announce(&self, envelope: &Value) -> Result<(), StateError> {
        self.inner.events.deliver(envelope)
    }
}
