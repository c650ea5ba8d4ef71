//! What crosses a boundary: governance events, versioned, and the shapes of API answers that several crates share.
//!
//! Everything here is data. Rules live in `domain`; keys and items in `store`.

pub mod answers;
pub mod events;
