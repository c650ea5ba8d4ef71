//! A verification of a day that is too big for one call: a worker goes through it piece by piece, and each piece is
//! written down before the next begins.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::evidence::Broken;
use crate::base::authorization::{Action, Relations, authorize};
use crate::base::digest::Digest;
use crate::base::ids::VerificationId;
use crate::base::outcome::{Outcome, Refusal};
use crate::base::people::Actor;
use crate::base::text::Sub;

/// Broken things that are named one by one: enough to begin with, and far from what an item holds.
pub const BROKEN_NAMED_MAX: usize = 100;

/// A thing that is broken, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokenThing {
    /// The thing, as events name it.
    pub aggregate: String,
    /// What is wrong with it.
    pub what: String,
}

/// What was found so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Things looked at.
    pub things: u64,
    /// Their events.
    pub events: u64,
    /// Things whose state no event says, since the version before this one wrote it last.
    pub unbound: u64,
    /// Things that are broken.
    pub broken_things: u64,
    /// The first findings.
    pub broken: Vec<BrokenThing>,
}

impl Found {
    /// Adds a thing.
    pub fn add_thing(&mut self, aggregate: &str, events: u64, is_unbound: bool, broken: &[Broken]) {
        self.things += 1;
        self.events += events;
        self.unbound += u64::from(is_unbound);
        self.add_broken(aggregate, broken);
    }

    /// Adds what is wrong with something.
    pub fn add_broken<W: ToString>(&mut self, aggregate: &str, broken: &[W]) {
        self.broken_things += u64::from(!broken.is_empty());
        for what in broken.iter().take(BROKEN_NAMED_MAX.saturating_sub(self.broken.len())) {
            self.broken.push(BrokenThing { aggregate: aggregate.to_owned(), what: what.to_string() });
        }
    }

    /// Adds what was found elsewhere.
    pub fn add(&mut self, more: Self) {
        self.things += more.things;
        self.events += more.events;
        self.unbound += more.unbound;
        self.broken_things += more.broken_things;
        let room = BROKEN_NAMED_MAX.saturating_sub(self.broken.len());
        self.broken.extend(more.broken.into_iter().take(room));
    }
}

/// Where a worker goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// The part of the day's index.
    pub shard: usize,
    /// The thing after which, in the order of their names.
    pub after: Option<String>,
}

/// A verification of a day by a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Its id.
    pub id: VerificationId,
    /// The day.
    pub day: Date,
    /// The day's seal as it was told outside the table.
    pub anchor: Option<Digest>,
    /// Who asked.
    pub requested_by: Sub,
    /// When.
    pub requested_at: Timestamp,
    /// Pieces that are done.
    pub pieces: u64,
    /// The next piece; none once all are done.
    pub next: Option<Position>,
    /// What was found so far.
    pub found: Found,
    /// The seal that the day has.
    pub seal: Option<Digest>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Accepts a verification.
///
/// # Errors
/// The refusal.
pub fn decide_request(
    id: VerificationId,
    day: Date,
    anchor: Option<Digest>,
    actor: &Actor,
    now: Timestamp,
) -> Result<Verification, Refusal> {
    authorize(actor, Action::VerifyAudit, Relations::NONE, "")?;
    Ok(Verification {
        id,
        day,
        anchor,
        requested_by: actor.sub.clone(),
        requested_at: now,
        pieces: 0,
        next: Some(Position { shard: 0, after: None }),
        found: Found::default(),
        seal: None,
        finished_at: None,
    })
}

/// Notes a piece, if it is the one that was to be done next.
pub fn decide_advance(
    before: &Verification,
    piece: u64,
    found: Found,
    next: Option<Position>,
) -> Outcome<Verification> {
    if before.pieces != piece || before.next.is_none() {
        return Outcome::AlreadyDone;
    }
    let mut after = Verification { pieces: piece + 1, next, ..before.clone() };
    after.found.add(found);
    Outcome::Changed(after)
}

/// Ends it with what the day's seal showed.
pub fn decide_finish(
    before: &Verification,
    found: Found,
    seal: Option<Digest>,
    now: Timestamp,
) -> Outcome<Verification> {
    if before.next.is_some() || before.finished_at.is_some() {
        return Outcome::AlreadyDone;
    }
    let mut after = Verification { seal, finished_at: Some(now), ..before.clone() };
    after.found.add(found);
    Outcome::Changed(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::people::Role;
    use jiff::civil::date;

    #[test]
    fn a_piece_counts_once_and_the_end_comes_after_the_last() -> Result<(), Box<dyn std::error::Error>> {
        let ada = Actor::person("ada".parse()?, [Role::Auditor]);
        let (id, day, now) = ("ver_1".parse()?, date(2026, 8, 24), Timestamp::UNIX_EPOCH);
        let asked = decide_request(id, day, None, &ada, now)?;
        let mut found = Found::default();
        found.add_thing("A#1", 3, false, &[Broken::OtherHead]);
        assert_eq!(decide_finish(&asked, found.clone(), None, now), Outcome::AlreadyDone);
        let Outcome::Changed(done) = decide_advance(&asked, 0, found.clone(), None) else { return Err("no".into()) };
        assert_eq!((done.found.things, done.found.events, done.found.broken_things), (1, 3, 1));
        assert_eq!(decide_advance(&done, 0, found.clone(), None), Outcome::AlreadyDone, "again");
        assert_eq!(decide_advance(&asked, 1, found, None), Outcome::AlreadyDone, "not its turn");
        let Outcome::Changed(end) = decide_finish(&done, Found::default(), None, now) else { return Err("no".into()) };
        assert_eq!(decide_finish(&end, Found::default(), None, now), Outcome::AlreadyDone);
        Ok(())
    }

    #[test]
    fn many_broken_things_are_counted_and_the_first_of_them_named() {
        let mut found = Found::default();
        for n in 0..300 {
            found.add_thing(&format!("A#{n}"), 1, false, &[Broken::OtherHead, Broken::OtherState]);
        }
        assert_eq!((found.broken_things, found.broken.len()), (300, BROKEN_NAMED_MAX));
    }
}
