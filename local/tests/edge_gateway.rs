//! The local gateway in front of a function: tokens, routes, answers, browsers and the stack's own controls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use bytes::Bytes;
use domain::base::authorization::Action;
use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use lambda::{Answer, Aws, Call, Environment, File, Function, Host, Ids, Problem};
use local::clock::ProductClock;
use local::gateway::{BODY_BYTES_MAX, Gateway};
use local::seam::Seam;
use local::server::{ControlError, Controls, ListenError, Stack, listen};
use local::tokens::{AUDIENCE, ISSUER, Identity, Tokens};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const ORIGIN: &str = "https://finops.example";

/// These functions call nothing.
#[derive(Debug)]
struct Nowhere;

impl HttpConnector for Nowhere {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Err(ConnectorError::other("nothing is called here".into(), None)))
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Empty {}

#[derive(Debug, Serialize, JsonSchema)]
struct Seen {
    sub: String,
    id: String,
}

async fn show(_: Arc<()>, call: Call<()>) -> Result<Answer<Seen>, Problem> {
    Ok(Answer::ok(Seen { sub: call.actor.sub.to_string(), id: call.path.get("id").to_owned() }))
}

async fn start(_: Arc<()>, call: Call<Empty>) -> Result<Answer<Seen>, Problem> {
    let Empty {} = call.body;
    Ok(Answer::ok(Seen { sub: call.actor.sub.to_string(), id: call.path.get("id").to_owned() }))
}

async fn bundle(_: Arc<()>, _: Call<()>) -> Result<File, Problem> {
    Ok(File { name: "bundle.zip".to_owned(), content_type: "application/zip", bytes: vec![0x50, 0x4b, 0xff, 0x00] })
}

#[expect(clippy::panic, reason = "a defect of a function is what is tested")]
async fn fail(_: Arc<()>, _: Call<()>) -> Result<Answer<Seen>, Problem> {
    panic!("a defect")
}

fn stack() -> anyhow::Result<Stack> {
    let clock = ProductClock::open(None)?;
    let http = http_client_fn(|_, _| SharedHttpConnector::new(Nowhere));
    let host = Host {
        aws: Aws::in_process(http, "us-east-1"),
        env: Environment::default(),
        clock: clock.clock(),
        ids: Ids::seeded(1),
    };
    let function = Function::builder("tasks", Arc::new(()), host)
        .get("/v1/tasks/{id}", Action::ReadTasks, show)
        .get("/v1/defects", Action::ReadTasks, fail)
        .get_file("/v1/tasks/{id}/bundle", Action::ReadTasks, bundle)
        .post("/v1/tasks/{id}/start", Action::StartTask, start)
        .build();
    let tokens = Arc::new(Tokens::open(None)?);
    let controls = Controls {
        tokens: Arc::clone(&tokens),
        clock: clock.clone(),
        aws_url: "http://127.0.0.1:4566".to_owned(),
        run_schedule: Arc::new(|(name, due)| {
            Box::pin(async move {
                if name == "drift" {
                    Ok(json!(due))
                } else {
                    Err(ControlError::Unknown(format!("no schedule `{name}`")))
                }
            })
        }),
        settle: Arc::new(|()| Box::pin(async { Ok(json!({"delivered": 0, "retried": 0, "deadLettered": 0})) })),
        messages: Arc::new(|to| Box::pin(async move { Ok(json!([to])) })),
        is_ready: Arc::new(AtomicBool::new(false)),
    };
    Ok(Stack {
        gateway: Gateway::new(vec![Arc::new(function)], tokens, clock, vec![ORIGIN.to_owned()], Seam::default()),
        controls,
    })
}

fn engineer(stack: &Stack) -> anyhow::Result<String> {
    let identity = Identity {
        sub: "eve".to_owned(),
        email: "eve@example.com".to_owned(),
        name: "Eve".to_owned(),
        groups: vec!["cloud-engineer".to_owned()],
    };
    Ok(stack.controls.tokens.issue(&identity)?)
}

async fn send(stack: &Stack, method: &str, path: &str, token: &str, body: &str) -> anyhow::Result<(u16, Value)> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = if token.is_empty() { request } else { request.header("authorization", format!("Bearer {token}")) };
    let response = stack.call(request.body(Bytes::from(body.to_owned()))?).await;
    Ok((response.status().as_u16(), json_of(&response)))
}

fn json_of(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or_default()
}

#[tokio::test]
async fn a_good_token_reaches_the_function_and_what_has_no_route_is_not_found() -> anyhow::Result<()> {
    let stack = stack()?;
    let token = engineer(&stack)?;
    let (status, seen) = send(&stack, "GET", "/v1/tasks/tsk%5F1", &token, "").await?;
    assert_eq!((status, seen), (200, json!({"sub": "eve", "id": "tsk_1"})));
    let (status, _) = send(&stack, "POST", "/v1/tasks/tsk_1/start", &token, "{}").await?;
    assert_eq!(status, 200);
    let not_found = json!({"message": "Not Found"});
    for (method, path) in [("GET", "/"), ("GET", "/v1"), ("DELETE", "/v1/tasks/tsk_1"), ("GET", "/v1/tasks/a%2Fb")] {
        assert_eq!(send(&stack, method, path, &token, "").await?, (404, not_found.clone()), "{method} {path}");
    }
    assert_eq!(send(&stack, "GET", "/v1/tasks/%ff", &token, "").await?.0, 400);
    Ok(())
}

#[tokio::test]
async fn a_token_that_is_wrong_in_any_one_thing_is_refused_by_the_gateway() -> anyhow::Result<()> {
    let stack = stack()?;
    let now = Timestamp::now().as_second();
    let good = json!({
        "sub": "eve", "token_use": "id", "iss": ISSUER, "aud": AUDIENCE, "exp": now + 60,
        "cognito:groups": ["cloud-engineer"],
    });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        stack.controls.tokens.sign(&claims)
    };
    let path = "/v1/tasks/tsk_1";
    assert_eq!(send(&stack, "GET", path, &with("x", json!(1))?, "").await?.0, 200);
    assert_eq!(send(&stack, "GET", path, &with("aud", json!([AUDIENCE, "other"]))?, "").await?.0, 200);
    let unauthorized = json!({"message": "Unauthorized"});
    let good_token = with("x", json!(1))?;
    let (head, rest) = good_token.split_once('.').unwrap_or_default();
    let other_issuer = Tokens::open(None)?.sign(&good)?;
    for (what, token) in [
        ("expired", with("exp", json!(now - 1))?),
        ("not yet valid", with("nbf", json!(now + 60))?),
        ("without expiry", with("exp", Value::Null)?),
        ("of another issuer", with("iss", json!("https://cognito-idp.us-east-1.amazonaws.com/us-east-1_x"))?),
        ("for another audience", with("aud", json!("other"))?),
        ("without audience", with("aud", Value::Null)?),
        ("signed by another key", other_issuer),
        ("unsigned", format!("eyJhbGciOiJub25lIn0.{}.", rest.split('.').next().unwrap_or_default())),
        ("without its signature", format!("{head}.{}.", rest.split('.').next().unwrap_or_default())),
        ("no token", "abc".to_owned()),
        ("missing", String::new()),
    ] {
        assert_eq!(send(&stack, "GET", path, &token, "").await?, (401, unauthorized.clone()), "{what}");
    }
    // Of the right issuer and audience, but no ID token: that is for the function to refuse.
    let (status, problem) = send(&stack, "GET", path, &with("token_use", json!("access"))?, "").await?;
    assert_eq!((status, &problem["type"]), (401, &json!("urn:finops-center:problem:unauthenticated")));
    Ok(())
}

#[tokio::test]
async fn files_keep_their_bytes_and_defects_show_nothing() -> anyhow::Result<()> {
    let stack = stack()?;
    let token = engineer(&stack)?;
    let request = Request::get("/v1/tasks/tsk_1/bundle").header("authorization", format!("Bearer {token}"));
    let file = stack.call(request.body(Bytes::new())?).await;
    assert_eq!(file.body().as_ref(), [0x50, 0x4b, 0xff, 0x00]);
    assert_eq!(file.headers().get("content-type").map(http::HeaderValue::as_bytes), Some(&b"application/zip"[..]));
    let defect = send(&stack, "GET", "/v1/defects", &token, "").await?;
    assert_eq!(defect, (500, json!({"message": "Internal Server Error"})));
    let huge = "x".repeat(BODY_BYTES_MAX + 1);
    assert_eq!(send(&stack, "POST", "/v1/tasks/tsk_1/start", &token, &huge).await?.0, 413);
    let large = "x".repeat(300_000);
    assert_eq!(send(&stack, "POST", "/v1/tasks/tsk_1/start", &token, &large).await?.0, 413);
    Ok(())
}

#[tokio::test]
async fn the_document_is_public_and_browsers_may_call_from_the_frontend_only() -> anyhow::Result<()> {
    let stack = stack()?;
    let (status, document) = send(&stack, "GET", "/v1/openapi.json", "", "").await?;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    assert!(document["paths"]["/v1/tasks/{id}/start"]["post"].is_object());
    for (origin, status, allowed) in [(ORIGIN, 204, Some(ORIGIN)), ("https://evil.example", 403, None)] {
        let asked = Request::options("/v1/tasks/tsk_1").header("origin", origin).body(Bytes::new())?;
        let response = stack.call(asked).await;
        let header = response.headers().get("access-control-allow-origin").and_then(|v| v.to_str().ok());
        assert_eq!((response.status().as_u16(), header), (status, allowed), "{origin}");
    }
    Ok(())
}

#[tokio::test]
async fn the_controls_answer_on_loopback_names_only() -> anyhow::Result<()> {
    let stack = stack()?;
    let (status, issued) =
        send(&stack, "POST", "/_local/tokens", "", r#"{"sub":"ana","groups":["cloud-engineer"]}"#).await?;
    assert_eq!(status, 200);
    let token = issued["token"].as_str().unwrap_or_default();
    assert_eq!(send(&stack, "GET", "/v1/tasks/tsk_1", token, "").await?.1["sub"], "ana");
    for (body, expected) in [("", 422), ("{}", 422), (r#"{"sub":"ana","admin":true}"#, 422)] {
        assert_eq!(send(&stack, "POST", "/_local/tokens", "", body).await?.0, expected, "{body}");
    }
    assert_eq!(send(&stack, "GET", "/_local/health", "", "").await?.0, 503);
    stack.controls.is_ready.store(true, Ordering::SeqCst);
    assert_eq!(send(&stack, "GET", "/_local/health", "", "").await?.0, 200);
    assert_eq!(send(&stack, "GET", "/_local/endpoints", "", "").await?.1["aws"], "http://127.0.0.1:4566");
    assert_eq!(send(&stack, "POST", "/_local/settle", "", "").await?.1["delivered"], 0);
    assert_eq!(send(&stack, "GET", "/_local/messages?to=a%40b", "", "").await?.1, json!({"items": ["a@b"]}));
    assert_eq!(send(&stack, "POST", "/_local/schedules/never", "", "").await?.0, 404);
    assert_eq!(send(&stack, "POST", "/_local/nothing", "", "").await?.0, 404);
    for (name, value, expected) in
        [("host", "evil.example", 421), ("host", "localhost:3000", 200), ("origin", "https://evil.example", 403)]
    {
        let request = Request::post("/_local/settle").header(name, value).body(Bytes::new())?;
        assert_eq!(stack.call(request).await.status().as_u16(), expected, "{name}: {value}");
    }
    Ok(())
}

#[tokio::test]
async fn the_clock_goes_anywhere_before_the_first_write_and_forward_only_after_it() -> anyhow::Result<()> {
    let stack = stack()?;
    let set = async |now: &str| send(&stack, "POST", "/_local/clock", "", &json!({"now": now}).to_string()).await;
    assert_eq!(set("2030-01-01T00:00:00Z").await?.0, 200);
    assert_eq!(set("2026-08-24T09:00:00Z").await?.0, 200);
    assert!(stack.controls.clock.was_set());
    send(&stack, "POST", "/v1/tasks/tsk_1/start", &engineer(&stack)?, "{}").await?;
    let (status, refused) = set("2026-08-24T08:00:00Z").await?;
    assert_eq!(status, 422);
    assert!(refused["message"].as_str().unwrap_or_default().contains("forward only"));
    assert_eq!(set("2026-08-25T06:00:00Z").await?.0, 200);
    for bad in ["", "Monday", "2026-08-24", "+999999-01-01T00:00:00Z"] {
        assert_eq!(set(bad).await?.0, 422, "{bad}");
    }
    let run = json!({"now": "2026-08-31T06:00:00Z"}).to_string();
    let (_, ran) = send(&stack, "POST", "/_local/schedules/drift", "", &run).await?;
    assert_eq!(ran["result"], "2026-08-31T06:00:00Z");
    assert!(stack.controls.clock.now() >= "2026-08-31T06:00:00Z".parse()?);
    let (_, late) = send(&stack, "POST", "/_local/schedules/drift", "", r#"{"now":"2026-08-30T06:00:00Z"}"#).await?;
    assert_eq!(late["scheduledTime"], "2026-08-30T06:00:00Z");
    Ok(())
}

#[test]
fn key_and_clock_survive_a_restart_and_damage_is_named() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let token = Tokens::open(Some(data.path()))?.sign(&json!({
        "sub": "eve", "iss": ISSUER, "aud": AUDIENCE, "exp": Timestamp::now().as_second() + 60,
    }))?;
    assert!(Tokens::open(Some(data.path()))?.verify(&token).is_ok());
    let monday: Timestamp = "2026-08-24T09:00:00Z".parse()?;
    let clock = ProductClock::open(Some(data.path()))?;
    clock.set(monday)?;
    clock.note_write()?;
    drop(clock);
    let again = ProductClock::open(Some(data.path()))?;
    assert!(again.was_set());
    assert!(again.now() >= monday && again.now() < monday.checked_add(SignedDuration::from_mins(1))?);
    assert!(again.set(monday.checked_sub(SignedDuration::from_secs(1))?).is_err());
    std::fs::write(data.path().join("token-key.pem"), "half a key")?;
    std::fs::write(data.path().join("clock.json"), "{")?;
    assert!(Tokens::open(Some(data.path())).err().is_some_and(|error| error.to_string().contains("delete it")));
    assert!(ProductClock::open(Some(data.path())).is_err());
    Ok(())
}

#[tokio::test]
async fn the_server_keeps_connections_refuses_huge_bodies_and_names_a_busy_port() -> anyhow::Result<()> {
    let listener = listen(0).await?;
    let port = listener.local_addr()?.port();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(Arc::new(stack()?).serve(listener, async {
        let _ = ended.await;
    }));
    assert!(matches!(listen(port).await, Err(ListenError::Busy(busy)) if busy == port));

    let mut connection = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    for _ in 0..2 {
        connection.write_all(b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
        let head = read_head(&mut connection).await?;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length: usize =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        connection.read_exact(&mut vec![0; length]).await?;
    }
    connection
        .write_all(b"POST /v1/tasks/x/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n")
        .await?;
    let head = read_head(&mut connection).await?;
    assert!(head.starts_with(&format!("HTTP/1.1 {}", StatusCode::PAYLOAD_TOO_LARGE.as_u16())), "{head}");
    let _ = end.send(());
    serving.await?;
    Ok(())
}

async fn read_head(connection: &mut tokio::net::TcpStream) -> anyhow::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await?);
    }
    Ok(String::from_utf8(head)?)
}
