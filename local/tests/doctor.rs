//! The doctor on folders: the shipped sample is healthy, and each illness of an export is found in its files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use domain::spend::bill::doctor::{Finding, Severity};
use local::doctor::{examine, report};
use local::sample;
use tempfile::TempDir;

const NOW: &str = "2026-08-24T07:00:00Z";

fn copied() -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    sample::write(folder.path())?;
    Ok(folder)
}

fn august(folder: &Path, kind: &str) -> Result<PathBuf> {
    let folder = folder.join(sample::EXPORT).join(kind).join("BILLING_PERIOD=2026-08");
    Ok(std::fs::read_dir(folder)?.next().context("a file")??.path())
}

async fn found(folder: &Path) -> Result<Vec<Finding>> {
    examine(folder, NOW.parse()?).await
}

fn kinds(findings: &[Finding], severity: Severity) -> Vec<&str> {
    findings.iter().filter(|finding| finding.severity == severity).map(|finding| finding.kind.as_str()).collect()
}

#[tokio::test]
async fn the_shipped_sample_is_healthy_on_its_day_and_stale_a_week_later() -> Result<()> {
    let findings = examine(&sample::shipped(), NOW.parse()?).await?;
    assert_eq!(kinds(&findings, Severity::Error), Vec::<&str>::new(), "{findings:?}");
    assert_eq!(kinds(&findings, Severity::Warning), Vec::<&str>::new(), "{findings:?}");
    let later = examine(&sample::shipped(), "2026-08-31T07:00:00Z".parse()?).await?;
    assert_eq!(kinds(&later, Severity::Error), ["stale-export"]);
    Ok(())
}

#[tokio::test]
async fn a_torn_file_an_empty_month_and_a_manifest_of_absent_files_are_errors_with_advice() -> Result<()> {
    let torn = copied()?;
    let file = august(torn.path(), "data")?;
    let whole = std::fs::read(&file)?;
    std::fs::write(&file, whole.get(..whole.len() / 2).context("half")?)?;
    let findings = found(torn.path()).await?;
    // Nothing tells how fresh the torn month is; July alone is old.
    assert_eq!(kinds(&findings, Severity::Error), ["stale-export", "unreadable-file"], "{findings:?}");
    let text = report(torn.path(), &findings);
    assert!(text.contains("ERROR") && text.contains("2026-08") && text.contains("-> copy the files again"), "{text}");

    std::fs::write(&file, b"")?;
    let findings = found(torn.path()).await?;
    assert!(kinds(&findings, Severity::Error).contains(&"no-rows"), "{findings:?}");
    std::fs::remove_file(&file)?;
    let findings = found(torn.path()).await?;
    assert!(kinds(&findings, Severity::Error).contains(&"unreadable-delivery"), "{findings:?}");
    Ok(())
}

#[tokio::test]
async fn files_of_other_columns_and_renamed_ones_are_named() -> Result<()> {
    use datafusion::arrow::array::{ArrayRef, Float64Array, StringArray, TimestampMillisecondArray};
    use datafusion::arrow::record_batch::RecordBatch;
    use datafusion::parquet::arrow::ArrowWriter;
    use std::sync::Arc;

    let folder = tempfile::tempdir()?;
    let month = folder.path().join("data/BILLING_PERIOD=2026-08");
    std::fs::create_dir_all(&month)?;
    let write = |name: &str, cost: &str| -> Result<()> {
        let one = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
        let day: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![1_787_443_200_000]));
        let columns = [
            ("line_item_product_code", one("AmazonBedrock")),
            ("line_item_iam_principal", one("")),
            ("line_item_line_item_type", one("Usage")),
            ("line_item_usage_start_date", day),
            (cost, Arc::new(Float64Array::from(vec![f64::NAN])) as ArrayRef),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, c)| (name, c, true)))?;
        let mut writer = ArrowWriter::try_new(std::fs::File::create(month.join(name))?, batch.schema(), None)?;
        writer.write(&batch)?;
        writer.close()?;
        Ok(())
    };
    write("a.parquet", "line_item_unblended_cost")?;
    write("b.parquet", "line_item_unblended_cost_renamed")?;
    let findings = found(folder.path()).await?;
    let errors = kinds(&findings, Severity::Error);
    for kind in ["callers-blank", "unreadable-costs", "missing-columns"] {
        assert!(errors.contains(&kind), "{kind} in {findings:?}");
    }
    let mixed = findings.iter().find(|finding| finding.kind == "mixed-columns").context("files differ")?;
    assert!(mixed.seen.contains("`b.parquet` lacks line_item_unblended_cost"), "{mixed:?}");
    Ok(())
}
