//! The event that API Gateway sends to a function: payload format 2.0.
//!
//! As on AWS, `rawPath` and the path parameters arrive decoded, header names in lower case, repeated headers and query
//! parameters joined with commas, and every claim as text: a list of groups reads `[a b]`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST, USER_AGENT};
use http::{HeaderMap, Request};
use jiff::Timestamp;
use lambda::{Path, RouteSpec};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// Marks of the one local API.
const API_ID: &str = "local";
const ACCOUNT_ID: &str = "111122223333";

/// A path with its percent-encoding undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DecodedPath(String);

impl DecodedPath {
    /// `None` when the encoding is not of UTF-8.
    pub(super) fn of(raw: &str) -> Option<Self> {
        Some(Self(percent_decode_str(raw).decode_utf8().ok()?.into_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// One call that found its route.
pub(super) struct Arrival<'a> {
    pub(super) route: &'a RouteSpec,
    pub(super) path: &'a DecodedPath,
    pub(super) parameters: &'a Path,
    pub(super) claims: Option<&'a Map<String, Value>>,
    pub(super) at: Timestamp,
}

impl Arrival<'_> {
    pub(super) fn event(&self, request: &Request<Bytes>) -> Value {
        let headers = request.headers();
        let route_key = format!("{} {}", self.route.method.as_str(), self.route.path);
        let query = request.uri().query().unwrap_or("");
        let (body, is_base64_encoded) = body_of(headers, request.body());
        let mut event = json!({
            "version": "2.0",
            "routeKey": route_key,
            "rawPath": self.path.as_str(),
            "rawQueryString": query,
            "headers": joined_headers(headers),
            "requestContext": self.context(request, &route_key),
            "isBase64Encoded": is_base64_encoded,
        });
        let parameters: Map<String, Value> =
            self.route.parameter_names().map(|name| (name.to_owned(), self.parameters.get(name).into())).collect();
        let cookies: Vec<&str> = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).collect();
        let cookies: Vec<&str> = cookies.iter().flat_map(|line| line.split("; ")).collect();
        let optional = [
            ("cookies", (!cookies.is_empty()).then(|| json!(cookies))),
            ("queryStringParameters", (!query.is_empty()).then(|| json!(joined_query(query)))),
            ("pathParameters", (!parameters.is_empty()).then_some(Value::Object(parameters))),
            ("body", (!request.body().is_empty()).then_some(Value::String(body))),
        ];
        if let Some(fields) = event.as_object_mut() {
            fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        event
    }

    fn context(&self, request: &Request<Bytes>, route_key: &str) -> Value {
        let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let mut context = json!({
            "accountId": ACCOUNT_ID,
            "apiId": API_ID,
            "domainName": text(HOST),
            "domainPrefix": API_ID,
            "http": {
                "method": request.method().as_str(),
                "path": self.path.as_str(),
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": text(USER_AGENT),
            },
            "requestId": format!("{:032x}", rand::random::<u128>()),
            "routeKey": route_key,
            "stage": "$default",
            "time": self.at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": self.at.as_millisecond(),
        });
        if let (Some(claims), Some(fields)) = (self.claims, context.as_object_mut()) {
            let claims: Map<String, Value> =
                claims.iter().map(|(name, value)| (name.clone(), flat(value).into())).collect();
            fields.insert("authorizer".to_owned(), json!({"jwt": {"claims": claims, "scopes": null}}));
        }
        context
    }
}

/// A claim as the gateway writes it.
fn flat(claim: &Value) -> String {
    match claim {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(flat).collect::<Vec<_>>().join(" ")),
        other => other.to_string(),
    }
}

fn joined_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| **name != COOKIE) {
        let value = String::from_utf8_lossy(value.as_bytes());
        joined
            .entry(name.as_str().to_owned())
            .and_modify(|all| *all = format!("{all},{value}"))
            .or_insert(value.into_owned());
    }
    joined
}

fn joined_query(query: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value);
        joined.entry(decoded(name)).and_modify(|all| *all = format!("{all},{value}")).or_insert(value);
    }
    joined
}

/// Text as it is, anything else in base64.
fn body_of(headers: &HeaderMap, body: &Bytes) -> (String, bool) {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let is_text = essence.starts_with("text/")
        || matches!(essence.as_str(), "application/json" | "application/xml" | "application/javascript");
    match std::str::from_utf8(body) {
        Ok(text) if is_text => (text.to_owned(), false),
        _ => (STANDARD.encode(body), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::base::authorization::Action;
    use lambda::{AnswerSpec, Method, find_route};

    fn route() -> RouteSpec {
        RouteSpec {
            method: Method::Post,
            path: "/v1/tasks/{id}/start",
            function: "tests",
            action: Some(Action::StartTask),
            summary: "",
            query: &[],
            is_paged: false,
            body: None,
            answer: AnswerSpec::File,
            success: 200,
        }
    }

    fn event_of(request: &Request<Bytes>) -> Option<Value> {
        let route = route();
        let path = DecodedPath::of(request.uri().path())?;
        let parameters = find_route([&route], "POST", path.as_str())?.path;
        let claims =
            json!({"sub": "ana", "cognito:groups": ["a b", "c"], "exp": 1_787_000_000, "email_verified": true});
        let at = Timestamp::from_second(1_787_562_000).ok()?;
        let arrival = Arrival { route: &route, path: &path, parameters: &parameters, claims: claims.as_object(), at };
        Some(arrival.event(request))
    }

    #[test]
    fn the_event_is_the_one_that_the_gateway_sends() -> Result<(), http::Error> {
        let request = Request::post("/v1/tasks/tsk%5F1/start?a=1&b=x%20y&a=2")
            .header("Host", "127.0.0.1:3000")
            .header("Content-Type", "application/json; charset=utf-8")
            .header("X-Twice", "one")
            .header("X-Twice", "two")
            .header("Cookie", "s=1; t=2")
            .body(Bytes::from_static(b"{}"))?;
        let mut event = event_of(&request).unwrap_or_default();
        event["requestContext"]["requestId"] = json!("r-1");
        assert_eq!(
            event,
            json!({
                "version": "2.0",
                "routeKey": "POST /v1/tasks/{id}/start",
                "rawPath": "/v1/tasks/tsk_1/start",
                "rawQueryString": "a=1&b=x%20y&a=2",
                "queryStringParameters": {"a": "1,2", "b": "x y"},
                "pathParameters": {"id": "tsk_1"},
                "cookies": ["s=1", "t=2"],
                "headers": {
                    "host": "127.0.0.1:3000", "content-type": "application/json; charset=utf-8", "x-twice": "one,two",
                },
                "requestContext": {
                    "accountId": "111122223333", "apiId": "local", "domainName": "127.0.0.1:3000",
                    "domainPrefix": "local",
                    "authorizer": {"jwt": {"scopes": null, "claims": {
                        "sub": "ana", "cognito:groups": "[a b c]", "exp": "1787000000", "email_verified": "true",
                    }}},
                    "http": {
                        "method": "POST", "path": "/v1/tasks/tsk_1/start", "protocol": "HTTP/1.1",
                        "sourceIp": "127.0.0.1", "userAgent": "",
                    },
                    "requestId": "r-1", "routeKey": "POST /v1/tasks/{id}/start", "stage": "$default",
                    "time": "24/Aug/2026:09:00:00 +0000", "timeEpoch": 1_787_562_000_000_i64,
                },
                "body": "{}",
                "isBase64Encoded": false,
            })
        );
        Ok(())
    }

    #[test]
    fn bodies_that_are_not_text_travel_in_base64() -> Result<(), http::Error> {
        for (content_type, body, expected, encoded) in [
            ("application/json", &b"{}"[..], "{}", false),
            ("text/plain", b"a", "a", false),
            ("application/octet-stream", b"a", "YQ==", true),
            ("application/json", b"\xff", "/w==", true),
        ] {
            let request = Request::post("/v1/tasks/tsk_1/start").header("content-type", content_type);
            let event = event_of(&request.body(Bytes::from_static(body))?).unwrap_or_default();
            assert_eq!(
                (&event["body"], &event["isBase64Encoded"]),
                (&json!(expected), &json!(encoded)),
                "{content_type}"
            );
        }
        Ok(())
    }
}
