//! The bill's two queries on the local Athena: on the sample, on every layout of an export, and on files that are
//! broken.

mod bill;
mod harness;
mod large;
mod layouts;
mod protocol;
