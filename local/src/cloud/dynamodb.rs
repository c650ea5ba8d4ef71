//! DynamoDB and its streams: `X-Amz-Target` requests executed by the embedded engine.
//!
//! The engine's own HTTP listener needs a socket, so this module is its table of operations. Its ARNs say region
//! `dynoxide`; the answers that carry ARNs say this cloud's region and account instead.

use std::path::Path;

use bytes::Bytes;
use dynoxide::{Database, DynoxideError};
use http::{Request, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::activity::Activity;
use super::answer::{Fault, Protocol, respond};
use super::meter::Meter;
use super::state::{StateError, open_database};

const MEDIA_TYPE: &str = "application/x-amz-json-1.0";

/// Operations whose success may have added stream records.
const WRITES: [&str; 7] = [
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "ExecuteStatement",
    "ExecuteTransaction",
];

/// Operations whose answer carries ARNs of the engine.
const NAMES_ARNS: [&str; 7] =
    ["CreateTable", "DescribeTable", "UpdateTable", "DeleteTable", "ListStreams", "DescribeStream", "GetRecords"];

/// In the order in which the engine asks for records: by the number, which it keeps as text.
const STREAM_INDEX: &str = "CREATE INDEX IF NOT EXISTS _stream_records_in_order
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

/// The engine with what it must tell the rest of the cloud.
pub(crate) struct DynamoDb {
    database: Database,
    activity: Activity,
    arn_prefix: String,
    region: String,
    meter: Meter,
}

impl DynamoDb {
    /// Opens the tables' file, or a database in memory.
    pub(crate) fn open(
        file: Option<&Path>,
        region: &str,
        account: &str,
        activity: Activity,
    ) -> Result<Self, StateError> {
        let arn_prefix = format!("arn:aws:dynamodb:{region}:{account}:");
        let meter = Meter::default();
        Ok(Self { database: open_tables(file)?, activity, arn_prefix, region: region.to_owned(), meter })
    }

    /// Executes one request of either API.
    pub(crate) fn call(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let operation = target
            .strip_prefix("DynamoDB_20120810.")
            .or_else(|| target.strip_prefix("DynamoDBStreams_20120810."))
            .unwrap_or_default();
        let metered = self.meter.asking(operation, request.body());
        let Some(outcome) = self.execute(operation, metered.as_deref().unwrap_or(request.body())) else {
            let message = format!("the local stack has no operation `{target}`");
            return Protocol::AwsJson.refuse(&Fault::new(400, "UnknownOperationException", message));
        };
        match outcome {
            Ok(body) => {
                if metered.is_some() {
                    self.meter.count(operation, &body);
                }
                if WRITES.contains(&operation) {
                    self.activity.touch();
                }
                respond(200, MEDIA_TYPE, self.localise(operation, body))
            }
            Err(error) => respond(error.status_code(), MEDIA_TYPE, error.to_json()),
        }
    }

    /// Counts what requests consume.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The streams of all tables that have one, as `(table, stream ARN)`.
    pub(crate) fn streams(&self) -> Result<Vec<(String, String)>, StateError> {
        let listed = self.database.list_streams(serde_json::from_value(json!({}))?)?;
        let streams = listed.streams.into_iter();
        Ok(streams.map(|stream| (stream.table_name, self.localise("ListStreams", stream.stream_arn))).collect())
    }

    /// At most `limit` records of a table's stream after the sequence number, or from its start, as Lambda gets them.
    pub(crate) fn read_stream(
        &self,
        table: &str,
        stream: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Value>, StateError> {
        let mut from = json!({
            "StreamArn": stream,
            "ShardId": dynoxide::streams::shard_id(table),
            "ShardIteratorType": if after.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" },
        });
        if let (Some(after), Some(from)) = (after, from.as_object_mut()) {
            from.insert("SequenceNumber".to_owned(), json!(after));
        }
        let iterator = self.database.get_shard_iterator(serde_json::from_value(from)?)?.shard_iterator;
        let page = json!({"ShardIterator": iterator, "Limit": limit});
        let page = serde_json::to_value(self.database.get_records(serde_json::from_value(page)?)?)?;
        let records = page.get("Records").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(records.into_iter().map(|record| self.as_lambda_gets_it(record, stream)).collect())
    }

    fn as_lambda_gets_it(&self, mut record: Value, stream: &str) -> Value {
        if let Some(fields) = record.as_object_mut() {
            fields.insert("awsRegion".to_owned(), json!(self.region));
            fields.insert("eventSourceARN".to_owned(), json!(stream));
        }
        record
    }

    fn localise(&self, operation: &str, body: String) -> String {
        if !NAMES_ARNS.contains(&operation) {
            return body;
        }
        let engine =
            format!("arn:aws:dynamodb:{}:{}:", dynoxide::streams::LOCAL_REGION, dynoxide::streams::LOCAL_ACCOUNT);
        body.replace(&engine, &self.arn_prefix)
    }

    /// None for an operation that is not in the table.
    fn execute(&self, operation: &str, body: &[u8]) -> Option<dynoxide::Result<String>> {
        let db = &self.database;
        Some(match operation {
            "CreateTable" => run(body, |request| db.create_table(request)),
            "DeleteTable" => run(body, |request| db.delete_table(request)),
            "DescribeTable" => run(body, |request| db.describe_table(request)),
            "UpdateTable" => run(body, |request| db.update_table(request)),
            "ListTables" => run(body, |request| db.list_tables(request)),
            "UpdateTimeToLive" => run(body, |request| db.update_time_to_live(request)),
            "DescribeTimeToLive" => run(body, |request| db.describe_time_to_live(request)),
            "PutItem" => run(body, |request| db.put_item(request)),
            "GetItem" => run(body, |request| db.get_item(request)),
            "UpdateItem" => run(body, |request| db.update_item(request)),
            "DeleteItem" => run(body, |request| db.delete_item(request)),
            "Query" => run(body, |request| db.query(request)),
            "Scan" => run(body, |request| db.scan(request)),
            "BatchGetItem" => run(body, |request| db.batch_get_item(request)),
            "BatchWriteItem" => run(body, |request| db.batch_write_item(request)),
            "TransactGetItems" => run(body, |request| db.transact_get_items(request)),
            "TransactWriteItems" => run(body, |request| db.transact_write_items(request)),
            "ExecuteStatement" => run(body, |request| db.execute_statement(request)),
            "ExecuteTransaction" => run(body, |request| db.execute_transaction(request)),
            "BatchExecuteStatement" => run(body, |request| db.batch_execute_statement(request)),
            "TagResource" => run(body, |request| db.tag_resource(request)),
            "UntagResource" => run(body, |request| db.untag_resource(request)),
            "ListTagsOfResource" => run(body, |request| db.list_tags_of_resource(request)),
            "ListStreams" => run(body, |request| db.list_streams(request)),
            "DescribeStream" => run(body, |request| db.describe_stream(request)),
            "GetShardIterator" => run(body, |request| db.get_shard_iterator(request)),
            "GetRecords" => run(body, |request| db.get_records(request)),
            _ => return None,
        })
    }
}

/// Opens a database whose streams have an index. The engine has none: it looks through all records of a table's
/// stream for each record that it adds, which takes the longer the more there are.
fn open_tables(file: Option<&Path>) -> Result<Database, StateError> {
    let index = |file: &Path| -> Result<(), StateError> {
        let connection = rusqlite::Connection::open(file).map_err(DynoxideError::from)?;
        Ok(connection.execute_batch(STREAM_INDEX).map_err(DynoxideError::from)?)
    };
    if let Some(file) = file {
        let database = open_database(Some(file))?;
        index(file)?;
        return Ok(database);
    }
    let folder = tempfile::tempdir().map_err(|error| DynoxideError::InternalServerError(error.to_string()))?;
    let template = folder.path().join("tables.sqlite");
    drop(Database::new(&template.to_string_lossy())?);
    index(&template)?;
    let database = open_database(None)?;
    database.restore_from(&template.to_string_lossy())?;
    Ok(database)
}

fn run<Q, A>(body: &[u8], operation: impl FnOnce(Q) -> dynoxide::Result<A>) -> dynoxide::Result<String>
where
    Q: DeserializeOwned,
    A: Serialize,
{
    let request = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    serde_json::to_string(&operation(request)?).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// The engine's request types mark what they refuse with the class of the error, in front of its words; what they
/// leave unmarked is a missing member, or a value of another type.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _position)| words);
    for marker in ["VALIDATION_REQUEST:", "VALIDATION_AS_READ:", "VALIDATION:"] {
        if let Some(words) = text.strip_prefix(marker) {
            return DynoxideError::ValidationException(words.to_owned());
        }
    }
    for marker in ["SERIALIZATION_AS_READ:", "SERIALIZATION:"] {
        if let Some(words) = text.strip_prefix(marker) {
            return DynoxideError::SerializationException(words.to_owned());
        }
    }
    if error.is_data() && (text.contains("missing field") || text.contains("AttributeValue")) {
        return DynoxideError::ValidationException(text.to_owned());
    }
    DynoxideError::SerializationException(text.to_owned())
}
