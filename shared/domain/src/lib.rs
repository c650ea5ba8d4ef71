//! Every rule of the product, as pure code: no I/O, no clock, no randomness, no AWS type, no async.
//!
//! Modules stand in the order in which the flow meets them; each says what it decides and what it must never do.

pub mod authorization;
pub mod aws;
pub mod calendar;
pub mod digest;
pub mod ids;
pub mod money;
pub mod outcome;
pub mod people;
pub mod platform;
pub mod text;
