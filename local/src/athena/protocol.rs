//! Athena's wire form: JSON 1.1 bodies in, JSON 1.1 answers and `InvalidRequestException` out.
//! Source: athena/latest/APIReference.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::execution::Execution;
use super::results::Row;

/// Longest query that Athena takes, in bytes.
const QUERY_BYTES_MAX: usize = 262_144;

/// Most rows that a page of results holds.
pub(super) const PAGE_ROWS_MAX: usize = 1000;

/// Most ids that `BatchGetQueryExecution` takes.
pub(super) const BATCH_IDS_MAX: usize = 50;

/// A call that was understood.
#[derive(Debug)]
pub(super) enum Call {
    /// Submits a query.
    Start(Box<StartQueryExecution>),
    /// Asks for one query.
    Get(QueryId),
    /// Asks for several.
    BatchGet(QueryIds),
    /// Asks for a page of a result.
    Results(GetQueryResults),
    /// Stops a query.
    Stop(QueryId),
}

/// `StartQueryExecution`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartQueryExecution {
    /// The SQL.
    pub query_string: String,
    /// Makes a repetition the same query.
    pub client_request_token: Option<String>,
    /// One SQL literal per `?`.
    #[serde(default)]
    pub execution_parameters: Vec<String>,
    /// The database of unqualified tables.
    #[serde(default)]
    pub query_execution_context: QueryContext,
    /// The workgroup.
    #[serde(default = "primary")]
    pub work_group: String,
    /// Where the result goes.
    #[serde(default)]
    pub result_configuration: ResultConfiguration,
}

/// `QueryExecutionContext`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueryContext {
    /// The database.
    pub database: Option<String>,
    /// The catalog.
    pub catalog: Option<String>,
}

/// `ResultConfiguration`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ResultConfiguration {
    /// `s3://bucket/prefix/`.
    pub output_location: Option<String>,
}

/// The body of calls about one query.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueryId {
    /// The query.
    pub query_execution_id: String,
}

/// `BatchGetQueryExecution`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueryIds {
    /// The queries.
    pub query_execution_ids: Vec<String>,
}

/// `GetQueryResults`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueryResults {
    /// The query.
    pub query_execution_id: String,
    /// Where the page before ended.
    pub next_token: Option<String>,
    /// Rows per page.
    pub max_results: Option<usize>,
}

/// An error as Athena words it.
#[derive(Debug, thiserror::Error)]
pub(super) enum AthenaError {
    /// The caller's fault.
    #[error("{0}")]
    InvalidRequest(String),
    /// This machine's fault.
    #[error("{0}")]
    Internal(String),
}

fn primary() -> String {
    "primary".to_owned()
}

/// Reads a call.
///
/// # Errors
/// When the operation is unknown or its body is not of its form.
pub(super) fn parse(request: &Request<Bytes>) -> Result<Call, AthenaError> {
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body = request.body();
    match target.strip_prefix("AmazonAthena.").unwrap_or_default() {
        "StartQueryExecution" => Ok(Call::Start(Box::new(checked(body_of(body)?)?))),
        "GetQueryExecution" => Ok(Call::Get(body_of(body)?)),
        "BatchGetQueryExecution" => Ok(Call::BatchGet(body_of(body)?)),
        "GetQueryResults" => Ok(Call::Results(body_of(body)?)),
        "StopQueryExecution" => Ok(Call::Stop(body_of(body)?)),
        _ => Err(invalid(format!("the local Athena does not know the operation `{target}`"))),
    }
}

fn body_of<'b, T: Deserialize<'b>>(body: &'b Bytes) -> Result<T, AthenaError> {
    serde_json::from_slice(body).map_err(|error| invalid(format!("1 validation error detected: {error}")))
}

fn checked(start: StartQueryExecution) -> Result<StartQueryExecution, AthenaError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if start.query_string.trim().is_empty() || start.query_string.len() > QUERY_BYTES_MAX {
        return Err(invalid(format!("QueryString must have 1 to {QUERY_BYTES_MAX} bytes")));
    }
    if start.client_request_token.as_ref().is_some_and(|token| !(32..=128).contains(&token.len())) {
        return Err(invalid("ClientRequestToken must have 32 to 128 characters".to_owned()));
    }
    if start.work_group.is_empty() || start.work_group.len() > 128 || !start.work_group.chars().all(is_name) {
        return Err(invalid(format!("WorkGroup `{}` is not found", start.work_group)));
    }
    Ok(start)
}

/// An `InvalidRequestException`.
#[must_use]
pub(super) fn invalid(message: String) -> AthenaError {
    AthenaError::InvalidRequest(message)
}

/// The HTTP answer.
#[must_use]
pub(super) fn response(answer: Result<Value, AthenaError>) -> Response<Bytes> {
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(AthenaError::InvalidRequest(message)) => (
            StatusCode::BAD_REQUEST,
            json!({"__type": "InvalidRequestException", "AthenaErrorCode": "INVALID_INPUT", "Message": message}),
        ),
        Err(AthenaError::Internal(message)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, json!({"__type": "InternalServerException", "Message": message}))
        }
    };
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

/// `QueryExecution` of the answers.
#[must_use]
pub(super) fn query_execution(execution: &Execution) -> Value {
    let Execution { request, submitted_at, .. } = execution;
    let milliseconds = execution.ended_at.map(|ended| ended.as_millisecond() - submitted_at.as_millisecond());
    let mut status = json!({"State": execution.state, "SubmissionDateTime": seconds(*submitted_at)});
    if let Some(status) = status.as_object_mut() {
        if let Some(ended_at) = execution.ended_at {
            status.insert("CompletionDateTime".to_owned(), json!(seconds(ended_at)));
        }
        if let Some(reason) = &execution.reason {
            status.insert("StateChangeReason".to_owned(), json!(reason));
            let error = json!({"ErrorCategory": 2, "ErrorType": 1306, "Retryable": false, "ErrorMessage": reason});
            status.insert("AthenaError".to_owned(), error);
        }
    }
    let mut answer = json!({
        "QueryExecutionId": execution.id,
        "Query": request.query_string,
        "StatementType": "DML",
        "SubstatementType": "SELECT",
        "ResultConfiguration": {"OutputLocation": execution.output},
        "QueryExecutionContext": without_nulls(json!(request.query_execution_context)),
        "Status": status,
        "Statistics": {
            "EngineExecutionTimeInMillis": milliseconds.unwrap_or_default(),
            "TotalExecutionTimeInMillis": milliseconds.unwrap_or_default(),
            "DataScannedInBytes": execution.scanned_bytes,
        },
        "WorkGroup": request.work_group,
        "EngineVersion": {
            "SelectedEngineVersion": "Athena engine version 3", "EffectiveEngineVersion": "Athena engine version 3",
        },
    });
    if let (false, Some(answer)) = (request.execution_parameters.is_empty(), answer.as_object_mut()) {
        answer.insert("ExecutionParameters".to_owned(), json!(request.execution_parameters));
    }
    answer
}

/// The answer to `GetQueryResults`.
#[must_use]
pub(super) fn result_page(execution: &Execution, rows: &[Row], next: Option<u64>) -> Value {
    let datum = |value: &Option<String>| match value {
        Some(text) => json!({"VarCharValue": text}),
        None => json!({}),
    };
    let rows: Vec<Value> = rows.iter().map(|row| json!({"Data": row.iter().map(datum).collect::<Vec<_>>()})).collect();
    let column = |column: &super::engine::ResultColumn| {
        let (precision, scale) = match column.kind.as_str() {
            "varchar" => (2_147_483_647, 0),
            "decimal" => (38, 10),
            "bigint" => (19, 0),
            "double" => (17, 0),
            _ => (0, 0),
        };
        json!({
            "CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": column.name, "Label": column.name,
            "Type": column.kind, "Precision": precision, "Scale": scale, "Nullable": "UNKNOWN",
            "CaseSensitive": column.kind == "varchar",
        })
    };
    let columns: Vec<Value> = execution.columns.iter().map(column).collect();
    without_nulls(json!({
        "UpdateCount": 0,
        "ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": columns}},
        "NextToken": next.map(|position| position.to_string()),
    }))
}

/// JSON 1.1 leaves out what has no value.
fn without_nulls(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, member| !member.is_null());
    }
    value
}

/// A moment as AWS's JSON writes it: seconds, with milliseconds as decimals.
fn seconds(at: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit into the 53 bits of a double")]
    let milliseconds = at.as_millisecond() as f64;
    milliseconds / 1000.0
}
