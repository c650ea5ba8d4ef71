//! Seals: one digest a day over the last event of every thing that changed on it, and over the seal of the day before.
//!
//! A seal is told outside the table when it is made. Whoever kept it there has the anchor that no rewriting of the
//! table, seals included, can fit.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::base::calendar::{next_day, previous_day, start_of_day, utc_day};
use crate::base::digest::Digest;
use crate::base::ids::EventId;

/// How long after a day events of it may still be written: an event is dated by when its function began, and the
/// longest function runs five minutes; the rest is for clocks that differ.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// When a day without seal is broken: an hour after the schedule that seals it, which retries for so long.
const DUE_AFTER: SignedDuration = SignedDuration::from_mins(70);

/// How many days back a run looks for days that no run sealed. An alarm on undelivered schedules is heard long before.
pub const DAYS_LOOKED_AT: usize = 35;

/// The last event of a day of every thing that changed on it, by the thing.
pub type Heads = BTreeMap<String, (EventId, Digest)>;

/// A day's seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seal {
    /// The day.
    pub day: Date,
    /// The seal itself. Of days that were sealed before seals were chained, the digest over the heads.
    pub seal: Digest,
    /// How many things changed on it.
    pub aggregates: u64,
    /// The digest over the heads, since seals are chained.
    #[serde(default)]
    pub heads: Option<Digest>,
    /// The seal of the day before, if that day was sealed.
    #[serde(default)]
    pub previous: Option<Digest>,
}

impl Seal {
    /// Seals a day.
    #[must_use]
    pub fn over(day: Date, heads: &Heads, previous: Option<Digest>) -> Self {
        let aggregates = u64::try_from(heads.len()).unwrap_or(u64::MAX);
        let heads = digest_of(heads);
        let seal = seal_digest(day, &heads, previous.as_ref());
        Self { day, seal, aggregates, heads: Some(heads), previous }
    }
}

/// The digest over heads: of the JSON object `{thing: [id of its last event, hash of its last event]}`.
#[must_use]
pub fn digest_of(heads: &Heads) -> Digest {
    Digest::of(heads)
}

/// The seal of a day: of the JSON object `{day, heads, previous}`.
#[must_use]
pub fn seal_digest(day: Date, heads: &Digest, previous: Option<&Digest>) -> Digest {
    Digest::of(&json!({ "day": day, "heads": heads, "previous": previous }))
}

/// The last day of which no further event is written.
#[must_use]
pub fn last_settled_day(now: Timestamp) -> Date {
    previous_day(utc_day(now.saturating_sub(SETTLED_AFTER).unwrap_or(now)))
}

/// Whether a day has to have a seal by now.
#[must_use]
pub fn is_due(day: Date, now: Timestamp) -> bool {
    start_of_day(next_day(day)).saturating_add(DUE_AFTER).is_ok_and(|due| due <= now)
}

/// The days that a run looks at, the latest settled one last.
#[must_use]
pub fn days_looked_at(now: Timestamp) -> Vec<Date> {
    let back = std::iter::successors(Some(last_settled_day(now)), |day| Some(previous_day(*day)));
    let mut days: Vec<Date> = back.take(DAYS_LOOKED_AT).collect();
    days.reverse();
    days
}

/// Those among `days` that are still to be sealed, in order. Days before the first that was ever sealed, or else
/// before the first with an event, are not the record's.
#[must_use]
pub fn days_to_seal(days: &[Date], sealed: &BTreeSet<Date>, first_event: Option<Date>) -> Vec<Date> {
    let began = sealed.first().copied().or(first_event);
    let missing = days.iter().copied().filter(|day| !sealed.contains(day));
    match began {
        Some(began) => missing.filter(|day| *day >= began).collect(),
        None => days.last().copied().into_iter().collect(),
    }
}

/// What a day's seal is compared with.
#[derive(Debug, Clone)]
pub struct SealSeen<'a> {
    /// The day.
    pub day: Date,
    /// The digest over the heads as they are found now.
    pub heads: &'a Digest,
    /// The seal that is stored.
    pub seal: Option<&'a Seal>,
    /// The one stored for the day before.
    pub before: Option<&'a Seal>,
    /// The one stored for the day after.
    pub after: Option<&'a Seal>,
    /// The seal as it was told outside the table.
    pub anchor: Option<&'a Digest>,
    /// The time.
    pub now: Timestamp,
}

/// What is wrong with a day's seal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenSeal {
    /// A past day without seal.
    #[error("the day is over and has no seal")]
    Missing,
    /// Neither an event nor a seal.
    #[error("there is neither an event nor a seal of the day: nothing shows that nothing happened")]
    Nothing,
    /// Events were changed, added or removed since.
    #[error("the day's events are not those that were sealed")]
    OtherEvents,
    /// The record's fields do not give its seal.
    #[error("the seal was altered: what it covers does not give it")]
    Altered,
    /// The day before was sealed, and its seal is gone or another one.
    #[error("the seal names another seal of the day before than is there")]
    OtherBefore,
    /// The day after was sealed over another seal of this one.
    #[error("the seal of the day after names another seal of this day")]
    OtherAfter,
    /// The seal was told otherwise.
    #[error("the seal is not the one that was told outside the table")]
    OtherThanTold,
}

/// Compares a day's seal with its events, with its neighbours and with what was told of it outside the table.
#[must_use]
pub fn check_seal(seen: &SealSeen<'_>) -> Vec<BrokenSeal> {
    let mut broken = Vec::new();
    let Some(seal) = seen.seal else {
        if is_due(seen.day, seen.now) {
            broken.push(BrokenSeal::Missing);
        }
        if *seen.heads == digest_of(&Heads::new()) {
            broken.push(BrokenSeal::Nothing);
        }
        if seen.anchor.is_some() {
            broken.push(BrokenSeal::OtherThanTold);
        }
        return broken;
    };
    if seen.heads != seal.heads.as_ref().unwrap_or(&seal.seal) {
        broken.push(BrokenSeal::OtherEvents);
    }
    let covers = |heads| seal_digest(seal.day, heads, seal.previous.as_ref()) == seal.seal;
    if seal.day != seen.day || !seal.heads.as_ref().is_none_or(covers) {
        broken.push(BrokenSeal::Altered);
    }
    if seal.previous.is_some() && seal.previous.as_ref() != seen.before.map(|before| &before.seal) {
        broken.push(BrokenSeal::OtherBefore);
    }
    if seen.after.and_then(|after| after.previous.as_ref()).is_some_and(|named| *named != seal.seal) {
        broken.push(BrokenSeal::OtherAfter);
    }
    if seen.anchor.is_some_and(|anchor| *anchor != seal.seal) {
        broken.push(BrokenSeal::OtherThanTold);
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const MONDAY: Date = date(2026, 8, 24);

    fn heads(names: &[&str]) -> Heads {
        names.iter().map(|n| ((*n).to_owned(), (EventId::derived(n), Digest::of(n)))).collect()
    }

    fn at(time: &str) -> Timestamp {
        time.parse().expect("a time")
    }

    #[test]
    fn a_day_is_sealed_once_it_is_settled_and_missed_days_are_made_up_for() {
        let days = days_looked_at(at("2026-08-25T00:09:59Z"));
        assert_eq!((days.len(), days.last()), (DAYS_LOOKED_AT, Some(&date(2026, 8, 23))));
        let days = days_looked_at(at("2026-08-25T00:10:00Z"));
        assert_eq!(days.last(), Some(&MONDAY));
        let day = |d| date(2026, 8, d);
        let sealed = |days: &[i8]| days.iter().map(|d| day(*d)).collect::<BTreeSet<Date>>();
        for (done, first_event, expected) in [
            (vec![], None, vec![24]),
            (vec![], Some(22), vec![22, 23, 24]),
            (vec![21], Some(20), vec![22, 23, 24]),
            (vec![20, 21, 23], None, vec![22, 24]),
            (vec![22, 23, 24], None, vec![]),
        ] {
            let found = days_to_seal(&days, &sealed(&done), first_event.map(day));
            assert_eq!(found, expected.into_iter().map(day).collect::<Vec<Date>>(), "{done:?}");
        }
    }

    #[test]
    fn whatever_is_changed_about_a_seal_or_about_what_it_covers_is_found() {
        let covered = heads(&["A#1", "B#1"]);
        let digest = digest_of(&covered);
        let before = Seal::over(date(2026, 8, 23), &heads(&[]), None);
        let seal = Seal::over(MONDAY, &covered, Some(before.seal.clone()));
        let after = Seal::over(date(2026, 8, 25), &heads(&["C#1"]), Some(seal.seal.clone()));
        let good = SealSeen {
            day: MONDAY,
            heads: &digest,
            seal: Some(&seal),
            before: Some(&before),
            after: Some(&after),
            anchor: Some(&seal.seal),
            now: at("2026-08-26T12:00:00Z"),
        };
        assert_eq!(check_seal(&good), []);
        let unchained = Seal { seal: digest_of(&covered), heads: None, previous: None, ..seal.clone() };
        let of_older = SealSeen { seal: Some(&unchained), after: None, anchor: None, ..good.clone() };
        assert_eq!(check_seal(&of_older), [], "as the version before wrote it");

        let (fewer, none) = (heads(&["A#1"]), digest_of(&heads(&[])));
        let forged = Seal::over(MONDAY, &fewer, seal.previous.clone());
        let fewer = digest_of(&fewer);
        let altered = Seal { seal: Digest::of_bytes(b"x"), ..seal.clone() };
        let other = Digest::of_bytes(b"other");
        let early = at("2026-08-25T01:00:00Z");
        use BrokenSeal::{Altered, Missing, Nothing, OtherAfter, OtherBefore, OtherEvents, OtherThanTold};
        for (what, seen, expected) in [
            ("removed", SealSeen { seal: None, anchor: None, ..good.clone() }, vec![Missing]),
            ("removed, anchor kept", SealSeen { seal: None, ..good.clone() }, vec![Missing, OtherThanTold]),
            ("not due", SealSeen { seal: None, anchor: None, now: early, ..good.clone() }, vec![]),
            ("nothing", SealSeen { seal: None, anchor: None, now: early, heads: &none, ..good.clone() }, vec![Nothing]),
            ("an event dropped", SealSeen { heads: &fewer, ..good.clone() }, vec![OtherEvents]),
            ("altered", SealSeen { seal: Some(&altered), ..good.clone() }, vec![Altered, OtherAfter, OtherThanTold]),
            (
                "forged over what is left",
                SealSeen { heads: &fewer, seal: Some(&forged), ..good.clone() },
                vec![OtherAfter, OtherThanTold],
            ),
            ("the day before lost", SealSeen { before: None, ..good.clone() }, vec![OtherBefore]),
            ("told otherwise", SealSeen { anchor: Some(&other), ..good.clone() }, vec![OtherThanTold]),
        ] {
            assert_eq!(check_seal(&seen), expected, "{what}");
        }
    }
}
