//! What an approval permits, in its own words: a second reading of a grant that knows nothing of statements.

use domain::access::policy::grant::Grant;
use domain::base::platform::ModelAction::{self, Agents, Batch, CountTokens, Files, Inference, Invoke, Stream};
use domain::base::platform::Platform;

use crate::calls::Call;

/// Whether any of the grants permits the call.
pub(crate) fn permits_any(grants: &[Grant], call: &Call<'_>) -> bool {
    grants.iter().any(|grant| grant.role.arn() == call.principal && permits(grant, call))
}

/// Whether a call of a model touches the blocked one: itself, a variant of it, or a profile that leads to it.
pub(crate) fn is_blocked(model: &str, call: &Call<'_>) -> bool {
    let runs_models = matches!(
        call.action,
        "bedrock:InvokeModel" | "bedrock:InvokeModelWithResponseStream" | "bedrock:CreateModelInvocationJob"
    );
    let is_it = |id: &str| id == model || id.strip_prefix(model).is_some_and(|rest| rest.starts_with(':'));
    let named = call.resource.split_once("::foundation-model/").is_some_and(|(_, id)| is_it(id));
    let profile = call.resource.split_once(":inference-profile/").and_then(|(_, id)| id.split_once('.'));
    runs_models && (named || profile.is_some_and(|(_, id)| is_it(id)))
}

fn permits(grant: &Grant, call: &Call<'_>) -> bool {
    let named_server = |server: &str| grant.agentic.iter().any(|a| a.mcp_servers.contains(server));
    if call.via_mcp == Some(true) && !call.server.is_some_and(named_server) {
        return false;
    }
    match grant.platform {
        Platform::Bedrock => permits_on_bedrock(grant, call),
        Platform::ClaudePlatform => permits_on_claude(grant, call),
    }
}

fn names_agent_action(grant: &Grant, call: &Call<'_>) -> bool {
    let name = call.action.split_once(':').map_or("", |(_, name)| name);
    grant.actions.contains(&Agents) && grant.agentic.iter().any(|a| a.actions.contains(name))
}

fn permits_on_claude(grant: &Grant, call: &Call<'_>) -> bool {
    let workspace = grant.workspace.as_ref().map(ToString::to_string);
    let needed: ModelAction = match call.action.strip_prefix("aws-external-anthropic:") {
        Some("CreateInference" | "GetModel" | "ListModels") => Inference,
        Some("CreateBatchInference" | "GetBatchInference") => Batch,
        Some("CountTokens") => CountTokens,
        Some("CreateFile" | "GetFile") => Files,
        _ if names_agent_action(grant, call) => Agents,
        _ => return false,
    };
    grant.actions.contains(&needed) && workspace.as_deref() == Some(call.resource)
}

fn permits_on_bedrock(grant: &Grant, call: &Call<'_>) -> bool {
    let (region, partition) = (grant.region.as_str(), grant.role.partition.as_str());
    let account = &grant.role.account_id;
    let own = |rest: &str| call.resource.starts_with(&format!("arn:{partition}:bedrock:{region}:{account}:{rest}"));
    let model = format!("arn:{partition}:bedrock:{region}::foundation-model/{}", grant.model_id);
    let profile = grant.inference_profile.as_ref();
    let calls_model = || match profile {
        None => call.resource == model,
        Some(profile) => {
            let routed = profile.model_arns.iter().any(|arn| arn == call.resource);
            call.resource == profile.arn || (routed && call.profile == Some(profile.arn.as_str()))
        }
    };
    let has = |action: ModelAction| grant.actions.contains(&action);
    match call.action {
        "bedrock:InvokeModel" => has(Invoke) && calls_model(),
        "bedrock:InvokeModelWithResponseStream" => has(Stream) && calls_model(),
        "bedrock:CountTokens" => has(CountTokens) && call.resource == model,
        "bedrock:CreateModelInvocationJob" => {
            let source = call.resource == model || profile.is_some_and(|p| p.arn == call.resource);
            has(Batch) && (source || own("model-invocation-job/"))
        }
        "bedrock:StopModelInvocationJob" => has(Batch) && own("model-invocation-job/"),
        "bedrock:ListModelInvocationJobs" => has(Batch) && call.region == region,
        "bedrock:InvokeAgent" => names_agent_action(grant, call) && own("agent-alias/"),
        "bedrock:Retrieve" => names_agent_action(grant, call) && own("knowledge-base/"),
        "bedrock:RetrieveAndGenerate" | "bedrock:InvokeInlineAgent" => {
            names_agent_action(grant, call) && call.region == region
        }
        "iam:PassRole" => {
            has(Batch) && call.resource == grant.role.arn() && call.passed_to == Some("bedrock.amazonaws.com")
        }
        _ => false,
    }
}
