//! A function: its routes and handlers, and the one entry through which every event reaches them.
//!
//! Handlers are declared with [`Builder`]. [`Function::handle`] is the same on Lambda, in the local stack and in tests.

mod builder;
mod deliver;
mod serve;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use contract::events::EventType;
use serde_json::Value;

pub use builder::{Builder, Handler};

use crate::answer::Outgoing;
use crate::call::Call;
use crate::environment::EnvironmentError;
use crate::events::{AwsEvent, Failure, Heard, Inbound, StreamBatch, StreamFailure, Tick, poison};
use crate::host::Host;
use crate::identity::RoleGroups;
use crate::problem::Problem;
use crate::routes::RouteSpec;

/// A future of unknown type.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Erased<I, O> = Box<dyn Fn(I) -> Boxed<O> + Send + Sync>;

enum Responder {
    Call(Erased<Call<Value>, Result<Outgoing, Problem>>),
    Document(&'static str),
}

/// One Lambda function.
pub struct Function {
    /// Its name: the crate's, the binary's and the template's.
    pub name: &'static str,
    /// The routes it owns.
    pub routes: Vec<RouteSpec>,
    responders: Vec<Responder>,
    events: BTreeMap<EventType, Erased<Heard, Result<(), Failure>>>,
    schedules: BTreeMap<&'static str, Erased<Tick, Result<Value, Failure>>>,
    aws_events: BTreeMap<&'static str, Erased<AwsEvent<Value>, Result<Value, Failure>>>,
    stream: Option<Erased<StreamBatch, Result<(), StreamFailure>>>,
    roles: Result<RoleGroups, EnvironmentError>,
    host: Host,
    noted: crate::people::Noted,
}

impl Function {
    /// Begins a function's declaration. `state` is what its handlers share.
    #[must_use]
    pub fn builder<S: Send + Sync + 'static>(name: &'static str, state: std::sync::Arc<S>, host: Host) -> Builder<S> {
        Builder::new(name, state, host)
    }

    /// Handles one event of any kind.
    ///
    /// API calls always have an answer. Batches answer which of their records are to be delivered again.
    ///
    /// # Errors
    /// [`Failure`] for everything else that is not done, and for a kind of event that this function does not know: the
    /// sender delivers it again and at last puts it into the failure queue.
    pub async fn handle(&self, event: &Value) -> Result<Value, Failure> {
        match Inbound::of(event) {
            Inbound::Gateway(request) => Ok(Box::pin(self.serve(request)).await),
            Inbound::Queue(records) => Ok(self.consume(records).await),
            Inbound::Stream(records) => self.relay(records).await,
            Inbound::Aws { detail_type, event } => self.react(detail_type, event).await,
            Inbound::Schedule { name, event } => self.tick(name, event).await,
            Inbound::Unknown => {
                tracing::error!(function = self.name, "an event of unknown shape was refused");
                Err(poison("this is no event that the function knows; it is called by its triggers only"))
            }
        }
    }

    /// The types of governance events it consumes.
    pub fn event_types(&self) -> impl Iterator<Item = EventType> {
        self.events.keys().copied()
    }

    /// The schedules it runs on.
    pub fn schedule_names(&self) -> impl Iterator<Item = &'static str> {
        self.schedules.keys().copied()
    }

    /// The detail types of AWS's own events that it reacts to.
    pub fn aws_event_types(&self) -> impl Iterator<Item = &'static str> {
        self.aws_events.keys().copied()
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).field("routes", &self.routes.len()).finish_non_exhaustive()
    }
}

/// What a function crate's `function` returns: a function, or why it cannot start half-configured.
pub trait Start {
    /// The function, if everything it needs is there.
    ///
    /// # Errors
    /// When a setting is unset or broken.
    fn start(self) -> anyhow::Result<Function>;
}

impl Start for Function {
    fn start(self) -> anyhow::Result<Function> {
        match &self.roles {
            Ok(_) => Ok(self),
            Err(error) => Err(error.clone().into()),
        }
    }
}

impl<E: Into<anyhow::Error>> Start for Result<Function, E> {
    fn start(self) -> anyhow::Result<Function> {
        self.map_err(Into::into)?.start()
    }
}
