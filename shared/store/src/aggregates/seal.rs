//! Seals: one per day, read by its day.

use domain::base::audit::seal::Seal;

use crate::aggregate::{Aggregate, Listing};

impl Aggregate for Seal {
    const KIND: &'static str = "SEAL";

    fn id(&self) -> String {
        self.day.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}
