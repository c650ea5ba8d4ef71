//! Roles: their trust, tags, boundary and inline policies.

use std::collections::{BTreeMap, BTreeSet};

use super::super::answer::{Fault, element};
use super::super::query::{members, optional};
use super::super::state::Change;
use super::document::{Use, check_document, counted_chars};
use super::{Call, Iam, Role, check_name, check_path, encoded, kind, limit_exceeded, no_such_entity, paging};

/// IAM's quota over all inline policies of a role, white space not counted.
const MAX_INLINE_CHARS: usize = 10_240;
/// IAM's default quota of a trust policy.
const MAX_TRUST_CHARS: usize = 2_048;
const MAX_TAGS: usize = 50;
const MAX_ROLE_NAME: usize = 64;
const MAX_POLICY_NAME: usize = 128;

impl Iam {
    pub(super) fn create_role(&self, call: &Call<'_>) -> Result<String, Fault> {
        let name = call.form.require("RoleName")?;
        check_name("roleName", name, MAX_ROLE_NAME)?;
        let path = call.form.get("Path").unwrap_or("/");
        check_path(path)?;
        let trust = call.form.require("AssumeRolePolicyDocument")?;
        check_trust(trust)?;
        if self.state.load::<Role>(&kind(call.account), &name.to_lowercase())?.is_some() {
            return Err(Fault::new(409, "EntityAlreadyExists", format!("Role with name {name} already exists.")));
        }
        let tags = call.tags()?;
        check_tag_count(&tags)?;
        let role = Role {
            name: name.to_owned(),
            path: path.to_owned(),
            id: format!("AROA{:016X}", rand::random::<u64>()),
            created: call.now,
            trust: trust.to_owned(),
            description: call.form.get("Description").map(str::to_owned),
            max_session_seconds: call.form.get("MaxSessionDuration").and_then(|text| text.parse().ok()).unwrap_or(3600),
            boundary: call.form.get("PermissionsBoundary").map(str::to_owned),
            tags,
            inline: BTreeMap::new(),
            attached: BTreeSet::new(),
        };
        self.keep(call.account, &role)?;
        Ok(format!("<Role>{}</Role>", role_xml(call.account, &role)))
    }

    pub(super) fn get_role(&self, call: &Call<'_>) -> Result<String, Fault> {
        Ok(format!("<Role>{}</Role>", role_xml(call.account, &self.role(call)?)))
    }

    pub(super) fn list_roles(&self, call: &Call<'_>) -> Result<String, Fault> {
        let prefix = call.form.get("PathPrefix").unwrap_or("/");
        let roles = self.state.list::<Role>(&kind(call.account), "")?;
        let page = call
            .page(roles.into_iter().filter(|(_, role)| role.path.starts_with(prefix)).collect(), |(key, _)| {
                key.clone()
            });
        // The list leaves out tags and boundaries, as IAM's does.
        let member = |(_, role): &(String, Role)| {
            role_xml(call.account, &Role { tags: BTreeMap::new(), boundary: None, ..role.clone() })
        };
        Ok(members("Roles", page.items.iter().map(member)) + &paging(&page))
    }

    pub(super) fn delete_role(&self, call: &Call<'_>) -> Result<String, Fault> {
        let role = self.role(call)?;
        let conflict =
            |first: &str| Fault::new(409, "DeleteConflict", format!("Cannot delete entity, must {first} first."));
        if !role.inline.is_empty() {
            return Err(conflict("delete policies"));
        }
        if !role.attached.is_empty() {
            return Err(conflict("detach all policies"));
        }
        self.state.commit(vec![Change::remove(&kind(call.account), &role.name.to_lowercase())])?;
        Ok(String::new())
    }

    pub(super) fn update_assume_role_policy(&self, call: &Call<'_>) -> Result<String, Fault> {
        let trust = call.form.require("PolicyDocument")?;
        self.change(call, |role| {
            check_trust(trust)?;
            role.trust = trust.to_owned();
            Ok(())
        })
    }

    pub(super) fn put_role_permissions_boundary(&self, call: &Call<'_>) -> Result<String, Fault> {
        let boundary = call.form.require("PermissionsBoundary")?;
        self.policy_named(call.account, boundary)?;
        self.change(call, |role| {
            role.boundary = Some(boundary.to_owned());
            Ok(())
        })
    }

    pub(super) fn delete_role_permissions_boundary(&self, call: &Call<'_>) -> Result<String, Fault> {
        self.change(call, |role| {
            role.boundary = None;
            Ok(())
        })
    }

    pub(super) fn tag_role(&self, call: &Call<'_>) -> Result<String, Fault> {
        let tags = call.tags()?;
        self.change(call, |role| {
            role.tags.extend(tags);
            check_tag_count(&role.tags)
        })
    }

    pub(super) fn untag_role(&self, call: &Call<'_>) -> Result<String, Fault> {
        let keys = call.form.indexed("TagKeys.member");
        self.change(call, |role| {
            role.tags.retain(|key, _| !keys.iter().any(|gone| gone.get("") == Some(key.as_str())));
            Ok(())
        })
    }

    pub(super) fn list_role_tags(&self, call: &Call<'_>) -> Result<String, Fault> {
        let page = call.page(self.role(call)?.tags.into_iter().collect(), |(key, _)| key.clone());
        Ok(members("Tags", page.items.iter().map(|(key, value)| tag_xml(key, value))) + &paging(&page))
    }

    pub(super) fn put_role_policy(&self, call: &Call<'_>) -> Result<String, Fault> {
        let (name, document) = (call.form.require("PolicyName")?, call.form.require("PolicyDocument")?);
        check_name("policyName", name, MAX_POLICY_NAME)?;
        self.change(call, |role| {
            check_document(document, Use::Identity)?;
            role.inline.insert(name.to_owned(), document.to_owned());
            if role.inline.values().map(|document| counted_chars(document)).sum::<usize>() > MAX_INLINE_CHARS {
                return Err(limit_exceeded(format!(
                    "Maximum policy size of {MAX_INLINE_CHARS} bytes exceeded for role {}",
                    role.name
                )));
            }
            Ok(())
        })
    }

    pub(super) fn get_role_policy(&self, call: &Call<'_>) -> Result<String, Fault> {
        let (role, name) = (self.role(call)?, call.form.require("PolicyName")?);
        let document = role.inline.get(name).ok_or_else(|| no_inline(name))?;
        let names = element("RoleName", &role.name) + &element("PolicyName", name);
        Ok(names + &element("PolicyDocument", &encoded(document)))
    }

    pub(super) fn delete_role_policy(&self, call: &Call<'_>) -> Result<String, Fault> {
        let name = call.form.require("PolicyName")?;
        self.change(call, |role| role.inline.remove(name).map(|_| ()).ok_or_else(|| no_inline(name)))
    }

    pub(super) fn list_role_policies(&self, call: &Call<'_>) -> Result<String, Fault> {
        let page = call.page(self.role(call)?.inline.into_keys().collect(), String::clone);
        let names: String = page.items.iter().map(|name| element("member", name)).collect();
        Ok(format!("<PolicyNames>{names}</PolicyNames>{}", paging(&page)))
    }
}

fn check_trust(trust: &str) -> Result<(), Fault> {
    check_document(trust, Use::Trust)?;
    if counted_chars(trust) > MAX_TRUST_CHARS {
        return Err(limit_exceeded(format!("Cannot exceed quota for ACLSizePerRole: {MAX_TRUST_CHARS}")));
    }
    Ok(())
}

fn check_tag_count(tags: &BTreeMap<String, String>) -> Result<(), Fault> {
    if tags.len() > MAX_TAGS {
        return Err(limit_exceeded(format!("The number of tags has reached the maximum limit of {MAX_TAGS}")));
    }
    Ok(())
}

fn no_inline(name: &str) -> Fault {
    no_such_entity(format!("The role policy with name {name} cannot be found."))
}

fn tag_xml(key: &str, value: &str) -> String {
    element("Key", key) + &element("Value", value)
}

fn role_xml(account: &str, role: &Role) -> String {
    let boundary = role.boundary.as_deref().map(|arn| {
        let kind = element("PermissionsBoundaryType", "Policy");
        format!("<PermissionsBoundary>{kind}{}</PermissionsBoundary>", element("PermissionsBoundaryArn", arn))
    });
    let tags = if role.tags.is_empty() {
        String::new()
    } else {
        members("Tags", role.tags.iter().map(|(key, value)| tag_xml(key, value)))
    };
    [
        element("Path", &role.path),
        element("RoleName", &role.name),
        element("RoleId", &role.id),
        element("Arn", &role.arn(account)),
        element("CreateDate", &role.created.to_string()),
        element("AssumeRolePolicyDocument", &encoded(&role.trust)),
        optional("Description", role.description.as_deref()),
        element("MaxSessionDuration", &role.max_session_seconds.to_string()),
        boundary.unwrap_or_default(),
        tags,
    ]
    .concat()
}
