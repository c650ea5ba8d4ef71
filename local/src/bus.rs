//! The bus: moves events between the functions as the deployed wiring would.
//!
//! At least once, and durable: a message leaves its queue and a stream's position moves only after the function
//! succeeded, so a process killed at any moment repeats and loses nothing. Order holds within the stream and ends at
//! the topic. The bus never looks into an event.

mod event;
mod invocation;
mod queue_worker;
mod stream_worker;
mod template;
mod wiring;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::invocation::{Counts, invoke};
use self::queue_worker::{Envelope, QueueWorker};
use self::stream_worker::{StreamWorker, is_caught_up};
use crate::cloud::queue::Message;
use crate::cloud::{BoxFuture, Cloud, Rule, StateError};

pub use self::invocation::Settled;
pub use self::template::{Deployment, TemplateError};
pub use self::wiring::{
    Access, FunctionWiring, QueueSource, QueueWiring, Redrive, Route, RuleWiring, Schedule, StreamSource,
    SubscriptionWiring, Wiring,
};

/// A function as Lambda sees it: an event in, an answer or the error's words out.
pub type Handler = Arc<dyn Fn(Value) -> BoxFuture<Result<Value, String>> + Send + Sync>;

/// Attempts of an asynchronous invocation: the first and the two retries that Lambda makes.
const ASYNCHRONOUS_ATTEMPTS: u32 = 3;

const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// How often each event reaches its function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deliveries {
    /// Once, unless something fails.
    #[default]
    Once,
    /// Twice, always: at-least-once at its worst, for the tests.
    Twice,
}

/// Why a bus did not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The wiring invokes a function that was not given.
    #[error("the wiring invokes `{0}`, for which there is no handler")]
    NoHandler(String),
    /// No such schedule in the wiring.
    #[error("there is no schedule `{0}`")]
    NoSchedule(String),
    /// A schedule's function failed at every attempt.
    #[error("the schedule `{schedule}` failed: {reason}")]
    Schedule {
        /// Its key.
        schedule: String,
        /// The function's own words.
        reason: String,
    },
    /// The local state failed.
    #[error("the bus could not keep its state")]
    State(#[from] StateError),
}

/// The running bus; dropping it stops every worker at once, as a kill would.
pub struct Bus {
    cloud: Cloud,
    sources: Vec<StreamSource>,
    queues: Vec<String>,
    schedules: BTreeMap<String, Schedule>,
    handlers: BTreeMap<String, Handler>,
    counts: Arc<Counts>,
    deliveries: Deliveries,
    _workers: JoinSet<()>,
}

impl Bus {
    /// Declares topics, queues, subscriptions and rules in the cloud and starts one worker per source. What an earlier
    /// process left in the queues and in the stream is worked first.
    ///
    /// # Errors
    /// When a function that the wiring invokes has no handler, or the local state fails.
    pub fn start(
        wiring: &Wiring,
        cloud: &Cloud,
        handlers: BTreeMap<String, Handler>,
        deliveries: Deliveries,
    ) -> Result<Self, BusError> {
        declare(wiring, cloud)?;
        let counts = Arc::new(Counts::default());
        let mut bus = Self {
            cloud: cloud.clone(),
            sources: wiring.stream_sources.clone(),
            queues: Vec::new(),
            schedules: wiring.schedules.clone(),
            handlers,
            counts,
            deliveries,
            _workers: JoinSet::new(),
        };
        let mut workers = JoinSet::new();
        for source in &wiring.queue_sources {
            workers.spawn(bus.queue_worker(wiring, source)?.run());
            bus.queues.push(source.queue.clone());
        }
        for rule in &wiring.rules {
            workers.spawn(bus.rule_worker(rule)?.run());
            bus.queues.push(rule_queue(rule));
        }
        for source in &wiring.stream_sources {
            let (handler, counts) = (bus.handler(&source.function)?, Arc::clone(&bus.counts));
            let worker = StreamWorker { cloud: cloud.clone(), source: source.clone(), handler, deliveries, counts };
            workers.spawn(worker.run());
        }
        bus._workers = workers;
        Ok(bus)
    }

    /// Resolves when nothing is in flight: streams relayed, queues empty but for dead letters, no query running.
    /// Answers what happened since the last time.
    ///
    /// # Errors
    /// When the local state cannot be read.
    pub async fn settle(&self) -> Result<Settled, BusError> {
        let mut moves = self.cloud.activity().watch();
        loop {
            moves.borrow_and_update();
            let idle = self.is_idle()?;
            if idle && !moves.has_changed().unwrap_or(false) {
                return Ok(self.counts.take());
            }
            // The sender lives in the cloud that this bus holds, so waiting ends only by a move.
            let _moved = moves.changed().await;
        }
    }

    /// Runs a schedule now, `at` being the scheduled time, and answers what its function answered. Repeated as an
    /// asynchronous invocation is; given up, its payload goes to the schedule's dead letters.
    ///
    /// # Errors
    /// When there is no such schedule, or its function failed at every attempt.
    pub async fn run_schedule(&self, name: &str, at: Timestamp) -> Result<Value, BusError> {
        let schedule = self.schedules.get(name).ok_or_else(|| BusError::NoSchedule(name.to_owned()))?;
        let handler = self.handler(&schedule.function)?;
        let input = schedule.input.replace(SCHEDULED_TIME, &at.to_string());
        let event: Value = serde_json::from_str(&input).unwrap_or_default();
        let mut attempt = 1;
        loop {
            match invoke(&handler, event.clone(), self.deliveries).await {
                Ok(answer) => return Ok(answer),
                Err(_) if attempt < ASYNCHRONOUS_ATTEMPTS => {
                    self.counts.retried();
                    tokio::time::sleep(backoff(attempt)).await;
                    attempt += 1;
                }
                Err(reason) => {
                    self.counts.dead_lettered();
                    let letter = |queue: &String| (queue.clone(), Message::new(input.clone(), BTreeMap::new()));
                    self.cloud.queues().send(schedule.dead_letters.iter().map(letter).collect(), Vec::new())?;
                    return Err(BusError::Schedule { schedule: name.to_owned(), reason });
                }
            }
        }
    }

    /// The keys of all schedules.
    pub fn schedules(&self) -> impl Iterator<Item = &str> {
        self.schedules.keys().map(String::as_str)
    }

    fn is_idle(&self) -> Result<bool, StateError> {
        if self.cloud.activity().is_running() || self.queues.iter().any(|queue| self.cloud.queues().depth(queue) > 0) {
            return Ok(false);
        }
        for source in &self.sources {
            if !is_caught_up(&self.cloud, source)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn handler(&self, function: &str) -> Result<Handler, BusError> {
        self.handlers.get(function).map(Arc::clone).ok_or_else(|| BusError::NoHandler(function.to_owned()))
    }

    fn queue_worker(&self, wiring: &Wiring, source: &QueueSource) -> Result<QueueWorker, BusError> {
        let queue = wiring.queues.iter().find(|queue| queue.name == source.queue);
        let redrive = queue.and_then(|queue| queue.redrive.as_ref());
        Ok(QueueWorker {
            cloud: self.cloud.clone(),
            queue: source.queue.clone(),
            envelope: Envelope::SqsBatch { reports_failures: source.reports_failures },
            batch_size: source.batch_size,
            max_receives: redrive.map(|redrive| redrive.max_receives),
            dead_letters: redrive.map(|redrive| redrive.queue.clone()),
            handler: self.handler(&source.function)?,
            deliveries: self.deliveries,
            counts: Arc::clone(&self.counts),
        })
    }

    fn rule_worker(&self, rule: &RuleWiring) -> Result<QueueWorker, BusError> {
        Ok(QueueWorker {
            cloud: self.cloud.clone(),
            queue: rule_queue(rule),
            envelope: Envelope::Body,
            batch_size: 1,
            max_receives: Some(ASYNCHRONOUS_ATTEMPTS),
            dead_letters: rule.dead_letters.clone(),
            handler: self.handler(&rule.function)?,
            deliveries: self.deliveries,
            counts: Arc::clone(&self.counts),
        })
    }
}

fn declare(wiring: &Wiring, cloud: &Cloud) -> Result<(), StateError> {
    for queue in &wiring.queues {
        cloud.queues().declare(&queue.name)?;
    }
    for topic in &wiring.topics {
        cloud.sns().declare_topic(topic)?;
    }
    for each in &wiring.subscriptions {
        cloud.sns().declare_subscription(&each.topic, &each.name, &each.queue, each.attributes.clone())?;
    }
    for rule in &wiring.rules {
        cloud.queues().declare(&rule_queue(rule))?;
    }
    let rule = |rule: &RuleWiring| Rule { pattern: rule.pattern.clone(), queue: rule_queue(rule) };
    cloud.set_rules(wiring.rules.iter().map(rule).collect());
    Ok(())
}

/// The queue in which Lambda keeps a rule's asynchronous invocations.
fn rule_queue(rule: &RuleWiring) -> String {
    format!("rule:{}", rule.name)
}

/// Small, since nobody waits for a laptop to recover: 20 ms doubling to about a second.
fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(10) * 2_u32.pow(attempt.clamp(1, 7))
}

/// Waits until something moves, or until a hidden message becomes visible.
async fn wait_for_work(moves: &mut watch::Receiver<u64>, visible: Option<Instant>) {
    let Some(visible) = visible else {
        let _moved = moves.changed().await;
        return;
    };
    tokio::select! {
        _ = moves.changed() => {}
        () = tokio::time::sleep_until(visible.into()) => {}
    }
}
