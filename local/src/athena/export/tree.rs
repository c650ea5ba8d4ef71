//! The folders of an export: where its months are, which of its files count as data.

use std::path::{Path, PathBuf};

use domain::base::calendar::Month;

use super::ExportError;

/// How far below the given folder an export is looked for: `<bucket>/<prefix>/…/<export>/data` is rarely deeper.
const DEPTH_MAX: usize = 6;

/// The month of a `BILLING_PERIOD=YYYY-MM` folder. Hive reads the key in any case.
pub(super) fn month_of_folder(folder: &Path) -> Option<Month> {
    let (key, value) = folder.file_name()?.to_str()?.split_once('=')?;
    if key.eq_ignore_ascii_case("billing_period") { value.parse().ok() } else { None }
}

/// The last part of a folder's path, as the export's name.
pub(super) fn name_of(folder: &Path) -> String {
    let name = folder.canonicalize().ok().and_then(|f| f.file_name().map(|n| n.to_string_lossy().into_owned()));
    name.unwrap_or_else(|| "export".to_owned())
}

/// Folders at or below `folder` that hold months; the manifests' folder, which has months too, does not count.
pub(super) fn data_folders(folder: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let mut found = Vec::new();
    let mut level = vec![folder.to_owned()];
    for _ in 0..=DEPTH_MAX {
        let mut next = Vec::new();
        for folder in level {
            let children = folders(&folder)?;
            if children.iter().any(|child| month_of_folder(child).is_some()) {
                found.push(folder);
            } else {
                next.extend(children.into_iter().filter(|c| c.file_name().is_none_or(|name| name != "metadata")));
            }
        }
        level = next;
    }
    Ok(found)
}

/// The months in a data folder, in order.
pub(super) fn months(data: &Path) -> Result<Vec<(Month, PathBuf)>, ExportError> {
    let mut months: Vec<_> =
        folders(data)?.into_iter().filter_map(|folder| Some((month_of_folder(&folder)?, folder))).collect();
    months.sort();
    Ok(months)
}

/// The folders of executions in a month that hold data, oldest first: their names begin with a time.
pub(super) fn execution_folders(month: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let mut executions = Vec::new();
    for folder in folders(month)? {
        if !data_files(&folder)?.is_empty() {
            executions.push(folder);
        }
    }
    Ok(executions)
}

/// The data files directly in a folder, in order. Empty ones are what an overwriting export leaves of surplus chunks.
pub(super) fn data_files(folder: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        let metadata = path.metadata().map_err(|source| ExportError::Io { path: path.clone(), source })?;
        if metadata.is_file() && metadata.len() > 0 && is_data(&path) {
            files.push(path);
        }
    }
    Ok(files)
}

fn is_data(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    !name.starts_with(['.', '_']) && [".parquet", ".csv.gz", ".csv"].iter().any(|ending| name.ends_with(ending))
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, ExportError> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// What a folder holds, sorted by name, so that everything after reads in the same order everywhere.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let failed = |source| ExportError::Io { path: folder.to_owned(), source };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    Ok(entries)
}
