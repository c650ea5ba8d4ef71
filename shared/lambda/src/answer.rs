//! What a handler answers, and how it goes out through the gateway.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::answers::Versioned;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::problem::Problem;

/// A handler's yes.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    /// 200, 201 or 202.
    pub status: u16,
    /// The body.
    pub body: T,
    /// Where the thing created, or the work accepted, is.
    pub location: Option<String>,
    /// The version of the one thing that the body shows.
    pub etag: Option<u64>,
}

impl<T> Answer<T> {
    /// 200: it is so.
    #[must_use]
    pub const fn ok(body: T) -> Self {
        Self { status: 200, body, location: None, etag: None }
    }

    /// 201: it was created, and is found at `location`.
    #[must_use]
    pub fn created(location: impl Into<String>, body: T) -> Self {
        Self { status: 201, body, location: Some(location.into()), etag: None }
    }

    /// 202: the work was accepted; its state is at `location`.
    #[must_use]
    pub fn accepted(location: impl Into<String>, body: T) -> Self {
        Self { status: 202, body, location: Some(location.into()), etag: None }
    }

    /// Says which version the body shows, as `ETag`.
    #[must_use]
    pub const fn versioned(mut self, version: u64) -> Self {
        self.etag = Some(version);
        self
    }
}

impl<T> Answer<Versioned<T>> {
    /// 200: this is the thing at this version.
    #[must_use]
    pub const fn at(version: u64, value: T) -> Self {
        Self::ok(Versioned { version, value }).versioned(version)
    }

    /// 201: the thing is at its first version, and is found at `location`.
    #[must_use]
    pub fn made(location: impl Into<String>, value: T) -> Self {
        Self::created(location, Versioned { version: 1, value }).versioned(1)
    }
}

/// A document answered byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, as offered for saving: `[A-Za-z0-9._-]` only, anything else becomes `-`.
    pub name: String,
    /// Its media type.
    pub content_type: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// An answer of any kind, ready to go out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outgoing {
    pub(crate) status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

#[derive(Debug, Clone, PartialEq)]
enum Body {
    Text(String),
    Bytes(Vec<u8>),
}

impl Outgoing {
    /// A JSON answer.
    pub(crate) fn json<T: Serialize>(answer: Answer<T>) -> Result<Self, Problem> {
        let body = serde_json::to_string(&answer.body).map_err(|error| {
            tracing::error!(error = %error, "an answer cannot be written as JSON");
            Problem::internal()
        })?;
        let mut headers = Vec::new();
        headers.extend(answer.location.map(|location| ("location", location)));
        headers.extend(answer.etag.map(|version| ("etag", format!("\"{version}\""))));
        Ok(Self { status: answer.status, content_type: "application/json", headers, body: Body::Text(body) })
    }

    /// A file. UTF-8 goes out as text, anything else in base64, which the gateway undoes.
    pub(crate) fn file(file: File) -> Self {
        let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        let name: String = file.name.chars().map(safe).collect();
        let body = String::from_utf8(file.bytes).map_or_else(|e| Body::Bytes(e.into_bytes()), Body::Text);
        let headers = vec![("content-disposition", format!("attachment; filename=\"{name}\""))];
        Self { status: 200, content_type: file.content_type, headers, body }
    }

    /// A fixed JSON document.
    pub(crate) fn document(json: String) -> Self {
        Self { status: 200, content_type: "application/json", headers: Vec::new(), body: Body::Text(json) }
    }

    /// The first answer to a write, again.
    pub(crate) fn replayed(status: u16, answer: Option<&Value>, location: Option<String>) -> Self {
        let mut headers = vec![("idempotency-replayed", "true".to_owned())];
        headers.extend(location.map(|location| ("location", location)));
        let version = answer.and_then(|body| body.get("version")).and_then(Value::as_u64);
        headers.extend(version.map(|version| ("etag", format!("\"{version}\""))));
        let body = answer.map_or_else(|| "null".to_owned(), Value::to_string);
        Self { status, content_type: "application/json", headers, body: Body::Text(body) }
    }

    /// A problem.
    pub(crate) fn problem(problem: &Problem, request_id: &str) -> Self {
        Self {
            status: problem.status,
            content_type: "application/problem+json",
            headers: problem.retry_after_s.map(|s| ("retry-after", s.to_string())).into_iter().collect(),
            body: Body::Text(problem.body(request_id).to_string()),
        }
    }

    /// The response in payload format 2.0.
    pub(crate) fn into_response(self) -> Value {
        let mut headers = Map::from_iter([
            ("content-type".to_owned(), Value::from(self.content_type)),
            ("cache-control".to_owned(), Value::from("no-store")),
            ("x-content-type-options".to_owned(), Value::from("nosniff")),
        ]);
        headers.extend(self.headers.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))));
        let (body, encoded) = match self.body {
            Body::Text(text) => (text, false),
            Body::Bytes(bytes) => (STANDARD.encode(bytes), true),
        };
        json!({ "statusCode": self.status, "headers": headers, "body": body, "isBase64Encoded": encoded })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_created_thing_says_where_it_is_and_which_version() -> Result<(), Problem> {
        let answer = Answer::created("/v1/spaces/spc_1", json!({"id": "spc_1"})).versioned(1);
        let response = Outgoing::json(answer)?.into_response();
        assert_eq!(response["statusCode"], 201);
        assert_eq!(response["headers"]["location"], "/v1/spaces/spc_1");
        assert_eq!(response["headers"]["etag"], "\"1\"");
        assert_eq!(response["body"], "{\"id\":\"spc_1\"}");
        Ok(())
    }

    #[test]
    fn files_keep_their_bytes_and_lose_what_a_header_must_not_hold() {
        let file = |bytes: &[u8]| File {
            name: "a\"\r\nb.zip".to_owned(),
            content_type: "application/zip",
            bytes: bytes.to_vec(),
        };
        let binary = Outgoing::file(file(&[0xff, 0])).into_response();
        assert_eq!((&binary["body"], &binary["isBase64Encoded"]), (&json!("/wA="), &json!(true)));
        assert_eq!(binary["headers"]["content-disposition"], "attachment; filename=\"a---b.zip\"");
        assert_eq!(Outgoing::file(file(b"{}\n")).into_response()["body"], "{}\n");
    }
}
