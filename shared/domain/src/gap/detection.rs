//! Finds the gaps of a billing period, and follows those that are known already.
//!
//! Run after every ingestion and whenever claims change. A gap that somebody closed keeps the days it had; spend on later
//! days opens a new gap that names it. One whose spend is gone closes by itself: resolved when somebody answers for that
//! spend now, recalled when the bill took it back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{About, Deed, Gap, GapKind, GapState};
use crate::bill::anchor::SpendAnchor;
use crate::bill::attribution::{Attribution, Finding, Verdict};
use crate::bill::facts::Fact;
use crate::calendar::{Month, next_day};
use crate::digest::Digest;
use crate::ids::{ApprovalId, GapId, WorkloadId};
use crate::money::{Currency, Money};
use crate::people::Actor;

/// What a run did to a gap. Each is written with its event; what is not listed stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GapChange {
    /// Found for the first time, or again after its predecessor was closed.
    Opened(Gap),
    /// Its dollars, days or rows moved with the bill.
    Moved(Gap),
    /// Its spend is gone or answered for.
    Closed(Gap),
}

impl GapChange {
    /// The gap as it is now.
    #[must_use]
    pub const fn gap(&self) -> &Gap {
        match self {
            Self::Opened(gap) | Self::Moved(gap) | Self::Closed(gap) => gap,
        }
    }
}

/// What makes two findings one gap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Subject {
    kind: GapKind,
    about: About,
    in_totals: bool,
    currency: Currency,
}

/// The spend of a subject, by day.
#[derive(Debug, Default)]
struct Spend {
    days: BTreeMap<Date, (Decimal, u64)>,
    suggested_workload: Option<WorkloadId>,
    approval_id: Option<ApprovalId>,
}

/// Compares the attributed facts of a month with the gaps known for it.
#[must_use]
pub fn detect<'a>(
    month: Month,
    attributed: impl IntoIterator<Item = (&'a Fact, &'a Attribution)>,
    existing: &[Gap],
    job: &Actor,
    now: Timestamp,
) -> Vec<GapChange> {
    let mut found: BTreeMap<Subject, Spend> = BTreeMap::new();
    let mut seen: BTreeSet<SpendAnchor> = BTreeSet::new();
    for (fact, attribution) in attributed {
        seen.insert(attribution.anchor.clone());
        seen.insert(fact.key.anchor.clone());
        for subject in subjects_of(fact, attribution) {
            let spend = found.entry(subject).or_default();
            let day = spend.days.entry(fact.key.day).or_default();
            *day = (day.0 + fact.amount, day.1.saturating_add(fact.rows));
            spend.suggested_workload = attribution.suggested_workload.clone().or(spend.suggested_workload.take());
            spend.approval_id = attribution.approval_id.clone().or(spend.approval_id.take());
        }
    }
    let mut known: BTreeMap<Subject, Vec<&Gap>> = BTreeMap::new();
    for gap in existing.iter().filter(|g| g.billing_period == month) {
        known.entry(subject_of(gap)).or_default().push(gap);
    }
    let subjects: BTreeSet<Subject> = found.keys().chain(known.keys()).cloned().collect();
    let mut changes = Vec::new();
    for subject in subjects {
        let mut chain = known.remove(&subject).unwrap_or_default();
        chain.sort_by_key(|gap| (gap.previous.is_some(), gap.history.first().map(|e| e.at)));
        let spend = found.remove(&subject).unwrap_or_default();
        let is_answered_for = seen.contains(&subject.about.anchor);
        changes.extend(chain.iter().filter_map(|gap| follow(gap, &spend, is_answered_for, job, now)));
        changes.extend(open(month, &subject, &chain, &spend, job, now));
    }
    changes
}

fn subjects_of(fact: &Fact, attribution: &Attribution) -> Vec<Subject> {
    let subject = |kind: GapKind, about: &About, in_totals: bool| Subject {
        kind,
        about: about.clone(),
        in_totals,
        currency: fact.key.currency.clone(),
    };
    let in_totals = match &attribution.verdict {
        Verdict::Gap { kind, about } => Some(subject(*kind, about, true)),
        _ => None,
    };
    let beyond = attribution.findings.iter().filter_map(|finding| match finding {
        Finding::BeyondApproval { kind, about } => Some(subject(*kind, about, false)),
        _ => None,
    });
    in_totals.into_iter().chain(beyond).collect()
}

fn subject_of(gap: &Gap) -> Subject {
    Subject {
        kind: gap.kind,
        about: gap.about.clone(),
        in_totals: gap.in_totals,
        currency: gap.amount.currency.clone(),
    }
}

/// A known gap against the spend of the days it answers for.
fn follow(gap: &Gap, spend: &Spend, is_answered_for: bool, job: &Actor, now: Timestamp) -> Option<GapChange> {
    if gap.vanished {
        return None;
    }
    let mut next = gap.clone();
    let covered: Vec<(&Date, &(Decimal, u64))> = spend.days.iter().filter(|(day, _)| gap.covers(**day)).collect();
    next.amount.amount = covered.iter().map(|(_, (amount, _))| *amount).sum::<Decimal>().normalize();
    next.rows = covered.iter().map(|(_, (_, rows))| *rows).fold(0, u64::saturating_add);
    match (covered.first(), covered.last()) {
        (Some((first, _)), Some((last, _))) => (next.first_seen, next.last_seen) = (**first, **last),
        // What somebody closed keeps its days, so that spend restated into them again is still theirs.
        _ if gap.state.is_closed() => {}
        _ => {
            let state = if is_answered_for { GapState::Resolved } else { GapState::Recalled };
            // The entry holds the dollars that there were.
            let mut closed = gap.clone();
            closed.record(job, now, Deed { state, action: None, target: None, rationale: None });
            return Some(GapChange::Closed(Gap { vanished: true, amount: next.amount, rows: 0, ..closed }));
        }
    }
    if next == *gap {
        return None;
    }
    next.version += 1;
    Some(GapChange::Moved(next))
}

/// A new gap for the spend that no known one answers for.
fn open(
    month: Month,
    subject: &Subject,
    chain: &[&Gap],
    spend: &Spend,
    job: &Actor,
    now: Timestamp,
) -> Option<GapChange> {
    let uncovered: Vec<(&Date, &(Decimal, u64))> =
        spend.days.iter().filter(|(day, _)| !chain.iter().any(|gap| gap.covers(**day))).collect();
    let amount = uncovered.iter().map(|(_, (amount, _))| *amount).sum::<Decimal>().normalize();
    let (Some((first, _)), Some((last, _))) = (uncovered.first(), uncovered.last()) else { return None };
    if amount.is_zero() {
        return None;
    }
    // INVARIANT: the days of closed gaps, and those after the last of them, belong to exactly one gap that has not vanished.
    let from = chain.iter().filter(|gap| !gap.vanished).filter_map(|gap| gap.to).map(next_day).max();
    let about = Digest::of(&(&subject.about, subject.in_totals, &subject.currency));
    let short = about.hex().get(..16).unwrap_or_default();
    let nth = chain.len() + 1;
    let mut gap = Gap {
        id: GapId::derived(&format!("{month}.{}.{short}.{nth}", subject.kind.as_str())),
        version: 0,
        kind: subject.kind,
        billing_period: month,
        about: subject.about.clone(),
        amount: Money { amount, currency: subject.currency.clone() },
        in_totals: subject.in_totals,
        first_seen: **first,
        last_seen: **last,
        from,
        to: None,
        vanished: false,
        rows: uncovered.iter().map(|(_, (_, rows))| *rows).fold(0, u64::saturating_add),
        state: GapState::Active,
        suggested_action: subject.kind.actions().first().copied().unwrap_or(super::GapAction::FixExport),
        suggested_workload: spend.suggested_workload.clone(),
        approval_id: spend.approval_id.clone(),
        previous: chain.last().map(|gap| gap.id.clone()),
        history: Vec::new(),
    };
    gap.record(job, now, Deed { state: GapState::Active, action: None, target: None, rationale: None });
    Some(GapChange::Opened(gap))
}
