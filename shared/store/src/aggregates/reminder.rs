//! Reminders: the natural key is what makes each of them happen once.

use domain::notice::Reminder;

use crate::aggregate::{Aggregate, Listing};
use crate::{Store, StoreError};

impl Aggregate for Reminder {
    type Id = str;

    const KIND: &'static str = "REMINDER";

    fn id(&self) -> String {
        format!("{}.{}.{}", self.card_id, self.entries, self.number)
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}

impl Store {
    /// Those of the given reminders that were recorded before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_recorded_reminders(
        &self,
        reminders: impl IntoIterator<Item = &Reminder>,
    ) -> Result<Vec<Reminder>, StoreError> {
        let ids: Vec<String> = reminders.into_iter().map(Aggregate::id).collect();
        Ok(self
            .load_many::<Reminder>(ids.iter().map(String::as_str))
            .await?
            .into_iter()
            .map(|loaded| loaded.value)
            .collect())
    }
}
