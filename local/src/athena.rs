//! Athena on this machine: its JSON API in front, DataFusion behind, a CUR 2.0 export folder as the table.
//!
//! The SQL that runs here is the SQL that runs in Athena; where the engines differ, `functions` gives DataFusion
//! Athena's meaning. What the emulator must never do is read an export more kindly than Athena would: a file that
//! breaks off fails the query, a column that is missing reads NULL.

mod answers;
pub mod columns;
mod convert;
mod engine;
mod execution;
pub mod export;
mod files;
mod filter;
mod functions;
mod parameters;
mod protocol;
mod results;
mod row_group;
mod rows;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use engine::Engine;
use execution::Execution;
use protocol::{AthenaError, Call, GetQueryResults, PAGE_ROWS_MAX, QueryIds, StartQueryExecution, invalid};

pub use execution::{State, StateChange};
pub use export::{Delivery, Export, ExportError, Manifest};
pub use files::{DataFile, Partition};

pub(crate) use convert::map_builder;

/// Characters that one execution parameter may have, as Athena's service model says.
const PARAMETER_CHARS_MAX: usize = 1024;

/// Hands the rows of a result's file to `each`, without the names.
///
/// # Errors
/// When the file is no result, or with what `each` fails with.
pub fn for_each_row(
    result: &std::path::Path,
    mut each: impl FnMut(&[Option<String>]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let (mut position, mut is_first) = (Some(0), true);
    while let Some(at) = position {
        let (rows, next) = results::read_page(result, at, PAGE_ROWS_MAX)?;
        for row in rows.iter().skip(usize::from(is_first)) {
            each(row)?;
        }
        (position, is_first) = (next, false);
    }
    Ok(())
}

/// What the emulator reads and where it writes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The export folder. It is looked at anew by each query, so it may come into being later.
    pub cur: PathBuf,
    /// The table's database in the Glue catalog.
    pub database: String,
    /// The table.
    pub table: String,
    /// Where the records of queries are kept.
    pub state: PathBuf,
    /// The folder that stands for S3: `s3://bucket/key` is `bucket/key` in it.
    pub buckets: PathBuf,
    /// The workgroup's output location, for queries that name none.
    pub output_location: String,
}

/// Told of every change of state of every query.
pub type OnStateChange = Arc<dyn Fn(StateChange) + Send + Sync>;

/// The emulator. Clones share the same queries.
#[derive(Clone)]
pub struct Athena {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    engine: Engine,
    on_state_change: OnStateChange,
    queries: Mutex<BTreeMap<String, Query>>,
    unfinished: watch::Sender<usize>,
}

struct Query {
    execution: Execution,
    work: Option<AbortHandle>,
}

impl Athena {
    /// Opens the emulator and takes up queries that a crash left unfinished.
    ///
    /// # Errors
    /// When its folder is not writable or a record in it cannot be read.
    pub fn open(settings: Settings, on_state_change: OnStateChange) -> std::io::Result<Self> {
        std::fs::create_dir_all(&settings.state)?;
        let kept = Execution::load_all(&settings.state)?;
        let shared = Shared {
            settings,
            engine: Engine::start()?,
            on_state_change,
            queries: Mutex::default(),
            unfinished: watch::Sender::new(0),
        };
        let athena = Self { shared: Arc::new(shared) };
        for execution in kept {
            let (id, is_final) = (execution.id.clone(), execution.state.is_final());
            athena.queries().insert(id.clone(), Query { execution, work: None });
            if !is_final {
                athena.begin(&id);
            }
        }
        Ok(athena)
    }

    /// Answers a call of the Athena API.
    pub async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        let answer = match protocol::parse(&request) {
            Ok(Call::Start(start)) => self.start(*start),
            Ok(Call::Get(query)) => {
                self.found(&query.query_execution_id, |e| json!({"QueryExecution": answers::query_execution(e)}))
            }
            Ok(Call::BatchGet(queries)) => self.batch_get(&queries),
            Ok(Call::Results(page)) => self.results(&page),
            Ok(Call::Stop(query)) => self.stop(&query.query_execution_id),
            Err(error) => Err(error),
        };
        protocol::response(answer)
    }

    /// How many queries have not ended.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        *self.shared.unfinished.borrow()
    }

    /// How many pieces of files were read, and how many are to be, by all queries since the start.
    #[must_use]
    pub fn pieces(&self) -> (u64, u64) {
        self.shared.engine.pieces()
    }

    /// Waits until every query has ended and its last change of state was told.
    pub async fn settled(&self) {
        // The sender lives as long as `self`, so the wait cannot fail.
        let _ = self.shared.unfinished.subscribe().wait_for(|unfinished| *unfinished == 0).await;
    }

    fn start(&self, start: StartQueryExecution) -> Result<Value, AthenaError> {
        let settings = &self.shared.settings;
        let location = start.result_configuration.output_location.clone();
        let location = location.unwrap_or_else(|| settings.output_location.clone());
        self.path_of(&location)?;
        if start.execution_parameters.iter().any(|value| !(1..=PARAMETER_CHARS_MAX).contains(&value.chars().count())) {
            let limit = format!("Member must have length between 1 and {PARAMETER_CHARS_MAX}");
            return Err(invalid(format!("executionParameters failed to satisfy constraint: {limit}")));
        }
        let now = Timestamp::now();
        let mut queries = self.queries();
        let execution = Execution::submitted(start, &location, queries.len(), now);
        let id = execution.id.clone();
        if let Some(earlier) = queries.get(&id) {
            if earlier.execution.request == execution.request {
                return Ok(json!({"QueryExecutionId": id}));
            }
            return Err(invalid("Idempotent parameters do not match".to_owned()));
        }
        execution.save(&settings.state).map_err(|error| AthenaError::Internal(error.to_string()))?;
        let submitted = execution.change(now);
        queries.insert(id.clone(), Query { execution, work: None });
        drop(queries);
        (self.shared.on_state_change)(submitted);
        self.begin(&id);
        Ok(json!({"QueryExecutionId": id}))
    }

    /// Runs a query that is known.
    fn begin(&self, id: &str) {
        self.shared.unfinished.send_modify(|unfinished| *unfinished += 1);
        let (athena, query) = (self.clone(), id.to_owned());
        let work = self.shared.engine.spawn(async move { athena.run(&query).await });
        if let Some(query) = self.queries().get_mut(id) {
            query.work = work;
        }
    }

    async fn run(&self, id: &str) {
        let Some(execution) = self.advance(id, State::Running, |_| ()) else { return };
        match self.answer(&execution).await {
            Ok(answer) => self.advance(id, State::Succeeded, |execution| {
                execution.columns = answer.columns;
                execution.scanned_bytes = answer.scanned_bytes;
            }),
            Err(reason) => self.advance(id, State::Failed, |execution| execution.reason = Some(reason)),
        };
    }

    async fn answer(&self, execution: &Execution) -> Result<engine::Answer, String> {
        let Shared { settings, engine, .. } = &*self.shared;
        let request = &execution.request;
        if let Some(database) = request.query_execution_context.database.as_ref().filter(|d| **d != settings.database) {
            return Err(format!("SCHEMA_NOT_FOUND: Schema '{database}' does not exist"));
        }
        let sql = parameters::bind(&request.query_string, &request.execution_parameters).map_err(|e| e.to_string())?;
        let output = self.path_of(&execution.output).map_err(|error| error.to_string())?;
        engine.run(settings, &sql, &output).await
    }

    /// Moves a query on, keeps its record, tells of it. Answers the query as it is then, or nothing if it had ended.
    fn advance(&self, id: &str, state: State, change: impl FnOnce(&mut Execution)) -> Option<Execution> {
        let mut queries = self.queries();
        let execution = &mut queries.get_mut(id)?.execution;
        let told = execution.advance(state, Timestamp::now())?;
        change(execution);
        let execution = execution.clone();
        drop(queries);
        if let Err(error) = execution.save(&self.shared.settings.state) {
            tracing::error!(query.id = id, %error, "the record of a query cannot be kept");
        }
        (self.shared.on_state_change)(told);
        if state.is_final() {
            self.shared.unfinished.send_modify(|unfinished| *unfinished -= 1);
        }
        Some(execution)
    }

    fn stop(&self, id: &str) -> Result<Value, AthenaError> {
        self.found(id, |_| ())?;
        let work = self.queries().get_mut(id).and_then(|query| query.work.take());
        if self.advance(id, State::Cancelled, |_| ()).is_some() {
            work.inspect(AbortHandle::abort);
        }
        Ok(json!({}))
    }

    fn batch_get(&self, asked: &QueryIds) -> Result<Value, AthenaError> {
        if asked.query_execution_ids.is_empty() || asked.query_execution_ids.len() > protocol::BATCH_IDS_MAX {
            return Err(invalid(format!("QueryExecutionIds must hold 1 to {} ids", protocol::BATCH_IDS_MAX)));
        }
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for id in &asked.query_execution_ids {
            match self.found(id, answers::query_execution) {
                Ok(execution) => found.push(execution),
                Err(error) => missing.push(json!({
                    "QueryExecutionId": id, "ErrorCode": "INVALID_INPUT", "ErrorMessage": error.to_string(),
                })),
            }
        }
        Ok(json!({"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}))
    }

    fn results(&self, asked: &GetQueryResults) -> Result<Value, AthenaError> {
        let execution = self.found(&asked.query_execution_id, Clone::clone)?;
        match execution.state {
            State::Succeeded => {}
            State::Queued | State::Running => {
                let state = json!(execution.state);
                return Err(invalid(format!("Query has not yet finished. Current state: {state}").replace('"', "")));
            }
            State::Failed | State::Cancelled => {
                let state = json!(execution.state);
                let why = format!("Query did not finish successfully. Final query state: {state}");
                return Err(invalid(why.replace('"', "")));
            }
        }
        let rows = asked.max_results.unwrap_or(PAGE_ROWS_MAX);
        if !(1..=PAGE_ROWS_MAX).contains(&rows) {
            return Err(invalid(format!("MaxResults must be 1 to {PAGE_ROWS_MAX}")));
        }
        let position = match asked.next_token.as_deref().map(str::parse::<u64>) {
            None => 0,
            Some(Ok(position)) => position,
            Some(Err(_)) => return Err(invalid("NextToken is not one that a page returned".to_owned())),
        };
        let read = results::read_page(&self.path_of(&execution.output)?, position, rows);
        let (rows, next) = read.map_err(|error| invalid(format!("the result cannot be read: {error}")))?;
        Ok(answers::result_page(&execution, &rows, next))
    }

    fn found<T>(&self, id: &str, then: impl FnOnce(&Execution) -> T) -> Result<T, AthenaError> {
        let queries = self.queries();
        let query = queries.get(id).ok_or_else(|| invalid(format!("QueryExecution {id} was not found")))?;
        Ok(then(&query.execution))
    }

    /// Where an `s3://` location lies in the folder that stands for S3.
    fn path_of(&self, location: &str) -> Result<PathBuf, AthenaError> {
        let inside = location.strip_prefix("s3://").filter(|rest| {
            let is_safe = |part: &str| part != ".." && part != "." && !part.contains('\\');
            !rest.is_empty() && !rest.starts_with('/') && rest.split('/').all(is_safe)
        });
        let inside = inside.ok_or_else(|| invalid(format!("outputLocation is not a valid S3 path: `{location}`")))?;
        Ok(self.shared.settings.buckets.join(inside))
    }

    fn queries(&self) -> MutexGuard<'_, BTreeMap<String, Query>> {
        // A panic while the lock is held leaves whole records: each is replaced in one step.
        self.shared.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
