//! Exactly what was approved, as IAM documents: typed statements, never text.
//!
//! [`compile()`] turns all active grants on a role into the one document that lives on it; the other modules make trust
//! policies and organisation denies, judge a document ([`evaluate`](mod@evaluate), [`linter`]) and compare it with the
//! live one. Nothing here may add an action, resource or principal that no approval contains.
//!
//! A newcomer's trap: IAM cannot name a model on Claude Platform, and `bedrock:*` does not cover `bedrock-mantle`.

pub mod agents;
pub mod bedrock;
pub mod claude;
pub mod compare;
pub mod compile;
pub mod condition;
pub mod document;
pub mod evaluate;
pub mod grant;
pub mod linter;
pub mod live;
pub mod organisation;
pub mod parse;
pub mod trust;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod goldens;

pub use compare::compare;
pub use compile::compile;
pub use evaluate::evaluate;

/// The inline policy's name on every governed role: one name, so that putting it again replaces it.
pub const POLICY_NAME: &str = "FinOpsCenterApproved";

/// The tag that names the approval on everything an engineer creates for it.
pub const APPROVAL_TAG: &str = "finops-approval";
