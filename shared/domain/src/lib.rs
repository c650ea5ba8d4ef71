//! Every rule of the product, as pure code: no I/O, no clock, no randomness, no AWS type, no async.
//!
//! It stands in three wings: [`base`] is what all of it is built from, [`access`] decides who may use which model
//! where, [`spend`] reads the bill and closes its weeks. [`settings`] and [`notice`] stand on top. Arrows run one
//! way: notice and settings → spend → access → base, and no two files import one another (`tests/tests/house` reads
//! the imports).
//!
//! Begin with [`base::outcome`], how every decision answers, and [`base::authorization`], who may do what.

#![deny(clippy::float_arithmetic)]

pub mod access;
pub mod base;
pub mod notice;
pub mod settings;
pub mod spend;
