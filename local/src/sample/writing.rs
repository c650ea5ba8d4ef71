//! Lines as Parquet with all columns of CUR 2.0, and the manifest that AWS writes beside them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray, new_null_array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use domain::base::calendar::{Month, next_day, start_of_day};
use domain::base::digest::Digest;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::json;

use super::line::Line;
use super::organisation::PAYER;
use super::{EXPORT, LOCATION, streams};
use crate::athena::{columns, map_builder};

/// Writes a month's data file and, after it, the manifest.
pub(super) fn write_month(export: &Path, month: Month, lines: &[Line]) -> io::Result<()> {
    let folder = MonthFolder::create(export, month, None)?;
    let name = file_name(1);
    let mut writer = folder.begin(&name, ROW_GROUP_ROWS)?;
    writer.write(&batch_of(month, 0, lines).map_err(io::Error::other)?).map_err(io::Error::other)?;
    writer.close().map_err(io::Error::other)?;
    let bytes = fs::read(folder.data.join(&name))?;
    folder.finish(&execution_id(&bytes), &[name])
}

/// Rows of a row group, as the writer's own default has it; the sample has fewer.
const ROW_GROUP_ROWS: usize = 1024 * 1024;

/// A data file's name, counted from 1.
pub(super) fn file_name(number: usize) -> String {
    format!("{EXPORT}-{number:05}.snappy.parquet")
}

/// The folders of one delivery of a month.
pub(super) struct MonthFolder {
    partition: String,
    execution: Option<String>,
    data: PathBuf,
    metadata: PathBuf,
}

impl MonthFolder {
    /// Makes the folders; those of an execution where the export creates new files for each.
    pub(super) fn create(export: &Path, month: Month, execution: Option<&str>) -> io::Result<Self> {
        let partition = format!("BILLING_PERIOD={month}");
        let metadata = export.join("metadata").join(&partition);
        let data = export.join("data").join(&partition);
        let data = execution.map_or_else(|| data.clone(), |execution| data.join(execution));
        fs::create_dir_all(&data)?;
        fs::create_dir_all(&metadata)?;
        Ok(Self { partition, execution: execution.map(str::to_owned), data, metadata })
    }

    /// Begins a data file.
    pub(super) fn begin(&self, name: &str, row_group_rows: usize) -> io::Result<ArrowWriter<File>> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by("finops-center sample".to_owned())
            .set_max_row_group_row_count(Some(row_group_rows))
            .build();
        ArrowWriter::try_new(File::create(self.data.join(name))?, file_schema(), Some(properties))
            .map_err(io::Error::other)
    }

    /// Writes the manifest, last, as AWS does.
    pub(super) fn finish(&self, execution_id: &str, files: &[String]) -> io::Result<()> {
        let type_of = |kind: &DataType| match kind {
            DataType::Float64 => "double",
            DataType::Timestamp(..) => "timestamp",
            DataType::Map(..) => "map",
            _ => "string",
        };
        let schema = file_schema();
        let column = |field: &Arc<Field>| json!({"name": field.name(), "type": type_of(field.data_type())});
        let columns: Vec<_> = schema.fields().iter().map(column).collect();
        let below = self.execution.as_ref().map(|execution| format!("{execution}/")).unwrap_or_default();
        let listed = files.iter().map(|name| format!("{LOCATION}/{EXPORT}/data/{}/{below}{name}", self.partition));
        let manifest = json!({
            "executionId": execution_id,
            "columns": columns,
            "dataFiles": listed.collect::<Vec<_>>(),
        });
        fs::write(self.metadata.join(format!("{EXPORT}-Manifest.json")), serde_json::to_vec_pretty(&manifest)?)
    }
}

/// All columns of CUR 2.0, as the files hold them.
fn file_schema() -> SchemaRef {
    let schema = columns::schema();
    let fields: Vec<Arc<Field>> = schema.fields().iter().filter(|f| f.name() != columns::PARTITION).cloned().collect();
    Arc::new(Schema::new(fields))
}

/// An id in AWS's form that follows from the content.
pub(super) fn execution_id(bytes: &[u8]) -> String {
    let digest = Digest::of_bytes(bytes);
    let part = |from: usize, to: usize| digest.hex().get(from..to).unwrap_or_default().to_owned();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// Lines as a batch; `first_row` counts the month's lines before them.
pub(super) fn batch_of(
    month: Month,
    first_row: usize,
    lines: &[Line],
) -> datafusion::arrow::error::Result<RecordBatch> {
    let mut filled = texts_of(month, first_row, lines);
    filled.extend(numbers_of(lines));
    filled.extend(times_of(month, lines));
    filled.extend(maps_of(lines)?);
    let schema = file_schema();
    let columns = schema.fields().iter().map(|field| {
        filled.remove(field.name().as_str()).unwrap_or_else(|| new_null_array(field.data_type(), lines.len()))
    });
    let columns: Vec<ArrayRef> = columns.collect();
    RecordBatch::try_new(schema, columns)
}

type Columns = BTreeMap<&'static str, ArrayRef>;

fn texts_of(month: Month, first_row: usize, lines: &[Line]) -> Columns {
    let mut columns = Columns::new();
    let mut text = |name: &'static str, of: &dyn Fn(&Line) -> Option<String>| {
        let values: StringArray = lines.iter().map(of).collect();
        columns.insert(name, Arc::new(values) as ArrayRef);
    };
    let invoice = streams::invoice_of(month);
    let some = |value: &str| Some(value.to_owned());
    text("bill_bill_type", &|_| some("Anniversary"));
    text("bill_billing_entity", &|line| some(line.billing_entity));
    text("bill_invoice_id", &|_| invoice.clone());
    text("bill_invoicing_entity", &|_| some("Amazon Web Services, Inc."));
    text("bill_payer_account_id", &|_| some(PAYER.id));
    text("bill_payer_account_name", &|_| some(PAYER.name));
    text("identity_time_interval", &|line| Some(format!("{}T00:00:00Z/{}T00:00:00Z", line.day, next_day(line.day))));
    text("line_item_blended_rate", &|line| Some(line.rate.to_string()));
    text("line_item_currency_code", &|line| some(line.currency));
    text("line_item_iam_principal", &|line| line.principal.clone());
    text("line_item_legal_entity", &|line| some(line.legal_entity));
    text("line_item_line_item_description", &|line| Some(line.description.clone()));
    text("line_item_line_item_type", &|line| some(line.line_item_type));
    text("line_item_operation", &|line| some(line.operation));
    text("line_item_product_code", &|line| some(line.product_code));
    text("line_item_resource_id", &|line| line.resource_id.clone());
    text("line_item_tax_type", &|line| (line.line_item_type == "Tax").then(|| "USSalesTax".to_owned()));
    text("line_item_unblended_rate", &|line| Some(line.rate.to_string()));
    text("line_item_usage_account_id", &|line| some(&line.account.0));
    text("line_item_usage_account_name", &|line| some(&line.account.1));
    text("line_item_usage_type", &|line| some(&line.usage_type));
    text("pricing_currency", &|_| some("USD"));
    text("pricing_term", &|line| (line.line_item_type == "Usage").then(|| "OnDemand".to_owned()));
    text("pricing_unit", &|line| some(line.unit));
    text("product_product_family", &|line| some(line.family));
    text("product_region_code", &|line| some(line.region));
    text("product_servicecode", &|line| some(line.servicecode));
    let ids = (first_row..first_row + lines.len())
        .map(|n| Digest::of_bytes(format!("{month} {n}").as_bytes()).hex().get(..40).map(str::to_owned));
    columns.insert("identity_line_item_id", Arc::new(ids.collect::<StringArray>()));
    columns
}

fn numbers_of(lines: &[Line]) -> Columns {
    let number = |of: &dyn Fn(&Line) -> Option<Decimal>| -> ArrayRef {
        // The shortest double of the decimal's text is what AWS writes.
        let double = |amount: Decimal| amount.to_string().parse::<f64>().ok();
        Arc::new(lines.iter().map(|line| of(line).and_then(double)).collect::<Float64Array>())
    };
    let is_usage = |line: &Line| line.line_item_type == "Usage";
    let discount = |line: &Line| line.line_item_type.ends_with("Discount").then(|| line.cost());
    // Sellers' lines carry no public price.
    let listed = |line: &Line| if line.billing_entity == "AWS" { line.cost() } else { Decimal::ZERO };
    let billed = |line: &Line| match line.cost_text {
        Some(text) => text.parse::<f64>().ok(),
        None => line.cost().to_string().parse::<f64>().ok(),
    };
    let unblended: ArrayRef = Arc::new(lines.iter().map(billed).collect::<Float64Array>());
    Columns::from([
        ("discount_total_discount", number(&discount)),
        ("line_item_blended_cost", number(&|line| Some(line.cost()))),
        ("line_item_unblended_cost", unblended),
        ("line_item_usage_amount", number(&|line| is_usage(line).then_some(line.quantity))),
        ("pricing_public_on_demand_cost", number(&|line| is_usage(line).then(|| listed(line)))),
    ])
}

fn times_of(month: Month, lines: &[Line]) -> Columns {
    let time = |of: &dyn Fn(&Line) -> Date| -> ArrayRef {
        let at = lines.iter().map(|line| Some(start_of_day(of(line)).as_millisecond()));
        Arc::new(at.collect::<TimestampMillisecondArray>())
    };
    Columns::from([
        ("bill_billing_period_start_date", time(&|_| month.first_day())),
        ("bill_billing_period_end_date", time(&|_| month.next().first_day())),
        ("line_item_usage_start_date", time(&|line| line.day)),
        ("line_item_usage_end_date", time(&|line| next_day(line.day))),
    ])
}

fn maps_of(lines: &[Line]) -> datafusion::arrow::error::Result<Columns> {
    let map = |of: &dyn Fn(&Line) -> Vec<(&'static str, String)>| -> datafusion::arrow::error::Result<ArrayRef> {
        let mut maps = map_builder();
        for line in lines {
            for (key, value) in of(line) {
                maps.keys().append_value(key);
                maps.values().append_value(value);
            }
            maps.append(true)?;
        }
        Ok(Arc::new(maps.finish()))
    };
    let owned = |pairs: &[(&'static str, Cow<'static, str>)]| pairs.iter().map(|(k, v)| (*k, v.to_string())).collect();
    let discount = |line: &Line| match line.line_item_type {
        "Discount" => vec![("edp_discount", line.cost().to_string())],
        _ => Vec::new(),
    };
    Ok(Columns::from([
        ("cost_category", map(&|_| Vec::new())?),
        ("discount", map(&discount)?),
        ("product", map(&|line| line.product.clone())?),
        ("resource_tags", map(&|line| owned(&line.resource_tags))?),
        ("tags", map(&|line| owned(&line.tags))?),
    ]))
}
