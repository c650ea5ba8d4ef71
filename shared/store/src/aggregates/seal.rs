//! Seals: one per day, the digest over the last event of every thing that changed on it.

use domain::digest::Digest;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Listing};

/// A day's seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seal {
    /// The day.
    pub day: Date,
    /// The digest over the heads.
    pub seal: Digest,
    /// How many things changed on it.
    pub aggregates: u64,
}

impl Aggregate for Seal {
    const KIND: &'static str = "SEAL";

    fn id(&self) -> String {
        self.day.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}
