//! What owners ask for and what the Lead decides about it, and who stands behind a decision.

pub mod approval;
pub mod parties;
pub mod request;
