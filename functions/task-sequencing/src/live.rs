//! Reads live roles through the read-only role of their account. What it assumes can change nothing there.
//!
//! IAM is consistent only after a while: a difference is read again before anybody believes it.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_iam::Client;
use aws_sdk_iam::error::ProvideErrorMetadata;
use domain::aws::{AccountId, Partition, RoleName};
use domain::drift::live::{Boundary, LiveRole};
use domain::instructions::Drift;
use lambda::Platform;
use percent_encoding::percent_decode_str;

/// Names the reader role, the same in every account (`infra/member-account-role.yaml`).
const READER_ROLE_NAME: &str = "READER_ROLE_NAME";
/// What the reader role asks of whoever assumes it.
const READER_EXTERNAL_ID: &str = "READER_EXTERNAL_ID";
/// How the reading shows up in the account's trail.
const SESSION_NAME: &str = "finops-center-drift";

/// How often a role that differs is read again, and how long after: a change reaches all of IAM within a second or two,
/// and an engineer who completes a task waits for the answer.
const READ_AGAIN_MAX: u32 = 2;
const READ_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Why a live role could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// The product was deployed without one.
    #[error("no reader role is configured; set ReaderRoleName of template.yaml")]
    NotConfigured,
    /// The account's reader role cannot be assumed.
    #[error("`{role_arn}` cannot be assumed: {why}; roll out infra/member-account-role.yaml in that account")]
    NotAssumed { role_arn: String, why: String },
    /// IAM did not answer a call.
    #[error("{operation} was not answered: {why}")]
    NotAnswered { operation: &'static str, why: String },
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

/// The way into one account.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    iam: Client,
}

impl Reader {
    /// Assumes the account's reader role.
    pub(crate) async fn of_account(
        platform: &Platform,
        partition: Partition,
        account: &AccountId,
    ) -> Result<Self, ReadError> {
        let name = platform.env.get(READER_ROLE_NAME).ok_or(ReadError::NotConfigured)?;
        let role_arn = format!("arn:{}:iam::{account}:role/{name}", partition.as_str());
        let assumed = aws_sdk_sts::Client::new(&platform.aws.config())
            .assume_role()
            .role_arn(&role_arn)
            .role_session_name(SESSION_NAME)
            .set_external_id(platform.env.get(READER_EXTERNAL_ID).map(str::to_owned))
            .send()
            .await;
        let refused = |why: String| ReadError::NotAssumed { role_arn: role_arn.clone(), why };
        let assumed = assumed.map_err(|error| refused(reason(&error)))?;
        let keys = assumed.credentials().ok_or_else(|| refused("it gave no credentials".to_owned()))?;
        let token = Some(keys.session_token().to_owned());
        let credentials = Credentials::new(keys.access_key_id(), keys.secret_access_key(), token, None, "reader-role");
        Ok(Self { iam: Client::new(&platform.aws.config_as(credentials, platform.aws.region())) })
    }

    /// What `diff` says of the live role, once it says so again. A role that is not there is not read again: the steps of
    /// a task wait for it (`iam wait role-exists`) before they go on.
    pub(crate) async fn compare(
        &self,
        name: &RoleName,
        diff: impl Fn(Option<&LiveRole>) -> Result<Drift, ReadError> + Send + Sync,
    ) -> Result<Drift, ReadError> {
        let mut read_again = 0;
        loop {
            let drift = diff(self.read(name).await?.as_ref())?;
            if drift.is_none() || drift.missing || read_again == READ_AGAIN_MAX {
                return Ok(drift);
            }
            read_again += 1;
            tokio::time::sleep(READ_AGAIN_AFTER).await;
        }
    }

    /// Everything that says what the role may do; `None` if there is no such role.
    async fn read(&self, name: &RoleName) -> Result<Option<LiveRole>, ReadError> {
        let role = match self.iam.get_role().role_name(name.as_str()).send().await {
            Ok(answer) => answer.role,
            Err(error) if error.code() == Some("NoSuchEntity") => return Ok(None),
            Err(error) => return Err(not_answered("GetRole")(reason(&error))),
        };
        let role = role.ok_or(ReadError::NotDecoded { operation: "GetRole" })?;
        let mut live =
            LiveRole { trust: decoded("GetRole", role.assume_role_policy_document())?, ..LiveRole::default() };
        let boundary = role.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn());
        if let Some(arn) = boundary {
            live.boundary = Some(Boundary { arn: arn.to_owned(), document: self.managed(arn).await? });
        }
        let names = self.iam.list_role_policies().role_name(name.as_str()).into_paginator().items().send();
        let names: Result<Vec<String>, _> = names.collect().await;
        for policy in names.map_err(|error| not_answered("ListRolePolicies")(reason(&error)))? {
            let answer = self.iam.get_role_policy().role_name(name.as_str()).policy_name(&policy).send().await;
            let answer = answer.map_err(|error| not_answered("GetRolePolicy")(reason(&error)))?;
            live.inline.insert(policy, decoded("GetRolePolicy", Some(answer.policy_document()))?);
        }
        let attached = self.iam.list_attached_role_policies().role_name(name.as_str()).into_paginator().items().send();
        let attached: Result<Vec<_>, _> = attached.collect().await;
        for policy in attached.map_err(|error| not_answered("ListAttachedRolePolicies")(reason(&error)))? {
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
        let policy = policy.map_err(|error| not_answered("GetPolicy")(reason(&error)))?;
        let version = policy.policy().and_then(|p| p.default_version_id()).unwrap_or("v1");
        match self.iam.get_policy_version().policy_arn(arn).version_id(version).send().await {
            Ok(answer) => decoded("GetPolicyVersion", answer.policy_version().and_then(|v| v.document())),
            Err(error) if error.code() == Some("NoSuchEntity") => Ok(String::new()),
            Err(error) => Err(not_answered("GetPolicyVersion")(reason(&error))),
        }
    }
}

/// IAM answers documents percent-encoded (RFC 3986).
fn decoded(operation: &'static str, document: Option<&str>) -> Result<String, ReadError> {
    let text = document.and_then(|document| percent_decode_str(document).decode_utf8().ok());
    text.map(std::borrow::Cow::into_owned).ok_or(ReadError::NotDecoded { operation })
}

fn not_answered(operation: &'static str) -> impl FnOnce(String) -> ReadError {
    move |why| ReadError::NotAnswered { operation, why }
}

/// The service's own words, if it said any: `AccessDenied: User … is not authorized …`.
fn reason(error: &(impl ProvideErrorMetadata + std::fmt::Display)) -> String {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_decoded_as_iam_encodes_them() {
        assert_eq!(decoded("GetRole", Some("%7B%22a%22%3A%22b+c%22%7D")), Ok(r#"{"a":"b+c"}"#.to_owned()));
        let undecodable = Err(ReadError::NotDecoded { operation: "GetRole" });
        assert_eq!(decoded("GetRole", Some("%ff")), undecodable);
        assert_eq!(decoded("GetRole", None), undecodable);
    }
}
