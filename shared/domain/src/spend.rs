//! What was spent, who answers for it, and who signed.
//!
//! `bill` reads rows of CUR 2.0 into facts and attributes each to a workload; what it cannot attribute is a `gap`, or
//! a named exclusion. Each week a workload's owner signs a `card`, actual against estimate; the Lead reviews the
//! `portfolio`. `month` says when a billing period is final, `export` what is taken along, `proposal` what a gap
//! suggests to request.
//!
//! It knows `access`, since claims and approvals decide where an amount belongs, and never the notices about it.

pub mod bill;
pub mod card;
pub mod export;
pub mod gap;
pub mod month;
pub mod portfolio;
pub mod proposal;
