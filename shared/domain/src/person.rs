//! What is known of a person, for notices: learnt from tokens, corrected by a Lead. Never who they are.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::people::Role;
use crate::text::Sub;

/// Characters a display name or an e-mail address may have (RFC 5321 allows 254 for the address).
pub const DISPLAY_CHARS_MAX: usize = 254;

/// A person, for display and notices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// The subject.
    pub sub: Sub,
    /// What people call them.
    pub name: Option<String>,
    /// Where mail goes.
    pub email: Option<String>,
    /// The roles of their last token; notices to a role go by these, permissions never do.
    pub roles: BTreeSet<Role>,
    /// The notification topic that is theirs alone, once it was made.
    #[serde(default)]
    pub topic_arn: Option<String>,
    /// Channels they want notices on, beside their inbox.
    #[serde(default)]
    pub channels: BTreeSet<String>,
}

/// A display text as it may be kept: without control characters, cut to length; nothing if nothing is left.
#[must_use]
pub fn displayable(text: &str) -> Option<String> {
    let clean: String = text.chars().filter(|c| !c.is_control()).take(DISPLAY_CHARS_MAX).collect();
    (!clean.trim().is_empty()).then_some(clean)
}
