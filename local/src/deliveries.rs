//! Delivers a CUR export folder to the local bucket: its manifests, as AWS Data Exports writes them, last and whole.
//!
//! The data itself stays where it is, Athena reads it there. A folder without manifests (people copy the data alone)
//! gets one per month, made from its files. An unchanged manifest is not delivered again, so a start is no new
//! delivery.

use std::path::Path;

use crate::athena::{Export, ExportError};
use crate::cloud::{CUR_BUCKET, Cloud};

/// Why an export was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The folder is no export that can be read.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The local bucket cannot be written.
    #[error("the local bucket cannot be written at `{path}`; give a writable data folder")]
    Bucket {
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Delivers the manifest of every month whose manifest is new; answers how many were.
///
/// # Errors
/// [`DeliveryError`]; months before the one that failed are delivered.
pub fn deliver(cloud: &Cloud, cur: &Path, prefix: &str) -> Result<usize, DeliveryError> {
    let export = Export::open(cur)?;
    let mut delivered = 0;
    for delivery in export.deliveries()? {
        let key = format!("{prefix}/metadata/BILLING_PERIOD={}/{}-Manifest.json", delivery.month, export.name());
        let path = cloud.objects().join(CUR_BUCKET).join(&key);
        let bucket = |source| DeliveryError::Bucket { path: path.display().to_string(), source };
        if std::fs::read(&path).is_ok_and(|there| there == delivery.manifest.bytes) {
            continue;
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(bucket)?;
        }
        // Whole or not at all: a reader never sees half a manifest.
        let part = path.with_extension("part");
        std::fs::write(&part, &delivery.manifest.bytes).and_then(|()| std::fs::rename(&part, &path)).map_err(bucket)?;
        delivered += 1;
    }
    Ok(delivered)
}
