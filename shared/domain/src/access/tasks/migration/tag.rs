//! The tag itself: where it is, what it is to be, and what was found of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::access::policy::live::LiveRole;
use crate::base::aws::Region;

/// The tag's key, exactly.
pub const KEY: &str = "map-migrated";

/// What was last found of the tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MapFound {
    /// Its value on the role.
    pub role_tag: Option<String>,
    /// Its value on the scope's application profile.
    pub profile_tag: Option<String>,
}

/// What carries a tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind", rename_all_fields = "camelCase")]
pub enum TagHolder {
    /// The role.
    Role,
    /// An application inference profile.
    Profile {
        /// Which.
        arn: String,
        /// Where.
        region: Region,
    },
}

/// A tag that is not as approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagDifference {
    /// On what.
    pub on: TagHolder,
    /// The approved value.
    pub approved: String,
    /// The live value; none if the tag is not there.
    pub live: Option<String>,
}

impl TagDifference {
    /// In one line, for people.
    #[must_use]
    pub fn finding(&self) -> String {
        let on = match &self.on {
            TagHolder::Role => "role".to_owned(),
            TagHolder::Profile { arn, .. } => format!("inference profile `{arn}`"),
        };
        let live = self.live.as_ref().map_or("it is not there".to_owned(), |live| format!("live `{live}`"));
        format!("tag `{KEY}` on the {on}: approved `{}`, {live}", self.approved)
    }
}

/// A tag that approvals want; any of the values will do, where they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedTag {
    /// On what.
    pub on: TagHolder,
    /// The approved values.
    pub values: BTreeSet<String>,
}

impl WantedTag {
    /// How the live tag departs from this; a profile that was not read says nothing.
    #[must_use]
    pub fn diff(&self, live: &LiveRole) -> Option<TagDifference> {
        let found = match &self.on {
            TagHolder::Role => live.tags.get(KEY),
            TagHolder::Profile { arn, .. } => live.profile_tags.get(arn)?.as_ref(),
        };
        let as_approved = found.is_some_and(|value| self.values.contains(value));
        let approved = self.values.first().filter(|_| !as_approved)?.clone();
        Some(TagDifference { on: self.on.clone(), approved, live: found.cloned() })
    }
}
