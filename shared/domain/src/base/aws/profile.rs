//! The ARNs of inference profiles: which kind one is of, and whether it is an account's own.

use serde::{Deserialize, Serialize};

use super::{AccountId, Partition, Region};

/// Which kind of inference profile an ARN names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileKind {
    /// AWS's own, routing within a geography: `us.…`, `eu.…`.
    System,
    /// The account's own, copied from a model or a system profile; carries tags.
    Application,
    /// AWS's own, routing anywhere: `global.…`.
    Global,
}

impl ProfileKind {
    /// The kind that an ARN shows; none if it is not an inference profile's.
    #[must_use]
    pub fn of_arn(arn: &str) -> Option<Self> {
        match arn.splitn(6, ':').nth(5)?.split_once('/')? {
            ("application-inference-profile", _) => Some(Self::Application),
            ("inference-profile", id) if id.starts_with("global.") => Some(Self::Global),
            ("inference-profile", _) => Some(Self::System),
            _ => None,
        }
    }
}

/// Whether this is the ARN of an application profile in a place.
#[must_use]
pub fn is_application_profile(arn: &str, account: &AccountId, region: &Region) -> bool {
    let partition = Partition::of_region(region);
    let prefix = format!("arn:{}:bedrock:{region}:{account}:application-inference-profile/", partition.as_str());
    arn.strip_prefix(&prefix)
        .is_some_and(|id| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric()))
}
