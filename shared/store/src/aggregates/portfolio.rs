//! Portfolio reviews: the week is the natural key, so each is held once.

use domain::spend::portfolio::Review;

use crate::aggregate::{Aggregate, Listing};

impl Aggregate for Review {
    const KIND: &'static str = "REVIEW";

    fn id(&self) -> String {
        self.week.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}
