//! Reading items by their keys, a hundred at a time, and the pause before the rest that a batch left.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;

use crate::error::StoreError;
use crate::item::Item;

/// Keys that one BatchGetItem takes (DynamoDB quota).
const BATCH_KEYS_MAX: usize = 100;

/// How often the rest that a batch left is asked for again before the whole step is.
const REST_ATTEMPTS_MAX: u32 = 8;

/// The items under these keys, none of which is named twice, consistently and in no order; those that are not there are
/// left out.
///
/// # Errors
/// [`StoreError::Throttled`] when the table goes on leaving all of a batch.
pub(crate) async fn get_all(client: &Client, table: &str, keys: &[Item]) -> Result<Vec<Item>, StoreError> {
    let mut found = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(BATCH_KEYS_MAX) {
        let mut pending = chunk.to_vec();
        let mut attempts = 0;
        while !pending.is_empty() {
            pause_before(attempts).await?;
            attempts += 1;
            let request = KeysAndAttributes::builder().set_keys(Some(pending)).consistent_read(true).build();
            let request = request.map_err(|e| StoreError::Unavailable("BatchGetItem".to_owned(), Box::new(e)))?;
            let answer = client.batch_get_item().request_items(table, request).send().await;
            let answer = answer.map_err(|e| StoreError::of_call("BatchGetItem", e))?;
            let before = found.len();
            found.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
            if found.len() > before {
                // Large items come a few at a time: that is progress, not throttling.
                attempts = 0;
            }
            pending = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, rest)| rest.keys).collect();
        }
    }
    Ok(found)
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
