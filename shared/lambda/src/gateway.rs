//! An API call as the gateway hands it over: payload format 2.0, read without trusting any of it.
//!
//! The fact that a newcomer would get wrong: `rawPath` arrives **decoded**, so it is matched as it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::problem::Problem;

/// Largest body: the widest one the API knows, a decision on 20 scopes, is a tenth of it.
pub(crate) const BODY_BYTES_MAX: usize = 256 * 1024;

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    event: &'a Value,
    context: &'a Value,
}

impl<'a> Request<'a> {
    /// The event as a request, if it is one in payload format 2.0.
    pub(crate) fn of(event: &'a Value) -> Option<Self> {
        let context = event.get("requestContext")?;
        let is_v2 = event.get("version").and_then(Value::as_str) == Some("2.0");
        (is_v2 && context.get("http").is_some_and(Value::is_object)).then_some(Self { event, context })
    }

    pub(crate) fn method(&self) -> &'a str {
        self.context.pointer("/http/method").and_then(Value::as_str).unwrap_or("")
    }

    /// The path without the stage's name, which is only part of it where the stage is not `$default`.
    pub(crate) fn path(&self) -> &'a str {
        let path = self.event.get("rawPath").and_then(Value::as_str).unwrap_or("");
        let stage = self.context.get("stage").and_then(Value::as_str).unwrap_or("$default");
        path.strip_prefix('/')
            .and_then(|rest| rest.strip_prefix(stage))
            .filter(|rest| rest.starts_with('/'))
            .unwrap_or(path)
    }

    pub(crate) fn raw_query(&self) -> &'a str {
        self.event.get("rawQueryString").and_then(Value::as_str).unwrap_or("")
    }

    pub(crate) fn request_id(&self) -> &'a str {
        self.context.get("requestId").and_then(Value::as_str).unwrap_or("unknown")
    }

    /// A header; the gateway writes names in lower case, and other senders are read leniently.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        let headers = self.event.get("headers")?.as_object()?;
        headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name))?.1.as_str()
    }

    /// A header that must not stand twice: none where it does, in whatever case its name is written.
    pub(crate) fn only_header(&self, name: &str) -> Option<&'a str> {
        let headers = self.event.get("headers")?.as_object()?;
        let mut given = headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        match (given.next(), given.next()) {
            (Some((_, value)), None) => value.as_str(),
            _ => None,
        }
    }

    /// The claims that the gateway's authorizer verified; none without an authorizer.
    pub(crate) fn verified_claims(&self) -> Option<&'a Map<String, Value>> {
        self.context.pointer("/authorizer/jwt/claims")?.as_object()
    }

    /// The body as JSON. An empty one reads `{}`: many writes have nothing to say.
    pub(crate) fn json_body(&self) -> Result<Value, Problem> {
        let text = self.event.get("body").and_then(Value::as_str).unwrap_or("");
        let encoded = self.event.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or(false);
        let bytes = if encoded {
            // Base64 holds three bytes in four: longer text is refused before it is decoded.
            within_limit(text.len() / 4 * 3)?;
            STANDARD.decode(text).map_err(|_| malformed("the body is marked as base64 and is not"))?
        } else {
            text.as_bytes().to_vec()
        };
        within_limit(bytes.len())?;
        if bytes.is_empty() {
            return Ok(Value::Object(Map::new()));
        }
        if !self.header("content-type").is_some_and(is_json) {
            let detail = "send the body as `content-type: application/json`";
            return Err(Problem::new(415, "unsupported-media-type", detail));
        }
        crate::json::parse(&bytes)
            .map_err(|error| malformed(&format!("the body is not JSON that reads one way only: {error}")))
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn within_limit(bytes: usize) -> Result<(), Problem> {
    if bytes <= BODY_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("the body is larger than {} KiB; send less at once", BODY_BYTES_MAX / 1024);
    Err(Problem::new(413, "body-too-large", detail))
}

fn malformed(detail: &str) -> Problem {
    Problem::new(400, "malformed-body", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(content_type: &str, body: &str, encoded: bool) -> Value {
        json!({
            "version": "2.0", "rawPath": "/v1/me", "rawQueryString": "a=1", "headers": {"content-type": content_type},
            "requestContext": {"http": {"method": "POST"}, "requestId": "r", "stage": "$default"},
            "body": body, "isBase64Encoded": encoded,
        })
    }

    #[test]
    fn bodies_of_every_kind_are_read_or_refused_with_their_status() {
        let json = "application/json";
        let deep = "[".repeat(200);
        let huge = format!("\"{}\"", "x".repeat(BODY_BYTES_MAX));
        let huge_base64 = STANDARD.encode(&huge);
        let rows: &[(&str, &str, bool, Result<Value, u16>)] = &[
            (json, r#"{"a":1}"#, false, Ok(json!({"a": 1}))),
            ("Application/JSON; charset=utf-8", "{}", false, Ok(json!({}))),
            ("application/merge-patch+json", "{}", false, Ok(json!({}))),
            (json, "eyJhIjoxfQ==", true, Ok(json!({"a": 1}))),
            (json, r#"{"a":1,"a":2}"#, false, Err(400)),
            (json, r#"{"a":[{"b":1,"\u0062":1}]}"#, false, Err(400)),
            ("text/plain", "", false, Ok(json!({}))),
            ("text/plain", "{}", false, Err(415)),
            ("", "{}", false, Err(415)),
            (json, "{", false, Err(400)),
            (json, "{} {}", false, Err(400)),
            (json, r#"{"a":1e999}"#, false, Err(400)),
            (json, r#"{"a":NaN}"#, false, Err(400)),
            (json, r#""\ud800""#, false, Err(400)),
            (json, &deep, false, Err(400)),
            (json, "not base64!", true, Err(400)),
            (json, "/w==", true, Err(400)),
            (json, &huge, false, Err(413)),
            (json, &huge_base64, true, Err(413)),
        ];
        for (content_type, body, encoded, expected) in rows {
            let event = event(content_type, body, *encoded);
            let read = Request::of(&event).map(|r| r.json_body().map_err(|p| p.status));
            assert_eq!(read.as_ref(), Some(expected), "{content_type} {}", crate::parameters::shown(body));
        }
    }

    #[test]
    fn a_stage_is_no_part_of_the_path_and_other_shapes_are_no_requests() {
        let mut staged = event("", "", false);
        staged["requestContext"]["stage"] = json!("prod");
        staged["rawPath"] = json!("/prod/v1/me");
        assert_eq!(Request::of(&staged).map(|r| r.path()), Some("/v1/me"));
        staged["rawPath"] = json!("/product");
        assert_eq!(Request::of(&staged).map(|r| r.path()), Some("/product"));
        for other in [json!(null), json!({"version": "1.0", "requestContext": {"http": {}}}), json!({"version": "2.0"})]
        {
            assert!(Request::of(&other).is_none(), "{other}");
        }
    }
}
