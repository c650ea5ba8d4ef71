//! Reminding owners of cards that wait for their signature. A reminder is a record of its own whose natural key makes
//! it happen once; its event is told like every other.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::events::{CardRef, Event};
use domain::base::authorization::{Action, Relations, authorize};
use domain::notice::{Reminder, decide_reminder};
use domain::spend::card::{CardState, SpendCard};
use lambda::{Cause, Failure, Tick};
use serde::Serialize;
use store::StoreError;

use crate::App;

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    /// Cards that wait for their owner.
    waiting: usize,
    /// Owners' cards that were reminded of by this run.
    reminded: usize,
}

/// Reminds owners of every card that has waited long enough since it opened, or since its last reminder.
///
/// Done: every due reminder is recorded, now or before. Retry: the table does not answer; the repetition continues.
pub(crate) async fn remind(app: Arc<App>, tick: Tick) -> Result<Summary, Failure> {
    authorize(&tick.cause.actor, Action::SendNotice, Relations::NONE, "")?;
    let mut cards = app.store.list_cards_in_state(CardState::Open).await?;
    cards.extend(app.store.list_cards_in_state(CardState::Resolved).await?);
    let mut summary = Summary { waiting: cards.len(), reminded: 0 };
    let due: Vec<(&SpendCard, Reminder)> =
        cards.iter().filter_map(|card| Some((card, decide_reminder(card, tick.cause.now)?))).collect();
    // One batch of reads tells which reminders were recorded before; only the others are written.
    let recorded = app.store.list_recorded_reminders(due.iter().map(|(_, reminder)| reminder)).await?;
    let recorded: BTreeSet<_> = recorded.into_iter().map(|r| (r.card_id, r.entries, r.number)).collect();
    for (card, reminder) in due {
        if !recorded.contains(&(reminder.card_id.clone(), reminder.entries, reminder.number)) {
            summary.reminded += usize::from(record(&app, &tick.cause, card, &reminder).await?);
        }
    }
    Ok(summary)
}

/// Records a reminder with the event that is told of it; false if it was recorded meanwhile.
async fn record(app: &App, cause: &Cause, card: &SpendCard, reminder: &Reminder) -> Result<bool, StoreError> {
    let card = CardRef::of(card);
    let mut tx = cause.transaction();
    tx.create(reminder, &Event::CardReminded { card, days_open: reminder.days_open });
    app.store.commit_once(tx).await
}
