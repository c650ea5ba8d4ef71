//! The table `cur`: the export's current files as DataFusion scans them, pruned by billing period and by column.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
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
use super::files::{Chunk, DataFile, FileError, Partition};

/// Batches that wait between a file and the query: enough to keep both busy.
const BATCHES_WAITING: usize = 2;

/// The export's current files as one table.
#[derive(Debug)]
pub(super) struct CurTable {
    files: Vec<DataFile>,
    scanned_bytes: Arc<AtomicU64>,
}

/// Chunks that are read one after the other; several lines of them are read side by side.
#[derive(Debug)]
struct Line {
    schema: SchemaRef,
    chunks: Vec<Chunk>,
}

impl CurTable {
    /// The table over these files. What its scans read is added to `scanned_bytes`.
    #[must_use]
    pub(super) fn new(files: Vec<DataFile>, scanned_bytes: Arc<AtomicU64>) -> Self {
        Self { files, scanned_bytes }
    }
}

#[async_trait]
impl TableProvider for CurTable {
    fn schema(&self) -> SchemaRef {
        columns::schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // Whole months are skipped; the engine still filters each row.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(projection) => Arc::new(columns::schema().project(projection)?),
            None => columns::schema(),
        };
        let lines = state.config().target_partitions();
        let mut line_chunks: Vec<Vec<Chunk>> = vec![Vec::new(); lines.max(1)];
        let mut chunk_count = 0;
        for file in self.files.iter().filter(|file| filters.iter().all(|filter| may_match(filter, file))) {
            let (chunks, bytes) = file.chunks(&schema, lines).map_err(|error| bad_data(&file.path, &error))?;
            self.scanned_bytes.fetch_add(bytes, Ordering::Relaxed);
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
        let used = line_chunks.into_iter().filter(|chunks| !chunks.is_empty());
        let lines =
            used.map(|chunks| Arc::new(Line { schema: Arc::clone(&schema), chunks }) as Arc<dyn PartitionStream>);
        StreamingTable::try_new(Arc::clone(&schema), lines.collect())?.scan(state, None, &[], None).await
    }
}

impl PartitionStream for Line {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), BATCHES_WAITING);
        let (sender, chunks) = (builder.tx(), self.chunks.clone());
        builder.spawn_blocking(move || {
            for chunk in chunks {
                let mut emit = |batch| match sender.blocking_send(Ok(batch)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                };
                chunk.read(&mut emit).map_err(|error| bad_data(chunk.path(), &error))?;
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

/// Whether rows of a file can pass a filter, as far as its month says.
fn may_match(filter: &Expr, file: &DataFile) -> bool {
    let Partition::Month(month) = file.partition else { return true };
    wanted_months(filter).is_none_or(|months| months.contains(&month.to_string()))
}

/// The months that a filter names: `billing_period = 'm'`, or `billing_period IN ('m', …)`, alone or joined by AND.
fn wanted_months(filter: &Expr) -> Option<BTreeSet<String>> {
    let is_month = |expr: &Expr| matches!(expr, Expr::Column(column) if column.name == columns::PARTITION);
    match filter {
        Expr::BinaryExpr(binary) if binary.op == Operator::Eq => match (&*binary.left, &*binary.right) {
            (column, value) if is_month(column) => Some(BTreeSet::from([text_of(value)?])),
            (value, column) if is_month(column) => Some(BTreeSet::from([text_of(value)?])),
            _ => None,
        },
        Expr::BinaryExpr(binary) if binary.op == Operator::And => {
            match (wanted_months(&binary.left), wanted_months(&binary.right)) {
                (Some(left), Some(right)) => Some(left.intersection(&right).cloned().collect()),
                (either, None) | (None, either) => either,
            }
        }
        Expr::InList(list) if !list.negated && is_month(&list.expr) => list.list.iter().map(text_of).collect(),
        _ => None,
    }
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::Utf8View(text), _) => text.clone(),
        _ => None,
    }
}
