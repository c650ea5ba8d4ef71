//! Reads live roles through the read-only role of their account. What it assumes can change nothing there.
//!
//! IAM is consistent only after a while: a difference is read again before anybody believes it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_iam::Client;
use aws_sdk_iam::error::ProvideErrorMetadata;
use domain::access::policy::live::UnreadableCause;
use domain::access::policy::live::{Boundary, LiveRole};
use domain::access::tasks::instructions::Drift;
use domain::access::tasks::migration::tag::{self, TagHolder};
use domain::base::aws::{AccountId, Partition, RoleName};
use lambda::Host;
use percent_encoding::percent_decode_str;
use reader::{NoEntry, cause_of, reason};

/// How the reading shows up in the account's trail.
const SESSION_NAME: &str = "finops-center-drift";

/// After how long a role that differs is read again, when an engineer completes a task and waits for the answer: a
/// change reaches all of IAM within seconds, most within the first two.
pub(crate) const AFTER_A_CHANGE: &[Duration] =
    &[Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// The same at night, when a change that is a second old would be a coincidence.
pub(crate) const AT_NIGHT: &[Duration] = &[Duration::from_secs(1)];

/// Why a live role could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// The account lets nobody in.
    #[error(transparent)]
    NoEntry(#[from] NoEntry),
    /// IAM did not answer a call.
    #[error("{operation} was not answered: {why}")]
    NotAnswered { operation: &'static str, cause: UnreadableCause, why: String },
    /// IAM answered what cannot be a policy.
    #[error("{operation} answered no document that can be decoded")]
    NotDecoded { operation: &'static str },
    /// What is approved on the role cannot be compiled, so there is nothing to compare with.
    #[error("{0}")]
    NothingToCompare(String),
    /// It took longer than somebody waits.
    #[error("IAM did not answer in time; the nightly check reads the role again")]
    TooSlow,
}

impl ReadError {
    /// What kept the role from being judged.
    pub(crate) const fn cause(&self) -> UnreadableCause {
        match self {
            Self::NoEntry(entry) => entry.cause(),
            Self::NotAnswered { cause, .. } => *cause,
            Self::NotDecoded { .. } => UnreadableCause::NotDecoded,
            Self::NothingToCompare(_) => UnreadableCause::NotComparable,
            Self::TooSlow => UnreadableCause::NotAnswered,
        }
    }
}

/// A role as it was last read, and how it departs from what is approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) drift: Drift,
    pub(crate) live: Option<LiveRole>,
}

/// The way into one account.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    host: Host,
    credentials: Credentials,
    iam: Client,
}

impl Reader {
    /// Assumes the account's reader role.
    pub(crate) async fn of_account(host: &Host, partition: Partition, account: &AccountId) -> Result<Self, ReadError> {
        let credentials = reader::enter(host, partition, account, SESSION_NAME).await?;
        let config = host.aws.config_as(credentials.clone(), host.aws.region());
        Ok(Self { host: host.clone(), credentials, iam: Client::new(&config) })
    }

    /// What `diff` says of the live role, once it says so again after each of the pauses. A role that is not there is
    /// not read again: the steps of a task wait for it (`iam wait role-exists`) before they go on.
    pub(crate) async fn compare(
        &self,
        name: &RoleName,
        profiles: &[TagHolder],
        pauses: &[Duration],
        diff: impl Fn(Option<&LiveRole>) -> Result<Drift, ReadError> + Send + Sync,
    ) -> Result<Looked, ReadError> {
        let mut pauses = pauses.iter();
        loop {
            let live = self.read(name, profiles).await?;
            let drift = diff(live.as_ref())?;
            let pause = pauses.next().filter(|_| !drift.is_none() && !drift.missing);
            let Some(pause) = pause else { return Ok(Looked { drift, live }) };
            self.host.clock.pause(*pause).await;
        }
    }

    /// Everything that says what the role may do; `None` if there is no such role.
    async fn read(&self, name: &RoleName, profiles: &[TagHolder]) -> Result<Option<LiveRole>, ReadError> {
        let role = match self.iam.get_role().role_name(name.as_str()).send().await {
            Ok(answer) => answer.role,
            Err(error) if error.code() == Some("NoSuchEntity") => return Ok(None),
            Err(error) => return Err(not_answered("GetRole", &error)),
        };
        let role = role.ok_or(ReadError::NotDecoded { operation: "GetRole" })?;
        let mut live = LiveRole {
            trust: decoded("GetRole", role.assume_role_policy_document())?,
            tags: role.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect(),
            profile_tags: self.map_tags(profiles).await,
            ..LiveRole::default()
        };
        let boundary = role.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn());
        if let Some(arn) = boundary {
            live.boundary = Some(Boundary { arn: arn.to_owned(), document: self.managed(arn).await? });
        }
        let names = self.iam.list_role_policies().role_name(name.as_str()).into_paginator().items().send();
        let names: Result<Vec<String>, _> = names.collect().await;
        for policy in names.map_err(|error| not_answered("ListRolePolicies", &error))? {
            let answer = self.iam.get_role_policy().role_name(name.as_str()).policy_name(&policy).send().await;
            let answer = answer.map_err(|error| not_answered("GetRolePolicy", &error))?;
            live.inline.insert(policy, decoded("GetRolePolicy", Some(answer.policy_document()))?);
        }
        let attached = self.iam.list_attached_role_policies().role_name(name.as_str()).into_paginator().items().send();
        let attached: Result<Vec<_>, _> = attached.collect().await;
        for policy in attached.map_err(|error| not_answered("ListAttachedRolePolicies", &error))? {
            let Some(arn) = policy.policy_arn else { continue };
            let document = self.managed(&arn).await?;
            live.attached.insert(arn, document);
        }
        Ok(Some(live))
    }

    /// The default version of a managed policy. One that is attached and whose text is not to be had is an empty text,
    /// which counts as whatever is worse.
    async fn managed(&self, arn: &str) -> Result<String, ReadError> {
        let policy = self.iam.get_policy().policy_arn(arn).send().await;
        let policy = policy.map_err(|error| not_answered("GetPolicy", &error))?;
        let version = policy.policy().and_then(|p| p.default_version_id()).unwrap_or("v1");
        match self.iam.get_policy_version().policy_arn(arn).version_id(version).send().await {
            Ok(answer) => decoded("GetPolicyVersion", answer.policy_version().and_then(|v| v.document())),
            Err(error) if error.code() == Some("NoSuchEntity") => Ok(String::new()),
            Err(error) => Err(not_answered("GetPolicyVersion", &error)),
        }
    }

    /// The MAP tag of each of these profiles. One that cannot be read is left out: a tag about money does not make the
    /// access of a role unreadable.
    async fn map_tags(&self, profiles: &[TagHolder]) -> BTreeMap<String, Option<String>> {
        let mut found = BTreeMap::new();
        for holder in profiles {
            let TagHolder::Profile { arn, region } = holder else { continue };
            let config = self.host.aws.config_as(self.credentials.clone(), region.as_str());
            let answer = aws_sdk_bedrock::Client::new(&config).list_tags_for_resource().resource_arn(arn).send().await;
            match answer {
                Ok(answer) => {
                    let tag = answer.tags().iter().find(|tag| tag.key() == tag::KEY);
                    found.insert(arn.clone(), tag.map(|tag| tag.value().to_owned()));
                }
                Err(error) if error.code() == Some("ResourceNotFoundException") => _ = found.insert(arn.clone(), None),
                Err(error) => {
                    tracing::warn!(profile.arn = arn, why = reason(&error), "the MAP tag of a profile was not read");
                }
            }
        }
        found
    }
}

/// IAM answers documents percent-encoded (RFC 3986).
fn decoded(operation: &'static str, document: Option<&str>) -> Result<String, ReadError> {
    let text = document.and_then(|document| percent_decode_str(document).decode_utf8().ok());
    text.map(std::borrow::Cow::into_owned).ok_or(ReadError::NotDecoded { operation })
}

fn not_answered(operation: &'static str, error: &(impl ProvideErrorMetadata + std::fmt::Display)) -> ReadError {
    ReadError::NotAnswered { operation, cause: cause_of(error.code()), why: reason(error) }
}

#[cfg(test)]
mod tests;
