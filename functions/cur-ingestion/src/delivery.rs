//! What AWS delivered for a month: its manifest in the bucket, or what stands for one.
//!
//! AWS writes the manifest last, so a manifest is a complete delivery. Where people copied the data files alone, the
//! list of those files (keys, sizes, entity tags) stands for it; files without a `BILLING_PERIOD=` folder belong to
//! any month.
//!
//! A copy may lack what its manifest lists. Athena reads what is there and both queries agree on it, so nothing else
//! would notice that the month is low.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::Object;
use domain::base::calendar::Month;
use domain::base::digest::Digest;
use domain::spend::bill::run::Manifest;
use jiff::Timestamp;
use lambda::{Aws, Environment, EnvironmentError};
use serde::Deserialize;
use serde_json::Value;

use crate::columns::{CSV_HEAD_BYTES, PARQUET_TRAILER_BYTES, csv_columns, footer_names, parquet_footer_bytes};

/// Data files of one month that are looked into for columns, when no manifest names them.
const FILES_LOOKED_INTO_MAX: usize = 20;

/// The bucket with the export.
#[derive(Debug)]
pub(crate) struct Bucket {
    client: Client,
    name: String,
    prefix: String,
}

/// What is current for a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) manifest: Manifest,
    /// What the month's data files are, in one digest. AWS replaces them before it writes the manifest, so a reading
    /// under one manifest may be torn all the same.
    pub(crate) data_files: Digest,
    /// Files that the manifest lists and the bucket does not hold whole, each with what is wrong.
    pub(crate) unfit_files: BTreeMap<String, &'static str>,
    /// The folder of the execution below the month's, where the export creates new files for each.
    pub(crate) execution: Option<String>,
    /// Lower-case column names, where the manifest lists them.
    pub(crate) columns: Option<Vec<String>>,
    /// The data files, where columns are looked for in them, with their sizes.
    pub(crate) files: Vec<(String, u64)>,
}

/// Why the bucket was of no help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    /// S3 does not answer, or refuses.
    #[error("{operation} on bucket `{bucket}` failed: {why}")]
    Call { operation: &'static str, bucket: String, why: String },
    /// The manifest is not JSON.
    #[error("`{key}` is not a Data Exports manifest: {why}; wait for the next delivery or copy it again")]
    Malformed { key: String, why: String },
    /// The manifest's files lie in more than one folder of the month.
    #[error("`{key}` lists files of `{one}` and of `{other}`; one delivery lies in one folder, copy it again")]
    Several { key: String, one: String, other: String },
}

/// Files of one delivery in two folders.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Several {
    one: String,
    other: String,
}

/// The parts of AWS's manifest that are read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ManifestFile {
    columns: Vec<Value>,
    data_files: Vec<String>,
}

impl Delivery {
    /// The columns that the manifest lists; none where no manifest does.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &String> {
        self.columns.iter().flatten()
    }
}

impl Bucket {
    /// From the variables that the template sets. Without `CUR_PREFIX` the whole bucket is the export.
    ///
    /// # Errors
    /// When the bucket is not named.
    pub(crate) fn from_env(aws: &Aws, env: &Environment) -> Result<Self, EnvironmentError> {
        let prefix = env.get("CUR_PREFIX").map(|prefix| prefix.trim_matches('/')).filter(|prefix| !prefix.is_empty());
        Ok(Self {
            // The bucket's name may hold dots, which no certificate covers below the endpoint's own name.
            client: Client::from_conf(aws_sdk_s3::config::Builder::from(&aws.config()).force_path_style(true).build()),
            name: env.require("CUR_BUCKET")?.to_owned(),
            prefix: prefix.map_or_else(String::new, |prefix| format!("{prefix}/")),
        })
    }

    /// The current delivery of a month; `None` if there is none.
    pub(crate) async fn find(&self, month: Month) -> Result<Option<Delivery>, DeliveryError> {
        // AWS's own layout first: one page, however many months the export holds.
        let folder = format!("{}metadata/BILLING_PERIOD={month}/", self.prefix);
        let written = self.list(&folder).await?;
        if let Some(found) = newest_manifest(&written, month) {
            let data = self.list(&format!("{}data/BILLING_PERIOD={month}/", self.prefix)).await?;
            return self.described_by(found, &data.iter().collect::<Vec<_>>()).await.map(Some);
        }
        let all = self.list(&self.prefix).await?;
        match newest_manifest(&all, month) {
            Some(found) => {
                let of_month = |object: &&Object| object.key().is_some_and(|key| month_of(key) == Some(month));
                self.described_by(found, &all.iter().filter(of_month).collect::<Vec<_>>()).await.map(Some)
            }
            None => Ok(of_files(&all, month)),
        }
    }

    /// Which of these columns the delivery lacks.
    pub(crate) async fn lacks(
        &self,
        delivery: &Delivery,
        wanted: &[&'static str],
    ) -> Result<Vec<&'static str>, DeliveryError> {
        let mut lacking = wanted.to_vec();
        if let Some(columns) = &delivery.columns {
            lacking.retain(|wanted| !columns.iter().any(|column| column == wanted));
            return Ok(lacking);
        }
        for (key, size) in delivery.files.iter().take(FILES_LOOKED_INTO_MAX) {
            self.drop_named(key, *size, &mut lacking).await?;
            if lacking.is_empty() {
                break;
            }
        }
        Ok(lacking)
    }

    /// Whether a key lies in this export, and of which month it is.
    pub(crate) fn month_of_manifest(&self, bucket: &str, key: &str) -> Option<Month> {
        let is_ours = bucket == self.name && key.starts_with(&self.prefix) && is_manifest(key);
        is_ours.then(|| month_of(key)).flatten()
    }

    /// Takes out the columns that a file names. One that breaks off says nothing about its columns, and lacks none:
    /// Athena names it when it reads it.
    async fn drop_named(&self, key: &str, size: u64, lacking: &mut Vec<&'static str>) -> Result<(), DeliveryError> {
        if !key.to_ascii_lowercase().ends_with(".parquet") {
            let head = self.get(key, Some((0, CSV_HEAD_BYTES.min(size).saturating_sub(1)))).await?;
            let columns = csv_columns(&head, key);
            lacking.retain(|wanted| !columns.contains(*wanted));
            return Ok(());
        }
        let trailer = self.get(key, Some((size.saturating_sub(PARQUET_TRAILER_BYTES), size.saturating_sub(1)))).await?;
        let Some(length) = parquet_footer_bytes(&trailer).filter(|length| length + PARQUET_TRAILER_BYTES <= size)
        else {
            lacking.clear();
            return Ok(());
        };
        let from = size - PARQUET_TRAILER_BYTES - length;
        let footer = self.get(key, Some((from, size.saturating_sub(1)))).await?;
        lacking.retain(|wanted| !footer_names(&footer, wanted));
        Ok(())
    }

    async fn described_by(&self, found: &Object, data: &[&Object]) -> Result<Delivery, DeliveryError> {
        let key = found.key().unwrap_or_default();
        let bytes = self.get(key, None).await?;
        let malformed = |why: serde_json::Error| DeliveryError::Malformed { key: key.to_owned(), why: why.to_string() };
        let file: ManifestFile = serde_json::from_slice(&bytes).map_err(malformed)?;
        let name = |column: &Value| column.get("name").unwrap_or(column).as_str().map(str::to_lowercase);
        let columns: Vec<String> = file.columns.iter().filter_map(name).collect();
        let manifest = Manifest {
            id: Digest::of_bytes(&bytes).hex().to_owned(),
            key: Some(key.to_owned()),
            delivered_at: delivered_at(found),
        };
        let execution = execution_of(&file.data_files).map_err(|Several { one, other }| DeliveryError::Several {
            key: key.to_owned(),
            one,
            other,
        })?;
        Ok(Delivery {
            manifest,
            data_files: listing(data.iter().copied()),
            unfit_files: unfit_files(&file.data_files, data),
            execution,
            columns: Some(columns).filter(|columns| !columns.is_empty()),
            files: sizes(data.iter().copied().filter(|object| is_data(object))),
        })
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Object>, DeliveryError> {
        let mut objects = Vec::new();
        let mut next = None;
        loop {
            let asked = self.client.list_objects_v2().bucket(&self.name).prefix(prefix).set_continuation_token(next);
            let page = match asked.send().await {
                Ok(page) => page,
                Err(error) if error.code() == Some("NoSuchBucket") => return Ok(Vec::new()),
                Err(error) => return Err(self.failed("ListObjectsV2", &error)),
            };
            objects.extend(page.contents.unwrap_or_default());
            next = page.next_continuation_token;
            if next.is_none() {
                return Ok(objects);
            }
        }
    }

    async fn get(&self, key: &str, range: Option<(u64, u64)>) -> Result<Vec<u8>, DeliveryError> {
        let asked = self.client.get_object().bucket(&self.name).key(key);
        let asked = asked.set_range(range.map(|(from, to)| format!("bytes={from}-{to}")));
        let object = asked.send().await.map_err(|e| self.failed("GetObject", &e))?;
        let unread = |why: String| DeliveryError::Call { operation: "GetObject", bucket: self.name.clone(), why };
        Ok(object.body.collect().await.map_err(|e| unread(e.to_string()))?.to_vec())
    }

    fn failed<E>(&self, operation: &'static str, error: &SdkError<E>) -> DeliveryError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let why = error.code().map_or_else(|| error.to_string(), str::to_owned);
        DeliveryError::Call { operation, bucket: self.name.clone(), why }
    }
}

/// The month that a key's `BILLING_PERIOD=YYYY-MM` folder names, in any letter case.
fn month_of(key: &str) -> Option<Month> {
    key.split('/').find_map(|segment| {
        let (name, value) = segment.split_once('=')?;
        name.eq_ignore_ascii_case("billing_period").then(|| value.parse().ok()).flatten()
    })
}

/// The execution's folder in which a manifest's files lie, as `…/BILLING_PERIOD=2026-08/<execution>/<file>`; `None`
/// where they lie in the month's own folder, as an overwriting export's do.
fn execution_of(data_files: &[String]) -> Result<Option<String>, Several> {
    let folder = |file: &String| {
        let mut below = file.split('/').skip_while(|part| !part.to_ascii_uppercase().starts_with("BILLING_PERIOD="));
        let _month = below.next()?;
        let below: Vec<&str> = below.collect();
        below.split_last().map(|(_, folders)| folders.join("/"))
    };
    let mut folders = data_files.iter().filter_map(folder);
    let Some(one) = folders.next() else { return Ok(None) };
    match folders.find(|other| *other != one) {
        Some(other) => Err(Several { one, other }),
        None => Ok(Some(one).filter(|folder| !folder.is_empty())),
    }
}

fn is_manifest(key: &str) -> bool {
    key.to_ascii_lowercase().ends_with("manifest.json")
}

/// Empty files are what an overwriting export leaves of surplus chunks.
fn is_data(object: &Object) -> bool {
    let key = object.key().unwrap_or_default().to_ascii_lowercase();
    let name = key.rsplit('/').next().unwrap_or_default();
    let has_ending = [".parquet", ".csv.gz", ".csv"].iter().any(|ending| name.ends_with(ending));
    has_ending && !name.starts_with(['.', '_']) && object.size().unwrap_or_default() > 0
}

fn delivered_at(object: &Object) -> Timestamp {
    let seconds = object.last_modified().map_or(0, aws_sdk_s3::primitives::DateTime::secs);
    Timestamp::from_second(seconds).unwrap_or_default()
}

fn newest_manifest(objects: &[Object], month: Month) -> Option<&Object> {
    let of_month = |object: &&Object| object.key().is_some_and(|key| is_manifest(key) && month_of(key) == Some(month));
    objects.iter().filter(of_month).max_by_key(|object| (delivered_at(object), object.key().map(str::to_owned)))
}

fn of_files(objects: &[Object], month: Month) -> Option<Delivery> {
    let data: Vec<&Object> = objects.iter().filter(|object| is_data(object)).collect();
    let is_flat = data.iter().all(|object| object.key().is_some_and(|key| month_of(key).is_none()));
    let of_month = |object: &&&Object| is_flat || object.key().is_some_and(|key| month_of(key) == Some(month));
    let files: Vec<&Object> = data.iter().filter(of_month).copied().collect();
    let delivered = files.iter().map(|object| delivered_at(object)).max()?;
    let data_files = listing(files.iter().copied());
    let id = Digest::of(&(month, &data_files)).hex().to_owned();
    let manifest = Manifest { id, key: None, delivered_at: delivered };
    let (unfit_files, files) = (BTreeMap::new(), sizes(files));
    Some(Delivery { manifest, data_files, unfit_files, execution: None, columns: None, files })
}

fn sizes<'o>(objects: impl IntoIterator<Item = &'o Object>) -> Vec<(String, u64)> {
    let named = |object: &Object| Some((object.key()?.to_owned(), u64::try_from(object.size()?).ok()?));
    objects.into_iter().filter_map(named).collect()
}

/// The listed files that the bucket does not hold, or holds empty. AWS lists the files of an export, and of surplus
/// chunks, which an overwriting export empties, none: so an empty file that is listed is one that was not copied
/// whole. A copy lies under another bucket and prefix; what counts is the path below the month's folder. Where there
/// is no file at all, there is no row either, and that fails the run by itself.
fn unfit_files(listed: &[String], data: &[&Object]) -> BTreeMap<String, &'static str> {
    let held: BTreeMap<&str, bool> =
        data.iter().filter_map(|object| Some((below_month(object.key()?), object.size()? > 0))).collect();
    let flaw = |path: &String| match held.get(below_month(path)) {
        None => Some((path.clone(), "is not there")),
        Some(false) => Some((path.clone(), "is empty")),
        Some(true) => None,
    };
    if held.is_empty() { BTreeMap::new() } else { listed.iter().filter_map(flaw).collect() }
}

/// A path below its `BILLING_PERIOD=YYYY-MM` folder; the file's name where it has none.
fn below_month(path: &str) -> &str {
    let mut rest = path;
    while let Some((folder, below)) = rest.split_once('/') {
        rest = below;
        if month_of(folder).is_some() {
            break;
        }
    }
    rest
}

/// What objects are, by all that the bucket says of them without opening them.
fn listing<'o>(objects: impl IntoIterator<Item = &'o Object>) -> Digest {
    let files = objects.into_iter().filter(|object| is_data(object));
    Digest::of(&files.map(|o| (o.key(), o.size(), o.e_tag(), delivered_at(o))).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::primitives::DateTime;

    fn object(key: &str, size: i64, at: i64) -> Object {
        Object::builder().key(key).size(size).last_modified(DateTime::from_secs(at)).e_tag("\"x\"").build()
    }

    #[test]
    fn a_months_manifest_is_the_newest_of_its_folder_and_no_other() -> Result<(), domain::base::calendar::MalformedMonth>
    {
        let objects = [
            object("cur/metadata/BILLING_PERIOD=2026-07/x-Manifest.json", 9, 50),
            object("cur/metadata/billing_period=2026-08/1/x-Manifest.json", 9, 10),
            object("cur/metadata/BILLING_PERIOD=2026-08/2/x-Manifest.json", 9, 20),
            object("cur/data/BILLING_PERIOD=2026-08/a.parquet", 9, 99),
        ];
        let found = newest_manifest(&objects, "2026-08".parse()?);
        assert_eq!(found.and_then(Object::key), Some("cur/metadata/BILLING_PERIOD=2026-08/2/x-Manifest.json"));
        assert!(newest_manifest(&objects, "2026-06".parse()?).is_none());
        Ok(())
    }

    #[test]
    fn a_manifests_files_lie_in_the_month_or_in_one_execution_of_it() {
        let file = |folder: &str| format!("s3://b/cur/x/data/BILLING_PERIOD=2026-08/{folder}x-00001.snappy.parquet");
        let check = |folders: &[&str], expected: Result<Option<&str>, ()>| {
            let files: Vec<String> = folders.iter().map(|folder| file(folder)).collect();
            let found = execution_of(&files).map_err(|_| ());
            assert_eq!(found, expected.map(|execution| execution.map(str::to_owned)), "{folders:?}");
        };
        check(&[], Ok(None));
        check(&["", ""], Ok(None));
        check(&["20260802T010203Z-aaaa/", "20260802T010203Z-aaaa/"], Ok(Some("20260802T010203Z-aaaa")));
        check(&["20260802T010203Z-aaaa/", "20260803T010203Z-bbbb/"], Err(()));
        check(&["20260802T010203Z-aaaa/", ""], Err(()));
        assert_eq!(execution_of(&["data/x.parquet".to_owned()]), Ok(None));
    }

    #[test]
    fn each_file_that_a_manifest_lists_is_in_the_bucket_and_not_empty() {
        let listed = ["a", "b", "20260802T010203Z-aaaa/c"]
            .map(|name| format!("s3://payer/x/data/BILLING_PERIOD=2026-08/{name}"));
        let copied = |name: &str, size| object(&format!("copy/data/billing_period=2026-08/{name}"), size, 10);
        let check = |copied: &[Object], expected: &[(usize, &'static str)]| {
            let found = unfit_files(&listed, &copied.iter().collect::<Vec<_>>());
            let expected = expected.iter().filter_map(|(at, why)| Some((listed.get(*at)?.clone(), *why)));
            assert_eq!(found, expected.collect::<BTreeMap<_, _>>());
        };
        let c = "20260802T010203Z-aaaa/c";
        check(&[copied("a", 9), copied("b", 9), copied(c, 9), copied("surplus", 0)], &[]);
        check(&[copied("a", 9), copied("b", 0), copied(c, 9)], &[(1, "is empty")]);
        check(&[copied("b", 9), copied("c", 9)], &[(0, "is not there"), (2, "is not there")]);
        check(&[], &[]);
    }

    #[test]
    fn files_without_a_manifest_stand_for_one_until_any_of_them_moves()
    -> Result<(), domain::base::calendar::MalformedMonth> {
        let month: Month = "2026-08".parse()?;
        let one = [
            object("data/BILLING_PERIOD=2026-08/a.parquet", 9, 10),
            object("data/BILLING_PERIOD=2026-07/a.parquet", 9, 99),
        ];
        let first = of_files(&one, month);
        assert_eq!(first.as_ref().map(|d| (d.files.len(), d.manifest.delivered_at.as_second())), Some((1, 10)));
        assert_eq!(first, of_files(&one, month));
        let moved = [object("data/BILLING_PERIOD=2026-08/a.parquet", 8, 10)];
        assert_ne!(first.map(|d| d.manifest.id), of_files(&moved, month).map(|d| d.manifest.id));
        assert!(of_files(&one, "2026-06".parse()?).is_none());
        let flat = [object("export.csv.gz", 9, 10), object("notes.txt", 9, 10), object("_empty.csv", 0, 10)];
        assert_eq!(of_files(&flat, month).map(|d| d.files), Some(vec![("export.csv.gz".to_owned(), 9)]));
        Ok(())
    }
}
