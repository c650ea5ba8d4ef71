//! The system as its users meet it: the whole backend in one process, called through its API by people in their roles.
//!
//! Nothing here reaches into the product; what it asserts, a client could see. The one exception is [`World::written`],
//! which looks at the tables to say that nothing was written at all.

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
