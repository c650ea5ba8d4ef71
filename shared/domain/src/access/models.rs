//! Models: what discovery found of each, what the Lead decided about it, and the table that shows both.

pub mod catalog;
pub mod model;
pub mod models_table;
