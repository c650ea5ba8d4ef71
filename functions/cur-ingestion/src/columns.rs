//! Which columns an export carries: told by its manifest or, where people copied the data files alone, by a file
//! itself. Never by SQL, in which a missing column reads NULL.

use std::collections::BTreeSet;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;

/// Bytes at the end of a Parquet file: the footer's length in four, then the magic word.
pub(crate) const PARQUET_TRAILER_BYTES: u64 = 8;
/// Bytes at the beginning of a CSV file that are sure to hold its first line: 130 names of some 40 letters.
pub(crate) const CSV_HEAD_BYTES: u64 = 64 * 1024;

const PARQUET_MAGIC: &[u8] = b"PAR1";

/// How long a Parquet file's footer is; `None` for a file that breaks off, which Athena will name.
pub(crate) fn parquet_footer_bytes(trailer: &[u8]) -> Option<u64> {
    let (length, magic) = trailer.split_at_checked(4)?;
    let length: [u8; 4] = length.try_into().ok()?;
    (magic == PARQUET_MAGIC).then(|| u64::from(u32::from_le_bytes(length)))
}

/// Whether a footer names the column: names stand in it as they are.
pub(crate) fn footer_names(footer: &[u8], column: &str) -> bool {
    footer.windows(column.len()).any(|window| window == column.as_bytes())
}

/// The columns that the first line of a CSV file names, in lower case.
pub(crate) fn csv_columns(head: &[u8], key: &str) -> BTreeSet<String> {
    let mut text = Vec::new();
    if key.to_ascii_lowercase().ends_with(".gz") {
        // The head of a file ends in the middle of its stream: what came out until then is the first line and more.
        let _cut_off = MultiGzDecoder::new(head).take(CSV_HEAD_BYTES).read_to_end(&mut text);
    } else {
        text.extend_from_slice(head);
    }
    let first_line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(first_line);
    line.split(',').map(|name| name.trim().trim_matches('"').to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    #[test]
    fn a_csv_head_is_read_packed_or_not_and_cut_off() -> std::io::Result<()> {
        let names_principal = |head: &[u8], key: &str| csv_columns(head, key).contains("line_item_iam_principal");
        let with = b"a,\"line_item_iam_principal\",b\r\n1,2,3\n";
        assert!(names_principal(with.as_slice(), "x.csv"));
        assert!(!names_principal(b"a,b\nline_item_iam_principal,2\n", "x.csv"));
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(with)?;
        packed.write_all(&[b'x'; 5000])?;
        let packed = packed.finish()?;
        assert!(names_principal(&packed, "x.csv.gz"));
        assert!(names_principal(packed.get(..packed.len() - 12).unwrap_or_default(), "x.CSV.GZ"));
        assert!(!names_principal(b"not gzip", "x.csv.gz"));
        Ok(())
    }

    #[test]
    fn a_parquet_file_that_breaks_off_has_no_footer() {
        assert_eq!(parquet_footer_bytes(b"\x10\x01\x00\x00PAR1"), Some(272));
        assert_eq!(parquet_footer_bytes(b"\x10\x01\x00\x00PARX"), None);
        assert_eq!(parquet_footer_bytes(b"PAR"), None);
        assert!(footer_names(b"\x00\x17line_item_iam_principal\x15", "line_item_iam_principal"));
    }
}
