//! The two tasks of a Bedrock chain: the MAP inference profile, where one is approved, and the role with its policy.

use super::command::{Command, account, literal};
use super::{Steps, Surroundings, role, title};
use crate::access::policy::APPROVAL_TAG;
use crate::access::policy::bedrock::model_arn;
use crate::access::tasks::chain::Chain;
use crate::access::tasks::migration;
use crate::access::tasks::task::TaskKind;
use crate::access::tasks::task::content::TaskContent;
use crate::base::aws::profile::ProfileKind;
use crate::base::digest::Digest;
use crate::base::outcome::Refusal;

/// The role and its policy: verify model access, create or verify the role, put the document, read it back.
///
/// # Errors
/// As the policy generator says.
pub fn render_bedrock_iam_policy(chain: &Chain, around: &Surroundings<'_>) -> Result<TaskContent, Refusal> {
    let work = role::plan(chain, around)?;
    let steps = work.apply(verify_access(Steps::default(), chain), role::map_role_tag(chain));
    let what =
        format!("{} on role {} in {} {}", chain.model_id, work.role.name, work.role.account_id, chain.spec.region);
    Ok(TaskContent {
        title: title(TaskKind::BedrockIamPolicy, &what, chain),
        instructions: steps.done(),
        undo: work.undo(Steps::default()).done(),
        artifacts: work.artifacts(),
        evidence_required: vec!["roleArn".to_owned()],
    })
}

/// The application inference profile that carries the MAP tag.
///
/// # Errors
/// As the policy generator says of the profile that it is copied from.
pub fn render_bedrock_create_profile(chain: &Chain) -> Result<TaskContent, Refusal> {
    let grant = chain.grant()?;
    let region = chain.spec.region.as_str();
    let source = match &grant.inference_profile {
        Some(profile) if profile.kind == ProfileKind::Application => {
            return Err(
                grant.impossible("an application profile cannot be copied from another; approve the system profile")
            );
        }
        Some(profile) => {
            // Compiling checks the profile against the approved model, account and region.
            crate::access::policy::compile(&grant.role, std::slice::from_ref(&grant))?;
            profile.arn.clone()
        }
        None => model_arn(grant.role.partition, &grant.region, &grant.model_id),
    };
    let name = profile_name(chain);
    let map_value = chain.map.as_ref().map(|m| m.value.as_str());
    let mut tags = vec![format!("key={APPROVAL_TAG},value={}", chain.approval_id)];
    tags.extend(map_value.map(|value| format!("key={},value={value}", migration::tag::KEY)));
    let create = Command::aws("bedrock create-inference-profile")
        .option("--inference-profile-name", &name)
        .option("--model-source", &format!("copyFrom={source}"))
        .values("--tags", &tags)
        .option("--region", region)
        .printing("inferenceProfileArn");
    let mut steps = verify_access(Steps::default(), chain)
        .run(
            "Create the application inference profile",
            create,
            "the profile's ARN: the evidence `inferenceProfileArn`",
        )
        .run(
            "Verify the profile",
            find_profile(chain, &name, "[inferenceProfileArn,status]"),
            "the same ARN, then ACTIVE",
        );
    if let Some(warning) = map_value.and_then(migration::warning) {
        steps = steps.by_hand("Check the MAP value with the FinOps Lead", &warning);
    }
    Ok(TaskContent {
        title: title(
            TaskKind::BedrockCreateProfile,
            &format!("{} in {} {region}", chain.model_id, grant.role.account_id),
            chain,
        ),
        instructions: steps.done(),
        undo: delete_profile(Steps::default(), chain).done(),
        artifacts: Vec::new(),
        evidence_required: vec!["inferenceProfileArn".to_owned()],
    })
}

/// Deletes the application inference profile of a chain.
pub(super) fn delete_profile(steps: Steps, chain: &Chain) -> Steps {
    let delete = Command::aws("bedrock delete-inference-profile")
        .option_from(
            "--inference-profile-identifier",
            &find_profile(chain, &profile_name(chain), "inferenceProfileArn"),
        )
        .option("--region", chain.spec.region.as_str());
    steps.run(
        "Delete the application inference profile",
        delete,
        "no output; ResourceNotFoundException means that it is gone already",
    )
}

fn find_profile(chain: &Chain, name: &str, field: &str) -> Command {
    Command::aws("bedrock list-inference-profiles")
        .option("--type-equals", "APPLICATION")
        .option("--region", chain.spec.region.as_str())
        .printing(&format!("inferenceProfileSummaries[?inferenceProfileName=={}].{field}", literal(name)))
}

/// A name that only this scope's profile has. Bedrock takes 64 letters and digits with single separators of ` _-`
/// between them (Bedrock API reference, `CreateInferenceProfile`).
fn profile_name(chain: &Chain) -> String {
    let words: Vec<&str> =
        chain.model_id.as_str().split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let model: String = words.join("-").chars().take(40).collect();
    let digest: String = Digest::of_bytes(chain.id.as_str().as_bytes()).hex().chars().take(8).collect();
    format!("finops-{}-{digest}", model.trim_end_matches('-'))
}

fn verify_access(steps: Steps, chain: &Chain) -> Steps {
    let region = chain.spec.region.as_str();
    let model = chain.model_id.base();
    let signed_in = format!("{}, then ACTIVE", chain.spec.account_id);
    let otherwise = "another account means other credentials; nothing on the second line means no access in this \
        region: return this task";
    let models = Command::aws("bedrock list-foundation-models")
        .option("--region", region)
        .printing(&format!("modelSummaries[?modelId=={}].modelLifecycle.status", literal(model.as_str())));
    let steps = steps.run(
        "Verify model access",
        account().then(&models),
        &format!("{signed_in} (LEGACY may be called until its end of life); {otherwise}"),
    );
    let Some(arn) = &chain.profile_arn else { return steps };
    let kind =
        if ProfileKind::of_arn(arn) == Some(ProfileKind::Application) { "APPLICATION" } else { "SYSTEM_DEFINED" };
    let profiles = Command::aws("bedrock list-inference-profiles")
        .option("--type-equals", kind)
        .option("--region", region)
        .printing(&format!("inferenceProfileSummaries[?inferenceProfileArn=={}].status", literal(arn)));
    steps.run(
        "Verify the inference profile",
        profiles,
        "ACTIVE; nothing means that the profile is not there: return this task",
    )
}
