//! What crosses a boundary: governance events, versioned, and the shapes of API answers that several crates share.
//!
//! Everything here is data. Rules live in `domain`; keys and items in `store`. Begin with [`events::Event`], which is
//! every event of the product; who makes and who hears each is in `docs/events.md`. A function's own answers lie with
//! its routes.

pub mod answers;
pub mod events;
