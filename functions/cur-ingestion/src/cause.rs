//! What a step is done on behalf of: a person's call, a tick, an AWS event or a governance event.

use domain::base::people::Actor;
use domain::spend::bill::run::Asker;
use jiff::Timestamp;
use lambda::{AwsEvent, Call, Event, Tick};
use store::Transaction;
use store::idempotency::IdempotencyKey;

/// Who, when, and under which id the audit log names it.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    pub(crate) actor: Actor,
    pub(crate) now: Timestamp,
    pub(crate) request_id: String,
    pub(crate) asked: Asked,
}

/// Whether a person asks, who may try again what failed as often as they like.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// A Lead, perhaps with a key for the answer.
    ByPerson(Option<IdempotencyKey>),
    /// One of the product's jobs.
    ByJob,
}

impl Asked {
    pub(crate) const fn asker(&self) -> Asker {
        match self {
            Self::ByPerson(_) => Asker::Person,
            Self::ByJob => Asker::Job,
        }
    }
}

impl Cause {
    pub(crate) fn of_call<B>(call: &Call<B>) -> Self {
        Self {
            actor: call.actor.clone(),
            now: call.now,
            request_id: call.request_id.clone(),
            asked: Asked::ByPerson(call.idempotency.clone()),
        }
    }

    pub(crate) fn of_tick(tick: &Tick) -> Self {
        Self::of_job(&tick.actor, tick.now, &tick.request_id)
    }

    pub(crate) fn of_aws_event<D>(event: &AwsEvent<D>) -> Self {
        Self::of_job(&event.actor, event.now, &event.request_id)
    }

    pub(crate) fn of_event<E>(event: &Event<E>) -> Self {
        Self::of_job(&event.actor, event.now, &event.request_id)
    }

    fn of_job(actor: &Actor, now: Timestamp, request_id: &str) -> Self {
        Self { actor: actor.clone(), now, request_id: request_id.to_owned(), asked: Asked::ByJob }
    }

    /// What follows from the call is a job's doing: it keeps no answer.
    pub(crate) fn as_job(&self) -> Self {
        Self { actor: Actor::system("cur-ingestion"), asked: Asked::ByJob, ..self.clone() }
    }

    pub(crate) fn transaction(&self) -> Transaction {
        Transaction::new(&self.actor, self.now, &self.request_id)
    }
}
