//! The answers' envelopes: one [`Fault`], said in each protocol's own shape.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::state::StateError;

/// What a service refuses, with the code and the words of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Fault {
    /// A refusal with an explicit HTTP status.
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

impl From<StateError> for Fault {
    fn from(error: StateError) -> Self {
        tracing::error!(error = %error, "the emulated cloud could not keep its state");
        Self::new(500, "InternalFailure", error.to_string())
    }
}

/// How the caller's service speaks when it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// DynamoDB, SQS, Athena: `__type` in the body.
    AwsJson,
    /// Bedrock: the code in a header.
    RestJson,
    /// IAM, STS, SNS: `<ErrorResponse>`.
    Query,
    /// S3: a bare `<Error>`.
    S3,
}

impl Protocol {
    /// The protocol of a signing name; what is unknown is answered as the Query protocol does.
    pub(crate) fn of(service: &str) -> Self {
        match service {
            "dynamodb" | "sqs" | "athena" => Self::AwsJson,
            "bedrock" => Self::RestJson,
            "s3" => Self::S3,
            _ => Self::Query,
        }
    }

    /// The fault as this protocol's error response.
    pub(crate) fn refuse(self, fault: &Fault) -> Response<Bytes> {
        let Fault { status, code, message } = fault;
        let mut response = match self {
            Self::AwsJson => {
                json_answer(*status, "application/x-amz-json-1.0", &json!({"__type": code, "message": message}))
            }
            Self::RestJson => json_answer(*status, "application/json", &json!({"message": message})),
            Self::Query => {
                let side = if *status < 500 { "Sender" } else { "Receiver" };
                let error = [element("Type", side), element("Code", code), element("Message", message)].concat();
                xml_answer(*status, &format!("<ErrorResponse><Error>{error}</Error>{}</ErrorResponse>", request_id()))
            }
            Self::S3 => {
                let error = [element("Code", code), element("Message", message), request_id()].concat();
                xml_answer(*status, &format!("<Error>{error}</Error>"))
            }
        };
        if self == Self::RestJson {
            response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(code));
        }
        response
    }
}

/// A JSON body under the given media type.
pub(crate) fn json_answer(status: u16, media_type: &'static str, body: &Value) -> Response<Bytes> {
    respond(status, media_type, body.to_string())
}

/// An XML document, its declaration added.
pub(crate) fn xml_answer(status: u16, body: &str) -> Response<Bytes> {
    respond(status, "text/xml", format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}"))
}

/// Any text under the given media type.
pub(crate) fn respond(status: u16, media_type: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// `<name>text</name>`, escaped.
pub(crate) fn element(name: &str, text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    format!("<{name}>{escaped}</{name}>")
}

/// A fresh `<RequestId>` element.
pub(crate) fn request_id() -> String {
    element("RequestId", &fresh_id())
}

/// A random id in the form that AWS uses for requests, messages and events.
pub(crate) fn fresh_id() -> String {
    let hex = format!("{:032x}", rand::random::<u128>());
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}
