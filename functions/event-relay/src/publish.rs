//! Publishing to the topic, ten events a call.

use aws_sdk_sns::Client;
use aws_sdk_sns::error::{BuildError, DisplayErrorContext};
use aws_sdk_sns::types::{BatchResultErrorEntry, MessageAttributeValue, PublishBatchRequestEntry};
use lambda::{Aws, Failure, StreamFailure};

use crate::record::Outgoing;

/// Entries of one `PublishBatch` (SNS quota). Ten of the largest events fit its 256 KB with their attributes.
const ENTRIES_MAX: usize = 10;

/// The topic that all governance events leave through.
#[derive(Debug)]
pub(crate) struct Topic {
    client: Client,
    arn: String,
}

impl Topic {
    pub(crate) fn new(aws: &Aws, arn: &str) -> Self {
        Self { client: Client::new(&aws.config()), arn: arn.to_owned() }
    }

    /// Publishes in order; the first that fails is named, and what comes after its batch has not been tried.
    pub(crate) async fn publish(&self, events: &[Outgoing]) -> Result<(), StreamFailure> {
        for batch in events.chunks(ENTRIES_MAX) {
            self.publish_batch(batch).await?;
        }
        Ok(())
    }

    async fn publish_batch(&self, batch: &[Outgoing]) -> Result<(), StreamFailure> {
        let Some(first) = batch.first() else { return Ok(()) };
        let failed = |event: &Outgoing, why| StreamFailure { sequence_number: event.sequence_number.clone(), why };
        let entries: Result<Vec<_>, BuildError> =
            batch.iter().enumerate().map(|(place, event)| entry(place, event)).collect();
        let entries = entries.map_err(|error| failed(first, Failure::Poison(error.to_string())))?;
        let sent =
            self.client.publish_batch().topic_arn(&self.arn).set_publish_batch_request_entries(Some(entries)).send();
        let answer = sent.await.map_err(|error| {
            let why = format!("the topic does not take events: {}", DisplayErrorContext(&error));
            failed(first, Failure::Retry(why))
        })?;
        let of = |place: usize| answer.failed().iter().find(move |refused| refused.id() == place.to_string());
        match batch.iter().enumerate().find_map(|(place, event)| Some((event, of(place)?))) {
            None => Ok(()),
            Some((event, refused)) => Err(failed(event, why(refused))),
        }
    }
}

fn entry(place: usize, event: &Outgoing) -> Result<PublishBatchRequestEntry, BuildError> {
    let text = |value: &str| MessageAttributeValue::builder().data_type("String").string_value(value).build();
    PublishBatchRequestEntry::builder()
        .id(place.to_string())
        .message(&event.json)
        .message_attributes("type", text(&event.event_type)?)
        .message_attributes("aggregate", text(&event.aggregate)?)
        .build()
}

fn why(refused: &BatchResultErrorEntry) -> Failure {
    let said = format!("the topic refused it: {} {}", refused.code(), refused.message().unwrap_or_default());
    if refused.sender_fault() { Failure::Poison(said) } else { Failure::Retry(said) }
}
