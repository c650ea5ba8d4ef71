//! Estimates: what a workload plans to spend each month on a platform, and a period's exact share of it.
//!
//! An estimate is never edited: each change is a new version with who, when and why. The one in force on a period's
//! first day governs that period. The shares of a month's periods add up to the monthly estimate to the cent.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use crate::base::authorization::{Action, Relations, authorize};
use crate::base::calendar::{Month, Period, previous_day, utc_day};
use crate::base::ids::{EstimateId, WorkloadId};
use crate::base::money::{Money, ccu_of_usd};
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::platform::Platform;
use crate::base::text::{Note, Sub};

/// Years from today, either way, in which an estimate may begin; anything further is a typing error.
const YEARS_FROM_TODAY_MAX: i32 = 5;

/// Most tokens a month anybody may plan: above what a billion dollars buys of the cheapest model.
const TOKENS_MAX: u64 = 1_000_000_000_000_000_000;

/// Versions that a workload may have, of both platforms: cards read all of them in one item of 400 KB. Ten a month
/// reach for four years.
pub const VERSIONS_MAX: usize = 500;

/// A version of what a workload plans to spend on a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Its id.
    pub id: EstimateId,
    /// The workload.
    pub workload_id: WorkloadId,
    /// The platform.
    pub platform: Platform,
    /// US dollars a month, in whole cents.
    pub monthly: Money,
    /// Tokens a month, where planned.
    pub tokens: Option<u64>,
    /// CCU a month, on Claude Platform: a hundred to the dollar.
    pub ccu: Option<Decimal>,
    /// Why it is so much.
    pub reason: Note,
    /// The first of a month; it holds until another one does.
    pub valid_from: Date,
    /// Who set it.
    pub by: Sub,
    /// When.
    pub at: Timestamp,
    /// Counts the workload's estimates for the platform.
    pub version: u64,
}

/// What somebody wants to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetEstimate {
    /// The new version's id.
    pub id: EstimateId,
    /// The workload.
    pub workload_id: WorkloadId,
    /// The platform.
    pub platform: Platform,
    /// US dollars a month.
    pub monthly: Money,
    /// Tokens a month.
    pub tokens: Option<u64>,
    /// CCU a month: derived, so it may be left out; given, it must agree.
    pub ccu: Option<Decimal>,
    /// Why.
    pub reason: Note,
    /// The first of a month.
    pub valid_from: Date,
}

/// Sets a new version. `existing` holds all of the workload's estimates, of both platforms.
pub fn decide_set(
    existing: &[Estimate],
    wanted: SetEstimate,
    actor: &Actor,
    relations: Relations,
    now: Timestamp,
) -> Outcome<Estimate> {
    if let Err(refusal) = authorize(actor, Action::SetEstimate, relations, "") {
        return refusal.into();
    }
    if let Err(detail) = check(&wanted, utc_day(now)) {
        return Refusal::new(RefusalKind::InvalidValue, detail).into();
    }
    let mut of_platform: Vec<&Estimate> = existing.iter().filter(|e| e.platform == wanted.platform).collect();
    of_platform.sort_by_key(|e| e.version);
    let is_repeat = |e: &&&Estimate| {
        e.by == actor.sub
            && e.valid_from == wanted.valid_from
            && e.monthly == wanted.monthly
            && e.tokens == wanted.tokens
            && e.reason == wanted.reason
    };
    if of_platform.last().filter(is_repeat).is_some() {
        return Outcome::AlreadyDone;
    }
    if existing.len() >= VERSIONS_MAX {
        let detail = format!(
            "the workload has {VERSIONS_MAX} versions of estimates, the most it may have; the last ones go on \
             governing, and a new workload begins anew"
        );
        return Refusal::new(RefusalKind::LimitExceeded, detail).into();
    }
    let SetEstimate { id, workload_id, platform, monthly, tokens, ccu: _, reason, valid_from } = wanted;
    let ccu = (platform == Platform::ClaudePlatform).then(|| ccu_of_usd(monthly.amount));
    let version = of_platform.last().map_or(1, |last| last.version + 1);
    let by = actor.sub.clone();
    Outcome::Changed(Estimate {
        id,
        workload_id,
        platform,
        monthly,
        tokens,
        ccu,
        reason,
        valid_from,
        by,
        at: now,
        version,
    })
}

fn check(wanted: &SetEstimate, today: Date) -> Result<(), String> {
    if !wanted.monthly.is_plausible_plan() {
        return Err("`monthly` is US dollars in whole cents, not negative and at most a billion".to_owned());
    }
    if wanted.valid_from.day() != 1 {
        return Err(format!("`validFrom` is the first of a month; {} is not", wanted.valid_from));
    }
    let earliest = today.checked_sub(YEARS_FROM_TODAY_MAX.years()).unwrap_or(today);
    let latest = today.checked_add(YEARS_FROM_TODAY_MAX.years()).unwrap_or(today);
    if wanted.valid_from < earliest || wanted.valid_from > latest {
        return Err(format!("`validFrom` lies between {earliest} and {latest}"));
    }
    if wanted.tokens.is_some_and(|tokens| tokens > TOKENS_MAX) {
        return Err(format!("`tokens` is at most {TOKENS_MAX}"));
    }
    match wanted.ccu {
        None => Ok(()),
        Some(_) if wanted.platform == Platform::Bedrock => Err("`ccu` is for Claude Platform; leave it out".to_owned()),
        Some(ccu) if ccu.normalize() != ccu_of_usd(wanted.monthly.amount) => {
            let derived = ccu_of_usd(wanted.monthly.amount);
            Err(format!("`ccu` follows from `monthly`, a hundred to the dollar: {derived}; leave it out"))
        }
        Some(_) => Ok(()),
    }
}

/// The estimate that governs a period: of those in force on its first day, the one that began last, in its last
/// version.
#[must_use]
pub fn governing(estimates: &[Estimate], platform: Platform, period: Period) -> Option<&Estimate> {
    let in_force = |e: &&Estimate| e.platform == platform && e.valid_from <= period.from;
    estimates.iter().filter(in_force).max_by_key(|e| (e.valid_from, e.version))
}

/// A period's share of a monthly amount: `monthly × days / days in month`, rounded to cents cumulatively.
#[must_use]
pub fn share(monthly: Decimal, period: Period) -> Decimal {
    until(monthly, period.month(), period.to) - until(monthly, period.month(), previous_day(period.from))
}

/// What of a month's amount falls on its days up to and with `day`, in cents.
fn until(monthly: Decimal, month: Month, day: Date) -> Decimal {
    let days = if day < month.first_day() { 0 } else { day.day() };
    let exact = monthly * Decimal::from(days) / Decimal::from(month.days());
    exact.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::authorization::Relation;
    use crate::base::people::Role;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn set(platform: Platform, cents: i64, valid_from: Date) -> Result<SetEstimate, Box<dyn std::error::Error>> {
        Ok(SetEstimate {
            id: "est_1".parse()?,
            workload_id: "wkl_1".parse()?,
            platform,
            monthly: Money::usd(Decimal::new(cents, 2)),
            tokens: None,
            ccu: None,
            reason: "first".parse()?,
            valid_from,
        })
    }

    #[test]
    fn a_workload_that_has_all_its_versions_gets_no_more_and_says_so() -> Result<(), Box<dyn std::error::Error>> {
        let now: Timestamp = "2026-08-24T08:00:00Z".parse()?;
        let owner = Actor::person("po".parse()?, [Role::ProductOwner]);
        let relations = Relations::NONE.with(Relation::Owner, true);
        let wanted = set(Platform::Bedrock, 100, date(2026, 8, 1))?;
        let Outcome::Changed(first) = decide_set(&[], wanted.clone(), &owner, relations, now) else {
            return Err("refused".into());
        };
        let raised = SetEstimate { monthly: Money::usd(Decimal::from(2)), ..wanted.clone() };
        let decide = |versions: usize, wanted: &SetEstimate| {
            decide_set(&vec![first.clone(); versions], wanted.clone(), &owner, relations, now)
        };
        assert!(matches!(decide(VERSIONS_MAX - 1, &raised), Outcome::Changed(_)));
        let Outcome::Refused(refusal) = decide(VERSIONS_MAX, &raised) else { return Err("it has room".into()) };
        assert_eq!(refusal.kind, RefusalKind::LimitExceeded);
        assert!(refusal.detail.contains("500 versions"));
        assert_eq!(decide(VERSIONS_MAX, &wanted), Outcome::AlreadyDone, "a repeat is answered still");
        Ok(())
    }

    #[test]
    fn an_estimate_is_the_owners_and_each_change_a_version() -> Result<(), Box<dyn std::error::Error>> {
        let now: Timestamp = "2026-08-24T08:00:00Z".parse()?;
        let owner = Actor::person("po".parse()?, [Role::ProductOwner]);
        let relations = Relations::NONE.with(Relation::Owner, true);
        let wanted = set(Platform::ClaudePlatform, 120_050, date(2026, 8, 1))?;
        let Outcome::Changed(first) = decide_set(&[], wanted.clone(), &owner, relations, now) else {
            return Err("refused".into());
        };
        assert_eq!((first.version, first.ccu), (1, Some(Decimal::from(120_050))));
        let all = [first];
        assert_eq!(decide_set(&all, wanted.clone(), &owner, relations, now), Outcome::AlreadyDone);
        let raised = SetEstimate { monthly: Money::usd(Decimal::from(2000)), ..wanted.clone() };
        assert!(matches!(decide_set(&all, raised, &owner, relations, now), Outcome::Changed(e) if e.version == 2));
        let refused = |wanted: SetEstimate, actor: &Actor, relations: Relations| match decide_set(
            &all, wanted, actor, relations, now,
        ) {
            Outcome::Refused(refusal) => Some(refusal.kind),
            _ => None,
        };
        let lead = Actor::person("lead".parse()?, [Role::FinopsLead]);
        assert_eq!(refused(wanted.clone(), &lead, relations), Some(RefusalKind::RoleForbidden));
        assert_eq!(refused(wanted.clone(), &owner, Relations::NONE), Some(RefusalKind::NotFound));
        let invalid = Some(RefusalKind::InvalidValue);
        assert_eq!(refused(set(Platform::Bedrock, -1, date(2026, 8, 1))?, &owner, relations), invalid);
        assert_eq!(refused(set(Platform::Bedrock, 1, date(2026, 8, 2))?, &owner, relations), invalid);
        assert_eq!(refused(set(Platform::Bedrock, 1, date(2006, 8, 1))?, &owner, relations), invalid);
        let ccu = |platform, ccu| SetEstimate { platform, ccu: Some(Decimal::from(ccu)), ..wanted.clone() };
        assert_eq!(refused(ccu(Platform::ClaudePlatform, 7), &owner, relations), invalid);
        assert_eq!(refused(ccu(Platform::Bedrock, 120_050), &owner, relations), invalid);
        Ok(())
    }

    #[test]
    fn the_estimate_on_the_first_day_governs_the_period() -> Result<(), Box<dyn std::error::Error>> {
        let now: Timestamp = "2026-08-24T08:00:00Z".parse()?;
        let owner = Actor::person("po".parse()?, [Role::ProductOwner]);
        let relations = Relations::NONE.with(Relation::Owner, true);
        let mut all: Vec<Estimate> = Vec::new();
        for (cents, from) in [(1, date(2026, 7, 1)), (2, date(2026, 9, 1)), (3, date(2026, 7, 1))] {
            if let Outcome::Changed(e) = decide_set(&all, set(Platform::Bedrock, cents, from)?, &owner, relations, now)
            {
                all.push(e);
            }
        }
        let cents = |day| governing(&all, Platform::Bedrock, Period::of(day)).map(|e| e.monthly.amount.mantissa());
        assert_eq!(cents(date(2026, 6, 30)), None);
        assert_eq!(cents(date(2026, 8, 31)), Some(3));
        assert_eq!(cents(date(2026, 9, 1)), Some(2));
        assert_eq!(governing(&all, Platform::ClaudePlatform, Period::of(date(2026, 9, 1))), None);
        Ok(())
    }

    proptest! {
        #[test]
        fn shares_of_a_month_add_up_to_the_cent(cents in 0_i64..100_000_000_000, year in 2024_i16..2040, month in 1_i8..=12) {
            let monthly = Decimal::new(cents, 2);
            let periods = Month::of(date(year, month, 1)).periods();
            let shares: Vec<Decimal> = periods.into_iter().map(|p| share(monthly, p)).collect();
            prop_assert_eq!(shares.iter().copied().sum::<Decimal>(), monthly);
            prop_assert!(shares.iter().all(|s| *s >= Decimal::ZERO && s.normalize().scale() <= 2));
        }
    }
}
