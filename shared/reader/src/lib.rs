//! The way into a member account: its read-only role (`infra/member-account-role.yaml`), assumed with the
//! organisation's ExternalId. What is assumed can change nothing there, and nothing else is ever assumed.
//!
//! `task-sequencing` reads live roles and `model-discovery` reads models and profiles through it. Whoever is kept out
//! learns why ([`NoEntry`]), since "could not be read" must never be taken for "is not there".

use aws_credential_types::Credentials;
use aws_sdk_sts::error::ProvideErrorMetadata;
use domain::access::policy::live::UnreadableCause;
use domain::base::aws::{AccountId, Partition};
use lambda::Host;

/// Names the reader role, the same in every account.
const READER_ROLE_NAME: &str = "READER_ROLE_NAME";
/// What the reader role asks of whoever assumes it.
const READER_EXTERNAL_ID: &str = "READER_EXTERNAL_ID";

/// Why an account cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoEntry {
    /// The product was deployed without a reader role.
    #[error("no reader role is configured; set ReaderRoleName of template.yaml")]
    NotConfigured,
    /// The account's reader role cannot be assumed.
    #[error("`{role_arn}` cannot be assumed: {why}; roll out infra/member-account-role.yaml in that account")]
    NotAssumed {
        /// The role.
        role_arn: String,
        /// What kept the product out.
        cause: UnreadableCause,
        /// The same, in the service's own words.
        why: String,
    },
}

impl NoEntry {
    /// What kept the product out.
    #[must_use]
    pub const fn cause(&self) -> UnreadableCause {
        match self {
            Self::NotConfigured => UnreadableCause::NotConfigured,
            Self::NotAssumed { cause, .. } => *cause,
        }
    }
}

/// Assumes an account's reader role; `session` is how the reading shows up in the account's trail.
///
/// # Errors
/// [`NoEntry`]: a fact about the deployment or the account, which a repetition at once does not change.
pub async fn enter(
    host: &Host,
    partition: Partition,
    account: &AccountId,
    session: &'static str,
) -> Result<Credentials, NoEntry> {
    let name = host.env.get(READER_ROLE_NAME).ok_or(NoEntry::NotConfigured)?;
    let role_arn = format!("arn:{}:iam::{account}:role/{name}", partition.as_str());
    let assumed = aws_sdk_sts::Client::new(&host.aws.config())
        .assume_role()
        .role_arn(&role_arn)
        .role_session_name(session)
        .set_external_id(host.env.get(READER_EXTERNAL_ID).map(str::to_owned))
        .send()
        .await;
    let refused = |cause, why: String| NoEntry::NotAssumed { role_arn: role_arn.clone(), cause, why };
    let assumed = assumed.map_err(|error| {
        // To be denied here is to be refused by the role, or that there is none: STS says the same of both.
        let cause = match cause_of(error.code()) {
            UnreadableCause::Denied => UnreadableCause::AssumptionRefused,
            other => other,
        };
        refused(cause, reason(&error))
    })?;
    let none = || refused(UnreadableCause::NotDecoded, "it gave no credentials".to_owned());
    let keys = assumed.credentials().ok_or_else(none)?;
    let token = Some(keys.session_token().to_owned());
    Ok(Credentials::new(keys.access_key_id(), keys.secret_access_key(), token, None, "reader-role"))
}

/// What a service's error code means for a reading.
#[must_use]
pub fn cause_of(code: Option<&str>) -> UnreadableCause {
    match code {
        Some("AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation") => UnreadableCause::Denied,
        Some("Throttling" | "ThrottlingException" | "TooManyRequestsException" | "RequestLimitExceeded") => {
            UnreadableCause::Throttled
        }
        Some(_) | None => UnreadableCause::NotAnswered,
    }
}

/// The service's own words, if it said any: `AccessDenied: User … is not authorized …`.
pub fn reason(error: &(impl ProvideErrorMetadata + std::fmt::Display)) -> String {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => error.to_string(),
    }
}
