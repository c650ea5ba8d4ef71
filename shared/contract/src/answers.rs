//! Answers of the API that several functions give.

pub mod run;

use serde::{Deserialize, Serialize};

/// A single thing with the version that a write may be conditioned on; the same number is its `ETag`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Versioned<T> {
    /// Counts the thing's changes.
    pub version: u64,
    /// The thing.
    #[serde(flatten)]
    pub value: T,
}
