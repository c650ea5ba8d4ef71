//! IAM per account: the reads that evidence and drift make, and the writes that the generated commands make.
//!
//! A role is one document with its inline policies, attachments and tags, so that every change is one write. Names are
//! unique without regard to case, as on AWS. Policy documents are checked as IAM checks their grammar, not evaluated.

mod document;
mod managed;
mod roles;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::answer::{Fault, element};
use super::caller::Caller;
use super::query::{Form, Page, page, unknown_action};
use super::state::{Change, State};

const ROLES: &str = "iam-role/";

/// RFC 3986's unreserved characters stay, as in IAM's answers.
const DOCUMENT_SET: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Role {
    name: String,
    path: String,
    id: String,
    created: Timestamp,
    trust: String,
    description: Option<String>,
    max_session_seconds: u32,
    boundary: Option<String>,
    tags: BTreeMap<String, String>,
    inline: BTreeMap<String, String>,
    attached: BTreeSet<String>,
}

/// The roles and policies of every account.
pub(crate) struct Iam {
    state: Arc<State>,
}

/// One call: who, what, when.
struct Call<'a> {
    account: &'a str,
    form: &'a Form,
    now: Timestamp,
}

impl Iam {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// Answers one action with its result's inner XML.
    pub(crate) fn call(&self, caller: &Caller, form: &Form, now: Timestamp) -> Result<String, Fault> {
        let call = &Call { account: &caller.account, form, now };
        match form.action() {
            "CreateRole" => self.create_role(call),
            "GetRole" => self.get_role(call),
            "ListRoles" => self.list_roles(call),
            "DeleteRole" => self.delete_role(call),
            "UpdateAssumeRolePolicy" => self.update_assume_role_policy(call),
            "PutRolePermissionsBoundary" => self.put_role_permissions_boundary(call),
            "DeleteRolePermissionsBoundary" => self.delete_role_permissions_boundary(call),
            "TagRole" => self.tag_role(call),
            "UntagRole" => self.untag_role(call),
            "ListRoleTags" => self.list_role_tags(call),
            "PutRolePolicy" => self.put_role_policy(call),
            "GetRolePolicy" => self.get_role_policy(call),
            "DeleteRolePolicy" => self.delete_role_policy(call),
            "ListRolePolicies" => self.list_role_policies(call),
            "AttachRolePolicy" => self.attach_role_policy(call),
            "DetachRolePolicy" => self.detach_role_policy(call),
            "ListAttachedRolePolicies" => self.list_attached_role_policies(call),
            "CreatePolicy" => self.create_policy(call),
            "GetPolicy" => self.get_policy(call),
            "GetPolicyVersion" => self.get_policy_version(call),
            "DeletePolicy" => self.delete_policy(call),
            other => Err(unknown_action(other)),
        }
    }

    fn role(&self, call: &Call<'_>) -> Result<Role, Fault> {
        let name = call.form.require("RoleName")?;
        let role = self.state.load(&kind(call.account), &name.to_lowercase())?;
        role.ok_or_else(|| no_such_entity(format!("The role with name {name} cannot be found.")))
    }

    fn keep(&self, account: &str, role: &Role) -> Result<(), Fault> {
        Ok(self.state.commit(vec![Change::put(&kind(account), &role.name.to_lowercase(), role)?])?)
    }

    /// Loads the role, changes it and keeps it; answers nothing.
    fn change(&self, call: &Call<'_>, change: impl FnOnce(&mut Role) -> Result<(), Fault>) -> Result<String, Fault> {
        let mut role = self.role(call)?;
        change(&mut role)?;
        self.keep(call.account, &role)?;
        Ok(String::new())
    }
}

impl Role {
    fn arn(&self, account: &str) -> String {
        format!("arn:aws:iam::{account}:role{}{}", self.path, self.name)
    }
}

impl Call<'_> {
    /// The asked-for page of names: `Marker` and `MaxItems` of 1 to 1000, 100 if not said.
    fn page<T>(&self, items: Vec<T>, key: impl Fn(&T) -> String) -> Page<T> {
        let limit = self.form.get("MaxItems").and_then(|text| text.parse().ok()).unwrap_or(100);
        page(items, key, self.form.get("Marker"), usize::clamp(limit, 1, 1000))
    }

    /// The tags given as `Tags.member.N`.
    fn tags(&self) -> Result<BTreeMap<String, String>, Fault> {
        let mut tags = BTreeMap::new();
        for tag in self.form.indexed("Tags.member") {
            let (key, value) = (tag.get("Key").unwrap_or_default(), tag.get("Value").unwrap_or_default());
            if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
                return Err(validation("a tag key has 1 to 128 characters, its value at most 256"));
            }
            tags.insert(key.to_owned(), value.to_owned());
        }
        Ok(tags)
    }
}

fn kind(account: &str) -> String {
    format!("{ROLES}{account}")
}

fn paging<T>(page: &Page<T>) -> String {
    let marker = page.next.as_deref().map(|next| element("Marker", next)).unwrap_or_default();
    element("IsTruncated", if page.next.is_some() { "true" } else { "false" }) + &marker
}

fn encoded(document: &str) -> String {
    utf8_percent_encode(document, DOCUMENT_SET).to_string()
}

/// Role and policy names: 1 to `limit` characters of `[\w+=,.@-]`.
fn check_name(field: &str, name: &str, limit: usize) -> Result<(), Fault> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_+=,.@-".contains(character);
    if name.is_empty() || name.len() > limit || !name.chars().all(plain) {
        let rule = format!(
            "It must contain only alphanumeric characters and/or the following: +=,.@_- and at most {limit} of them"
        );
        return Err(validation(&format!("The specified value for {field} is invalid. {rule}")));
    }
    Ok(())
}

/// Paths: `/`, or segments between slashes.
fn check_path(path: &str) -> Result<(), Fault> {
    let visible = path.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    if visible && path.len() <= 512 && path.starts_with('/') && path.ends_with('/') {
        return Ok(());
    }
    Err(validation(
        "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
         characters and/or / characters.",
    ))
}

fn no_such_entity(message: String) -> Fault {
    Fault::new(404, "NoSuchEntity", message)
}

fn validation(message: &str) -> Fault {
    Fault::new(400, "ValidationError", message)
}

fn limit_exceeded(message: String) -> Fault {
    Fault::new(409, "LimitExceeded", message)
}
