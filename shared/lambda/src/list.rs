//! What every handler that answers with a list does the same way: fill a page with the entries that its reader may see.

use serde_json::Value;
use store::{Entry, Index, Order, Store, StoreError};

use crate::answer::Answer;
use crate::call::Call;
use crate::page::{Page, PageRequest};
use crate::problem::Problem;

/// Entries read at once while a filtered list fills its page.
const ENTRIES_PER_READ: usize = 200;

impl<B: Sync> Call<B> {
    /// Answers with the page of a list that the call asks for, as [`list_page`] makes it, in ascending order.
    ///
    /// # Errors
    /// 422 for a page that cannot be; 503 when the store does not answer; whatever `read` refuses.
    pub async fn list<T>(
        &self,
        store: &Store,
        index: Index,
        partitions: &[String],
        read: impl Fn(&Entry) -> Result<Option<T>, StoreError> + Send,
    ) -> Result<Answer<Page<T>>, Problem> {
        let asked = self.page()?;
        Ok(Answer::ok(list_page(store, index, partitions, Order::Ascending, &asked, read).await?))
    }
}

/// One page of an index's partitions: the entries that `read` keeps, continued after the sort key in the cursor. That
/// is the key of the last entry shown, so that a cursor tells its reader of nothing that they do not see: the entries
/// between it and the next one to be shown are read again.
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
