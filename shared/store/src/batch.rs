//! Reading items by their keys, some batches at a time, and the pause before the rest that a batch left.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use tokio::task::JoinSet;

use crate::error::StoreError;
use crate::item::Item;

/// Keys that one BatchGetItem takes (DynamoDB quota).
const BATCH_KEYS_MAX: usize = 100;

/// Batches at the same time: while the table is at one, the next is made ready.
const AT_ONCE: usize = 2;

/// How often the rest that a batch left is asked for again before the whole step is.
const REST_ATTEMPTS_MAX: u32 = 8;

/// The items under these keys, none of which is named twice, consistently and in no order; those that are not there are
/// left out.
///
/// # Errors
/// [`StoreError::Throttled`] when the table goes on leaving all of a batch.
pub(crate) async fn get_all(client: &Client, table: &str, keys: &[Item]) -> Result<Vec<Item>, StoreError> {
    let batches = keys.chunks(BATCH_KEYS_MAX).map(|keys| get_batch(client.clone(), table.to_owned(), keys.to_vec()));
    Ok(some_at_a_time(batches).await?.into_iter().flatten().collect())
}

async fn get_batch(client: Client, table: String, mut pending: Vec<Item>) -> Result<Vec<Item>, StoreError> {
    let mut found = Vec::with_capacity(pending.len());
    let mut attempts = 0;
    while !pending.is_empty() {
        pause_before(attempts).await?;
        attempts += 1;
        let request = KeysAndAttributes::builder().set_keys(Some(pending)).consistent_read(true).build();
        let request = request.map_err(|e| StoreError::Unavailable("BatchGetItem".to_owned(), Box::new(e)))?;
        let answer = client.batch_get_item().request_items(&table, request).send().await;
        let answer = answer.map_err(|e| StoreError::of_call("BatchGetItem", e))?;
        let before = found.len();
        found.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
        if found.len() > before {
            // Large items come a few at a time: that is progress, not throttling.
            attempts = 0;
        }
        pending = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, rest)| rest.keys).collect();
    }
    Ok(found)
}

/// Works on batches, some at a time, and answers in no order. Dropped half-way, or after one failed, it begins no more.
///
/// # Errors
/// The first that a batch has.
pub(crate) async fn some_at_a_time<T: Send + 'static>(
    batches: impl Iterator<Item = impl Future<Output = Result<T, StoreError>> + Send + 'static>,
) -> Result<Vec<T>, StoreError> {
    let broke_off = |error| StoreError::Unavailable("a batch".to_owned(), Box::new(error));
    let (mut working, mut done) = (JoinSet::new(), Vec::new());
    for batch in batches {
        if working.len() == AT_ONCE
            && let Some(worked) = working.join_next().await
        {
            done.push(worked.map_err(broke_off)??);
        }
        working.spawn(batch);
    }
    while let Some(worked) = working.join_next().await {
        done.push(worked.map_err(broke_off)??);
    }
    Ok(done)
}

/// DynamoDB leaves a rest when it is throttled: wait twice as long each time.
pub(crate) async fn pause_before(attempts: u32) -> Result<(), StoreError> {
    match attempts {
        0 => Ok(()),
        REST_ATTEMPTS_MAX.. => Err(StoreError::Throttled),
        _ => {
            tokio::time::sleep(Duration::from_millis(25 << attempts)).await;
            Ok(())
        }
    }
}
