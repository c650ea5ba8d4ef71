//! When an owner is reminded of a card that waits for their signature.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::card::{CardState, SpendCard};
use crate::ids::CardId;

/// Days for which a card waits before its owner is reminded: a long weekend passes in silence.
pub const REMINDED_AFTER_DAYS: u16 = 3;
/// Days between reminders of one card: cards are weekly, and so is their nagging.
pub const REMINDED_EVERY_DAYS: u16 = 7;

/// One reminder. Its natural key is the card, what it waits for, and how many reminders of that came before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reminder {
    /// The card.
    pub card_id: CardId,
    /// Entries of the card's history when it was made: a card that waits again is reminded of anew.
    pub entries: usize,
    /// How many came before.
    pub number: u16,
    /// Whole days for which the card has waited.
    pub days_open: u16,
}

/// The reminder that is due for a card; none while it waits for nobody or for a Lead, or not long enough.
#[must_use]
pub fn decide_reminder(card: &SpendCard, now: Timestamp) -> Option<Reminder> {
    if !matches!(card.state, CardState::Open | CardState::Resolved) {
        return None;
    }
    let since = card.history.last()?.at;
    let days_open = u16::try_from(now.duration_since(since).as_hours() / 24).ok()?;
    let number = days_open.checked_sub(REMINDED_AFTER_DAYS)? / REMINDED_EVERY_DAYS;
    Some(Reminder { card_id: card.id.clone(), entries: card.history.len(), number, days_open })
}
