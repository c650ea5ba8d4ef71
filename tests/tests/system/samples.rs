//! The committed events, `events/inbound/<function>/<case>.json`: each is handled as Lambda would hand it over, then
//! again. What each is answered, on an empty stack, is in a snapshot.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use lambda::Function;
use serde_json::Value;
use system_tests::World;

const INBOUND: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/inbound");

#[tokio::test(flavor = "multi_thread")]
async fn every_inbound_sample_is_understood_and_a_repetition_answers_alike() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let mut answers: BTreeMap<String, Value> = BTreeMap::new();
    for function in world.local.stack.gateway.functions() {
        let folder = Path::new(INBOUND).join(function.name);
        let files = std::fs::read_dir(&folder).with_context(|| format!("{} has no samples", function.name))?;
        let mut paths = files.map(|file| file.map(|file| file.path())).collect::<Result<Vec<_>, _>>()?;
        paths.sort();
        for path in paths {
            let event: Value =
                serde_json::from_slice(&std::fs::read(&path)?).with_context(|| path.display().to_string())?;
            // Named so where the sample shows what is set aside.
            let is_poison = path.file_name().is_some_and(|name| name.to_string_lossy().contains("poison"));
            let first = answer(function, &event, is_poison).await.with_context(|| path.display().to_string())?;
            let second = answer(function, &event, is_poison).await.with_context(|| path.display().to_string())?;
            assert_eq!(first, second, "{}", path.display());
            answers.insert(path.strip_prefix(INBOUND)?.display().to_string(), first);
        }
    }
    assert!(answers.len() > 50, "only {} samples were found", answers.len());
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_json_snapshot!("answers-to-samples", answers);
    });
    Ok(())
}

/// What came of an event: a status and the kind of problem, or the records to be delivered again. Schedules answer
/// what they did, which may differ.
async fn answer(function: &Arc<Function>, event: &Value, is_poison: bool) -> anyhow::Result<Value> {
    match function.handle(event).await {
        Err(failure) => anyhow::bail!("it was refused: {failure}"),
        Ok(answer) => match (answer.get("statusCode").and_then(Value::as_u64), answer.get("batchItemFailures")) {
            (Some(status), _) if status < 500 => Ok(status_and_problem(status, &answer)),
            (Some(status), _) => anyhow::bail!("it answered {status}: {answer}"),
            (None, Some(failed)) if failed.as_array().is_none_or(Vec::is_empty) || is_poison => Ok(failed.clone()),
            (None, Some(failed)) => anyhow::bail!("records are to be delivered again: {failed}"),
            (None, None) => Ok(Value::Null),
        },
    }
}

fn status_and_problem(status: u64, answer: &Value) -> Value {
    let body = answer.get("body").and_then(Value::as_str).and_then(|body| serde_json::from_str::<Value>(body).ok());
    match body.as_ref().and_then(|body| body.get("type")).and_then(Value::as_str).filter(|_| status >= 400) {
        Some(problem) => Value::from(format!("{status} {problem}")),
        None => Value::from(status),
    }
}
