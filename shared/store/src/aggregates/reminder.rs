//! Reminders: the natural key is what makes each of them happen once.

use domain::notice::Reminder;

use crate::aggregate::{Aggregate, Listing};

impl Aggregate for Reminder {
    const KIND: &'static str = "REMINDER";

    fn id(&self) -> String {
        format!("{}.{}.{}", self.card_id, self.entries, self.number)
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}
