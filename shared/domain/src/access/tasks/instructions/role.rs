//! The steps that every task on a role shares: create or verify it, put the one document, read it back, undo.
//!
//! The document is always compiled from every grant on the role. A role that is already there is verified and tagged;
//! its trust policy is its owner's and stays as it is.

use std::collections::BTreeSet;

use super::command::Command;
use super::{RoleState, Steps, Surroundings, Trust, pod_identity};
use crate::access::decisions::approval::MapMethod;
use crate::access::policy::document::Document;
use crate::access::policy::grant::Grant;
use crate::access::policy::trust::{Runtime, Trusted, trust};
use crate::access::policy::{APPROVAL_TAG, POLICY_NAME, compile};
use crate::access::tasks::chain::Chain;
use crate::access::tasks::migration::tag;
use crate::access::tasks::task::content::Artifact;
use crate::base::aws::{Region, RoleRef};
use crate::base::outcome::Refusal;
use crate::base::platform::{ModelAction, Platform};

/// What is to be done to a role for one scope.
pub(super) struct RoleWork<'a> {
    pub(super) role: RoleRef,
    /// All grants on the role, this scope's last.
    pub(super) grants: Vec<Grant>,
    pub(super) document: Document,
    /// The role's trust policy, where it is the product's.
    pub(super) trust: Option<Document>,
    /// What the role had before: compiled from the other grants.
    before: Option<Document>,
    /// The trust of before, of a role that this product created for the other grants.
    trust_before: Option<Document>,
    state: RoleState<'a>,
    chain: &'a Chain,
}

/// Works out the documents of a role that has this scope's access and the others'.
pub(super) fn plan<'a>(chain: &'a Chain, around: &Surroundings<'a>) -> Result<RoleWork<'a>, Refusal> {
    let role = chain.role();
    let mut grants = around.others_on_role.to_vec();
    grants.push(chain.grant()?);
    let document = compile(&role, &grants)?;
    let before = without(&role, around.others_on_role)?;
    let trust = around.role.trust().map(|given| trust_of(chain, &grants, given)).transpose()?;
    let trust_before = match around.role {
        RoleState::Created(given) if before.is_some() => Some(trust_of(chain, around.others_on_role, given)?),
        RoleState::Created(_) | RoleState::ToCreate(_) | RoleState::Adopted => None,
    };
    Ok(RoleWork { role, grants, document, trust, before, trust_before, state: around.role, chain })
}

fn trust_of(chain: &Chain, grants: &[Grant], given: Trust<'_>) -> Result<Document, Refusal> {
    let regions_of = |wanted: &dyn Fn(&&Grant) -> bool| -> BTreeSet<Region> {
        grants.iter().filter(wanted).map(|grant| grant.region.clone()).collect()
    };
    let (runtime, detail) = match chain.platform {
        Platform::Bedrock => (given.runtime, given.detail),
        Platform::ClaudePlatform => (Runtime::Lambda, None),
    };
    let (role, regions, batch_regions) = (chain.role(), regions_of(&|_| true), regions_of(&runs_batch_on_bedrock));
    trust(&Trusted { role: &role, regions: &regions, runtime, detail, batch_regions: &batch_regions })
}

/// The document that remains without this scope; none if nothing else is approved on the role.
pub(super) fn without(role: &RoleRef, others: &[Grant]) -> Result<Option<Document>, Refusal> {
    if others.is_empty() { Ok(None) } else { compile(role, others).map(Some) }
}

/// Whether Bedrock itself assumes the role of this grant, for batch jobs.
pub(crate) fn runs_batch_on_bedrock(grant: &&Grant) -> bool {
    grant.platform == Platform::Bedrock && grant.actions.contains(&ModelAction::Batch)
}

impl RoleWork<'_> {
    /// The files of the task.
    pub(super) fn artifacts(&self) -> Vec<Artifact> {
        let mut artifacts = vec![Artifact::document("policy.json", &self.document)];
        artifacts.extend(self.trust.as_ref().map(|trust| Artifact::document("trust-policy.json", trust)));
        artifacts.extend(self.before.as_ref().map(|before| Artifact::document("undo-policy.json", before)));
        let trust_before = self.trust_before.as_ref();
        artifacts.extend(trust_before.map(|before| Artifact::document("undo-trust-policy.json", before)));
        artifacts
    }

    /// Creates the role or verifies that it is there, puts the document and reads it back.
    pub(super) fn apply(&self, steps: Steps, map_value: Option<&str>) -> Steps {
        let name = self.role.name.as_str();
        let mut tags = vec![format!("Key={APPROVAL_TAG},Value={}", self.chain.approval_id)];
        tags.extend(map_value.map(|value| format!("Key={},Value={value}", tag::KEY)));
        let steps = match self.state {
            RoleState::ToCreate(trust) => self.create(steps, &tags, trust),
            RoleState::Created(_) => put_trust(self.verify(steps, &tags), name, "trust-policy.json"),
            RoleState::Adopted => self.adopt(steps, &tags),
        };
        let steps = put(steps, name, "Apply the policy", "policy.json");
        let list =
            Command::aws("iam list-role-policies").option("--role-name", name).printing_json("PolicyNames").then(
                &Command::aws("iam list-attached-role-policies")
                    .option("--role-name", name)
                    .printing_json("AttachedPolicies"),
            );
        read_back(steps, name, &self.document).run(
            "Look for other policies on the role",
            list,
            &format!(
                "[\"{POLICY_NAME}\"], then []; any other policy widens what was approved: return this task and name \
                 it, unless the role was there before and the policy has nothing to do with AI models"
            ),
        )
    }

    /// Creates the role with what its runtime needs beside it.
    pub(super) fn create(&self, steps: Steps, tags: &[String], trust: Trust<'_>) -> Steps {
        let name = self.role.name.as_str();
        let arn = self.role.arn();
        let create = Command::aws("iam create-role")
            .option("--role-name", name)
            .file("--assume-role-policy-document", "trust-policy.json")
            .option("--description", &format!("FinOps Center approval {}", self.chain.approval_id))
            .values("--tags", tags)
            .printing("Role.Arn")
            .then(&Command::aws("iam wait role-exists").option("--role-name", name));
        let exists = format!("{arn}; on EntityAlreadyExists return this task: the role must be approved as existing");
        let steps = steps.run("Create the role", create, &exists);
        let bedrock = self.chain.platform == Platform::Bedrock;
        match (trust.runtime, trust.detail) {
            (Runtime::Ec2, _) if bedrock => {
                let profile = Command::aws("iam create-instance-profile")
                    .option("--instance-profile-name", name)
                    .printing("InstanceProfile.Arn")
                    .then(&in_instance_profile("iam add-role-to-instance-profile", name));
                steps.run("Create the instance profile of the same name", profile, "the instance profile's ARN")
            }
            (Runtime::Eks, Some(detail)) if bedrock => {
                let create = pod_identity::create(detail, &arn, &self.chain.spec.region);
                steps.when_some(create, |steps, create| {
                    steps.run("Associate the role with the service account", create, pod_identity::EXPECT)
                })
            }
            _ => steps,
        }
    }

    fn verify(&self, steps: Steps, tags: &[String]) -> Steps {
        let name = self.role.name.as_str();
        let verify = Command::aws("iam get-role").option("--role-name", name).printing("Role.Arn");
        let tag = Command::aws("iam tag-role").option("--role-name", name).values("--tags", tags);
        let there =
            format!("{} (a path may stand before the name); if there is none, return this task", self.role.arn());
        steps.run("Verify that the role is there", verify, &there).run(
            "Tag the role with the approval",
            tag,
            "no output",
        )
    }

    fn adopt(&self, steps: Steps, tags: &[String]) -> Steps {
        let batch = self.grants.iter().any(|g| runs_batch_on_bedrock(&g));
        self.verify(steps, tags).when(batch, |steps| {
            steps.by_hand(
                "Check that the role's own trust policy lets Bedrock run its batch jobs",
                "a statement for bedrock.amazonaws.com with aws:SourceAccount of this account; if there is none, \
                 return this task",
            )
        })
    }

    /// Takes the task back: the documents of before, or no document and no tag and, if the task created it, no role.
    pub(super) fn undo(&self, steps: Steps) -> Steps {
        let name = self.role.name.as_str();
        if self.before.is_some() {
            let steps = put(steps, name, "Put the document of before", "undo-policy.json");
            return steps.when(self.trust_before.is_some(), |steps| put_trust(steps, name, "undo-trust-policy.json"));
        }
        let steps = delete_policy(steps, name);
        let RoleState::ToCreate(trust) = self.state else { return untag(steps, self.chain) };
        let bedrock = self.chain.platform == Platform::Bedrock;
        let delete_profile = in_instance_profile("iam remove-role-from-instance-profile", name)
            .then(&Command::aws("iam delete-instance-profile").option("--instance-profile-name", name));
        let association = trust.detail.filter(|_| bedrock && trust.runtime == Runtime::Eks);
        let delete_association = association.and_then(|detail| pod_identity::delete(detail, &self.chain.spec.region));
        steps
            .when(bedrock && trust.runtime == Runtime::Ec2, |steps| {
                steps.run("Delete the instance profile", delete_profile, "no output")
            })
            .when_some(delete_association, |steps, delete| {
                steps.run("Delete the association with the service account", delete, pod_identity::EXPECT)
            })
            .run("Delete the role", Command::aws("iam delete-role").option("--role-name", name), "no output")
    }
}

fn in_instance_profile(operation: &'static str, name: &str) -> Command {
    Command::aws(operation).option("--instance-profile-name", name).option("--role-name", name)
}

/// Puts a document under the product's one policy name, replacing what was there.
pub(super) fn put(steps: Steps, role_name: &str, title: &str, artifact: &'static str) -> Steps {
    let put = Command::aws("iam put-role-policy")
        .option("--role-name", role_name)
        .option("--policy-name", POLICY_NAME)
        .file("--policy-document", artifact);
    steps.run(title, put, "no output")
}

/// Puts the trust policy of a role that this product created.
pub(super) fn put_trust(steps: Steps, role_name: &str, artifact: &'static str) -> Steps {
    let update = Command::aws("iam update-assume-role-policy")
        .option("--role-name", role_name)
        .file("--policy-document", artifact);
    steps.run("Apply the trust policy", update, "no output")
}

/// Reads the live document and says which statements it must show.
pub(super) fn read_back(steps: Steps, role_name: &str, document: &Document) -> Steps {
    let labels: Vec<String> = document.statements.iter().enumerate().map(|(index, s)| s.label(index)).collect();
    let read = Command::aws("iam get-role-policy")
        .option("--role-name", role_name)
        .option("--policy-name", POLICY_NAME)
        .printing_json("PolicyDocument");
    steps.run(
        "Read the policy back",
        read,
        &format!("the document as applied, with the statements {}", labels.join(", ")),
    )
}

/// Takes the product's tags off a role on which nothing is approved any more.
pub(super) fn untag(steps: Steps, chain: &Chain) -> Steps {
    let mut keys = vec![APPROVAL_TAG.to_owned()];
    keys.extend(map_role_tag(chain).map(|_| tag::KEY.to_owned()));
    let untag = Command::aws("iam untag-role").option("--role-name", chain.spec.iam_role.as_str());
    steps.run("Take the approval's tags off the role", untag.values("--tag-keys", &keys), "no output")
}

/// The value of the MAP tag that an approval puts on the role.
pub(super) fn map_role_tag(chain: &Chain) -> Option<&str> {
    chain.map.as_ref().filter(|map| map.methods.contains(&MapMethod::RoleTag)).map(|map| map.value.as_str())
}

/// Deletes the product's policy and shows that it is gone.
pub(super) fn delete_policy(steps: Steps, role_name: &str) -> Steps {
    let delete =
        Command::aws("iam delete-role-policy").option("--role-name", role_name).option("--policy-name", POLICY_NAME);
    let list = Command::aws("iam list-role-policies").option("--role-name", role_name).printing_json("PolicyNames");
    steps.run("Delete the policy", delete, "no output; NoSuchEntity means that it is gone already").run(
        "Read the role's policies",
        list,
        &format!("a list without \"{POLICY_NAME}\""),
    )
}
