//! The whole backend in one process: for a laptop, and for the tests.
//!
//! `cloud` is AWS, `bus` moves events as `template.yaml` wires them, `gateway` stands in front of the functions, `athena`
//! reads the bill. `stack` puts them together, `demo` plays the governance week on it. The functions are the deployed ones.

pub mod athena;
pub mod bench;
pub mod bus;
pub mod clock;
pub mod cloud;
pub mod deliveries;
pub mod demo;
pub mod doctor;
pub mod documents;
mod doorway;
pub mod gateway;
mod permissions;
pub mod progress;
pub mod queries;
pub mod sample;
pub mod seam;
pub mod server;
pub mod stack;
pub mod tokens;
