//! Generated exports: what the product reads of them is what was asked for, in both layouts, and the narrow export's
//! filter misses nothing that the queries select.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context as _, Result};
use cur_ingestion::query::{COLUMNS_READ, Portion, control_sql, facts_parameters, facts_sql};
use datafusion::arrow::array::{ArrayRef, Float64Array, StringArray};
use domain::spend::bill::settings::BillSettings;
use local::athena::columns;
use local::sample::{self, Large, write_large};
use rust_decimal::Decimal;
use tempfile::TempDir;

use super::harness::{Bench, text, write_parquet};

fn odd() -> Large {
    Large {
        rows: 6_000,
        ai_percent: 40,
        anchors: 50,
        sessions: 20,
        accounts: 5,
        models: 100,
        days: 31,
        seed: 7,
        creates_new: false,
        with_oddities: true,
    }
}

fn generated(large: &Large) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    write_large(folder.path(), large, &AtomicU64::new(0))?;
    Ok(folder)
}

#[tokio::test]
async fn groups_and_control_agree_on_a_generated_export_with_every_oddity() -> Result<()> {
    let folder = generated(&odd())?;
    let bench = Bench::over(folder.path())?;
    let mut rows = Decimal::ZERO;
    for month in sample::months() {
        let (facts, control) = (bench.facts(&month.to_string()).await?, bench.control(&month.to_string()).await?);
        assert_eq!(facts.sum("cost")?, control.sum("ai_cost")?, "{month}");
        assert_eq!(facts.sum("row_count")?, control.sum("ai_rows")?, "{month}");
        assert_eq!(control.column("currency")?, ["EUR", "USD"], "{month}");
        assert!(control.sum("unreadable_rows")? > Decimal::ZERO, "{month}");
        assert!(facts.column("principal")?.iter().all(|principal| !principal.contains("/session-")));
        rows += control.sum("all_rows")?;
    }
    assert_eq!(rows, Decimal::from(6_000));
    Ok(())
}

#[tokio::test]
async fn a_create_new_export_counts_as_the_overwriting_one_and_only_the_execution_that_is_named() -> Result<()> {
    let (overwriting, creating) = (generated(&odd())?, generated(&Large { creates_new: true, ..odd() })?);
    let (one, other) = (Bench::over(overwriting.path())?, Bench::over(creating.path())?);
    for month in ["2026-07", "2026-08"] {
        assert_eq!(one.totals(month).await?, other.totals(month).await?);
    }
    let nameless = Portion { month: "2026-07".parse()?, execution: None };
    let bill = BillSettings::default();
    let refused = other.run(&facts_sql(&nameless, "finops-workspace")?, &facts_parameters(&nameless, &bill)).await?;
    assert!(text(&refused, "/Status/StateChangeReason").starts_with("CONSTRAINT_VIOLATION: "), "{refused}");
    let absent = Portion { execution: Some("20260101T000000Z-none".to_owned()), ..nameless };
    let empty = other.table(&facts_sql(&absent, "finops-workspace")?, &facts_parameters(&absent, &bill)).await?;
    assert_eq!(empty.len(), 0);
    Ok(())
}

/// The filter of the AI-only export, from the template that is deployed.
fn narrow_filter() -> Result<String> {
    let template = include_str!("../../../infra/cur-export.yaml");
    let (_, after) = template.split_once("      ai: >-\n").context("the template has the filter")?;
    let lines: Vec<&str> = after.lines().take_while(|line| line.starts_with("        ")).map(str::trim).collect();
    let filter = lines.join(" ");
    Ok(filter.strip_prefix("WHERE ").context("the filter begins with WHERE")?.to_owned())
}

#[tokio::test]
async fn the_ai_only_export_holds_every_row_that_the_terms_select() -> Result<()> {
    let filter = narrow_filter()?;
    assert!(
        !filter.contains(['(', ')', '[']),
        "Data Exports documents no functions, parentheses or map keys: {filter}"
    );
    let folder = generated(&odd())?;
    for cur in [sample::shipped().as_path(), folder.path()] {
        let bench = Bench::over(cur)?;
        for month in ["2026-07", "2026-08"] {
            let portion = Portion { month: month.parse()?, execution: None };
            let parameters = facts_parameters(&portion, &BillSettings::default());
            let facts = facts_sql(&portion, "finops-workspace")?;
            let with =
                |condition: &str| facts.replacen("\n    AND (\n", &format!("\n    AND {condition}\n    AND (\n"), 1);
            let missed = bench.table(&with(&format!("NOT coalesce(({filter}), FALSE)")), &parameters).await?;
            assert_eq!(missed.column("product_name").unwrap_or_default(), Vec::<&str>::new(), "{month}");
            let narrow = bench.table(&with(&format!("({filter})")), &parameters).await?;
            assert_eq!(narrow.sum("row_count")?, bench.facts(month).await?.sum("row_count")?, "{month}");
        }
    }
    Ok(())
}

#[test]
fn the_columns_that_the_doctor_asks_for_are_those_that_the_queries_name() -> Result<()> {
    let portion = Portion { month: "2026-07".parse()?, execution: None };
    let sql = facts_sql(&portion, "finops-workspace")? + &control_sql(&portion);
    let sql: String = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
    let words: std::collections::BTreeSet<&str> = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let schema = columns::schema();
    let known = schema.fields().iter().map(|field| field.name().as_str());
    let named: Vec<&str> = known.filter(|name| *name != columns::PARTITION && words.contains(name)).collect();
    assert_eq!(named, COLUMNS_READ);
    Ok(())
}

#[tokio::test]
async fn rows_that_meet_a_condition_are_all_read_whether_close_together_far_apart_or_nowhere() -> Result<()> {
    // More than one batch; each code stands in another pattern. The ids are too many for a dictionary.
    let rows: usize = 40_000;
    let code = |row: usize| match row {
        row if row % 1_000 == 7 => "far-apart",
        20_000..27_000 => "in-a-block",
        row if row % 3 == 0 => "close-together",
        _ => "any",
    };
    let folder = tempfile::tempdir()?;
    let codes: Vec<&str> = (0..rows).map(code).collect();
    let numbers = (0..rows).map(|row| f64::from(u32::try_from(row).unwrap_or_default()));
    let id = |row: usize| format!("arn:aws:bedrock:us-east-1:111122223333:inference-profile/{row:05}");
    let ids: StringArray = (0..rows).map(|row| (row % 5 != 4).then(|| id(row))).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("line_item_product_code", Arc::new(StringArray::from(codes))),
        ("line_item_resource_id", Arc::new(ids)),
        ("line_item_unblended_cost", Arc::new(numbers.collect::<Float64Array>())),
    ];
    write_parquet(&folder.path().join("BILLING_PERIOD=2026-08/lines.parquet"), columns)?;
    let bench = Bench::over(folder.path())?;
    let sql = "SELECT count(*) AS row_count, coalesce(sum(cast(line_item_unblended_cost AS bigint)), 0) AS numbers,
        coalesce(min(line_item_resource_id), '') AS first, count(line_item_resource_id) AS ids FROM cur
        WHERE billing_period = ? AND line_item_product_code = ? AND element_at(product, 'model') IS NULL";
    for wanted in ["far-apart", "in-a-block", "close-together", "any", "none"] {
        let found = bench.table(sql, &["'2026-08'".to_owned(), format!("'{wanted}'")]).await?;
        let expected: Vec<usize> = (0..rows).filter(|row| code(*row) == wanted).collect();
        assert_eq!(found.column("row_count")?, [expected.len().to_string()], "{wanted}");
        assert_eq!(found.column("numbers")?, [expected.iter().sum::<usize>().to_string()], "{wanted}");
        let with_id: Vec<usize> = expected.into_iter().filter(|row| row % 5 != 4).collect();
        assert_eq!(found.column("first")?, [with_id.first().map(|row| id(*row)).unwrap_or_default()], "{wanted}");
        assert_eq!(found.column("ids")?, [with_id.len().to_string()], "{wanted}");
    }
    Ok(())
}
