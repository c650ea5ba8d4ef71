//! Declares a function's handlers; each modifier after a route speaks of that route.

use std::future::Future;
use std::sync::{Arc, LazyLock};

use contract::events::EventType;
use domain::base::authorization::Action;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Erased, Function, Responder};
use crate::answer::{Answer, File, Outgoing};
use crate::call::Call;
use crate::events::{AwsEvent, Failure, Heard, StreamBatch, StreamFailure, Tick, parse, poison};
use crate::host::Host;
use crate::identity::RoleGroups;
use crate::problem::Problem;
use crate::routes::{AnswerSpec, Method, RouteSpec, SchemaOf};
use crate::shape::{Shape, StrayList};

/// An `async fn(Arc<S>, I) -> O`: a name for the bound, so that routes can be declared with their types spelt out.
pub trait Handler<S, I, O>: Send + Sync + 'static {
    /// Begins the work.
    fn begin(&self, state: Arc<S>, input: I) -> impl Future<Output = O> + Send + 'static;
}

impl<S, I, O, F, Fut> Handler<S, I, O> for F
where
    F: Fn(Arc<S>, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = O> + Send + 'static,
{
    fn begin(&self, state: Arc<S>, input: I) -> impl Future<Output = O> + Send + 'static {
        self(state, input)
    }
}

/// A function under declaration.
pub struct Builder<S> {
    state: Arc<S>,
    function: Function,
}

impl<S: Send + Sync + 'static> Builder<S> {
    pub(super) fn new(name: &'static str, state: Arc<S>, host: Host) -> Self {
        let function = Function {
            name,
            routes: Vec::new(),
            responders: Vec::new(),
            events: std::collections::BTreeMap::new(),
            schedules: std::collections::BTreeMap::new(),
            aws_events: std::collections::BTreeMap::new(),
            stream: None,
            roles: RoleGroups::from_env(&host.env),
            host,
            noted: crate::people::Noted::default(),
        };
        Self { state, function }
    }

    /// A read.
    #[must_use]
    pub fn get<T: Serialize + JsonSchema + 'static>(
        self,
        path: &'static str,
        action: Action,
        handler: impl Handler<S, Call<()>, Result<Answer<T>, Problem>>,
    ) -> Self {
        let respond =
            erase(&self.state, Arc::new(handler), |call: Call<Value>| Ok(call.with_body(()).0), Outgoing::json);
        self.route(Method::Get, path, Some(action), None, AnswerSpec::Json(schema_of::<T>), Responder::Call(respond))
    }

    /// A read that answers a file.
    #[must_use]
    pub fn get_file(
        self,
        path: &'static str,
        action: Action,
        handler: impl Handler<S, Call<()>, Result<File, Problem>>,
    ) -> Self {
        let out = |file| Ok(Outgoing::file(file));
        let respond = erase(&self.state, Arc::new(handler), |call: Call<Value>| Ok(call.with_body(()).0), out);
        self.route(Method::Get, path, Some(action), None, AnswerSpec::File, Responder::Call(respond))
    }

    /// A creation or transition.
    #[must_use]
    pub fn post<B, T>(
        self,
        path: &'static str,
        action: Action,
        handler: impl Handler<S, Call<B>, Result<Answer<T>, Problem>>,
    ) -> Self
    where
        B: DeserializeOwned + JsonSchema + Send + 'static,
        T: Serialize + JsonSchema + 'static,
    {
        self.write(Method::Post, path, action, handler)
    }

    /// A write of a thing as a whole.
    #[must_use]
    pub fn put<B, T>(
        self,
        path: &'static str,
        action: Action,
        handler: impl Handler<S, Call<B>, Result<Answer<T>, Problem>>,
    ) -> Self
    where
        B: DeserializeOwned + JsonSchema + Send + 'static,
        T: Serialize + JsonSchema + 'static,
    {
        self.write(Method::Put, path, action, handler)
    }

    /// The one public route: a JSON document that needs no token.
    #[must_use]
    pub fn public_document(self, path: &'static str, json: &'static str) -> Self {
        self.route(Method::Get, path, None, None, AnswerSpec::Document, Responder::Document(json))
    }

    /// Says in one line what the route just declared is for.
    #[must_use]
    pub fn summary(mut self, summary: &'static str) -> Self {
        self.function.routes.iter_mut().last().into_iter().for_each(|route| route.summary = summary);
        self
    }

    /// Says that the route just declared answers by pages: it knows `limit` and `cursor`.
    #[must_use]
    pub fn paged(mut self) -> Self {
        self.function.routes.iter_mut().last().into_iter().for_each(|route| route.is_paged = true);
        self
    }

    /// Names the query parameters of the route just declared; any other is refused.
    #[must_use]
    pub fn query(mut self, names: &'static [&'static str]) -> Self {
        self.function.routes.iter_mut().last().into_iter().for_each(|route| route.query = names);
        self
    }

    /// Says with which status the route just declared succeeds, where it is not 200.
    #[must_use]
    pub fn answers(mut self, status: u16) -> Self {
        self.function.routes.iter_mut().last().into_iter().for_each(|route| route.success = status);
        self
    }

    /// Consumes governance events of these types; any other that reaches the function is set aside.
    #[must_use]
    pub fn on_events(mut self, types: &[EventType], handler: impl Handler<S, Heard, Result<(), Failure>>) -> Self {
        let (state, handler) = (Arc::clone(&self.state), Arc::new(handler));
        for kind in types {
            let (state, handler) = (Arc::clone(&state), Arc::clone(&handler));
            let erased: Erased<Heard, Result<(), Failure>> =
                Box::new(move |heard| Box::pin(handler.begin(Arc::clone(&state), heard)));
            self.function.events.insert(*kind, erased);
        }
        self
    }

    /// Runs when the schedule of this name is due. What it answers is the invocation's result.
    #[must_use]
    pub fn on_schedule<R: Serialize>(
        mut self,
        name: &'static str,
        handler: impl Handler<S, Tick, Result<R, Failure>>,
    ) -> Self {
        let (state, handler) = (Arc::clone(&self.state), Arc::new(handler));
        let erased: Erased<Tick, Result<Value, Failure>> = Box::new(move |tick| {
            let done = handler.begin(Arc::clone(&state), tick);
            Box::pin(async move { result_of(done.await) })
        });
        self.function.schedules.insert(name, erased);
        self
    }

    /// Reacts to AWS's own events of this detail type.
    #[must_use]
    pub fn on_aws_event<D: DeserializeOwned + Send + 'static, R: Serialize>(
        mut self,
        detail_type: &'static str,
        handler: impl Handler<S, AwsEvent<D>, Result<R, Failure>>,
    ) -> Self {
        let (state, handler) = (Arc::clone(&self.state), Arc::new(handler));
        let erased: Erased<AwsEvent<Value>, Result<Value, Failure>> = Box::new(move |event| {
            let (state, handler) = (Arc::clone(&state), Arc::clone(&handler));
            Box::pin(async move {
                let AwsEvent { detail_type, source, detail, cause } = event;
                let detail = parse("detail", &detail)?;
                let event = AwsEvent { detail_type, source, detail, cause };
                result_of(handler.begin(state, event).await)
            })
        });
        self.function.aws_events.insert(detail_type, erased);
        self
    }

    /// Receives the table's stream.
    #[must_use]
    pub fn on_stream(mut self, handler: impl Handler<S, StreamBatch, Result<(), StreamFailure>>) -> Self {
        let state = Arc::clone(&self.state);
        let erased: Erased<StreamBatch, Result<(), StreamFailure>> =
            Box::new(move |batch| Box::pin(handler.begin(Arc::clone(&state), batch)));
        self.function.stream = Some(erased);
        self
    }

    /// The function.
    #[must_use]
    pub fn build(self) -> Function {
        self.function
    }

    fn write<B, T>(
        self,
        method: Method,
        path: &'static str,
        action: Action,
        handler: impl Handler<S, Call<B>, Result<Answer<T>, Problem>>,
    ) -> Self
    where
        B: DeserializeOwned + JsonSchema + Send + 'static,
        T: Serialize + JsonSchema + 'static,
    {
        let shape = LazyLock::new(Shape::of::<B>);
        let respond = erase(&self.state, Arc::new(handler), move |call| parsed::<B>(&shape, call), Outgoing::json);
        let answer = AnswerSpec::Json(schema_of::<T>);
        self.route(method, path, Some(action), Some(schema_of::<B>), answer, Responder::Call(respond))
    }

    fn route(
        mut self,
        method: Method,
        path: &'static str,
        action: Option<Action>,
        body: Option<SchemaOf>,
        answer: AnswerSpec,
        responder: Responder,
    ) -> Self {
        let function = self.function.name;
        let spec = RouteSpec {
            method,
            path,
            function,
            action,
            summary: "",
            query: &[],
            is_paged: false,
            body,
            answer,
            success: 200,
        };
        self.function.routes.push(spec);
        self.function.responders.push(responder);
        self
    }
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A typed handler as one that takes and gives the same types as every other.
fn erase<S, I, O, H>(
    state: &Arc<S>,
    handler: Arc<H>,
    read: impl Fn(Call<Value>) -> Result<I, Problem> + Send + Sync + 'static,
    out: fn(O) -> Result<Outgoing, Problem>,
) -> Erased<Call<Value>, Result<Outgoing, Problem>>
where
    S: Send + Sync + 'static,
    I: Send + 'static,
    O: 'static,
    H: Handler<S, I, Result<O, Problem>>,
{
    let state = Arc::clone(state);
    Box::new(move |call| {
        let (state, handler) = (Arc::clone(&state), Arc::clone(&handler));
        let input = read(call);
        Box::pin(async move { out(handler.begin(state, input?).await?) })
    })
}

fn parsed<B: DeserializeOwned>(shape: &Shape, call: Call<Value>) -> Result<Call<B>, Problem> {
    let (call, body) = call.with_body(());
    if !body.is_object() {
        return Err(Problem::invalid("the body must be a JSON object"));
    }
    if let Err(StrayList { path }) = shape.check(&body) {
        return Err(Problem::invalid(format!("`{path}`: a list stands where the route's schema has none")));
    }
    let body = serde_path_to_error::deserialize(body).map_err(|error| match error.path().to_string().as_str() {
        "." => Problem::invalid(error.inner().to_string()),
        path => Problem::invalid(format!("`{path}`: {}", error.inner())),
    })?;
    Ok(call.with_body(body).0)
}

fn result_of<R: Serialize>(done: Result<R, Failure>) -> Result<Value, Failure> {
    serde_json::to_value(done?).map_err(|error| poison(&format!("the result cannot be written as JSON: {error}")))
}
