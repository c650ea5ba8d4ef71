//! The records by which a repeated API write gets its first answer again.
//!
//! A record is written in the very transaction whose answer it holds; this module owns its shape and finds it. A write
//! that was refused leaves no record, so a corrected body may use its key again.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::base::digest::Digest;
use domain::base::text::Sub;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Records outlive every redelivery and every client's retry by far; then DynamoDB's TTL takes them.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(45 * 24);

/// The partition key's prefix; a record is the only item of its partition.
const PARTITION_PREFIX: &str = "IDEM#";
const SORT_KEY: &str = "META";

/// What one write was asked under: caller, route and the caller's key, and the digest of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The record's partition key: `IDEM#` and the SHA-256 of caller, route and key.
    pub pk: String,
    /// The digest of the body's canonical JSON.
    pub body: Digest,
    /// When the record may go.
    pub expires_at: Timestamp,
}

/// The first answer under a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// The digest of the body that was answered.
    pub body: Digest,
    /// The HTTP status.
    pub status: u16,
    /// The answer; `None` where it had none.
    pub answer: Option<Value>,
    /// Where the thing created is.
    pub location: Option<String>,
}

/// Why a record could not be found or read.
#[derive(Debug, thiserror::Error)]
pub enum FindRememberedError {
    /// DynamoDB did not answer; the same call may be made again.
    #[error("the record of an earlier answer could not be read")]
    Unavailable(#[source] Box<aws_sdk_dynamodb::Error>),
    /// The record is not of the shape that this module writes.
    #[error("the record `{pk}` of an earlier answer is unreadable: `{attribute}`")]
    Unreadable {
        /// The record's partition key.
        pk: String,
        /// The attribute that is missing or malformed.
        attribute: &'static str,
    },
}

impl IdempotencyKey {
    /// The key for this caller, route (method and path) and client-chosen text.
    #[must_use]
    pub fn new(sub: &Sub, route: &str, chosen: &str, body: Digest, now: Timestamp) -> Self {
        // Neither a sub nor a route holds a line feed, so no two triples read the same.
        let scope = Digest::of_bytes(format!("{sub}\n{route}\n{chosen}").as_bytes());
        let expires_at = now.saturating_add(KEPT_FOR).unwrap_or(Timestamp::MAX);
        Self { pk: format!("{PARTITION_PREFIX}{}", scope.hex()), body, expires_at }
    }

    /// The item's primary key.
    #[must_use]
    pub fn primary_key(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([text("PK", &self.pk), text("SK", SORT_KEY)])
    }

    /// The whole record, for the transaction that writes the effect; to be put on `attribute_not_exists(PK)`.
    #[must_use]
    pub fn record(
        &self,
        status: u16,
        answer: Option<&Value>,
        location: Option<&str>,
    ) -> HashMap<String, AttributeValue> {
        let mut item = self.primary_key();
        item.extend([
            text("body", self.body.as_str()),
            ("status".to_owned(), AttributeValue::N(status.to_string())),
            ("ttl".to_owned(), AttributeValue::N(self.expires_at.as_second().to_string())),
        ]);
        item.extend(answer.map(|answer| text("answer", &answer.to_string())));
        item.extend(location.map(|location| text("location", location)));
        item
    }
}

fn text(name: &str, value: &str) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::S(value.to_owned()))
}

/// The first answer under this key, by a consistent read; `None` when there was none, or when its time is over.
///
/// # Errors
/// [`FindRememberedError`]; nothing has happened then.
pub async fn find(
    client: &Client,
    table: &str,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<Remembered>, FindRememberedError> {
    let answer = client
        .get_item()
        .table_name(table)
        .set_key(Some(key.primary_key()))
        .consistent_read(true)
        .send()
        .await
        .map_err(|error| FindRememberedError::Unavailable(Box::new(error.into())))?;
    answer.item.map_or(Ok(None), |item| {
        let remembered =
            read(&item).map_err(|attribute| FindRememberedError::Unreadable { pk: key.pk.clone(), attribute })?;
        let over = number(&item, "ttl").is_some_and(|ttl| ttl <= now.as_second());
        Ok((!over).then_some(remembered))
    })
}

fn read(item: &HashMap<String, AttributeValue>) -> Result<Remembered, &'static str> {
    let field = |name: &'static str| item.get(name).and_then(|value| value.as_s().ok());
    let body = field("body").and_then(|body| Digest::try_from(body.clone()).ok()).ok_or("body")?;
    let status = number(item, "status").and_then(|n| u16::try_from(n).ok()).ok_or("status")?;
    let answer = field("answer").map(|json| serde_json::from_str(json).map_err(|_| "answer")).transpose()?;
    Ok(Remembered { body, status, answer, location: field("location").cloned() })
}

fn number(item: &HashMap<String, AttributeValue>, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(sub: &str, route: &str, chosen: &str) -> Result<IdempotencyKey, domain::base::text::MalformedText> {
        Ok(IdempotencyKey::new(&sub.parse()?, route, chosen, Digest::of_bytes(b"{}"), Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn a_key_belongs_to_one_caller_and_one_route() -> Result<(), domain::base::text::MalformedText> {
        let mine = key("ana", "POST /v1/requests", "k1")?;
        assert_eq!(mine, key("ana", "POST /v1/requests", "k1")?);
        for other in [
            ("bob", "POST /v1/requests", "k1"),
            ("ana", "POST /v1/approvals", "k1"),
            ("ana", "POST /v1/requests", "k2"),
        ] {
            assert_ne!(mine.pk, key(other.0, other.1, other.2)?.pk);
        }
        assert_eq!(mine.expires_at.as_second(), 45 * 86_400);
        Ok(())
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_a_mangled_one_is_named() -> Result<(), domain::base::text::MalformedText>
    {
        let key = key("ana", "POST /v1/requests", "k1")?;
        let answer = serde_json::json!({"id": "req_1"});
        let mut item = key.record(201, Some(&answer), Some("/v1/requests/req_1"));
        let expected = Remembered {
            body: key.body.clone(),
            status: 201,
            answer: Some(answer),
            location: Some("/v1/requests/req_1".to_owned()),
        };
        assert_eq!(read(&item), Ok(expected));
        assert_eq!(read(&key.record(202, None, None)).map(|r| (r.status, r.answer)), Ok((202, None)));
        item.insert("answer".to_owned(), AttributeValue::S("{".to_owned()));
        assert_eq!(read(&item), Err("answer"));
        item.remove("status");
        assert_eq!(read(&item), Err("status"));
        Ok(())
    }
}
