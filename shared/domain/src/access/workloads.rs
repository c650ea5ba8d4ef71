//! Who has what: AWS accounts, Spaces with their owners and workloads, and what an owner expects a workload to cost.

pub mod account;
pub mod estimate;
pub mod space;
