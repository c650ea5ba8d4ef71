//! Drift: what is known of a live role that is not, or cannot be shown to be, what was approved.
//!
//! One finding per role, opened and resolved by the nightly check alone; a check that sees what the last one saw
//! changes nothing. A finding never says what to do about the role: the repair is a task of one of its scopes
//! ([`crate::access::tasks::chain::end::decide_fix_drift`]).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::anchor::{Anchor, AnchorKey};
use crate::access::policy::live::UnreadableCause;
use crate::access::tasks::instructions::Drift;
use crate::base::authorization::{Action, Relations, authorize};
use crate::base::aws::{AccountId, RoleRef};
use crate::base::digest::Digest;
use crate::base::ids::{DriftId, ScopeId, SpaceId, TaskId, WorkloadId};
use crate::base::outcome::Outcome;
use crate::base::people::Actor;

pub mod approved;
pub mod live;
mod widening;

/// Lines of differences that one finding shows, and characters of each: a letter and a task show them too.
const LINES_SHOWN_MAX: usize = 20;
const LINE_CHARS_MAX: usize = 400;

/// Where a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DriftState {
    /// The live role is not what was approved.
    Drifted,
    /// It could not be read, so that nobody knows.
    Unreadable,
    /// It is what was approved again, or nothing is approved on it any more.
    Resolved,
}

impl DriftState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Drifted, Self::Unreadable, Self::Resolved];
    /// The states in which somebody has to do something.
    pub const OPEN: [Self; 2] = [Self::Drifted, Self::Unreadable];

    /// The state's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drifted => "drifted",
            Self::Unreadable => "unreadable",
            Self::Resolved => "resolved",
        }
    }
}

/// What is known of one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftFinding {
    /// Derived from the role.
    pub id: DriftId,
    /// Whom the role serves.
    pub workload_id: WorkloadId,
    /// The workload's Space.
    pub space_id: SpaceId,
    /// The role.
    pub role_arn: String,
    /// The account that holds it.
    pub account_id: AccountId,
    /// Where the finding stands.
    pub state: DriftState,
    /// Since when it stands there.
    pub since: Timestamp,
    /// The check that last changed anything here; later ones saw the same.
    pub last_checked: Timestamp,
    /// What differs, for people; once resolved, what differed.
    pub differences: Vec<String>,
    /// The same, part by part; repairs are made from it.
    #[serde(default)]
    pub found: Option<Drift>,
    /// What kept the role from being read.
    #[serde(default)]
    pub cause: Option<UnreadableCause>,
    /// The same, in the service's own words.
    pub why: Option<String>,
    /// The task that was opened to repair it.
    pub task_id: Option<TaskId>,
}

/// What a check saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The role is what was approved.
    AsApproved,
    /// It is something else.
    Drifted(Drift),
    /// It could not be read.
    Unreadable {
        /// What kept it from being read.
        cause: UnreadableCause,
        /// In the service's own words.
        why: String,
    },
}

/// The id of the finding on a role: from a digest, since the alphabet of ids would make one of two role names.
#[must_use]
pub fn finding_id(role: &RoleRef) -> DriftId {
    let digest = Digest::of_bytes(AnchorKey::Role(role.clone()).to_string().as_bytes());
    DriftId::derived(&digest.hex().chars().take(32).collect::<String>())
}

/// The differences as they are shown.
#[must_use]
pub fn shown(drift: &Drift) -> Vec<String> {
    let cut = |line: String| match line.char_indices().nth(LINE_CHARS_MAX) {
        None => line,
        Some(_) => line.chars().take(LINE_CHARS_MAX).chain(['…']).collect(),
    };
    let mut lines: Vec<String> = drift.findings().into_iter().map(cut).collect();
    let more = lines.len().saturating_sub(LINES_SHOWN_MAX);
    if more > 0 {
        lines.truncate(LINES_SHOWN_MAX);
        lines.push(format!("and {more} more differences"));
    }
    lines
}

/// Whether what a check saw of a role is taken in at all. One that cannot be read, on which no scope is implemented
/// and of which nothing was found before, most likely does not exist yet.
#[must_use]
pub fn is_noted(before: Option<&DriftFinding>, seen: &Seen, implemented: Option<&ScopeId>) -> bool {
    before.is_some() || implemented.is_some() || !matches!(seen, Seen::Unreadable { .. })
}

/// Takes in what a check saw of a role, and the repair that is opened with it, if one is.
pub fn decide_check(
    before: Option<&DriftFinding>,
    role: &RoleRef,
    anchor: &Anchor,
    seen: &Seen,
    repair: Option<&TaskId>,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<DriftFinding> {
    if let Err(refusal) = authorize(actor, Action::CheckDrift, Relations::NONE, "") {
        return refusal.into();
    }
    let open = before.filter(|f| f.state != DriftState::Resolved);
    let (state, found, cause, why) = match (seen, open) {
        (Seen::AsApproved, None) => return Outcome::AlreadyDone,
        (Seen::AsApproved, Some(finding)) => return resolved(finding, now),
        (Seen::Drifted(drift), _) => (DriftState::Drifted, Some(drift), None, None),
        // What was seen stays true until somebody sees otherwise.
        (Seen::Unreadable { .. }, Some(DriftFinding { state: DriftState::Drifted, .. })) => {
            return Outcome::AlreadyDone;
        }
        (Seen::Unreadable { cause, why }, _) => (DriftState::Unreadable, None, Some(*cause), Some(why.clone())),
    };
    let same_state = open.filter(|f| f.state == state);
    let finding = DriftFinding {
        id: finding_id(role),
        workload_id: anchor.workload_id.clone(),
        space_id: anchor.space_id.clone(),
        role_arn: role.arn(),
        account_id: role.account_id.clone(),
        state,
        since: same_state.map_or(now, |f| f.since),
        last_checked: now,
        differences: found.map(shown).unwrap_or_default(),
        found: found.cloned(),
        cause,
        why,
        task_id: repair.cloned().or_else(|| same_state.and_then(|f| f.task_id.clone())),
    };
    let is_news = same_state.is_none_or(|f| DriftFinding { last_checked: now, ..f.clone() } != finding);
    if is_news { Outcome::Changed(finding) } else { Outcome::AlreadyDone }
}

/// Closes the finding on a role on which nothing is approved any more.
pub fn decide_close(finding: &DriftFinding, actor: &Actor, now: Timestamp) -> Outcome<DriftFinding> {
    match authorize(actor, Action::CheckDrift, Relations::NONE, "") {
        Err(refusal) => refusal.into(),
        Ok(()) if finding.state == DriftState::Resolved => Outcome::AlreadyDone,
        Ok(()) => resolved(finding, now),
    }
}

fn resolved(finding: &DriftFinding, now: Timestamp) -> Outcome<DriftFinding> {
    let finding = finding.clone();
    Outcome::Changed(DriftFinding { state: DriftState::Resolved, since: now, last_checked: now, ..finding })
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::*;
    use crate::access::policy::fixtures::role;
    use crate::base::platform::Platform;

    fn drift(inline: &str) -> Seen {
        Seen::Drifted(Drift { inline_policies: vec![inline.to_owned()], ..Drift::default() })
    }

    #[test]
    fn every_state_by_everything_a_check_can_see() -> anyhow::Result<()> {
        let (job, start) = (Actor::system("drift"), Timestamp::UNIX_EPOCH);
        let later = start.checked_add(24.hours())?;
        let role = role()?;
        let key = AnchorKey::Role(role.clone());
        let anchor = Anchor::new(key, Platform::Bedrock, WorkloadId::derived("1"), SpaceId::derived("1"));
        let first = |seen: &Seen| match decide_check(None, &role, &anchor, seen, None, &job, start) {
            Outcome::Changed(finding) => Ok(finding),
            other => anyhow::bail!("{other:?}"),
        };
        let unread_for = |cause, why: &str| Seen::Unreadable { cause, why: why.to_owned() };
        let unreadable = unread_for(UnreadableCause::Denied, "AccessDenied");
        let drifted = first(&drift("a"))?;
        let unread = first(&unreadable)?;
        let Outcome::Changed(closed) = decide_close(&drifted, &job, start) else { anyhow::bail!("not closed") };
        let check = |before: Option<&DriftFinding>, seen: &Seen, expected: Option<(DriftState, bool)>| {
            let found =
                decide_check(before, &role, &anchor, seen, None, &job, later).map(|f| (f.state, f.since == later));
            assert_eq!(found, expected.map_or(Outcome::AlreadyDone, Outcome::Changed), "{before:?} {seen:?}");
        };
        use DriftState::{Drifted, Resolved, Unreadable};
        for nothing_open in [None, Some(&closed)] {
            check(nothing_open, &Seen::AsApproved, None);
            check(nothing_open, &drift("a"), Some((Drifted, true)));
            check(nothing_open, &unreadable, Some((Unreadable, true)));
        }
        check(Some(&drifted), &Seen::AsApproved, Some((Resolved, true)));
        check(Some(&drifted), &drift("a"), None);
        check(Some(&drifted), &drift("b"), Some((Drifted, false)));
        check(Some(&drifted), &unreadable, None);
        check(Some(&unread), &Seen::AsApproved, Some((Resolved, true)));
        check(Some(&unread), &drift("a"), Some((Drifted, true)));
        check(Some(&unread), &unreadable, None);
        let throttled = unread_for(UnreadableCause::Throttled, "Throttling");
        check(Some(&unread), &throttled, Some((Unreadable, false)));
        assert_eq!(decide_close(&closed, &job, later), Outcome::AlreadyDone);
        Ok(())
    }

    #[test]
    fn what_cannot_be_read_is_noted_only_where_something_is_known_of_the_role() -> anyhow::Result<()> {
        let (job, now) = (Actor::system("drift"), Timestamp::UNIX_EPOCH);
        let unreadable = Seen::Unreadable { cause: UnreadableCause::Denied, why: "AccessDenied".to_owned() };
        let key = AnchorKey::Role(role()?);
        let anchor = Anchor::new(key, Platform::Bedrock, WorkloadId::derived("1"), SpaceId::derived("1"));
        let found = decide_check(None, &role()?, &anchor, &drift("a"), None, &job, now);
        let Outcome::Changed(found) = found else { anyhow::bail!("{found:?}") };
        let scope = ScopeId::derived("1");
        assert!(!is_noted(None, &unreadable, None));
        assert!(is_noted(None, &unreadable, Some(&scope)) && is_noted(Some(&found), &unreadable, None));
        assert!(is_noted(None, &drift("a"), None) && is_noted(None, &Seen::AsApproved, None));
        Ok(())
    }

    #[test]
    fn a_repair_is_noted_once_and_only_the_job_may_check() -> anyhow::Result<()> {
        let (job, now) = (Actor::system("drift"), Timestamp::UNIX_EPOCH);
        let role = role()?;
        let key = AnchorKey::Role(role.clone());
        let anchor = Anchor::new(key, Platform::Bedrock, WorkloadId::derived("1"), SpaceId::derived("1"));
        let task = TaskId::derived("1-2");
        let decide = |before: Option<&DriftFinding>, repair: Option<&TaskId>, actor: &Actor| {
            decide_check(before, &role, &anchor, &drift("a"), repair, actor, now)
        };
        let Outcome::Changed(found) = decide(None, None, &job) else { anyhow::bail!("not found") };
        let Outcome::Changed(repaired) = decide(Some(&found), Some(&task), &job) else { anyhow::bail!("not noted") };
        assert_eq!(repaired.task_id, Some(task));
        assert_eq!(decide(Some(&repaired), None, &job), Outcome::AlreadyDone);
        let person = Actor::person("lead-1".parse()?, crate::base::people::Role::OF_PEOPLE);
        assert!(matches!(decide(None, None, &person), Outcome::Refused(_)));
        Ok(())
    }

    #[test]
    fn what_is_shown_is_bounded_and_ids_tell_roles_apart() -> anyhow::Result<()> {
        let many = Drift { inline_policies: vec!["x".repeat(1_000); 30], ..Drift::default() };
        let lines = shown(&many);
        assert_eq!(lines.len(), LINES_SHOWN_MAX + 1);
        assert!(lines.iter().all(|l| l.chars().count() <= LINE_CHARS_MAX + 1), "{lines:?}");
        let named = |name: &str| anyhow::Ok(finding_id(&RoleRef { name: name.parse()?, ..role()? }));
        assert_ne!(named("a+b")?, named("a-b")?);
        assert_eq!(named("App")?, named("app")?);
        Ok(())
    }
}
