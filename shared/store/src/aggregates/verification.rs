//! Verifications of days by a worker: each is read by its id and listed nowhere.

use domain::base::audit::verification::Verification;
use domain::base::ids::VerificationId;

use crate::aggregate::{Aggregate, Listing};

impl Aggregate for Verification {
    type Id = VerificationId;

    const KIND: &'static str = "VERIFICATION";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}
