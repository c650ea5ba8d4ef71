//! When an owner is reminded of a card that waits for their signature.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::ids::CardId;
use crate::spend::card::{CardState, SpendCard};

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A card that took this state at the first hour of a day, after having been opened on the first.
    fn card(state: &str, day: &str) -> Result<SpendCard, serde_json::Error> {
        let zero = json!({"amount": "0", "currency": "USD"});
        let entry = |state: &str, at: &str| {
            json!({"at": format!("{at}T01:00:00Z"), "by": "ana", "state": state,
            "onVersion": 0, "note": null, "decision": null})
        };
        serde_json::from_value(json!({
            "id": "crd_1", "version": 1, "kind": "period", "workloadId": "wkl_1", "spaceId": "spc_1",
            "period": {"from": "2026-08-16", "to": "2026-08-22"}, "final": false, "asOf": "2026-08-24T01:00:00Z",
            "attributionLevel": "workload", "completeTo": "2026-08-23", "actual": zero, "estimateShare": null,
            "variance": {"amount": null, "percent": null, "band": "no-estimate"}, "previous": null, "monthToDate": zero,
            "projectedMonthEnd": null, "ccu": null, "lines": [], "adjustments": [], "otherCurrencies": [],
            "state": state, "resolution": null, "history": [entry("open", "2026-08-24"), entry(state, day)],
        }))
    }

    #[test]
    fn an_owner_is_reminded_after_three_days_and_then_weekly_of_what_waits_for_them_only()
    -> Result<(), Box<dyn std::error::Error>> {
        for (state, day, now, expected) in [
            ("open", "2026-08-24", "2026-08-27T00:59:59Z", None),
            ("open", "2026-08-24", "2026-08-27T01:00:00Z", Some((0, 3))),
            ("open", "2026-08-24", "2026-09-03T00:59:59Z", Some((0, 9))),
            ("open", "2026-08-24", "2026-09-03T01:00:00Z", Some((1, 10))),
            ("resolved", "2026-09-01", "2026-09-03T01:00:00Z", None),
            ("resolved", "2026-09-01", "2026-09-04T01:00:00Z", Some((0, 3))),
            ("disputed", "2026-08-24", "2026-09-24T01:00:00Z", None),
            ("approved", "2026-08-24", "2026-09-24T01:00:00Z", None),
            ("open", "2026-08-24", "2026-08-20T01:00:00Z", None),
        ] {
            let reminder = decide_reminder(&card(state, day)?, now.parse()?);
            assert_eq!(reminder.map(|r| (r.number, r.days_open)), expected, "{state} since {day} at {now}");
        }
        Ok(())
    }
}
