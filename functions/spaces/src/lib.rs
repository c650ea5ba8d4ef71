//! spaces.
