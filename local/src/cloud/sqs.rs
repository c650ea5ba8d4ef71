//! SQS over AWS JSON 1.0: looking into the wiring's queues by hand, and sending to them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use s3s::crypto::{Checksum, Md5};
use serde_json::{Value, json};

use super::answer::{Fault, Protocol, json_answer};
use super::caller::Caller;
use super::queue::{Attribute, Message, Queues, Taken};

const DEFAULT_VISIBILITY: Duration = Duration::from_secs(30);
const MAX_RECEIVED: u64 = 10;

/// The API over [`Queues`]. Queues are declared by the wiring, not created by calls.
pub(crate) struct Sqs {
    queues: Arc<Queues>,
}

impl Sqs {
    pub(crate) fn new(queues: Arc<Queues>) -> Self {
        Self { queues }
    }

    /// Answers one request.
    pub(crate) fn call(&self, caller: &Caller, request: &Request<Bytes>) -> Response<Bytes> {
        let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let input: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let answer = match target.strip_prefix("AmazonSQS.").unwrap_or_default() {
            "GetQueueUrl" => self.get_queue_url(caller, &input),
            "ListQueues" => {
                Ok(json!({"QueueUrls": self.queues.names().iter().map(|name| url(caller, name)).collect::<Vec<_>>()}))
            }
            "GetQueueAttributes" => self.get_queue_attributes(caller, &input),
            "SendMessage" => self.send_message(&input),
            "ReceiveMessage" => self.receive_message(&input),
            "DeleteMessage" => self.delete_message(&input),
            other => {
                Err(Fault::new(400, "UnsupportedOperation", format!("the local stack does not emulate `{other}`")))
            }
        };
        match answer {
            Ok(body) => json_answer(200, "application/x-amz-json-1.0", &body),
            Err(fault) => Protocol::AwsJson.refuse(&fault),
        }
    }

    fn get_queue_url(&self, caller: &Caller, input: &Value) -> Result<Value, Fault> {
        let name = text(input, "QueueName");
        if self.queues.exists(name) { Ok(json!({"QueueUrl": url(caller, name)})) } else { Err(no_queue()) }
    }

    fn get_queue_attributes(&self, caller: &Caller, input: &Value) -> Result<Value, Fault> {
        let name = self.queue(input)?;
        let arn = format!("arn:aws:sqs:{}:{}:{name}", caller.region, caller.account);
        let depth = self.queues.depth(name).to_string();
        Ok(json!({"Attributes": {"QueueArn": arn, "ApproximateNumberOfMessages": depth}}))
    }

    fn send_message(&self, input: &Value) -> Result<Value, Fault> {
        let name = self.queue(input)?;
        let message = Message::new(text(input, "MessageBody").to_owned(), attributes(input.get("MessageAttributes")));
        let answer = json!({"MessageId": message.id, "MD5OfMessageBody": md5_hex(&message.body)});
        self.queues.send(vec![(name.to_owned(), message)], Vec::new())?;
        Ok(answer)
    }

    fn receive_message(&self, input: &Value) -> Result<Value, Fault> {
        let name = self.queue(input)?;
        let limit = input.get("MaxNumberOfMessages").and_then(Value::as_u64).unwrap_or(1).clamp(1, MAX_RECEIVED);
        let seconds = input.get("VisibilityTimeout").and_then(Value::as_u64);
        let visibility = seconds.map_or(DEFAULT_VISIBILITY, Duration::from_secs);
        let taken = self.queues.receive(name, usize::try_from(limit).unwrap_or(1), visibility)?;
        let message = |taken: &Taken| {
            json!({
                "MessageId": taken.message.id,
                "ReceiptHandle": taken.place.to_string(),
                "Body": taken.message.body,
                "MD5OfBody": md5_hex(&taken.message.body),
                "Attributes": {"ApproximateReceiveCount": taken.message.receives.to_string()},
            })
        };
        Ok(json!({"Messages": taken.iter().map(message).collect::<Vec<_>>()}))
    }

    fn delete_message(&self, input: &Value) -> Result<Value, Fault> {
        let name = self.queue(input)?;
        let invalid = || Fault::new(400, "ReceiptHandleIsInvalid", "The input receipt handle is invalid.");
        let place = text(input, "ReceiptHandle").parse().map_err(|_| invalid())?;
        self.queues.remove(name, &[place])?;
        Ok(json!({}))
    }

    fn queue<'a>(&self, input: &'a Value) -> Result<&'a str, Fault> {
        let name = text(input, "QueueUrl").rsplit('/').next().unwrap_or_default();
        if self.queues.exists(name) { Ok(name) } else { Err(no_queue()) }
    }
}

/// The hexadecimal MD5 that SQS adds to bodies.
pub(crate) fn md5_hex(text: &str) -> String {
    let mut digest = Md5::new();
    digest.update(text.as_bytes());
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn url(caller: &Caller, name: &str) -> String {
    format!("https://sqs.{}.amazonaws.com/{}/{name}", caller.region, caller.account)
}

fn no_queue() -> Fault {
    Fault::new(400, "com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
}

fn text<'a>(input: &'a Value, field: &str) -> &'a str {
    input.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn attributes(input: Option<&Value>) -> BTreeMap<String, Attribute> {
    let attribute = |(name, value): (&String, &Value)| {
        let (data_type, value) = (text(value, "DataType").to_owned(), text(value, "StringValue").to_owned());
        (name.clone(), Attribute { data_type, value })
    };
    input.and_then(Value::as_object).map(|fields| fields.iter().map(attribute).collect()).unwrap_or_default()
}
