//! What the emulated services keep: documents by kind and key, in a database of their own.
//!
//! A commit is one transaction and is durable against `kill -9` when it returns. In memory the same engine runs
//! without a file.

use std::path::Path;

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// DynamoDB's own limit on the actions of one transaction.
const MAX_CHANGES_PER_TRANSACTION: usize = 100;

const TABLE: &str = "state";

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The engine refused or the disk failed.
    #[error("the local state's database failed")]
    Engine(#[source] Box<DynoxideError>),
    /// A document is not what this version writes.
    #[error("the local state does not read; start with an empty --data folder")]
    Document(#[from] serde_json::Error),
}

impl From<DynoxideError> for StateError {
    fn from(error: DynoxideError) -> Self {
        Self::Engine(Box::new(error))
    }
}

/// One document to write or remove.
#[derive(Debug)]
pub(crate) struct Change(Value);

impl Change {
    /// Writes the document, whatever was there.
    pub(crate) fn put(kind: &str, key: &str, document: &impl Serialize) -> Result<Self, StateError> {
        let text = serde_json::to_string(document)?;
        let item = json!({"kind": {"S": kind}, "key": {"S": key}, "document": {"S": text}});
        Ok(Self(json!({"Put": {"TableName": TABLE, "Item": item}})))
    }

    /// Removes the document; removing nothing is fine.
    pub(crate) fn remove(kind: &str, key: &str) -> Self {
        Self(json!({"Delete": {"TableName": TABLE, "Key": {"kind": {"S": kind}, "key": {"S": key}}}}))
    }
}

/// The documents of all services.
pub(crate) struct State {
    database: Database,
}

impl State {
    /// Opens the file, or a database in memory.
    pub(crate) fn open(file: Option<&Path>) -> Result<Self, StateError> {
        let database = open_database(file)?;
        let schema = json!({
            "TableName": TABLE,
            "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "key", "KeyType": "RANGE"}],
            "AttributeDefinitions": [{"AttributeName": "kind", "AttributeType": "S"}, {"AttributeName": "key",
            "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        });
        match database.create_table(serde_json::from_value(schema)?) {
            Ok(_) | Err(DynoxideError::ResourceInUseException(_)) => Ok(Self { database }),
            Err(error) => Err(error.into()),
        }
    }

    /// The document of that kind and key.
    pub(crate) fn load<T: DeserializeOwned>(&self, kind: &str, key: &str) -> Result<Option<T>, StateError> {
        let request = json!({"TableName": TABLE, "Key": {"kind": {"S": kind}, "key": {"S": key}}});
        let found = serde_json::to_value(self.database.get_item(serde_json::from_value(request)?)?)?;
        match found.pointer("/Item") {
            Some(item) => Ok(Some(document(item)?)),
            None => Ok(None),
        }
    }

    /// All documents of that kind whose key starts with `prefix`, in key order.
    pub(crate) fn list<T: DeserializeOwned>(&self, kind: &str, prefix: &str) -> Result<Vec<(String, T)>, StateError> {
        let mut request = json!({
            "TableName": TABLE,
            "KeyConditionExpression": "#kind = :kind",
            "ExpressionAttributeNames": {"#kind": "kind"},
            "ExpressionAttributeValues": {":kind": {"S": kind}},
        });
        if !prefix.is_empty() {
            request = json!({
                "TableName": TABLE,
                "KeyConditionExpression": "#kind = :kind AND begins_with(#key, :prefix)",
                "ExpressionAttributeNames": {"#kind": "kind", "#key": "key"},
                "ExpressionAttributeValues": {":kind": {"S": kind}, ":prefix": {"S": prefix}},
            });
        }
        let mut documents = Vec::new();
        loop {
            let mut page = serde_json::to_value(self.database.query(serde_json::from_value(request.clone())?)?)?;
            for item in page.pointer("/Items").and_then(Value::as_array).into_iter().flatten() {
                let key = item.pointer("/key/S").and_then(Value::as_str).unwrap_or_default();
                documents.push((key.to_owned(), document(item)?));
            }
            match (page.pointer_mut("/LastEvaluatedKey").map(Value::take), request.as_object_mut()) {
                (Some(next @ Value::Object(_)), Some(request)) => request.insert("ExclusiveStartKey".to_owned(), next),
                _ => return Ok(documents),
            };
        }
    }

    /// Writes all changes at once, in one transaction as long as they fit into one.
    pub(crate) fn commit(&self, changes: Vec<Change>) -> Result<(), StateError> {
        let actions: Vec<Value> = changes.into_iter().map(|Change(action)| action).collect();
        for chunk in actions.chunks(MAX_CHANGES_PER_TRANSACTION) {
            self.database.transact_write_items(serde_json::from_value(json!({"TransactItems": chunk}))?)?;
        }
        Ok(())
    }
}

/// Opens a database that survives a killed process: WAL with `synchronous = NORMAL`, which the engine sets when it
/// leaves bulk loading. FULL would also survive a power cut and costs an fsync per write, which no demo is worth.
pub(super) fn open_database(file: Option<&Path>) -> Result<Database, DynoxideError> {
    let Some(file) = file else { return Database::memory() };
    let database = Database::new(&file.to_string_lossy())?;
    database.disable_bulk_loading()?;
    Ok(database)
}

fn document<T: DeserializeOwned>(item: &Value) -> Result<T, serde_json::Error> {
    serde_json::from_str(item.pointer("/document/S").and_then(Value::as_str).unwrap_or_default())
}
