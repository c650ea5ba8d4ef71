//! People's topics, as SNS has them: one each, so that nobody gets another's mail.

use aws_sdk_sns::Client;
use aws_sdk_sns::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sns::types::MessageAttributeValue;
use domain::base::digest::Digest;
use domain::base::text::Sub;
use lambda::Aws;

/// Hexadecimal digits of a subject's digest in a topic's name: 64 bits, and no subject is readable in it.
const DIGITS: usize = 16;
/// The key with which SNS encrypts topics at rest, without a policy of our own.
const KEY: (&str, &str) = ("KmsMasterKeyId", "alias/aws/sns");
/// The subscription protocol of an address.
pub(crate) const EMAIL: &str = "email";

/// The topics of people.
#[derive(Debug)]
pub(crate) struct Mailbox {
    client: Client,
    prefix: String,
}

/// A subscription of a person's topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscribed {
    pub(crate) protocol: String,
    pub(crate) endpoint: String,
    /// Its ARN, once its reader confirmed it.
    pub(crate) confirmed: Option<String>,
}

/// A message, rendered.
#[derive(Debug, Clone)]
pub(crate) struct Message<'a> {
    pub(crate) subject: String,
    /// By protocol, as `MessageStructure=json` asks for.
    pub(crate) body: String,
    pub(crate) event_type: &'a str,
}

/// Why SNS did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MailError {
    /// The topic is not there any more.
    #[error("{0}: the topic is gone")]
    Gone(&'static str),
    /// It will never do this as it is.
    #[error("{operation}: SNS refuses it: {why}")]
    Refused { operation: &'static str, why: String },
    /// It did not answer, or not now.
    #[error("{operation}: SNS does not answer: {why}")]
    Away { operation: &'static str, why: String },
}

impl Mailbox {
    pub(crate) fn new(aws: &Aws, prefix: &str) -> Self {
        Self { client: Client::new(&aws.config()), prefix: prefix.to_owned() }
    }

    /// A person's topic; made if it is not there.
    pub(crate) async fn open(&self, sub: &Sub) -> Result<String, MailError> {
        let (key, value) = KEY;
        let made = self.client.create_topic().name(self.topic_name(sub)).attributes(key, value).send().await;
        let made = made.map_err(|e| error("CreateTopic", &e))?;
        made.topic_arn.ok_or_else(|| MailError::Away { operation: "CreateTopic", why: "it named no topic".to_owned() })
    }

    /// The subscriptions of a topic.
    pub(crate) async fn subscriptions(&self, topic: &str) -> Result<Vec<Subscribed>, MailError> {
        let mut pages = self.client.list_subscriptions_by_topic().topic_arn(topic).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| error("ListSubscriptionsByTopic", &e))?;
            found.extend(page.subscriptions.unwrap_or_default().into_iter().map(|s| Subscribed {
                protocol: s.protocol.unwrap_or_default(),
                endpoint: s.endpoint.unwrap_or_default(),
                // Until its reader confirms it, a subscription's ARN reads `PendingConfirmation`.
                confirmed: s.subscription_arn.filter(|arn| arn.starts_with("arn:")),
            }));
        }
        Ok(found)
    }

    /// Subscribes an address; SNS asks its reader to confirm, each time that this is called for a pending one.
    pub(crate) async fn subscribe_address(&self, topic: &str, address: &str) -> Result<(), MailError> {
        let asked = self.client.subscribe().topic_arn(topic).protocol(EMAIL).endpoint(address).send().await;
        asked.map(|_| ()).map_err(|e| error("Subscribe", &e))
    }

    /// Ends a confirmed subscription.
    pub(crate) async fn unsubscribe(&self, subscription: &str) -> Result<(), MailError> {
        let ended = self.client.unsubscribe().subscription_arn(subscription).send().await;
        ended.map(|_| ()).map_err(|e| error("Unsubscribe", &e))
    }

    /// Sends one message to everything that hangs on a topic.
    pub(crate) async fn publish(&self, topic: &str, message: &Message<'_>) -> Result<(), MailError> {
        let refused = |why: String| MailError::Refused { operation: "Publish", why };
        let kind = MessageAttributeValue::builder().data_type("String").string_value(message.event_type).build();
        let sent = self
            .client
            .publish()
            .topic_arn(topic)
            .subject(&message.subject)
            .message(&message.body)
            .message_structure("json")
            .message_attributes("type", kind.map_err(|e| refused(e.to_string()))?)
            .send()
            .await;
        sent.map(|_| ()).map_err(|e| error("Publish", &e))
    }

    fn topic_name(&self, sub: &Sub) -> String {
        let digits: String = Digest::of_bytes(sub.as_str().as_bytes()).hex().chars().take(DIGITS).collect();
        format!("{}{digits}", self.prefix)
    }
}

fn error<E>(operation: &'static str, error: &SdkError<E>) -> MailError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let code = match error {
        SdkError::ServiceError(context) => context.err().code().unwrap_or_default(),
        _ => "",
    };
    match code {
        "NotFound" | "NotFoundException" => MailError::Gone(operation),
        "InvalidParameter" | "InvalidParameterException" | "InvalidParameterValue" | "ValidationException" => {
            MailError::Refused { operation, why: code.to_owned() }
        }
        "" => MailError::Away { operation, why: DisplayErrorContext(error).to_string() },
        code => MailError::Away { operation, why: code.to_owned() },
    }
}
