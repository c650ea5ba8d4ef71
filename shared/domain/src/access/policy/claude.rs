//! What a grant on Claude Platform becomes in IAM, and what the engineer needs to carry out its chain.
//!
//! IAM knows workspaces and actions there, and **no model**: no document can hold an approval's model. The model is
//! held by governance instead: the passthrough function refuses any other, and ingestion raises a gap for any other
//! that the bill names. Actions are enumerated: `*File` would also match `*UserProfile`, and `Get*` reads files'
//! contents.

use std::collections::BTreeSet;

use super::condition::{Comparison, Conditions, Operator};
use super::document::{Action, Actions, Document, Effect, Resources, Sid, Statement};
use super::grant::{Grant, Permission};
use super::linter::{self, DocumentKind};
use crate::base::aws::{Region, RoleRef, WorkspaceArn};
use crate::base::outcome::Refusal;
use crate::base::platform::ModelAction;

const fn named(action: ModelAction) -> &'static [&'static str] {
    match action {
        ModelAction::Inference => &[
            "aws-external-anthropic:CreateInference",
            "aws-external-anthropic:GetModel",
            "aws-external-anthropic:ListModels",
        ],
        ModelAction::Batch => &[
            "aws-external-anthropic:CancelBatchInference",
            "aws-external-anthropic:CreateBatchInference",
            "aws-external-anthropic:DeleteBatchInference",
            "aws-external-anthropic:GetBatchInference",
            "aws-external-anthropic:ListBatchInferences",
        ],
        ModelAction::CountTokens => &["aws-external-anthropic:CountTokens"],
        ModelAction::Files => &[
            "aws-external-anthropic:CreateFile",
            "aws-external-anthropic:DeleteFile",
            "aws-external-anthropic:GetFile",
            "aws-external-anthropic:ListFiles",
        ],
        // Agents are named one by one in the approval; the others are Bedrock's.
        ModelAction::Agents | ModelAction::Invoke | ModelAction::Stream => &[],
    }
}

/// Both ways to call a model: they are independent, so a deny names both.
pub(crate) const MODEL_CALLS: [Action; 2] = [
    Action::known("aws-external-anthropic:CreateInference"),
    Action::known("aws-external-anthropic:CreateBatchInference"),
];

/// The workspace of a grant, checked against its account and region.
pub(crate) fn workspace(grant: &Grant) -> Result<&WorkspaceArn, Refusal> {
    let Some(workspace) = &grant.workspace else {
        return Err(grant.impossible("its workspace's ARN is not registered yet; complete the task before this one"));
    };
    let WorkspaceArn { partition, region, account_id, .. } = workspace;
    if (*partition, account_id, region) != (grant.role.partition, &grant.role.account_id, &grant.region) {
        return Err(grant.impossible(&format!("the workspace `{workspace}` is in another account or region")));
    }
    Ok(workspace)
}

/// The permissions of one grant: the approved actions on the approved workspace.
pub(crate) fn permissions(grant: &Grant) -> Result<Vec<Permission>, Refusal> {
    grant.check()?;
    if grant.inference_profile.is_some() {
        return Err(grant.impossible("an inference profile belongs to Bedrock, not to Claude Platform"));
    }
    let workspace = workspace(grant)?;
    let mut actions: BTreeSet<Action> =
        grant.actions.iter().flat_map(|a| named(*a)).map(|text| Action::known(text)).collect();
    actions.extend(grant.agent_actions()?);
    Ok(vec![Permission::new("AllowApprovedWorkspace", actions, [workspace.to_string()])])
}

/// What the engineer must be allowed in order to carry out the chain of one scope, and nothing else. Activating the
/// cost allocation tag is the payer account's and therefore not in it.
///
/// # Errors
/// [`crate::base::outcome::RefusalKind::PolicyImpossible`] if the document breaks a limit of IAM.
pub fn engineer_permissions(role: &RoleRef, region: &Region, function_name: &str) -> Result<Document, Refusal> {
    let partition = role.partition.as_str();
    let account = &role.account_id;
    let in_region = || Conditions::none().and_equals("aws:RequestedRegion", region.as_str());
    let workspaces = format!("arn:{partition}:aws-external-anthropic:{region}:{account}:workspace/*");
    let stack = format!("arn:{partition}:cloudformation:{region}:{account}:stack/{function_name}/*");
    let transform = format!("arn:{partition}:cloudformation:{region}:aws:transform/Serverless-2016-10-31");
    let function = format!("arn:{partition}:lambda:{region}:{account}:function:{function_name}");
    let to_lambda = Conditions::none().and_equals("iam:PassedToService", "lambda.amazonaws.com");
    let sam = "aws-sam-cli-managed-default";
    let sam_stack = format!("arn:{partition}:cloudformation:{region}:{account}:stack/{sam}/*");
    let sam_bucket = format!("arn:{partition}:s3:::{sam}-samclisourcebucket-*");
    let mut statements = vec![
        // These two have no resource: a workspace ARN would silently allow nothing.
        allow(
            "CreateAndListWorkspaces",
            &["aws-external-anthropic:CreateWorkspace", "aws-external-anthropic:ListWorkspaces"],
            &["*"],
            in_region(),
        ),
        allow(
            "ReadAndTagWorkspaces",
            &[
                "aws-external-anthropic:GetWorkspace",
                "aws-external-anthropic:ListTagsForResource",
                "aws-external-anthropic:TagResource",
                "aws-external-anthropic:UpdateWorkspace",
            ],
            &[&workspaces],
            Conditions::none(),
        ),
        allow("CheckWebIdentityFederation", &["iam:GetOutboundWebIdentityFederationInfo"], &["*"], Conditions::none()),
        allow(
            "ManageExecutionRole",
            &[
                "iam:CreateRole",
                "iam:DeleteRole",
                "iam:DeleteRolePolicy",
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "iam:PutRolePolicy",
                "iam:TagRole",
                "iam:UntagRole",
                "iam:UpdateAssumeRolePolicy",
            ],
            &[&role.arn()],
            Conditions::none(),
        ),
        allow("PassExecutionRoleToLambda", &["iam:PassRole"], &[&role.arn()], to_lambda),
        allow(
            "DeployFunction",
            &[
                "cloudformation:CreateChangeSet",
                "cloudformation:DeleteStack",
                "cloudformation:DescribeChangeSet",
                "cloudformation:DescribeStackEvents",
                "cloudformation:DescribeStacks",
                "cloudformation:ExecuteChangeSet",
            ],
            // The SAM CLI keeps what it uploads in a bucket of its own, in a stack that it makes once per region.
            &[&stack, &sam_stack, &transform],
            Conditions::none(),
        ),
        allow("ValidateTemplate", &["cloudformation:GetTemplateSummary"], &["*"], in_region()),
        allow(
            "ManageFunction",
            &[
                "lambda:CreateFunction",
                "lambda:CreateFunctionUrlConfig",
                "lambda:DeleteFunction",
                "lambda:DeleteFunctionUrlConfig",
                "lambda:GetFunction",
                "lambda:GetFunctionConfiguration",
                "lambda:GetFunctionUrlConfig",
                "lambda:ListTags",
                "lambda:TagResource",
                "lambda:UpdateFunctionCode",
                "lambda:UpdateFunctionConfiguration",
                "lambda:UpdateFunctionUrlConfig",
            ],
            &[&function],
            Conditions::none(),
        ),
        allow(
            "UploadFunction",
            &[
                "s3:CreateBucket",
                "s3:GetBucketPolicy",
                "s3:GetObject",
                "s3:PutBucketPolicy",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketTagging",
                "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
                "s3:PutObject",
            ],
            &[&sam_bucket],
            Conditions::none(),
        ),
    ];
    statements.extend(call_function(&function));
    let document = Document::new(statements);
    linter::require_clean(&document, DocumentKind::Identity)?;
    Ok(document)
}

/// What the workload's own role must be allowed in order to call the models through the function, and nothing else.
///
/// # Errors
/// [`crate::base::outcome::RefusalKind::PolicyImpossible`] if the document breaks a limit of IAM.
pub fn caller_permissions(role: &RoleRef, region: &Region, function_name: &str) -> Result<Document, Refusal> {
    let (partition, account) = (role.partition.as_str(), &role.account_id);
    let function = format!("arn:{partition}:lambda:{region}:{account}:function:{function_name}");
    let document = Document::new(call_function(&function).into());
    linter::require_clean(&document, DocumentKind::Identity)?;
    Ok(document)
}

/// A function URL asks for both actions (Lambda developer guide, "Control access to Lambda function URLs", since
/// October 2025); the conditions keep them to signed calls of the URL.
fn call_function(function: &str) -> [Statement; 2] {
    let signed = Conditions::none().and_equals("lambda:FunctionUrlAuthType", "AWS_IAM");
    let through_url =
        Conditions::none().and(Operator::plain(Comparison::Bool), "lambda:InvokedViaFunctionUrl", ["true"]);
    [
        allow("CallFunctionUrl", &["lambda:InvokeFunctionUrl"], &[function], signed),
        allow("CallOnlyThroughUrl", &["lambda:InvokeFunction"], &[function], through_url),
    ]
}

fn allow(sid: &'static str, actions: &[&'static str], resources: &[&str], conditions: Conditions) -> Statement {
    Statement {
        sid: Some(Sid::numbered(sid, 1)),
        effect: Effect::Allow,
        principals: None,
        actions: Actions::Only(actions.iter().copied().map(Action::known).collect()),
        resources: Some(Resources::Only(resources.iter().map(|&r| r.to_owned()).collect())),
        conditions,
    }
}
