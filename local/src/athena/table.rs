//! The table `cur`: the export's current files as DataFusion scans them, pruned by billing period and by column.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;

use super::columns;
use super::files::{Chunk, DataFile, Partition};
use super::filter::Filter;
use super::row_group::FileError;

/// Batches that wait between a file and the query: enough to keep both busy.
const BATCHES_WAITING: usize = 2;

/// The export's current files as one table.
#[derive(Debug)]
pub(super) struct CurTable {
    schema: SchemaRef,
    files: Vec<DataFile>,
    counters: Counters,
}

/// What scans count.
#[derive(Debug, Clone, Default)]
pub(super) struct Counters {
    /// Bytes of the columns that are read.
    pub(super) scanned_bytes: Arc<AtomicU64>,
    /// Pieces of files that are to be read, over all queries, and those that were.
    pub(super) pieces: Arc<AtomicU64>,
    /// See above.
    pub(super) pieces_read: Arc<AtomicU64>,
}

/// Chunks that are read one after the other; several lines of them are read side by side.
#[derive(Debug)]
struct Line {
    schema: SchemaRef,
    chunks: Vec<Chunk>,
    read: Arc<AtomicU64>,
}

impl CurTable {
    /// The table over these files.
    #[must_use]
    pub(super) fn new(files: Vec<DataFile>, counters: Counters) -> Self {
        let as_read = |field: &Arc<Field>| match field.data_type() {
            DataType::Map(..) => Arc::new(field.as_ref().clone().with_data_type(columns::text_map_as_read())),
            _ => Arc::clone(field),
        };
        let mut fields: Vec<Arc<Field>> = columns::schema().fields().iter().map(as_read).collect();
        if files.iter().any(|file| file.execution.is_some()) {
            fields.push(Arc::new(Field::new(columns::EXECUTION, DataType::Utf8, true)));
        }
        Self { schema: Arc::new(Schema::new(fields)), files, counters }
    }
}

#[async_trait]
impl TableProvider for CurTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // Whole months are skipped, and files hand out only rows that meet all filters.
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => Arc::clone(&self.schema),
        };
        let filter = Filter::of(state, &self.schema, filters)?.map(Arc::new);
        let lines = state.config().target_partitions();
        let mut line_chunks: Vec<Vec<Chunk>> = vec![Vec::new(); lines.max(1)];
        let mut chunk_count = 0;
        let of_partitions = |file: &&DataFile| filters.iter().all(|filter| may_match(filter, file));
        let files: Vec<&DataFile> = self.files.iter().filter(of_partitions).collect();
        require_execution(&files, filters)?;
        for file in files {
            let (chunks, bytes) =
                file.chunks(&schema, filter.as_ref(), lines).map_err(|error| bad_data(&file.path, &error))?;
            self.counters.scanned_bytes.fetch_add(bytes, Ordering::Relaxed);
            for chunk in chunks {
                let line = chunk_count % lines.max(1);
                if let Some(chunks) = line_chunks.get_mut(line) {
                    chunks.push(chunk);
                }
                chunk_count += 1;
            }
        }
        if chunk_count == 0 {
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        self.counters.pieces.fetch_add(chunk_count as u64, Ordering::Relaxed);
        let read = &self.counters.pieces_read;
        let used = line_chunks.into_iter().filter(|chunks| !chunks.is_empty());
        let lines = used.map(|chunks| {
            Arc::new(Line { schema: Arc::clone(&schema), chunks, read: Arc::clone(read) }) as Arc<dyn PartitionStream>
        });
        StreamingTable::try_new(Arc::clone(&schema), lines.collect())?.scan(state, None, &[], None).await
    }
}

impl PartitionStream for Line {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), BATCHES_WAITING);
        let (sender, chunks, read) = (builder.tx(), self.chunks.clone(), Arc::clone(&self.read));
        builder.spawn_blocking(move || {
            for chunk in chunks {
                let mut emit = |batch| match sender.blocking_send(Ok(batch)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                };
                chunk.read(&mut emit).map_err(|error| bad_data(chunk.path(), &error))?;
                read.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        builder.build()
    }
}

/// Athena's own words for a file that breaks off, with the file's name.
fn bad_data(path: &std::path::Path, error: &FileError) -> DataFusionError {
    DataFusionError::Execution(format!("HIVE_BAD_DATA: `{}` cannot be read: {error}", path.display()))
}

/// Whether rows of a file can pass a filter, as far as its partition says.
fn may_match(filter: &Expr, file: &DataFile) -> bool {
    let is_wanted = |key: &str, value: &str| wanted(key, filter).is_none_or(|wanted| wanted.contains(value));
    let of_month = match file.partition {
        Partition::Month(month) => is_wanted(columns::PARTITION, &month.to_string()),
        Partition::InRows => true,
    };
    of_month && file.execution.as_deref().is_none_or(|execution| is_wanted(columns::EXECUTION, execution))
}

/// Athena's refusal of a query that reads injected partitions and does not say which.
fn require_execution(files: &[&DataFile], filters: &[Expr]) -> Result<()> {
    let is_injected = files.iter().any(|file| file.execution.is_some());
    if is_injected && !filters.iter().any(|filter| wanted(columns::EXECUTION, filter).is_some()) {
        let why = format!(
            "CONSTRAINT_VIOLATION: For the injected projected partition column {}, the WHERE clause must contain \
             only static equality conditions, and at least one such condition must be present.",
            columns::EXECUTION
        );
        return Err(DataFusionError::Execution(why));
    }
    Ok(())
}

/// The values that a filter names for a partition key: `key = 'v'`, or `key IN ('v', …)`, alone or joined by AND.
fn wanted(key: &str, filter: &Expr) -> Option<BTreeSet<String>> {
    let is_key = |expr: &Expr| matches!(expr, Expr::Column(column) if column.name == key);
    match filter {
        Expr::BinaryExpr(binary) if binary.op == Operator::Eq => match (&*binary.left, &*binary.right) {
            (column, value) if is_key(column) => Some(BTreeSet::from([text_of(value)?])),
            (value, column) if is_key(column) => Some(BTreeSet::from([text_of(value)?])),
            _ => None,
        },
        Expr::BinaryExpr(binary) if binary.op == Operator::And => {
            match (wanted(key, &binary.left), wanted(key, &binary.right)) {
                (Some(left), Some(right)) => Some(left.intersection(&right).cloned().collect()),
                (either, None) | (None, either) => either,
            }
        }
        Expr::InList(list) if !list.negated && is_key(&list.expr) => list.list.iter().map(text_of).collect(),
        _ => None,
    }
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::Utf8View(text), _) => text.clone(),
        _ => None,
    }
}
