//! What a decision asks an engineer to do: one chain per approved scope, its tasks in order, and their instructions.
//!
//! `handoff` is what the workload's developers get once it is done; `migration` is the tag that AWS's Migration
//! Acceleration Program asks for.

pub mod chain;
pub mod handoff;
pub mod instructions;
pub mod migration;
pub mod task;
