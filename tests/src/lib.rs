//! The system as its users meet it: the whole backend in one process, called through its API by people in their roles.
//!
//! Begin with [`World`], a stack of its own for each test. The people are [`LENA`], [`PETRA`] and others; what they do
//! up to a test's point is said in a line each (`governance`, `engineer`). A [`bill`] is written by hand, and a
//! [`ledger`] adds it up independently of the product. A [`Striker`] has one call of AWS fail, an [`Interlude`] holds
//! one. The tests themselves are in `tests/system`; `tests/house` reads the code.
//!
//! Nothing here reaches into the product; what it asserts, a client could see. The exceptions are [`World::written`]
//! and [`World::items`], which look at the tables.

pub mod bill;
mod caller;
mod engineer;
mod governance;
mod interlude;
pub mod ledger;
mod people;
mod striker;
mod world;

pub use caller::{Reply, fields, number, text, texts};
pub use governance::{
    ACCOUNTS, CHECKOUT, CLAUDE_3_HAIKU, DATA, Granted, HAIKU, NOVA_LITE, SHARED, SONNET, WORKSPACE_ARN, approval,
    model_key, nova_places, place, places, request,
};
pub use interlude::Interlude;
pub use people::{ADA, CHEN, DORA, EMIL, LENA, OMAR, PETRA, Person, SAMIR};
pub use striker::{Strike, Striker};
pub use world::{GOVERNANCE_TABLE, SPEND_TABLE, World};
