//! What every writing handler does the same way: begin the transaction of a call, keep its answer, check its version.

use serde::Serialize;
use serde_json::Value;
use store::{Entry, Index, Order, Step, Store, StoreError, Transaction};

use crate::answer::Answer;
use crate::call::Call;
use crate::page::{Page, PageRequest};
use crate::problem::Problem;
use domain::base::outcome::{Refusal, RefusalKind};

/// Entries read at once while a filtered list fills its page.
const ENTRIES_PER_READ: usize = 200;

impl<B> Call<B> {
    /// The transaction of this call: by its actor, at its time, under its id.
    #[must_use]
    pub fn transaction(&self) -> Transaction {
        Transaction::new(&self.actor, self.now, &self.request_id)
    }

    /// The step that writes the transaction and answers; the same call again gets the same answer.
    pub fn commit<T: Serialize>(&self, mut transaction: Transaction, answer: Answer<T>) -> Step<Answer<T>> {
        let body = serde_json::to_value(&answer.body).unwrap_or(Value::Null);
        transaction.remember(self.idempotency.as_ref(), answer.status, &body, answer.location.as_deref());
        Step::Commit(transaction, answer)
    }

    /// Refuses a write that was decided on an older version than the current one.
    ///
    /// # Errors
    /// 409 with the current version.
    pub fn check_version(&self, current: u64) -> Result<(), Problem> {
        match self.if_match {
            Some(seen) if seen != current => Err(stale_version(seen, current)),
            _ => Ok(()),
        }
    }
}

/// The refusal of a write that names another version than the current one.
#[must_use]
pub fn stale_version(seen: u64, current: u64) -> Problem {
    Refusal::new(
        RefusalKind::StaleVersion,
        format!("you saw version {seen}, it is {current} now; read it again and decide on what it is"),
    )
    .with_current(serde_json::json!({ "version": current }))
    .into()
}

/// One page of an index's partitions: the entries that `read` keeps, continued after the sort key in the cursor. That is
/// the key of the last entry shown, so that a cursor tells its reader of nothing that they do not see: the entries between
/// it and the next one to be shown are read again.
///
/// # Errors
/// 503 when the store does not answer; whatever `read` refuses.
pub async fn list_page<T>(
    store: &Store,
    index: Index,
    partitions: &[String],
    order: Order,
    request: &PageRequest,
    read: impl Fn(&Entry) -> Result<Option<T>, StoreError> + Send,
) -> Result<Page<T>, Problem> {
    let limit = request.limit as usize;
    let mut after = request.sort_key()?;
    let (mut items, mut last_shown): (Vec<T>, Option<String>) = (Vec::new(), None);
    loop {
        let entries = store.list(index, partitions, after.as_deref(), ENTRIES_PER_READ, order).await?;
        let is_last = entries.len() < ENTRIES_PER_READ;
        for entry in &entries {
            if let Some(item) = read(entry)? {
                if items.len() == limit {
                    return Ok(Page::new(items, last_shown.map(Value::from).as_ref()));
                }
                items.push(item);
                last_shown = Some(entry.sort().to_owned());
            }
        }
        after = entries.last().map(|entry| entry.sort().to_owned());
        if is_last {
            return Ok(Page::only(items));
        }
    }
}
