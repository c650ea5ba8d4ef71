//! Athena's wire form: JSON 1.1 bodies in, JSON 1.1 answers and `InvalidRequestException` out.
//! Source: athena/latest/APIReference.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
