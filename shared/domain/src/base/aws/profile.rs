//! The ARNs of what a model is called through on Bedrock: the one place that takes them apart.

use serde::{Deserialize, Serialize};

use super::{AccountId, Partition, Region};

/// What a model is called through: `arn:…:bedrock:R::foundation-model/ID`,
/// `arn:…:bedrock:R:A:inference-profile/GEO.ID`, `arn:…:bedrock:R:A:application-inference-profile/X`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalledThrough<'a> {
    /// The model itself, by its id.
    Model(&'a str),
    /// An inference profile of AWS's, by its id.
    SystemProfile(&'a str),
    /// An account's own profile.
    ApplicationProfile,
}

impl<'a> CalledThrough<'a> {
    /// What an ARN names; nothing if it is another resource's.
    #[must_use]
    pub fn parse(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        if parts.next() != Some("arn") || parts.nth(1) != Some("bedrock") {
            return None;
        }
        match parts.nth(2)?.split_once('/')? {
            ("foundation-model", id) => Some(Self::Model(id)),
            ("inference-profile", id) => Some(Self::SystemProfile(id)),
            ("application-inference-profile", _) => Some(Self::ApplicationProfile),
            _ => None,
        }
    }
}

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
        match CalledThrough::parse(arn)? {
            CalledThrough::ApplicationProfile => Some(Self::Application),
            CalledThrough::SystemProfile(id) if id.starts_with("global.") => Some(Self::Global),
            CalledThrough::SystemProfile(_) => Some(Self::System),
            CalledThrough::Model(_) => None,
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
