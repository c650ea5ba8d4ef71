//! Customer-managed policies, always in their first version, and what is attached to roles.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::answer::{Fault, element};
use super::super::query::members;
use super::super::state::Change;
use super::document::{Use, check_document, counted_chars};
use super::{Call, Iam, ROLES, Role, check_name, check_path, encoded, limit_exceeded, no_such_entity, paging};

const POLICIES: &str = "iam-policy/";
/// IAM's quota of a managed policy, white space not counted.
const MAX_MANAGED_CHARS: usize = 6_144;
const MAX_ATTACHED: usize = 10;
const VERSION: &str = "v1";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Policy {
    name: String,
    path: String,
    id: String,
    created: Timestamp,
    /// None for AWS's own policies, whose text is not shipped.
    document: Option<String>,
}

impl Iam {
    pub(super) fn create_policy(&self, call: &Call<'_>) -> Result<String, Fault> {
        let (name, document) = (call.form.require("PolicyName")?, call.form.require("PolicyDocument")?);
        check_name("policyName", name, 128)?;
        let path = call.form.get("Path").unwrap_or("/");
        check_path(path)?;
        check_document(document, Use::Identity)?;
        if counted_chars(document) > MAX_MANAGED_CHARS {
            return Err(limit_exceeded(format!("Cannot exceed quota for PolicySize: {MAX_MANAGED_CHARS}")));
        }
        let policy = Policy {
            name: name.to_owned(),
            path: path.to_owned(),
            id: format!("ANPA{:016X}", rand::random::<u64>()),
            created: call.now,
            document: Some(document.to_owned()),
        };
        let arn = format!("arn:aws:iam::{}:policy{path}{name}", call.account);
        if self.state.load::<Policy>(&kind(call.account), &arn)?.is_some() {
            return Err(Fault::new(
                409,
                "EntityAlreadyExists",
                format!("A policy called {name} already exists. Duplicate names are not allowed."),
            ));
        }
        self.state.commit(vec![Change::put(&kind(call.account), &arn, &policy)?])?;
        Ok(format!("<Policy>{}</Policy>", policy_xml(&arn, &policy, 0)))
    }

    pub(super) fn get_policy(&self, call: &Call<'_>) -> Result<String, Fault> {
        let arn = call.form.require("PolicyArn")?;
        let policy = self.policy_named(call.account, arn)?;
        Ok(format!("<Policy>{}</Policy>", policy_xml(arn, &policy, self.roles_with(call.account, arn)?)))
    }

    pub(super) fn get_policy_version(&self, call: &Call<'_>) -> Result<String, Fault> {
        let (arn, version) = (call.form.require("PolicyArn")?, call.form.require("VersionId")?);
        let policy = self.policy_named(call.account, arn)?;
        let missing = || no_such_entity(format!("Policy {arn} version {version} does not exist or is not attachable."));
        let document = policy.document.filter(|_| version == VERSION).ok_or_else(missing)?;
        let inner = [
            element("Document", &encoded(&document)),
            element("VersionId", VERSION),
            element("IsDefaultVersion", "true"),
            element("CreateDate", &policy.created.to_string()),
        ];
        Ok(format!("<PolicyVersion>{}</PolicyVersion>", inner.concat()))
    }

    pub(super) fn delete_policy(&self, call: &Call<'_>) -> Result<String, Fault> {
        let arn = call.form.require("PolicyArn")?;
        self.policy_named(call.account, arn)?;
        if self.roles_with(call.account, arn)? > 0 {
            return Err(Fault::new(409, "DeleteConflict", "Cannot delete a policy attached to entities."));
        }
        self.state.commit(vec![Change::remove(&kind(call.account), arn)])?;
        Ok(String::new())
    }

    pub(super) fn attach_role_policy(&self, call: &Call<'_>) -> Result<String, Fault> {
        let arn = call.form.require("PolicyArn")?;
        self.policy_named(call.account, arn)?;
        self.change(call, |role| {
            role.attached.insert(arn.to_owned());
            if role.attached.len() > MAX_ATTACHED {
                return Err(limit_exceeded(format!("Cannot exceed quota for PoliciesPerRole: {MAX_ATTACHED}")));
            }
            Ok(())
        })
    }

    pub(super) fn detach_role_policy(&self, call: &Call<'_>) -> Result<String, Fault> {
        let arn = call.form.require("PolicyArn")?;
        let missing = || no_such_entity(format!("Policy {arn} was not found."));
        self.change(call, |role| if role.attached.remove(arn) { Ok(()) } else { Err(missing()) })
    }

    pub(super) fn list_attached_role_policies(&self, call: &Call<'_>) -> Result<String, Fault> {
        let page = call.page(self.role(call)?.attached.into_iter().collect(), String::clone);
        let member = |arn: &String| {
            let name = arn.rsplit('/').next().unwrap_or_default();
            element("PolicyName", name) + &element("PolicyArn", arn)
        };
        Ok(members("AttachedPolicies", page.items.iter().map(member)) + &paging(&page))
    }

    /// The policy of that ARN: one of the account's own, or any of AWS's, which exist without a text.
    pub(super) fn policy_named(&self, account: &str, arn: &str) -> Result<Policy, Fault> {
        if let Some(name) = arn.strip_prefix("arn:aws:iam::aws:policy/").and_then(|path| path.rsplit('/').next()) {
            let (name, id) = (name.to_owned(), "ANPAAWSMANAGEDPOLICY".to_owned());
            return Ok(Policy { name, path: "/".to_owned(), id, created: Timestamp::UNIX_EPOCH, document: None });
        }
        let policy = self.state.load(&kind(account), arn)?;
        policy.ok_or_else(|| no_such_entity(format!("Policy {arn} does not exist or is not attachable.")))
    }

    fn roles_with(&self, account: &str, arn: &str) -> Result<usize, Fault> {
        let roles = self.state.list::<Role>(&format!("{ROLES}{account}"), "")?;
        Ok(roles.iter().filter(|(_, role)| role.attached.contains(arn)).count())
    }
}

fn kind(account: &str) -> String {
    format!("{POLICIES}{account}")
}

fn policy_xml(arn: &str, policy: &Policy, attachments: usize) -> String {
    [
        element("PolicyName", &policy.name),
        element("PolicyId", &policy.id),
        element("Arn", arn),
        element("Path", &policy.path),
        element("DefaultVersionId", VERSION),
        element("AttachmentCount", &attachments.to_string()),
        element("PermissionsBoundaryUsageCount", "0"),
        element("IsAttachable", "true"),
        element("CreateDate", &policy.created.to_string()),
        element("UpdateDate", &policy.created.to_string()),
    ]
    .concat()
}
