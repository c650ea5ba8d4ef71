//! Documents made from the code: the OpenAPI document, the authorisation table, the schemas of events. Tests compare
//! them with the committed ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use contract::events::Event;
use domain::base::audit::AuditEvent;
use domain::base::authorization::{Permission, Rule, TABLE};
use domain::base::people::Role;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value;

use crate::stack::{Local, Options};

/// The API's OpenAPI document, from the routes of the functions.
///
/// # Errors
/// When the stack does not start.
pub async fn openapi() -> anyhow::Result<String> {
    let local = Local::start(Options { empty: true, ..Options::default() }).await?;
    let document = lambda::openapi::document(local.stack.gateway.routes());
    Ok(format!("{document:#}\n"))
}

/// The authorisation table as Markdown: one row per action, one column per role.
#[must_use]
pub fn authorisation() -> String {
    let roles = [Role::FinopsLead, Role::ProductOwner, Role::CloudEngineer, Role::Auditor, Role::System];
    let mut text = String::from("| Action |");
    for role in roles {
        let _ = write!(text, " {} |", role.as_str());
    }
    text.push_str(" never as | while it is |\n|---|---|---|---|---|---|---|---|\n");
    for rule in TABLE {
        let _ = write!(text, "| {} |", wire_name(&rule.action));
        for role in roles {
            let _ = write!(text, " {} |", cell(rule, role));
        }
        let never: Vec<String> = rule.never_as.iter().map(wire_name).collect();
        let _ = writeln!(text, " {} | {} |", never.join(", "), rule.while_in.join(", "));
    }
    text
}

fn cell(rule: &Rule, role: Role) -> String {
    match rule.grants.iter().find(|g: &&Permission| g.role == role) {
        None => "–".to_owned(),
        Some(Permission { only_as: None, .. }) => "yes".to_owned(),
        Some(Permission { only_as: Some(relation), .. }) => format!("as {}", wire_name(relation)),
    }
}

/// A closed set's member by its name on the wire.
fn wire_name<T: Serialize>(member: &T) -> String {
    serde_json::to_value(member).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The JSON Schema of every governance event's payload, by the event's type.
#[must_use]
pub fn event_schemas() -> BTreeMap<String, Value> {
    let mut generator = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true).into_generator();
    let whole = generator.subschema_for::<Event>();
    let variants = whole.as_value().get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
    let named = |variant: Value| {
        let kind = variant.pointer("/properties/type/const")?.as_str()?.to_owned();
        let mut schema = variant.pointer("/properties/payload")?.clone();
        if let (Some(fields), Some(about)) = (schema.as_object_mut(), variant.get("description")) {
            fields.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
            fields.insert("title".to_owned(), kind.as_str().into());
            fields.insert("description".to_owned(), about.clone());
        }
        Some((kind, schema))
    };
    variants.into_iter().filter_map(named).collect()
}

/// The JSON Schemas of the events and their envelope, each shape under its name: `Event`, `AuditEvent`, and their
/// parts.
#[must_use]
pub fn event_shapes() -> BTreeMap<String, Value> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    generator.subschema_for::<Event>();
    generator.subschema_for::<AuditEvent>();
    generator.take_definitions(true).into_iter().collect()
}

/// Writes the schemas to `<folder>/<type>/v1.schema.json`.
///
/// # Errors
/// When the folder cannot be written.
pub fn write_event_schemas(folder: &Path) -> std::io::Result<()> {
    for (kind, schema) in event_schemas() {
        let of_kind = folder.join(&kind);
        std::fs::create_dir_all(&of_kind)?;
        std::fs::write(of_kind.join("v1.schema.json"), format!("{schema:#}\n"))?;
    }
    Ok(())
}
