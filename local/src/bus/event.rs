//! Events in the very shape in which Lambda hands them to a function.

use serde_json::{Value, json};

use crate::cloud::queue::Taken;
use crate::cloud::{Cloud, md5_hex};

/// An SQS batch.
pub(super) fn sqs_batch(cloud: &Cloud, queue: &str, batch: &[Taken]) -> Value {
    json!({"Records": batch.iter().map(|taken| sqs_record(cloud, queue, taken)).collect::<Vec<_>>()})
}

fn sqs_record(cloud: &Cloud, queue: &str, Taken { place, message }: &Taken) -> Value {
    let attribute = |(name, attribute): (&String, &crate::cloud::queue::Attribute)| {
        let value = json!({
            "stringValue": attribute.value,
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": attribute.data_type,
        });
        (name.clone(), value)
    };
    let attributes: serde_json::Map<String, Value> = message.attributes.iter().map(attribute).collect();
    json!({
        "messageId": message.id,
        "receiptHandle": place.to_string(),
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.receives.to_string(),
            "SentTimestamp": message.sent_ms.to_string(),
            "SenderId": cloud.account(),
            "ApproximateFirstReceiveTimestamp": message.first_received_ms.unwrap_or(message.sent_ms).to_string(),
        },
        "messageAttributes": attributes,
        "md5OfBody": md5_hex(&message.body),
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:{}:{}:{queue}", cloud.region(), cloud.account()),
        "awsRegion": cloud.region(),
    })
}

/// What a stream's failure destination is told about a record given up.
pub(super) fn stream_failure(cloud: &Cloud, function: &str, record: &Value, attempts: u32) -> Value {
    let sequence = record.pointer("/dynamodb/SequenceNumber");
    json!({
        "requestContext": {
            "functionArn": format!("arn:aws:lambda:{}:{}:function:{function}", cloud.region(), cloud.account()),
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": attempts,
        },
        "version": "1.0",
        "timestamp": cloud.now().to_string(),
        "DDBStreamBatchInfo": {
            "startSequenceNumber": sequence,
            "endSequenceNumber": sequence,
            "batchSize": 1,
            "streamArn": record.get("eventSourceARN"),
        },
    })
}

/// The identifiers in a partial batch response, if it is one.
pub(super) fn failed_items(answer: &Value) -> Vec<String> {
    let failures = answer.get("batchItemFailures").and_then(Value::as_array).into_iter().flatten();
    failures
        .map(|failure| failure.get("itemIdentifier").and_then(Value::as_str).unwrap_or_default().to_owned())
        .collect()
}
