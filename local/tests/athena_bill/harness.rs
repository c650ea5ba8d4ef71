//! An Athena over a folder of the test's own, and the two queries as the product sends them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use cur_ingestion::query::{self, Portion};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::parquet::arrow::ArrowWriter;
use domain::base::calendar::Month;
use domain::spend::bill::settings::BillSettings;
use http::{Request, StatusCode};
use local::athena::{Athena, Export, Settings, StateChange};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The key of workspace tags, as the settings have it.
const TAG: &str = "finops-workspace";

/// An Athena and the folder it lives in.
pub(crate) struct Bench {
    pub(crate) athena: Athena,
    pub(crate) changes: Arc<Mutex<Vec<StateChange>>>,
    pub(crate) folder: TempDir,
    cur: PathBuf,
}

/// A result: rows by column name.
pub(crate) struct Table {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
    pub(crate) pages: usize,
}

impl Bench {
    /// Over an export anywhere.
    pub(crate) fn over(cur: &Path) -> Result<Self> {
        Self::within(tempfile::tempdir()?, cur)
    }

    pub(crate) fn within(folder: TempDir, cur: &Path) -> Result<Self> {
        let changes = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&changes);
        let on_state_change = move |change| {
            if let Ok(mut told) = told.lock() {
                told.push(change);
            }
        };
        let athena = Athena::open(settings(folder.path(), cur), Arc::new(on_state_change))?;
        Ok(Self { athena, changes, folder, cur: cur.to_owned() })
    }

    /// One API call: its status and body.
    pub(crate) async fn call(&self, operation: &str, body: &Value) -> Result<(StatusCode, Value)> {
        let request = Request::post("http://athena.local/")
            .header("x-amz-target", format!("AmazonAthena.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .body(Bytes::from(body.to_string()))?;
        let response = self.athena.call(request).await;
        Ok((response.status(), serde_json::from_slice(response.body())?))
    }

    /// Submits a query and waits for its end.
    pub(crate) async fn run(&self, sql: &str, parameters: &[String]) -> Result<Value> {
        let mut body = json!({"QueryString": sql, "QueryExecutionContext": {"Database": "finops"}});
        if let (false, Some(body)) = (parameters.is_empty(), body.as_object_mut()) {
            body.insert("ExecutionParameters".to_owned(), json!(parameters));
        }
        let (status, started) = self.call("StartQueryExecution", &body).await?;
        anyhow::ensure!(status == StatusCode::OK, "{started}");
        self.athena.settled().await;
        let (_, answer) = self.call("GetQueryExecution", &started).await?;
        Ok(answer.get("QueryExecution").cloned().unwrap_or_default())
    }

    /// The whole result of a query, page by page.
    pub(crate) async fn table(&self, sql: &str, parameters: &[String]) -> Result<Table> {
        let execution = self.run(sql, parameters).await?;
        anyhow::ensure!(text(&execution, "/Status/State") == "SUCCEEDED", "{execution}");
        let mut table = Table { names: Vec::new(), rows: Vec::new(), pages: 0 };
        let mut asked = json!({"QueryExecutionId": text(&execution, "/QueryExecutionId")});
        loop {
            let (status, page) = self.call("GetQueryResults", &asked).await?;
            anyhow::ensure!(status == StatusCode::OK, "{page}");
            let rows = page.pointer("/ResultSet/Rows").and_then(Value::as_array).context("a page has rows")?;
            anyhow::ensure!(rows.len() <= 1000, "a page holds {} rows", rows.len());
            table.rows.extend(rows.iter().map(row_of));
            table.pages += 1;
            match page.get("NextToken") {
                Some(token) => asked = json!({"QueryExecutionId": asked.get("QueryExecutionId"), "NextToken": token}),
                None => break,
            }
        }
        table.names = if table.rows.is_empty() { Vec::new() } else { table.rows.remove(0) };
        Ok(table)
    }

    pub(crate) async fn facts(&self, month: &str) -> Result<Table> {
        let portion = self.slice(month)?;
        self.table(&query::facts_sql(&portion, TAG)?, &query::facts_parameters(&portion, &BillSettings::default()))
            .await
    }

    pub(crate) async fn control(&self, month: &str) -> Result<Table> {
        let portion = self.slice(month)?;
        self.table(&query::control_sql(&portion), &query::control_parameters(&portion, &BillSettings::default())).await
    }

    /// What the export's manifest says is to be read of a month.
    fn slice(&self, month: &str) -> Result<Portion> {
        let month: Month = month.parse()?;
        let execution = Export::open(&self.cur)?.delivery(month)?.and_then(|d| d.execution().map(str::to_owned));
        Ok(Portion { month, execution })
    }

    /// The two totals that must agree: of the groups and of the control, with their rows.
    pub(crate) async fn totals(&self, month: &str) -> Result<[(Decimal, Decimal); 2]> {
        let (facts, control) = (self.facts(month).await?, self.control(month).await?);
        Ok([(facts.sum("cost")?, facts.sum("row_count")?), (control.sum("ai_cost")?, control.sum("ai_rows")?)])
    }
}

impl Table {
    pub(crate) fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn column(&self, name: &str) -> Result<Vec<&str>> {
        let at = self.names.iter().position(|n| n == name).with_context(|| format!("no column {name}"))?;
        self.rows.iter().map(|row| row.get(at).map(String::as_str).context("a row is short")).collect()
    }

    pub(crate) fn sum(&self, name: &str) -> Result<Decimal> {
        self.column(name)?.into_iter().map(|text| text.parse::<Decimal>().map_err(|e| anyhow!("{text}: {e}"))).sum()
    }

    /// The sum of `name` over the rows in which `key` is `value`.
    pub(crate) fn sum_where(&self, name: &str, key: &str, value: &str) -> Result<Decimal> {
        let mut sum = Decimal::ZERO;
        for (amount, found) in self.column(name)?.into_iter().zip(self.column(key)?) {
            if found == value {
                sum += amount.parse::<Decimal>()?;
            }
        }
        Ok(sum)
    }
}

pub(crate) fn settings(folder: &Path, cur: &Path) -> Settings {
    Settings {
        cur: cur.to_owned(),
        database: "finops".to_owned(),
        table: "cur".to_owned(),
        state: folder.join("athena"),
        buckets: folder.join("s3"),
        output_location: "s3://finops-results/athena/".to_owned(),
    }
}

pub(crate) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn row_of(row: &Value) -> Vec<String> {
    let data = row.get("Data").and_then(Value::as_array).into_iter().flatten();
    data.map(|datum| text(datum, "/VarCharValue").to_owned()).collect()
}

/// Writes a Parquet file of these columns.
pub(crate) fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) -> Result<PathBuf> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, c)| (name, c, true)))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path)?, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(path.to_owned())
}
