//! The function against a platform on loopback that recomputes every signature by hand.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking, and says at what")]

#[path = "support/platform.rs"]
mod platform;
#[path = "support/runtime_api.rs"]
mod runtime_api;
#[path = "support/sigv4.rs"]
mod sigv4;

use std::future::Future;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use lambda_runtime::streaming::{Body, Response};
use passthrough::{Config, Passthrough};
use platform::{Piece, Platform};
use runtime_api::RuntimeApi;
use serde_json::{Value, json};

const KEY: &str = "ASIAEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLE/+==";
const REGION: &str = "us-west-2";
const APPROVED: &str = r#"{"wrkspc_01Ab":{"claude-sonnet-4-6":["inference","count-tokens","batch"]}}"#;
const AGENTIC: &str = r#"{"wrkspc_01Ab":{"claude-sonnet-4-6":["batch"]}}"#;
const BODY: &str = r#"{ "model": "claude-sonnet-4-6", "stream": true, "max_tokens": 9, "messages": [] }"#;

fn environment(platform: &Platform) -> [(&'static str, String); 7] {
    [
        ("ENDPOINT", format!("http://{}", platform.address)),
        ("APPROVED", APPROVED.to_owned()),
        ("AGENTIC", AGENTIC.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("AWS_SESSION_TOKEN", TOKEN.to_owned()),
    ]
}

fn passthrough(platform: &Platform) -> Passthrough {
    let variables = environment(platform);
    let value = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
    Passthrough::new(Config::from_variables(value).expect("a whole environment")).expect("certificates")
}

fn event(method: &str, path: &str, query: &str, headers: &Value, body: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
        "requestContext": { "http": { "method": method, "path": path } }, "body": body, "isBase64Encoded": false,
    })
}

fn message() -> Value {
    let callers = json!({
        "content-type": "application/json", "accept": "text/event-stream", "anthropic-beta": "context-1m",
        "authorization": "AWS4-HMAC-SHA256 Credential=theirs", "x-api-key": "sk-theirs", "x-amz-date": "20200101T000000Z",
        "x-amz-security-token": "theirs", "x-forwarded-for": "10.0.0.1", "host": "theirs", "content-length": "7",
        "cookie": "a=1", "anthropic-workspace-id": "wrkspc_01Ab", "connection": "close", "transfer-encoding": "chunked",
    });
    event("POST", "/v1/messages", "beta=true", &callers, BODY)
}

fn in_a_minute() -> SystemTime {
    SystemTime::now() + Duration::from_secs(60)
}

/// A test that waits for what never comes fails, and says so.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("it comes within half a minute")
}

async fn next_chunk(answer: &mut Response<Body>) -> Option<Bytes> {
    soon(answer.stream.frame()).await?.expect("no error").into_data().ok()
}

async fn error_of(answer: Response<Body>) -> (u16, String, String) {
    let status = answer.metadata_prelude.status_code.as_u16();
    let content_type = answer.metadata_prelude.headers.get("content-type").cloned();
    assert_eq!(content_type.as_ref().map(|t| t.as_bytes()), Some(&b"application/json"[..]));
    let body: Value = serde_json::from_slice(&answer.stream.collect().await.expect("whole").to_bytes()).expect("JSON");
    assert_eq!(body["type"], "error");
    let text = |field: &str| body["error"][field].as_str().unwrap_or_default().to_owned();
    (status, text("type"), text("message"))
}

#[tokio::test]
async fn a_call_is_signed_under_the_execution_role_and_carries_nothing_of_the_callers_credentials() {
    let mut platform = Platform::start().await.expect("a server");
    let function = passthrough(&platform);
    drop(platform.will_answer(http::Response::builder().header("content-type", "text/event-stream")));
    let answer = soon(function.answer(message(), in_a_minute())).await;
    assert_eq!(answer.metadata_prelude.status_code, 200);
    let seen = soon(platform.next_call()).await;
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/v1/messages?beta=true"));
    assert_eq!(seen.body, BODY, "byte for byte");
    for signed in ["anthropic-version", "anthropic-workspace-id", "content-type", "host", "x-amz-date"] {
        assert!(seen.signed.iter().any(|name| name == signed), "{signed} is not signed: {:?}", seen.signed);
    }
    let host = platform.address.to_string();
    for (name, value) in [
        ("host", host.as_str()),
        ("anthropic-workspace-id", "wrkspc_01Ab"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "context-1m"),
        ("accept", "text/event-stream"),
        ("content-type", "application/json"),
        ("x-amz-security-token", TOKEN),
    ] {
        assert_eq!(seen.headers.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_ne!(seen.headers.get("x-amz-date").map(String::as_str), Some("20200101T000000Z"), "signed now");
    for dropped in ["x-api-key", "x-forwarded-for", "cookie", "connection", "transfer-encoding"] {
        assert!(!seen.headers.contains_key(dropped), "{dropped} went on");
    }
}

#[tokio::test]
async fn each_chunk_reaches_the_caller_before_the_platform_sends_the_next() {
    let platform = Platform::start().await.expect("a server");
    let function = passthrough(&platform);
    let pieces = platform.will_answer(
        http::Response::builder()
            .header("content-type", "text/event-stream")
            .header("request-id", "req_01")
            .header("anthropic-ratelimit-requests-remaining", "9")
            .header("connection", "x-hop")
            .header("x-hop", "1"),
    );
    // The head is here before any of the body has been written.
    let mut answer = soon(function.answer(message(), in_a_minute())).await;
    let headers = &answer.metadata_prelude.headers;
    assert_eq!(headers.get("request-id").map(|v| v.as_bytes()), Some(&b"req_01"[..]));
    assert!(headers.contains_key("anthropic-ratelimit-requests-remaining"));
    assert!(!headers.contains_key("x-hop") && !headers.contains_key("transfer-encoding"));
    for text in ["event: message_start\ndata: {}\n\n", "event: ping\ndata: {}\n\n", "event: message_stop\ndata: {}\n\n"]
    {
        assert!(pieces.send(Piece::Chunk(text)).is_ok());
        // The next piece is written only after this one has arrived, so a function that gathers would wait for ever.
        assert_eq!(next_chunk(&mut answer).await, Some(Bytes::from_static(text.as_bytes())));
    }
    drop(pieces);
    assert_eq!(next_chunk(&mut answer).await, None);
}

#[tokio::test]
async fn what_is_not_approved_never_reaches_the_platform() {
    let mut platform = Platform::start().await.expect("a server");
    let function = passthrough(&platform);
    let none = json!({});
    let other = r#"{"model":"claude-opus-4-6","messages":[]}"#;
    let batch = r#"{"requests":[{"params":{"model":"claude-sonnet-4-6"}},{"params":{"model":"claude-opus-4-6"}}]}"#;
    let elsewhere = json!({ "anthropic-workspace-id": "wrkspc_02Cd" });
    for (event, status, kind, says) in [
        (event("POST", "/v1/messages", "", &none, other), 403, "permission_error", "claude-opus-4-6"),
        (event("POST", "/v1/messages/batches", "", &none, batch), 403, "permission_error", "claude-opus-4-6"),
        (event("POST", "/v1/messages", "", &elsewhere, BODY), 403, "permission_error", "wrkspc_02Cd"),
        (event("GET", "/v1/files", "", &none, ""), 403, "permission_error", "files"),
        (event("POST", "/v1/organizations/workspaces", "", &none, "{}"), 404, "not_found_error", "workspaces"),
        (event("PUT", "/v1/messages", "", &none, BODY), 404, "not_found_error", "PUT"),
        (event("POST", "/v1/messages", "", &none, "{"), 400, "invalid_request_error", "JSON"),
        (event("POST", "/v1/messages", "", &none, "{}"), 400, "invalid_request_error", "model"),
        (event("POST", "/v1/messages", "a b", &none, BODY), 400, "invalid_request_error", "query"),
        (event("POST", "/v1/messages", "", &json!({ "accept": "a\nb" }), BODY), 400, "invalid_request_error", "accept"),
        (json!({ "Records": [] }), 400, "invalid_request_error", "event"),
    ] {
        let found = error_of(soon(function.answer(event.clone(), in_a_minute())).await).await;
        assert_eq!((found.0, found.1.as_str()), (status, kind), "{event}: {}", found.2);
        assert!(found.2.contains(says), "{event}: {}", found.2);
    }
    // Nothing was forwarded: the one call that arrives is the one made now.
    drop(platform.will_answer(http::Response::builder()));
    let list = event("GET", "/v1/messages/batches", "limit=2&after_id=msgbatch_1", &none, "");
    soon(function.answer(list, in_a_minute())).await;
    assert_eq!(soon(platform.next_call()).await.target, "/v1/messages/batches?limit=2&after_id=msgbatch_1");
    assert!(platform.seen.try_recv().is_err());
}

#[tokio::test]
async fn what_acts_for_the_model_needs_the_agentic_tier_and_goes_on_where_it_has_it() {
    let mut platform = Platform::start().await.expect("a server");
    let function = passthrough(&platform);
    let body = |more: &str| format!(r#"{{"model":"claude-sonnet-4-6","messages":[],{more}}}"#);
    let beta = |value: &str| json!({ "anthropic-beta": value });
    let search = r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#;
    for (more, headers, says) in [
        (search, json!({}), "web_search_20250305"),
        (
            r#""tools":[{"name":"own","input_schema":{}},{"type":"bash_20250124","name":"bash"}]"#,
            json!({}),
            "bash_20250124",
        ),
        (r#""mcp_servers":[{"type":"url","url":"https://mcp.example","name":"m"}]"#, json!({}), "mcp_servers"),
        (r#""container":{"skills":[]}"#, json!({}), "container"),
        (r#""stream":false"#, beta("mcp-client-2025-04-04"), "mcp-client-2025-04-04"),
        (r#""stream":false"#, beta("context-1m-2025-08-07,skills-2025-10-02"), "skills-2025-10-02"),
    ] {
        for path in ["/v1/messages", "/v1/messages/count_tokens"] {
            let call = event("POST", path, "", &headers, &body(more));
            let (status, kind, message) = error_of(soon(function.answer(call, in_a_minute())).await).await;
            assert_eq!((status, kind.as_str()), (403, "permission_error"), "{path} {more}: {message}");
            assert!(message.contains(says) && message.contains("tier `agentic`"), "{message}");
        }
    }
    // Batches are approved for agents, and nothing of a body or a header that may go on is changed.
    let batch = format!(r#"{{"requests":[{{"custom_id":"1","params":{}}}]}}"#, body(search));
    drop(platform.will_answer(http::Response::builder()));
    let headers = beta("code-execution-2025-08-25");
    soon(function.answer(event("POST", "/v1/messages/batches", "", &headers, &batch), in_a_minute())).await;
    let seen = soon(platform.next_call()).await;
    assert_eq!((seen.target.as_str(), seen.body.as_ref()), ("/v1/messages/batches", batch.as_bytes()));
    assert_eq!(seen.headers.get("anthropic-beta").map(String::as_str), Some("code-execution-2025-08-25"));
    // The caller's own tools are no agent's.
    drop(platform.will_answer(http::Response::builder()));
    let own = body(r#""tools":[{"type":"custom","name":"own","input_schema":{"type":"object"}}]"#);
    soon(function.answer(event("POST", "/v1/messages", "", &beta("prompt-caching-2024-07-31"), &own), in_a_minute()))
        .await;
    let seen = soon(platform.next_call()).await;
    assert_eq!(seen.body, own);
    assert_eq!(seen.headers.get("content-type").map(String::as_str), Some("application/json"), "as it was read");
    assert!(platform.seen.try_recv().is_err(), "nothing else was forwarded");
}

#[tokio::test]
async fn a_body_where_none_belongs_or_of_another_type_never_reaches_the_platform() {
    let mut platform = Platform::start().await.expect("a server");
    let function = passthrough(&platform);
    let of_type = |content_type: &str| json!({ "content-type": content_type });
    for (method, path, headers, body, status) in [
        ("GET", "/v1/models", json!({}), "{}", 400),
        ("GET", "/v1/messages/batches/msgbatch_1/results", of_type("application/json"), BODY, 400),
        ("DELETE", "/v1/messages/batches/msgbatch_1", json!({}), "x", 400),
        ("POST", "/v1/messages/batches/msgbatch_1/cancel", json!({}), BODY, 400),
        ("POST", "/v1/messages", of_type("text/plain"), BODY, 415),
        ("POST", "/v1/messages", of_type("application/x-www-form-urlencoded"), BODY, 415),
        ("POST", "/v1/messages/batches", of_type("multipart/form-data; boundary=x"), BODY, 415),
        ("POST", "/v1/files", of_type("application/json"), "{}", 415),
    ] {
        let refused =
            error_of(soon(function.answer(event(method, path, "", &headers, body), in_a_minute())).await).await;
        assert_eq!(
            (refused.0, refused.1.as_str()),
            (status, "invalid_request_error"),
            "{method} {path}: {}",
            refused.2
        );
    }
    assert!(platform.seen.try_recv().is_err());
}

#[tokio::test]
async fn the_platforms_own_errors_come_back_as_they_are_and_its_absence_is_told() {
    let platform = Platform::start().await.expect("a server");
    let function = passthrough(&platform);
    let pieces = platform.will_answer(http::Response::builder().status(529).header("retry-after", "7"));
    assert!(pieces.send(Piece::Chunk(r#"{"type":"error","error":{"type":"overloaded_error"}}"#)).is_ok());
    drop(pieces);
    let answer = soon(function.answer(message(), in_a_minute())).await;
    let head = &answer.metadata_prelude;
    assert_eq!(
        (head.status_code.as_u16(), head.headers.get("retry-after").map(|v| v.as_bytes())),
        (529, Some(&b"7"[..]))
    );
    // It breaks off in the middle of a stream: the caller's SDK is told by an event that it knows.
    let pieces = platform.will_answer(http::Response::builder().header("content-type", "text/event-stream"));
    let mut answer = soon(function.answer(message(), in_a_minute())).await;
    assert!(pieces.send(Piece::Chunk("event: message_start\n")).is_ok());
    assert_eq!(next_chunk(&mut answer).await, Some(Bytes::from_static(b"event: message_start\n")));
    assert!(pieces.send(Piece::Break).is_ok());
    let told = next_chunk(&mut answer).await.unwrap_or_default();
    assert!(told.starts_with(b"\n\nevent: error\ndata: {"), "{told:?}");
    assert_eq!(next_chunk(&mut answer).await, None);
    // No answer within the invocation's time: the platform holds the call, and the time is over before it begins.
    let found = error_of(soon(function.answer(message(), SystemTime::now())).await).await;
    assert_eq!((found.0, found.1.as_str()), (504, "timeout_error"));
    // Nobody listens there.
    let nowhere = Platform { address: ([127, 0, 0, 1], 9).into(), ..Platform::start().await.expect("a server") };
    let found = error_of(soon(passthrough(&nowhere).answer(message(), in_a_minute())).await).await;
    assert_eq!((found.0, found.1.as_str()), (502, "api_error"));
}

/// The binary that is deployed, under a Runtime API: the bytes that Lambda would stream to the caller.
#[tokio::test]
async fn the_process_streams_through_the_runtime_api_as_a_function_url_asks() {
    let mut platform = Platform::start().await.expect("a server");
    let mut lambda = RuntimeApi::start().await.expect("a server");
    let mut process = tokio::process::Command::new(env!("CARGO_BIN_EXE_passthrough"))
        .env_clear()
        .envs(environment(&platform))
        .env("AWS_LAMBDA_RUNTIME_API", lambda.address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "finops-ai-desk")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "s")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "g")
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary runs");
    for number in 1..=2 {
        lambda.invocations.send(message()).expect("the server runs");
        let pieces = platform.will_answer(
            http::Response::builder().status(201).header("content-type", "text/event-stream").header("request-id", "r"),
        );
        soon(platform.next_call()).await;
        let mut answer = soon(lambda.answers.recv()).await.expect("an answer");
        assert_eq!(answer.path, format!("/2018-06-01/runtime/invocation/invocation-{number}/response"));
        let header = |name: &str| answer.headers.get(name).map(|v| v.to_str().unwrap_or_default().to_owned());
        assert_eq!(header("lambda-runtime-function-response-mode").as_deref(), Some("streaming"));
        assert_eq!(header("content-type").as_deref(), Some("application/vnd.awslambda.http-integration-response"));
        // The prelude, eight NULs, and nothing of a body that has not been sent.
        let mut received = Vec::new();
        while !received.ends_with(&[0; 8]) {
            received.extend_from_slice(&soon(answer.chunks.recv()).await.expect("a prelude"));
        }
        let prelude: Value = serde_json::from_slice(received.strip_suffix(&[0; 8]).unwrap_or_default()).expect("JSON");
        assert_eq!((&prelude["statusCode"], &prelude["cookies"]), (&json!(201), &json!([])));
        let headers = prelude["headers"].as_object().cloned().unwrap_or_default();
        assert!(headers.values().all(Value::is_string), "{prelude}");
        assert_eq!((&headers["content-type"], &headers["request-id"]), (&json!("text/event-stream"), &json!("r")));
        for text in ["event: message_start\n\n", "event: message_stop\n\n"] {
            assert!(pieces.send(Piece::Chunk(text)).is_ok());
            assert_eq!(soon(answer.chunks.recv()).await.as_deref(), Some(text.as_bytes()));
        }
        drop(pieces);
        assert_eq!(soon(answer.chunks.recv()).await, None);
    }
    assert!(process.try_wait().expect("a status").is_none(), "it waits for the next invocation");
    process.kill().await.expect("it ends");
}
