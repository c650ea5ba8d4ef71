//! What a row's spend hangs on: the caller or the workspace, as the bill shows it.
//!
//! Wider than what can be claimed: a blank caller and an unknown tag anchor spend too, so that their dollars are
//! stored, shown as a gap, and found again when somebody registers the workspace.

use serde::{Deserialize, Serialize};

use super::line::LineGroup;
use super::rule::Rule;
use crate::base::aws::{Partition, Principal, RoleRef, WorkspaceArn};
use crate::base::digest::Digest;
use crate::base::platform::Platform;

/// What a row's spend hangs on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum SpendAnchor {
    /// The caller's role: an application's, a Lambda function's, or one that many share.
    Role {
        /// Which role.
        role: RoleRef,
    },
    /// A Claude Platform workspace, by its ARN.
    Workspace {
        /// Which workspace.
        arn: WorkspaceArn,
    },
    /// A Claude Platform workspace, by the name in its tag; the registered workspaces say which one that is.
    WorkspaceTag {
        /// The row's account.
        account_id: String,
        /// The row's region; blank on some Marketplace rows.
        region: String,
        /// The tag's value.
        tag: String,
    },
    /// An IAM user, API keys included.
    User {
        /// The partition.
        partition: Partition,
        /// The user's account.
        account_id: String,
        /// The user's name.
        name: String,
    },
    /// A caller of a form not known here, as it stands in the bill.
    Caller {
        /// The column's text.
        principal: String,
    },
    /// A Bedrock row without a caller.
    NoPrincipal {
        /// The row's account.
        account_id: String,
    },
    /// A Claude Platform row without a workspace.
    NoWorkspace {
        /// The row's account.
        account_id: String,
    },
}

/// Longest key kept readable. DynamoDB's partition keys hold 2,048 bytes; text of the bill may be longer.
const KEY_BYTES_MAX: usize = 512;

impl SpendAnchor {
    /// A role's anchor.
    #[must_use]
    pub const fn role(role: RoleRef) -> Self {
        Self::Role { role }
    }

    /// A workspace's anchor.
    #[must_use]
    pub const fn workspace(arn: WorkspaceArn) -> Self {
        Self::Workspace { arn }
    }

    /// The account it belongs to, as the bill writes it; blank for a caller of unknown form.
    #[must_use]
    pub fn account(&self) -> &str {
        match self {
            Self::Role { role } => role.account_id.as_str(),
            Self::Workspace { arn } => arn.account_id.as_str(),
            Self::WorkspaceTag { account_id, .. }
            | Self::User { account_id, .. }
            | Self::NoPrincipal { account_id }
            | Self::NoWorkspace { account_id } => account_id,
            Self::Caller { .. } => "",
        }
    }

    /// The text under which it is stored and sorted; one text per anchor, free of `#`.
    #[must_use]
    pub fn key(&self) -> String {
        let inert = |text: &str| text.replace('%', "%25").replace('#', "%23").replace('/', "%2F");
        let key = match self {
            Self::Role { role } => format!("role/{}/{}/{}", role.partition.as_str(), role.account_id, role.name),
            Self::Workspace { arn } => format!("workspace/{}", inert(&arn.to_string())),
            Self::WorkspaceTag { account_id, region, tag } => {
                format!("workspace-tag/{}/{}/{}", inert(account_id), inert(region), inert(tag))
            }
            Self::User { partition, account_id, name } => {
                format!("user/{}/{}/{}", partition.as_str(), inert(account_id), inert(name))
            }
            Self::Caller { principal } => format!("caller/{}", inert(principal)),
            Self::NoPrincipal { account_id } => format!("no-principal/{}", inert(account_id)),
            Self::NoWorkspace { account_id } => format!("no-workspace/{}", inert(account_id)),
        };
        if key.len() <= KEY_BYTES_MAX { key } else { format!("long/{}", Digest::of_bytes(key.as_bytes()).hex()) }
    }

    /// For people: an ARN, a tag or a sentence's worth.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Role { role } => role.arn(),
            Self::Workspace { arn } => arn.to_string(),
            Self::WorkspaceTag { tag, .. } => format!("workspace tag `{tag}`"),
            Self::User { partition, account_id, name } => {
                format!("arn:{}:iam::{account_id}:user/{name}", partition.as_str())
            }
            Self::Caller { principal } => principal.clone(),
            Self::NoPrincipal { account_id } => format!("account {account_id}, no caller"),
            Self::NoWorkspace { account_id } => format!("account {account_id}, no workspace"),
        }
    }

    /// The anchor of a row, and why. Looks at the row alone; which workspace a tag names is attribution's to say.
    #[must_use]
    pub fn of(group: &LineGroup, platform: Option<Platform>) -> (Self, Rule) {
        if platform == Some(Platform::ClaudePlatform) { Self::of_claude(group) } else { Self::of_caller(group) }
    }

    fn of_claude(group: &LineGroup) -> (Self, Rule) {
        let account_id = group.account_id.clone();
        if let Some(arn) = WorkspaceArn::parse(&group.resource_id) {
            (Self::Workspace { arn }, Rule::AnchorByWorkspaceResource)
        } else if group.workspace_tag.is_empty() {
            (Self::NoWorkspace { account_id }, Rule::AnchorMissing)
        } else {
            let (region, tag) = (group.region.clone(), group.workspace_tag.clone());
            (Self::WorkspaceTag { account_id, region, tag }, Rule::AnchorTagged)
        }
    }

    fn of_caller(group: &LineGroup) -> (Self, Rule) {
        match group.principal.clone() {
            Principal::Role(role) => (Self::Role { role }, Rule::AnchorByRole),
            Principal::User { partition, account_id, name } => {
                (Self::User { partition, account_id: account_id.into(), name }, Rule::AnchorByCaller)
            }
            Principal::Other(principal) => (Self::Caller { principal }, Rule::AnchorByCaller),
            Principal::Blank => (Self::NoPrincipal { account_id: group.account_id.clone() }, Rule::AnchorMissing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn anchors_that_differ_have_keys_that_differ_whatever_their_text_holds() {
        let tag = |account: &str, region: &str, tag: &str| SpendAnchor::WorkspaceTag {
            account_id: account.to_owned(),
            region: region.to_owned(),
            tag: tag.to_owned(),
        };
        let long = |end: &str| SpendAnchor::Caller { principal: format!("{}{end}", "x".repeat(3000)) };
        let anchors = [
            tag("1", "a", "b/c"),
            tag("1", "a/b", "c"),
            tag("1", "a#b", "c"),
            tag("1", "a%23b", "c"),
            long("1"),
            long("2"),
            SpendAnchor::NoPrincipal { account_id: "1".to_owned() },
            SpendAnchor::NoWorkspace { account_id: "1".to_owned() },
        ];
        let keys: BTreeSet<String> = anchors.iter().map(SpendAnchor::key).collect();
        assert_eq!(keys.len(), anchors.len());
        assert!(keys.iter().all(|k| k.len() <= KEY_BYTES_MAX && !k.contains('#')));
    }
}
