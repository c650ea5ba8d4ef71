//! Repairing a role that is no longer what was approved: what differs, statement by statement, and the way back.

use crate::access::tasks::task::content::{Artifact, TaskContent};
use serde::{Deserialize, Serialize};

use super::command::{Command, account};
use super::{Steps, Surroundings, role, title};
use crate::access::policy::APPROVAL_TAG;
use crate::access::policy::compare::Difference;
use crate::access::tasks::chain::Chain;
use crate::access::tasks::migration::tag::{self, TagDifference, TagHolder};
use crate::access::tasks::task::TaskKind;
use crate::base::outcome::Refusal;

/// What was found on a live role beside or instead of what was approved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The role itself is not there.
    #[serde(default)]
    pub missing: bool,
    /// The product's own inline policy against the compiled document.
    pub policy: Vec<Difference>,
    /// The trust policy of a role that the chain created; an adopted role's trust is its owner's.
    pub trust: Vec<Difference>,
    /// Other inline policies that widen what was approved.
    pub inline_policies: Vec<String>,
    /// Attached managed policies that widen what was approved, by ARN.
    pub attached_policies: Vec<String>,
    /// What the permissions boundary closes of what was approved.
    #[serde(default)]
    pub boundary: Vec<String>,
    /// Where the MAP tag is not as approved; only where an approval wants it.
    #[serde(default)]
    pub tags: Vec<TagDifference>,
}

impl Drift {
    /// Whether the live role is what was approved.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self == &Self::default()
    }

    /// Each finding in one line, for people.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        let of = |what: &'static str, d: &Difference| format!("{what}, {}: {}", d.statement, d.detail);
        let policy = self.policy.iter().map(|d| of("policy", d));
        let trust = self.trust.iter().map(|d| of("trust policy", d));
        let inline = self.inline_policies.iter().map(|name| format!("inline policy `{name}` was not approved"));
        let attached = self.attached_policies.iter().map(|arn| format!("attached policy `{arn}` was not approved"));
        let missing = self.missing.then(|| "the role does not exist in the account".to_owned());
        let boundary = self.boundary.iter().map(|line| format!("permissions boundary {line}"));
        let tags = self.tags.iter().map(TagDifference::finding);
        let lines = missing.into_iter().chain(policy).chain(trust).chain(inline).chain(attached);
        lines.chain(boundary).chain(tags).collect()
    }
}

/// Puts the role back: the compiled document, the trust policy where it is the product's, nothing else on the role.
///
/// # Errors
/// As the policy generator says.
pub fn render_fix_drift(chain: &Chain, around: &Surroundings<'_>, drift: &Drift) -> Result<TaskContent, Refusal> {
    let work = role::plan(chain, around)?;
    let role = &work.role;
    let name = role.name.as_str();
    let mut artifacts = vec![Artifact::document("policy.json", &work.document)];
    let mut steps = Steps::default()
        .run("Check the account", account(), &format!("{}; another account means other credentials", role.account_id))
        .by_hand("Read what differs from the approval", &drift.findings().join("\n"));
    if let (Some(trust), true) = (&work.trust, drift.missing || !drift.trust.is_empty()) {
        artifacts.push(Artifact::document("trust-policy.json", trust));
    }
    if drift.missing {
        steps = create_again(steps, &work, chain, around);
    }
    steps = role::put(steps, name, "Apply the approved policy", "policy.json");
    steps = role::read_back(steps, name, &work.document);
    if work.trust.is_some() && !drift.trust.is_empty() {
        steps = role::put_trust(steps, name, "trust-policy.json");
    }
    for policy in &drift.inline_policies {
        let delete = Command::aws("iam delete-role-policy").option("--role-name", name).option("--policy-name", policy);
        steps = steps.run("Delete the policy that was not approved", delete, "no output");
    }
    for arn in &drift.attached_policies {
        let detach = Command::aws("iam detach-role-policy").option("--role-name", name).option("--policy-arn", arn);
        steps = steps.run("Detach the policy that was not approved", detach, "no output");
    }
    for tag in &drift.tags {
        steps = steps.run("Set the approved MAP tag", set_tag(name, tag), "no output");
    }
    if !drift.boundary.is_empty() {
        let expect =
            "each line is gone; a boundary is not this task's to change: if its owner keeps it, return this task";
        steps = steps.by_hand(&format!("Ask the owner of the boundary: {}", drift.boundary.join("; ")), expect);
    }
    Ok(TaskContent {
        title: title(TaskKind::FixDrift, &format!("role {name} in {}", role.account_id), chain),
        instructions: steps.done(),
        undo: Vec::new(),
        artifacts,
        evidence_required: Vec::new(),
    })
}

fn set_tag(role_name: &str, tag: &TagDifference) -> Command {
    match &tag.on {
        TagHolder::Role => Command::aws("iam tag-role")
            .option("--role-name", role_name)
            .values("--tags", &[format!("Key={},Value={}", tag::KEY, tag.approved)]),
        TagHolder::Profile { arn, region } => Command::aws("bedrock tag-resource")
            .option("--resource-arn", arn)
            .values("--tags", &[format!("key={},value={}", tag::KEY, tag.approved)])
            .option("--region", region.as_str()),
    }
}

fn create_again(steps: Steps, work: &role::RoleWork<'_>, chain: &Chain, around: &Surroundings<'_>) -> Steps {
    match around.role.trust() {
        Some(trust) => work.create(steps, &[format!("Key={APPROVAL_TAG},Value={}", chain.approval_id)], trust),
        None => steps.by_hand(
            "Ask the role's owner to create it again",
            "the role is there: it was there before the approval, and its trust is its owner's; otherwise return \
             this task",
        ),
    }
}
