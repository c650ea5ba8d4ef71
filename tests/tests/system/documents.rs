//! Documents that are made from the code and kept in the repository. With `UPDATE=1` these tests write them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use contract::events::Event;
use domain::base::audit::AuditEvent;
use serde_json::Value;

const BEGIN: &str = "<!-- authorisation table -->\n";
const END: &str = "<!-- end -->";

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

#[test]
fn the_authorisation_table_that_people_read_is_the_code() -> anyhow::Result<()> {
    let path = "docs/authorisation.md";
    let page = std::fs::read_to_string(in_repository(path))?;
    let (before, rest) =
        page.split_once(BEGIN).context("docs/authorisation.md has no `<!-- authorisation table -->`")?;
    let (_, after) =
        rest.split_once(END).context("docs/authorisation.md has no `<!-- end -->` after the authorisation table")?;
    check(path, &format!("{before}{BEGIN}{}{END}{after}", local::documents::authorisation()))
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
