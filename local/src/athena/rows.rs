//! The rows of a batch that are wanted.
//!
//! Arrow filters a map entry by entry through a general copy. Here the mask of the rows becomes one of their entries, and
//! keys and values are filtered by it like any other column.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, MapArray, RecordBatch, RecordBatchOptions,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{FilterBuilder, FilterPredicate, filter};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;

/// The rows of a batch that a mask of as many rows, none of them NULL, wants.
///
/// # Errors
/// When the mask has another length.
pub(super) fn wanted_rows(batch: &RecordBatch, wanted: &BooleanArray) -> Result<RecordBatch, ArrowError> {
    if wanted.len() != batch.num_rows() {
        let why = format!("{} rows and a mask of {}", batch.num_rows(), wanted.len());
        return Err(ArrowError::InvalidArgumentError(why));
    }
    if !wanted.has_false() {
        return Ok(batch.clone());
    }
    let rows = FilterBuilder::new(wanted).optimize().build();
    let column = |column: &ArrayRef| match column.data_type() {
        DataType::Map(..) => wanted_maps(column.as_map(), wanted, &rows),
        _ => rows.filter(column),
    };
    let columns = batch.columns().iter().map(column).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.count()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options)
}

fn wanted_maps(maps: &MapArray, wanted: &BooleanArray, rows: &FilterPredicate) -> Result<ArrayRef, ArrowError> {
    let DataType::Map(entry, sorted) = maps.data_type() else { return rows.filter(maps) };
    let mut entries = BooleanBufferBuilder::new(maps.entries().len());
    let mut lengths = Vec::with_capacity(rows.count());
    // A slice of a larger array keeps all of its entries: those before its first row and after its last belong to no row.
    let position = |offset: Option<&i32>| offset.and_then(|offset| usize::try_from(*offset).ok()).unwrap_or_default();
    entries.append_n(position(maps.offsets().first()), false);
    for (row, is_wanted) in wanted.values().iter().enumerate() {
        let length = usize::try_from(maps.value_length(row)).unwrap_or_default();
        entries.append_n(length, is_wanted);
        if is_wanted {
            lengths.push(length);
        }
    }
    entries.resize(maps.entries().len());
    let entries = filter(maps.entries(), &BooleanArray::new(entries.finish(), None))?;
    let nulls = maps.nulls().map(|nulls| rows.filter(&BooleanArray::new(nulls.inner().clone(), None))).transpose()?;
    let nulls = nulls.map(|valid| NullBuffer::new(valid.as_boolean().values().clone()));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::try_new(Arc::clone(entry), offsets, entries.as_struct().clone(), nulls, *sorted)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::compute::filter_record_batch;

    use crate::athena::map_builder;

    /// Maps of 0, 1, 2, … entries, every fourth of them NULL.
    fn maps(rows: usize) -> Result<ArrayRef, ArrowError> {
        let mut maps = map_builder();
        for row in 0..rows {
            for entry in 0..row % 4 {
                maps.keys().append_value(format!("key {entry}"));
                maps.values().append_option((entry != 1).then(|| format!("value {row} {entry}")));
            }
            maps.append(row % 4 != 2)?;
        }
        Ok(Arc::new(maps.finish()))
    }

    #[test]
    fn rows_are_those_that_arrow_takes_also_of_a_slice() -> Result<(), ArrowError> {
        let batch = RecordBatch::try_from_iter([("maps", maps(40)?), ("same", maps(40)?)])?;
        for (from, rows) in [(0, 40), (5, 30), (7, 1), (9, 0)] {
            let slice = batch.slice(from, rows);
            for wants in [|_: usize| true, |_| false, |row| row % 3 == 1, |row| row % 8 < 5] {
                let wanted: BooleanArray = (0..rows).map(|row| Some(wants(row))).collect();
                assert_eq!(wanted_rows(&slice, &wanted)?, filter_record_batch(&slice, &wanted)?, "{from} {rows}");
            }
        }
        Ok(())
    }
}
