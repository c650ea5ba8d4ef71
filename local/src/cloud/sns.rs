//! SNS: topics and subscriptions, and what a publication becomes: queue messages, and mail in the outbox.
//!
//! Messages to queues and to people are kept in the same transaction. A subscription by e-mail is pending until it is
//! confirmed, and gets nothing before. With [`Mailboxes::Confirm`] its reader confirms at once, by the very token of
//! the mail that asks for it; a topic's owner subscribing a queue needs no confirmation, as on AWS.

mod publish;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Mailboxes;
use super::answer::{Fault, element, fresh_id};
use super::caller::Caller;
use super::query::{Form, members, optional, page, unknown_action};
use super::queue::Queues;
use super::state::{Change, State, StateError};

const TOPICS: &str = "sns-topic";
const SUBSCRIPTIONS: &str = "sns-subscription";
const OUTBOX: &str = "sns-outbox";

/// Subscriptions per page, as SNS has it.
const PAGE: usize = 100;

const SETTABLE: [&str; 5] =
    ["FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy", "DeliveryPolicy"];

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Topic {
    attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Subscription {
    arn: String,
    topic: String,
    protocol: String,
    endpoint: String,
    attributes: BTreeMap<String, String>,
    /// The confirmation's token while it is pending.
    pending: Option<String>,
}

/// A message that left the cloud for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// The message id that `Publish` answered.
    pub id: String,
    /// The endpoint: an address, a phone number, a URL.
    pub to: String,
    /// `email`, `email-json`, `https` …
    pub protocol: String,
    /// The topic's ARN.
    pub topic: String,
    /// As published, or the default that SNS sets.
    pub subject: String,
    /// The text for this protocol.
    pub text: String,
    /// Product time.
    pub at: Timestamp,
}

/// The topics of the hub.
pub(crate) struct Sns {
    state: Arc<State>,
    queues: Arc<Queues>,
    mailboxes: Mailboxes,
}

impl Sns {
    pub(crate) fn new(state: Arc<State>, queues: Arc<Queues>, mailboxes: Mailboxes) -> Self {
        Self { state, queues, mailboxes }
    }

    /// Answers one action with its result's inner XML.
    pub(crate) fn call(&self, caller: &Caller, form: &Form, now: Timestamp) -> Result<String, Fault> {
        match form.action() {
            "CreateTopic" => self.create_topic(caller, form),
            "DeleteTopic" => self.delete_topic(form),
            "GetTopicAttributes" => self.get_topic_attributes(caller, form),
            "SetTopicAttributes" => self.set_topic_attributes(form),
            "ListTopics" => self.list_topics(form),
            "Subscribe" => self.subscribe(caller, form, now),
            "ConfirmSubscription" => self.confirm_subscription(form),
            "Unsubscribe" => self.unsubscribe(form),
            "ListSubscriptionsByTopic" => self.list_subscriptions_by_topic(caller, form),
            "GetSubscriptionAttributes" => self.get_subscription_attributes(caller, form),
            "SetSubscriptionAttributes" => self.set_subscription_attributes(form),
            "Publish" => self.publish(form, now),
            "PublishBatch" => self.publish_batch(form, now),
            other => Err(unknown_action(other)),
        }
    }

    /// Creates what the wiring names, if it is not there.
    pub(crate) fn declare_topic(&self, arn: &str) -> Result<(), StateError> {
        match self.state.load::<Topic>(TOPICS, arn)? {
            Some(_) => Ok(()),
            None => self.state.commit(vec![Change::put(TOPICS, arn, &Topic::default())?]),
        }
    }

    /// Subscribes a queue of the wiring under a name that stays the same, so that a restart replaces it.
    pub(crate) fn declare_subscription(
        &self,
        topic: &str,
        name: &str,
        queue_arn: &str,
        attributes: BTreeMap<String, String>,
    ) -> Result<(), StateError> {
        let arn = format!("{topic}:{name}");
        let (topic, endpoint) = (topic.to_owned(), queue_arn.to_owned());
        let subscription = Subscription { arn, topic, protocol: "sqs".to_owned(), endpoint, attributes, pending: None };
        self.state.commit(vec![Change::put(SUBSCRIPTIONS, &subscription.arn, &subscription)?])
    }

    /// What was sent, oldest first, to everybody or to one endpoint.
    pub(crate) fn sent(&self, to: Option<&str>) -> Result<Vec<Sent>, StateError> {
        let sent = self.state.list::<Sent>(OUTBOX, "")?.into_iter().map(|(_, sent)| sent);
        Ok(sent.filter(|sent| to.is_none_or(|to| to.eq_ignore_ascii_case(&sent.to))).collect())
    }

    fn create_topic(&self, caller: &Caller, form: &Form) -> Result<String, Fault> {
        let name = form.require("Name")?;
        let plain = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '_';
        if name.is_empty() || name.len() > 256 || !name.strip_suffix(".fifo").unwrap_or(name).chars().all(plain) {
            return Err(invalid("Topic Name"));
        }
        let arn = format!("arn:aws:sns:{}:{}:{name}", caller.region, caller.account);
        let attributes = pairs(form, "Attributes.entry");
        match self.state.load::<Topic>(TOPICS, &arn)? {
            Some(topic) if attributes.iter().any(|(name, value)| topic.attributes.get(name) != Some(value)) => {
                return Err(Fault::new(
                    400,
                    "InvalidParameter",
                    "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
                ));
            }
            Some(_) => {}
            None => self.state.commit(vec![Change::put(TOPICS, &arn, &Topic { attributes })?])?,
        }
        Ok(element("TopicArn", &arn))
    }

    fn delete_topic(&self, form: &Form) -> Result<String, Fault> {
        let arn = form.require("TopicArn")?;
        let subscriptions = self.subscriptions(arn)?;
        let mut changes: Vec<Change> =
            subscriptions.iter().map(|each| Change::remove(SUBSCRIPTIONS, &each.arn)).collect();
        changes.push(Change::remove(TOPICS, arn));
        self.state.commit(changes)?;
        Ok(String::new())
    }

    fn get_topic_attributes(&self, caller: &Caller, form: &Form) -> Result<String, Fault> {
        let arn = form.require("TopicArn")?;
        let mut attributes = self.topic(arn)?.attributes;
        let subscriptions = self.subscriptions(arn)?;
        let pending = subscriptions.iter().filter(|subscription| subscription.pending.is_some()).count();
        attributes.insert("TopicArn".to_owned(), arn.to_owned());
        attributes.insert("Owner".to_owned(), caller.account.clone());
        attributes.insert("SubscriptionsPending".to_owned(), pending.to_string());
        attributes.insert("SubscriptionsConfirmed".to_owned(), (subscriptions.len() - pending).to_string());
        attributes.insert("SubscriptionsDeleted".to_owned(), "0".to_owned());
        Ok(entries(&attributes))
    }

    fn set_topic_attributes(&self, form: &Form) -> Result<String, Fault> {
        let arn = form.require("TopicArn")?;
        let mut topic = self.topic(arn)?;
        let value = form.get("AttributeValue").unwrap_or_default().to_owned();
        topic.attributes.insert(form.require("AttributeName")?.to_owned(), value);
        self.state.commit(vec![Change::put(TOPICS, arn, &topic)?])?;
        Ok(String::new())
    }

    fn list_topics(&self, form: &Form) -> Result<String, Fault> {
        let topics = self.state.list::<Topic>(TOPICS, "")?;
        let page = page(topics, |(arn, _)| arn.clone(), form.get("NextToken"), PAGE);
        let topics = members("Topics", page.items.iter().map(|(arn, _)| element("TopicArn", arn)));
        Ok(topics + &optional("NextToken", page.next.as_deref()))
    }

    fn subscribe(&self, caller: &Caller, form: &Form, now: Timestamp) -> Result<String, Fault> {
        let (topic, protocol) = (form.require("TopicArn")?, form.require("Protocol")?);
        self.topic(topic)?;
        let endpoint =
            form.get("Endpoint").filter(|endpoint| !endpoint.is_empty()).ok_or_else(|| invalid("Endpoint"))?;
        match protocol {
            "email" | "email-json" if !endpoint.contains('@') => return Err(invalid("Email address")),
            "email" | "email-json" => {}
            "sqs" if endpoint.starts_with("arn:aws:sqs:") => {}
            "sqs" => return Err(invalid("SQS endpoint ARN")),
            "http" | "https" | "sms" | "lambda" => {}
            _ => {
                return Err(Fault::new(
                    400,
                    "InvalidParameter",
                    "Invalid parameter: Does not support this protocol string",
                ));
            }
        }
        let existing = self.subscriptions(topic)?;
        let same = existing.into_iter().find(|each| each.protocol == protocol && each.endpoint == endpoint);
        let subscription = same.unwrap_or_else(|| Subscription {
            arn: format!("{topic}:{}", fresh_id()),
            topic: topic.to_owned(),
            protocol: protocol.to_owned(),
            endpoint: endpoint.to_owned(),
            attributes: pairs(form, "Attributes.entry"),
            pending: needs_confirmation(protocol).then(|| fresh_id().replace('-', "")),
        });
        let mut changes = Vec::new();
        if let Some(token) = &subscription.pending {
            changes.push(self.keep_sent(&confirmation_mail(&subscription, token, &caller.region, now))?);
        }
        changes.push(Change::put(SUBSCRIPTIONS, &subscription.arn, &subscription)?);
        self.state.commit(changes)?;
        let arn = if subscription.pending.is_some() && form.get("ReturnSubscriptionArn") != Some("true") {
            "pending confirmation".to_owned()
        } else {
            subscription.arn.clone()
        };
        if let (Some(token), Mailboxes::Confirm) = (&subscription.pending, self.mailboxes) {
            self.confirm(topic, token)?;
        }
        Ok(element("SubscriptionArn", &arn))
    }

    fn confirm_subscription(&self, form: &Form) -> Result<String, Fault> {
        Ok(element("SubscriptionArn", &self.confirm(form.require("TopicArn")?, form.require("Token")?)?))
    }

    fn confirm(&self, topic: &str, token: &str) -> Result<String, Fault> {
        let mut pending = self.subscriptions(topic)?.into_iter();
        let found = pending.find(|subscription| subscription.pending.as_deref() == Some(token));
        let mut subscription = found.ok_or_else(|| invalid("Token"))?;
        subscription.pending = None;
        self.state.commit(vec![Change::put(SUBSCRIPTIONS, &subscription.arn, &subscription)?])?;
        Ok(subscription.arn)
    }

    fn unsubscribe(&self, form: &Form) -> Result<String, Fault> {
        self.state.commit(vec![Change::remove(SUBSCRIPTIONS, form.require("SubscriptionArn")?)])?;
        Ok(String::new())
    }

    fn list_subscriptions_by_topic(&self, caller: &Caller, form: &Form) -> Result<String, Fault> {
        let topic = form.require("TopicArn")?;
        self.topic(topic)?;
        let page = page(self.subscriptions(topic)?, |each| each.arn.clone(), form.get("NextToken"), PAGE);
        let member = |each: &Subscription| {
            let arn = if each.pending.is_some() { "PendingConfirmation" } else { &each.arn };
            let owner = element("Owner", &caller.account);
            let address = element("Protocol", &each.protocol) + &element("Endpoint", &each.endpoint);
            [element("SubscriptionArn", arn), owner, address, element("TopicArn", &each.topic)].concat()
        };
        Ok(members("Subscriptions", page.items.iter().map(member)) + &optional("NextToken", page.next.as_deref()))
    }

    fn get_subscription_attributes(&self, caller: &Caller, form: &Form) -> Result<String, Fault> {
        let subscription = self.subscription(form.require("SubscriptionArn")?)?;
        let mut attributes = subscription.attributes;
        attributes.insert("SubscriptionArn".to_owned(), subscription.arn);
        attributes.insert("TopicArn".to_owned(), subscription.topic);
        attributes.insert("Protocol".to_owned(), subscription.protocol);
        attributes.insert("Endpoint".to_owned(), subscription.endpoint);
        attributes.insert("Owner".to_owned(), caller.account.clone());
        attributes.insert("PendingConfirmation".to_owned(), subscription.pending.is_some().to_string());
        attributes.entry("RawMessageDelivery".to_owned()).or_insert_with(|| "false".to_owned());
        Ok(entries(&attributes))
    }

    fn set_subscription_attributes(&self, form: &Form) -> Result<String, Fault> {
        let mut subscription = self.subscription(form.require("SubscriptionArn")?)?;
        let name = form.require("AttributeName")?;
        if !SETTABLE.contains(&name) {
            return Err(invalid("AttributeName"));
        }
        let value = form.get("AttributeValue").unwrap_or_default();
        if name == "FilterPolicy" && serde_json::from_str::<BTreeMap<String, serde_json::Value>>(value).is_err() {
            return Err(Fault::new(400, "InvalidParameter", "Invalid parameter: FilterPolicy: failed to parse JSON."));
        }
        subscription.attributes.insert(name.to_owned(), value.to_owned());
        self.state.commit(vec![Change::put(SUBSCRIPTIONS, &subscription.arn, &subscription)?])?;
        Ok(String::new())
    }

    fn topic(&self, arn: &str) -> Result<Topic, Fault> {
        self.state.load(TOPICS, arn)?.ok_or_else(|| Fault::new(404, "NotFound", "Topic does not exist"))
    }

    fn subscription(&self, arn: &str) -> Result<Subscription, Fault> {
        self.state.load(SUBSCRIPTIONS, arn)?.ok_or_else(|| Fault::new(404, "NotFound", "Subscription does not exist"))
    }

    fn subscriptions(&self, topic: &str) -> Result<Vec<Subscription>, StateError> {
        let subscriptions = self.state.list::<Subscription>(SUBSCRIPTIONS, &format!("{topic}:"))?;
        Ok(subscriptions.into_iter().map(|(_, subscription)| subscription).collect())
    }

    fn keep_sent(&self, sent: &Sent) -> Result<Change, StateError> {
        let micros = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
        Change::put(OUTBOX, &format!("{:020}-{}", micros.as_micros(), fresh_id()), sent)
    }
}

fn needs_confirmation(protocol: &str) -> bool {
    matches!(protocol, "email" | "email-json" | "http" | "https")
}

fn confirmation_mail(subscription: &Subscription, token: &str, region: &str, at: Timestamp) -> Sent {
    let topic = &subscription.topic;
    Sent {
        id: fresh_id(),
        to: subscription.endpoint.clone(),
        protocol: subscription.protocol.clone(),
        topic: topic.clone(),
        subject: "AWS Notification - Subscription Confirmation".to_owned(),
        text: format!(
            "You have chosen to subscribe to the topic:\n{topic}\n\nTo confirm this subscription:\n\
             aws sns confirm-subscription --region {region} --topic-arn {topic} --token {token}\n"
        ),
        at,
    }
}

fn pairs(form: &Form, list: &str) -> BTreeMap<String, String> {
    let pair = |entry: Form| Some((entry.get("key")?.to_owned(), entry.get("value")?.to_owned()));
    form.indexed(list).into_iter().filter_map(pair).collect()
}

fn entries(attributes: &BTreeMap<String, String>) -> String {
    let entry = |(name, value): (&String, &String)| {
        format!("<entry>{}{}</entry>", element("key", name), element("value", value))
    };
    format!("<Attributes>{}</Attributes>", attributes.iter().map(entry).collect::<String>())
}

fn invalid(what: &str) -> Fault {
    Fault::new(400, "InvalidParameter", format!("Invalid parameter: {what}"))
}
