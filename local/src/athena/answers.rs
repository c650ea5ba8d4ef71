//! What Athena answers about a query and of its result.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::execution::Execution;
use super::results::Row;

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
