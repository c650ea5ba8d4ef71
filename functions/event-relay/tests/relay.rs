//! The relay over a topic that fails on demand: order is kept, nothing is lost, and the first failure is named.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use domain::base::audit::{AuditEvent, By, Statement};
use domain::base::digest::{Digest, canonical_json};
use domain::base::people::Actor;
use lambda::{Aws, Clock, Environment, Function, Host, Ids};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// An SNS topic that takes messages until the ones that it refuses.
#[derive(Debug, Clone, Default)]
struct Sns {
    taken: Arc<Mutex<Vec<String>>>,
    refuses: Option<&'static str>,
    is_away: bool,
}

impl Sns {
    fn answer(&self, body: &str) -> (u16, String) {
        if self.is_away {
            return (403, "<ErrorResponse><Error><Code>KMSDisabled</Code></Error></ErrorResponse>".to_owned());
        }
        let field = |name: &str| {
            let value = body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            value.map(|v| percent_decode_str(&v.replace('+', " ")).decode_utf8_lossy().into_owned())
        };
        let mut results = (String::new(), String::new());
        for n in 1.. {
            let prefix = format!("PublishBatchRequestEntries.member.{n}");
            let (Some(id), Some(message)) = (field(&format!("{prefix}.Id")), field(&format!("{prefix}.Message")))
            else {
                break;
            };
            let aggregate = message.split("\"aggregate\":\"").nth(1).and_then(|rest| rest.split('"').next());
            let aggregate = aggregate.unwrap_or_default().to_owned();
            assert!(
                body.contains("type") && body.contains("request.submitted"),
                "every message carries its attributes"
            );
            if self.refuses == Some(aggregate.as_str()) {
                results.1 += &format!(
                    "<member><Id>{id}</Id><Code>InternalError</Code><SenderFault>false</SenderFault></member>"
                );
            } else {
                self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(aggregate);
                results.0 += &format!("<member><Id>{id}</Id><MessageId>m{id}</MessageId></member>");
            }
        }
        let (taken, refused) = results;
        let result = format!("<Successful>{taken}</Successful><Failed>{refused}</Failed>");
        (200, format!("<PublishBatchResponse><PublishBatchResult>{result}</PublishBatchResult></PublishBatchResponse>"))
    }

    fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl HttpConnector for Sns {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let (status, xml) = self.answer(&body);
        let response = StatusCode::try_from(status).map(|status| HttpResponse::new(status, SdkBody::from(xml)));
        HttpConnectorFuture::ready(response.map_err(|error| ConnectorError::other(error.into(), None)))
    }
}

fn relay(sns: &Sns) -> anyhow::Result<Function> {
    let connector = sns.clone();
    let http = http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone()));
    let topic = "arn:aws:sns:us-east-1:111122223333:governance-events";
    Ok(event_relay::function(Host {
        aws: Aws::in_process(http, "us-east-1"),
        env: Environment::default().with(event_relay::EVENTS_TOPIC_ARN, topic),
        clock: Clock::System,
        ids: Ids::seeded(1),
    })?)
}

fn event(aggregate: &str, note: &str) -> String {
    let statement = Statement {
        event_type: "request.submitted",
        aggregate,
        at: jiff::Timestamp::UNIX_EPOCH,
        by: By::from(&Actor::system("tests")),
        request_id: "r-1",
        why: Some(note.to_owned()),
        before: None,
        after: Digest::of_bytes(b"after"),
        payload: json!({}),
    };
    canonical_json(&AuditEvent::chained(statement, None))
}

fn record(place: usize, change: &str, sort_key: &str, event: &str) -> Value {
    let image = json!({
        "PK": {"S": format!("REQUEST#{place}")}, "SK": {"S": sort_key},
        "event": {"S": event}, "type": {"S": "request.submitted"},
    });
    let change_of = json!({"SequenceNumber": place.to_string(), "NewImage": image});
    json!({"eventSource": "aws:dynamodb", "eventName": change, "dynamodb": change_of})
}

fn inserted(place: usize) -> Value {
    record(place, "INSERT", "EVENT#000000000001", &event(&format!("REQUEST#{place}"), "why"))
}

fn places(range: std::ops::RangeInclusive<usize>) -> Vec<String> {
    range.map(|place| format!("REQUEST#{place}")).collect()
}

#[tokio::test]
async fn events_leave_in_their_order_and_other_changes_stay() -> anyhow::Result<()> {
    let sns = Sns::default();
    let mut records: Vec<Value> = (1..=23).map(inserted).collect();
    records.push(record(24, "INSERT", "META", "not an event"));
    records.push(record(25, "MODIFY", "EVENT#000000000001", "not new"));
    records.push(record(26, "REMOVE", "EVENT#000000000001", "gone"));
    let answer = relay(&sns)?.handle(&json!({"Records": records})).await?;
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_eq!(sns.taken(), places(1..=23));
    Ok(())
}

#[tokio::test]
async fn the_first_refused_event_is_named_and_nothing_after_its_batch_is_tried() -> anyhow::Result<()> {
    let sns = Sns { refuses: Some("REQUEST#12"), ..Sns::default() };
    let records: Vec<Value> = (1..=30).map(inserted).collect();
    let answer = relay(&sns)?.handle(&json!({"Records": records})).await?;
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "12"}]}));
    assert!(!sns.taken().iter().any(|taken| places(21..=30).contains(taken)));
    let again: Vec<Value> = (12..=30).map(inserted).collect();
    let recovered = Sns::default();
    relay(&recovered)?.handle(&json!({"Records": again})).await?;
    assert_eq!(recovered.taken(), places(12..=30));
    Ok(())
}

#[tokio::test]
async fn an_event_that_cannot_be_published_is_reported_after_those_before_it_have_left() -> anyhow::Result<()> {
    let key = "EVENT#000000000001";
    let too_long = event("REQUEST#3", &"x".repeat(25_000));
    let nameless = json!({"eventSource": "aws:dynamodb", "eventName": "INSERT",
        "dynamodb": {"SequenceNumber": "3", "NewImage": {"SK": {"S": key}}}});
    for bad in
        [record(3, "INSERT", key, "{"), record(3, "INSERT", key, "{}"), record(3, "INSERT", key, &too_long), nameless]
    {
        let sns = Sns::default();
        let batch = json!({"Records": [inserted(1), inserted(2), bad, inserted(4)]});
        let answer = relay(&sns)?.handle(&batch).await?;
        assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "3"}]}));
        assert_eq!(sns.taken(), places(1..=2));
    }
    Ok(())
}

#[tokio::test]
async fn a_topic_that_is_away_brings_the_whole_batch_again() -> anyhow::Result<()> {
    let sns = Sns { is_away: true, ..Sns::default() };
    let answer = relay(&sns)?.handle(&json!({"Records": [inserted(1), inserted(2)]})).await?;
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "1"}]}));
    Ok(())
}

#[tokio::test]
async fn the_relay_does_not_start_without_its_topic_and_takes_nothing_but_the_stream() -> anyhow::Result<()> {
    let http = http_client_fn(|_, _| SharedHttpConnector::new(Sns::default()));
    let host = Host {
        aws: Aws::in_process(http, "us-east-1"),
        env: Environment::default(),
        clock: Clock::System,
        ids: Ids::seeded(1),
    };
    assert!(event_relay::function(host).is_err());
    let queued =
        json!({"Records": [{"eventSource": "aws:sqs", "messageId": "m1", "body": "{\"type\":\"x\",\"id\":\"y\"}"}]});
    let answer = relay(&Sns::default())?.handle(&queued).await?;
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "m1"}]}));
    Ok(())
}
