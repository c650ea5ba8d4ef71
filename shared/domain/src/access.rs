//! Who may use which model where, and that it is so.
//!
//! The flow: owners describe `workloads`; the Lead decides about `models`; owners ask and the Lead approves in
//! `decisions`; what was approved becomes `tasks` for an engineer, whose documents `policy` compiles. `drift`
//! compares what lives in the account with what is approved. An `anchor` is what a workload's use is known by on the
//! bill, and who claims it.
//!
//! `policy` knows plain values only: whoever has the chain makes the grant. The wing must never know what was spent:
//! what a rule needs of the bill or of the settings is handed in as a value.

pub mod anchor;
pub mod decisions;
pub mod drift;
pub mod models;
pub mod policy;
pub mod tasks;
pub mod workloads;
