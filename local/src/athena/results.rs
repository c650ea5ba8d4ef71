//! A query's result as Athena leaves it in S3, a CSV in which every value is quoted and NULL is nothing at all, and the
//! pages that `GetQueryResults` cuts from it.
//!
//! A page's token is the position in the file: nothing of a result is held in memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;

/// One row; NULL is `None`.
pub(super) type Row = Vec<Option<String>>;

/// Writes a result, the column names first.
#[derive(Debug)]
pub(super) struct ResultWriter {
    file: BufWriter<File>,
}

impl ResultWriter {
    /// Begins the file, and the folders it lies in.
    ///
    /// # Errors
    /// When the folder is not writable.
    pub(super) fn create<'a>(path: &Path, names: impl Iterator<Item = &'a str>) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut writer = Self { file: BufWriter::new(File::create(path)?) };
        let mut header = Vec::new();
        add_row(&mut header, names.map(Some));
        writer.append(&header)?;
        Ok(writer)
    }

    /// Appends rows.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn append(&mut self, rows: &[u8]) -> io::Result<()> {
        self.file.write_all(rows)
    }

    /// Makes the result outlive the process; a power cut is no concern of a demo, as with the tables.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The rows of a batch, as they stand in the file.
///
/// # Errors
/// When a value has no text form.
pub(super) fn rows_of(batch: &RecordBatch) -> Result<Vec<u8>> {
    let texts: Vec<StringArray> = batch.columns().iter().map(texts_of).collect::<Result<_>>()?;
    // Each value with its quotes and what separates it from the next.
    let bytes = texts.iter().map(|texts| texts.value_data().len() + 3 * texts.len()).sum();
    let mut rows = Vec::with_capacity(bytes);
    for row in 0..batch.num_rows() {
        add_row(&mut rows, texts.iter().map(|text| if text.is_valid(row) { Some(text.value(row)) } else { None }));
    }
    Ok(rows)
}

fn add_row<'a>(rows: &mut Vec<u8>, values: impl Iterator<Item = Option<&'a str>>) {
    for (at, value) in values.enumerate() {
        if at > 0 {
            rows.push(b',');
        }
        if let Some(value) = value {
            rows.push(b'"');
            if value.contains('"') {
                rows.extend_from_slice(value.replace('"', "\"\"").as_bytes());
            } else {
                rows.extend_from_slice(value.as_bytes());
            }
            rows.push(b'"');
        }
    }
    rows.push(b'\n');
}

/// A column's values as Athena writes them; a map reads `{key=value, …}`.
fn texts_of(column: &ArrayRef) -> Result<StringArray> {
    if !matches!(column.data_type(), DataType::Map(..)) {
        return Ok(cast(column, &DataType::Utf8)?.as_string().clone());
    }
    let maps = column.as_map();
    let (keys, values) = (cast(maps.keys(), &DataType::Utf8)?, cast(maps.values(), &DataType::Utf8)?);
    // A slice of a larger array keeps all of its entries.
    let before = maps.offsets().first().and_then(|first| usize::try_from(*first).ok()).unwrap_or_default();
    let mut entries = keys.as_string::<i32>().iter().zip(values.as_string::<i32>()).skip(before);
    let texts = (0..maps.len()).map(|row| {
        let in_row = usize::try_from(maps.value_length(row)).unwrap_or_default();
        let pairs = entries.by_ref().take(in_row);
        let pairs = pairs.map(|(key, value)| format!("{}={}", key.unwrap_or("null"), value.unwrap_or("null")));
        let text = format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "));
        maps.is_valid(row).then_some(text)
    });
    Ok(texts.collect())
}

/// Up to `limit` rows of a result from a position on, and the position after them if there are more. The row at
/// position 0 holds the column names.
///
/// # Errors
/// When the file is gone or is not a result.
pub(super) fn read_page(path: &Path, position: u64, limit: usize) -> io::Result<(Vec<Row>, Option<u64>)> {
    let mut file = BufReader::new(File::open(path)?);
    file.seek(SeekFrom::Start(position))?;
    let mut rows = Vec::new();
    while rows.len() < limit {
        match read_row(&mut file)? {
            Some(row) => rows.push(row),
            None => return Ok((rows, None)),
        }
    }
    let next = file.stream_position()?;
    let at_end = file.fill_buf()?.is_empty();
    Ok((rows, Some(next).filter(|_| !at_end)))
}

/// The next record; a quoted value may hold line breaks.
fn read_row(file: &mut impl BufRead) -> io::Result<Option<Row>> {
    let mut record = Vec::new();
    loop {
        if file.read_until(b'\n', &mut record)? == 0 {
            return if record.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        // Outside quotes, for each opening quote has its closing one.
        if record.iter().filter(|&&byte| byte == b'"').count() % 2 == 0 {
            break;
        }
    }
    let record = String::from_utf8(record).map_err(io::Error::other)?;
    Ok(Some(values_of(record.strip_suffix('\n').unwrap_or(&record))))
}

fn values_of(record: &str) -> Row {
    let mut row = Vec::new();
    let mut value: Option<String> = None;
    let mut is_quoted = false;
    let mut characters = record.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.next_if_eq(&'"').is_some() => value.get_or_insert_default().push('"'),
            '"' => {
                is_quoted = !is_quoted;
                value.get_or_insert_default();
            }
            ',' if !is_quoted => row.push(value.take()),
            other => value.get_or_insert_default().push(other),
        }
    }
    row.push(value);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_as_it_went_in_page_by_page() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("deep/result.csv");
        let mut writer = ResultWriter::create(&path, ["a", "b"].into_iter())?;
        let hostile = [[Some("x,\"y\"\n\"\"z"), None], [Some(""), Some("=1+1")], [None, Some("ü\r\n,")]];
        for row in hostile {
            let mut text = Vec::new();
            add_row(&mut text, row.into_iter());
            writer.append(&text)?;
        }
        writer.finish()?;
        let mut position = Some(0);
        let mut rows = Vec::new();
        while let Some(at) = position {
            let (page, next) = read_page(&path, at, 1)?;
            rows.extend(page);
            position = next;
        }
        let expected: Vec<Row> = std::iter::once(["a", "b"].map(Some))
            .chain(hostile)
            .map(|row| row.into_iter().map(|value| value.map(str::to_owned)).collect())
            .collect();
        assert_eq!(rows, expected);
        Ok(())
    }
}
