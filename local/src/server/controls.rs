//! What only the local stack can do: issue tokens, run schedules, set the clock, wait for quiet, show messages.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use lambda::Query;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clock::{ClockError, ProductClock};
use crate::gateway::reply;
use crate::tokens::{Identity, Tokens};

/// A part of the stack, as something to be asked.
pub type Handle<I> = Arc<dyn Fn(I) -> Pin<Box<dyn Future<Output = Result<Value, ControlError>> + Send>> + Send + Sync>;

/// Why a control did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// There is no such schedule, say.
    #[error("{0}")]
    Unknown(String),
    /// It was asked in a way that cannot be done.
    #[error("{0}")]
    Refused(String),
    /// It was tried and failed.
    #[error("{0}")]
    Failed(String),
}

/// The controls and what stands behind each.
#[derive(Clone)]
pub struct Controls {
    /// Issues tokens.
    pub tokens: Arc<Tokens>,
    /// The product's clock.
    pub clock: ProductClock,
    /// Where the emulated AWS services answer the AWS CLI.
    pub aws_url: String,
    /// Runs a schedule, by its name, as due at a time; answers what the function did.
    pub run_schedule: Handle<(String, Timestamp)>,
    /// Waits until no event is in flight; answers `{delivered, retried, deadLettered}`.
    pub settle: Handle<()>,
    /// What people were sent, to one address or all: a list.
    pub messages: Handle<Option<String>>,
    /// Whether the demo has played to its end.
    pub is_ready: Arc<AtomicBool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Due {
    now: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Now {
    now: Timestamp,
}

impl Controls {
    /// Answers a control; `path` is what follows `/_local/`.
    pub(super) async fn call(&self, path: &str, request: &Request<Bytes>) -> Response<Bytes> {
        if let Some(refusal) = refuse_forms(request) {
            return refusal;
        }
        let answer = match (request.method(), path) {
            (&Method::GET, "health") => return self.health(),
            (&Method::GET, "endpoints") => Ok(json!({ "aws": self.aws_url })),
            (&Method::GET, "messages") => self.show_messages(request).await,
            (&Method::POST, "tokens") => self.issue_token(request),
            (&Method::POST, "clock") => self.set_clock(request),
            (&Method::POST, "settle") => (self.settle)(()).await,
            (&Method::POST, path) => match path.strip_prefix("schedules/") {
                Some(schedule) => self.run(schedule, request).await,
                None => Err(unknown(path)),
            },
            (_, path) => Err(unknown(path)),
        };
        match answer {
            Ok(body) => reply::json(body.to_string()),
            Err(ControlError::Unknown(why)) => reply::message(StatusCode::NOT_FOUND, &why),
            Err(ControlError::Refused(why)) => reply::message(StatusCode::UNPROCESSABLE_ENTITY, &why),
            Err(ControlError::Failed(why)) => reply::message(StatusCode::INTERNAL_SERVER_ERROR, &why),
        }
    }

    fn health(&self) -> Response<Bytes> {
        if self.is_ready.load(Ordering::SeqCst) {
            return reply::json(json!({ "status": "ready" }).to_string());
        }
        reply::with_status(StatusCode::SERVICE_UNAVAILABLE, reply::json(json!({ "status": "starting" }).to_string()))
    }

    fn issue_token(&self, request: &Request<Bytes>) -> Result<Value, ControlError> {
        let identity: Identity = body(request)?;
        let token = self.tokens.issue(&identity).map_err(|error| ControlError::Failed(error.to_string()))?;
        Ok(json!({ "token": token }))
    }

    fn set_clock(&self, request: &Request<Bytes>) -> Result<Value, ControlError> {
        let Now { now } = body(request)?;
        self.clock.set(now).map_err(|error| clock_error(&error))?;
        Ok(json!({ "now": self.clock.now() }))
    }

    /// A time that is given is when the schedule is due; if it lies ahead, the clock goes there first.
    async fn run(&self, schedule: &str, request: &Request<Bytes>) -> Result<Value, ControlError> {
        let Due { now } = if request.body().is_empty() { Due { now: None } } else { body(request)? };
        if let Some(ahead) = now.filter(|now| *now > self.clock.now()) {
            self.clock.set(ahead).map_err(|error| clock_error(&error))?;
        }
        let due = now.unwrap_or_else(|| self.clock.now());
        let result = (self.run_schedule)((schedule.to_owned(), due)).await?;
        self.clock.note_write().map_err(|error| clock_error(&error))?;
        Ok(json!({ "schedule": schedule, "scheduledTime": due, "result": result }))
    }

    async fn show_messages(&self, request: &Request<Bytes>) -> Result<Value, ControlError> {
        let query = Query::parse(request.uri().query().unwrap_or(""));
        let query = query.map_err(|problem| ControlError::Refused(problem.detail))?;
        let items = (self.messages)(query.get("to").map(str::to_owned)).await?;
        Ok(json!({ "items": items }))
    }
}

impl fmt::Debug for Controls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controls").field("aws_url", &self.aws_url).finish_non_exhaustive()
    }
}

/// Refuses what a form of a web page can send as JSON without asking first. The third type of forms is what curl sends
/// where it is told none; as a form writes it, it is never JSON.
fn refuse_forms(request: &Request<Bytes>) -> Option<Response<Bytes>> {
    let content_type = request.headers().get(CONTENT_TYPE)?.to_str().unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(essence.as_str(), "text/plain" | "multipart/form-data").then(|| {
        let text = "a form may not control this stack; send JSON as `content-type: application/json`";
        reply::message(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)
    })
}

fn body<T: DeserializeOwned>(request: &Request<Bytes>) -> Result<T, ControlError> {
    serde_json::from_slice(request.body()).map_err(|error| ControlError::Refused(format!("the body: {error}")))
}

fn unknown(path: &str) -> ControlError {
    let path: String = path.chars().take(60).collect();
    ControlError::Unknown(format!("there is no `/_local/{path}`; the README lists those that are"))
}

fn clock_error(error: &ClockError) -> ControlError {
    match error {
        ClockError::Backward { .. } => ControlError::Refused(error.to_string()),
        ClockError::File { .. } => ControlError::Failed(error.to_string()),
    }
}
