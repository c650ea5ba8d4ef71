//! One file per aggregate: its partition, and under which need it is listed.

pub mod account;
pub mod anchor;
pub mod approval;
pub mod chain;
pub mod estimate;
pub mod gap;
pub mod model;
pub mod person;
pub mod proposal;
pub mod request;
pub mod seal;
pub mod settings;
pub mod space;
