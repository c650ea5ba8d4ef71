use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use cur_ingestion::query::CONTROL_COLUMNS;
use datafusion::arrow::array::{ArrayRef, Float64Array, StringArray, TimestampMillisecondArray};
use domain::spend::bill::line::COLUMNS;
use rust_decimal::Decimal;

use super::harness::{Bench, write_parquet};
use local::sample;

#[tokio::test]
async fn on_the_sample_groups_control_and_generator_agree_to_the_last_place() -> Result<()> {
    let folder = tempfile::tempdir()?;
    sample::write(folder.path())?;
    let bench = Bench::over(folder.path())?;
    for month in sample::months() {
        let expected = sample::totals(month);
        let (facts, control) = (bench.facts(&month.to_string()).await?, bench.control(&month.to_string()).await?);
        assert_eq!(facts.names(), COLUMNS);
        assert_eq!(control.names(), CONTROL_COLUMNS);
        assert_eq!(facts.sum("cost")?, expected.ai_cost, "{month}");
        assert_eq!(facts.sum("row_count")?, Decimal::from(expected.ai_rows));
        assert_eq!(facts.sum_where("cost", "line_item_type", "Usage")?, expected.ai_usage_cost);
        assert_eq!(control.column("currency")?, ["USD"]);
        assert_eq!(control.sum("ai_cost")?, expected.ai_cost);
        assert_eq!(control.sum("ai_rows")?, Decimal::from(expected.ai_rows));
        assert_eq!(control.sum("all_cost")?, expected.all_cost);
        assert_eq!(control.sum("all_rows")?, Decimal::from(expected.all_rows));
        assert_eq!(control.sum("non_ai_cost")?, expected.all_cost - expected.ai_cost);
        assert_eq!(control.sum("unreadable_rows")?, Decimal::ZERO);
        assert_eq!(control.sum("ai_unreadable_amounts")?, Decimal::ZERO);
        assert_eq!(control.column("first_usage_day")?, [month.first_day().to_string().as_str()]);
        assert_eq!(control.column("last_usage_day")?, [month.last_day().min(sample::LAST_DAY).to_string().as_str()]);
        assert!(facts.len() > 1000 && facts.pages > 1, "{} groups on {} pages", facts.len(), facts.pages);
    }
    Ok(())
}

#[tokio::test]
async fn the_samples_groups_say_who_called_and_which_workspace() -> Result<()> {
    let bench = Bench::over(&sample::shipped())?;
    let facts = bench.facts("2026-07").await?;
    let principals: BTreeSet<&str> = facts.column("principal")?.into_iter().collect();
    for principal in [
        "",
        "arn:aws:sts::111122223333:assumed-role/finops-ai-checkout-assistant",
        "arn:aws:sts::333344445555:assumed-role/finops-ai-claims-triage",
        "arn:aws:iam::111122223333:role/legacy-chatbot",
        "arn:aws:iam::222233334444:user/BedrockAPIKey-234s",
        "arn:aws:sts::222233334444:assumed-role/AWSReservedSSO_AWSPowerUserAccess_0a1b2c3d4e5f6071",
    ] {
        assert!(principals.contains(principal), "{principal} in {principals:?}");
    }
    let workspaces: BTreeSet<&str> = facts.column("workspace_tag")?.into_iter().collect();
    assert_eq!(workspaces, BTreeSet::from(["", "legal-drafting", "market-research", "support-desk"]));
    let kinds: BTreeSet<&str> = facts.column("line_item_type")?.into_iter().collect();
    assert_eq!(kinds, BTreeSet::from(["BundledDiscount", "Credit", "Discount", "Fee", "Refund", "Tax", "Usage"]));
    assert_eq!(BTreeSet::from_iter(facts.column("invoiced")?), BTreeSet::from(["1"]));
    let august = bench.facts("2026-08").await?;
    assert_eq!(BTreeSet::from_iter(august.column("invoiced")?), BTreeSet::from(["0"]));
    Ok(())
}

#[tokio::test]
async fn the_shipped_sample_is_what_the_generator_writes_and_small() -> Result<()> {
    let folder = tempfile::tempdir()?;
    sample::write(folder.path())?;
    let mut bytes = 0;
    for month in sample::months() {
        for file in [
            format!("data/BILLING_PERIOD={month}/finops-cur-00001.snappy.parquet"),
            format!("metadata/BILLING_PERIOD={month}/finops-cur-Manifest.json"),
        ] {
            let shipped = std::fs::read(sample::shipped().join(&file))?;
            let written = std::fs::read(folder.path().join(sample::EXPORT).join(&file))?;
            assert!(shipped == written, "{file} differs; run `cargo run -p local -- sample --out local/sample`");
            bytes += shipped.len();
        }
    }
    assert!(bytes <= 2_000_000, "{bytes} bytes");
    Ok(())
}

/// Lines of AmazonBedrock with these costs, on the first of August 2026.
fn write_costs(data: &Path, costs: Vec<Option<f64>>, currencies: Vec<&str>) -> Result<()> {
    let rows = costs.len();
    write_lines(data, vec!["Usage"; rows], vec![Some(1.0); rows], costs, currencies)
}

fn write_lines(
    data: &Path,
    types: Vec<&str>,
    amounts: Vec<Option<f64>>,
    costs: Vec<Option<f64>>,
    currencies: Vec<&str>,
) -> Result<()> {
    let rows = costs.len();
    let texts = |text: &'static str| -> ArrayRef { Arc::new(StringArray::from(vec![text; rows])) };
    let first_of_august = TimestampMillisecondArray::from(vec![1_785_542_400_000; rows]);
    write_parquet(
        &data.join("BILLING_PERIOD=2026-08/lines.parquet"),
        vec![
            ("line_item_line_item_type", Arc::new(StringArray::from(types))),
            ("line_item_product_code", texts("AmazonBedrock")),
            ("line_item_iam_principal", texts("arn:aws:iam::111122223333:role/r")),
            ("line_item_usage_start_date", Arc::new(first_of_august)),
            ("line_item_currency_code", Arc::new(StringArray::from(currencies))),
            ("line_item_usage_amount", Arc::new(Float64Array::from(amounts))),
            ("line_item_unblended_cost", Arc::new(Float64Array::from(costs))),
        ],
    )?;
    Ok(())
}

#[tokio::test]
async fn a_cost_that_is_no_number_is_counted_and_takes_nothing_else_with_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let costs =
        vec![Some(f64::NAN), Some(1.25), Some(f64::INFINITY), Some(f64::NEG_INFINITY), None, Some(1e300), Some(-0.5)];
    write_costs(folder.path(), costs, vec!["USD"; 7])?;
    let bench = Bench::over(folder.path())?;
    let [groups, control] = bench.totals("2026-08").await?;
    assert_eq!(groups, ("0.75".parse()?, Decimal::from(7)));
    assert_eq!(control, groups);
    let control = bench.control("2026-08").await?;
    assert_eq!(control.column("ai_unreadable_rows")?, ["5"]);
    assert_eq!(control.column("unreadable_rows")?, ["5"]);
    Ok(())
}

#[tokio::test]
async fn an_amount_of_usage_that_is_no_number_is_counted_and_keeps_its_cost() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let lines = [
        ("Usage", Some(f64::NAN), 1),
        ("Usage", Some(3.0), 0),
        ("Usage", Some(f64::INFINITY), 1),
        ("Usage", Some(1e300), 1),
        ("Usage", None, 1),
        ("DiscountedUsage", None, 1),
        ("Tax", None, 0),
        ("Tax", Some(f64::NAN), 1),
        ("Tax", Some(0.0), 0),
    ];
    let (types, amounts) = (lines.iter().map(|l| l.0).collect(), lines.iter().map(|l| l.1).collect());
    write_lines(folder.path(), types, amounts, vec![Some(0.5); lines.len()], vec!["USD"; lines.len()])?;
    let bench = Bench::over(folder.path())?;
    let control = bench.control("2026-08").await?;
    let unreadable: i32 = lines.iter().map(|l| l.2).sum();
    assert_eq!(control.sum("ai_unreadable_amounts")?, Decimal::from(unreadable));
    assert_eq!(control.column("unreadable_rows")?, ["0"], "their costs are numbers");
    let facts = bench.facts("2026-08").await?;
    assert_eq!((facts.sum("quantity")?, facts.sum("cost")?), (Decimal::from(3), "4.5".parse()?));
    Ok(())
}

#[tokio::test]
async fn doubles_become_their_shortest_decimal_rounded_half_up_before_they_are_added() -> Result<()> {
    for (costs, sum) in [
        (vec![0.1, 0.2], "0.3"),
        (vec![5e-11], "0.0000000001"),
        (vec![4.999e-11, 4.999e-11], "0"),
        (vec![-5e-11, -1.5e-10], "-0.0000000003"),
        (vec![0.123_456_789_05], "0.1234567891"),
        (vec![1e16, 1e-10], "10000000000000000.0000000001"),
        (vec![12_345.678_901_234_55], "12345.6789012346"),
        (vec![0.000_018; 1000], "0.018"),
    ] {
        let folder = tempfile::tempdir()?;
        let currencies = vec!["USD"; costs.len()];
        write_costs(folder.path(), costs.iter().copied().map(Some).collect(), currencies)?;
        let [groups, control] = Bench::over(folder.path())?.totals("2026-08").await?;
        assert_eq!(groups.0, sum.parse()?, "{costs:?}");
        assert_eq!(control.0, groups.0);
    }
    Ok(())
}

#[tokio::test]
async fn currencies_are_kept_apart() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_costs(folder.path(), vec![Some(1.0), Some(2.0), Some(4.0)], vec!["USD", "EUR", "USD"])?;
    let control = Bench::over(folder.path())?.control("2026-08").await?;
    assert_eq!(control.column("currency")?, ["EUR", "USD"]);
    assert_eq!(control.column("ai_cost")?, ["2.0000000000", "5.0000000000"]);
    Ok(())
}

#[tokio::test]
async fn hostile_text_comes_through_as_it_is() -> Result<()> {
    let hostile = "'; DROP TABLE cur; --\n\",\",=HYPERLINK(\"x\")\u{202e}";
    let folder = tempfile::tempdir()?;
    let one = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    write_parquet(
        &folder.path().join("BILLING_PERIOD=2026-08/lines.parquet"),
        vec![
            ("line_item_product_code", one("AmazonBedrock")),
            ("line_item_iam_principal", one(&format!("arn:aws:sts::111122223333:assumed-role/{hostile}/session/more"))),
            ("line_item_line_item_description", one(hostile)),
            ("line_item_unblended_cost", Arc::new(Float64Array::from(vec![1.0]))),
        ],
    )?;
    let facts = Bench::over(folder.path())?.facts("2026-08").await?;
    assert_eq!(facts.column("description")?, [hostile]);
    assert_eq!(facts.column("principal")?, [format!("arn:aws:sts::111122223333:assumed-role/{hostile}")]);
    Ok(())
}
