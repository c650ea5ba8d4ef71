//! The Migration Acceleration Program's tag on Bedrock spend (MAP user guide, "Tagging Amazon Bedrock").
//!
//! A scope's standing is derived: from what its approval says and what was last found on its role and its application
//! profile. An odd value is never a reason to refuse, since AWS's own page shows a sample that breaks its own rule: it
//! warns. On Claude Platform MAP does not apply, as it recognises lines of Bedrock and AgentCore only.

pub mod tag;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use self::tag::{KEY, MapFound, TagHolder, WantedTag};
use crate::access::decisions::approval::{ApprovalFields, MapMethod, MapTagging};
use crate::access::policy::live::LiveRole;
use crate::access::tasks::chain::{Chain, ScopeState};
use crate::base::authorization::{Action, Relations, authorize};
use crate::base::aws::profile::ProfileKind;
use crate::base::outcome::Outcome;
use crate::base::people::Actor;
use crate::base::platform::Platform;

/// Where a scope stands with MAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MapState {
    /// It could be tagged; no approval asks for it.
    Eligible,
    /// Approved, and not yet found on every role or profile that is to carry it.
    PendingTag,
    /// Found as approved.
    Tagged,
    /// Another value is there than approved, or one without an approval.
    StaleTag,
    /// MAP does not apply: Claude Platform.
    Ineligible,
}

/// A scope's state with what it means for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MapStanding {
    /// The state.
    pub state: MapState,
    /// Why, for people.
    pub why: String,
    /// The value that is approved.
    pub approved: Option<String>,
    /// What was last found.
    pub found: Option<MapFound>,
}

/// The tags that these scopes want on their role and profiles.
#[must_use]
pub fn wanted<'a>(scopes: impl Iterator<Item = &'a Chain> + Clone) -> Vec<WantedTag> {
    let on_role: BTreeSet<String> = scopes.clone().filter_map(|c| value_by(c, MapMethod::RoleTag)).collect();
    let role = (!on_role.is_empty()).then_some(WantedTag { on: TagHolder::Role, values: on_role });
    let profiles = scopes.filter_map(|chain| {
        let on = profile(chain)?;
        Some(WantedTag { on, values: BTreeSet::from([value_by(chain, MapMethod::InferenceProfile)?]) })
    });
    role.into_iter().chain(profiles).collect()
}

/// The application profile of a scope, once it is known.
#[must_use]
pub fn profile(chain: &Chain) -> Option<TagHolder> {
    let arn = chain.profile_arn.as_ref().filter(|arn| ProfileKind::of_arn(arn) == Some(ProfileKind::Application))?;
    Some(TagHolder::Profile { arn: arn.clone(), region: chain.spec.region.clone() })
}

/// What a reading of the role says of one of its scopes. A tag on the role that another scope's approval put there is
/// none of this scope's, and a profile that was not read keeps what was known of it.
#[must_use]
pub fn found(chain: &Chain, on_role: &[Chain], live: &LiveRole) -> Option<MapFound> {
    if chain.platform == Platform::ClaudePlatform {
        return None;
    }
    let wants = value_by(chain, MapMethod::RoleTag).is_some();
    let is_others = |value: &&String| on_role.iter().any(|c| value_by(c, MapMethod::RoleTag).as_ref() == Some(*value));
    let role_tag = live.tags.get(KEY).filter(|value| wants || !is_others(value)).cloned();
    let known = || chain.map_found.as_ref().and_then(|f| f.profile_tag.clone());
    let profile_tag = match profile(chain) {
        Some(TagHolder::Profile { arn, .. }) => live.profile_tags.get(&arn).cloned().unwrap_or_else(known),
        Some(TagHolder::Role) | None => None,
    };
    Some(MapFound { role_tag, profile_tag })
}

/// Notes what was found on the role and profile of an implemented scope.
pub fn decide_note(chain: &Chain, found: &MapFound, actor: &Actor) -> Outcome<Chain> {
    if let Err(refusal) = authorize(actor, Action::CheckDrift, Relations::NONE, "") {
        return refusal.into();
    }
    if chain.state != ScopeState::Implemented || chain.map_found.as_ref() == Some(found) {
        return Outcome::AlreadyDone;
    }
    Outcome::Changed(Chain { map_found: Some(found.clone()), ..chain.clone() })
}

/// Where a scope stands.
#[must_use]
pub fn standing(chain: &Chain) -> MapStanding {
    let (state, why) = state(chain.platform, chain.map.as_ref(), chain.map_found.as_ref());
    let why = match (state, chain.state) {
        (MapState::PendingTag, ScopeState::Implemented) => {
            "approved, and not found where it belongs; the nightly check opens a task that sets it"
        }
        (MapState::PendingTag, _) => "approved; the scope's tasks set it",
        _ => why,
    };
    let approved = chain.map.as_ref().map(|map| map.value.clone());
    MapStanding { state, why: why.to_owned(), approved, found: chain.map_found.clone() }
}

/// Where the scopes of a decision stand before any of them is known.
#[must_use]
pub fn of_decision(decision: &ApprovalFields) -> MapStanding {
    let (state, why) = state(decision.platform, decision.map.as_ref(), None);
    let approved = decision.map.as_ref().map(|map| map.value.clone());
    MapStanding { state, why: why.to_owned(), approved, found: None }
}

/// The state that follows from what is approved and what was last found. A resource's tag wins over its caller's, so
/// one wrong value is enough to be stale.
fn state(platform: Platform, approved: Option<&MapTagging>, found: Option<&MapFound>) -> (MapState, &'static str) {
    let nothing = MapFound::default();
    let found = found.unwrap_or(&nothing);
    let mut values = [&found.role_tag, &found.profile_tag].into_iter().flatten();
    match (platform, approved) {
        (Platform::ClaudePlatform, _) => {
            (MapState::Ineligible, "not applicable: MAP recognises lines of Bedrock and AgentCore only")
        }
        (Platform::Bedrock, None) if values.next().is_some() => {
            (MapState::StaleTag, "a tag is there that this approval does not ask for")
        }
        (Platform::Bedrock, None) => (MapState::Eligible, "an approval may ask for the tag"),
        (Platform::Bedrock, Some(map)) if values.any(|value| *value != map.value) => {
            (MapState::StaleTag, "another value is there than the approved one")
        }
        (Platform::Bedrock, Some(map)) => {
            let is_there = |method: &MapMethod| match method {
                MapMethod::RoleTag => found.role_tag.is_some(),
                MapMethod::InferenceProfile => found.profile_tag.is_some(),
            };
            match map.methods.iter().all(is_there) {
                true => (MapState::Tagged, "found as approved"),
                false => (MapState::PendingTag, "approved"),
            }
        }
    }
}

/// What to tell people about a decision's MAP tagging; none of it stops the decision.
#[must_use]
pub fn warnings(decision: &ApprovalFields) -> Vec<String> {
    let Some(map) = &decision.map else { return Vec::new() };
    let both = (map.methods.len() > 1).then(|| {
        "the profile's tag wins over the role's wherever a call goes through the profile; AWS asks to choose one"
            .to_owned()
    });
    let adopted = decision.scopes.iter().filter(|s| s.existing && map.methods.contains(&MapMethod::RoleTag));
    let adopted = adopted.map(|s| {
        format!(
            "role `{}` was there before: MAP leaves out roles that called Bedrock before the agreement began; compare \
             with it, or tag an inference profile",
            s.iam_role
        )
    });
    let adopted: BTreeSet<String> = adopted.collect();
    warning(&map.value).into_iter().chain(both).chain(adopted).collect()
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

/// Whether a value has the documented form: `mig`, `sap` or `oracle`, then 5 digits or 10 upper-case alphanumerics.
fn is_well_formed(value: &str) -> bool {
    ["mig", "sap", "oracle"].iter().filter_map(|prefix| value.strip_prefix(prefix)).any(|rest| {
        let digits = rest.len() == 5 && rest.bytes().all(|b| b.is_ascii_digit());
        let id = rest.len() == 10 && rest.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
        digits || id
    })
}

fn value_by(chain: &Chain, method: MapMethod) -> Option<String> {
    chain.map.as_ref().filter(|map| map.methods.contains(&method)).map(|map| map.value.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::access::tasks::instructions::fixtures::on_bedrock;

    const PROFILE: &str = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123";

    fn tagging(value: &str, methods: &[MapMethod]) -> MapTagging {
        MapTagging { value: value.to_owned(), methods: methods.iter().copied().collect() }
    }

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
        use MapMethod::{InferenceProfile, RoleTag};
        use MapState::{Eligible, Ineligible, PendingTag, StaleTag, Tagged};
        let (good, other) = (Some("mig12345"), Some("mig54321"));
        let by_role = tagging("mig12345", &[RoleTag]);
        let by_profile = tagging("mig12345", &[InferenceProfile]);
        let by_both = tagging("mig12345", &[RoleTag, InferenceProfile]);
        let check = |approved: Option<&MapTagging>, role_tag: Option<&str>, profile_tag: Option<&str>, expected| {
            let found = MapFound { role_tag: role_tag.map(str::to_owned), profile_tag: profile_tag.map(str::to_owned) };
            let got = state(Platform::Bedrock, approved, Some(&found)).0;
            assert_eq!(got, expected, "{approved:?} {found:?}");
        };
        check(None, None, None, Eligible);
        check(None, other, None, StaleTag);
        check(Some(&by_role), None, None, PendingTag);
        check(Some(&by_role), good, None, Tagged);
        check(Some(&by_role), other, None, StaleTag);
        check(Some(&by_role), good, other, StaleTag);
        check(Some(&by_profile), good, None, PendingTag);
        check(Some(&by_profile), None, good, Tagged);
        check(Some(&by_both), good, None, PendingTag);
        check(Some(&by_both), good, good, Tagged);
        assert_eq!(state(Platform::Bedrock, Some(&by_role), None).0, PendingTag, "nobody looked yet");
        assert_eq!(state(Platform::ClaudePlatform, Some(&by_role), None).0, Ineligible);
    }

    #[test]
    fn tags_are_wanted_where_the_approval_says_and_judged_only_where_they_were_read() -> anyhow::Result<()> {
        use MapMethod::{InferenceProfile, RoleTag};
        let mut chain = on_bedrock()?;
        chain.map = Some(tagging("mig12345", &[RoleTag, InferenceProfile]));
        let differences = |chain: &Chain, live: &LiveRole| -> Vec<String> {
            wanted(std::iter::once(chain)).iter().filter_map(|w| w.diff(live)).map(|d| d.finding()).collect()
        };
        let mut live = LiveRole::default();
        assert_eq!(differences(&chain, &live).len(), 1, "there is no profile yet");
        chain.profile_arn = Some(PROFILE.to_owned());
        assert_eq!(differences(&chain, &live).len(), 1, "the profile was not read");
        live.profile_tags = BTreeMap::from([(PROFILE.to_owned(), None)]);
        live.tags = BTreeMap::from([(KEY.to_owned(), "mig54321".to_owned())]);
        let found = differences(&chain, &live);
        assert!(found.len() == 2 && found[0].contains("live `mig54321`") && found[1].contains(PROFILE), "{found:?}");
        live.profile_tags = BTreeMap::from([(PROFILE.to_owned(), Some("mig12345".to_owned()))]);
        live.tags = BTreeMap::from([(KEY.to_owned(), "mig12345".to_owned())]);
        assert_eq!(differences(&chain, &live), Vec::<String>::new());
        Ok(())
    }

    #[test]
    fn what_is_found_belongs_to_the_scope_that_asked_and_an_unread_profile_keeps_what_was_known() -> anyhow::Result<()>
    {
        let plain = on_bedrock()?;
        let tagged = Chain { map: Some(tagging("mig12345", &[MapMethod::RoleTag])), ..plain.clone() };
        let live = LiveRole { tags: BTreeMap::from([(KEY.to_owned(), "mig12345".to_owned())]), ..LiveRole::default() };
        let on_role = [plain.clone(), tagged.clone()];
        let role_tag = |chain: &Chain| found(chain, &on_role, &live).and_then(|f| f.role_tag);
        assert_eq!(role_tag(&tagged), Some("mig12345".to_owned()));
        assert_eq!(role_tag(&plain), None, "it is the other scope's");
        assert!(found(&plain, std::slice::from_ref(&plain), &live).is_some_and(|f| f.role_tag.is_some()));
        let known = MapFound { role_tag: None, profile_tag: Some("mig12345".to_owned()) };
        let with_profile = Chain { profile_arn: Some(PROFILE.to_owned()), map_found: Some(known.clone()), ..plain };
        assert_eq!(found(&with_profile, &[], &LiveRole::default()), Some(known));
        Ok(())
    }
}
