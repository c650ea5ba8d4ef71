//! Documents made from the code: the OpenAPI document and the authorisation table. Tests compare them with the committed ones.

use std::fmt::Write as _;

use domain::authorization::{Grant, Rule, TABLE};
use domain::people::Role;
use serde::Serialize;

use crate::stack::{Local, Options};

/// The API's OpenAPI document, from the routes of the functions.
///
/// # Errors
/// When the stack does not start.
pub async fn openapi() -> anyhow::Result<String> {
    let local = Local::start(Options { empty: true, ..Options::default() }).await?;
    let document = lambda::openapi::document(local.stack.gateway.routes());
    Ok(serde_json::to_string_pretty(&document)?)
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
    match rule.grants.iter().find(|g: &&Grant| g.role == role) {
        None => "–".to_owned(),
        Some(Grant { only_as: None, .. }) => "yes".to_owned(),
        Some(Grant { only_as: Some(relation), .. }) => format!("as {}", wire_name(relation)),
    }
}

/// A closed set's member by its name on the wire.
fn wire_name<T: Serialize>(member: &T) -> String {
    serde_json::to_value(member).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
