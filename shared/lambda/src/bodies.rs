//! The bodies of steps that many things have in common.

use domain::base::text::Note;
use schemars::JsonSchema;
use serde::Deserialize;

/// The body of a step that says everything by its path: no fields.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The body of a step that takes nothing but its reason.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reason {
    /// Why.
    pub reason: Note,
}
