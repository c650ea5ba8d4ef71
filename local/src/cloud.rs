//! AWS in this process: the few services that the product calls, each answering in its own protocol.
//!
//! One seam: [`Cloud::call`] takes a signed HTTP request and routes it by the credential scope. The SDK clients reach
//! it through [`Cloud::http_client`] without sockets, the AWS CLI through [`Cloud::serve`] on loopback. Accounts are
//! not registered anywhere: the access key names one (see `caller`), and every 12-digit account exists.
//!
//! Everything is durable under [`CloudConfig::data`], or in memory without it. What services do on their own (queues to
//! functions, streams, schedules) is the [`bus`](crate::bus)'s.

mod activity;
mod answer;
mod bedrock;
mod caller;
mod dynamodb;
mod events;
mod iam;
mod meter;
pub(crate) mod pattern;
mod query;
pub(crate) mod queue;
mod s3;
mod sns;
mod sqs;
pub(crate) mod state;
mod sts;

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::net::TcpListener;

pub use self::activity::{Activity, Running};
pub use self::caller::{Caller, SECRET_ACCESS_KEY};
pub use self::meter::{Consumed, Meter};
pub use self::queue::Message;
pub use self::s3::CUR_BUCKET;
pub(crate) use self::s3::Object;
pub use self::sns::Sent;
pub use self::state::StateError;

pub(crate) use self::answer::{Fault, Protocol, json_answer};
pub(crate) use self::events::Rule;
pub(crate) use self::sqs::md5_hex;

use self::bedrock::Bedrock;
use self::dynamodb::DynamoDb;
use self::events::Events;
use self::iam::Iam;
use self::query::Form;
use self::queue::Queues;
use self::s3::S3;
use self::sns::Sns;
use self::sqs::Sqs;
use self::state::State;
use self::sts::Sts;
use crate::doorway::{self, Unread};

/// The hub account of a stack that was not told another.
pub const HUB_ACCOUNT: &str = "111122223333";

/// Above every service's own limit on a request.
const MAX_REQUEST_BYTES: usize = 64 * 1024 * 1024;

/// A future on the heap, for the seams that are closures.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// A service that lives elsewhere in this crate: Athena.
pub type Service = Arc<dyn Fn(Request<Bytes>) -> BoxFuture<Response<Bytes>> + Send + Sync>;
/// The product's clock.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What people do with the mail that asks them to confirm a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mailboxes {
    /// Click the link at once.
    #[default]
    Confirm,
    /// Wait for `ConfirmSubscription`.
    Wait,
}

/// How a cloud is set up.
#[derive(Clone)]
pub struct CloudConfig {
    /// Where everything is kept; in memory (objects in a temporary folder) if there is none.
    pub data: Option<PathBuf>,
    /// A CUR export to mount read-only as [`CUR_BUCKET`].
    pub cur: Option<PathBuf>,
    /// The hub's region.
    pub region: String,
    /// The hub's account.
    pub account: String,
    /// The product's clock, for what the services date.
    pub clock: Now,
    /// Who confirms e-mail subscriptions.
    pub mailboxes: Mailboxes,
}

impl Default for CloudConfig {
    fn default() -> Self {
        Self {
            data: None,
            cur: None,
            region: "us-east-1".to_owned(),
            account: HUB_ACCOUNT.to_owned(),
            clock: Arc::new(Timestamp::now),
            mailboxes: Mailboxes::default(),
        }
    }
}

/// Why a cloud did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder cannot be made, written or linked.
    #[error("the folder `{}` cannot be used: give a writable folder", path.display())]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A database does not open.
    #[error("the data in `{}` does not open: give another folder, or end the process that uses it", path.display())]
    Data {
        /// Which folder.
        path: PathBuf,
        /// What the engine said.
        #[source]
        source: StateError,
    },
    /// A shipped Bedrock catalog does not parse.
    #[error("a shipped Bedrock catalog does not parse")]
    Catalog(#[from] serde_json::Error),
}

/// The emulated AWS; cheap to clone.
#[derive(Clone)]
pub struct Cloud {
    inner: Arc<Inner>,
}

struct Inner {
    region: String,
    account: String,
    clock: Now,
    activity: Activity,
    state: Arc<State>,
    queues: Arc<Queues>,
    dynamodb: DynamoDb,
    s3: S3,
    sns: Sns,
    sqs: Sqs,
    iam: Iam,
    sts: Sts,
    bedrock: Bedrock,
    events: Events,
    athena: OnceLock<Service>,
    objects: PathBuf,
    /// Deletes the objects of an in-memory cloud with it.
    _scratch: Option<tempfile::TempDir>,
}

impl Cloud {
    /// Opens the databases and folders.
    ///
    /// # Errors
    /// When a folder cannot be written or holds what this version cannot read.
    pub fn start(config: CloudConfig) -> Result<Self, StartError> {
        let CloudConfig { data, cur, region, account, clock, mailboxes } = config;
        let scratch = match &data {
            Some(_) => None,
            None => Some(tempfile::tempdir().map_err(|source| folder(&std::env::temp_dir(), source))?),
        };
        let root = data.clone().or_else(|| Some(scratch.as_ref()?.path().to_owned())).unwrap_or_default();
        let objects = root.join("s3");
        std::fs::create_dir_all(&objects).map_err(|source| folder(&objects, source))?;
        let file = |name: &str| data.as_ref().map(|data| data.join(name));
        let unopened = |source| StartError::Data { path: root.clone(), source };

        let activity = Activity::default();
        let state = Arc::new(State::open(file("aws.db").as_deref()).map_err(unopened)?);
        let tables = DynamoDb::open(file("dynamodb.db").as_deref(), &region, &account, activity.clone());
        let queues = Arc::new(Queues::new(Arc::clone(&state), activity.clone()));
        let s3 =
            S3::open(&objects, cur.as_deref()).map_err(|source| folder(cur.as_deref().unwrap_or(&objects), source))?;
        Ok(Self {
            inner: Arc::new(Inner {
                dynamodb: tables.map_err(unopened)?,
                s3,
                sns: Sns::new(Arc::clone(&state), Arc::clone(&queues), mailboxes),
                sqs: Sqs::new(Arc::clone(&queues)),
                iam: Iam::new(Arc::clone(&state)),
                sts: Sts::new(Arc::clone(&state)),
                bedrock: Bedrock::new(Arc::clone(&state))?,
                events: Events::new(Arc::clone(&queues)),
                athena: OnceLock::new(),
                objects,
                region,
                account,
                clock,
                activity,
                state,
                queues,
                _scratch: scratch,
            }),
        })
    }

    /// Gives the cloud its Athena; the first one stays.
    #[must_use]
    pub fn with_athena(self, athena: Service) -> Self {
        // A second engine would answer for queries that the first one runs.
        let _kept = self.inner.athena.set(athena);
        self
    }

    /// Answers one signed request of any service.
    pub async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        let inner = &self.inner;
        let Some(caller) = Caller::of(&request, &inner.account) else {
            return Protocol::Query.refuse(&Fault::new(
                403,
                "MissingAuthenticationToken",
                "Request is missing Authentication Token",
            ));
        };
        let form = || Form::parse(request.body());
        match caller.service.as_str() {
            "dynamodb" => inner.dynamodb.call(&request),
            "s3" => self.call_s3(request).await,
            "sqs" => inner.sqs.call(&caller, &request),
            "bedrock" => inner.bedrock.call(&caller, &request, self.now()),
            "sns" => answer_form(&form(), |form| inner.sns.call(&caller, form, self.now())),
            "iam" => answer_form(&form(), |form| inner.iam.call(&caller, form, self.now())),
            "sts" => answer_form(&form(), |form| inner.sts.call(&caller, form, self.now())),
            "athena" => match inner.athena.get() {
                Some(athena) => athena(request).await,
                None => not_emulated("athena"),
            },
            other => not_emulated(other),
        }
    }

    /// The HTTP client that SDK clients of this process use: no sockets.
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        let cloud = self.clone();
        http_client_over(Arc::new(move |request| {
            let cloud = cloud.clone();
            Box::pin(async move { Ok(cloud.call(request).await) })
        }))
    }

    /// Serves the AWS CLI on a loopback port, until it is dropped.
    pub async fn serve(&self, listener: TcpListener) {
        let cloud = self.clone();
        let answer = move |request| {
            let cloud = cloud.clone();
            async move { cloud.answer(request).await }
        };
        doorway::serve(listener, answer, std::future::pending()).await;
    }

    /// Credentials that act in an account.
    #[must_use]
    pub fn credentials(&self, account: &str) -> Credentials {
        Credentials::new(format!("AKIA{account}LOCAL"), SECRET_ACCESS_KEY, None, None, "local")
    }

    /// The hub's region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.inner.region
    }

    /// The hub's account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.inner.account
    }

    /// The folder that holds the buckets: `s3://bucket/key` is `bucket/key` in it.
    #[must_use]
    pub fn objects(&self) -> &Path {
        &self.inner.objects
    }

    /// The product's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.inner.clock)()
    }

    /// What people were sent, oldest first: to everybody, or to one address.
    ///
    /// # Errors
    /// When the local state cannot be read.
    pub fn messages(&self, to: Option<&str>) -> Result<Vec<Sent>, StateError> {
        self.inner.sns.sent(to)
    }

    /// The messages that wait in a queue, oldest first.
    #[must_use]
    pub fn queued(&self, queue: &str) -> Vec<Message> {
        self.inner.queues.peek(queue)
    }

    /// What is in flight; long work outside the queues notes itself with [`Activity::begin`].
    #[must_use]
    pub fn activity(&self) -> &Activity {
        &self.inner.activity
    }

    pub(crate) fn queues(&self) -> &Queues {
        &self.inner.queues
    }

    pub(crate) fn sns(&self) -> &Sns {
        &self.inner.sns
    }

    /// Counts what the tables' requests consume.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        self.inner.dynamodb.meter()
    }

    pub(crate) fn dynamodb(&self) -> &DynamoDb {
        &self.inner.dynamodb
    }

    pub(crate) fn state(&self) -> &State {
        &self.inner.state
    }

    pub(crate) fn set_rules(&self, rules: Vec<Rule>) {
        self.inner.events.set_rules(rules);
    }

    async fn call_s3(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (response, created) = self.inner.s3.call(request).await;
        let announced = created.map(|detail| self.emit("Object Created", "aws.s3", &detail));
        match announced {
            Some(Err(error)) => Protocol::S3.refuse(&Fault::from(error)),
            _ => response,
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Bytes> {
        let refuse = |status, code, message: String| Protocol::Query.refuse(&Fault::new(status, code, message));
        // No page has business here, not even the frontend's: its origin is not this port's.
        if let Err(stranger) = doorway::admit(&request, |_| false) {
            return doorway::closing(refuse(stranger.status().as_u16(), "AccessDenied", stranger.to_string()));
        }
        let (parts, body) = request.into_parts();
        let (status, code, why) = match doorway::read_whole(body, MAX_REQUEST_BYTES).await {
            Ok(body) => return self.call(Request::from_parts(parts, body)).await,
            Err(Unread::TooLarge) => (413, "RequestEntityTooLarge", "the body is larger than any service takes"),
            Err(Unread::TooSlow) => (408, "RequestTimeout", "the body did not come in time; send it again"),
            Err(Unread::Broken) => (400, "IncompleteBody", "the body did not come whole; send it again"),
        };
        doorway::closing(refuse(status, code, why.to_owned()))
    }
}

/// Answers one signed request, or breaks the connection.
pub(crate) type Answerer =
    Arc<dyn Fn(Request<Bytes>) -> BoxFuture<Result<Response<Bytes>, ConnectorError>> + Send + Sync>;

/// An HTTP client whose every request ends in `answer`.
pub(crate) fn http_client_over(answer: Answerer) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Connector(answer));
    http_client_fn(move |_settings, _components| connector.clone())
}

#[derive(Clone)]
struct Connector(Answerer);

impl std::fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
            let response = answer(Request::from_parts(parts, body)).await?.map(SdkBody::from);
            HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn answer_form(form: &Form, service: impl FnOnce(&Form) -> Result<String, Fault>) -> Response<Bytes> {
    query::answer(form.action(), service(form))
}

fn not_emulated(service: &str) -> Response<Bytes> {
    let message = format!("the local stack does not emulate `{service}`");
    Protocol::of(service).refuse(&Fault::new(400, "UnknownOperationException", message))
}

fn folder(path: &Path, source: io::Error) -> StartError {
    StartError::Folder { path: path.to_owned(), source }
}
