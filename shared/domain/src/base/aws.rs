//! AWS identifiers: accounts, regions, partitions, role names, ARNs, and the principals that the bill names.
//!
//! A claim is matched on (partition, account, role name), never on an ARN string: an assumed-role ARN carries no IAM
//! path, sessions differ from call to call, and one role name may exist in many accounts.

pub mod profile;

use serde::{Deserialize, Serialize};

use crate::checked_text;

checked_text! {
    /// A 12-digit AWS account id.
    AccountId, "accountId", "must be 12 digits",
    |t| t.len() == 12 && t.bytes().all(|b| b.is_ascii_digit())
}

checked_text! {
    /// An AWS region code such as `us-east-1`; whether the account is governed there is the registry's to say.
    Region, "region", "must be an AWS region code such as us-east-1",
    |t| {
        let parts: Vec<&str> = t.split('-').collect();
        (3..=4).contains(&parts.len()) && t.len() <= 25
            && parts.iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
            && parts.last().is_some_and(|p| p.len() <= 2 && p.bytes().all(|b| b.is_ascii_digit()))
    }
}

checked_text! {
    /// An IAM role name (IAM quota: 64 characters of `[\w+=,.@-]`).
    RoleName, "iamRole", "must be 1 to 64 characters of A-Z a-z 0-9 _ + = , . @ -",
    |t| (1..=64).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

checked_text! {
    /// A Claude Platform workspace name as the FinOps Lead gives it.
    WorkspaceName, "workspaceName", "must be 1 to 64 characters of A-Z a-z 0-9 _ . - and space, starting with a \
        letter or digit",
    |t| (1..=64).contains(&t.len()) && t.starts_with(|c: char| c.is_ascii_alphanumeric())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"_ .-".contains(&b))
}

/// An AWS partition; account ids and ARNs mean something only within one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema, Default,
)]
pub enum Partition {
    /// Commercial regions.
    #[default]
    #[serde(rename = "aws")]
    Aws,
    /// China regions.
    #[serde(rename = "aws-cn")]
    AwsCn,
    /// GovCloud regions.
    #[serde(rename = "aws-us-gov")]
    AwsUsGov,
}

impl Partition {
    /// The partition's name in an ARN.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsCn => "aws-cn",
            Self::AwsUsGov => "aws-us-gov",
        }
    }

    /// The partition that an ARN names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Aws, Self::AwsCn, Self::AwsUsGov].into_iter().find(|p| p.as_str() == text)
    }

    /// The partition that a region belongs to.
    #[must_use]
    pub fn of_region(region: &Region) -> Self {
        match region.as_str() {
            r if r.starts_with("cn-") => Self::AwsCn,
            r if r.starts_with("us-gov-") => Self::AwsUsGov,
            _ => Self::Aws,
        }
    }
}

/// A role, by what identifies it in the bill.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleRef {
    /// The partition of the account.
    pub partition: Partition,
    /// The account that holds the role.
    pub account_id: AccountId,
    /// The role's name, without path.
    pub name: RoleName,
}

impl RoleRef {
    /// The role's ARN without an IAM path; generated roles have none.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:{}:iam::{}:role/{}", self.partition.as_str(), self.account_id, self.name)
    }

    /// Reads `arn:…:iam::A:role/[path/]R` or `arn:…:sts::A:assumed-role/R/session`.
    #[must_use]
    pub fn parse_arn(arn: &str) -> Option<Self> {
        match Principal::parse(arn) {
            Principal::Role(role) => Some(role),
            _ => None,
        }
    }
}

/// A Claude Platform workspace, by its ARN.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkspaceArn {
    /// The partition.
    pub partition: Partition,
    /// The workspace's region: gateway, IAM and billing scope, not where inference runs.
    pub region: Region,
    /// The account that owns the workspace.
    pub account_id: AccountId,
    /// `wrkspc_…`
    pub workspace_id: String,
}

/// Text that is not a workspace ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a workspace ARN; it reads arn:aws:aws-external-anthropic:REGION:ACCOUNT:workspace/wrkspc_ID")]
pub struct MalformedWorkspaceArn(pub String);

impl WorkspaceArn {
    /// Reads `arn:…:aws-external-anthropic:{region}:{account}:workspace/wrkspc_…`
    /// (Claude Platform on AWS user guide, "IAM actions").
    #[must_use]
    pub fn parse(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let id = resource.strip_prefix("workspace/")?;
        let suffix = id.strip_prefix("wrkspc_")?;
        if scheme != "arn" || service != "aws-external-anthropic" || suffix.is_empty() || suffix.len() > 64 {
            return None;
        }
        if !suffix.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        Some(Self {
            partition: Partition::parse(partition)?,
            region: region.parse().ok()?,
            account_id: account.parse().ok()?,
            workspace_id: id.to_owned(),
        })
    }
}

impl std::fmt::Display for WorkspaceArn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { partition, region, account_id, workspace_id } = self;
        write!(f, "arn:{}:aws-external-anthropic:{region}:{account_id}:workspace/{workspace_id}", partition.as_str())
    }
}

impl TryFrom<String> for WorkspaceArn {
    type Error = MalformedWorkspaceArn;
    fn try_from(given: String) -> Result<Self, Self::Error> {
        Self::parse(&given).ok_or(MalformedWorkspaceArn(given))
    }
}

impl From<WorkspaceArn> for String {
    fn from(arn: WorkspaceArn) -> String {
        arn.to_string()
    }
}

impl schemars::JsonSchema for WorkspaceArn {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WorkspaceArn".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^arn:aws[a-z-]*:aws-external-anthropic:[a-z0-9-]+:\\d{12}:workspace/wrkspc_[A-Za-z0-9]+$",
        })
    }
}

/// Who a row of the bill says made the call (`line_item_iam_principal`), sessions folded into their role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// NULL or empty: AWS writes both.
    Blank,
    /// A role, called directly or through any of its sessions.
    Role(RoleRef),
    /// An IAM user, API-key users (`BedrockAPIKey-…`) included.
    User {
        /// The partition.
        partition: Partition,
        /// The account.
        account_id: AccountId,
        /// The user's name, without path.
        name: String,
    },
    /// Anything else, kept as it stands: an account root, a federated user, a form not seen yet.
    Other(String),
}

impl Principal {
    /// Reads any text the column may hold; never fails, since an unreadable principal still has dollars.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() {
            return Self::Blank;
        }
        Self::parse_known(text).unwrap_or_else(|| Self::Other(text.to_owned()))
    }

    fn parse_known(text: &str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        if scheme != "arn" || !region.is_empty() {
            return None;
        }
        let partition = Partition::parse(partition)?;
        let account_id: AccountId = account.parse().ok()?;
        let (kind, rest) = resource.split_once('/')?;
        match (service, kind) {
            ("sts", "assumed-role") => {
                let (role, _session) = rest.split_once('/').unwrap_or((rest, ""));
                Some(Self::Role(RoleRef { partition, account_id, name: role.parse().ok()? }))
            }
            ("iam", "role") => {
                let name = rest.rsplit('/').next()?.parse().ok()?;
                Some(Self::Role(RoleRef { partition, account_id, name }))
            }
            ("iam", "user") => {
                let name = rest.rsplit('/').next().filter(|n| !n.is_empty())?.to_owned();
                Some(Self::User { partition, account_id, name })
            }
            _ => None,
        }
    }
}

/// Names of roles that stand for many people or uses, so that spend of one cannot be told apart: `*` for any text,
/// letter case aside.
#[derive(Debug, Clone, Copy)]
pub struct BroadRoles<'a>(pub &'a [String]);

impl BroadRoles<'_> {
    /// Whether a role's name is one of them.
    #[must_use]
    pub fn include(self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.0.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), &name))
    }
}

/// Whether `text` has the form of `pattern`, where `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((prefix, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(prefix) else { return false };
    let (middle, suffix) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_of_a_role_is_that_role_and_odd_principals_stay_as_they_are() {
        let role = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
        let check = |text: &str, expected: Option<&str>| {
            let got = match Principal::parse(text) {
                Principal::Role(r) => Some(r.arn()),
                _ => None,
            };
            assert_eq!(got.as_deref(), expected, "{text}");
        };
        check("arn:aws:sts::111122223333:assumed-role/App/i-0abc", Some(&role("App")));
        check("arn:aws:sts::111122223333:assumed-role/App/user@acme.org", Some(&role("App")));
        check("arn:aws:sts::111122223333:assumed-role/App", Some(&role("App")));
        check("arn:aws:iam::111122223333:role/service-role/deep/App", Some(&role("App")));
        check("arn:aws:iam::111122223333:user/BedrockAPIKey-x", None);
        check("arn:aws:iam::111122223333:root", None);
        check("AROAEXAMPLE:session", None);
        check("arn:aws:iam::1:role/App", None);
        assert_eq!(Principal::parse(" "), Principal::Blank);
        assert_ne!(Principal::parse("arn:aws-cn:iam::111122223333:role/App"), Principal::parse(&role("App")));
    }

    #[test]
    fn identifiers_refuse_what_aws_would_refuse() {
        for bad in ["", "us-east", "US-EAST-1", "us-east-1'", "us--1"] {
            assert!(bad.parse::<Region>().is_err(), "{bad}");
        }
        for good in ["us-east-1", "us-gov-west-1", "ap-southeast-3", "mx-central-1"] {
            assert!(good.parse::<Region>().is_ok(), "{good}");
        }
        assert!("role name".parse::<RoleName>().is_err());
        assert!("$(id)".parse::<RoleName>().is_err());
        assert!("-lead".parse::<WorkspaceName>().is_err());
        let arn = "arn:aws:aws-external-anthropic:us-west-2:111122223333:workspace/wrkspc_01Ab";
        assert_eq!(WorkspaceArn::parse(arn).map(|w| w.to_string()).as_deref(), Some(arn));
        assert!(
            WorkspaceArn::parse("arn:aws:aws-external-anthropic:us-west-2:111122223333:workspace/default").is_none()
        );
    }

    #[test]
    fn patterns_are_anchored_at_both_ends() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        };
        check("a*b", "ab", true);
        check("a*b", "axxb", true);
        check("a*b", "abx", false);
        check("a*a", "a", false);
        check("*", "", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-c-b", false);
        check("abc", "abcd", false);
        check("", "x", false);
    }
}
