//! The one DynamoDB adapter: keys, items, one file per aggregate, and the one write path.
//!
//! A command reads consistently, decides purely, and commits state, events, counters and the records of having happened
//! in one transaction ([`Store::transact`]). Nothing else writes to the governance table, and nothing publishes: the
//! stream does.
//!
//! Begin with [`aggregate`], what the store has to know of a thing, and [`transaction`], what is written together. Keys
//! are made in [`keys`] and nowhere else; each thing's own are in its file under [`aggregates`], with the ways to it,
//! named after the need. [`spend`] is the other table, the bill's facts. What lies where is said in [`layout`] and
//! `docs/data-model.md`.

pub mod aggregate;
pub mod aggregates;
mod batch;
pub mod commit;
pub mod error;
pub mod evidence;
pub mod governance;
mod history;
pub mod idempotency;
pub mod item;
pub mod keys;
pub mod layout;
pub mod read;
pub mod spend;
pub mod tables;
pub mod transaction;

use aws_sdk_dynamodb::Client;

pub use aggregate::{Aggregate, Loaded};
pub use commit::{Step, TRANSACTION_ACTIONS_MAX};
pub use error::StoreError;
pub use read::{Entry, Index, Order};
pub use transaction::Transaction;

/// The governance table, through one client.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) client: Client,
    pub(crate) governance_table: String,
}

impl Store {
    /// The store over a client and the name of the governance table.
    #[must_use]
    pub const fn new(client: Client, governance_table: String) -> Self {
        Self { client, governance_table }
    }
}
