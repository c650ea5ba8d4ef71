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
