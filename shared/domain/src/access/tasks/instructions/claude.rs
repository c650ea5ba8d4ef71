//! The three tasks of a Claude Platform chain: create the workspace, register its ARN, deploy the passthrough function.
//!
//! IAM cannot limit the model there, and the third task says so: the function refuses any model but the approved ones,
//! and ingestion raises a gap for any other that the bill names.

use crate::access::tasks::task::content::{Artifact, TaskContent};
use serde_json::{Value, json};

use super::command::{Command, account, literal};
use super::curl::{self, REQUIRE_CREDENTIALS};
use super::template::{self, function_name};
use super::{Steps, Surroundings, WorkspaceState, role, source, title};
use crate::access::policy::APPROVAL_TAG;
use crate::access::policy::claude::{caller_permissions, engineer_permissions};
use crate::access::policy::grant::Grant;
use crate::access::tasks::chain::Chain;
use crate::access::tasks::task::TaskKind;
use crate::base::aws::{Region, RoleRef, WorkspaceArn};
use crate::base::outcome::Refusal;
use crate::base::platform::ModelAction;

/// The function's template, and that of before where others on the role use the function.
pub(super) const TEMPLATE: &str = "template.yaml";
const UNDO_TEMPLATE: &str = "undo-template.yaml";

const WORKSPACES: &str = "/v1/organizations/workspaces";

/// Task 1: create the workspace, or verify the one that is already registered under its name.
///
/// # Errors
/// [`crate::base::outcome::RefusalKind::PolicyImpossible`] without a workspace name, or as the policy generator says.
pub fn render_claude_create_workspace(chain: &Chain, around: &Surroundings<'_>) -> Result<TaskContent, Refusal> {
    let name = workspace_name(chain)?;
    let region = &chain.spec.region;
    let federation =
        account().then(&Command::aws("iam get-outbound-web-identity-federation-info").printing("JwtVendingEnabled"));
    let steps = Steps::default().run(
        "Check the account",
        federation,
        &format!(
            "{}, then True; if it is not enabled, the account's administrator runs: aws iam \
             enable-outbound-web-identity-federation",
            chain.spec.account_id
        ),
    );
    let (steps, undo) = match around.workspace {
        WorkspaceState::ToCreate => {
            let create = with_credentials(&curl::post(region, WORKSPACES, &json!({ "name": name })));
            let steps = steps
                .run(
                    "List the workspaces",
                    list(chain),
                    &format!("no workspace named \"{name}\"; if there is one, skip the next step"),
                )
                .run(
                    "Create the workspace",
                    create,
                    &format!("\"name\":\"{name}\" and an id that begins with wrkspc_"),
                );
            let undo = Steps::default().by_hand(
                "Archive the workspace in the console",
                &format!("\"{name}\" is archived; archiving cannot be taken back, and nothing may be using it"),
            );
            (steps, undo)
        }
        WorkspaceState::Registered(arn) => {
            let read = with_credentials(&curl::get(region, &format!("{WORKSPACES}/{}", arn.workspace_id)));
            let expect = format!("\"name\":\"{name}\", not archived; it is already registered, so nothing is created");
            (steps.run("Verify the workspace", read, &expect), Steps::default())
        }
    };
    Ok(TaskContent {
        title: title(
            TaskKind::ClaudeCreateWorkspace,
            &format!("\"{name}\" in {} {region}", chain.spec.account_id),
            chain,
        ),
        instructions: steps.done(),
        undo: undo.done(),
        artifacts: vec![permissions_of_the_engineer(chain)?],
        evidence_required: Vec::new(),
    })
}

/// Task 2: find the workspace, tag it, activate the tag, and hand its ARN in as evidence.
///
/// # Errors
/// [`crate::base::outcome::RefusalKind::PolicyImpossible`] without a workspace name, or as the policy generator says.
pub fn render_claude_register_workspace(chain: &Chain, around: &Surroundings<'_>) -> Result<TaskContent, Refusal> {
    let name = workspace_name(chain)?;
    let (region, account_id) = (&chain.spec.region, &chain.spec.account_id);
    let partition = chain.role().partition.as_str();
    let arn = format!("arn:{partition}:{}:{region}:{account_id}:workspace/", curl::SERVICE);
    let tag = around.workspace_tag;
    let activate = Command::aws("ce update-cost-allocation-tags-status")
        .values("--cost-allocation-tags-status", &[format!("TagKey={tag},Status=Active")])
        .option("--region", "us-east-1")
        .printing_json("Errors");
    let check = Command::aws("ce list-cost-allocation-tags")
        .values("--tag-keys", &[tag.to_owned()])
        .option("--region", "us-east-1")
        .printing(&format!("CostAllocationTags[?TagKey=={}].Status", literal(tag)));
    let steps = Steps::default()
        .run(
            "Find the workspace by its name",
            list(chain),
            &format!(
                "exactly one workspace named \"{name}\"; the evidence `workspaceArn` is {arn} followed by its \
                id (wrkspc_...)"
            ),
        )
        .by_hand(
            &format!("Tag the workspace in the console with {tag} = {name}"),
            "the tag is shown on the workspace; AWS documents no CLI command for it. Spend before the tag stays an \
             Untagged Workspace gap",
        )
        .run(
            "Activate the cost allocation tag, in the payer account",
            activate,
            "[]; a new key takes up to 24 hours to be offered and as long to be active, and is not retroactive: on \
             an error do this step a day later",
        )
        .run("Verify the cost allocation tag, in the payer account", check, "Active");
    Ok(TaskContent {
        title: title(TaskKind::ClaudeRegisterWorkspace, &format!("\"{name}\" in {account_id} {region}"), chain),
        instructions: steps.done(),
        undo: Steps::default()
            .by_hand(&format!("Remove the tag {tag} from the workspace in the console"), "the tag is gone")
            .done(),
        artifacts: vec![permissions_of_the_engineer(chain)?],
        evidence_required: vec!["workspaceArn".to_owned()],
    })
}

/// Task 3: the execution role with its policy, and the passthrough function under it.
///
/// # Errors
/// As the policy generator says; [`crate::base::outcome::RefusalKind::PolicyImpossible`] before task 2 has registered
/// the ARN.
pub fn render_claude_deploy_lambda(chain: &Chain, around: &Surroundings<'_>) -> Result<TaskContent, Refusal> {
    let work = role::plan(chain, around)?;
    let workspace = registered(chain)?;
    let function = function_name(&work.role.name);
    let region = chain.spec.region.as_str();
    let read = account().then_raw(&with_credentials(&curl::get(
        &chain.spec.region,
        &format!("{WORKSPACES}/{}", workspace.workspace_id),
    )));
    let expect = format!("{}, then the workspace {} of the approval", chain.spec.account_id, workspace.workspace_id);
    let steps = work.apply(Steps::default().run("Verify the account and the workspace", read, &expect), None);
    let steps = verify_function(deploy(steps, chain, &function, TEMPLATE), chain, workspace, &function, &work.role)
        .by_hand(
            "Let the workload call the function: put caller-policy.json on the role that its own code runs under",
            "calls that are signed under that role are answered at the function's URL, and no others",
        );
    let steps = steps.by_hand(
        "Know what IAM does not hold",
        &format!(
            "IAM cannot name a model on Claude Platform: the policy limits workspace and actions. The function \
             refuses any model but {}, which IAM could not; who calls the platform under the role without it can use \
             any model there, \
             and whatever other model the bill then shows becomes a gap",
            chain.model_id
        ),
    );
    let mut artifacts = work.artifacts();
    artifacts.extend(files_of_the_function(chain, &work.grants)?);
    let callers = caller_permissions(&work.role, &chain.spec.region, &function)?;
    artifacts.push(Artifact::document("caller-policy.json", &callers));
    artifacts.push(permissions_of_the_engineer(chain)?);
    let undo = if around.others_on_role.iter().any(|grant| template::serves(&chain.spec.region, grant)) {
        let [before, _same_source] = files_of_the_function(chain, around.others_on_role)?;
        artifacts.push(Artifact::new(UNDO_TEMPLATE, before.content));
        deploy(Steps::default(), chain, &function, UNDO_TEMPLATE)
    } else {
        delete_stack(Steps::default(), chain, &function)
    };
    Ok(TaskContent {
        title: title(TaskKind::ClaudeDeployLambda, &format!("{function} in {} {region}", chain.spec.account_id), chain),
        instructions: steps.done(),
        undo: work.undo(undo).done(),
        artifacts,
        evidence_required: vec!["lambdaRoleArn".to_owned()],
    })
}

/// Builds the function and deploys a template as the stack of the function's name.
pub(super) fn deploy(steps: Steps, chain: &Chain, function: &str, template: &'static str) -> Steps {
    let check = format!("sha256sum -c {}", source::CHECKSUMS);
    let build = Command::sam("build").file_name("--template-file", template);
    let deploy = Command::sam("deploy")
        .option("--stack-name", function)
        .values("--capabilities", &["CAPABILITY_AUTO_EXPAND".to_owned()])
        .values("--tags", &[format!("{APPROVAL_TAG}={}", chain.approval_id)])
        .option("--region", chain.spec.region.as_str())
        .flag("--resolve-s3")
        .flag("--no-confirm-changeset")
        .flag("--no-fail-on-empty-changeset");
    steps
        .run(
            "Check the function's source",
            check,
            "OK behind every file of passthrough/; anything else means that the product was renewed since: return \
             this task",
        )
        .run(
            "Build the passthrough function",
            build,
            "Build Succeeded; it needs the SAM CLI, Rust and cargo-lambda with zig (pip install aws-sam-cli \
             cargo-lambda ziglang), and a folder that is in no other Cargo workspace",
        )
        .run(
            "Deploy the passthrough function",
            deploy,
            "Successfully created/updated stack; on a role that was just created repeat once if Lambda cannot assume \
             it yet",
        )
}

/// The files that [`deploy`] uses, for these grants; the source itself is added where the task is downloaded.
pub(super) fn files_of_the_function(chain: &Chain, grants: &[Grant]) -> Result<[Artifact; 2], Refusal> {
    let template = template::render(&chain.role(), &chain.spec.region, &chain.approval_id, grants)?;
    Ok([Artifact::new(TEMPLATE, template), source::checksums()])
}

/// Prints the function's URL, which ends in a slash.
pub(crate) fn function_url_command(region: &Region, function: &str) -> String {
    let read = Command::aws("lambda get-function-url-config")
        .option("--function-name", function)
        .option("--region", region.as_str());
    read.printing("FunctionUrl").into()
}

/// Reads what was deployed, and tries it: a model that nobody approved, then the approved one.
fn verify_function(steps: Steps, chain: &Chain, workspace: &WorkspaceArn, function: &str, role: &RoleRef) -> Steps {
    let region = &chain.spec.region;
    let on_function =
        |operation| Command::aws(operation).option("--function-name", function).option("--region", region.as_str());
    let url = function_url_command(region, function);
    let call = |path: &str, body: Option<&Value>| {
        with_credentials(&curl::through_function(region, &url, path, &workspace.workspace_id, body))
    };
    let message =
        |model: &str| json!({ "model": model, "max_tokens": 1, "messages": [{ "role": "user", "content": "hi" }] });
    let counted = json!({ "model": chain.model_id, "messages": [{ "role": "user", "content": "hi" }] });
    let has = |action| chain.actions.contains(&action);
    let (approved, answer) = if has(ModelAction::CountTokens) {
        (Some(call("v1/messages/count_tokens", Some(&counted))), "{\"input_tokens\":8} or another small number")
    } else if has(ModelAction::Inference) {
        (Some(call("v1/messages", Some(&message(chain.model_id.as_str())))), "\"type\":\"message\"")
    } else if has(ModelAction::Batch) {
        (Some(call("v1/messages/batches", None)), "\"data\":[")
    } else {
        (None, "")
    };
    let steps = steps
        .run(
            "Verify the function's role",
            on_function("lambda get-function-configuration").printing("Role"),
            &format!("{}: the evidence `lambdaRoleArn`", role.arn()),
        )
        .run(
            "Read the function's URL",
            on_function("lambda get-function-url-config").printing("[AuthType, InvokeMode, FunctionUrl]"),
            &format!(
                "AWS_IAM, RESPONSE_STREAM and https://(an id).lambda-url.{region}.on.aws/; hand that in as the \
                 evidence `functionUrl` too, and the developers' hand-off names it"
            ),
        )
        .run(
            "See that another model is refused",
            call("v1/messages", Some(&message("a-model-that-nobody-approved"))),
            "\"type\":\"permission_error\" with `a-model-that-nobody-approved` is not approved, then 403",
        );
    match approved {
        Some(command) => steps.run(
            "See that what was approved is answered",
            command,
            &format!(
                "{answer}, then 200; on an error of the platform read its message: the call was signed and forwarded"
            ),
        ),
        None => steps,
    }
}

/// Deletes the stack of the function.
pub(super) fn delete_stack(steps: Steps, chain: &Chain, function: &str) -> Steps {
    let region = chain.spec.region.as_str();
    let on_stack = |operation| Command::aws(operation).option("--stack-name", function).option("--region", region);
    let delete = on_stack("cloudformation delete-stack").then(&on_stack("cloudformation wait stack-delete-complete"));
    steps.run("Delete the passthrough function", delete, "no output")
}

/// Archives a workspace that nothing approved uses any more.
pub(super) fn archive(steps: Steps, chain: &Chain, workspace: &WorkspaceArn) -> Steps {
    let path = format!("{WORKSPACES}/{}/archive", workspace.workspace_id);
    let archive = with_credentials(&curl::post(&chain.spec.region, &path, &json!({})));
    steps.run("Archive the workspace", archive, "an archived_at date; archiving cannot be taken back")
}

/// The workspace that task 2 registered.
pub(super) fn registered(chain: &Chain) -> Result<&WorkspaceArn, Refusal> {
    match &chain.workspace_arn {
        Some(workspace) => Ok(workspace),
        None => Err(chain
            .grant()?
            .impossible("its workspace's ARN is not registered yet; complete the task before this one")),
    }
}

fn workspace_name(chain: &Chain) -> Result<&str, Refusal> {
    match &chain.workspace_name {
        Some(name) => Ok(name.as_str()),
        None => Err(chain.grant()?.impossible("the approval names no workspace")),
    }
}

fn list(chain: &Chain) -> String {
    with_credentials(&curl::get(&chain.spec.region, &format!("{WORKSPACES}?limit=100")))
}

fn with_credentials(command: &str) -> String {
    format!("{REQUIRE_CREDENTIALS} && {command}")
}

fn permissions_of_the_engineer(chain: &Chain) -> Result<Artifact, Refusal> {
    let role = chain.role();
    let document = engineer_permissions(&role, &chain.spec.region, &function_name(&role.name))?;
    Ok(Artifact::document("engineer-permissions.json", &document))
}
