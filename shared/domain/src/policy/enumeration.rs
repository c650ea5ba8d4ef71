//! No over-grant and no under-grant: compiled documents against the grants' own words, over enumerated requests.
//!
//! `permits` is a second, independent reading of a grant: it knows nothing of statements, only of what was approved.

use super::compile;
use super::evaluate::{Request, evaluate};
use super::fixtures::{GLOBAL_PROFILE, OWN_PROFILE, SONNET, US_PROFILE, agentic, bedrock, claude, role, through};
use super::grant::{Grant, ProfileKind};
use crate::platform::{ModelAction, Platform};
use ModelAction::{Agents, Batch, CountTokens, Files, Inference, Invoke, Stream};

const NOVA: &str = "amazon.nova-lite-v1:0";
const EKS: &str = "eks-mcp.amazonaws.com";
const ECS: &str = "ecs-mcp.amazonaws.com";

/// One call as AWS sees it.
struct Call<'a> {
    action: &'a str,
    resource: &'a str,
    profile: Option<&'a str>,
    server: Option<&'a str>,
    region: &'a str,
}

fn pool() -> anyhow::Result<Vec<Grant>> {
    let us = ["us-east-1", "us-west-2"];
    let mut sigv4_only = bedrock(NOVA, &[CountTokens])?;
    sigv4_only.sigv4_only = true;
    let mut west = bedrock(NOVA, &[Invoke])?;
    west.region = "us-west-2".parse()?;
    Ok(vec![
        bedrock(NOVA, &[Invoke, Stream])?,
        sigv4_only,
        west,
        bedrock(NOVA, &[Batch])?,
        through(bedrock(SONNET, &[Invoke])?, US_PROFILE, ProfileKind::System, &us),
        through(bedrock(SONNET, &[Invoke, CountTokens])?, GLOBAL_PROFILE, ProfileKind::Global, &["", "us-east-1"]),
        through(bedrock(SONNET, &[Stream])?, OWN_PROFILE, ProfileKind::Application, &us),
        agentic(bedrock(SONNET, &[Invoke])?, &[EKS], &["InvokeAgent", "RetrieveAndGenerate"]),
        agentic(bedrock(NOVA, &[Stream])?, &[ECS], &[]),
        agentic(bedrock(NOVA, &[])?, &[], &["Retrieve"]),
        claude("wrkspc_01Ab", &[Inference, Files])?,
        claude("wrkspc_02Cd", &[Batch, CountTokens])?,
        agentic(claude("wrkspc_01Ab", &[])?, &[], &["CreateSession"]),
    ])
}

/// Whether the grant's own words permit the call.
fn permits(grant: &Grant, call: &Call<'_>) -> bool {
    let servers = grant.agentic.as_ref().map(|a| &a.mcp_servers);
    if call.server.is_some_and(|server| !servers.is_some_and(|s| s.contains(server))) {
        return false;
    }
    let names_agent_action = || {
        let name = call.action.split_once(':').map_or("", |(_, name)| name);
        grant.actions.contains(&Agents) && grant.agentic.iter().any(|a| a.actions.contains(name))
    };
    match grant.platform {
        Platform::Bedrock => permits_on_bedrock(grant, call, names_agent_action()),
        Platform::ClaudePlatform => {
            let workspace = grant.workspace.as_ref().map(ToString::to_string);
            let needed = match call.action.strip_prefix("aws-external-anthropic:") {
                Some("CreateInference" | "GetModel" | "ListModels") => Inference,
                Some("CreateBatchInference" | "GetBatchInference") => Batch,
                Some("CountTokens") => CountTokens,
                Some("CreateFile" | "GetFile") => Files,
                _ if names_agent_action() => Agents,
                _ => return false,
            };
            grant.actions.contains(&needed) && workspace.as_deref() == Some(call.resource)
        }
    }
}

fn permits_on_bedrock(grant: &Grant, call: &Call<'_>, names_agent_action: bool) -> bool {
    let region = grant.region.as_str();
    let own = |rest: &str| call.resource.starts_with(&format!("arn:aws:bedrock:{region}:111122223333:{rest}"));
    let model = format!("arn:aws:bedrock:{region}::foundation-model/{}", grant.model_id);
    let calls_model = || match &grant.inference_profile {
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
        "bedrock:CreateModelInvocationJob" => has(Batch) && (call.resource == model || own("model-invocation-job/")),
        "bedrock:StopModelInvocationJob" => has(Batch) && own("model-invocation-job/"),
        "bedrock:ListModelInvocationJobs" => has(Batch) && call.region == region,
        "bedrock:InvokeAgent" => names_agent_action && own("agent-alias/"),
        "bedrock:Retrieve" => names_agent_action && own("knowledge-base/"),
        "bedrock:RetrieveAndGenerate" => names_agent_action && call.region == region,
        _ => false,
    }
}

const ACTIONS: [&str; 22] = [
    "bedrock:InvokeModel",
    "bedrock:InvokeModelWithResponseStream",
    "bedrock:CountTokens",
    "bedrock:CreateModelInvocationJob",
    "bedrock:StopModelInvocationJob",
    "bedrock:ListModelInvocationJobs",
    "bedrock:InvokeAgent",
    "bedrock:InvokeInlineAgent",
    "bedrock:Retrieve",
    "bedrock:RetrieveAndGenerate",
    "bedrock:CallWithBearerToken",
    "bedrock:DeleteGuardrail",
    "bedrock-mantle:CreateInference",
    "bedrock-mantle:CallWithBearerToken",
    "aws-external-anthropic:CreateInference",
    "aws-external-anthropic:CreateBatchInference",
    "aws-external-anthropic:CountTokens",
    "aws-external-anthropic:GetFile",
    "aws-external-anthropic:CreateSession",
    "aws-external-anthropic:CallWithBearerToken",
    "iam:CreateUser",
    "s3:GetObject",
];

const RESOURCES: [&str; 16] = [
    "*",
    "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
    "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-lite-v1:0",
    "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
    "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-6",
    "arn:aws:bedrock:us-west-2::foundation-model/anthropic.claude-sonnet-4-6",
    "arn:aws:bedrock:::foundation-model/anthropic.claude-sonnet-4-6",
    US_PROFILE,
    GLOBAL_PROFILE,
    OWN_PROFILE,
    "arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/j1",
    "arn:aws:bedrock:us-east-1:111122223333:agent-alias/A/B",
    "arn:aws:bedrock:us-east-1:111122223333:knowledge-base/K",
    "arn:aws:aws-external-anthropic:us-west-2:111122223333:workspace/wrkspc_01Ab",
    "arn:aws:aws-external-anthropic:us-west-2:111122223333:workspace/wrkspc_02Cd",
    "arn:aws:aws-external-anthropic:us-west-2:111122223333:workspace/wrkspc_99Zz",
];

const CONTEXTS: [(Option<&str>, Option<&str>, &str); 7] = [
    (None, None, "us-east-1"),
    (None, None, "eu-west-1"),
    (Some(US_PROFILE), None, "us-east-1"),
    (Some(GLOBAL_PROFILE), None, "us-east-1"),
    (Some(OWN_PROFILE), Some(EKS), "us-east-1"),
    (None, Some(EKS), "us-east-1"),
    (None, Some(ECS), "us-east-1"),
];

fn check(grants: &[Grant]) -> anyhow::Result<usize> {
    let document = compile(&role()?, grants)?;
    let mut asked = 0;
    for action in ACTIONS {
        for resource in RESOURCES {
            for (profile, server, region) in CONTEXTS {
                let call = Call { action, resource, profile, server, region };
                let mut request = Request::new(action, resource).with("aws:RequestedRegion", region);
                if let Some(profile) = profile {
                    request = request.with("bedrock:InferenceProfileArn", profile);
                }
                if let Some(server) = server {
                    request = request.with("aws:ViaAWSMCPService", "true").with("aws:CalledViaAWSMCP", server);
                }
                let expected = grants.iter().any(|grant| permits(grant, &call));
                let decision = evaluate(&document, &request);
                let scopes: Vec<&str> = grants.iter().map(|g| g.scope_id.as_str()).collect();
                assert_eq!(decision.is_allowed(), expected, "{request:?} on {scopes:?}: {decision:?}");
                asked += 1;
            }
        }
    }
    Ok(asked)
}

#[test]
fn no_over_grant_and_no_under_grant_for_any_pair_of_grants_and_for_all_together() -> anyhow::Result<()> {
    let pool = pool()?;
    let mut asked = check(&pool)?;
    for (index, first) in pool.iter().enumerate() {
        asked += check(std::slice::from_ref(first))?;
        for second in pool.iter().skip(index + 1) {
            asked += check(&[first.clone(), second.clone()])?;
        }
    }
    assert!(asked >= 100_000, "only {asked} requests were asked");
    Ok(())
}
