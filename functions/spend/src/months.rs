//! A month's facts with who answers for each: attributed once for each reading, however many pages are asked of it.

use std::sync::{Arc, Mutex, PoisonError};

use domain::base::calendar::Month;
use domain::base::digest::Digest;
use domain::spend::bill::alias::Aliases;
use domain::spend::bill::attributed::{AttributedMonth, Grounds};
use store::spend::{Head, SpendStore};
use store::{Store, StoreError};

/// Reads months, and keeps the one that was asked for last for as long as neither the bill nor what says who answers
/// for it moved.
#[derive(Debug)]
pub(crate) struct Months {
    store: Store,
    spend: SpendStore,
    aliases: Aliases,
    last: Mutex<Option<Arc<ReadMonth>>>,
}

/// A reading of a month, attributed.
#[derive(Debug)]
pub(crate) struct ReadMonth {
    pub(crate) head: Head,
    pub(crate) attributed: AttributedMonth,
    /// The facts and who answers for them, in one digest: pages of two readings are of none.
    pub(crate) digest: Digest,
    grounds: Grounds,
}

impl Months {
    pub(crate) const fn new(store: Store, spend: SpendStore, aliases: Aliases) -> Self {
        Self { store, spend, aliases, last: Mutex::new(None) }
    }

    /// The version of the table that maps names of the bill to models.
    pub(crate) fn aliases_version(&self) -> &str {
        self.aliases.version()
    }

    /// The month as it is shown now; none if it was never read completely.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn read(&self, month: Month) -> Result<Option<Arc<ReadMonth>>, StoreError> {
        let Some(head) = self.spend.head(month).await? else { return Ok(None) };
        let grounds = self.store.load_grounds(None).await?;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(last) = last.filter(|last| last.head == head && last.grounds == grounds) {
            return Ok(Some(last));
        }
        let Some((head, days)) = self.spend.month_facts(month).await? else { return Ok(None) };
        let attributed = AttributedMonth::of(days, &grounds, &self.aliases);
        let digest = Digest::of(&(&head.facts, attributed.digest()));
        let read = Arc::new(ReadMonth { head, attributed, digest, grounds });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&read));
        Ok(Some(read))
    }
}
