//! What everything is built from: ids, money, days and weeks, digests, names that AWS gives, and people.
//!
//! How a decision answers is `outcome`, who may do what is `authorization`, and what every accepted change leaves
//! behind is `audit`. `text` keeps what people write within its limits, `shell` quotes it for a command.
//!
//! It knows no thing of the workflow and none of the bill: whoever needs one of those does not belong here.

pub mod audit;
pub mod authorization;
pub mod aws;
pub mod calendar;
pub mod digest;
pub mod ids;
pub mod money;
pub mod outcome;
pub mod people;
pub mod person;
pub mod platform;
pub mod shell;
pub mod text;
