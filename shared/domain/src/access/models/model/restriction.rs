//! Restrictions: for which spaces, accounts, regions and actions a model may be used, and for how long at a time.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::base::aws::{AccountId, Region};
use crate::base::ids::SpaceId;
use crate::base::outcome::{Refusal, RefusalKind};
use crate::base::platform::{ModelAction, Platform};

/// Entries one list of a restriction may hold: it is part of the model's item and of one event of at most 24 KB.
pub const RESTRICTION_ENTRIES_MAX: usize = 100;

/// Longest time for which a restricted model may be approved: a restriction is reconsidered at least once a year.
pub const RESTRICTION_DAYS_MAX: u16 = 366;

/// What a restricted model is limited to. A dimension left empty is not limited; at least one is, and every approval
/// expires whether or not `max_days` says within how long.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Restriction {
    /// Only workloads of these Spaces.
    pub space_ids: BTreeSet<SpaceId>,
    /// Only these accounts.
    pub account_ids: BTreeSet<AccountId>,
    /// Only these regions.
    pub regions: BTreeSet<Region>,
    /// Only these actions.
    pub actions: BTreeSet<ModelAction>,
    /// An approval lasts at most this many days, its first and last included.
    pub max_days: Option<u16>,
}

/// A restriction as one reader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeenRestriction {
    /// Whether the model is for some Spaces only. An owner who reads no `spaceIds` beside it owns none of them, and
    /// is told nothing else of the restriction.
    limited_to_spaces: bool,
    /// Those Spaces; of an owner's reading, their own among them.
    space_ids: BTreeSet<SpaceId>,
    /// Only these accounts.
    account_ids: BTreeSet<AccountId>,
    /// Only these regions.
    regions: BTreeSet<Region>,
    /// Only these actions.
    actions: BTreeSet<ModelAction>,
    /// An approval lasts at most this many days, its first and last included.
    max_days: Option<u16>,
}

impl Restriction {
    /// Whether anything of it holds for these Spaces, beyond that the model is not for them.
    #[must_use]
    pub fn concerns(&self, spaces: &BTreeSet<SpaceId>) -> bool {
        self.space_ids.is_empty() || !self.space_ids.is_disjoint(spaces)
    }

    /// The restriction as the owner of some Spaces sees it, or whoever sees all of them.
    #[must_use]
    pub fn seen(&self, own: Option<&BTreeSet<SpaceId>>) -> SeenRestriction {
        let cut = match own {
            None => self.clone(),
            Some(own) if self.concerns(own) => {
                Self { space_ids: self.space_ids.intersection(own).cloned().collect(), ..self.clone() }
            }
            Some(_) => Self::default(),
        };
        let Self { space_ids, account_ids, regions, actions, max_days } = cut;
        let limited_to_spaces = !self.space_ids.is_empty();
        SeenRestriction { limited_to_spaces, space_ids, account_ids, regions, actions, max_days }
    }

    /// Whether it restricts anything, within the product's limits, in the platform's terms.
    ///
    /// # Errors
    /// [`RefusalKind::InvalidValue`] or [`RefusalKind::LimitExceeded`], naming the field.
    pub fn check(&self, platform: Platform) -> Result<(), Refusal> {
        if *self == Self::default() {
            return Err(Refusal::new(
                RefusalKind::InvalidValue,
                "`restriction` restricts nothing; name spaces, accounts, regions, actions or `maxDays`, or decide \
                 `approved`",
            ));
        }
        if let Some(action) = self.actions.iter().find(|a| !platform.actions().contains(a)) {
            return Err(Refusal::new(
                RefusalKind::InvalidValue,
                format!(
                    "`restriction.actions` names `{}`, which {} does not know",
                    action.as_str(),
                    platform.display_name()
                ),
            ));
        }
        if self.max_days.is_some_and(|days| !(1..=RESTRICTION_DAYS_MAX).contains(&days)) {
            return Err(Refusal::new(
                RefusalKind::InvalidValue,
                format!("`restriction.maxDays` must be 1 to {RESTRICTION_DAYS_MAX}"),
            ));
        }
        let longest = self.space_ids.len().max(self.account_ids.len()).max(self.regions.len());
        if longest > RESTRICTION_ENTRIES_MAX {
            return Err(Refusal::new(
                RefusalKind::LimitExceeded,
                format!(
                    "a list of `restriction` holds at most {RESTRICTION_ENTRIES_MAX} entries; restrict by account or \
                     region instead"
                ),
            ));
        }
        Ok(())
    }
}

/// Whether a use of a restricted model lies within its restriction. Asked once per scope of an approval, before it is
/// decided and again for every live scope when the restriction changes.
///
/// # Errors
/// [`RefusalKind::ModelRestricted`], naming the first dimension that does not conform and what would.
pub fn conforms(
    restriction: &Restriction,
    space: &SpaceId,
    account: &AccountId,
    region: &Region,
    actions: &BTreeSet<ModelAction>,
    expires_on: Option<Date>,
    effective_from: Date,
) -> Result<(), Refusal> {
    within("space", &restriction.space_ids, space)?;
    within("account", &restriction.account_ids, account)?;
    within("region", &restriction.regions, region)?;
    if !restriction.actions.is_empty() && !actions.is_subset(&restriction.actions) {
        let allowed = serde_json::to_value(&restriction.actions).unwrap_or_default();
        return Err(outside(format!("the model is restricted to the actions {allowed}; ask for these only")));
    }
    let Some(last_day) = expires_on else {
        return Err(outside("the model is restricted, so an approval must expire; give `expiresOn`".to_owned()));
    };
    match restriction.max_days {
        Some(most) if days_inclusive(effective_from, last_day) > i32::from(most) => Err(outside(format!(
            "the model is restricted to {most} days at a time; let `expiresOn` be {} or earlier",
            effective_from.saturating_add(jiff::Span::new().days(i64::from(most) - 1))
        ))),
        _ => Ok(()),
    }
}

/// Whether what is wanted is among what is allowed, where anything is named.
pub(crate) fn within<T: Ord + std::fmt::Display>(what: &str, allowed: &BTreeSet<T>, wanted: &T) -> Result<(), Refusal> {
    if allowed.is_empty() || allowed.contains(wanted) {
        return Ok(());
    }
    Err(outside(format!(
        "the model is restricted, and {what} `{wanted}` lies outside; ask a FinOps Lead to widen the restriction"
    )))
}

fn outside(detail: String) -> Refusal {
    Refusal::new(RefusalKind::ModelRestricted, detail)
}

fn days_inclusive(first: Date, last: Date) -> i32 {
    first.until(last).map_or(i32::MAX, |span| span.get_days().saturating_add(1))
}
