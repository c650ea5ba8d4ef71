//! One file per aggregate: its partition, and under which need it is listed.

pub mod account;
pub mod anchor;
pub mod announced;
pub mod approval;
pub mod card;
pub mod chain;
pub mod drift;
pub mod estimate;
pub mod export;
pub mod gap;
pub mod model;
pub mod month;
pub mod notice;
pub mod person;
pub mod portfolio;
pub mod profile;
pub mod proposal;
pub mod reminder;
pub mod request;
pub mod run;
pub mod seal;
pub mod settings;
pub mod space;
pub mod verification;
