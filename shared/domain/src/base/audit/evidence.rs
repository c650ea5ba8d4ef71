//! What shows that a thing is what its events made of it: its chain from the first event on, its state as the table
//! holds it, and, where another thing's event told its last change, that event.
//!
//! Nothing is verified by absence. A thing of which nothing is there is broken, and so is one whose last change no
//! event tells; only what the version before this one wrote, which did not record such changes, counts as not bound.

use std::collections::BTreeMap;

use super::{AuditEvent, Bound};
use crate::base::digest::Digest;

/// Kinds whose things may come into being under another thing's event.
pub const CREATED_BY_OTHERS: &[&str] = &["ANCHOR", "DRIFT", "GAP-NEWS", "SCOPE"];

/// Kinds whose things may change under another thing's event once they have events of their own.
pub const CHANGED_BY_OTHERS: &[&str] = &["ANCHOR", "CARD", "DRIFT", "GAP", "GAP-NEWS", "PERSON", "RUN"];

/// The kind of a thing, from its name.
#[must_use]
pub fn kind_of(aggregate: &str) -> &str {
    aggregate.split_once('#').map_or(aggregate, |(kind, _)| kind)
}

/// The event of another thing that told a thing's last change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// The other thing.
    pub aggregate: String,
    /// Its event.
    pub sequence: u64,
}

/// A thing as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Counts its changes.
    pub version: u64,
    /// How many events it says that it has.
    pub sequence: u64,
    /// The hash of its last event, as it says.
    pub head: Option<Digest>,
    /// The digest of its state, rows included, from the bytes that are there.
    pub state: Digest,
    /// Whether the copy of its rows that some kinds carry is what the rows are.
    pub carries_its_rows: bool,
    /// The event that told its last change, if that is not its own.
    pub told_by: Option<Telling>,
}

/// What is wrong with a thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Neither an event nor a state.
    #[error("there is no such thing: neither an event nor a state of it is there")]
    NeverWas,
    /// Events without a state.
    #[error("its events are there and its state is not")]
    StateGone,
    /// A state without events.
    #[error("its state is there and none of its events is")]
    EventsGone,
    /// A record that is none.
    #[error("event {0} is not a record as the product writes one")]
    Unreadable(u64),
    /// A record's fields do not give its hash.
    #[error("event {0} was altered: its content does not give its hash")]
    Altered(u64),
    /// A record does not follow the one before it.
    #[error("event {0} does not follow the one before it: one was removed, added or reordered")]
    OutOfOrder(u64),
    /// A record in this thing's history that is about another one.
    #[error("event {0} is the record of another thing")]
    Foreign(u64),
    /// The state counts other events than there are.
    #[error("its state counts {said} events and {there} are there: some were removed or added")]
    OtherCount {
        /// As the state says.
        said: u64,
        /// As found.
        there: u64,
    },
    /// The state names another last event.
    #[error("its last event is not the one that its state names: one of them was rewritten")]
    OtherHead,
    /// The state counts fewer changes than it has events.
    #[error("its state says version {version} and has {events} events, each of which is a version")]
    VersionBehind {
        /// As the state says.
        version: u64,
        /// As the state says.
        events: u64,
    },
    /// The state is not what the last event left.
    #[error("its state is not the one that its last event left: it was changed without an event")]
    OtherState,
    /// The state is not what another thing's event left.
    #[error("its state is not the one that event {sequence} of `{aggregate}`, which it names, left")]
    OtherStateThanTold {
        /// The other thing.
        aggregate: String,
        /// The event.
        sequence: u64,
    },
    /// The copy of the rows differs from the rows.
    #[error("the rows that it carries are not its rows")]
    OtherRows,
    /// A thing that an event of this one left, and that is no more, or older.
    #[error("event {sequence} left `{aggregate}` in version {version}, which is not what is there")]
    LeftOtherwise {
        /// This thing's event.
        sequence: u64,
        /// The other thing.
        aggregate: String,
        /// The version that the event left it in.
        version: u64,
    },
    /// A thing that the state names and of which nothing is recorded.
    #[error("its state names `{0}`, of which there is no record")]
    NamesNothing(String),
}

/// A chain, looked at event by event from its first on, so that no length of it has to fit into memory.
#[derive(Debug, Clone)]
pub struct Walk {
    aggregate: String,
    head: Option<(u64, Digest)>,
    after: Option<Digest>,
    tells_states: bool,
    left: BTreeMap<String, (u64, Bound)>,
    first_broken: Option<Broken>,
    events: u64,
}

impl Walk {
    /// Before the first event of a thing.
    #[must_use]
    pub fn of(aggregate: &str) -> Self {
        Self {
            aggregate: aggregate.to_owned(),
            head: None,
            after: None,
            tells_states: false,
            left: BTreeMap::new(),
            first_broken: None,
            events: 0,
        }
    }

    /// The next event, in the order of their keys.
    pub fn add(&mut self, event: &AuditEvent) {
        self.events += 1;
        let (sequence, previous) = self.head.as_ref().map_or((1, None), |(last, hash)| (last + 1, Some(hash)));
        let broken = if event.computed_hash() != event.hash {
            Some(Broken::Altered(event.sequence))
        } else if event.aggregate != self.aggregate {
            Some(Broken::Foreign(event.sequence))
        } else if event.sequence != sequence || event.previous.as_ref() != previous {
            Some(Broken::OutOfOrder(event.sequence))
        } else {
            None
        };
        self.first_broken = self.first_broken.take().or(broken);
        self.head = Some((event.sequence, event.hash.clone()));
        self.after = Some(event.after.clone());
        self.tells_states = event.states.is_some();
        for (aggregate, bound) in event.states.iter().flatten() {
            self.left.insert(aggregate.clone(), (event.sequence, bound.clone()));
        }
    }

    /// The next record, where it is none that can be read.
    pub fn add_unreadable(&mut self, sequence: u64) {
        self.events += 1;
        self.first_broken = self.first_broken.take().or(Some(Broken::Unreadable(sequence)));
    }

    /// How many events there were.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// What is wrong within the chain, first finding only: what follows a gap says nothing.
    #[must_use]
    pub const fn broken(&self) -> Option<&Broken> {
        self.first_broken.as_ref()
    }

    /// The other things that its events left in some state.
    pub fn left(&self) -> impl Iterator<Item = &str> {
        self.left.keys().map(String::as_str)
    }

    /// Compares what its events left of other things with what is there now; later versions are those things' own
    /// matter.
    #[must_use]
    pub fn compare_left(&self, now: &BTreeMap<String, Held>) -> Vec<Broken> {
        let differs = |aggregate: &str, bound: &Bound| match now.get(aggregate) {
            None => true,
            Some(held) if held.version == bound.version => held.state != bound.state,
            Some(held) => held.version < bound.version,
        };
        let left = self.left.iter().filter(|(aggregate, (_, bound))| differs(aggregate, bound));
        let broken = left.map(|(aggregate, (sequence, bound))| Broken::LeftOtherwise {
            sequence: *sequence,
            aggregate: aggregate.clone(),
            version: bound.version,
        });
        broken.collect()
    }

    fn tells(&self, telling: &Telling, aggregate: &str, held: &Held) -> bool {
        self.first_broken.is_none()
            && self.aggregate == telling.aggregate
            && self.left.get(aggregate).is_some_and(|(sequence, bound)| {
                *sequence == telling.sequence && bound.version == held.version && bound.state == held.state
            })
    }
}

/// What a comparison came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Compared {
    /// What is wrong.
    pub broken: Vec<Broken>,
    /// Whether no event says what the state is, because the version before this one wrote it last.
    pub is_unbound: bool,
}

/// Compares a thing's chain with its state. `teller` is the chain of the thing whose event told its last change.
pub fn compare(chain: &Walk, held: Option<&Held>, teller: Option<&Walk>) -> Compared {
    let only = |broken| Compared { broken: vec![broken], is_unbound: false };
    let Some(held) = held else {
        return only(if chain.events == 0 { Broken::NeverWas } else { Broken::StateGone });
    };
    let kind = kind_of(&chain.aggregate);
    let mut broken: Vec<Broken> = chain.first_broken.iter().cloned().collect();
    if chain.events == 0 && (held.sequence > 0 || held.head.is_some() || !CREATED_BY_OTHERS.contains(&kind)) {
        broken.push(Broken::EventsGone);
    } else if held.sequence != chain.events {
        broken.push(Broken::OtherCount { said: held.sequence, there: chain.events });
    } else if held.head.as_ref() != chain.head.as_ref().map(|(_, hash)| hash) {
        broken.push(Broken::OtherHead);
    }
    if held.version < held.sequence.max(1) {
        broken.push(Broken::VersionBehind { version: held.version, events: held.sequence });
    }
    if !held.carries_its_rows {
        broken.push(Broken::OtherRows);
    }
    let is_own = chain.after.as_ref() == Some(&held.state);
    let mut is_unbound = false;
    match &held.told_by {
        Some(telling) if !teller.is_some_and(|teller| teller.tells(telling, &chain.aggregate, held)) => {
            let Telling { aggregate, sequence } = telling.clone();
            broken.push(Broken::OtherStateThanTold { aggregate, sequence });
        }
        Some(_) => {}
        None if is_own => {}
        None => {
            let may_be_older = if chain.events == 0 { CREATED_BY_OTHERS } else { CHANGED_BY_OTHERS }.contains(&kind);
            is_unbound = may_be_older && !chain.tells_states;
            // What is left of a chain that lacks events, or was rewritten, says nothing about the state.
            if !is_unbound && broken.is_empty() {
                broken.push(Broken::OtherState);
            }
        }
    }
    Compared { broken, is_unbound }
}

#[cfg(test)]
mod tests;
