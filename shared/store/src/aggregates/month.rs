//! Closed months: the month is the natural key, so each is closed once.

use domain::base::calendar::Month;
use domain::spend::month::MonthClose;

use crate::aggregate::{Aggregate, Listing};

impl Aggregate for MonthClose {
    type Id = Month;

    const KIND: &'static str = "MONTH";

    fn id(&self) -> String {
        self.month.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}
