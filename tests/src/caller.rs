//! What the API answered, and reading from it.

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

/// An answer of the API.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body; null where there is none, text where it is no JSON.
    pub body: Value,
    /// The `ETag` header.
    pub etag: Option<String>,
    /// The `Location` header.
    pub location: Option<String>,
    /// What was called, for messages.
    pub asked: String,
}

impl Reply {
    /// The body of a yes.
    ///
    /// # Errors
    /// When it was no yes.
    pub fn ok(self) -> anyhow::Result<Value> {
        if (200..300).contains(&self.status) {
            Ok(self.body)
        } else {
            bail!("{} answered {}: {}", self.asked, self.status, self.body)
        }
    }

    /// The last segment of the problem's `type`; empty for anything but a problem.
    #[must_use]
    pub fn problem(&self) -> &str {
        let kind = self.body.get("type").and_then(Value::as_str).unwrap_or_default();
        kind.rsplit(':').next().unwrap_or_default()
    }

    /// Status and problem, to be compared in one assertion.
    #[must_use]
    pub fn refusal(&self) -> (u16, &str) {
        (self.status, self.problem())
    }

    /// The body without what names the single occurrence.
    #[must_use]
    pub fn body_without_instance(&self) -> Value {
        let mut body = self.body.clone();
        body.as_object_mut().into_iter().for_each(|fields| drop(fields.remove("instance")));
        body
    }
}

/// The text at a JSON pointer, such as `/scopes/0/id`.
///
/// # Errors
/// When there is no text.
pub fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("there is no text at `{pointer}` in {value}"))
}

/// The number at a JSON pointer.
///
/// # Errors
/// When there is none.
pub fn number(value: &Value, pointer: &str) -> anyhow::Result<u64> {
    value
        .pointer(pointer)
        .and_then(Value::as_u64)
        .with_context(|| format!("there is no number at `{pointer}` in {value}"))
}

/// A text of each item, in order.
#[must_use]
pub fn texts(items: &[Value], field: &str) -> Vec<String> {
    items.iter().filter_map(|item| item.get(field).and_then(Value::as_str).map(str::to_owned)).collect()
}

/// `base` with some fields set; a null stays a null.
#[must_use]
pub fn fields(base: &Value, set: &Value) -> Value {
    let none = Map::new();
    let mut merged = base.as_object().unwrap_or(&none).clone();
    merged.extend(set.as_object().unwrap_or(&none).clone());
    Value::Object(merged)
}
