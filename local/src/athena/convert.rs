//! A file's column as the table types it. Exports differ: a CSV holds maps as JSON text, tools that rewrite exports
//! change time units, strings to dictionaries, maps to structs.
//!
//! What cannot be read as the table's type becomes NULL, never an error: one odd value must not hide a month. A cost
//! that was lost this way is counted by the control query.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, MapArray, MapBuilder, MapFieldNames, StringArray,
    StringBuilder, StructArray, new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::arrow::error::ArrowError;

use super::columns::dictionary_of_texts;

/// Reads `column` as `field`'s type.
///
/// # Errors
/// When the two types have nothing to do with one another, such as a list where the table has a number.
pub(super) fn to_field(column: &ArrayRef, field: &FieldRef) -> Result<ArrayRef, ArrowError> {
    match (column.data_type(), field.data_type()) {
        (given, wanted) if given == wanted => Ok(Arc::clone(column)),
        (DataType::Null, wanted) => Ok(new_null_array(wanted, column.len())),
        (given, DataType::Map(entry, sorted)) => {
            let map = match given {
                DataType::Map(..) => column.as_map().clone(),
                DataType::Struct(_) => map_of_struct(column.as_struct())?,
                _ => map_of_json(cast(column, &DataType::Utf8)?.as_string())?,
            };
            let DataType::Struct(pair) = entry.data_type() else { return cast(column, field.data_type()) };
            let texts = vec![in_dictionary(map.keys())?, in_dictionary(map.values())?];
            let entries = StructArray::try_new(pair.clone(), texts, None)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Ok(Arc::new(MapArray::try_new(Arc::clone(entry), offsets, entries, nulls, *sorted)?))
        }
        (_, wanted) => cast(column, wanted),
    }
}

/// Texts in a dictionary: the one that they lie in; otherwise each is an entry, so that none is compared here.
fn in_dictionary(texts: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if *texts.data_type() == dictionary_of_texts() {
        return Ok(Arc::clone(texts));
    }
    let texts = cast(texts, &DataType::Utf8)?;
    let entries = 0..i32::try_from(texts.len()).map_err(|e| ArrowError::ComputeError(e.to_string()))?;
    let entries = Int32Array::new(entries.collect::<Vec<_>>().into(), texts.nulls().cloned());
    Ok(Arc::new(DictionaryArray::try_new(entries, texts)?))
}

/// A struct with one member per key, as tools make of maps; a member that is NULL is an absent key.
fn map_of_struct(given: &StructArray) -> Result<MapArray, ArrowError> {
    let members: Vec<(&str, ArrayRef)> = given
        .fields()
        .iter()
        .zip(given.columns())
        .map(|(member, values)| Ok((member.name().as_str(), cast(values, &DataType::Utf8)?)))
        .collect::<Result<_, ArrowError>>()?;
    let mut maps = map_builder();
    for row in 0..given.len() {
        for (key, values) in &members {
            let values = values.as_string::<i32>();
            if given.is_valid(row) && values.is_valid(row) {
                maps.keys().append_value(key);
                maps.values().append_value(values.value(row));
            }
        }
        maps.append(given.is_valid(row))?;
    }
    Ok(maps.finish())
}

/// A JSON object per row, as in CSV exports; text that is no object reads as NULL.
fn map_of_json(texts: &StringArray) -> Result<MapArray, ArrowError> {
    let mut maps = map_builder();
    for text in texts {
        let parsed = text.and_then(|t| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(t).ok());
        let is_map = parsed.is_some();
        for (key, value) in parsed.into_iter().flatten() {
            maps.keys().append_value(key);
            match value {
                serde_json::Value::Null => maps.values().append_null(),
                serde_json::Value::String(text) => maps.values().append_value(text),
                other => maps.values().append_value(other.to_string()),
            }
        }
        maps.append(is_map)?;
    }
    Ok(maps.finish())
}

/// Builds maps of texts, to be written or read as the table's.
#[must_use]
pub(crate) fn map_builder() -> MapBuilder<StringBuilder, StringBuilder> {
    let names = MapFieldNames { entry: "entries".to_owned(), key: "keys".to_owned(), value: "values".to_owned() };
    MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::athena::columns;
    use datafusion::arrow::array::{Float64Array, TimestampMicrosecondArray};
    use datafusion::arrow::datatypes::Field;

    fn read(column: impl Array + 'static, wanted: DataType) -> Result<ArrayRef, ArrowError> {
        let column: ArrayRef = Arc::new(column);
        to_field(&column, &Arc::new(Field::new("c", wanted, true)))
    }

    #[test]
    fn maps_come_from_json_text_and_from_structs() -> Result<(), ArrowError> {
        let json = StringArray::from(vec![Some(r#"{"a":"1","b":null,"c":2}"#), Some(""), None, Some("[1]")]);
        let maps = read(json, columns::text_map_as_read())?;
        assert_eq!(maps.data_type(), &columns::text_map_as_read());
        assert_eq!((0..4).map(|row| maps.is_valid(row)).collect::<Vec<_>>(), [true, false, false, false]);
        assert_eq!(maps.as_map().value_length(0), 3);

        let member = Arc::new(Field::new("provider", DataType::Utf8, true));
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("Amazon"), None]));
        let maps = read(StructArray::from(vec![(member, texts)]), columns::text_map_as_read())?;
        assert_eq!((maps.as_map().value_length(0), maps.as_map().value_length(1)), (1, 0));
        Ok(())
    }

    #[test]
    fn numbers_and_times_are_read_from_text_and_other_units_and_nonsense_is_null() -> Result<(), ArrowError> {
        let texts = StringArray::from(vec!["0.1", "", "1.5E-7", "many", "NaN"]);
        let numbers = read(texts, DataType::Float64)?;
        let numbers: &Float64Array = numbers.as_primitive();
        assert_eq!((numbers.value(0), numbers.is_valid(1), numbers.value(2)), (0.1, false, 1.5e-7));
        assert!(!numbers.is_valid(3) && numbers.value(4).is_nan());

        let micros = TimestampMicrosecondArray::from(vec![1_785_542_400_000_000]).with_timezone("UTC");
        let iso = StringArray::from(vec!["2026-08-01T00:00:00.000Z"]);
        assert_eq!(&read(micros, columns::timestamp())?, &read(iso, columns::timestamp())?);
        Ok(())
    }
}
