//! The rows of a batch that are wanted, and the rows of several batches as one.
//!
//! Arrow copies a map entry by entry. Here the mask of the rows becomes one of their entries, and keys and values are
//! filtered by it, or joined, like any other column.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, MapArray, NullBufferBuilder, RecordBatch,
    RecordBatchOptions, StructArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{FilterBuilder, FilterPredicate, concat, filter};
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
    entries.append_n(maps.entries().len(), false);
    let mut lengths = Vec::with_capacity(rows.count());
    // Where a row's entries begin: in a slice of a larger array not at zero.
    let position = |row: usize| maps.offsets().get(row).and_then(|at| usize::try_from(*at).ok()).unwrap_or_default();
    for row in wanted.values().set_indices() {
        let of_row = position(row)..position(row + 1);
        lengths.push(of_row.len());
        of_row.for_each(|entry| entries.set_bit(entry, true));
    }
    let entries = filter(maps.entries(), &BooleanArray::new(entries.finish(), None))?;
    let nulls = maps.nulls().map(|nulls| rows.filter(&BooleanArray::new(nulls.inner().clone(), None))).transpose()?;
    let nulls = nulls.map(|valid| NullBuffer::new(valid.as_boolean().values().clone()));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::try_new(Arc::clone(entry), offsets, entries.as_struct().clone(), nulls, *sorted)?))
}

/// The rows of batches of one schema as one batch; none of no batches.
///
/// # Errors
/// When the texts of one column exceed what an array holds.
pub(super) fn joined(batches: &[RecordBatch]) -> Result<Option<RecordBatch>, ArrowError> {
    let Some((first, others)) = batches.split_first() else { return Ok(None) };
    if others.is_empty() {
        return Ok(Some(first.clone()));
    }
    let column = |at: usize| {
        let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(at).as_ref()).collect();
        match first.column(at).data_type() {
            DataType::Map(..) => joined_maps(&parts.iter().map(|part| part.as_map()).collect::<Vec<_>>()),
            _ => concat(&parts),
        }
    };
    let columns = (0..first.num_columns()).map(column).collect::<Result<_, _>>()?;
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(first.schema(), columns, &options).map(Some)
}

fn joined_maps(maps: &[&MapArray]) -> Result<ArrayRef, ArrowError> {
    let whole: Vec<&dyn Array> = maps.iter().map(|map| *map as &dyn Array).collect();
    let Some(DataType::Map(entry, sorted)) = maps.first().map(|map| map.data_type()) else { return concat(&whole) };
    let DataType::Struct(pair) = entry.data_type() else { return concat(&whole) };
    let (mut keys, mut values, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    let mut nulls = NullBufferBuilder::new(maps.iter().map(|map| map.len()).sum());
    for map in maps {
        // A slice of a larger array keeps all of its entries: those before its first row and after its last belong to
        // no row.
        let from = map.offsets().first().and_then(|from| usize::try_from(*from).ok()).unwrap_or_default();
        let of_rows = map.offsets().lengths().sum();
        keys.push(map.keys().slice(from, of_rows));
        values.push(map.values().slice(from, of_rows));
        lengths.extend(map.offsets().lengths());
        match map.nulls() {
            Some(known) => nulls.append_buffer(known),
            None => nulls.append_n_non_nulls(map.len()),
        }
    }
    let texts = [keys, values].map(|parts| concat(&parts.iter().map(|part| part.as_ref()).collect::<Vec<_>>()));
    let entries = StructArray::try_new(pair.clone(), texts.into_iter().collect::<Result<_, _>>()?, None)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::try_new(Arc::clone(entry), offsets, entries, nulls.finish(), *sorted)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::compute::{concat_batches, filter_record_batch};

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
    fn rows_of_several_batches_follow_one_another_also_of_slices() -> Result<(), ArrowError> {
        let batch = RecordBatch::try_from_iter([("maps", maps(40)?), ("same", maps(40)?)])?;
        let check = |parts: &[(usize, usize)]| -> Result<(), ArrowError> {
            let parts: Vec<RecordBatch> = parts.iter().map(|(from, rows)| batch.slice(*from, *rows)).collect();
            let expected = parts.first().map(|first| concat_batches(&first.schema(), &parts)).transpose()?;
            assert_eq!(joined(&parts)?, expected);
            Ok(())
        };
        check(&[])?;
        check(&[(3, 5)])?;
        check(&[(3, 5), (0, 0), (11, 1), (12, 28)])?;
        check(&[(4, 2), (0, 40)])
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
