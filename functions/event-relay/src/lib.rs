//! Publishes the events of the table's stream on the topic `governance-events`. It decides nothing and writes nothing.
//!
//! Events leave by themselves, after the commit that recorded them, and at least once: a batch that fails half-way is
//! delivered again from its first failure on, so that some are published twice, in the order of their shard, and none
//! is lost. The fact that a newcomer would get wrong: order ends at the topic; consumers order by the aggregate's
//! version.
//!
//! `record` tells an event from any other change of the table, `publish` sends. Begin with `relay`, which is all of it.

mod publish;
mod record;

use std::sync::Arc;

use lambda::{EnvironmentError, Function, Host, StreamBatch, StreamFailure};

use crate::publish::Topic;
use crate::record::{Reading, read};

/// The variable that names the topic.
pub const EVENTS_TOPIC_ARN: &str = "EVENTS_TOPIC_ARN";

/// The function.
///
/// # Errors
/// When the topic is not named: a relay without one would lose events in silence.
pub fn function(host: Host) -> Result<Function, EnvironmentError> {
    let topic = Topic::new(&host.aws, host.env.require(EVENTS_TOPIC_ARN)?);
    Ok(Function::builder("event-relay", Arc::new(topic), host).on_stream(relay).build())
}

/// Publishes the batch's events in their order, up to the first that fails.
///
/// Retry: the topic does not answer, or refuses for now. Poison: an event that cannot be read or is too large; the
/// stream mapping puts it into the relay's failure queue after its retries, and the others go on.
async fn relay(topic: Arc<Topic>, batch: StreamBatch) -> Result<(), StreamFailure> {
    let mut outbox = Vec::with_capacity(batch.records.len());
    for record in &batch.records {
        match read(record) {
            Ok(Reading::Event(event)) => outbox.push(event),
            Ok(Reading::NoEvent) => {}
            Err(why) => {
                // Those before it have to leave first: the report of this one brings it and all after it again.
                topic.publish(&outbox).await?;
                return Err(StreamFailure { sequence_number: record.sequence_number.clone(), why });
            }
        }
    }
    topic.publish(&outbox).await
}
