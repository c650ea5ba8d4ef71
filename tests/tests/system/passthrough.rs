//! The third task of a Claude chain, as the engineer downloads it: a project that can be built and deployed, and the
//! hand-off that its evidence completes.

use std::io::{Cursor, Read as _};
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};
use system_tests::{CHEN, DATA, PETRA, SONNET, WORKSPACE_ARN, World, place, text, texts};

const ROLE: &str = "finops-ai-desk";

/// A Claude chain whose first two tasks are done.
async fn chain_at_its_third_task(world: &World) -> anyhow::Result<(String, Value)> {
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Desk").await?;
    world.estimate(PETRA, &workload, "claude-platform", "10.00").await?;
    let body = json!({
        "platform": "claude-platform", "modelId": SONNET, "actions": ["inference", "count-tokens"],
        "workspaceName": "desk", "scopes": [place(DATA, "us-west-2", ROLE)],
    });
    let granted = world.granted(PETRA, &workload, &body).await?;
    for evidence in [json!({}), json!({ "workspaceArn": WORKSPACE_ARN })] {
        world.work(CHEN, &world.task_in(&granted.id, "ready").await?, &evidence).await?;
    }
    Ok((workload, world.task_in(&granted.id, "ready").await?))
}

/// Unpacks an archive into a folder; the names in it.
fn unpack(archive: &[u8], folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive))?;
    let mut names = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let name = file.name()?.into_owned();
        let path = folder.join(&name);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(path, content)?;
        names.push(name);
    }
    Ok(names)
}

#[tokio::test]
async fn the_bundle_of_the_third_task_is_a_project_that_its_own_commands_check() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let (_, task) = chain_at_its_third_task(&world).await?;
    let id = text(&task, "/id")?;
    let bundle = world.download(CHEN, &format!("/v1/tasks/{id}/bundle")).await?;
    assert_eq!(bundle, world.download(CHEN, &format!("/v1/tasks/{id}/bundle")).await?, "the same task, the same bytes");
    let kept = tempfile::tempdir()?;
    let folder = kept.path();
    let names = unpack(&bundle, folder)?;
    for artifact in task["artifacts"].as_array().into_iter().flatten() {
        let name = text(artifact, "/name")?;
        assert_eq!(std::fs::read_to_string(folder.join(&name))?, text(artifact, "/content")?, "{name}");
    }
    // The function's source is what this repository builds and tests; the stored task does not carry it.
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sources: Vec<&String> = names.iter().filter(|name| name.starts_with("passthrough/")).collect();
    assert!(sources.len() > 10, "{names:?}");
    for name in sources {
        assert_eq!(std::fs::read(folder.join(name))?, std::fs::read(crate_folder.join(name))?, "{name}");
    }
    assert!(!task.to_string().contains("fn main()"));
    let steps = task["instructions"].as_array().cloned().unwrap_or_default();
    let check = steps.iter().find(|step| step["title"] == "Check the function's source").context("no such step")?;
    let checked = Command::new("bash").arg("-c").arg(text(check, "/command")?).current_dir(folder).output()?;
    assert!(checked.status.success(), "{checked:?}");
    Ok(())
}

#[tokio::test]
async fn the_functions_url_is_evidence_that_the_handoff_repeats() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let (workload, task) = chain_at_its_third_task(&world).await?;
    let (id, digest) = (text(&task, "/id")?, text(&task, "/digest")?);
    world.post(CHEN, &format!("/v1/tasks/{id}/start"), &json!({})).await?.ok()?;
    let complete = async |url: &str| {
        let evidence = json!({ "lambdaRoleArn": format!("arn:aws:iam::{DATA}:role/{ROLE}"), "functionUrl": url });
        let body = json!({ "digest": digest, "evidence": evidence });
        world.post(CHEN, &format!("/v1/tasks/{id}/complete"), &body).await
    };
    let elsewhere = complete("https://abc123.lambda-url.eu-west-1.on.aws/").await?;
    assert_eq!(elsewhere.refusal(), (409, "evidence-mismatch"), "the function is in us-west-2");
    let url = "https://abc123.lambda-url.us-west-2.on.aws/";
    complete(url).await?.ok()?;
    world.settle().await?;
    let handoff = world.list(PETRA, &format!("/v1/workloads/{workload}/handoff")).await?;
    assert_eq!(texts(&handoff, "functionUrl"), [url]);
    assert_eq!(handoff[0]["environment"]["CLAUDE_PASSTHROUGH_URL"], url);
    Ok(())
}
