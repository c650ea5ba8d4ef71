//! The Migration Acceleration Program's tag on Bedrock spend (MAP user guide, "Tagging Amazon Bedrock").
//!
//! It is never a reason to refuse: AWS's own page shows a sample value that breaks its own rule, so an odd value warns.
//! On Claude Platform it does not apply: MAP recognises only lines of Bedrock and AgentCore.

use serde::{Deserialize, Serialize};

use crate::platform::Platform;

/// The tag's key, exactly.
pub const KEY: &str = "map-migrated";

/// Whether a value has the documented form: `mig`, `sap` or `oracle`, then 5 digits or 10 upper-case alphanumerics.
#[must_use]
pub fn is_well_formed(value: &str) -> bool {
    ["mig", "sap", "oracle"].iter().filter_map(|prefix| value.strip_prefix(prefix)).any(|rest| {
        let digits = rest.len() == 5 && rest.bytes().all(|b| b.is_ascii_digit());
        let id = rest.len() == 10 && rest.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
        digits || id
    })
}

/// What to tell people about a value that does not have the documented form.
#[must_use]
pub fn warning(value: &str) -> Option<String> {
    (!is_well_formed(value)).then(|| {
        format!(
            "`{value}` is not of the documented form (mig, sap or oracle, then 5 digits or 10 upper-case letters and \
             digits); compare it with the MAP agreement"
        )
    })
}

/// Where a scope stands with MAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MapState {
    /// It could be tagged; no approval asks for it.
    Eligible,
    /// Approved, and not yet found on the role or profile.
    PendingTag,
    /// Found as approved.
    Tagged,
    /// Another value is there than approved, or one without an approval.
    StaleTag,
    /// MAP does not apply: Claude Platform.
    Ineligible,
}

/// The state that follows from what is approved and what was last found.
#[must_use]
pub fn state(platform: Platform, approved: Option<&str>, found: Option<&str>) -> MapState {
    match (platform, approved, found) {
        (Platform::ClaudePlatform, _, _) => MapState::Ineligible,
        (Platform::Bedrock, None, None) => MapState::Eligible,
        (Platform::Bedrock, Some(_), None) => MapState::PendingTag,
        (Platform::Bedrock, Some(approved), Some(found)) if approved == found => MapState::Tagged,
        (Platform::Bedrock, _, Some(_)) => MapState::StaleTag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_values_pass_and_others_only_warn() {
        for good in ["mig12345", "sap00001", "oracle99999", "migABCDE12345", "oracle0123456789"] {
            assert_eq!(warning(good), None, "{good}");
        }
        for odd in ["", "mig", "mig1234", "mig123456789", "MIG12345", "migabcde12345", "map12345", "mig12345 "] {
            assert!(warning(odd).is_some(), "{odd}");
        }
    }

    #[test]
    fn the_state_follows_from_what_is_approved_and_what_is_found() {
        use MapState::{Eligible, Ineligible, PendingTag, StaleTag, Tagged};
        for (platform, approved, found, expected) in [
            (Platform::Bedrock, None, None, Eligible),
            (Platform::Bedrock, Some("mig12345"), None, PendingTag),
            (Platform::Bedrock, Some("mig12345"), Some("mig12345"), Tagged),
            (Platform::Bedrock, Some("mig12345"), Some("mig54321"), StaleTag),
            (Platform::Bedrock, None, Some("mig54321"), StaleTag),
            (Platform::ClaudePlatform, Some("mig12345"), None, Ineligible),
        ] {
            assert_eq!(state(platform, approved, found), expected);
        }
    }
}
