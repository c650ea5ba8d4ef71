//! The life of approvals, by the clock: notices before the end, and the end itself.
//!
//! Each run asks which approvals are due, instead of trusting that an earlier one came. An approval's end is its own
//! transaction; its scopes follow from the event. A notice is given once per approval and threshold.

use std::sync::Arc;

use contract::events::Event;
use domain::approval::{Approval, ApprovalState, decide_expire};
use domain::ids::EventId;
use domain::outcome::Outcome;
use jiff::Timestamp;
use lambda::{Failure, Tick};
use schemars::JsonSchema;
use serde::Serialize;
use store::aggregates::approval::approvals_in;
use store::{Index, Step, StoreError, Transaction};

use crate::App;
use crate::approvals::place;

const SECONDS_PER_DAY: i64 = 86_400;

/// What a run did.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LifecycleRun {
    expired: u32,
    noticed: u32,
}

pub(crate) async fn run(app: Arc<App>, tick: Tick) -> Result<LifecycleRun, Failure> {
    let (settings, _) = app.store.settings_in_force().await?;
    let entries = app.store.list_all(Index::List, &approvals_in(Some(ApprovalState::Active))).await?;
    let mut done = LifecycleRun::default();
    for entry in &entries {
        let approval: Approval = entry.read()?;
        let Some(expires_at) = approval.expires_at() else { continue };
        if expires_at <= tick.now {
            done.expired += u32::from(expire(&app, &tick, &approval).await?);
            continue;
        }
        let days_left = whole_days(tick.now, expires_at);
        // The smallest threshold reached speaks for the larger ones, so that a run after a pause tells people once.
        if let Some(threshold) = settings.expiry_notice_days.iter().find(|d| days_left <= **d) {
            done.noticed += u32::from(notice(&app, &tick, &approval, *threshold, expires_at).await?);
        }
    }
    Ok(done)
}

fn whole_days(now: Timestamp, end: Timestamp) -> u16 {
    u16::try_from(end.duration_since(now).as_secs() / SECONDS_PER_DAY).unwrap_or(u16::MAX)
}

async fn expire(app: &App, tick: &Tick, seen: &Approval) -> Result<bool, Failure> {
    app.store
        .decide(|| async {
            let Some(found) = app.store.load::<Approval>(seen.id.as_str()).await? else { return Ok(Step::Done(false)) };
            match decide_expire(&found.value, &tick.actor, tick.now) {
                Outcome::Changed(approval) => {
                    let mut tx = Transaction::new(&tick.actor, tick.now, &tick.request_id);
                    let event = Event::ApprovalExpired { place: place(&approval), approval_id: approval.id.clone() };
                    tx.update(&found, &approval, &event);
                    Ok(Step::Commit(tx, true))
                }
                Outcome::AlreadyDone | Outcome::Refused(_) => Ok(Step::Done(false)),
            }
        })
        .await
}

async fn notice(app: &App, tick: &Tick, seen: &Approval, threshold: u16, expires_at: Timestamp) -> Result<bool, Failure> {
    let once = EventId::derived(&format!("{}.expires-in.{threshold}", seen.id));
    let told = app
        .store
        .decide(|| async {
            let Some(found) = app.store.load::<Approval>(seen.id.as_str()).await? else { return Ok(Step::Done(false)) };
            if found.value.state != ApprovalState::Active {
                return Ok(Step::Done(false));
            }
            let mut tx = Transaction::new(&tick.actor, tick.now, &tick.request_id);
            let event = Event::ApprovalExpiring {
                place: place(&found.value),
                approval_id: seen.id.clone(),
                expires_at,
                days_left: whole_days(tick.now, expires_at),
            };
            tx.once("expiry-notice", &once);
            tx.update(&found, &found.value, &event);
            Ok::<_, StoreError>(Step::Commit(tx, true))
        })
        .await;
    match told {
        Err(StoreError::AlreadyHandled) => Ok(false),
        other => Ok(other?),
    }
}
