//! Documents that are made from the code and kept in the repository. With `UPDATE=1` these tests write them.

mod code;
mod data_model;
mod events;
#[path = "../house/files.rs"]
mod files;
mod tables;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use contract::events::Event;
use domain::base::audit::AuditEvent;
use serde_json::Value;

/// What ends a part of a page that is made.
const END: &str = "<!-- end -->";

/// What all functions have in common: there it is asked who calls, and whether the call was answered before.
const EDGE: &str = "every function with routes";

/// Functions by name, and the edge of all of them last.
fn listed(names: &BTreeSet<String>) -> String {
    let functions = names.iter().filter(|name| *name != EDGE).map(|name| format!("`{name}`"));
    let edge = names.iter().filter(|name| *name == EDGE).cloned();
    functions.chain(edge).collect::<Vec<_>>().join(", ")
}

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Compares a document with the kept one, or keeps it.
fn check(path: &str, made: &str) -> anyhow::Result<()> {
    let file = in_repository(path);
    #[expect(clippy::disallowed_methods, reason = "the one switch of these tests: to write instead of to compare")]
    let writes = std::env::var_os("UPDATE").is_some();
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    if writes && kept != made {
        return std::fs::write(&file, made).with_context(|| format!("{} cannot be written", file.display()));
    }
    assert!(kept == made, "{path} is not what the code says; run `UPDATE=1 cargo test -p system-tests documents`");
    Ok(())
}

/// Compares the part of a page under a mark, or keeps it. What people wrote around it stays.
fn check_part(path: &str, mark: &str, made: &str) -> anyhow::Result<()> {
    let page = std::fs::read_to_string(in_repository(path))?;
    let begin = format!("<!-- {mark} -->\n");
    let (before, rest) = page.split_once(&begin).with_context(|| format!("{path} has no `<!-- {mark} -->`"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{path} has no `{END}` after `{mark}`"))?;
    check(path, &format!("{before}{begin}{made}{END}{after}"))
}

#[test]
fn the_authorisation_table_that_people_read_is_the_code() -> anyhow::Result<()> {
    check_part("docs/authorisation.md", "authorisation table", &local::documents::authorisation())
}

#[tokio::test]
async fn the_events_that_people_read_are_those_that_functions_make_and_hear() -> anyhow::Result<()> {
    let path = "docs/events.md";
    check_part(path, "envelope", &events::envelope()?)?;
    check_part(path, "events", &events::table().await?)?;
    check_part(path, "shapes", &events::named_shapes())
}

#[test]
fn the_data_model_that_people_read_is_the_stores() -> anyhow::Result<()> {
    let path = "docs/data-model.md";
    check_part(path, "things", &data_model::things(&data_model::Readers::found()?))?;
    check_part(path, "beside", &data_model::beside())?;
    check_part(path, "spend", &data_model::spend())
}

#[tokio::test]
async fn the_openapi_document_that_is_deployed_is_the_functions() -> anyhow::Result<()> {
    check("functions/approval/openapi.json", &local::documents::openapi().await?)
}

#[tokio::test]
async fn exactly_what_answers_by_pages_takes_a_limit_and_a_cursor() -> anyhow::Result<()> {
    let document: Value = serde_json::from_str(&local::documents::openapi().await?)?;
    let paths = document["paths"].as_object().context("paths")?;
    let mut paged = 0;
    for (path, operations) in paths {
        let Some(read) = operations.get("get") else { continue };
        let schema = &read["responses"]["200"]["content"]["application/json"]["schema"];
        let named = schema["$ref"].as_str().and_then(|name| document.pointer(name.trim_start_matches('#')));
        let fields = &named.unwrap_or(schema)["properties"];
        let has_pages = ["items", "next"].iter().all(|field| fields.get(field).is_some());
        let parameters = read["parameters"].as_array().context("parameters")?;
        let takes = ["limit", "cursor"].map(|name| parameters.iter().any(|parameter| parameter["name"] == name));
        assert_eq!(takes, [has_pages; 2], "{path}");
        paged += usize::from(has_pages);
    }
    assert!(paged > 10, "{paged}");
    Ok(())
}

#[test]
fn the_published_schemas_are_the_events_and_their_examples_are_still_read() -> anyhow::Result<()> {
    for (kind, schema) in local::documents::event_schemas() {
        check(&format!("events/published/{kind}/v1.schema.json"), &format!("{schema:#}\n"))?;
        let Ok(example) = std::fs::read(in_repository(&format!("events/published/{kind}/v1.example.json"))) else {
            continue;
        };
        let envelope: AuditEvent = serde_json::from_slice(&example).with_context(|| kind.clone())?;
        assert_eq!(envelope.event_type, kind);
        assert_eq!(envelope.computed_hash(), envelope.hash, "{kind} is not as it was recorded");
        Event::of(&envelope).with_context(|| kind.clone())?;
    }
    Ok(())
}
