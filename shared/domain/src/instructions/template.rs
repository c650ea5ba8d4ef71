//! The passthrough function's SAM template: one function per execution role, named after it.
//!
//! The function signs and forwards calls to the approved workspaces and refuses every model that is not approved, which
//! IAM cannot do on Claude Platform. Its code stands in the template, so that deploying needs no build.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::curl::endpoint;
use crate::aws::{Region, RoleName, RoleRef};
use crate::digest::Digest;
use crate::ids::ApprovalId;
use crate::platform::{ModelAction, Platform};
use crate::policy::grant::Grant;

const TEMPLATE: &str = include_str!("template.yaml");
const CODE: &str = include_str!("passthrough.py");

/// The function's name: the role's, where Lambda accepts it; else its accepted characters and a digest of the role's name,
/// so that two roles never share a function (Lambda: 64 characters of `[A-Za-z0-9_-]`).
#[must_use]
pub fn function_name(role: &RoleName) -> String {
    let accepted = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    // A stack has the same name, and CloudFormation takes a letter first and no underscore.
    let plain = |c: char| accepted(c) && c != '_';
    let name = role.as_str();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain) {
        return name.to_owned();
    }
    let safe: String = name.chars().map(|c| if plain(c) { c } else { '-' }).take(50).collect();
    let digest: String = Digest::of_bytes(name.as_bytes()).hex().chars().take(8).collect();
    format!("fn-{safe}-{digest}")
}

/// The template for all grants on the role.
#[must_use]
pub fn render(role: &RoleRef, region: &Region, approval_id: &ApprovalId, grants: &[Grant]) -> String {
    let code: String =
        CODE.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("        {line}\n") }).collect();
    let description = format!("FinOps Center: Claude Platform passthrough of role {}", role.name);
    [
        ("@DESCRIPTION@", description.as_str()),
        ("@FUNCTION@", &function_name(&role.name)),
        ("@ROLE@", &role.arn()),
        ("@APPROVAL@", approval_id.as_str()),
        ("@ENDPOINT@", &endpoint(region)),
        ("@ALLOWED@", &allowed(grants).to_string()),
    ]
    .into_iter()
    // A JSON string is a YAML string, so no value can become syntax.
    .fold(TEMPLATE.to_owned(), |text, (place, value)| text.replace(place, &Value::from(value).to_string()))
    .replace("@CODE@\n", &code)
}

/// Which model may be called in which workspace on which path: the grants, word for word.
fn allowed(grants: &[Grant]) -> Value {
    let mut rows = BTreeSet::new();
    for grant in grants.iter().filter(|g| g.platform == Platform::ClaudePlatform) {
        let Some(workspace) = &grant.workspace else { continue };
        for path in grant.actions.iter().filter_map(|a| path(*a)) {
            rows.insert((workspace.workspace_id.as_str(), grant.model_id.as_str(), path));
        }
    }
    rows.into_iter()
        .map(|(workspace, model, path)| json!({ "workspace": workspace, "model": model, "path": path }))
        .collect()
}

/// The path that the function forwards for an action; files and agents name no model and are called directly.
const fn path(action: ModelAction) -> Option<&'static str> {
    match action {
        ModelAction::Inference => Some("/v1/messages"),
        ModelAction::CountTokens => Some("/v1/messages/count_tokens"),
        ModelAction::Batch => Some("/v1/messages/batches"),
        ModelAction::Files | ModelAction::Agents | ModelAction::Invoke | ModelAction::Stream => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_names_are_accepted_by_lambda_and_cloudformation_and_never_shared()
    -> Result<(), crate::text::MalformedText> {
        let long = "a".repeat(64);
        let long_with_dot = format!("{}.", "a".repeat(63));
        let mut seen = BTreeSet::new();
        for role in
            ["finops-ai-assistant", "a_b", "a-b", "a.b", "a+b", "1st", "-x", long.as_str(), long_with_dot.as_str()]
        {
            let name = function_name(&role.parse()?);
            assert!(name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_alphabetic()), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
            assert!(seen.insert(name), "{role}");
        }
        Ok(())
    }
}
