//! The whole backend in one process: for a laptop, and for the tests. The functions are the deployed ones.
//!
//! Begin with [`stack`], which puts everything together. [`cloud`] is the AWS that the functions call, [`bus`] moves
//! events as `template.yaml` wires them, [`gateway`] stands in front of the functions, [`athena`] reads the bill.
//! Between the functions and that AWS lies the [`seam`], at which tests strike calls. [`server`] puts it all on
//! loopback; [`demo`] plays the governance week on it, with the bill that [`sample`] makes.
//!
//! [`documents`] are those that are made from the code; [`doctor`], [`queries`] and `bench` are commands of their
//! own.

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
