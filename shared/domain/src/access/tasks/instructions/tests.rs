//! A golden transcript of every kind of task, each command through a real shell's parser, and hostile names.

use std::collections::BTreeSet;
use std::process::Command;

use super::fixtures::{chain, on_bedrock, on_claude};
use super::*;
use crate::access::decisions::approval::{MapMethod, MapTagging};
use crate::access::policy::compare::{Difference, DifferenceKind};
use crate::access::policy::fixtures::{self, SONNET, US_PROFILE};
use crate::access::tasks::task::content::Artifact;
use crate::base::digest::Digest;
use crate::base::platform::{ModelAction, Platform};

const LAMBDA: Trust<'static> = Trust { runtime: Runtime::Lambda, detail: None };

const fn around<'a>(role: RoleState<'a>, others: &'a [Grant]) -> Surroundings<'a> {
    Surroundings {
        others_on_role: others,
        role,
        workspace: WorkspaceState::ToCreate,
        workspace_tag: "finops-workspace",
        workspace_use: WorkspaceUse::Last,
        drift: None,
    }
}

/// The task as an engineer reads it.
fn transcript(content: &TaskContent) -> String {
    let steps = |steps: &[Step]| {
        let line = |s: &Step| {
            let command = s.command.as_ref().map(|c| format!("   $ {c}\n")).unwrap_or_default();
            format!("{}. {}\n{command}   > {}\n", s.step, s.title, s.expect.as_deref().unwrap_or_default())
        };
        steps.iter().map(line).collect::<String>()
    };
    // The checksums follow every change of the function's source, which is no change of the task.
    let shown = |a: &Artifact| match a.name.as_str() {
        source::CHECKSUMS => {
            a.content.lines().filter_map(|l| Some(format!("... {}\n", l.split_once("  ")?.1))).collect()
        }
        _ => a.content.clone(),
    };
    let files: String = content.artifacts.iter().map(|a| format!("--- {}\n{}", a.name, shown(a))).collect();
    let (todo, undo) = (steps(&content.instructions), steps(&content.undo));
    format!("{}\nevidence: {:?}\n\n{todo}\nundo\n{undo}\n{files}", content.title, content.evidence_required)
}

/// What holds for every task: commands parse in a shell, files exist, nothing stands outside ASCII.
fn check(content: &TaskContent) -> anyhow::Result<()> {
    for step in content.instructions.iter().chain(&content.undo) {
        let Some(command) = &step.command else { continue };
        let parsed = Command::new("bash").args(["-n", "-c", command]).output()?;
        assert!(parsed.status.success(), "{command}: {}", String::from_utf8_lossy(&parsed.stderr));
        let of_option = |option| command.split(option).skip(1).filter_map(|rest: &str| rest.split([' ', '\'']).next());
        for file in of_option("file://").chain(of_option("--template-file ")).chain(of_option("sha256sum -c ")) {
            assert!(content.artifacts.iter().any(|a| a.name == file), "{command}: no artefact {file}");
        }
    }
    for artifact in &content.artifacts {
        assert_eq!(artifact.sha256, Digest::of_bytes(artifact.content.as_bytes()));
    }
    assert!(transcript(content).is_ascii());
    Ok(())
}

fn golden(name: &str, kind: TaskKind, chain: &Chain, around: &Surroundings<'_>) -> anyhow::Result<()> {
    let content = render(kind, chain, around)?;
    check(&content)?;
    assert_eq!(render(kind, chain, around)?, content);
    insta::with_settings!({ prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, transcript(&content));
    });
    Ok(())
}

#[test]
fn tasks_on_bedrock() -> anyhow::Result<()> {
    let policy = TaskKind::BedrockIamPolicy;
    golden("bedrock-iam-policy", policy, &on_bedrock()?, &around(RoleState::ToCreate(LAMBDA), &[]))?;
    let ec2 = RoleState::ToCreate(Trust { runtime: Runtime::Ec2, detail: None });
    golden("bedrock-iam-policy-ec2", policy, &on_bedrock()?, &around(ec2, &[]))?;
    let detail: RuntimeDetail =
        serde_json::from_str(r#"{"cluster":"prod","namespace":"shop","serviceAccount":"pay"}"#)?;
    let eks = RoleState::ToCreate(Trust { runtime: Runtime::Eks, detail: Some(&detail) });
    golden("bedrock-iam-policy-eks", policy, &on_bedrock()?, &around(eks, &[]))?;
    let mut adopted = chain(Platform::Bedrock, SONNET, "us-east-1", &[ModelAction::Invoke, ModelAction::Batch])?;
    adopted.spec.existing = true;
    adopted.profile_arn = Some(US_PROFILE.to_owned());
    adopted.profile_model_arns = vec![format!("arn:aws:bedrock:us-east-1::foundation-model/{SONNET}")];
    adopted.map = Some(MapTagging { value: "mig12345".to_owned(), methods: BTreeSet::from([MapMethod::RoleTag]) });
    golden("bedrock-iam-policy-adopted-role", policy, &adopted, &around(RoleState::Adopted, &[]))?;
    let others = [fixtures::bedrock("amazon.nova-pro-v1:0", &[ModelAction::Invoke])?];
    let created = around(RoleState::Created(LAMBDA), &others);
    golden("bedrock-iam-policy-second-model", policy, &on_bedrock()?, &created)?;
    let mut tagged = on_bedrock()?;
    tagged.map = Some(MapTagging { value: "mig1".to_owned(), methods: BTreeSet::from([MapMethod::InferenceProfile]) });
    golden("bedrock-create-profile", TaskKind::BedrockCreateProfile, &tagged, &created)?;
    golden("revoke-bedrock-policy-of-two", TaskKind::RevokeBedrockPolicy, &on_bedrock()?, &created)?;
    golden(
        "revoke-bedrock-policy-last",
        TaskKind::RevokeBedrockPolicy,
        &on_bedrock()?,
        &around(RoleState::Adopted, &[]),
    )
}

#[test]
fn tasks_on_claude_platform() -> anyhow::Result<()> {
    let fresh = around(RoleState::ToCreate(LAMBDA), &[]);
    golden("claude-create-workspace", TaskKind::ClaudeCreateWorkspace, &on_claude(false)?, &fresh)?;
    let registered = on_claude(true)?;
    let arn = registered.workspace_arn.clone();
    let verify =
        Surroundings { workspace: arn.as_ref().map_or(WorkspaceState::ToCreate, WorkspaceState::Registered), ..fresh };
    golden("claude-create-workspace-registered", TaskKind::ClaudeCreateWorkspace, &on_claude(false)?, &verify)?;
    golden("claude-register-workspace", TaskKind::ClaudeRegisterWorkspace, &on_claude(false)?, &fresh)?;
    golden("claude-deploy-lambda", TaskKind::ClaudeDeployLambda, &registered, &fresh)?;
    let beside = [fixtures::claude("wrkspc_02Cd", &[ModelAction::Batch])?];
    let second = around(RoleState::Created(LAMBDA), &beside);
    golden("claude-deploy-lambda-second-workspace", TaskKind::ClaudeDeployLambda, &registered, &second)?;
    golden("revoke-claude-workspace-last", TaskKind::RevokeClaudeWorkspace, &registered, &fresh)?;
    let others = [fixtures::claude("wrkspc_02Cd", &[ModelAction::Inference])?];
    let shared = Surroundings { workspace_use: WorkspaceUse::Shared, ..around(RoleState::Created(LAMBDA), &others) };
    golden("revoke-claude-workspace-shared", TaskKind::RevokeClaudeWorkspace, &registered, &shared)?;
    golden("revoke-claude-workspace-unregistered", TaskKind::RevokeClaudeWorkspace, &on_claude(false)?, &fresh)?;
    assert!(render(TaskKind::ClaudeDeployLambda, &on_claude(false)?, &fresh).is_err());
    Ok(())
}

#[test]
fn a_repair_names_each_statement_and_puts_back_what_was_approved() -> anyhow::Result<()> {
    let difference = |statement: &str| Difference {
        kind: DifferenceKind::Changed,
        statement: statement.to_owned(),
        detail: "Action: live adds `bedrock:*`".to_owned(),
    };
    let drift = Drift {
        policy: vec![difference("AllowApprovedModel")],
        trust: vec![difference("TrustRuntime")],
        inline_policies: vec!["it's $(id)".to_owned()],
        attached_policies: vec!["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()],
        ..Drift::default()
    };
    let surroundings = Surroundings { drift: Some(&drift), ..around(RoleState::Created(LAMBDA), &[]) };
    golden("fix-drift", TaskKind::FixDrift, &on_bedrock()?, &surroundings)?;
    let none = around(RoleState::Adopted, &[]);
    assert!(render(TaskKind::FixDrift, &on_bedrock()?, &none).is_err());
    Ok(())
}

#[test]
fn names_that_begin_with_a_dash_or_hold_odd_characters_stay_one_word() -> anyhow::Result<()> {
    for role in ["-x", "--version", "a=b,c@d", "a@ROLE@b", "+1.2", "_"] {
        let mut bedrock = on_bedrock()?;
        bedrock.spec.iam_role = role.parse()?;
        let content = render(TaskKind::BedrockIamPolicy, &bedrock, &around(RoleState::ToCreate(LAMBDA), &[]))?;
        check(&content)?;
        let mut claude = on_claude(true)?;
        claude.spec.iam_role = role.parse()?;
        check(&render(TaskKind::ClaudeDeployLambda, &claude, &around(RoleState::ToCreate(LAMBDA), &[]))?)?;
        let put =
            content.instructions.iter().filter_map(|s| s.command.as_deref()).find(|c| c.contains("put-role-policy"));
        let expected =
            if role.starts_with('-') { format!("--role-name='{role}'") } else { format!("--role-name '{role}'") };
        assert!(put.is_some_and(|c| c.contains(&expected)), "{put:?}");
    }
    Ok(())
}

/// Left in `target/tmp`, where CI builds and lints it.
#[test]
fn the_files_of_a_claude_chains_third_task_are_a_project_that_its_own_step_checks() -> anyhow::Result<()> {
    let content = render(TaskKind::ClaudeDeployLambda, &on_claude(true)?, &around(RoleState::ToCreate(LAMBDA), &[]))?;
    let target = std::env::current_exe()?.ancestors().nth(3).map(std::path::Path::to_path_buf).unwrap_or_default();
    let folder = target.join("tmp/claude-deploy-lambda");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(folder.join("passthrough/src"))?;
    for artifact in &content.artifacts {
        std::fs::write(folder.join(&artifact.name), &artifact.content)?;
    }
    assert!(content.artifacts.iter().all(|a| !a.content.contains("fn main()")), "a stored task carries no source");
    for (name, text) in source::files_beside(&content.artifacts) {
        std::fs::write(folder.join(name), text)?;
    }
    let check = content.instructions.iter().find(|step| step.title == "Check the function's source");
    let check = check.and_then(|step| step.command.as_deref()).unwrap_or("false");
    let checked = Command::new("bash").args(["-c", check]).current_dir(&folder).output()?;
    assert!(checked.status.success(), "{checked:?}");
    assert!(source::files_beside(&[]).is_empty());
    Ok(())
}
