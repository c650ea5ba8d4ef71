//! What a task shows once it is ready, and whose grants the document that it puts on a role holds.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::TaskKind;
use crate::access::policy::document::Document;
use crate::access::policy::grant::Grant;
use crate::base::digest::Digest;
use crate::base::ids::ScopeId;

/// One step of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its place, from 1.
    pub step: u32,
    /// What it does, in one line.
    pub title: String,
    /// The command, to be run as it stands; none where only a person in a console can do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What the engineer should see; stop and return the task if it is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}

/// A file that the commands use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// The file's name, as the commands write it.
    pub name: String,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// Its text.
    pub content: String,
}

impl Artifact {
    /// A file of this text.
    #[must_use]
    pub fn new(name: &str, content: String) -> Self {
        Self { name: name.to_owned(), sha256: Digest::of_bytes(content.as_bytes()), content }
    }

    pub(crate) fn document(name: &str, document: &Document) -> Self {
        Self::new(name, document.to_file())
    }
}

/// Everything that a task shows once it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskContent {
    /// In one line.
    pub title: String,
    /// What to do, in order.
    pub instructions: Vec<Step>,
    /// How to take it back.
    pub undo: Vec<Step>,
    /// The files that the commands use.
    pub artifacts: Vec<Artifact>,
    /// The names of the evidence that completion needs.
    pub evidence_required: Vec<String>,
}

/// A task as it becomes ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// What it shows.
    pub content: TaskContent,
    /// The scopes whose grants its document holds; none for a task that puts no document.
    pub holds: BTreeSet<ScopeId>,
}

impl Rendered {
    /// A task of a scope with this content, whose document holds these grants beside the scope's own.
    #[must_use]
    pub fn new(content: TaskContent, scope: &ScopeId, kind: TaskKind, others: &[Grant]) -> Self {
        let own = (!kind.revokes()).then(|| scope.clone());
        let all = others.iter().map(|grant| grant.scope_id.clone()).chain(own);
        Self { content, holds: all.filter(|_| kind.puts_policy()).collect() }
    }
}
