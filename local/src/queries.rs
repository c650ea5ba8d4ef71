//! The queries that an ingestion sends, on an export in a folder: rendered by the product's own code, answered by the
//! local Athena, written down so that an independent engine can be held against them (`.ci/sql.py`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use cur_ingestion::query::{self, Portion};
use domain::spend::bill::settings::BillSettings;
use http::Request;
use serde::Serialize;
use serde_json::{Value, json};

use crate::athena::{Athena, Delivery, Export, Settings};

/// A query and what is needed to ask it elsewhere.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// `facts`, `control` or `census`, and the month.
    pub name: String,
    /// The month.
    pub billing_period: String,
    /// The execution, where the export creates new files for each.
    pub execution: Option<String>,
    /// The text, as Athena gets it.
    pub sql: String,
    /// The execution parameters, as Athena gets them.
    pub parameters: Vec<String>,
    /// The data files of the month, of every execution.
    pub files: Vec<PathBuf>,
}

/// The queries of every month of an export, with the settings that every organisation begins with.
///
/// # Errors
/// When the folder is no export.
pub fn of_export(cur: &Path) -> anyhow::Result<Vec<Question>> {
    let export = Export::open(cur)?;
    let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in export.files()? {
        for month in file.months().map_err(|error| anyhow::anyhow!("`{}`: {error}", file.path.display()))? {
            files.entry(month.to_string()).or_default().push(file.path.clone());
        }
    }
    let mut questions = Vec::new();
    for delivery in export.deliveries()? {
        for question in of_delivery(&delivery, &BillSettings::default())? {
            let files = files.get(&question.billing_period).cloned().unwrap_or_default();
            questions.push(Question { files, ..question });
        }
    }
    Ok(questions)
}

/// The queries of one month.
///
/// # Errors
/// When the settings' tag key is none.
pub fn of_delivery(delivery: &Delivery, bill: &BillSettings) -> anyhow::Result<Vec<Question>> {
    let (month, execution) = (delivery.month, delivery.execution().map(str::to_owned));
    let portion = Portion { month, execution: execution.clone() };
    let asked = [
        ("facts", query::facts_sql(&portion, &bill.workspace_tag_key)?, query::facts_parameters(&portion, bill)),
        ("control", query::control_sql(&portion), query::control_parameters(&portion, bill)),
        ("slices", query::slices_sql(&portion), query::facts_parameters(&portion, bill)),
        ("census", query::census_sql(&portion, &bill.workspace_tag_key)?, query::census_parameters(&portion, bill)),
    ];
    let question = |(name, sql, parameters)| Question {
        name: format!("{name}-{month}"),
        billing_period: month.to_string(),
        execution: execution.clone(),
        sql,
        parameters,
        files: delivery.files.iter().map(|file| file.path.clone()).collect(),
    };
    Ok(asked.into_iter().map(question).collect())
}

/// An Athena of its own over an export, with its state and results below `folder`.
///
/// # Errors
/// When the folder is not writable.
pub fn open(folder: &Path, cur: &Path) -> anyhow::Result<Athena> {
    let settings = Settings {
        cur: cur.to_owned(),
        database: "finops".to_owned(),
        table: "cur".to_owned(),
        state: folder.join("state"),
        buckets: folder.join("s3"),
        output_location: "s3://results/athena/".to_owned(),
    };
    Athena::open(settings, Arc::new(|_| ())).context("the local Athena cannot be opened")
}

/// Asks a question and waits for its end; answers the result's file and the bytes that Athena would have charged for.
///
/// # Errors
/// With the reason, when the query fails.
pub async fn ask(athena: &Athena, folder: &Path, question: &Question) -> anyhow::Result<(PathBuf, u64)> {
    let started = call(
        athena,
        "StartQueryExecution",
        &json!({
            "QueryString": question.sql,
            "ExecutionParameters": question.parameters,
            "QueryExecutionContext": {"Database": "finops"},
        }),
    )
    .await?;
    athena.settled().await;
    let answer = call(athena, "GetQueryExecution", &started).await?;
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    anyhow::ensure!(
        text("/QueryExecution/Status/State") == "SUCCEEDED",
        "{}: {}",
        question.name,
        text("/QueryExecution/Status/StateChangeReason")
    );
    let output = text("/QueryExecution/ResultConfiguration/OutputLocation");
    let key = output.strip_prefix("s3://").context("a result lies in a bucket")?;
    let scanned = answer.pointer("/QueryExecution/Statistics/DataScannedInBytes").and_then(Value::as_u64);
    Ok((folder.join("s3").join(key), scanned.unwrap_or_default()))
}

/// Writes `questions.json`.
///
/// # Errors
/// When the export cannot be read or the folder is not writable.
pub fn write_questions(cur: &Path, out: &Path) -> anyhow::Result<Vec<Question>> {
    std::fs::create_dir_all(out)?;
    let questions = of_export(cur)?;
    std::fs::write(out.join("questions.json"), serde_json::to_vec_pretty(&questions)?)?;
    Ok(questions)
}

/// Writes one `<name>.csv` per question, the local engine's answer.
///
/// # Errors
/// When a query fails or the folder is not writable.
pub async fn write_answers(cur: &Path, out: &Path, questions: &[Question]) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let athena = open(folder.path(), cur)?;
    for question in questions {
        let (result, _) = ask(&athena, folder.path(), question).await?;
        std::fs::copy(&result, out.join(format!("{}.csv", question.name)))?;
    }
    Ok(())
}

async fn call(athena: &Athena, operation: &str, body: &Value) -> anyhow::Result<Value> {
    let request = Request::post("http://athena.local/")
        .header("x-amz-target", format!("AmazonAthena.{operation}"))
        .header("content-type", "application/x-amz-json-1.1")
        .body(Bytes::from(body.to_string()))?;
    let response = athena.call(request).await;
    anyhow::ensure!(response.status().is_success(), "{operation}: {}", String::from_utf8_lossy(response.body()));
    Ok(serde_json::from_slice(response.body())?)
}
