//! The passthrough function's SAM template: one function per execution role and region, named after the role.
//!
//! The function signs and forwards calls to the approved workspaces and refuses every model that is not approved, which
//! IAM cannot do on Claude Platform. It is built where it is deployed, from the files of [`super::source`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::curl::endpoint;
use crate::access::policy::grant::Grant;
use crate::base::aws::{Region, RoleName, RoleRef};
use crate::base::digest::Digest;
use crate::base::ids::ApprovalId;
use crate::base::outcome::{Refusal, RefusalKind};
use crate::base::platform::{ModelAction, Platform, Tier};

const TEMPLATE: &str = include_str!("template.yaml");

/// All of a function's variables, names and values (Lambda quotas: 4 KB).
const VARIABLES_BYTES_MAX: usize = 4_096;

/// The function's name: the role's, where Lambda accepts it; else its accepted characters and a digest of the role's
/// name, so that two roles never share a function (Lambda: 64 characters of `[A-Za-z0-9_-]`).
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

/// The template for all grants on the role in the region.
///
/// # Errors
/// [`RefusalKind::PolicyImpossible`] when so much is approved on the role that the function cannot be told of it.
pub fn render(role: &RoleRef, region: &Region, approval_id: &ApprovalId, grants: &[Grant]) -> Result<String, Refusal> {
    let description = format!("FinOps Center: Claude Platform passthrough of role {}", role.name);
    let (endpoint, approved) = (endpoint(region), approved(region, grants).to_string());
    let for_agents: Vec<Grant> = grants.iter().filter(|grant| grant.tier == Tier::Agentic).cloned().collect();
    let agentic = self::approved(region, &for_agents).to_string();
    let variables = ["ENDPOINT", &endpoint, "APPROVED", &approved, "AGENTIC", &agentic];
    let size = variables.into_iter().map(str::len).sum::<usize>();
    if size > VARIABLES_BYTES_MAX {
        return Err(Refusal::new(
            RefusalKind::PolicyImpossible,
            format!(
                "what is approved on role `{}` in {region} takes {size} bytes of the passthrough function's variables, \
                 more than the {VARIABLES_BYTES_MAX} that Lambda has room for; approve further models on another role",
                role.name
            ),
        ));
    }
    let (function, role_arn) = (function_name(&role.name), role.arn());
    let value = |place: &str| match place {
        "DESCRIPTION" => description.as_str(),
        "FUNCTION" => &function,
        "ROLE" => &role_arn,
        "APPROVAL" => approval_id.as_str(),
        "ENDPOINT" => &endpoint,
        "APPROVED" => &approved,
        "AGENTIC" => &agentic,
        _ => "",
    };
    // Each place is filled once: a role may be called `a@ROLE@b`. A JSON string is a YAML string, so no value is
    // syntax.
    let pieces = TEMPLATE.split('@').enumerate().map(|(index, piece)| match index % 2 {
        0 => piece.to_owned(),
        _ => Value::from(value(piece)).to_string(),
    });
    Ok(pieces.collect())
}

/// Whether a grant is one that the function of its role serves in the region.
pub(super) fn serves(region: &Region, grant: &Grant) -> bool {
    grant.platform == Platform::ClaudePlatform && grant.region == *region && grant.workspace.is_some()
}

/// What the function is told: workspace id, then model id, then the approved actions that it forwards. Agents are not
/// among them: their calls name no model, and each of their actions stands in the policy by its own name. It is told
/// twice: of all grants, and of those of tier agentic, within which alone a call may let the platform act for the
/// model.
fn approved(region: &Region, grants: &[Grant]) -> Value {
    let mut approved: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for grant in grants.iter().filter(|grant| serves(region, grant)) {
        let Some(workspace) = &grant.workspace else { continue };
        let models = approved.entry(&workspace.workspace_id).or_default();
        models.entry(grant.model_id.as_str()).or_default().extend(grant.actions.iter().filter_map(|a| forwarded(*a)));
    }
    serde_json::json!(approved)
}

/// The function's own word for an action that it forwards.
const fn forwarded(action: ModelAction) -> Option<&'static str> {
    match action {
        ModelAction::Inference => Some("inference"),
        ModelAction::CountTokens => Some("count-tokens"),
        ModelAction::Batch => Some("batch"),
        ModelAction::Files => Some("files"),
        ModelAction::Agents | ModelAction::Invoke | ModelAction::Stream => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::policy::fixtures;

    #[test]
    fn function_names_are_accepted_by_lambda_and_cloudformation_and_never_shared()
    -> Result<(), crate::base::text::MalformedText> {
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

    #[test]
    fn a_role_that_is_called_like_a_place_of_the_template_stays_a_name() -> anyhow::Result<()> {
        let mut grant = fixtures::claude("wrkspc_1", &[ModelAction::Inference])?;
        let region = "us-west-2".parse()?;
        let mut lines = |name: &str| -> anyhow::Result<Vec<String>> {
            grant.role.name = name.parse()?;
            let text = render(&grant.role, &region, &ApprovalId::derived("01K3B2"), std::slice::from_ref(&grant))
                .map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
            Ok(text.lines().map(str::to_owned).collect())
        };
        let (plain, hostile) = (lines("plain")?, lines("a@ROLE@b@APPROVED@")?);
        for (plain, hostile) in plain.iter().zip(&hostile) {
            let name = |line: &str| line.contains("plain");
            assert!(
                plain == hostile || (name(plain) && plain.split('"').count() == hostile.split('"').count()),
                "{hostile}"
            );
        }
        assert_eq!(plain.len(), hostile.len());
        assert!(hostile.iter().any(|line| line.ends_with(":role/a@ROLE@b@APPROVED@\"")), "{hostile:?}");
        Ok(())
    }

    #[test]
    fn the_function_is_told_which_of_its_grants_are_for_agents() -> anyhow::Result<()> {
        let standard = fixtures::claude("wrkspc_1", &[ModelAction::Inference, ModelAction::Batch])?;
        let mut agentic = fixtures::claude("wrkspc_1", &[ModelAction::Inference])?;
        agentic.tier = Tier::Agentic;
        let told = |grants: &[Grant]| -> anyhow::Result<Vec<String>> {
            let text = render(&standard.role, &"us-west-2".parse()?, &ApprovalId::derived("01K3B2"), grants)
                .map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
            let of = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap_or_default();
            ["APPROVED: ", "AGENTIC: "].map(|name| Ok(serde_json::from_str(of(name))?)).into_iter().collect()
        };
        let both = r#"{"wrkspc_1":{"claude-sonnet-4-6":["batch","inference"]}}"#;
        let inference = r#"{"wrkspc_1":{"claude-sonnet-4-6":["inference"]}}"#;
        assert_eq!(told(&[standard.clone(), agentic.clone()])?, [both, inference]);
        assert_eq!(told(std::slice::from_ref(&standard))?, [both, "{}"]);
        assert_eq!(told(std::slice::from_ref(&agentic))?, [inference, inference]);
        Ok(())
    }

    #[test]
    fn the_function_is_told_of_its_own_region_and_of_no_more_than_it_has_room_for() -> anyhow::Result<()> {
        let grants = |count: u32| -> anyhow::Result<Vec<Grant>> {
            let one = |n| fixtures::claude(&format!("wrkspc_{n}"), &[ModelAction::Inference, ModelAction::Agents]);
            (0..count).map(one).collect()
        };
        let (here, elsewhere): (Region, Region) = ("us-west-2".parse()?, "eu-west-1".parse()?);
        let approved = approved(&here, &grants(2)?);
        assert_eq!(approved["wrkspc_1"]["claude-sonnet-4-6"], serde_json::json!(["inference"]));
        assert_eq!(super::approved(&elsewhere, &grants(2)?), serde_json::json!({}));
        let role = grants(1)?.remove(0).role;
        let render = |grants: &[Grant]| render(&role, &here, &ApprovalId::derived("01K3B2"), grants);
        assert!(render(&grants(40)?).is_ok());
        let refused = render(&grants(200)?).map_err(|refusal| refusal.kind);
        assert_eq!(refused, Err(RefusalKind::PolicyImpossible));
        Ok(())
    }
}
