//! local.
pub mod bus;
pub mod cloud;
