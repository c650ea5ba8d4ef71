//! A live role: what its account shows of it, or why nothing is known of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A role as its account shows it; documents are percent-decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LiveRole {
    /// Its trust policy.
    pub trust: String,
    /// Its inline policies, by name.
    pub inline: BTreeMap<String, String>,
    /// The default versions of the managed policies attached to it, by ARN.
    pub attached: BTreeMap<String, String>,
    /// Its permissions boundary.
    pub boundary: Option<Boundary>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The MAP tag of those application profiles of its scopes that could be read, by ARN; none is a profile without
    /// it.
    pub profile_tags: BTreeMap<String, Option<String>>,
}

/// A managed policy beyond which a role can do nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// Its ARN.
    pub arn: String,
    /// Its default version.
    pub document: String,
}

/// Why a live role cannot be judged.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema, Default,
)]
#[serde(rename_all = "kebab-case")]
pub enum UnreadableCause {
    /// The product was deployed without a reader role.
    NotConfigured,
    /// The account's reader role is not there, or does not let the product in.
    AssumptionRefused,
    /// The reader role may not make the call.
    Denied,
    /// The account makes more calls than IAM answers.
    Throttled,
    /// IAM did not answer, or not in time.
    #[default]
    NotAnswered,
    /// It answered what cannot be read.
    NotDecoded,
    /// What is approved on the role cannot be compiled, so there is nothing to compare with.
    NotComparable,
}
