//! Every rule of the product, as pure code: no I/O, no clock, no randomness, no AWS type, no async.
//!
//! Who may do what is `authorization`; how every decision answers is `outcome`; what every accepted change leaves behind is
//! `audit`. The things themselves follow the flow: accounts and models, spaces and requests, approvals and their chains of
//! tasks, anchors and claims, then the bill, its gaps and the cards that are signed.

#![deny(clippy::float_arithmetic)]

pub mod account;
pub mod anchor;
pub mod approval;
pub mod audit;
pub mod authorization;
pub mod aws;
pub mod bill;
pub mod calendar;
pub mod card;
pub mod catalog;
pub mod chain;
pub mod digest;
pub mod drift;
pub mod estimate;
pub mod export;
pub mod gap;
pub mod handoff;
pub mod ids;
pub mod instructions;
pub mod map;
pub mod model;
pub mod models_table;
pub mod money;
pub mod month;
pub mod notice;
pub mod outcome;
pub mod parties;
pub mod people;
pub mod person;
pub mod platform;
pub mod policy;
pub mod portfolio;
pub mod proposal;
pub mod request;
pub mod settings;
pub mod shell;
pub mod space;
pub mod task;
pub mod text;
