//! A CUR 2.0 export in a folder, in the layouts that AWS Data Exports delivers and that people copy out of a bucket.
//!
//! The folder is read anew at each call, as a bucket would be: a delivery that arrives while the stack runs is seen
//! by the next query. Which files make up a month is decided here and nowhere else: of an overwriting export all
//! files that are not empty, of a create-new one only those of the execution that the manifest names (without one,
//! the newest).

mod manifest;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use domain::base::calendar::Month;

use super::columns;
use super::files::{DataFile, Partition};

pub use manifest::Manifest;

/// An export folder that was found to be one.
#[derive(Debug, Clone)]
pub struct Export {
    name: String,
    layout: Layout,
}

/// How the folder is laid out.
#[derive(Debug, Clone)]
enum Layout {
    /// `BILLING_PERIOD=YYYY-MM` folders in `data`; the manifests' folder beside it, if there is one.
    Partitioned { data: PathBuf, metadata: Option<PathBuf>, only: Option<Month> },
    /// Files without partition folders: each row says its month.
    Flat { folder: PathBuf },
}

/// What is current for one month: the files and the manifest that stands for them.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The billing period.
    pub month: Month,
    /// The manifest as the export wrote it, or one made from the files when there is none.
    pub manifest: Manifest,
    /// The data files that are not empty.
    pub files: Vec<DataFile>,
}

/// Why a folder cannot be read as an export. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The path is not there or no folder.
    #[error("`{0}` is not a folder; point --cur at a folder that holds a CUR 2.0 export")]
    NotAFolder(PathBuf),
    /// Nothing in it looks like an export.
    #[error("no BILLING_PERIOD=… folder below `{0}`; point --cur at the export's data folder")]
    NoData(PathBuf),
    /// More than one export below the folder.
    #[error("several exports below `{folder}`: {found}; point --cur at one of them")]
    Several {
        /// The folder as given.
        folder: PathBuf,
        /// The data folders found.
        found: String,
    },
    /// Both layouts in one month and no manifest to tell which is current.
    #[error(
        "`{0}` holds data files beside execution folders and no manifest says which are current; remove the stale ones"
    )]
    Ambiguous(PathBuf),
    /// A manifest lists a file that is not there.
    #[error("the manifest `{manifest}` lists `{file}`, which is not there; the delivery is incomplete, copy it again")]
    MissingFile {
        /// The manifest.
        manifest: PathBuf,
        /// The file it lists.
        file: String,
    },
    /// A manifest that is no JSON object.
    #[error("`{path}` is not a Data Exports manifest; copy it again")]
    MalformedManifest {
        /// The manifest.
        path: PathBuf,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// A file that cannot be opened as Parquet or CSV.
    #[error("`{file}` cannot be read; it may be truncated, copy it again")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the reader says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The column with the callers is missing.
    #[error(
        "export misconfigured: {month} has no column `line_item_iam_principal`; create an export with \
         INCLUDE_IAM_PRINCIPAL_DATA=TRUE"
    )]
    NoPrincipalColumn {
        /// The billing period.
        month: Month,
    },
    /// The file system refuses.
    #[error("cannot read `{path}`")]
    Io {
        /// What was read.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

impl Export {
    /// Finds the export in a folder: at it, in its `data` folder, or in the one place below it that has months.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn open(folder: &Path) -> Result<Self, ExportError> {
        if !folder.is_dir() {
            return Err(ExportError::NotAFolder(folder.to_owned()));
        }
        if let (Some(month), Some(data)) = (tree::month_of_folder(folder), folder.parent()) {
            return Ok(Self::partitioned(data, Some(month)));
        }
        let found = tree::data_folders(folder)?;
        match found.as_slice() {
            [data] => Ok(Self::partitioned(data, None)),
            [] if !tree::data_files(folder)?.is_empty() => {
                Ok(Self { name: tree::name_of(folder), layout: Layout::Flat { folder: folder.to_owned() } })
            }
            [] => Err(ExportError::NoData(folder.to_owned())),
            several => {
                let found = several.iter().map(|d| format!("`{}`", d.display())).collect::<Vec<_>>().join(", ");
                Err(ExportError::Several { folder: folder.to_owned(), found })
            }
        }
    }

    fn partitioned(data: &Path, only: Option<Month>) -> Self {
        let is_data = data.file_name().is_some_and(|name| name == "data");
        let home = if is_data { data.parent().unwrap_or(data) } else { data };
        let metadata = Some(home.join("metadata")).filter(|folder| folder.is_dir());
        Self { name: tree::name_of(home), layout: Layout::Partitioned { data: data.to_owned(), metadata, only } }
    }

    /// The export's name: the folder above `data`, as in `<prefix>/<export name>/data/…`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is current for each month, in order.
    ///
    /// # Errors
    /// When a month cannot be told apart or a file cannot be opened.
    pub fn deliveries(&self) -> Result<Vec<Delivery>, ExportError> {
        match &self.layout {
            Layout::Flat { folder } => self.flat_deliveries(folder),
            Layout::Partitioned { metadata, .. } => {
                let months = self.month_folders()?.into_iter();
                months.map(|(month, folder)| self.delivery_in(month, &folder, metadata.as_deref())).collect()
            }
        }
    }

    /// What is current for one month, or nothing when the export has no such month.
    ///
    /// # Errors
    /// As [`Export::deliveries`], of this month alone.
    pub fn delivery(&self, month: Month) -> Result<Option<Delivery>, ExportError> {
        match &self.layout {
            Layout::Flat { folder } => Ok(self.flat_deliveries(folder)?.into_iter().find(|d| d.month == month)),
            Layout::Partitioned { metadata, .. } => {
                let found = self.month_folders()?.into_iter().find(|(of, _)| *of == month);
                found.map(|(month, folder)| self.delivery_in(month, &folder, metadata.as_deref())).transpose()
            }
        }
    }

    /// The months that the export has.
    ///
    /// # Errors
    /// When a folder cannot be read, or files without partition folders cannot.
    pub fn months(&self) -> Result<Vec<Month>, ExportError> {
        match &self.layout {
            Layout::Flat { folder } => Ok(self.flat_deliveries(folder)?.iter().map(|d| d.month).collect()),
            Layout::Partitioned { .. } => Ok(self.month_folders()?.into_iter().map(|(month, _)| month).collect()),
        }
    }

    fn month_folders(&self) -> Result<Vec<(Month, PathBuf)>, ExportError> {
        let Layout::Partitioned { data, only, .. } = &self.layout else { return Ok(Vec::new()) };
        let mut months = tree::months(data)?;
        months.retain(|(month, _)| only.is_none_or(|only| only == *month));
        Ok(months)
    }

    /// The files of all months, without the work of describing them; of an export that creates new files those of every
    /// execution, for the query says which one it means.
    ///
    /// # Errors
    /// As [`Export::deliveries`].
    pub fn files(&self) -> Result<Vec<DataFile>, ExportError> {
        match &self.layout {
            Layout::Flat { folder } => Ok(flat_files(folder)?),
            Layout::Partitioned { metadata, .. } => {
                let mut files = Vec::new();
                for (month, folder) in self.month_folders()? {
                    let written = manifest::find(metadata.as_deref(), &folder)?;
                    let current = current_files(month, &folder, written.as_ref())?;
                    let creates_new = current.iter().any(|file| file.execution.is_some());
                    files.extend(if creates_new { executions_files(month, &folder)? } else { current });
                }
                Ok(files)
            }
        }
    }

    fn delivery_in(&self, month: Month, folder: &Path, metadata: Option<&Path>) -> Result<Delivery, ExportError> {
        let written = manifest::find(metadata, folder)?;
        let files = current_files(month, folder, written.as_ref())?;
        let manifest = match written {
            Some((_, manifest)) => manifest,
            None => manifest::of_files(&self.name, month, folder, &files)?,
        };
        Ok(Delivery { month, manifest, files })
    }

    fn flat_deliveries(&self, folder: &Path) -> Result<Vec<Delivery>, ExportError> {
        let mut files_of: BTreeMap<Month, Vec<DataFile>> = BTreeMap::new();
        for file in flat_files(folder)? {
            let months: BTreeSet<Month> = file.months().map_err(|source| unreadable(&file, source))?;
            for month in months {
                files_of.entry(month).or_default().push(file.clone());
            }
        }
        let describe = |(month, files): (Month, Vec<DataFile>)| {
            let manifest = manifest::of_files(&self.name, month, folder, &files)?;
            Ok(Delivery { month, manifest, files })
        };
        files_of.into_iter().map(describe).collect()
    }
}

impl Delivery {
    /// The execution that wrote it, where the export creates new files for each.
    #[must_use]
    pub fn execution(&self) -> Option<&str> {
        self.files.iter().find_map(|file| file.execution.as_deref())
    }

    /// Whether callers can be told apart at all.
    ///
    /// # Errors
    /// When the export was made without the callers' column; a month without files has no columns to miss.
    pub fn require_principals(&self) -> Result<(), ExportError> {
        let has_principals = self.manifest.columns.contains(columns::PRINCIPAL);
        if has_principals || self.files.is_empty() {
            return Ok(());
        }
        Err(ExportError::NoPrincipalColumn { month: self.month })
    }
}

fn flat_files(folder: &Path) -> Result<Vec<DataFile>, ExportError> {
    let file = |path| DataFile { path, partition: Partition::InRows, execution: None };
    Ok(tree::data_files(folder)?.into_iter().map(file).collect())
}

/// The files of a month that count. Files beside execution folders are either an overwriting export's or stale: the
/// manifest tells, and without one nobody can.
fn current_files(
    month: Month,
    folder: &Path,
    written: Option<&(PathBuf, Manifest)>,
) -> Result<Vec<DataFile>, ExportError> {
    let (direct, executions) = (tree::data_files(folder)?, tree::execution_folders(folder)?);
    let newest = executions.last();
    let execution = match written {
        Some((path, manifest)) => {
            let listed = manifest.check_files(path, folder)?;
            listed.execution_folder.or_else(|| newest.filter(|_| direct.is_empty()).cloned())
        }
        None if newest.is_some() && !direct.is_empty() => return Err(ExportError::Ambiguous(folder.to_owned())),
        None => newest.cloned(),
    };
    match execution {
        Some(execution) => files_of(month, &execution),
        None => Ok(in_month(month, direct, None)),
    }
}

fn executions_files(month: Month, folder: &Path) -> Result<Vec<DataFile>, ExportError> {
    let mut files = Vec::new();
    for execution in tree::execution_folders(folder)? {
        files.extend(files_of(month, &execution)?);
    }
    Ok(files)
}

fn files_of(month: Month, execution: &Path) -> Result<Vec<DataFile>, ExportError> {
    let name = execution.file_name().map(|name| name.to_string_lossy());
    Ok(in_month(month, tree::data_files(execution)?, name.as_deref()))
}

fn in_month(month: Month, paths: Vec<PathBuf>, execution: Option<&str>) -> Vec<DataFile> {
    let file = |path| DataFile { path, partition: Partition::Month(month), execution: execution.map(str::to_owned) };
    paths.into_iter().map(file).collect()
}

fn unreadable(file: &DataFile, source: Box<dyn std::error::Error + Send + Sync>) -> ExportError {
    ExportError::Unreadable { file: file.path.clone(), source }
}
