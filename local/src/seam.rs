//! The seam between the functions and AWS: what becomes of each call is decided here, one call at a time.
//!
//! Without a director every call passes. With one, a call may be throttled, conflict, time out after it took effect,
//! ask an index that lags, or be the last thing that its process did. What a function's policies do not allow is
//! refused in either case. A killed invocation is dropped where it stands, with the tasks that it spawned, as a
//! killed process would be: nothing of it runs on, and its sender delivers the event again. The seam knows nothing of
//! the product; which call is struck how is the director's to say, so that one seam serves a single crash as well as
//! a simulation of years.

use std::fmt;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::result::ConnectorError;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;
use tokio::sync::Notify;

use crate::cloud::{Caller, Cloud, Fault, Protocol, http_client_over};
use crate::permissions::Permissions;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fate {
    /// It is answered.
    #[default]
    Pass,
    /// The process ends before AWS hears of it.
    DieBefore,
    /// AWS does it, and the process ends before it hears the answer.
    DieAfter,
    /// AWS refuses for now.
    Throttle,
    /// AWS does it, and the answer never arrives.
    TimeOutAfter,
    /// Another transaction is at work on the same items; calls that are no transaction pass.
    Conflict,
    /// The index that is asked has not heard of anything yet, as one may lag behind its table; other calls pass.
    Lag,
}

/// A call of AWS by a function.
#[derive(Debug, Clone, Copy)]
pub struct AwsCall<'c> {
    /// The function whose invocation it belongs to; empty outside of one, as while a function starts.
    pub function: &'static str,
    /// The signing name of the service: `dynamodb`, `s3`, `athena` …
    pub service: &'c str,
    /// The operation as its protocol names it: `TransactWriteItems`; for S3 the method.
    pub operation: &'c str,
    /// The request itself.
    pub request: &'c Request<Bytes>,
}

impl AwsCall<'_> {
    /// Whether it changes anything: a process that dies at a call which does not leaves what the call before left.
    #[must_use]
    pub fn has_effect(&self) -> bool {
        !["Get", "BatchGet", "Query", "List", "Describe", "GET", "HEAD"]
            .iter()
            .any(|verb| self.operation.starts_with(verb))
    }
}

/// Decides about each call, in the order in which they are made.
pub type Director = Arc<dyn Fn(AwsCall<'_>) -> Fate + Send + Sync>;

/// The seam; cheap to clone.
#[derive(Clone, Default)]
pub struct Seam {
    director: Option<Director>,
    running: Arc<Mutex<Vec<Invocation>>>,
}

impl fmt::Debug for Seam {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Seam").field("is_directed", &self.director.is_some()).finish()
    }
}

/// The invocation that a call belongs to.
#[derive(Clone)]
struct Invocation {
    function: &'static str,
    killed: Arc<Notify>,
}

/// An invocation that is one of those running until this is dropped.
struct Entered<'s> {
    seam: &'s Seam,
    invocation: Invocation,
}

tokio::task_local! {
    static INVOCATION: Invocation;
}

impl Seam {
    /// A seam at which this director decides.
    #[must_use]
    pub fn directed(director: Director) -> Self {
        Self { director: Some(director), running: Arc::default() }
    }

    /// Runs an invocation; nothing is answered if it was killed.
    pub(crate) async fn invoke<T>(&self, function: &'static str, work: impl Future<Output = T>) -> Option<T> {
        let invocation = Invocation { function, killed: Arc::default() };
        self.running().push(invocation.clone());
        let entered = Entered { seam: self, invocation };
        tokio::select! {
            biased;
            () = entered.invocation.killed.notified() => None,
            done = INVOCATION.scope(entered.invocation.clone(), work) => Some(done),
        }
    }

    /// The HTTP client of a function.
    pub(crate) fn http_client(
        &self,
        function: &'static str,
        cloud: &Cloud,
        permissions: &Arc<Permissions>,
    ) -> SharedHttpClient {
        let director = self.director.clone().unwrap_or_else(|| Arc::new(|_| Fate::Pass));
        let (seam, cloud, permissions) = (self.clone(), cloud.clone(), Arc::clone(permissions));
        http_client_over(Arc::new(move |request| {
            let invocations = seam.behind_a_call_of(function);
            let invoked = invocations.first().map_or("", |invocation| invocation.function);
            let verdict = judge(&director, &permissions, invoked, &request, &cloud);
            let cloud = cloud.clone();
            Box::pin(async move {
                match verdict {
                    Ok((fate, protocol)) => suffer(fate, protocol, &invocations, request, &cloud).await,
                    Err((protocol, fault)) => Ok(protocol.refuse(&fault)),
                }
            })
        }))
    }

    /// The invocation that makes a call. A task that it spawned does not say which one that is: then all of its
    /// function, as one process would hold them.
    fn behind_a_call_of(&self, function: &'static str) -> Vec<Invocation> {
        INVOCATION
            .try_with(|own| vec![own.clone()])
            .unwrap_or_else(|_| self.running().iter().filter(|running| running.function == function).cloned().collect())
    }

    fn running(&self) -> MutexGuard<'_, Vec<Invocation>> {
        // Nothing panics while it holds the lock.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.seam.running().retain(|running| !Arc::ptr_eq(&running.killed, &self.invocation.killed));
    }
}

/// What becomes of a call, or that its function may not make it.
fn judge(
    director: &Director,
    permissions: &Permissions,
    function: &'static str,
    request: &Request<Bytes>,
    cloud: &Cloud,
) -> Result<(Fate, Protocol), (Protocol, Fault)> {
    let caller = Caller::of(request, cloud.account());
    let service = caller.as_ref().map_or("", |caller| caller.service.as_str());
    let protocol = Protocol::of(service);
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    let named = target.and_then(|target| target.rsplit('.').next());
    let in_form = || {
        let text = std::str::from_utf8(request.body()).ok()?;
        text.split('&').find_map(|pair| pair.strip_prefix("Action="))
    };
    let operation = named.or_else(in_form).unwrap_or_else(|| request.method().as_str());
    if let Some(why) = caller.as_ref().and_then(|caller| permissions.lacking(function, caller, operation, request)) {
        tracing::error!(function, why, "the template does not allow a call");
        let code = if service == "dynamodb" { "AccessDeniedException" } else { "AccessDenied" };
        return Err((protocol, Fault::new(403, code, why)));
    }
    let fate = director(AwsCall { function, service, operation, request });
    let applies = match fate {
        Fate::Conflict => operation == "TransactWriteItems",
        Fate::Lag => operation == "Query" && std::str::from_utf8(request.body()).is_ok_and(|b| b.contains("IndexName")),
        _ => true,
    };
    Ok((if applies { fate } else { Fate::Pass }, protocol))
}

async fn suffer(
    fate: Fate,
    protocol: Protocol,
    invocations: &[Invocation],
    request: Request<Bytes>,
    cloud: &Cloud,
) -> Result<Response<Bytes>, ConnectorError> {
    match fate {
        Fate::Pass => Ok(cloud.call(request).await),
        Fate::DieBefore => die(invocations).await,
        Fate::DieAfter => {
            cloud.call(request).await;
            die(invocations).await
        }
        Fate::Throttle => Ok(protocol.refuse(&throttled(protocol))),
        Fate::TimeOutAfter => {
            cloud.call(request).await;
            Err(ConnectorError::timeout("the answer did not arrive".into()))
        }
        Fate::Conflict => Ok(conflict()),
        Fate::Lag => Ok(nothing_yet()),
    }
}

/// Ends the invocations; what waits for the answer waits until it is dropped.
async fn die(invocations: &[Invocation]) -> Result<Response<Bytes>, ConnectorError> {
    if invocations.is_empty() {
        return Err(ConnectorError::io("there is no invocation to kill: the connection broke".into()));
    }
    invocations.iter().for_each(|invocation| invocation.killed.notify_one());
    pending().await
}

fn throttled(protocol: Protocol) -> Fault {
    match protocol {
        Protocol::AwsJson => Fault::new(400, "ThrottlingException", "Rate exceeded"),
        Protocol::RestJson => Fault::new(429, "ThrottlingException", "Rate exceeded"),
        Protocol::Query => Fault::new(400, "Throttling", "Rate exceeded"),
        Protocol::S3 => Fault::new(503, "SlowDown", "Please reduce your request rate."),
    }
}

/// What an index answers before it hears of anything.
fn nothing_yet() -> Response<Bytes> {
    let body = json!({ "Items": [], "Count": 0, "ScannedCount": 0 });
    crate::cloud::json_answer(200, "application/x-amz-json-1.0", &body)
}

/// What DynamoDB answers when another transaction holds one of the items.
fn conflict() -> Response<Bytes> {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons \
         [TransactionConflict]",
        "CancellationReasons": [{ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" }],
    });
    crate::cloud::json_answer(400, "application/x-amz-json-1.0", &body)
}
