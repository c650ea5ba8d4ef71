//! One data file of an export, Parquet or CSV, read as the table's columns in bounded batches.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StringArray, new_null_array,
};
use datafusion::arrow::csv::ReaderBuilder;
use datafusion::arrow::csv::reader::Format;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimestampMillisecondType};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelector};
use domain::base::calendar::Month;
use jiff::Timestamp;

use super::filter::{Conditioned, Filter};
use super::row_group::{FileError, RowGroups, is_kept_text};
use super::rows::{joined, wanted_rows};
use super::{columns, convert};

/// The columns that say a row's month where no folder does, the better one first.
const MONTH_COLUMNS: [&str; 2] = ["bill_billing_period_start_date", "line_item_usage_start_date"];

/// Rows per batch: a batch of the queries' columns stays below a few megabytes.
pub(super) const BATCH_ROWS: usize = 16_384;

/// A data file and what says its month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its months.
    pub partition: Partition,
    /// The folder of the execution that wrote it, where the export creates new files for each.
    pub execution: Option<String>,
}

/// How a batch holds its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texts {
    Plain,
    AsTheyAre,
}

/// Batches that are handed on as one.
#[derive(Debug, Default)]
struct Pending {
    batches: Vec<RecordBatch>,
    rows: usize,
}

/// What says which month a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partition {
    /// The file lies in this month's folder.
    Month(Month),
    /// Each row says so itself.
    InRows,
}

/// A part of a file that is read on its own, with the columns that are wanted of it.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    file: DataFile,
    wanted: SchemaRef,
    /// Row groups of a Parquet file; none for a CSV, which is read whole.
    row_groups: Option<Vec<usize>>,
    /// Which rows are wanted.
    filter: Option<Arc<Filter>>,
}

impl DataFile {
    /// The names of its columns, in lower case.
    ///
    /// # Errors
    /// When the file is neither Parquet nor CSV, or truncated.
    pub fn column_names(&self) -> Result<BTreeSet<String>, FileError> {
        let fields = if self.is_parquet() {
            open_parquet(&self.path)?.schema().fields().clone()
        } else {
            csv_schema(&self.path)?.fields().clone()
        };
        Ok(fields.iter().map(|field| field.name().to_lowercase()).collect())
    }

    /// The months that its rows belong to.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn months(&self) -> Result<BTreeSet<Month>, FileError> {
        if let Partition::Month(month) = self.partition {
            return Ok(BTreeSet::from([month]));
        }
        let month = Field::new(columns::PARTITION, DataType::Utf8, true);
        let wanted = Arc::new(Schema::new(vec![month]));
        let chunk = Chunk { file: self.clone(), wanted, row_groups: None, filter: None };
        let mut months = BTreeSet::new();
        chunk.read(&mut |batch| {
            for column in batch.columns() {
                months.extend(column.as_string::<i32>().iter().flatten().filter_map(|text| text.parse::<Month>().ok()));
            }
            ControlFlow::Continue(())
        })?;
        Ok(months)
    }

    /// The file in up to `pieces` chunks that can be read side by side, and how many bytes the wanted columns take in
    /// it, those that the filter looks at included: what Athena charges for.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(super) fn chunks(
        &self,
        wanted: &SchemaRef,
        filter: Option<&Arc<Filter>>,
        pieces: usize,
    ) -> Result<(Vec<Chunk>, u64), FileError> {
        let chunk =
            |row_groups| Chunk { file: self.clone(), wanted: Arc::clone(wanted), row_groups, filter: filter.cloned() };
        if !self.is_parquet() {
            return Ok((vec![chunk(None)], self.path.metadata()?.len()));
        }
        let parquet = open_parquet(&self.path)?;
        let roots = self.roots(parquet.schema().fields(), wanted, filter);
        let (metadata, descriptor) = (parquet.metadata(), parquet.parquet_schema());
        let mut bytes = 0;
        for group in metadata.row_groups() {
            for (leaf, column) in group.columns().iter().enumerate() {
                if roots.contains(&descriptor.get_column_root_idx(leaf)) {
                    bytes += u64::try_from(column.compressed_size())?;
                }
            }
        }
        let groups: Vec<usize> = (0..metadata.num_row_groups()).collect();
        let per_piece = groups.len().div_ceil(pieces.max(1)).max(1);
        Ok((groups.chunks(per_piece).map(|groups| chunk(Some(groups.to_vec()))).collect(), bytes))
    }

    fn is_parquet(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
    }

    /// The positions in the file of the columns that are wanted or that the filter looks at.
    fn roots(&self, fields: &Fields, wanted: &Schema, filter: Option<&Arc<Filter>>) -> BTreeSet<usize> {
        let looked_at = filter.map(|filter| filter.whole.columns.as_ref());
        looked_at.into_iter().chain([wanted]).flat_map(|columns| self.wanted_roots(fields, columns)).collect()
    }

    /// The positions in the file of the columns that are wanted, matched as Athena does: in lower case.
    fn wanted_roots(&self, fields: &Fields, wanted: &Schema) -> BTreeSet<usize> {
        let needed = |name: &str| {
            wanted.fields().iter().any(|field| {
                let is_month = field.name() == columns::PARTITION && self.partition == Partition::InRows;
                field.name() == name || (is_month && MONTH_COLUMNS.contains(&name))
            })
        };
        let numbered = fields.iter().enumerate();
        numbered.filter(|(_, field)| needed(&field.name().to_lowercase())).map(|(root, _)| root).collect()
    }
}

impl Chunk {
    /// The file that it is a part of.
    #[must_use]
    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    /// Hands its rows to `emit` batch by batch, until the end or until `emit` breaks.
    ///
    /// # Errors
    /// When the file breaks off or does not hold what its metadata says.
    pub(super) fn read(&self, emit: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>) -> Result<(), FileError> {
        if self.file.is_parquet() { self.read_parquet(emit) } else { self.read_csv(emit) }
    }

    fn read_parquet(&self, emit: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>) -> Result<(), FileError> {
        let groups = RowGroups::open(&self.file.path)?;
        for group in self.row_groups.clone().unwrap_or_else(|| (0..groups.count()).collect()) {
            let parquet = groups.reader(group)?.with_batch_size(BATCH_ROWS);
            let roots = self.file.roots(parquet.schema().fields(), &self.wanted, self.filter.as_ref());
            let wanted = ProjectionMask::roots(parquet.parquet_schema(), roots);
            let parquet = parquet.with_projection(wanted);
            let flow = match self.filter.as_ref().and_then(|filter| filter.weaker.clone()) {
                None => self.emit_met(parquet.build()?, emit)?,
                Some(weaker) => {
                    let blocks = self.blocks_meeting(weaker, groups.reader(group)?)?;
                    self.emit_of_blocks(parquet, &blocks, emit)?
                }
            };
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Which rows meet a condition over columns that cost little to read, in blocks of as many rows as a batch has.
    fn blocks_meeting(
        &self,
        mut condition: Conditioned,
        parquet: ParquetRecordBatchReaderBuilder<File>,
    ) -> Result<Vec<BooleanArray>, FileError> {
        let roots = self.file.wanted_roots(parquet.schema().fields(), &condition.columns);
        let looked_at = ProjectionMask::roots(parquet.parquet_schema(), roots);
        let batches = parquet.with_batch_size(BATCH_ROWS).with_projection(looked_at).build()?;
        let met = batches.map(|batch| condition.met(&self.as_table(&batch?, &condition.columns, Texts::AsTheyAre)?));
        Ok(met.collect::<Result<_, _>>()?)
    }

    /// Hands on rows of the blocks; those in which no row meets the condition are passed over.
    fn emit_of_blocks(
        &self,
        parquet: ParquetRecordBatchReaderBuilder<File>,
        blocks: &[BooleanArray],
        emit: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, FileError> {
        let selected = |block: &BooleanArray| {
            if block.has_true() { RowSelector::select(block.len()) } else { RowSelector::skip(block.len()) }
        };
        let selection: Vec<RowSelector> = blocks.iter().map(selected).collect();
        let batches = parquet.with_row_selection(selection.into()).build()?;
        // Only the last block may be shorter than a batch, so each batch is a block.
        let mut masks = blocks.iter().filter(|block| block.has_true());
        let not_as_counted = || ArrowError::ParquetError("its columns have different numbers of rows".to_owned());
        let wanted = batches.map(|batch| wanted_rows(&batch?, masks.next().ok_or_else(not_as_counted)?));
        let flow = self.emit_met(wanted, emit)?;
        if flow.is_continue() && masks.next().is_some() { Err(not_as_counted().into()) } else { Ok(flow) }
    }

    fn read_csv(&self, emit: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>) -> Result<(), FileError> {
        let schema = csv_schema(&self.file.path)?;
        let roots = self.file.roots(schema.fields(), &self.wanted, self.filter.as_ref());
        // A CSV reader with nothing to read counts no rows either: the first column stands in.
        let roots = if roots.is_empty() { vec![0] } else { roots.into_iter().collect() };
        let csv = ReaderBuilder::new(schema).with_header(true).with_batch_size(BATCH_ROWS).with_projection(roots);
        self.emit_met(csv.build(open_text(&self.file.path)?)?, emit).map(|_| ())
    }

    /// Hands on the rows that meet the whole condition.
    fn emit_met(
        &self,
        batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
        emit: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, FileError> {
        let mut whole = self.filter.as_ref().map(|filter| filter.whole.clone());
        let mut pending = Pending::default();
        for batch in batches {
            let mut batch = batch?;
            if let Some(whole) = &mut whole {
                let met = whole.met(&self.as_table(&batch, &whole.columns, Texts::AsTheyAre)?)?;
                batch = wanted_rows(&batch, &met)?;
            }
            if pending.rows + batch.num_rows() > BATCH_ROWS && pending.emit(emit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            pending.rows += batch.num_rows();
            pending.batches.push(self.as_table(&batch, &self.wanted, Texts::Plain)?);
        }
        pending.emit(emit)
    }

    /// A batch of the file as the wanted columns of the table.
    fn as_table(&self, batch: &RecordBatch, wanted: &SchemaRef, texts: Texts) -> Result<RecordBatch, ArrowError> {
        let schema = batch.schema();
        let found = |name: &str| {
            let named = |field: &Arc<Field>| field.name().to_lowercase() == name;
            schema.fields().iter().position(named).map(|at| batch.column(at))
        };
        let mut read = Vec::with_capacity(wanted.fields().len());
        for field in wanted.fields() {
            read.push(match found(field.name()) {
                _ if field.name() == columns::PARTITION => self.month_column(batch.num_rows(), &found)?,
                _ if field.name() == columns::EXECUTION => {
                    let execution = self.file.execution.as_deref();
                    Arc::new(std::iter::repeat_n(execution, batch.num_rows()).collect::<StringArray>())
                }
                Some(column) if texts == Texts::AsTheyAre && is_kept_text(column.data_type()) => Arc::clone(column),
                Some(column) => convert::to_field(column, field)?,
                None => new_null_array(field.data_type(), batch.num_rows()),
            });
        }
        let typed = |(field, column): (&Arc<Field>, &ArrayRef)| {
            field.as_ref().clone().with_data_type(column.data_type().clone())
        };
        let schema = match texts {
            Texts::Plain => Arc::clone(wanted),
            Texts::AsTheyAre => Arc::new(Schema::new(wanted.fields().iter().zip(&read).map(typed).collect::<Vec<_>>())),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(schema, read, &options)
    }

    fn month_column<'a>(
        &self,
        rows: usize,
        found: &dyn Fn(&str) -> Option<&'a ArrayRef>,
    ) -> Result<ArrayRef, ArrowError> {
        if let Partition::Month(month) = self.file.partition {
            return Ok(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(month.to_string(), rows))));
        }
        let mut months: Vec<Option<String>> = vec![None; rows];
        for name in MONTH_COLUMNS {
            let Some(column) = found(name) else { continue };
            let times = convert::to_field(column, &Arc::new(Field::new(name, columns::timestamp(), true)))?;
            for (month, time) in months.iter_mut().zip(times.as_primitive::<TimestampMillisecondType>()) {
                *month = month.take().or_else(|| time.and_then(month_of));
            }
        }
        Ok(Arc::new(StringArray::from(months)))
    }
}

impl Pending {
    fn emit(&mut self, emit: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>) -> Result<ControlFlow<()>, FileError> {
        let Self { batches, rows } = std::mem::take(self);
        let batch = joined(&batches)?.filter(|_| rows > 0);
        Ok(batch.map_or(ControlFlow::Continue(()), emit))
    }
}

fn month_of(milliseconds: i64) -> Option<String> {
    let at = Timestamp::from_millisecond(milliseconds).ok()?;
    Some(Month::of(domain::base::calendar::utc_day(at)).to_string())
}

fn open_parquet(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, FileError> {
    Ok(ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?)
}

/// The text of a CSV file, unpacked when it is packed.
fn open_text(path: &Path) -> Result<Box<dyn Read + Send>, FileError> {
    let file = BufReader::new(File::open(path)?);
    let is_packed = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    Ok(if is_packed { Box::new(flate2::bufread::MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// The header's names, every column as text: the table knows the types.
fn csv_schema(path: &Path) -> Result<SchemaRef, FileError> {
    let (header, _) = Format::default().with_header(true).infer_schema(open_text(path)?, Some(0))?;
    let named = |field: &Arc<Field>| Field::new(field.name().trim_start_matches('\u{feff}'), DataType::Utf8, true);
    Ok(Arc::new(Schema::new(header.fields().iter().map(named).collect::<Vec<_>>())))
}
