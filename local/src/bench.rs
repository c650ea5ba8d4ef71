//! What `local/bench/run` measures of this side; it compares and reports.

mod cards;

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::athena::for_each_row;
use crate::cloud::Consumed;
use crate::queries::{ask, of_export, open};
use crate::stack::{Local, Options};

pub use cards::{Opened, open_cards};

/// When the generated bill is read: its last day is the day before.
const NOW: &str = "2026-08-24T07:00:00Z";

/// What the facts queries of all months of an export took.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// From the first submission to the last result on disk.
    pub seconds: f64,
    /// Bytes that Athena would charge for.
    pub scanned_bytes: u64,
    /// Rows of the results.
    pub groups: u64,
}

/// Asks the facts queries one after the other, as a refresh does.
///
/// # Errors
/// When the export cannot be read or a query fails.
pub async fn time_facts(cur: &Path) -> anyhow::Result<Taken> {
    let folder = tempfile::tempdir()?;
    let athena = open(folder.path(), cur)?;
    let mut taken = Taken::default();
    for question in of_export(cur)?.iter().filter(|question| question.name.starts_with("facts")) {
        let began = Instant::now();
        let (result, scanned_bytes) = ask(&athena, folder.path(), question).await?;
        taken.seconds += began.elapsed().as_secs_f64();
        taken.scanned_bytes += scanned_bytes;
        for_each_row(&result, |_| {
            taken.groups += 1;
            Ok(())
        })?;
        std::fs::remove_file(&result)?;
    }
    Ok(taken)
}

/// One reading of the bill by the whole product.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading {
    /// From the manifest to the end of everything that follows.
    pub seconds: f64,
    /// Write capacity units of all tables, by the engine's count.
    pub write_units: f64,
    /// Requests that write.
    pub write_requests: u64,
}

/// An export read for the first time, read again unchanged, and delivered again with the same rows.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ingested {
    /// The first time.
    pub first: Reading,
    /// The same manifest again.
    pub same_manifest: Reading,
    /// A new manifest, over the same rows.
    pub same_rows: Reading,
}

/// Reads an export with the whole product. The manifests in `cur` are changed on the way.
///
/// # Errors
/// When the stack does not start or a run fails.
pub async fn ingest(cur: &Path) -> anyhow::Result<Ingested> {
    let local = Local::start(Options { cur: Some(cur.to_owned()), ..Options::default() }).await?;
    let now: Timestamp = NOW.parse()?;
    local.clock.set(now)?;
    let first = read(&local, now).await?;
    let same_manifest = read(&local, now).await?;
    renew_manifests(cur)?;
    let same_rows = read(&local, now).await?;
    Ok(Ingested { first, same_manifest, same_rows })
}

async fn read(local: &Local, now: Timestamp) -> anyhow::Result<Reading> {
    local.cloud.meter().begin();
    let began = Instant::now();
    local.deliver()?;
    let ran = local.bus.run_schedule("cur-ingestion", now).await?;
    let settled = serde_json::to_value(local.settle().await?)?;
    let seconds = began.elapsed().as_secs_f64();
    anyhow::ensure!(settled.get("deadLettered") == Some(&json!(0)), "events were set aside: {settled}");
    let outcomes: Vec<&str> =
        ran.as_array().into_iter().flatten().filter_map(|run| run.get("outcome")?.as_str()).collect();
    let expected = outcomes.iter().all(|outcome| ["begun", "already-done"].contains(outcome));
    anyhow::ensure!(expected && outcomes.len() == 2, "the schedule answered {ran}");
    let Consumed { write_units, write_requests, .. } = local.cloud.meter().read();
    Ok(Reading { seconds, write_units, write_requests })
}

/// The same deliveries under other execution ids, as AWS writes them when nothing moved.
fn renew_manifests(cur: &Path) -> anyhow::Result<()> {
    for path in manifests(cur)? {
        let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        let id = manifest.get("executionId").and_then(Value::as_str).context("a manifest has an id")?.to_owned();
        manifest
            .as_object_mut()
            .context("a manifest is an object")?
            .insert("executionId".to_owned(), json!(format!("{id}-2")));
        std::fs::write(&path, manifest.to_string())?;
    }
    Ok(())
}

fn manifests(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(manifests(&path)?);
        } else if path.to_string_lossy().ends_with("Manifest.json") {
            found.push(path);
        }
    }
    Ok(found)
}
