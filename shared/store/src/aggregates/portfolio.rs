//! Portfolio reviews: the week is the natural key, so each is held once.

use domain::base::calendar::Week;
use domain::spend::portfolio::Review;

use crate::aggregate::{Aggregate, Listing};

impl Aggregate for Review {
    type Id = Week;

    const KIND: &'static str = "REVIEW";

    fn id(&self) -> String {
        self.week.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}
