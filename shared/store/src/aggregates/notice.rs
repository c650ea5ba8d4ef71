//! Notices: one per event that people were told of. They are kept: who was told of what, and when, is a record too.

use domain::base::ids::EventId;
use domain::notice::Notice;

use crate::aggregate::{Aggregate, Listing};

impl Aggregate for Notice {
    type Id = EventId;

    const KIND: &'static str = "NOTICE";

    fn id(&self) -> String {
        self.event_id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}
