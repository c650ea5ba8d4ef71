//! The manifest that Data Exports writes last into `metadata/BILLING_PERIOD=YYYY-MM/<export>-Manifest.json`, and the
//! one that is made from the files where people copied only those.
//!
//! Of AWS's manifest only `executionId`, `columns[].name` and `dataFiles[]` are read; everything else passes through
//! untouched, for the product reads the same bytes from S3.

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use domain::base::calendar::Month;
use domain::base::digest::Digest;
use serde_json::{Value, json};

use super::super::files::DataFile;
use super::{ExportError, tree, unreadable};

/// The end of a file that stands for its content: Parquet keeps its footer with sizes and statistics there, gzip its
/// checksum and length. Reading whole exports of gigabytes only to name them would cost more than the query.
const TAIL_BYTES: u64 = 64 * 1024;

/// A delivery's manifest.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// What tells this delivery from any other: the execution's id, or the digest of the manifest where it has none.
    pub id: String,
    /// The columns, in lower case.
    pub columns: BTreeSet<String>,
    /// The manifest's JSON, byte for byte as the export wrote it.
    pub bytes: Vec<u8>,
    data_files: Vec<String>,
}

/// What the listed files say about the layout.
pub(super) struct Listed {
    /// The execution's folder, when the listed files lie in one.
    pub(super) execution_folder: Option<PathBuf>,
}

/// The manifest of a month: in the month's folder of `metadata`, or in its newest execution's folder there.
pub(super) fn find(metadata: Option<&Path>, month: &Path) -> Result<Option<(PathBuf, Manifest)>, ExportError> {
    let Some(folder) = metadata.zip(month.file_name()).map(|(metadata, name)| metadata.join(name)) else {
        return Ok(None);
    };
    if !folder.is_dir() {
        return Ok(None);
    }
    let inside = tree::entries(&folder)?;
    let mut candidates: Vec<PathBuf> = inside.iter().filter(|path| is_manifest(path)).cloned().collect();
    if candidates.is_empty() {
        for execution in inside.iter().rev().filter(|path| path.is_dir()) {
            candidates.extend(tree::entries(execution)?.into_iter().filter(|path| is_manifest(path)));
        }
    }
    let Some(path) = candidates.into_iter().next() else { return Ok(None) };
    let bytes = std::fs::read(&path).map_err(|source| ExportError::Io { path: path.clone(), source })?;
    let manifest =
        Manifest::parse(bytes).map_err(|source| ExportError::MalformedManifest { path: path.clone(), source })?;
    Ok(Some((path, manifest)))
}

fn is_manifest(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().to_lowercase().ends_with("manifest.json"))
}

/// A manifest in AWS's shape for files that came without one. The same files make the same manifest anywhere.
pub(super) fn of_files(export: &str, month: Month, folder: &Path, files: &[DataFile]) -> Result<Manifest, ExportError> {
    let mut columns = BTreeSet::new();
    let mut data_files = Vec::new();
    let mut tails = Vec::new();
    for file in files {
        columns.extend(file.column_names().map_err(|source| unreadable(file, source))?);
        tails.push(tail_digest(&file.path).map_err(|source| ExportError::Io { path: file.path.clone(), source })?);
        let name = file.path.strip_prefix(folder).unwrap_or(&file.path).to_string_lossy().into_owned();
        data_files.push(format!("data/BILLING_PERIOD={month}/{name}"));
    }
    let id = Digest::of(&json!({"export": export, "files": data_files, "tails": tails})).hex().to_owned();
    let manifest = json!({
        "executionId": id,
        "columns": columns.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
        "dataFiles": data_files,
    });
    Ok(Manifest { id, columns, bytes: manifest.to_string().into_bytes(), data_files })
}

/// Length and last bytes of a file.
fn tail_digest(path: &Path) -> std::io::Result<Digest> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = length.to_le_bytes().to_vec();
    file.read_to_end(&mut bytes)?;
    Ok(Digest::of_bytes(&bytes))
}

impl Manifest {
    fn parse(bytes: Vec<u8>) -> Result<Self, serde_json::Error> {
        let parsed: serde_json::Map<String, Value> = serde_json::from_slice(&bytes)?;
        let list = |key: &str| parsed.get(key).and_then(Value::as_array).into_iter().flatten();
        // A column is an object with a name; the name alone is understood too.
        let columns = list("columns").filter_map(|c| c.get("name").unwrap_or(c).as_str()).map(str::to_lowercase);
        let id = match parsed.get("executionId").and_then(Value::as_str) {
            Some(id) if !id.is_empty() => id.to_owned(),
            _ => Digest::of_bytes(&bytes).hex().to_owned(),
        };
        Ok(Self {
            id,
            columns: columns.collect(),
            data_files: list("dataFiles").filter_map(Value::as_str).map(str::to_owned).collect(),
            bytes,
        })
    }

    /// The listed files, as the export names them (`s3://…`, or relative to the export).
    #[must_use]
    pub fn data_files(&self) -> &[String] {
        &self.data_files
    }

    /// Holds the listed files against the month's folder. What stands before `BILLING_PERIOD=…` in their names is the
    /// bucket's business.
    pub(super) fn check_files(&self, path: &Path, month: &Path) -> Result<Listed, ExportError> {
        let mut execution_folder = None;
        for listed in &self.data_files {
            let below_month = match listed.to_ascii_uppercase().find("BILLING_PERIOD=") {
                Some(at) => listed.get(at..).and_then(|rest| rest.split_once('/')).map(|(_, below)| below),
                None => listed.rsplit('/').next(),
            };
            let below_month = Path::new(below_month.unwrap_or(listed));
            let file = month.join(below_month);
            let stays_inside = below_month.components().all(|part| matches!(part, Component::Normal(_)));
            if !stays_inside || !file.is_file() {
                return Err(ExportError::MissingFile { manifest: path.to_owned(), file: listed.clone() });
            }
            execution_folder = file.parent().filter(|parent| *parent != month).map(Path::to_owned);
        }
        Ok(Listed { execution_folder })
    }
}
