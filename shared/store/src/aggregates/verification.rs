//! Verifications of days by a worker: each is read by its id and listed nowhere.

use domain::base::audit::verification::Verification;

use crate::aggregate::{Aggregate, Listing};

impl Aggregate for Verification {
    const KIND: &'static str = "VERIFICATION";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}
