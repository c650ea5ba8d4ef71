//! The organisation-wide deny of a blocked model: a service control policy, for the organisation's administrators.
//!
//! It names the model in every region, through every inference profile, and `bedrock-mantle` as a whole, because
//! `bedrock:*` does not cover that endpoint and it knows no model.

use std::collections::BTreeSet;

use super::condition::Conditions;
use super::document::{Action, Actions, Document, Effect, Resources, Sid, Statement};
use super::linter::{self, DocumentKind};
use crate::base::outcome::{Refusal, RefusalKind};
use crate::base::platform::{ModelId, Platform};

/// The SCP that denies a model to the whole organisation.
///
/// # Errors
/// [`RefusalKind::PolicyImpossible`] on Claude Platform: IAM has no key or ARN that names a model there.
pub fn organisation_deny(platform: Platform, model_id: &ModelId) -> Result<Document, Refusal> {
    if platform == Platform::ClaudePlatform {
        return Err(Refusal::new(
            RefusalKind::PolicyImpossible,
            "IAM cannot name a model on Claude Platform, so no policy can deny one; the block is held by revoking its \
             scopes, by the passthrough functions and by the gap that any further spend raises",
        ));
    }
    let model = model_id.base();
    let calls = [
        "bedrock:CreateInferenceProfile",
        "bedrock:CreateModelInvocationJob",
        "bedrock:CreateProvisionedModelThroughput",
        "bedrock:InvokeModel",
        "bedrock:InvokeModelWithResponseStream",
    ];
    // `*` also matches nothing, so the region pattern covers the ARN without region of global routing. Context-length
    // variants (`…:0:24k`) are the same model; behind an id without version (`…claude-v2`) only `:…k` is one, since
    // `…claude-v2:1` is another model.
    let variants = if model.as_str().contains(':') { format!("{model}:*") } else { format!("{model}:*k") };
    let resources = [
        format!("arn:*:bedrock:*::foundation-model/{model}"),
        format!("arn:*:bedrock:*::foundation-model/{variants}"),
        format!("arn:*:bedrock:*:*:inference-profile/*.{model}"),
    ];
    let document = Document::new(vec![
        deny("DenyBlockedModel", &calls, Resources::Only(resources.into())),
        deny("DenyBedrockMantle", &["bedrock-mantle:CreateInference"], Resources::all()),
    ]);
    linter::require_clean(&document, DocumentKind::Organisation)?;
    Ok(document)
}

fn deny(sid: &'static str, actions: &[&'static str], resources: Resources) -> Statement {
    let actions: BTreeSet<Action> = actions.iter().copied().map(Action::known).collect();
    Statement {
        sid: Some(Sid::numbered(sid, 1)),
        effect: Effect::Deny,
        principals: None,
        actions: Actions::Only(actions),
        resources: Some(resources),
        conditions: Conditions::none(),
    }
}
