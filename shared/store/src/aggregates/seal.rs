//! Seals: one per day, read by its day.

use domain::base::audit::seal::Seal;
use jiff::civil::Date;

use crate::aggregate::{Aggregate, Listing};

impl Aggregate for Seal {
    type Id = Date;

    const KIND: &'static str = "SEAL";

    fn id(&self) -> String {
        self.day.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}
