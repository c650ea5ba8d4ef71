//! The bus: the template's wiring, moved by the cloud, over failures, duplicates and restarts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use aws_sdk_dynamodb::config::{BehaviorVersion, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    StreamSpecification, StreamViewType,
};
use aws_sdk_sns::types::MessageAttributeValue;
use aws_types::SdkConfig;
use aws_types::region::Region;
use local::bus::{Access, Bus, BusError, Deliveries, Deployment, Handler, Settled, Wiring};
use local::cloud::{Cloud, CloudConfig, HUB_ACCOUNT};
use serde_json::{Value, json};

const TEMPLATE: &str = r#"
Parameters:
  Table: {Type: String, Default: governance}
  DataStack: {Type: String, Default: data}
Globals: {Function: {Environment: {Variables: {TABLE: !Ref Table, TOPIC: !Ref Events}}}}
Resources:
  RelayFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/relay
      Events:
        Committed:
          Type: DynamoDB
          Properties:
            Stream: {Fn::ImportValue: !Sub "${DataStack}-Stream"}
            BatchSize: 4
            MaximumRetryAttempts: 2
            FunctionResponseTypes: [ReportBatchItemFailures]
            FilterCriteria: {Filters: [{Pattern: '{"eventName":["INSERT"],"dynamodb":{"Keys":{"SK":{"S":[{"prefix":"EVENT#"}]}}}}'}]}
            DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt RelayFailures.Arn}}
  ConsumerFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/consumer/
      Environment: {Variables: {LETTERS: !Ref Letters}}
      Events:
        Me: {Type: HttpApi, Properties: {Method: get, Path: "/v1/things/{id}"}}
        Open: {Type: HttpApi, Properties: {Method: GET, Path: /v1/openapi.json, Auth: {Authorizer: NONE}}}
        Work: {Type: SQS, Properties: {Queue: !GetAtt Work.Arn, BatchSize: 10, FunctionResponseTypes: [ReportBatchItemFailures]}}
        Tick:
          Type: ScheduleV2
          Properties:
            Input: '{"schedule":"tick","scheduledTime":"<aws.scheduler.scheduled-time>"}'
            DeadLetterConfig: {Arn: !GetAtt Letters.Arn}
        Ended:
          Type: EventBridgeRule
          Properties: {Pattern: {source: [aws.athena], detail: {currentState: [SUCCEEDED]}}, DeadLetterConfig: {Arn: !GetAtt Letters.Arn}}
  Events: {Type: AWS::SNS::Topic, Properties: {TopicName: !Sub "${AWS::StackName}-events"}}
  Work: {Type: AWS::SQS::Queue, Properties: {QueueName: work, RedrivePolicy: {deadLetterTargetArn: !GetAtt Letters.Arn, maxReceiveCount: 3}}}
  Letters: {Type: AWS::SQS::Queue}
  RelayFailures: {Type: AWS::SQS::Queue}
  WorkSubscription:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Events, Protocol: sqs, Endpoint: !GetAtt Work.Arn, RawMessageDelivery: true, FilterPolicy: {type: [wanted]}}
"#;

/// The events that a function got, and how often it should still fail.
#[derive(Clone, Default)]
struct Probe(Arc<Mutex<(Vec<Value>, usize)>>);

impl Probe {
    fn failing(times: usize) -> Self {
        Self(Arc::new(Mutex::new((Vec::new(), times))))
    }

    fn note(&self, event: Value) -> Result<Value, String> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.0.push(event);
        if inner.1 == 0 {
            return Ok(json!({"batchItemFailures": []}));
        }
        inner.1 -= 1;
        Err("told to fail".to_owned())
    }

    fn seen(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn handler(&self) -> Handler {
        let probe = self.clone();
        Arc::new(move |event| {
            let outcome = probe.note(event);
            Box::pin(async move { outcome })
        })
    }
}

fn config(cloud: &Cloud) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(cloud.http_client())
        .credentials_provider(SharedCredentialsProvider::new(cloud.credentials(HUB_ACCOUNT)))
        .region(Region::new("us-east-1"))
        .build()
}

fn wiring(cloud: &Cloud) -> Result<Wiring> {
    Ok(Wiring::read(TEMPLATE, &Deployment::local(cloud))?)
}

fn bus(cloud: &Cloud, relay: Handler, consumer: &Probe, deliveries: Deliveries) -> Result<Bus> {
    let handlers = BTreeMap::from([("relay".to_owned(), relay), ("consumer".to_owned(), consumer.handler())]);
    Ok(Bus::start(&wiring(cloud)?, cloud, handlers, deliveries)?)
}

async fn create_table(cloud: &Cloud) -> Result<()> {
    let tables = aws_sdk_dynamodb::Client::new(&config(cloud));
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let text =
        |name: &str| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    let stream =
        StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewImage).build()?;
    let create = tables
        .create_table()
        .table_name("governance")
        .billing_mode(BillingMode::PayPerRequest)
        .stream_specification(stream);
    let create = create.key_schema(key("PK", KeyType::Hash)?).key_schema(key("SK", KeyType::Range)?);
    create.attribute_definitions(text("PK")?).attribute_definitions(text("SK")?).send().await?;
    Ok(())
}

async fn write(cloud: &Cloud, sort_key: &str) -> Result<()> {
    let tables = aws_sdk_dynamodb::Client::new(&config(cloud));
    let item = |text: &str| AttributeValue::S(text.to_owned());
    tables.put_item().table_name("governance").item("PK", item("A")).item("SK", item(sort_key)).send().await?;
    Ok(())
}

async fn publish(cloud: &Cloud, kind: &str, message: &str) -> Result<()> {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value(kind).build()?;
    let topic = format!("arn:aws:sns:us-east-1:{HUB_ACCOUNT}:finops-center-events");
    let publish = aws_sdk_sns::Client::new(&config(cloud)).publish().topic_arn(topic).message(message);
    publish.message_attributes("type", attribute).send().await?;
    Ok(())
}

/// Publishes each record of the stream to the topic, as the relay does.
fn relay(cloud: &Cloud) -> Handler {
    let cloud = cloud.clone();
    Arc::new(move |event: Value| {
        let cloud = cloud.clone();
        Box::pin(async move {
            for record in event.get("Records").and_then(Value::as_array).into_iter().flatten() {
                let sort_key = record.pointer("/dynamodb/NewImage/SK/S").and_then(Value::as_str).unwrap_or_default();
                publish(&cloud, "wanted", sort_key).await.map_err(|error| error.to_string())?;
            }
            Ok(json!({"batchItemFailures": []}))
        })
    })
}

fn settled(delivered: u64, retried: u64, dead_lettered: u64) -> Settled {
    Settled { delivered, retried, dead_lettered }
}

#[tokio::test]
async fn the_template_says_what_is_wired() -> Result<()> {
    let cloud = Cloud::start(CloudConfig::default())?;
    let wiring = wiring(&cloud)?;
    let consumer = wiring.functions.get("consumer").context("no consumer")?;
    assert_eq!(consumer.environment.get("TABLE").map(String::as_str), Some("governance"));
    assert_eq!(consumer.environment.get("TOPIC"), wiring.topics.first());
    let routes: Vec<_> =
        consumer.routes.iter().map(|route| (route.method.as_str(), route.path.as_str(), route.access)).collect();
    assert_eq!(routes, [("GET", "/v1/things/{id}", Access::Token), ("GET", "/v1/openapi.json", Access::Public)]);
    let work = wiring.queues.iter().find(|queue| queue.name == "work").and_then(|queue| queue.redrive.clone());
    assert_eq!(work.map(|redrive| (redrive.queue, redrive.max_receives)), Some(("Letters".to_owned(), 3)));
    assert_eq!(
        wiring.stream_sources.first().map(|source| (source.batch_size, source.max_attempts)),
        Some((4, Some(3)))
    );
    Ok(())
}

#[tokio::test]
async fn the_deployed_template_reads() -> Result<()> {
    let cloud = Cloud::start(CloudConfig::default())?;
    let template = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml"))?;
    let wiring = Wiring::read(&template, &Deployment::local(&cloud))?;
    assert_eq!(wiring.functions.len(), 9);
    for source in &wiring.queue_sources {
        let queue = wiring.queues.iter().find(|queue| queue.name == source.queue).context(source.queue.clone())?;
        ensure!(queue.redrive.is_some(), "`{}` has no dead-letter queue", queue.name);
    }
    let schedules: Vec<&str> = wiring.schedules.keys().map(String::as_str).collect();
    let named = [
        "approval-lifecycle",
        "cur-ingestion",
        "daily-seal",
        "drift",
        "ingestion-sweep",
        "model-discovery",
        "reminders",
        "spend-cards",
    ];
    assert_eq!(schedules, named);
    assert_eq!(wiring.stream_sources.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_committed_event_reaches_its_consumer_in_lambdas_shape() -> Result<()> {
    let cloud = Cloud::start(CloudConfig::default())?;
    create_table(&cloud).await?;
    let consumer = Probe::default();
    let bus = bus(&cloud, relay(&cloud), &consumer, Deliveries::Once)?;
    write(&cloud, "META").await?;
    for version in 1..=6 {
        write(&cloud, &format!("EVENT#{version}")).await?;
    }
    publish(&cloud, "unwanted", "x").await?;
    assert_eq!(bus.settle().await?, settled(12, 0, 0));
    let events = consumer.seen();
    let records: Vec<&Value> = events.iter().filter_map(|event| event["Records"].as_array()).flatten().collect();
    let bodies: Vec<&str> = records.iter().filter_map(|record| record["body"].as_str()).collect();
    assert_eq!(bodies, ["EVENT#1", "EVENT#2", "EVENT#3", "EVENT#4", "EVENT#5", "EVENT#6"]);
    let first = records.first().context("no record")?;
    assert_eq!(first["eventSource"], "aws:sqs");
    assert_eq!(first["eventSourceARN"], format!("arn:aws:sqs:us-east-1:{HUB_ACCOUNT}:work"));
    assert_eq!(first["messageAttributes"]["type"]["stringValue"], "wanted");
    assert_eq!(first["attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(bus.settle().await?, Settled::default());
    Ok(())
}

#[tokio::test]
async fn a_failing_message_is_retried_and_then_set_aside() -> Result<()> {
    let cloud = Cloud::start(CloudConfig::default())?;
    let consumer = Probe::failing(2);
    let running = bus(&cloud, relay(&cloud), &consumer, Deliveries::Once)?;
    publish(&cloud, "wanted", "third time lucky").await?;
    assert_eq!(running.settle().await?, settled(1, 2, 0));

    let consumer = Probe::failing(usize::MAX);
    drop(running);
    let bus = bus(&cloud, relay(&cloud), &consumer, Deliveries::Once)?;
    publish(&cloud, "wanted", "poison").await?;
    assert_eq!(bus.settle().await?, settled(0, 2, 1));
    assert_eq!(cloud.queued("Letters").iter().map(|letter| letter.body.as_str()).collect::<Vec<_>>(), ["poison"]);
    Ok(())
}

#[tokio::test]
async fn only_the_failed_items_of_a_batch_come_again() -> Result<()> {
    let cloud = Cloud::start(CloudConfig::default())?;
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let notes = Arc::clone(&seen);
    let partial: Handler = Arc::new(move |event: Value| {
        let mut failures = Vec::new();
        for record in event["Records"].as_array().into_iter().flatten() {
            notes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(record["body"].as_str().unwrap_or_default().to_owned());
            if record["body"] == "b" && record["attributes"]["ApproximateReceiveCount"] == "1" {
                failures.push(json!({"itemIdentifier": record["messageId"]}));
            }
        }
        Box::pin(async move { Ok(json!({"batchItemFailures": failures})) })
    });
    let handlers = BTreeMap::from([("relay".to_owned(), relay(&cloud)), ("consumer".to_owned(), partial)]);
    let bus = Bus::start(&wiring(&cloud)?, &cloud, handlers, Deliveries::Once)?;
    for body in ["a", "b", "c"] {
        publish(&cloud, "wanted", body).await?;
    }
    assert_eq!(bus.settle().await?, settled(3, 1, 0));
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    seen.sort();
    assert_eq!(seen, ["a", "b", "b", "c"]);
    Ok(())
}

#[tokio::test]
async fn a_poisoned_record_is_isolated_and_reported_and_the_stream_goes_on() -> Result<()> {
    let cloud = Cloud::start(CloudConfig::default())?;
    create_table(&cloud).await?;
    for version in 1..=4 {
        write(&cloud, &format!("EVENT#{version}")).await?;
    }
    let published = relay(&cloud);
    let poisoned: Handler = Arc::new(move |event: Value| {
        let poison = event.to_string().contains("EVENT#2");
        let publish = published(event);
        Box::pin(async move { if poison { Err("poison".to_owned()) } else { publish.await } })
    });
    let consumer = Probe::default();
    let bus = bus(&cloud, poisoned, &consumer, Deliveries::Once)?;
    let counts = bus.settle().await?;
    assert_eq!((counts.delivered, counts.dead_lettered), (6, 1));
    let letters = cloud.queued("RelayFailures");
    ensure!(
        letters.iter().any(|letter| letter.body.contains("RetryAttemptsExhausted")),
        "no word of the record given up"
    );
    Ok(())
}

#[tokio::test]
async fn every_event_can_be_delivered_twice() -> Result<()> {
    let cloud = Cloud::start(CloudConfig::default())?;
    let consumer = Probe::default();
    let bus = bus(&cloud, relay(&cloud), &consumer, Deliveries::Twice)?;
    publish(&cloud, "wanted", "m").await?;
    bus.settle().await?;
    let seen = consumer.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen.first(), seen.last());
    Ok(())
}

#[tokio::test]
async fn rules_and_schedules_reach_their_function_and_their_dead_letters() -> Result<()> {
    let cloud = Cloud::start(CloudConfig::default())?;
    let consumer = Probe::failing(1);
    let bus = bus(&cloud, relay(&cloud), &consumer, Deliveries::Once)?;
    let ended = |state: &str| cloud.emit("Athena Query State Change", "aws.athena", &json!({"currentState": state}));
    ended("RUNNING")?;
    ended("SUCCEEDED")?;
    assert_eq!(bus.settle().await?, settled(1, 1, 0));
    assert_eq!(
        consumer.seen().first().map(|event| event["detail-type"].clone()),
        Some(json!("Athena Query State Change"))
    );

    bus.run_schedule("tick", "2026-08-24T06:00:00Z".parse()?).await?;
    let payload = json!({"schedule": "tick", "scheduledTime": "2026-08-24T06:00:00Z"});
    assert_eq!(consumer.seen().last(), Some(&payload));
    assert!(matches!(bus.run_schedule("tock", "2026-08-24T06:00:00Z".parse()?).await, Err(BusError::NoSchedule(_))));
    drop(bus);

    let failing = Probe::failing(usize::MAX);
    let bus = self::bus(&cloud, relay(&cloud), &failing, Deliveries::Once)?;
    assert!(bus.run_schedule("tick", "2026-08-24T06:00:00Z".parse()?).await.is_err());
    assert_eq!(cloud.queued("Letters").len(), 1);
    Ok(())
}

#[tokio::test]
async fn what_was_in_flight_when_the_process_died_arrives_after_the_restart() -> Result<()> {
    let data = tempfile::tempdir()?;
    let open = || Cloud::start(CloudConfig { data: Some(data.path().to_owned()), ..CloudConfig::default() });
    {
        let cloud = open()?;
        create_table(&cloud).await?;
        let started = Arc::new(tokio::sync::Notify::new());
        let begun = Arc::clone(&started);
        let stuck: Handler = Arc::new(move |_event| {
            begun.notify_one();
            Box::pin(std::future::pending())
        });
        let handlers = BTreeMap::from([("relay".to_owned(), relay(&cloud)), ("consumer".to_owned(), stuck)]);
        let _bus = Bus::start(&wiring(&cloud)?, &cloud, handlers, Deliveries::Once)?;
        write(&cloud, "EVENT#1").await?;
        started.notified().await;
        // Dies here: one message is being handled, one record was just written.
        write(&cloud, "EVENT#2").await?;
    }
    let cloud = open()?;
    let consumer = Probe::default();
    let bus = bus(&cloud, relay(&cloud), &consumer, Deliveries::Once)?;
    bus.settle().await?;
    let text = consumer.seen().iter().map(Value::to_string).collect::<String>();
    ensure!(text.contains("EVENT#1") && text.contains("EVENT#2"), "lost: {text}");
    assert_eq!(bus.settle().await?, Settled::default());
    Ok(())
}

#[tokio::test]
async fn a_wiring_without_its_function_does_not_start() -> Result<()> {
    let cloud = Cloud::start(CloudConfig::default())?;
    let started = Bus::start(&wiring(&cloud)?, &cloud, BTreeMap::new(), Deliveries::Once);
    assert!(matches!(started, Err(BusError::NoHandler(_))));
    Ok(())
}
