//! Opens one row group of a Parquet file so that texts come as the file keeps them: in a dictionary, where all pages
//! of a column refer to one, and else as views of its pages. Of a row that is dropped such a text is a number and no
//! copy. One reader spans one row group, since each has a dictionary of its own, and texts of two would be gathered
//! into a new one.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef, Fields, Schema};
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::basic::Encoding;
use datafusion::parquet::file::metadata::ColumnChunkMetaData;

use super::columns::dictionary_of_texts;

/// What goes wrong in a file; the caller knows which file it was.
pub(super) type FileError = Box<dyn std::error::Error + Send + Sync>;

/// A Parquet file of which row groups are read.
pub(super) struct RowGroups {
    file: File,
    metadata: ArrowReaderMetadata,
}

impl RowGroups {
    /// Reads the footer.
    ///
    /// # Errors
    /// When the file is not there, no Parquet, or truncated.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let file = File::open(path)?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
        Ok(Self { file, metadata })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// A reader of one row group.
    ///
    /// # Errors
    /// When there is no such group, or its columns are not what the file's schema says.
    pub(super) fn reader(&self, group: usize) -> Result<ParquetRecordBatchReaderBuilder<File>, FileError> {
        let chunks = self.metadata.metadata().row_groups().get(group).ok_or("the file has fewer row groups")?.columns();
        let descriptor = self.metadata.parquet_schema();
        let fields = self.metadata.schema().fields().iter().enumerate().map(|(root, field)| {
            let leaves = chunks.iter().enumerate().filter(|(leaf, _)| descriptor.get_column_root_idx(*leaf) == root);
            let leaves: Vec<&ColumnChunkMetaData> = leaves.map(|(_, chunk)| chunk).collect();
            as_kept(field, &leaves)
        });
        let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), self.metadata.schema().metadata().clone());
        let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(self.metadata.metadata()), options)?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.try_clone()?, metadata);
        Ok(reader.with_row_groups(vec![group]))
    }
}

/// A column with its texts, or the texts of its map, as they lie in the file.
fn as_kept(field: &FieldRef, leaves: &[&ColumnChunkMetaData]) -> FieldRef {
    let kind = match (field.data_type(), leaves) {
        (DataType::Utf8, [chunk]) if is_in_dictionary(chunk) => dictionary_of_texts(),
        (DataType::Utf8, _) => DataType::Utf8View,
        (DataType::Map(entries, sorted), [keys, values]) => match entries.data_type() {
            DataType::Struct(pair) => {
                let pair: Fields =
                    pair.iter().zip([keys, values]).map(|(part, chunk)| as_kept(part, &[chunk])).collect();
                let entries = entries.as_ref().clone().with_data_type(DataType::Struct(pair));
                DataType::Map(Arc::new(entries), *sorted)
            }
            _ => return Arc::clone(field),
        },
        _ => return Arc::clone(field),
    };
    Arc::new(field.as_ref().clone().with_data_type(kind))
}

/// Whether texts of this type are as their file keeps them.
pub(super) fn is_kept_text(kind: &DataType) -> bool {
    *kind == DataType::Utf8View || *kind == dictionary_of_texts()
}

/// Whether all pages refer to a dictionary; of a file that does not say it is not assumed.
fn is_in_dictionary(chunk: &ColumnChunkMetaData) -> bool {
    let of = [Encoding::RLE_DICTIONARY, Encoding::PLAIN_DICTIONARY];
    chunk.page_encoding_stats_mask().is_some_and(|pages| of.iter().any(|encoding| pages.is_only(*encoding)))
}
