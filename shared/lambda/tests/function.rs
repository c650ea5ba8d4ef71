//! A whole function, called through the one entry that Lambda and the local stack use.

use std::sync::Arc;

use anyhow::Context as _;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use contract::events::{Event, EventType};
use domain::base::authorization::Action;
use domain::base::outcome::{Refusal, RefusalKind};
use lambda::{
    Answer, Aws, AwsEvent, Call, Clock, Environment, Failure, File, Function, Heard, Host, Ids, Page, Problem,
    SetClock, StreamBatch, StreamFailure, Tick, openapi,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Answers every AWS call with the same body: enough for the one call that the edge makes.
#[derive(Debug, Clone)]
struct Always(u16, String);

impl HttpConnector for Always {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let body = SdkBody::from(self.1.as_str());
        let response = StatusCode::try_from(self.0).map(|status| HttpResponse::new(status, body));
        HttpConnectorFuture::ready(response.map_err(|error| ConnectorError::other(error.into(), None)))
    }
}

fn aws_that_answers(status: u16, body: &Value) -> SharedHttpClient {
    let connector = Always(status, body.to_string());
    http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewThing {
    display_name: domain::base::text::Name,
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Part {
    size: u8,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Thing {
    id: String,
    by: String,
    display_name: String,
    parts: Vec<u8>,
    version: u64,
}

#[derive(Debug, Deserialize)]
struct Envelope {
    id: String,
}

struct State;

async fn list(_: Arc<State>, call: Call<()>) -> Result<Answer<Page<Thing>>, Problem> {
    call.page()?;
    Ok(Answer::ok(Page::only(Vec::new())))
}

async fn show(_: Arc<State>, call: Call<()>) -> Result<Answer<Thing>, Problem> {
    let id: domain::base::ids::SpaceId = call.path.parse("id")?;
    let thing = Thing {
        id: id.to_string(),
        by: call.actor.sub.to_string(),
        display_name: "a".to_owned(),
        parts: vec![],
        version: 3,
    };
    Ok(Answer::ok(thing).versioned(3))
}

async fn create(_: Arc<State>, call: Call<NewThing>) -> Result<Answer<Thing>, Problem> {
    if call.if_match.is_some_and(|version| version != 3) {
        return Err(Refusal::new(RefusalKind::StaleVersion, "it moved").with_current(json!({"version": 3})).into());
    }
    let NewThing { display_name, parts } = call.body;
    let thing = Thing {
        id: "spc_1".to_owned(),
        by: call.actor.sub.to_string(),
        display_name: display_name.to_string(),
        parts: parts.into_iter().map(|part| part.size).collect(),
        version: 1,
    };
    Ok(Answer::created("/v1/spaces/spc_1", thing).versioned(1))
}

async fn download(_: Arc<State>, _: Call<()>) -> Result<File, Problem> {
    Ok(File { name: "policy.json".to_owned(), content_type: "application/json", bytes: b"{}\n".to_vec() })
}

async fn decided(_: Arc<State>, heard: Heard) -> Result<(), Failure> {
    let Event::ModelDecided { model_key, .. } = &heard.event else { return Err(heard.unexpected()) };
    assert!(!model_key.as_str().is_empty());
    let cause = &heard.cause;
    match heard.envelope.id.as_str() {
        "evt_retry" => Err(Failure::Retry("away".to_owned())),
        "evt_repeated" => Err(Failure::Repetition),
        "evt_poison" => Err(Failure::Poison("bad".to_owned())),
        id if id == cause.request_id && cause.actor.sub.as_str() == "system:things" => Ok(()),
        _ => Err(Failure::Poison("the edge lost the identity".to_owned())),
    }
}

async fn daily(_: Arc<State>, tick: Tick) -> Result<Value, Failure> {
    Ok(json!({"ran": tick.cause.request_id}))
}

async fn delivered(_: Arc<State>, event: AwsEvent<Envelope>) -> Result<String, Failure> {
    Ok(event.detail.id)
}

async fn relay(_: Arc<State>, batch: StreamBatch) -> Result<(), StreamFailure> {
    let bad = batch.records.iter().find(|record| record.text("type") == Some("bad"));
    bad.map_or(Ok(()), |record| {
        let why = Failure::Retry("away".to_owned());
        Err(StreamFailure { sequence_number: record.sequence_number.clone(), why })
    })
}

fn things(http: SharedHttpClient) -> anyhow::Result<Function> {
    let host = Host {
        aws: Aws::in_process(http, "eu-central-1"),
        env: Environment::default().with("GOVERNANCE_TABLE", "governance"),
        clock: Clock::Set(SetClock::still_at("2026-08-24T09:00:00Z".parse()?)),
        ids: Ids::seeded(1),
    };
    Ok(Function::builder("things", Arc::new(State), host)
        .get::<Page<Thing>>("/v1/spaces", Action::ReadSpaces, list)
        .summary("the spaces that the caller may see")
        .query(&["owner"])
        .paged()
        .get("/v1/spaces/{id}", Action::ReadSpaces, show)
        .get_file("/v1/spaces/{id}/file", Action::ReadSpaces, download)
        .post::<NewThing, Thing>("/v1/spaces", Action::CreateSpace, create)
        .answers(201)
        .put("/v1/spaces/{id}", Action::UpdateSpace, create)
        .public_document("/v1/openapi.json", "{}")
        .on_events(&[EventType::ModelDecided, EventType::ModelChanged], decided)
        .on_schedule("daily-seal", daily)
        .on_aws_event("Object Created", delivered)
        .on_stream(relay)
        .build())
}

fn request(method: &str, path: &str, groups: &Value, body: &str) -> Value {
    let claims = json!({"sub": "ana", "token_use": "id", "cognito:groups": groups});
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims.to_string());
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let listed: Vec<&str> = groups.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let verified = json!({"sub": "ana", "token_use": "id", "cognito:groups": format!("[{}]", listed.join(" "))});
    json!({
        "version": "2.0", "rawPath": path, "rawQueryString": query, "body": body, "isBase64Encoded": false,
        "headers": {"authorization": format!("Bearer e30.{payload}.c2ln"), "content-type": "application/json"},
        "requestContext": {
            "http": {"method": method}, "requestId": "r-1", "stage": "$default",
            "authorizer": {"jwt": {"claims": verified}},
        },
    })
}

async fn call(function: &Function, event: &Value) -> anyhow::Result<(u64, Value)> {
    let response = function.handle(event).await?;
    let body = response.get("body").and_then(Value::as_str).unwrap_or_default();
    let status = response.get("statusCode").and_then(Value::as_u64).context("a status")?;
    Ok((status, serde_json::from_str(body).unwrap_or_default()))
}

#[tokio::test]
async fn calls_are_answered_or_refused_with_their_status_and_reason() -> anyhow::Result<()> {
    let function = things(aws_that_answers(200, &json!({})))?;
    let lead = json!(["finops-lead"]);
    let engineer = json!(["cloud-engineer"]);
    let good = r#"{"displayName":"Robert'); DROP TABLE ü","parts":[{"size":1}]}"#;
    let long = format!(r#"{{"displayName":"{}"}}"#, "x".repeat(300_000));
    let rows: &[(&str, &str, &Value, &str, u64, &str)] = &[
        ("GET", "/v1/spaces?limit=3&owner=me", &lead, "", 200, ""),
        ("GET", "/v1/spaces?limit=0", &lead, "", 422, "invalid-value"),
        ("GET", "/v1/spaces?onwer=me", &lead, "", 422, "invalid-value"),
        ("GET", "/v1/spaces?owner=%ff", &lead, "", 400, "malformed-query"),
        ("GET", "/v1/spaces/spc_1", &lead, "ignored", 200, ""),
        ("GET", "/v1/spaces/wkl_1", &lead, "", 404, "not-found"),
        ("GET", "/v1/spaces/../../etc/passwd", &lead, "", 404, "not-found"),
        ("GET", "/v1/spaces/spc_1/file", &lead, "", 200, ""),
        ("POST", "/v1/spaces", &lead, good, 201, ""),
        ("POST", "/v1/spaces?x=1", &lead, good, 422, "invalid-value"),
        ("POST", "/v1/spaces", &engineer, "{not even JSON", 403, "role-forbidden"),
        ("POST", "/v1/spaces", &json!([]), good, 403, "role-forbidden"),
        ("POST", "/v1/spaces", &json!(["finops-lead x"]), good, 403, "ambiguous-group"),
        ("POST", "/v1/spaces", &lead, "{", 400, "malformed-body"),
        ("POST", "/v1/spaces", &lead, "", 422, "invalid-value"),
        ("POST", "/v1/spaces", &lead, r#"["a",[]]"#, 422, "invalid-value"),
        ("POST", "/v1/spaces", &lead, r#"{"displayName":"a","parts":[[1]]}"#, 422, "invalid-value"),
        ("POST", "/v1/spaces", &lead, r#"{"displayName":"a","displayName":"b"}"#, 400, "malformed-body"),
        ("POST", "/v1/spaces", &lead, r#"{"displayName":"a","parts":[{"size":1,"size":2}]}"#, 400, "malformed-body"),
        ("POST", "/v1/spaces", &lead, "null", 422, "invalid-value"),
        ("POST", "/v1/spaces", &lead, r#"{"displayName":7}"#, 422, "invalid-value"),
        ("POST", "/v1/spaces", &lead, r#"{"displayName":"a","parts":[{"size":99999}]}"#, 422, "invalid-value"),
        ("POST", "/v1/spaces", &lead, r#"{"displayName":"a","parts":[{"size":-1e308}]}"#, 422, "invalid-value"),
        ("POST", "/v1/spaces", &lead, r#"{"displayName":"a\u0000"}"#, 422, "invalid-value"),
        ("POST", "/v1/spaces", &lead, r#"{"displayName":"a","approver":"ana"}"#, 422, "invalid-value"),
        ("POST", "/v1/spaces", &lead, &long, 413, "body-too-large"),
        ("PATCH", "/v1/spaces", &lead, good, 404, "not-found"),
        ("GET", "/v2/spaces", &lead, "", 404, "not-found"),
        ("", "", &lead, "", 404, "not-found"),
    ];
    for (method, path, groups, body, status, reason) in rows {
        let (answered, problem) = call(&function, &request(method, path, groups, body)).await?;
        assert_eq!(answered, *status, "{method} {path} {problem}");
        if !reason.is_empty() {
            assert_eq!(problem["type"], format!("urn:finops-center:problem:{reason}"), "{method} {path}");
            assert_eq!(problem["instance"], "urn:finops-center:request:r-1");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_field_is_named_where_it_stands() -> anyhow::Result<()> {
    let function = things(aws_that_answers(200, &json!({})))?;
    let lead = json!(["finops-lead"]);
    for (body, named) in [
        (r#"{"displayName":"a","approver":"ana"}"#, "unknown field `approver`"),
        (r#"{"displayName":"a","parts":[{"size":1},{"size":"x"}]}"#, "`parts[1].size`"),
        (r#"{"displayName":"a","parts":[{"size":1},[1]]}"#, "`parts[1]`"),
        ("{}", "missing field `displayName`"),
    ] {
        let (_, problem) = call(&function, &request("POST", "/v1/spaces", &lead, body)).await?;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(named), "{detail}");
    }
    Ok(())
}

#[tokio::test]
async fn without_a_verified_token_only_the_public_route_answers() -> anyhow::Result<()> {
    let function = things(aws_that_answers(200, &json!({})))?;
    let bare = |path: &str| {
        let mut event = request("GET", path, &json!(["finops-lead"]), "");
        event["requestContext"]["authorizer"] = Value::Null;
        event
    };
    assert_eq!(call(&function, &bare("/v1/spaces")).await?.0, 401);
    assert_eq!(call(&function, &bare("/v1/openapi.json")).await?, (200, json!({})));
    Ok(())
}

#[tokio::test]
async fn versions_are_told_and_stale_ones_refused() -> anyhow::Result<()> {
    let function = things(aws_that_answers(200, &json!({})))?;
    let lead = json!(["finops-lead"]);
    let shown = function.handle(&request("GET", "/v1/spaces/spc_1", &lead, "")).await?;
    assert_eq!(shown["headers"]["etag"], "\"3\"");
    for (given, status) in
        [("\"3\"", 201), ("*", 201), ("\"2\"", 409), ("3", 400), ("\"2\", \"3\"", 400), ("\"é\"", 400)]
    {
        let mut event = request("PUT", "/v1/spaces/spc_1", &lead, r#"{"displayName":"a"}"#);
        event["headers"]["if-match"] = json!(given);
        assert_eq!(call(&function, &event).await?.0, status, "{given}");
    }
    Ok(())
}

#[tokio::test]
async fn the_same_key_gets_the_first_answer_again_and_another_body_is_refused() -> anyhow::Result<()> {
    let body = r#"{"displayName":"a"}"#;
    let digest = domain::base::digest::Digest::of(&json!({"displayName": "a"}));
    let record = json!({"Item": {
        "PK": {"S": "IDEM#x"}, "SK": {"S": "META"}, "body": {"S": digest.as_str()}, "status": {"N": "201"},
        "answer": {"S": "{\"id\":\"spc_first\",\"version\":1}"}, "location": {"S": "/v1/spaces/spc_first"},
        "ttl": {"N": "4000000000"},
    }});
    let keyed = |function_body: &str, key: &str| {
        let mut event = request("POST", "/v1/spaces", &json!(["finops-lead"]), function_body);
        event["headers"]["idempotency-key"] = json!(key);
        event
    };
    let remembering = things(aws_that_answers(200, &record))?;
    let first = remembering.handle(&keyed(body, "k1")).await?;
    assert_eq!((&first["statusCode"], &first["headers"]["location"]), (&json!(201), &json!("/v1/spaces/spc_first")));
    assert_eq!(first["headers"]["etag"], "\"1\"");
    assert_eq!(first["body"], "{\"id\":\"spc_first\",\"version\":1}");
    let (status, problem) = call(&remembering, &keyed(r#"{"displayName":"b"}"#, "k1")).await?;
    assert_eq!((status, &problem["title"]), (422, &json!("idempotency key reused")));
    assert_eq!(call(&remembering, &keyed(body, "two words")).await?.0, 400);

    let forgetting = things(aws_that_answers(200, &json!({})))?;
    assert_eq!(call(&forgetting, &keyed(body, "k1")).await?.0, 201);
    let fault = json!({"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "message": "no"});
    let away = things(aws_that_answers(400, &fault))?;
    assert_eq!(call(&away, &keyed(body, "k1")).await?.0, 503);
    Ok(())
}

fn message(id: &str, body: &str) -> Value {
    json!({"eventSource": "aws:sqs", "messageId": id, "body": body})
}

#[tokio::test]
async fn of_a_queues_messages_only_those_that_failed_come_again() -> anyhow::Result<()> {
    let function = things(aws_that_answers(200, &json!({})))?;
    let sample: Value = serde_json::from_str(include_str!("../../../events/published/model.decided/v1.example.json"))?;
    let told = |kind: &str, id: &str, payload: Value| {
        let mut event = sample.clone();
        (event["type"], event["id"], event["payload"]) = (json!(kind), json!(id), payload);
        event.to_string()
    };
    let event = |id: &str| told("model.decided", id, sample["payload"].clone());
    let changed = told("model.changed", "evt_10", json!({"modelKey": sample["payload"]["modelKey"]}));
    let elsewhere = told("account.retired", "evt_11", json!({"accountId": "111122223333"}));
    let batch = json!({"Records": [
        message("m1", &event("evt_1")),
        message("m2", &event("evt_retry")),
        message("m3", &event("evt_poison")),
        message("m4", "not JSON"),
        message("m5", r#"{"type":"never.heard","id":"evt_5"}"#),
        message("m6", r#"{"type":"model.decided","id":7}"#),
        message("m7", r#"[1]"#),
        json!({"eventSource": "aws:sqs", "messageId": "m8"}),
        message("m9", &event("evt_repeated")),
        // One that its handler does not know, one that the function does not, and one of another shape than its type's.
        message("m10", &changed),
        message("m11", &elsewhere),
        message("m12", &told("model.decided", "evt_12", json!({}))),
    ]});
    let failed = ["m2", "m3", "m4", "m5", "m6", "m7", "m8", "m10", "m11", "m12"];
    let failed: Vec<Value> = failed.map(|m| json!({"itemIdentifier": m})).into();
    assert_eq!(function.handle(&batch).await?, json!({"batchItemFailures": failed}));
    Ok(())
}

#[tokio::test]
async fn a_streams_first_failure_is_reported_by_its_place() -> anyhow::Result<()> {
    let function = things(aws_that_answers(200, &json!({})))?;
    let record = |place: &str, kind: &str| {
        let change = json!({"SequenceNumber": place, "NewImage": {"type": {"S": kind}}});
        json!({"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": change})
    };
    let all = json!({"Records": [record("1", "good"), record("2", "good")]});
    assert_eq!(function.handle(&all).await?, json!({"batchItemFailures": []}));
    let second = json!({"Records": [record("1", "good"), record("2", "bad"), record("3", "bad")]});
    assert_eq!(function.handle(&second).await?, json!({"batchItemFailures": [{"itemIdentifier": "2"}]}));
    let nameless = json!({"eventSource": "aws:dynamodb", "dynamodb": {"SequenceNumber": "2"}});
    let malformed = json!({"Records": [record("1", "good"), nameless, record("3", "good")]});
    assert_eq!(function.handle(&malformed).await?, json!({"batchItemFailures": [{"itemIdentifier": "2"}]}));
    Ok(())
}

#[tokio::test]
async fn schedules_and_aws_events_reach_their_handlers_and_all_else_is_refused() -> anyhow::Result<()> {
    let function = things(aws_that_answers(200, &json!({})))?;
    let tick = json!({"schedule": "daily-seal", "scheduledTime": "2026-08-24T06:00:00Z"});
    assert_eq!(function.handle(&tick).await?, json!({"ran": "daily-seal@2026-08-24T06:00:00Z"}));
    let created = json!({"detail-type": "Object Created", "source": "aws.s3", "id": "e1", "detail": {"id": "key"}});
    assert_eq!(function.handle(&created).await?, json!("key"));
    for refused in [
        json!({"schedule": "unheard-of", "scheduledTime": "2026-08-24T06:00:00Z"}),
        json!({"schedule": "daily-seal", "scheduledTime": "on Monday"}),
        json!({"detail-type": "Object Created", "source": "aws.s3", "id": "e1", "detail": {}}),
        json!({"detail-type": "Object Created", "source": "aws.s3", "detail": {"id": "key"}}),
        json!({"detail-type": "Something Else", "source": "aws.s3", "id": "e1", "detail": {}}),
        json!({"Records": [{"eventSource": "aws:dynamodb"}]}),
        json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "{}"}}]}),
        json!({"action": "approve", "actor": {"sub": "ana", "roles": ["finops-lead"]}}),
        json!({}),
        json!(null),
    ] {
        assert!(matches!(function.handle(&refused).await, Err(Failure::Poison(_))), "{refused}");
    }
    Ok(())
}

#[tokio::test]
async fn the_document_shows_every_route_with_its_body_and_answer() -> anyhow::Result<()> {
    let function = things(aws_that_answers(200, &json!({})))?;
    let document = openapi::document(&function.routes);
    assert_eq!(document["openapi"], "3.1.0");
    let create = &document["paths"]["/v1/spaces"]["post"];
    assert_eq!(create["x-action"], "create-space");
    assert_eq!(create["requestBody"]["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/NewThing");
    assert_eq!(
        create["responses"]["201"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/Thing"
    );
    assert_eq!(document["components"]["schemas"]["NewThing"]["additionalProperties"], false);
    assert_eq!(document["paths"]["/v1/openapi.json"]["get"]["security"], json!([]));
    let parameters = document["paths"]["/v1/spaces"]["get"]["parameters"].as_array().context("parameters")?;
    let names: Vec<_> = parameters.iter().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(names, ["owner", "limit", "cursor"]);
    Ok(())
}
