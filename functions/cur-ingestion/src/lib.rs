//! The bill.

pub mod query;
