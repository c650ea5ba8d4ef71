//! The calls that are enumerated: action × resource × region × profile × MCP server × principal.
//!
//! Each action is asked on every resource that AWS could ask it about, the approved ones and their neighbours: another
//! model, region, account, partition, profile, workspace.

use domain::access::policy::evaluate::Request;

use crate::pool::{ECS, EKS, GLOBAL_PROFILE, OWN_PROFILE, US_PROFILE};

/// One call as AWS sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) principal: &'a str,
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) region: &'a str,
    /// The inference profile behind a call of a model, which Bedrock alone sends.
    pub(crate) profile: Option<&'a str>,
    /// As the request says it; a direct call may say `false` or nothing.
    pub(crate) via_mcp: Option<bool>,
    pub(crate) server: Option<&'a str>,
    pub(crate) passed_to: Option<&'a str>,
}

impl Call<'_> {
    /// The same as a request for an evaluator, which is told everything but who asks.
    pub(crate) fn request(&self) -> Request {
        let via = self.via_mcp.map(|via| if via { "true" } else { "false" });
        let known = [
            ("aws:RequestedRegion", Some(self.region)),
            ("bedrock:InferenceProfileArn", self.profile),
            ("aws:ViaAWSMCPService", via),
            ("aws:CalledViaAWSMCP", self.server),
            ("iam:PassedToService", self.passed_to),
        ];
        let given = known.into_iter().filter_map(|(key, value)| Some((key, value?)));
        given.fold(Request::new(self.action, self.resource), |request, (key, value)| request.with(key, value))
    }
}

const MODEL_CALLS: [&str; 4] = [
    "bedrock:InvokeModel",
    "bedrock:InvokeModelWithResponseStream",
    "bedrock:CountTokens",
    "bedrock:CreateModelInvocationJob",
];
const MODELS: [&str; 13] = [
    "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
    "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:24k",
    "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-lite-v1:0",
    "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
    "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/amazon.nova-lite-v1:0",
    "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-6",
    "arn:aws:bedrock:us-west-2::foundation-model/anthropic.claude-sonnet-4-6",
    "arn:aws:bedrock:::foundation-model/anthropic.claude-sonnet-4-6",
    US_PROFILE,
    GLOBAL_PROFILE,
    OWN_PROFILE,
    "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-lite-v1:0",
    "arn:aws:bedrock:us-east-1:444455556666:inference-profile/us.anthropic.claude-sonnet-4-6",
];
const JOBS: [&str; 3] = [
    "arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/j1",
    "arn:aws:bedrock:us-west-2:111122223333:model-invocation-job/j1",
    "arn:aws:bedrock:us-east-1:444455556666:model-invocation-job/j1",
];
const AGENTS: [(&str, &str); 4] = [
    ("bedrock:InvokeAgent", "arn:aws:bedrock:us-east-1:111122223333:agent-alias/A/B"),
    ("bedrock:InvokeAgent", "arn:aws:bedrock:us-east-1:444455556666:agent-alias/A/B"),
    ("bedrock:Retrieve", "arn:aws:bedrock:us-east-1:111122223333:knowledge-base/K"),
    ("bedrock:Retrieve", "arn:aws:bedrock:us-west-2:111122223333:knowledge-base/K"),
];
const WITHOUT_RESOURCE: [&str; 5] = [
    "bedrock:RetrieveAndGenerate",
    "bedrock:InvokeInlineAgent",
    "bedrock:ListModelInvocationJobs",
    "bedrock:CallWithBearerToken",
    "aws-external-anthropic:CreateWorkspace",
];
const MANTLE: [&str; 2] = ["bedrock-mantle:CreateInference", "bedrock-mantle:GetProject"];
const PROJECT: &str = "arn:aws:bedrock-mantle:us-east-1:111122223333:project/default";
const WORKSPACE_CALLS: [&str; 8] = [
    "aws-external-anthropic:CreateInference",
    "aws-external-anthropic:ListModels",
    "aws-external-anthropic:CreateBatchInference",
    "aws-external-anthropic:CountTokens",
    "aws-external-anthropic:GetFile",
    "aws-external-anthropic:CreateSession",
    "aws-external-anthropic:UpdateWorkspace",
    "aws-external-anthropic:CallWithBearerToken",
];
const WORKSPACES: [&str; 5] = [
    "arn:aws:aws-external-anthropic:us-west-2:111122223333:workspace/wrkspc_01Ab",
    "arn:aws:aws-external-anthropic:us-west-2:111122223333:workspace/wrkspc_02Cd",
    "arn:aws:aws-external-anthropic:us-west-2:111122223333:workspace/wrkspc_99Zz",
    "arn:aws:aws-external-anthropic:us-east-1:111122223333:workspace/wrkspc_01Ab",
    "arn:aws:aws-external-anthropic:us-west-2:444455556666:workspace/wrkspc_01Ab",
];
const FOREIGN: [(&str, &str); 2] =
    [("iam:CreateUser", "arn:aws:iam::111122223333:user/u"), ("s3:GetObject", "arn:aws:s3:::bucket/key")];
const ROLES: [&str; 3] = [
    "arn:aws:iam::111122223333:role/finops-ai-checkout-assistant",
    "arn:aws:iam::444455556666:role/finops-ai-checkout-assistant",
    "arn:aws:iam::111122223333:role/Administrator",
];

const SERVERS: [(Option<bool>, Option<&str>); 6] = [
    (None, None),
    (Some(false), None),
    (Some(true), Some(EKS)),
    (Some(true), Some(ECS)),
    (Some(true), Some("aws-mcp.amazonaws.com")),
    (Some(true), None),
];

/// Every call of a principal, always in the same order.
pub(crate) fn calls(principal: &str) -> Vec<Call<'_>> {
    let mut calls = Vec::new();
    let mut ask = |action, resource, regions: &[&'static str], profile, passed_to| {
        for &region in regions {
            for (via_mcp, server) in SERVERS {
                calls.push(Call { principal, action, resource, region, profile, via_mcp, server, passed_to });
            }
        }
    };
    let here = ["us-east-1"];
    for action in MODEL_CALLS {
        for resource in MODELS {
            for profile in [None, Some(US_PROFILE), Some(GLOBAL_PROFILE), Some(OWN_PROFILE)] {
                ask(action, resource, &here, profile, None);
            }
        }
    }
    for action in ["bedrock:CreateModelInvocationJob", "bedrock:StopModelInvocationJob"] {
        JOBS.iter().for_each(|job| ask(action, job, &here, None, None));
    }
    AGENTS.iter().for_each(|(action, resource)| ask(action, resource, &here, None, None));
    for action in WITHOUT_RESOURCE {
        ask(action, "*", &["us-east-1", "us-west-2", "eu-west-1"], None, None);
    }
    MANTLE.iter().for_each(|action| ask(action, PROJECT, &here, None, None));
    ask("bedrock-mantle:CallWithBearerToken", "*", &here, None, None);
    for action in WORKSPACE_CALLS {
        WORKSPACES.iter().for_each(|workspace| ask(action, workspace, &["us-west-2"], None, None));
    }
    for resource in ROLES {
        for service in ["bedrock.amazonaws.com", "lambda.amazonaws.com"] {
            ask("iam:PassRole", resource, &here, None, Some(service));
        }
    }
    FOREIGN.iter().for_each(|(action, resource)| ask(action, resource, &here, None, None));
    calls
}
