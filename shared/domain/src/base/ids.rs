//! Identifiers, declared together. Each is a prefix, an underscore and URL-safe text that sorts by creation time.
//!
//! The domain has no randomness: callers hand in the time and 80 bits of entropy. Ids that follow from a natural key
//! (task, spend card, gap) are derived from it, so that a repeated delivery makes the same id again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// Text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not an id of the form `{prefix}_…`; copy the id from a list or from the answer that created it")]
pub struct MalformedId {
    /// The text as given.
    pub given: String,
    /// The prefix that was expected.
    pub prefix: &'static str,
}

/// Longest id accepted, prefix included: derived ids hold two other ids, and a DynamoDB key holds 1,024 bytes.
const ID_BYTES_MAX: usize = 120;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What ids of this kind begin with, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id that sorts by `at`; `entropy` contributes its low 80 bits.
            #[must_use]
            pub fn new(at: Timestamp, entropy: u128) -> Self {
                let milliseconds = u64::try_from(at.as_millisecond()).unwrap_or(0);
                Self(format!("{}_{}", $prefix, Ulid::from_parts(milliseconds, entropy)))
            }

            /// An id that follows from a natural key; characters outside `[A-Za-z0-9._-]` become `-`.
            #[must_use]
            pub fn derived(natural_key: &str) -> Self {
                let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                let mut id = String::with_capacity($prefix.len() + 1 + natural_key.len());
                id.push_str(concat!($prefix, "_"));
                for (number, safe) in natural_key.split(|c| !is_safe(c)).enumerate() {
                    id.push_str(if number > 0 { "-" } else { "" });
                    id.push_str(safe);
                }
                Self(id)
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The part after the prefix, from which other ids are derived.
            #[must_use]
            pub fn suffix(&self) -> &str {
                self.0.strip_prefix(concat!($prefix, "_")).unwrap_or(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = MalformedId;
            fn try_from(given: String) -> Result<Self, MalformedId> {
                let well_formed = given.len() <= ID_BYTES_MAX
                    && given.strip_prefix(concat!($prefix, "_")).is_some_and(|rest| {
                        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
                    });
                if well_formed { Ok(Self(given)) } else { Err(MalformedId { given, prefix: $prefix }) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = MalformedId;
            fn from_str(given: &str) -> Result<Self, MalformedId> {
                given.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "pattern": concat!("^", $prefix, "_[A-Za-z0-9._-]+$")})
            }
        }
    )+};
}

ids! {
    /// A Space: the Product Owners' container of workloads.
    SpaceId = "spc";
    /// A workload: one application that uses models.
    WorkloadId = "wkl";
    /// A Business Request.
    RequestId = "req";
    /// A FinOps Lead's approval.
    ApprovalId = "apr";
    /// One scope of an approval, and with it one task chain.
    ScopeId = "scp";
    /// A Cloud Engineer's task; derived from its scope and its place in the chain.
    TaskId = "tsk";
    /// A claim of an attribution anchor.
    ClaimId = "clm";
    /// A Lead's proposal to an owner.
    ProposalId = "prp";
    /// A version of an estimate.
    EstimateId = "est";
    /// A spend card; derived from kind, period and workload.
    CardId = "crd";
    /// A gap; derived from kind, billing period and what it is about.
    GapId = "gap";
    /// One ingestion run; derived from billing period and manifest.
    RunId = "run";
    /// An export that a worker writes.
    ExportId = "exp";
    /// A verification of a day of the audit record that a worker carries out.
    VerificationId = "ver";
    /// A drift finding; derived from the role.
    DriftId = "drf";
    /// An audit event; derived from its aggregate and version.
    EventId = "evt";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_prefix_and_refuse_any_other() {
        let at = Timestamp::UNIX_EPOCH;
        let id = ApprovalId::new(at, 7);
        assert_eq!(id.as_str().parse::<ApprovalId>(), Ok(id.clone()));
        for bad in ["", "apr_", "req_01", "apr_a/b", "apr_a b", "apr_é"] {
            assert!(bad.parse::<ApprovalId>().is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<TaskId>("\"apr_01\"").is_err());
        assert_eq!(TaskId::derived("a/b").as_str(), "tsk_a-b");
    }
}
