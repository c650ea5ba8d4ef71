//! local.
pub mod bus;
pub mod cloud;
pub mod clock;
pub mod gateway;
pub mod server;
pub mod tokens;
