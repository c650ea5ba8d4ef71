//! One publication, to every confirmed subscription whose filter lets it through.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::answer::{Fault, element, fresh_id};
use super::super::pattern;
use super::super::query::{Form, members};
use super::super::queue::{Attribute, Message};
use super::{Sent, Sns, Subscription, invalid};

/// SNS's limit on a message with its attributes.
const MAX_MESSAGE_BYTES: usize = 262_144;
const MAX_SUBJECT_CHARS: usize = 100;
const MAX_BATCH: usize = 10;
const DEFAULT_SUBJECT: &str = "AWS Notification Message";

/// A publication that passed SNS's checks.
struct Publication {
    id: String,
    subject: Option<String>,
    message: String,
    /// With `MessageStructure=json`: the texts by protocol, `default` among them.
    by_protocol: Option<BTreeMap<String, String>>,
    attributes: BTreeMap<String, Attribute>,
}

impl Sns {
    pub(super) fn publish(&self, form: &Form, now: Timestamp) -> Result<String, Fault> {
        let topic = form.get("TopicArn").or_else(|| form.get("TargetArn")).ok_or_else(|| invalid("TopicArn"))?;
        self.topic(topic)?;
        let publication = Publication::parse(form)?;
        let id = element("MessageId", &publication.id);
        self.deliver(topic, &[publication], now)?;
        Ok(id)
    }

    pub(super) fn publish_batch(&self, form: &Form, now: Timestamp) -> Result<String, Fault> {
        let topic = form.require("TopicArn")?;
        self.topic(topic)?;
        let entries = form.indexed("PublishBatchRequestEntries.member");
        if entries.is_empty() {
            return Err(Fault::new(400, "EmptyBatchRequest", "The batch request doesn't contain any entries."));
        }
        if entries.len() > MAX_BATCH {
            return Err(Fault::new(
                400,
                "TooManyEntriesInBatchRequest",
                "The batch request contains more entries than permissible.",
            ));
        }
        let (mut accepted, mut published, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for entry in &entries {
            let id = element("Id", entry.get("Id").unwrap_or_default());
            match Publication::parse(entry) {
                Ok(publication) => {
                    published.push(id + &element("MessageId", &publication.id));
                    accepted.push(publication);
                }
                Err(fault) => {
                    let why = [element("Code", fault.code), element("Message", &fault.message)].concat();
                    refused.push([id, why, element("SenderFault", "true")].concat());
                }
            }
        }
        self.deliver(topic, &accepted, now)?;
        Ok(members("Successful", published) + &members("Failed", refused))
    }

    fn deliver(&self, topic: &str, publications: &[Publication], now: Timestamp) -> Result<(), Fault> {
        let subscriptions = self.subscriptions(topic)?;
        let (mut messages, mut mails) = (Vec::new(), Vec::new());
        for publication in publications {
            let confirmed = subscriptions.iter().filter(|each| each.pending.is_none());
            for subscription in confirmed.filter(|subscription| wants(subscription, publication)) {
                if subscription.protocol == "sqs" {
                    let queue = subscription.endpoint.rsplit(':').next().unwrap_or_default().to_owned();
                    messages.push((queue, queue_message(subscription, publication, now)));
                } else {
                    mails.push(self.keep_sent(&mail(subscription, publication, now))?);
                }
            }
        }
        if !messages.is_empty() || !mails.is_empty() {
            self.queues.send(messages, mails)?;
        }
        Ok(())
    }
}

impl Publication {
    fn parse(form: &Form) -> Result<Self, Fault> {
        let message = form.get("Message").unwrap_or_default().to_owned();
        if message.is_empty() {
            return Err(Fault::new(400, "InvalidParameter", "Invalid parameter: Empty message"));
        }
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(Fault::new(400, "InvalidParameter", "Invalid parameter: Message too long"));
        }
        let subject = form.get("Subject").map(str::to_owned);
        if subject.as_deref().is_some_and(|subject| !is_subject(subject)) {
            return Err(invalid("Subject"));
        }
        let by_protocol = match form.get("MessageStructure") {
            None => None,
            Some("json") => Some(texts_by_protocol(&message)?),
            Some(_) => return Err(invalid("MessageStructure")),
        };
        let attributes = form.indexed("MessageAttributes.entry").into_iter().filter_map(|entry| {
            let data_type = entry.get("Value.DataType")?.to_owned();
            let value = entry.get("Value.StringValue")?.to_owned();
            Some((entry.get("Name")?.to_owned(), Attribute { data_type, value }))
        });
        Ok(Self { id: fresh_id(), subject, message, by_protocol, attributes: attributes.collect() })
    }

    fn text_for(&self, protocol: &str) -> &str {
        let Some(texts) = &self.by_protocol else { return &self.message };
        texts.get(protocol).or_else(|| texts.get("default")).map_or("", String::as_str)
    }
}

/// At most 100 printable ASCII characters on one line, the first of them no space.
fn is_subject(subject: &str) -> bool {
    let printable = subject.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    printable && (1..=MAX_SUBJECT_CHARS).contains(&subject.len()) && !subject.starts_with(' ')
}

fn texts_by_protocol(message: &str) -> Result<BTreeMap<String, String>, Fault> {
    let fault =
        |why: &str| Fault::new(400, "InvalidParameter", format!("Invalid parameter: Message Structure - {why}"));
    let Ok(Value::Object(fields)) = serde_json::from_str(message) else {
        return Err(fault("JSON message body failed to parse"));
    };
    let texts = fields.into_iter().filter_map(|(protocol, text)| Some((protocol, text.as_str()?.to_owned())));
    let texts: BTreeMap<String, String> = texts.collect();
    if texts.contains_key("default") { Ok(texts) } else { Err(fault("No default entry in JSON message body")) }
}

fn wants(subscription: &Subscription, publication: &Publication) -> bool {
    let Some(policy) = subscription.attributes.get("FilterPolicy") else { return true };
    let Ok(policy) = serde_json::from_str(policy) else { return false };
    if subscription.attributes.get("FilterPolicyScope").is_some_and(|scope| scope == "MessageBody") {
        return serde_json::from_str::<Value>(&publication.message)
            .is_ok_and(|body| pattern::matches(&policy, Some(&body)));
    }
    let value = |attribute: &Attribute| match attribute.data_type.as_str() {
        "String.Array" | "Number" => serde_json::from_str(&attribute.value).unwrap_or_default(),
        _ => Value::String(attribute.value.clone()),
    };
    let attributes = publication.attributes.iter().map(|(name, attribute)| (name.clone(), value(attribute)));
    pattern::matches(&policy, Some(&Value::Object(attributes.collect())))
}

fn queue_message(subscription: &Subscription, publication: &Publication, now: Timestamp) -> Message {
    let text = publication.text_for("sqs");
    if subscription.attributes.get("RawMessageDelivery").is_some_and(|raw| raw == "true") {
        return Message::new(text.to_owned(), publication.attributes.clone());
    }
    let attribute = |(name, attribute): (&String, &Attribute)| {
        (name.clone(), json!({"Type": attribute.data_type, "Value": attribute.value}))
    };
    let mut envelope = json!({
        "Type": "Notification",
        "MessageId": publication.id,
        "TopicArn": subscription.topic,
        "Message": text,
        "Timestamp": now.to_string(),
        "SignatureVersion": "1",
        "Signature": "",
        "SigningCertURL": "",
        "UnsubscribeURL": "",
    });
    if let Some(fields) = envelope.as_object_mut() {
        if let Some(subject) = &publication.subject {
            fields.insert("Subject".to_owned(), json!(subject));
        }
        if !publication.attributes.is_empty() {
            let attributes = publication.attributes.iter().map(attribute).collect();
            fields.insert("MessageAttributes".to_owned(), Value::Object(attributes));
        }
    }
    Message::new(envelope.to_string(), BTreeMap::new())
}

fn mail(subscription: &Subscription, publication: &Publication, at: Timestamp) -> Sent {
    Sent {
        id: publication.id.clone(),
        to: subscription.endpoint.clone(),
        protocol: subscription.protocol.clone(),
        topic: subscription.topic.clone(),
        subject: publication.subject.clone().unwrap_or_else(|| DEFAULT_SUBJECT.to_owned()),
        text: publication.text_for(&subscription.protocol).to_owned(),
        at,
    }
}
