//! Puts the stack together: AWS, the functions, the bus and the gateway, all in this process and on loopback.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use aws_sdk_dynamodb::Client as DynamoDb;
use domain::base::digest::Digest;
use jiff::Timestamp;
use lambda::{Aws, Environment, Function, Host, Ids, Start};
use serde_json::{Value, json};
use store::tables;
use tokio::net::TcpListener;

use crate::athena::{Athena, Settings, StateChange};
use crate::bus::{Bus, Deliveries, Deployment, Handler, Wiring};
use crate::clock::ProductClock;
use crate::cloud::{Cloud, CloudConfig, Now, Running, Sent};
use crate::gateway::Gateway;
use crate::permissions::Permissions;
use crate::seam::Seam;
use crate::server::{ControlError, Controls, Handle, Stack};
use crate::tokens::Tokens;

/// The very template that AWS deploys: the wiring is read from it.
const TEMPLATE: &str = include_str!("../../template.yaml");

/// The page of the browser-based frontend in development, which may call the API.
const DEVELOPMENT_ORIGIN: &str = "http://localhost:5173";

/// The file in the data folder that its process holds locked.
const LOCK_FILE: &str = "lock";

/// Digits of a subject's digest that end the name of a person's own topic, as `notification` names it.
const TOPIC_DIGITS: usize = 16;

/// How a stack is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where everything is kept; in memory without it.
    pub data: Option<PathBuf>,
    /// The CUR export; the shipped sample without it.
    pub cur: Option<PathBuf>,
    /// Whether to start without any bill, which a test that needs none starts faster with.
    pub empty: bool,
    /// How often each event is delivered.
    pub deliveries: Deliveries,
    /// Where the emulated AWS services answer the AWS CLI, for `/_local/endpoints`.
    pub aws_url: String,
    /// What becomes of the functions' calls of AWS.
    pub seam: Seam,
}

/// A running stack. Dropping it stops every worker at once, as a kill would.
pub struct Local {
    /// The emulated AWS.
    pub cloud: Cloud,
    /// The API and the controls.
    pub stack: Arc<Stack>,
    /// Moves events.
    pub bus: Arc<Bus>,
    /// The product's clock.
    pub clock: ProductClock,
    /// Issues tokens.
    pub tokens: Arc<Tokens>,
    /// Reads the bill.
    pub athena: Athena,
    /// Whether the demo has played to its end.
    pub is_ready: Arc<AtomicBool>,
    deliveries: Arc<CurFolder>,
    /// Keeps other processes off the data folder.
    _lock: Option<File>,
}

/// The export folder and where its manifests are delivered to.
struct CurFolder {
    cur: Option<PathBuf>,
    prefix: String,
}

impl Local {
    /// Starts everything; what an earlier process left in flight is worked first.
    ///
    /// # Errors
    /// With what to do about it: an unwritable folder, one that another process uses, a folder that is no export.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let Options { data, cur, empty, deliveries, aws_url, seam } = options;
        let lock = data.as_deref().map(claim_folder).transpose()?;
        let clock = ProductClock::open(data.as_deref())?;
        let tokens = match data.as_deref() {
            None => Tokens::of_process()?,
            folder => Arc::new(Tokens::open(folder)?),
        };
        let hands = clock.clone();
        let now: Now = Arc::new(move || hands.now());
        let cloud = Cloud::start(CloudConfig { data: data.clone(), clock: now, ..CloudConfig::default() })?;
        let wiring = Wiring::read(TEMPLATE, &Deployment::local(&cloud))?;
        let environment =
            |function: &str| wiring.functions.get(function).map(|f| f.environment.clone()).unwrap_or_default();
        let cur = cur.or_else(|| (!empty).then(crate::sample::shipped));
        let folder =
            Arc::new(CurFolder { cur: cur.clone(), prefix: variable(&environment("cur-ingestion"), "CUR_PREFIX") });
        let athena = open_athena(&cloud, cur, data.as_deref(), &environment("cur-ingestion"))?;
        let shared = athena.clone();
        let cloud = cloud.with_athena(Arc::new(move |request| {
            let athena = shared.clone();
            Box::pin(async move { athena.call(request).await })
        }));
        let permissions = Arc::new(Permissions::of(&wiring));
        let aws_of = |function: &'static str| {
            let http = seam.http_client(function, &cloud, &permissions);
            Aws::in_process_at(http, cloud.region(), (!aws_url.is_empty()).then(|| aws_url.clone()))
        };
        let functions = start_functions(&aws_of, &clock, &environment).await?;
        let handlers = functions.iter().map(|f| (f.name.to_owned(), handler(f, &seam))).collect();
        let bus = Arc::new(Bus::start(&wiring, &cloud, handlers, deliveries)?);
        let is_ready = Arc::new(AtomicBool::new(false));
        let origins = vec![DEVELOPMENT_ORIGIN.to_owned()];
        let gateway = Gateway::new(functions, Arc::clone(&tokens), clock.clone(), origins, seam);
        let controls = Controls {
            tokens: Arc::clone(&tokens),
            clock: clock.clone(),
            aws_url,
            run_schedule: run_schedule(&bus, &cloud, &folder),
            settle: settle(&bus),
            messages: messages(&cloud),
            is_ready: Arc::clone(&is_ready),
        };
        let local = Self {
            cloud,
            stack: Arc::new(Stack { gateway, controls }),
            bus,
            clock,
            tokens,
            athena,
            is_ready,
            deliveries: folder,
            _lock: lock,
        };
        local.deliver()?;
        Ok(local)
    }

    /// Delivers what is new in the export folder.
    ///
    /// # Errors
    /// When the folder is no export.
    pub fn deliver(&self) -> anyhow::Result<usize> {
        Ok(self.deliveries.deliver(&self.cloud)?)
    }

    /// Waits until nothing is in flight, queries included.
    ///
    /// # Errors
    /// When the local state cannot be read.
    pub async fn settle(&self) -> anyhow::Result<crate::bus::Settled> {
        Ok(self.bus.settle().await?)
    }

    /// Says that the stack is ready for callers.
    pub fn ready(&self) {
        self.is_ready.store(true, Ordering::SeqCst);
    }

    /// Serves the API on `api` and the emulated AWS on `aws` until `ended` is.
    pub async fn serve(&self, api: TcpListener, aws: TcpListener, ended: impl Future<Output = ()>) {
        let cloud = self.cloud.clone();
        let emulator = tokio::spawn(async move { cloud.serve(aws).await });
        let clock = self.clock.clone();
        let noting = tokio::spawn(async move { clock.keep_noting().await });
        Arc::clone(&self.stack).serve(api, ended).await;
        emulator.abort();
        noting.abort();
    }
}

/// Makes the data folder this process's own, until it ends.
fn claim_folder(folder: &Path) -> anyhow::Result<File> {
    let unwritable = || format!("the data folder `{}` cannot be written; give another with --data", folder.display());
    std::fs::create_dir_all(folder).with_context(unwritable)?;
    let lock = File::create(folder.join(LOCK_FILE)).with_context(unwritable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(_) => anyhow::bail!(
            "another process uses the data folder `{}`; end it, or give another with --data",
            folder.display()
        ),
    }
}

impl CurFolder {
    fn deliver(&self, cloud: &Cloud) -> Result<usize, crate::deliveries::DeliveryError> {
        self.cur.as_ref().map_or(Ok(0), |cur| crate::deliveries::deliver(cloud, cur, &self.prefix))
    }
}

fn open_athena(
    cloud: &Cloud,
    cur: Option<PathBuf>,
    data: Option<&Path>,
    environment: &BTreeMap<String, String>,
) -> anyhow::Result<Athena> {
    let state = data.map_or_else(|| cloud.objects().join(".athena"), |data| data.join("athena"));
    let settings = Settings {
        cur: cur.unwrap_or_else(|| state.join("no-export")),
        database: variable(environment, "CUR_DATABASE"),
        table: variable(environment, "CUR_TABLE"),
        state,
        buckets: cloud.objects().to_owned(),
        output_location: format!("s3://{}/athena/", variable(environment, "RESULTS_BUCKET")),
    };
    let announcer = cloud.clone();
    // A running query is work in flight: `settle` waits for it until its end was announced.
    let running: Mutex<BTreeMap<String, Running>> = Mutex::default();
    let told = Arc::new(move |change: StateChange| {
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        running.entry(change.query_execution_id.clone()).or_insert_with(|| announcer.activity().begin());
        let envelope = change.event(announcer.account(), announcer.region());
        if let Err(error) = announcer.announce(&envelope) {
            tracing::error!(error = %error, "a query's end could not be announced; the sweeper will ask");
        }
        if change.current.is_final() {
            running.remove(&change.query_execution_id);
        }
    });
    Athena::open(settings, told)
        .context("Athena's records cannot be opened; give a data folder that can be read and written")
}

async fn start_functions(
    aws_of: &impl Fn(&'static str) -> Aws,
    clock: &ProductClock,
    environment: &impl Fn(&str) -> BTreeMap<String, String>,
) -> anyhow::Result<Vec<Arc<Function>>> {
    let client = DynamoDb::new(&aws_of("approval").config());
    let shared = environment("approval");
    tables::create_if_missing(&client, &variable(&shared, "GOVERNANCE_TABLE"), tables::GOVERNANCE).await?;
    tables::create_if_missing(&client, &variable(&shared, "SPEND_TABLE"), tables::SPEND).await?;
    let host = |name: &'static str| Host {
        aws: aws_of(name),
        env: environment(name).into_iter().collect::<Environment>(),
        clock: clock.clock(),
        ids: Ids::random(),
    };
    let functions = [
        approval::function(host("approval")).start()?,
        spaces::function(host("spaces")).start()?,
        task_sequencing::function(host("task-sequencing")).start()?,
        model_discovery::function(host("model-discovery")).start()?,
        cur_ingestion::function(host("cur-ingestion")).start()?,
        spend::function(host("spend")).start()?,
        spend_cards::function(host("spend-cards")).start()?,
        notification::function(host("notification")).start()?,
        event_relay::function(host("event-relay")).start()?,
    ];
    Ok(functions.into_iter().map(Arc::new).collect())
}

fn handler(function: &Arc<Function>, seam: &Seam) -> Handler {
    let (function, seam) = (Arc::clone(function), seam.clone());
    Arc::new(move |event| {
        let (function, seam) = (Arc::clone(&function), seam.clone());
        Box::pin(async move {
            match seam.invoke(function.name, function.handle(&event)).await {
                Some(outcome) => outcome.map_err(|failure| failure.to_string()),
                None => Err(format!("the process of `{}` was killed", function.name)),
            }
        })
    })
}

fn run_schedule(bus: &Arc<Bus>, cloud: &Cloud, folder: &Arc<CurFolder>) -> Handle<(String, Timestamp)> {
    let (bus, cloud, folder) = (Arc::clone(bus), cloud.clone(), Arc::clone(folder));
    Arc::new(move |(name, at)| {
        let (bus, cloud, folder) = (Arc::clone(&bus), cloud.clone(), Arc::clone(&folder));
        Box::pin(async move {
            if name == "cur-ingestion" {
                folder.deliver(&cloud).map_err(|error| ControlError::Refused(error.to_string()))?;
            }
            if !bus.schedules().any(|known| known == name) {
                let known: Vec<&str> = bus.schedules().collect();
                return Err(ControlError::Unknown(format!(
                    "there is no such schedule; there are {}",
                    known.join(", ")
                )));
            }
            bus.run_schedule(&name, at).await.map_err(|error| ControlError::Failed(error.to_string()))
        })
    })
}

fn settle(bus: &Arc<Bus>) -> Handle<()> {
    let bus = Arc::clone(bus);
    Arc::new(move |()| {
        let bus = Arc::clone(&bus);
        Box::pin(async move {
            let settled = bus.settle().await.map_err(|error| ControlError::Failed(error.to_string()))?;
            Ok(serde_json::to_value(settled).unwrap_or(Value::Null))
        })
    })
}

fn messages(cloud: &Cloud) -> Handle<Option<String>> {
    let cloud = cloud.clone();
    Arc::new(move |to| {
        let found = cloud.messages(None).map_err(|error| ControlError::Failed(error.to_string())).map(|mut sent| {
            sent.retain(|message| to.as_deref().is_none_or(|to| is_to(message, to)));
            json!(sent)
        });
        Box::pin(async move { found })
    })
}

/// Whether a message went to somebody, by address or by subject: a person's own topic ends in the digest of their
/// subject.
fn is_to(message: &Sent, to: &str) -> bool {
    let digest: String = Digest::of_bytes(to.as_bytes()).hex().chars().take(TOPIC_DIGITS).collect();
    message.to == to || message.topic.ends_with(&digest)
}

fn variable(environment: &BTreeMap<String, String>, name: &str) -> String {
    environment.get(name).cloned().unwrap_or_default()
}
