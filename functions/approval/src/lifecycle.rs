//! The life of approvals, by the clock: their first day, notices before the end, and the end itself; and once more what
//! decisions about models end.
//!
//! Each run asks which approvals are due, instead of trusting that an earlier one came. An approval's end is its own
//! transaction; its scopes follow from the event. A notice is given once per approval and threshold.

use std::sync::Arc;

use contract::events::{Event, Place};
use domain::access::decisions::approval::{Approval, ApprovalState, decide_expire};
use domain::access::tasks::chain::{Chain, ScopeState};
use domain::base::calendar::utc_day;
use domain::base::ids::{ApprovalId, EventId};
use domain::base::outcome::Outcome;
use jiff::Timestamp;
use lambda::{Failure, Tick, Tried};
use schemars::JsonSchema;
use serde::Serialize;
use store::aggregates::approval::approvals_in;
use store::{Index, Step, StoreError, Transaction};

use crate::approvals::place;
use crate::{App, consequences};

const SECONDS_PER_DAY: i64 = 86_400;

/// What a run did.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LifecycleRun {
    became_effective: u32,
    noticed: u32,
    expired: u32,
}

pub(crate) async fn run(app: Arc<App>, tick: Tick) -> Result<LifecycleRun, Failure> {
    let (settings, _) = app.store.settings_in_force().await?;
    let entries = app.store.list_all(Index::List, &approvals_in(Some(ApprovalState::Active))).await?;
    let (mut done, mut tried) = (LifecycleRun::default(), Tried::default());
    let read = entries.iter().map(|entry| entry.read::<Approval>().map_err(Failure::from));
    let approvals: Vec<Approval> = read.filter_map(|read| tried.note(read)).collect();
    // What ends access comes first: notices are many, and a run may be cut off.
    for approval in approvals.iter().filter(|approval| approval.expires_at().is_some_and(|at| at <= tick.now)) {
        done.expired += u32::from(tried.note(expire(&app, &tick, approval).await).unwrap_or_default());
    }
    for approval in &approvals {
        if approval.decision.effective_from.is_some_and(|day| day > utc_day(approval.decided_at))
            && approval.is_effective(tick.now)
        {
            let began = tried.note(become_effective(&app, &tick, approval).await);
            done.became_effective += u32::from(began.unwrap_or_default());
        }
        let Some(expires_at) = approval.expires_at().filter(|at| *at > tick.now) else { continue };
        let days_left = whole_days(tick.now, expires_at);
        // The smallest threshold reached speaks for the larger ones, so that a run after a pause tells people once.
        if let Some(threshold) = settings.expiry_notice_days.iter().find(|d| days_left <= **d) {
            let told = tried.note(notice(&app, &tick, approval, *threshold, expires_at).await);
            done.noticed += u32::from(told.unwrap_or_default());
        }
    }
    consequences::repeat(&app, &tick, &approvals, &mut tried).await?;
    tried.outcome().map(|()| done)
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

/// Tells that an approval's first day has come, if any of its chains still waits for it.
async fn become_effective(app: &App, tick: &Tick, seen: &Approval) -> Result<bool, Failure> {
    let scopes: Vec<String> = seen.scopes.iter().map(|s| s.id.to_string()).collect();
    let chains = app.store.load_many::<Chain>(&scopes).await?;
    // A returned task puts its scope back to Approved, with tasks: that one waits for the Lead, not for a day.
    if !chains.iter().any(|c| c.value.state == ScopeState::Approved) {
        return Ok(false);
    }
    let tell = |place, approval_id| Event::ApprovalEffective {
        place,
        approval_id,
        scope_ids: seen.scopes.iter().map(|s| s.id.clone()).collect(),
    };
    tell_once(app, tick, seen, "effective", tell).await
}

async fn notice(
    app: &App,
    tick: &Tick,
    seen: &Approval,
    threshold: u16,
    expires_at: Timestamp,
) -> Result<bool, Failure> {
    let days_left = whole_days(tick.now, expires_at);
    let tell = |place, approval_id| Event::ApprovalExpiring { place, approval_id, expires_at, days_left };
    tell_once(app, tick, seen, &format!("expires-in.{threshold}"), tell).await
}

/// Writes an event of an approval that is still active, once for ever under `occasion`.
async fn tell_once(
    app: &App,
    tick: &Tick,
    seen: &Approval,
    occasion: &str,
    event: impl Fn(Place, ApprovalId) -> Event + Send + Sync,
) -> Result<bool, Failure> {
    let once = EventId::derived(&format!("{}.{occasion}", seen.id));
    let told = app
        .store
        .decide(|| async {
            let Some(found) = app.store.load::<Approval>(seen.id.as_str()).await? else { return Ok(Step::Done(false)) };
            if found.value.state != ApprovalState::Active {
                return Ok(Step::Done(false));
            }
            let mut tx = Transaction::new(&tick.actor, tick.now, &tick.request_id);
            tx.once("approval-lifecycle", &once);
            tx.update(&found, &found.value, &event(place(&found.value), seen.id.clone()));
            Ok::<_, StoreError>(Step::Commit(tx, true))
        })
        .await;
    match told {
        Err(StoreError::AlreadyHandled) => Ok(false),
        other => Ok(other?),
    }
}
