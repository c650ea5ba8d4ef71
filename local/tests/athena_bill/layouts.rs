use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use flate2::Compression;
use flate2::write::GzEncoder;
use local::athena::{Export, ExportError};
use local::sample;
use rust_decimal::Decimal;

use super::harness::{Bench, text, write_parquet};

const JULY: &str = "data/BILLING_PERIOD=2026-07/finops-cur-00001.snappy.parquet";

/// A copy of July's file anywhere.
fn copy_july(to: &Path) -> Result<PathBuf> {
    fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
    fs::copy(sample::shipped().join(JULY), to)?;
    Ok(to.to_owned())
}

fn july_cost() -> Decimal {
    sample::totals(sample::months()[0]).ai_cost
}

async fn check(cur: &Path, cost: Decimal) -> Result<()> {
    let [groups, control] = Bench::over(cur)?.totals("2026-07").await?;
    assert_eq!(groups.0, cost, "{}", cur.display());
    assert_eq!(groups, control);
    Ok(())
}

#[tokio::test]
async fn the_same_file_counts_the_same_in_every_layout() -> Result<()> {
    let shipped = sample::shipped();
    let above = shipped.parent().context("the sample lies in a folder")?;
    for cur in [above, &shipped, &shipped.join("data"), &shipped.join("data/BILLING_PERIOD=2026-07")] {
        check(cur, july_cost()).await?;
    }
    let folder = tempfile::tempdir()?;
    copy_july(&folder.path().join("bucket/some/prefix/export/data/BILLING_PERIOD=2026-07/a.parquet"))?;
    check(folder.path(), july_cost()).await?;
    let folder = tempfile::tempdir()?;
    copy_july(&folder.path().join("july.parquet"))?;
    check(folder.path(), july_cost()).await?;
    let deliveries = Export::open(folder.path())?.deliveries()?;
    assert_eq!(deliveries.iter().map(|d| d.month.to_string()).collect::<Vec<_>>(), ["2026-07"]);
    Ok(())
}

#[tokio::test]
async fn of_a_create_new_export_only_the_manifests_execution_counts_else_the_newest() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let month = folder.path().join("data/BILLING_PERIOD=2026-07");
    copy_july(&month.join("20260802T010203Z-aaaa/x-00001.snappy.parquet"))?;
    let one = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let newer = month.join("20260803T010203Z-bbbb/x-00001.snappy.parquet");
    write_parquet(
        &newer,
        vec![
            ("line_item_product_code", one("AmazonBedrock")),
            ("line_item_unblended_cost", Arc::new(Float64Array::from(vec![7.5]))),
        ],
    )?;
    check(folder.path(), "7.5".parse()?).await?;

    let manifest = folder.path().join("metadata/BILLING_PERIOD=2026-07/x-Manifest.json");
    fs::create_dir_all(manifest.parent().context("a file lies in a folder")?)?;
    let names = |execution: &str| {
        format!(
            r#"{{"executionId":"{execution}","columns":[{{"name":"line_item_iam_principal","type":"string"}}],
            "dataFiles":["s3://b/p/x/data/BILLING_PERIOD=2026-07/{execution}/x-00001.snappy.parquet"]}}"#
        )
    };
    fs::write(&manifest, names("20260802T010203Z-aaaa"))?;
    check(folder.path(), july_cost()).await?;
    let delivery = Export::open(folder.path())?.deliveries()?.pop().context("there is a month")?;
    assert_eq!((delivery.manifest.id.as_str(), delivery.files.len()), ("20260802T010203Z-aaaa", 1));

    fs::write(&manifest, names("20260804T010203Z-cccc"))?;
    assert!(matches!(Export::open(folder.path())?.deliveries(), Err(ExportError::MissingFile { .. })));
    fs::write(&manifest, names("../../.."))?;
    assert!(matches!(Export::open(folder.path())?.deliveries(), Err(ExportError::MissingFile { .. })));

    fs::remove_file(&manifest)?;
    copy_july(&month.join("x-00001.snappy.parquet"))?;
    assert!(matches!(Export::open(folder.path())?.deliveries(), Err(ExportError::Ambiguous(_))));
    Ok(())
}

#[tokio::test]
async fn empty_surplus_chunks_are_no_files() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let month = folder.path().join("data/BILLING_PERIOD=2026-07");
    copy_july(&month.join("x-00001.snappy.parquet"))?;
    fs::write(month.join("x-00002.snappy.parquet"), b"")?;
    check(folder.path(), july_cost()).await?;
    fs::create_dir_all(folder.path().join("data/BILLING_PERIOD=2026-08"))?;
    fs::write(folder.path().join("data/BILLING_PERIOD=2026-08/x-00001.snappy.parquet"), b"")?;
    let bench = Bench::over(folder.path())?;
    assert_eq!((bench.facts("2026-08").await?.len(), bench.control("2026-08").await?.len()), (0, 0));
    assert_eq!(bench.facts("2026-01").await?.len(), 0);
    Ok(())
}

/// July's batches with some columns left out.
fn july_without(dropped: &[&str]) -> Result<Vec<RecordBatch>> {
    let file = fs::File::open(sample::shipped().join(JULY))?;
    let batches = ParquetRecordBatchReaderBuilder::try_new(file)?.build()?;
    batches
        .map(|batch| {
            let batch = batch?;
            let schema = batch.schema();
            let kept = schema.fields().iter().enumerate().filter(|(_, f)| !dropped.contains(&f.name().as_str()));
            Ok(batch.project(&kept.map(|(at, _)| at).collect::<Vec<_>>())?)
        })
        .collect()
}

#[tokio::test]
async fn an_absent_column_reads_null_and_an_absent_principal_column_is_its_own_error() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("data/BILLING_PERIOD=2026-07/x.parquet");
    fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
    let batches =
        july_without(&["resource_tags", "product_region_code", "line_item_iam_principal", "bill_invoice_id"])?;
    let schema = batches.first().context("July has rows")?.schema();
    let mut writer = ArrowWriter::try_new(fs::File::create(&path)?, schema, None)?;
    for batch in &batches {
        writer.write(batch)?;
    }
    writer.close()?;
    check(folder.path(), july_cost()).await?;
    let facts = Bench::over(folder.path())?.facts("2026-07").await?;
    for name in ["principal", "region"] {
        assert!(facts.column(name)?.iter().all(|value| value.is_empty()), "{name}");
    }
    assert!(facts.column("invoiced")?.iter().all(|invoiced| *invoiced == "0"));
    let delivery = Export::open(folder.path())?.deliveries()?.pop().context("there is a month")?;
    assert!(matches!(delivery.require_principals(), Err(ExportError::NoPrincipalColumn { .. })));
    let shipped = Export::open(&sample::shipped())?.deliveries()?.pop().context("there is a month")?;
    shipped.require_principals()?;
    Ok(())
}

/// July as AWS writes it when the export's format is text: a packed CSV, maps as JSON.
fn write_csv_gz(path: &Path) -> Result<()> {
    fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
    let mut csv = GzEncoder::new(fs::File::create(path)?, Compression::default());
    for (at, batch) in july_without(&[])?.into_iter().enumerate() {
        if at == 0 {
            let schema = batch.schema();
            let names: Vec<_> = schema.fields().iter().map(|f| format!("\"{}\"", f.name())).collect();
            writeln!(csv, "{}", names.join(","))?;
        }
        let columns: Vec<Vec<String>> = batch.columns().iter().map(csv_texts).collect::<Result<_>>()?;
        for row in 0..batch.num_rows() {
            let values: Vec<&str> = columns.iter().map(|c| c.get(row).map_or("", String::as_str)).collect();
            writeln!(csv, "{}", values.join(","))?;
        }
    }
    csv.finish()?.sync_all()?;
    Ok(())
}

fn csv_texts(column: &ArrayRef) -> Result<Vec<String>> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    if let DataType::Map(..) = column.data_type() {
        let maps = column.as_map();
        return (0..maps.len())
            .map(|row| {
                let entry = maps.value(row);
                let (keys, values) = (entry.column(0).as_string::<i32>(), entry.column(1).as_string::<i32>());
                let pairs = keys.iter().flatten().zip(values.iter().flatten());
                let map: serde_json::Map<_, _> = pairs.map(|(k, v)| (k.to_owned(), v.into())).collect();
                Ok(quoted(&serde_json::Value::Object(map).to_string()))
            })
            .collect();
    }
    let texts = datafusion::arrow::compute::cast(column, &DataType::Utf8)?;
    Ok(texts.as_string::<i32>().iter().map(|text| text.map(quoted).unwrap_or_default()).collect())
}

#[tokio::test]
async fn a_packed_csv_counts_as_the_parquet_does() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_csv_gz(&folder.path().join("data/BILLING_PERIOD=2026-07/x-00001.csv.gz"))?;
    check(folder.path(), july_cost()).await?;
    let (csv, parquet) = (Bench::over(folder.path())?, Bench::over(&sample::shipped())?);
    let (csv, parquet) = (csv.facts("2026-07").await?, parquet.facts("2026-07").await?);
    for name in ["principal", "workspace_tag", "product_model", "region", "usage_day"] {
        let (mut csv, mut parquet) = (csv.column(name)?, parquet.column(name)?);
        csv.sort_unstable();
        parquet.sort_unstable();
        assert_eq!(csv, parquet, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_file_that_breaks_off_fails_the_query_and_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let parquet = copy_july(&folder.path().join("a/data/BILLING_PERIOD=2026-07/torn.snappy.parquet"))?;
    let csv = folder.path().join("b/data/BILLING_PERIOD=2026-07/torn.csv.gz");
    write_csv_gz(&csv)?;
    for file in [&parquet, &csv] {
        let whole = fs::read(file)?;
        fs::write(file, whole.get(..whole.len() / 2).context("a file has two halves")?)?;
        let export = file.ancestors().nth(3).context("the export's folder")?;
        let bench = Bench::over(export)?;
        let execution = bench.run("SELECT sum(line_item_unblended_cost) FROM cur", &[]).await?;
        assert_eq!(text(&execution, "/Status/State"), "FAILED");
        let reason = text(&execution, "/Status/StateChangeReason");
        assert!(reason.starts_with("HIVE_BAD_DATA: ") && reason.contains(&file.display().to_string()), "{reason}");
    }
    assert!(matches!(Export::open(&folder.path().join("a"))?.deliveries(), Err(ExportError::Unreadable { .. })));
    Ok(())
}

#[test]
fn a_folder_that_is_no_export_says_what_to_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let says = |path: &Path| Export::open(path).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(says(folder.path()).contains("no BILLING_PERIOD=… folder below"));
    assert!(says(&folder.path().join("absent")).contains("is not a folder"));
    for export in ["one", "two"] {
        copy_july(&folder.path().join(export).join("data/BILLING_PERIOD=2026-07/a.parquet"))?;
    }
    assert!(says(folder.path()).contains("several exports"));
    Ok(())
}
