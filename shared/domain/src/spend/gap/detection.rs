//! Finds the gaps of a billing period, and follows those that are known already.
//!
//! Run after every ingestion and whenever claims change. A gap that somebody closed keeps the days it had; spend on
//! later days opens a new gap that names it. One whose spend is gone closes by itself: resolved when somebody answers
//! for that spend now, recalled when the bill took it back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{About, Deed, Gap, GapKind, GapState, GapUsage};
use crate::base::calendar::{Month, next_day};
use crate::base::digest::Digest;
use crate::base::ids::{ApprovalId, GapId, WorkloadId};
use crate::base::money::{Currency, Money};
use crate::base::people::Actor;
use crate::spend::bill::alias::ModelName;
use crate::spend::bill::anchor::SpendAnchor;
use crate::spend::bill::attribution::{Attribution, Finding, Verdict, the_only};
use crate::spend::bill::facts::Fact;

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

    /// The gap, if it was opened.
    #[must_use]
    pub const fn opened(&self) -> Option<&Gap> {
        match self {
            Self::Opened(gap) => Some(gap),
            Self::Moved(_) | Self::Closed(_) => None,
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

/// Uses of a gap that are kept; a request holds as many scopes.
const USAGE_MAX: usize = 20;

/// A model and the account and region of its use.
type Use<'a> = (&'a ModelName, &'a str, &'a str);
/// The cost and the rows of each.
type Uses<'a> = BTreeMap<Use<'a>, (Decimal, u64)>;

/// The spend of a subject, by day.
#[derive(Debug, Default)]
struct Spend<'a> {
    days: BTreeMap<Date, Uses<'a>>,
    /// What attribution suggested for each of its facts, nothing included.
    workloads: BTreeSet<Option<&'a WorkloadId>>,
    approvals: BTreeSet<Option<&'a ApprovalId>>,
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
    let mut found: BTreeMap<Subject, Spend<'a>> = BTreeMap::new();
    let mut seen: BTreeSet<SpendAnchor> = BTreeSet::new();
    for (fact, attribution) in attributed {
        seen.insert(attribution.anchor.clone());
        seen.insert(fact.key.anchor.clone());
        for subject in subjects_of(fact, attribution) {
            let spend = found.entry(subject).or_default();
            let used = (&attribution.model, fact.key.account_id.as_str(), fact.key.region.as_str());
            let uses = spend.days.entry(fact.key.day).or_default().entry(used).or_default();
            *uses = (uses.0 + fact.amount, uses.1.saturating_add(fact.rows));
            spend.workloads.insert(attribution.suggested_workload.as_ref());
            spend.approvals.insert(attribution.approval_id.as_ref());
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

/// What some of a subject's days add up to.
struct Sum<'a> {
    amount: Decimal,
    rows: u64,
    days: Option<(Date, Date)>,
    uses: Uses<'a>,
}

impl<'a> Spend<'a> {
    fn on_days(&self, wanted: impl Fn(Date) -> bool) -> Sum<'a> {
        let mut sum = Sum { amount: Decimal::ZERO, rows: 0, days: None, uses: Uses::new() };
        for (day, uses) in self.days.iter().filter(|(day, _)| wanted(**day)) {
            sum.days = Some((sum.days.map_or(*day, |(first, _)| first), *day));
            for (used, (amount, rows)) in uses {
                let all = sum.uses.entry(*used).or_default();
                *all = (all.0 + amount, all.1.saturating_add(*rows));
                sum.amount += amount;
                sum.rows = sum.rows.saturating_add(*rows);
            }
        }
        sum.amount = sum.amount.normalize();
        sum
    }
}

impl Sum<'_> {
    fn usage(&self, currency: &Currency) -> Vec<GapUsage> {
        let mut usage: Vec<GapUsage> = self
            .uses
            .iter()
            .map(|((model, account_id, region), (amount, rows))| GapUsage {
                model: (*model).clone(),
                account_id: (*account_id).to_owned(),
                region: (*region).to_owned(),
                amount: Money { amount: amount.normalize(), currency: currency.clone() },
                rows: *rows,
            })
            .collect();
        // Stable: what costs the same stays in the order of its names.
        usage.sort_by_key(|used| std::cmp::Reverse(used.amount.amount));
        usage.truncate(USAGE_MAX);
        usage
    }
}

/// A known gap against the spend of the days it answers for.
fn follow(gap: &Gap, spend: &Spend<'_>, is_answered_for: bool, job: &Actor, now: Timestamp) -> Option<GapChange> {
    if gap.vanished {
        return None;
    }
    let mut next = gap.clone();
    let covered = spend.on_days(|day| gap.covers(day));
    next.amount.amount = covered.amount;
    next.rows = covered.rows;
    next.usage = covered.usage(&gap.amount.currency);
    match covered.days {
        Some((first, last)) => (next.first_seen, next.last_seen) = (first, last),
        // What somebody closed keeps its days, so that spend restated into them again is still theirs.
        _ if gap.state.is_closed() => {}
        _ => {
            let state = if is_answered_for { GapState::Resolved } else { GapState::Recalled };
            // The entry holds the dollars that there were.
            let mut closed = gap.clone();
            closed.record(job, now, Deed { state, action: None, target: None, rationale: None });
            let (amount, usage) = (next.amount, Vec::new());
            return Some(GapChange::Closed(Gap { vanished: true, amount, usage, rows: 0, ..closed }));
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
    spend: &Spend<'_>,
    job: &Actor,
    now: Timestamp,
) -> Option<GapChange> {
    let uncovered = spend.on_days(|day| !chain.iter().any(|gap| gap.covers(day)));
    let (first_seen, last_seen) = uncovered.days?;
    if uncovered.amount.is_zero() {
        return None;
    }
    // INVARIANT: the days of closed gaps, and those after the last of them, belong to exactly one gap that has not
    // vanished.
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
        amount: Money { amount: uncovered.amount, currency: subject.currency.clone() },
        in_totals: subject.in_totals,
        first_seen,
        last_seen,
        from,
        to: None,
        vanished: false,
        rows: uncovered.rows,
        usage: uncovered.usage(&subject.currency),
        state: GapState::Active,
        suggested_action: subject.kind.actions().first().copied().unwrap_or(super::GapAction::FixExport),
        // Several are no suggestion: a Lead would take the first for the only one.
        suggested_workload: the_only(spend.workloads.iter()).copied().flatten().cloned(),
        approval_id: the_only(spend.approvals.iter()).copied().flatten().cloned(),
        previous: chain.last().map(|gap| gap.id.clone()),
        history: Vec::new(),
    };
    gap.record(job, now, Deed { state: GapState::Active, action: None, target: None, rationale: None });
    Some(GapChange::Opened(gap))
}
