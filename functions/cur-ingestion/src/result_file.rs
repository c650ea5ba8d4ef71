//! A query's result as Athena leaves it in S3: a CSV in which every value is quoted and NULL is nothing at all.
//! Source: athena/latest/ug/querying-finding-output-files.
//!
//! Read in whatever chunks arrive; of a result of any size one record is held at a time.

use crate::row::Row;

/// Bytes of one record: the bill's longest texts are descriptions and maps of a few kilobytes.
const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// A file that is not a result, or breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MalformedFile {
    #[error("it breaks off within a record")]
    Truncated,
    #[error("a record is longer than {RECORD_BYTES_MAX} bytes")]
    TooLong,
    #[error("it is not UTF-8")]
    NotText,
}

/// What was read of the record that has not ended.
#[derive(Debug, Default)]
pub(crate) struct Records {
    record: Vec<u8>,
    is_quoted: bool,
}

impl Records {
    /// Takes the next chunk and hands on every record that it ends.
    pub(crate) fn take(&mut self, chunk: &[u8], mut each: impl FnMut(Row)) -> Result<(), MalformedFile> {
        for byte in chunk {
            // A doubled quote leaves and enters the quotes again, so it needs no rule of its own here.
            self.is_quoted ^= *byte == b'"';
            if *byte == b'\n' && !self.is_quoted {
                let record = std::mem::take(&mut self.record);
                each(row_of(record)?);
            } else if self.record.len() >= RECORD_BYTES_MAX {
                return Err(MalformedFile::TooLong);
            } else {
                self.record.push(*byte);
            }
        }
        Ok(())
    }

    /// The file has ended.
    pub(crate) fn finish(self) -> Result<(), MalformedFile> {
        if self.record.is_empty() && !self.is_quoted { Ok(()) } else { Err(MalformedFile::Truncated) }
    }
}

fn row_of(record: Vec<u8>) -> Result<Row, MalformedFile> {
    let record = String::from_utf8(record).map_err(|_| MalformedFile::NotText)?;
    let mut row = Row::new();
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
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, chunk: usize) -> Result<Vec<Row>, MalformedFile> {
        let mut rows = Vec::new();
        let mut records = Records::default();
        for chunk in text.as_bytes().chunks(chunk) {
            records.take(chunk, |row| rows.push(row))?;
        }
        records.finish().map(|()| rows)
    }

    #[test]
    fn any_text_is_read_in_chunks_of_any_size() {
        let text = "\"a\",\"b\"\n\"x,\"\"y\"\"\n\",\n,\"\"\n\"日本\",\"=1\"\n";
        let some = |text: &str| Some(text.to_owned());
        let expected = vec![
            vec![some("a"), some("b")],
            vec![some("x,\"y\"\n"), None],
            vec![None, some("")],
            vec![some("日本"), some("=1")],
        ];
        for chunk in 1..=text.len() {
            assert_eq!(read(text, chunk), Ok(expected.clone()), "{chunk}");
        }
    }

    #[test]
    fn a_file_that_breaks_off_is_no_result() {
        assert_eq!(read("\"a\"\n\"b", 3), Err(MalformedFile::Truncated));
        assert_eq!(read("\"a\"\n\"b\"", 3), Err(MalformedFile::Truncated));
        assert_eq!(read(&format!("\"{}", "x".repeat(RECORD_BYTES_MAX + 1)), 4096), Err(MalformedFile::TooLong));
        let mut records = Records::default();
        assert_eq!(records.take(b"\"\xff\"\n", |_| ()), Err(MalformedFile::NotText));
    }
}
