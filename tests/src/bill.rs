//! A bill written by hand: lines of CUR 2.0 as text, in as many files as a test likes, and the manifest beside them.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use local::stack::Local;
use serde_json::{Map, Value, json};

/// The month that bills written by hand are of.
pub const MONTH: &str = "2026-08";

/// The export's name, and its folder's: runs hold it.
pub const EXPORT: &str = "hand";

/// One line of the bill, as its file has it: every column is text.
#[derive(Debug, Clone)]
pub struct Line {
    /// The day of August 2026.
    pub day: u32,
    /// The day of usage, where it is none of August: a late correction, for one.
    pub outside: Option<&'static str>,
    /// `line_item_usage_account_id`.
    pub account: &'static str,
    /// `product_region_code`.
    pub region: &'static str,
    /// `line_item_iam_principal`.
    pub principal: String,
    /// `line_item_resource_id`.
    pub resource: String,
    /// The workspace's name, in which of the two maps, under which key.
    pub tag: Option<(&'static str, &'static str, &'static str)>,
    /// `bill_billing_entity`.
    pub entity: &'static str,
    /// `line_item_product_code`.
    pub code: &'static str,
    /// `product['product_name']`.
    pub product_name: &'static str,
    /// `line_item_line_item_type`.
    pub kind: &'static str,
    /// `line_item_usage_type`.
    pub usage_type: String,
    /// `line_item_operation`.
    pub operation: &'static str,
    /// `pricing_unit`.
    pub unit: &'static str,
    /// `line_item_usage_amount`.
    pub quantity: &'static str,
    /// `line_item_unblended_cost`.
    pub cost: String,
    /// `line_item_currency_code`.
    pub currency: &'static str,
    /// `line_item_line_item_description`.
    pub description: String,
    /// `bill_invoice_id`.
    pub invoice: &'static str,
}

impl Default for Line {
    /// A line of a service that is no AI.
    fn default() -> Self {
        Self {
            day: 1,
            outside: None,
            account: crate::CHECKOUT,
            region: "us-east-1",
            principal: String::new(),
            resource: String::new(),
            tag: None,
            entity: "AWS",
            code: "AmazonEC2",
            product_name: "",
            kind: "Usage",
            usage_type: "USE1-BoxUsage:t3.micro".to_owned(),
            operation: "",
            unit: "Hrs",
            quantity: "1",
            cost: "1".to_owned(),
            currency: "USD",
            description: String::new(),
            invoice: "",
        }
    }
}

const COLUMNS: [&str; 22] = [
    "bill_billing_entity",
    "bill_invoice_id",
    "bill_billing_period_start_date",
    "line_item_usage_start_date",
    "line_item_usage_account_id",
    "line_item_line_item_type",
    "line_item_iam_principal",
    "line_item_resource_id",
    "line_item_product_code",
    "line_item_usage_type",
    "line_item_operation",
    "line_item_usage_amount",
    "line_item_unblended_cost",
    "line_item_unblended_rate",
    "line_item_currency_code",
    "line_item_line_item_description",
    "pricing_unit",
    "product_region_code",
    "product_servicecode",
    "product",
    "tags",
    "resource_tags",
];

impl Line {
    fn cells(&self) -> [String; 22] {
        let map = |name: &str| match self.tag {
            Some((in_map, key, value)) if in_map == name => json!({ key: value }).to_string(),
            _ => "{}".to_owned(),
        };
        let mut product = Map::new();
        if !self.product_name.is_empty() {
            product.insert("product_name".to_owned(), json!(self.product_name));
        }
        [
            self.entity.to_owned(),
            self.invoice.to_owned(),
            format!("{MONTH}-01T00:00:00.000Z"),
            match self.outside {
                Some(day) => format!("{day}T00:00:00.000Z"),
                None => format!("{MONTH}-{:02}T00:00:00.000Z", self.day),
            },
            self.account.to_owned(),
            self.kind.to_owned(),
            self.principal.clone(),
            self.resource.clone(),
            self.code.to_owned(),
            self.usage_type.clone(),
            self.operation.to_owned(),
            self.quantity.to_owned(),
            self.cost.clone(),
            String::new(),
            self.currency.to_owned(),
            self.description.clone(),
            self.unit.to_owned(),
            self.region.to_owned(),
            String::new(),
            Value::Object(product).to_string(),
            map("tags"),
            map("resource_tags"),
        ]
    }
}

/// Writes a delivery that replaces the one before, as an overwriting export does: its lines in `files` files, the
/// manifest last. `execution` tells deliveries apart.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(folder: &Path, execution: &str, lines: &[Line], files: usize) -> anyhow::Result<()> {
    let partition = format!("BILLING_PERIOD={MONTH}");
    let (data, metadata) = (folder.join("data").join(&partition), folder.join("metadata").join(&partition));
    std::fs::create_dir_all(&data)?;
    std::fs::create_dir_all(&metadata)?;
    for old in std::fs::read_dir(&data)? {
        std::fs::remove_file(old?.path())?;
    }
    let mut names = Vec::new();
    for number in 0..files.max(1) {
        let name = format!("hand-{number:05}.csv.gz");
        let share = lines.iter().skip(number).step_by(files.max(1));
        let mut packed = GzEncoder::new(File::create(data.join(&name))?, Compression::fast());
        packed.write_all(format!("{}\n", COLUMNS.join(",")).as_bytes())?;
        for line in share {
            let cells = line.cells().map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")));
            packed.write_all(format!("{}\n", cells.join(",")).as_bytes())?;
        }
        packed.finish()?;
        names.push(format!("s3://payer-bucket/cur/data/{partition}/{name}"));
    }
    let columns: Vec<Value> = COLUMNS.iter().map(|name| json!({ "name": name })).collect();
    let manifest = json!({ "executionId": execution, "columns": columns, "dataFiles": names });
    Ok(std::fs::write(metadata.join("hand-Manifest.json"), manifest.to_string())?)
}

/// Delivers what the folder holds to the bucket, as of a moment: that of the manifest in the bucket.
///
/// # Errors
/// When nothing was delivered, or the bucket cannot be written.
pub fn deliver(local: &Local, as_of: &str) -> anyhow::Result<()> {
    local.deliver()?;
    let manifest = manifest_below(&local.cloud.objects().join(local::cloud::CUR_BUCKET))?;
    let manifest = manifest.context("a manifest in the bucket")?;
    let at: Timestamp = as_of.parse()?;
    Ok(File::options().write(true).open(manifest)?.set_modified(at.into())?)
}

fn manifest_below(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_manifest = path.to_string_lossy().ends_with("Manifest.json") && path.to_string_lossy().contains(MONTH);
        match path.is_dir() {
            true => {
                if let Some(found) = manifest_below(&path)? {
                    return Ok(Some(found));
                }
            }
            false if is_manifest => return Ok(Some(path)),
            false => {}
        }
    }
    Ok(None)
}
