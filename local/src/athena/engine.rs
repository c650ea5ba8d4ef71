//! Runs one query on the export and leaves its result in a file.
//!
//! The engine has threads of its own, so that a scan of a large export does not hold up the API, and a bounded memory:
//! what does not fit is spilled to disk.

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::available_parallelism;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::export::Export;
use super::files::BATCH_ROWS;
use super::results::{ResultWriter, rows_of};
use super::table::{Counters, CurTable};
use super::{Settings, functions};

/// Memory of all running queries together; beyond it they spill. The sample needs a few megabytes.
const MEMORY_BYTES_MAX: usize = 768 * 1024 * 1024;

/// Batches of a result that wait to be written: enough to keep the writer busy.
const BATCHES_WAITING: usize = 4;

/// Owns the threads and the memory of all queries.
#[derive(Debug)]
pub(super) struct Engine {
    /// Taken only when the engine is dropped: a runtime must not be dropped from within another one.
    runtime: Option<Runtime>,
    memory: Arc<RuntimeEnv>,
    lines: usize,
    counters: Counters,
}

/// A column of a result, as `ResultSetMetadata` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResultColumn {
    /// Its name.
    pub name: String,
    /// Athena's name of its type.
    pub kind: String,
}

/// What a query that ran to its end leaves beside its result.
#[derive(Debug)]
pub(super) struct Answer {
    /// The result's columns.
    pub columns: Vec<ResultColumn>,
    /// Bytes of the columns that were read.
    pub scanned_bytes: u64,
}

impl Engine {
    /// Starts the engine's threads.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(super) fn start() -> std::io::Result<Self> {
        let lines = available_parallelism().map_or(2, std::num::NonZero::get);
        let runtime = Builder::new_multi_thread().worker_threads(lines).thread_name("athena").enable_all().build()?;
        let memory = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(MEMORY_BYTES_MAX)))
            .build_arc()
            .map_err(std::io::Error::other)?;
        Ok(Self { runtime: Some(runtime), memory, lines, counters: Counters::default() })
    }

    /// How many pieces of files were read, and how many are to be, since the engine started.
    pub(super) fn pieces(&self) -> (u64, u64) {
        (self.counters.pieces_read.load(Ordering::Relaxed), self.counters.pieces.load(Ordering::Relaxed))
    }

    /// Runs work on the engine's threads.
    pub(super) fn spawn<F>(&self, work: F) -> Option<tokio::task::AbortHandle>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.runtime.as_ref().map(|runtime| runtime.spawn(work).abort_handle())
    }

    /// Runs a `SELECT` and writes its result to `output`.
    ///
    /// # Errors
    /// With the reason as Athena's `StateChangeReason` words it.
    pub(super) async fn run(&self, settings: &Settings, sql: &str, output: &Path) -> Result<Answer, String> {
        let export = Export::open(&settings.cur).map_err(|error| chain(&error))?;
        let files = export.files().map_err(|error| chain(&error))?;
        let counters = Counters { scanned_bytes: Arc::default(), ..self.counters.clone() };
        let table = CurTable::new(files, counters.clone());
        let columns = self.write_result(settings, table, sql, output).await.map_err(|error| reason(&error))?;
        Ok(Answer { columns, scanned_bytes: counters.scanned_bytes.load(Ordering::Relaxed) })
    }

    async fn write_result(
        &self,
        settings: &Settings,
        table: CurTable,
        sql: &str,
        output: &Path,
    ) -> Result<Vec<ResultColumn>> {
        let context = SessionContext::new_with_config_rt(self.session(&settings.database), Arc::clone(&self.memory));
        functions::register(&context)?;
        context.register_table(settings.table.as_str(), Arc::new(table))?;
        // A query reads. Nothing that it says may write files or change the session.
        let only_reads = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let frame = context.sql_with_options(sql, only_reads).await?;
        let columns = result_columns(frame.schema().as_arrow());
        let mut writer = ResultWriter::create(output, columns.iter().map(|column| column.name.as_str()))?;
        let (sender, mut rendered) = mpsc::channel(BATCHES_WAITING);
        // Each part renders its own rows: that is a good deal of the work of a large result.
        let mut parts = JoinSet::new();
        for mut batches in frame.execute_stream_partitioned().await? {
            let sender = sender.clone();
            parts.spawn(async move {
                while let Some(batch) = poll_fn(|task| batches.as_mut().poll_next(task)).await {
                    // Nobody takes them any more: then the query has failed elsewhere.
                    if sender.send(batch.and_then(|batch| rows_of(&batch))).await.is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        while let Some(rows) = rendered.recv().await {
            writer.append(&rows?)?;
        }
        // One that did not come to its end would leave the result short.
        while let Some(ended) = parts.join_next().await {
            ended.map_err(|error| DataFusionError::External(Box::new(error)))?;
        }
        writer.finish()?;
        Ok(columns)
    }

    fn session(&self, database: &str) -> SessionConfig {
        let mut session = SessionConfig::new()
            .with_batch_size(BATCH_ROWS)
            .with_target_partitions(self.lines)
            .with_default_catalog_and_schema("awsdatacatalog", database)
            .with_create_default_catalog_and_schema(true);
        // One text type everywhere: the table's.
        session.options_mut().sql_parser.map_string_types_to_utf8view = false;
        session
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn result_columns(schema: &Schema) -> Vec<ResultColumn> {
    let column = |field: &Arc<datafusion::arrow::datatypes::Field>| ResultColumn {
        name: field.name().clone(),
        kind: athena_type(field.data_type()).to_owned(),
    };
    schema.fields().iter().map(column).collect()
}

fn athena_type(kind: &DataType) -> &'static str {
    match kind {
        DataType::Boolean => "boolean",
        DataType::Int64 | DataType::UInt64 => "bigint",
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            "integer"
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "double",
        DataType::Decimal128(..) | DataType::Decimal256(..) => "decimal",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Timestamp(..) => "timestamp",
        DataType::Map(..) => "map",
        _ => "varchar",
    }
}

/// The reason of a failure without the engine's wrapping around it.
fn reason(error: &DataFusionError) -> String {
    match error.find_root() {
        DataFusionError::Execution(reason) => reason.clone(),
        DataFusionError::ResourcesExhausted(reason) => format!("EXCEEDED_MEMORY_LIMIT: {reason}"),
        DataFusionError::SQL(..) | DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => {
            format!("SYNTAX_ERROR: {}", error.strip_backtrace())
        }
        DataFusionError::NotImplemented(reason) => format!("NOT_SUPPORTED: {reason}"),
        _ => format!("GENERIC_INTERNAL_ERROR: {}", error.strip_backtrace()),
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
