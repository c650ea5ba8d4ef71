//! What the gateway answers: its own short messages, and what a function answered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CONTENT_TYPE, VARY,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// `{"message": …}`, as API Gateway says everything itself.
pub(crate) fn message(status: StatusCode, text: &str) -> Response<Bytes> {
    with_status(status, json(json!({ "message": text }).to_string()))
}

/// 200 with a JSON document.
pub(crate) fn json(document: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(document));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(crate) fn with_status(status: StatusCode, mut response: Response<Bytes>) -> Response<Bytes> {
    *response.status_mut() = status;
    response
}

/// What a function answered in payload format 2.0; anything else is the function's defect, 500.
pub(super) fn of_integration(answer: &Value) -> Response<Bytes> {
    parsed(answer).unwrap_or_else(|| {
        tracing::error!("a function's answer is not a response");
        message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
    })
}

fn parsed(answer: &Value) -> Option<Response<Bytes>> {
    let status = u16::try_from(answer.get("statusCode")?.as_u64()?).ok()?;
    let text = answer.get("body").and_then(Value::as_str).unwrap_or("");
    let encoded = answer.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or(false);
    let body = if encoded { STANDARD.decode(text).ok()? } else { text.as_bytes().to_vec() };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    for (name, value) in answer.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        response.headers_mut().insert(name, HeaderValue::from_str(value.as_str()?).ok()?);
    }
    Some(response)
}

/// The answer to a browser that asks before it calls.
pub(super) fn preflight() -> Response<Bytes> {
    let mut response = with_status(StatusCode::NO_CONTENT, Response::new(Bytes::new()));
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,POST,PUT"));
    let asked = HeaderValue::from_static("authorization,content-type,idempotency-key,if-match");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("300"));
    response
}

/// Lets a page of this origin read the answer.
pub(super) fn with_cors(mut response: Response<Bytes>, origin: &str) -> Response<Bytes> {
    if let Ok(origin) = HeaderValue::from_str(origin) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag,location,retry-after"));
        headers.insert(VARY, HeaderValue::from_static("origin"));
    }
    response
}
