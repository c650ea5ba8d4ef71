//! Notices: what people are told of an event, that each of them is told once, and what the Leads were told of at all.
//!
//! A notice belongs to one event and names its recipients when it is planned, so that a redelivery tells exactly those
//! who were not told yet. Nothing here sends: the one fact that a newcomer would get wrong is that a standard SNS topic
//! neither recognises a repeated message nor says which ones it took, so "once" is kept here and not there.

mod announcement;
mod channel;
mod letter;
mod reminder;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::ids::EventId;
use crate::base::text::Sub;

pub use announcement::{Announced, Announcement, MODELS_PER_ANNOUNCEMENT, decide_announcement};
pub use channel::{Channel, channels_of, decide_channels};
pub use letter::{
    Fact, Letter, NextStep, SUBJECT_CHARS_MAX, Thread, render_message, render_subject, render_text, shown_money,
};
pub use reminder::{REMINDED_AFTER_DAYS, REMINDED_EVERY_DAYS, Reminder, decide_reminder};

/// Whose turn it is to tell the recipients who were not told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// A delivery of the event is at it, or was ended while it was.
    Held,
    /// Another delivery came meanwhile and left it alone once; a queue's visibility time lies between that and the
    /// next.
    Doubted,
    /// The last delivery ended in order and left some untold.
    Free,
}

/// Whom one event is told to, and who was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// The event.
    pub event_id: EventId,
    /// Its type.
    pub event_type: String,
    /// When the recipients were named.
    pub planned_at: Timestamp,
    /// Whose turn it is.
    pub turn: Turn,
    /// The recipients, each with the time at which the topic took their message.
    pub recipients: BTreeMap<Sub, Option<Timestamp>>,
}

/// What a delivery of the event does about its notice.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Telling {
    /// Take the turn by writing this, then tell those who are pending.
    Tell(Notice),
    /// Write this and come again: somebody may be telling them at this moment.
    Wait(Notice),
    /// Everybody was told.
    Done,
}

impl Notice {
    /// The notice of an event for these people, in the hands of the delivery that plans it; none without anybody to
    /// tell.
    #[must_use]
    pub fn plan(
        event_id: EventId,
        event_type: &str,
        people: impl IntoIterator<Item = Sub>,
        now: Timestamp,
    ) -> Option<Self> {
        let recipients: BTreeMap<Sub, Option<Timestamp>> = people.into_iter().map(|sub| (sub, None)).collect();
        let event_type = event_type.to_owned();
        (!recipients.is_empty()).then_some(Self { event_id, event_type, planned_at: now, turn: Turn::Held, recipients })
    }

    /// Those who were not told yet.
    pub fn pending(&self) -> impl Iterator<Item = &Sub> {
        self.recipients.iter().filter(|(_, told)| told.is_none()).map(|(sub, _)| sub)
    }

    /// The notice after this person was told.
    #[must_use]
    pub fn told(&self, sub: &Sub, now: Timestamp) -> Self {
        let mut next = self.clone();
        if let Some(told) = next.recipients.get_mut(sub) {
            told.get_or_insert(now);
        }
        next
    }

    /// The notice after a delivery ended in order without telling everybody.
    #[must_use]
    pub fn released(&self) -> Self {
        Self { turn: Turn::Free, ..self.clone() }
    }
}

/// Whether a repeated delivery tells those who are pending, waits, or has nothing to do.
pub fn decide_telling(notice: &Notice) -> Telling {
    if notice.pending().next().is_none() {
        return Telling::Done;
    }
    match notice.turn {
        Turn::Held => Telling::Wait(Notice { turn: Turn::Doubted, ..notice.clone() }),
        Turn::Doubted | Turn::Free => Telling::Tell(Notice { turn: Turn::Held, ..notice.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::text::MalformedText;

    fn planned() -> Result<Option<Notice>, MalformedText> {
        let people = ["ana".parse()?, "bob".parse()?];
        Ok(Notice::plan(EventId::derived("REQUEST#req_1.1"), "request.submitted", people, Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn nobody_to_tell_is_no_notice() {
        let nobody = Notice::plan(EventId::derived("E.1"), "card.opened", [], Timestamp::UNIX_EPOCH);
        assert_eq!(nobody, None);
    }

    #[test]
    fn a_turn_that_is_held_is_left_alone_once_and_then_taken_for_those_who_are_pending() -> Result<(), MalformedText> {
        let Some(notice) = planned()? else { return Ok(()) };
        let half = notice.told(&"ana".parse()?, Timestamp::UNIX_EPOCH);
        let Telling::Wait(doubted) = decide_telling(&half) else { panic!("a second delivery must wait") };
        let Telling::Tell(taken) = decide_telling(&doubted) else { panic!("the third takes the turn") };
        assert_eq!(taken.turn, Turn::Held);
        assert_eq!(taken.pending().map(Sub::as_str).collect::<Vec<_>>(), ["bob"]);
        assert!(matches!(decide_telling(&half.released()), Telling::Tell(_)), "a released turn is taken at once");
        Ok(())
    }

    #[test]
    fn whoever_was_told_is_never_pending_again() -> Result<(), MalformedText> {
        let Some(notice) = planned()? else { return Ok(()) };
        let (first, later) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        let all = notice.told(&"ana".parse()?, first).told(&"bob".parse()?, first);
        for turn in [Turn::Held, Turn::Doubted, Turn::Free] {
            assert_eq!(decide_telling(&Notice { turn, ..all.clone() }), Telling::Done, "{turn:?}");
        }
        assert_eq!(all.told(&"ana".parse()?, later), all, "the first time stays");
        assert_eq!(all.told(&"eve".parse()?, later), all, "nobody is added");
        Ok(())
    }
}
