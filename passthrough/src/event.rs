//! A function URL's event (payload format 2.0), read into the call that it carries. API Gateway's HTTP APIs and a direct
//! invocation with the same shape are read alike.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::refusal::Refusal;

/// What Lambda takes in one invocation; a larger body cannot have come whole.
const BODY_BYTES_MAX: usize = 6 * 1024 * 1024;

/// A call as its caller made it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names are in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    request_context: Context,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
struct Context {
    http: Http,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

impl Call {
    pub(crate) fn read(event: Value) -> Result<Self, Refusal> {
        let event: Event = serde_json::from_value(event).map_err(|error| {
            Refusal::invalid(format!("the event is not a function URL's (payload format 2.0): {error}"))
        })?;
        let method = Method::from_bytes(event.request_context.http.method.as_bytes())
            .map_err(|_| Refusal::invalid("the event's method is none of HTTP's".to_owned()))?;
        let body = match (event.body, event.is_base64_encoded) {
            (None, _) => Bytes::new(),
            (Some(text), false) => text.into(),
            (Some(text), true) => STANDARD
                .decode(text)
                .map_err(|_| Refusal::invalid("the event's body is not base64, as it says".to_owned()))?
                .into(),
        };
        if body.len() > BODY_BYTES_MAX {
            return Err(Refusal::too_large(BODY_BYTES_MAX));
        }
        let mut headers = BTreeMap::new();
        for (name, value) in event.headers {
            let name = name.to_ascii_lowercase();
            if headers.contains_key(&name) {
                return Err(Refusal::invalid(format!("the header `{name}` stands twice")));
            }
            headers.insert(name, value);
        }
        Ok(Self { method, path: event.raw_path, query: event.raw_query_string, headers, body })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_read_whole_or_refused() {
        let event = |body: Value, base64: bool| {
            json!({
                "version": "2.0", "rawPath": "/v1/messages", "rawQueryString": "beta=true",
                "headers": { "Anthropic-Beta": "x" }, "requestContext": { "http": { "method": "POST" }, "apiId": "a" },
                "body": body, "isBase64Encoded": base64,
            })
        };
        let read = |event| Call::read(event).map_err(|refusal| refusal.status.as_u16());
        let call = read(event(json!("eyJhIjoxfQ=="), true)).map(|call| {
            (
                call.method.clone(),
                call.path.clone(),
                call.query.clone(),
                call.header("anthropic-beta") == Some("x"),
                call.body,
            )
        });
        let expected =
            (Method::POST, "/v1/messages".to_owned(), "beta=true".to_owned(), true, Bytes::from(r#"{"a":1}"#));
        assert_eq!(call, Ok(expected));
        assert_eq!(read(event(Value::Null, false)).map(|call| call.body.len()), Ok(0));
        assert_eq!(read(event(json!("a".repeat(BODY_BYTES_MAX + 1)), false)).map(|_| ()), Err(413));
        for bad in [json!({}), json!([]), json!("x"), event(json!("~"), true), event(json!(1), false)] {
            assert_eq!(read(bad.clone()).map(|_| ()), Err(400), "{bad}");
        }
        let mut twice = event(Value::Null, false);
        twice["headers"] = json!({ "anthropic-beta": "x", "Anthropic-Beta": "y" });
        assert_eq!(read(twice).map(|_| ()), Err(400));
        let mut odd = event(Value::Null, false);
        odd["requestContext"]["http"]["method"] = json!("GET /");
        assert_eq!(read(odd).map(|_| ()), Err(400));
    }
}
