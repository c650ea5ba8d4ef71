//! The life of approvals, by the clock: their first day, notices before the end, and the end itself; and once more what
//! decisions about models end.
//!
//! Each run asks which approvals are due, instead of trusting that an earlier one came. An approval's end is its own
//! transaction; its scopes follow from the event. A notice is given once per approval and threshold.

use std::sync::Arc;

use contract::events::{Event, Place};
use domain::access::decisions::approval::{Approval, ApprovalState, decide_expire};
use domain::access::tasks::chain::ScopeState;
use domain::base::calendar::utc_day;
use domain::base::ids::{ApprovalId, EventId};
use jiff::Timestamp;
use lambda::{Cause, Failure, Tick, Tried};
use schemars::JsonSchema;
use serde::Serialize;
use store::aggregates::approval::approvals_in;
use store::{Index, Step, StoreError};

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
    let cause = &tick.cause;
    let (settings, _) = app.store.settings_in_force().await?;
    let entries = app.store.list_all(Index::List, &approvals_in(Some(ApprovalState::Active))).await?;
    let (mut done, mut tried) = (LifecycleRun::default(), Tried::default());
    let read = entries.iter().map(|entry| entry.read::<Approval>().map_err(Failure::from));
    let approvals: Vec<Approval> = read.filter_map(|read| tried.note(read)).collect();
    // What ends access comes first: notices are many, and a run may be cut off.
    for approval in approvals.iter().filter(|approval| approval.expires_at().is_some_and(|at| at <= cause.now)) {
        done.expired += u32::from(tried.note(expire(&app, cause, approval).await).unwrap_or_default());
    }
    for approval in &approvals {
        if approval.decision.effective_from.is_some_and(|day| day > utc_day(approval.decided_at))
            && approval.is_effective(cause.now)
        {
            let began = tried.note(become_effective(&app, cause, approval).await);
            done.became_effective += u32::from(began.unwrap_or_default());
        }
        let Some(expires_at) = approval.expires_at().filter(|at| *at > cause.now) else { continue };
        let days_left = whole_days(cause.now, expires_at);
        // The smallest threshold reached speaks for the larger ones, so that a run after a pause tells people once.
        if let Some(threshold) = settings.expiry_notice_days.iter().find(|d| days_left <= **d) {
            let told = tried.note(notice(&app, cause, approval, *threshold, expires_at).await);
            done.noticed += u32::from(told.unwrap_or_default());
        }
    }
    consequences::repeat(&app, cause, &approvals, &mut tried).await?;
    tried.outcome().map(|()| done)
}

fn whole_days(now: Timestamp, end: Timestamp) -> u16 {
    u16::try_from(end.duration_since(now).as_secs() / SECONDS_PER_DAY).unwrap_or(u16::MAX)
}

async fn expire(app: &App, cause: &Cause, seen: &Approval) -> Result<bool, Failure> {
    app.store
        .transact(|| async {
            let Some(found) = app.store.load::<Approval>(&seen.id).await? else { return Ok(Step::Done(false)) };
            let expired = decide_expire(&found.value, &cause.actor, cause.now).changed();
            Ok(cause.save(Some(&found), expired, |_, approval| Event::ApprovalExpired {
                place: approval.into(),
                approval_id: approval.id.clone(),
            }))
        })
        .await
}

/// Tells that an approval's first day has come, if any of its chains still waits for it.
async fn become_effective(app: &App, cause: &Cause, seen: &Approval) -> Result<bool, Failure> {
    let chains = app.store.load_chains_of(seen).await?;
    // A returned task puts its scope back to Approved, with tasks: that one waits for the Lead, not for a day.
    if !chains.iter().any(|c| c.value.state == ScopeState::Approved) {
        return Ok(false);
    }
    let tell = |place, approval_id| Event::ApprovalEffective {
        place,
        approval_id,
        scope_ids: seen.scopes.iter().map(|s| s.id.clone()).collect(),
    };
    tell_once(app, cause, seen, "effective", tell).await
}

async fn notice(
    app: &App,
    cause: &Cause,
    seen: &Approval,
    threshold: u16,
    expires_at: Timestamp,
) -> Result<bool, Failure> {
    let days_left = whole_days(cause.now, expires_at);
    let tell = |place, approval_id| Event::ApprovalExpiring { place, approval_id, expires_at, days_left };
    tell_once(app, cause, seen, &format!("expires-in.{threshold}"), tell).await
}

/// Writes an event of an approval that is still active, once for ever under `occasion`.
async fn tell_once(
    app: &App,
    cause: &Cause,
    seen: &Approval,
    occasion: &str,
    event: impl Fn(Place, ApprovalId) -> Event + Send + Sync,
) -> Result<bool, Failure> {
    let once = EventId::derived(&format!("{}.{occasion}", seen.id));
    let told = app
        .store
        .transact(|| async {
            let Some(found) = app.store.load::<Approval>(&seen.id).await? else { return Ok(Step::Done(false)) };
            if found.value.state != ApprovalState::Active {
                return Ok(Step::Done(false));
            }
            let mut tx = cause.transaction();
            tx.once("approval-lifecycle", &once);
            tx.update(&found, &found.value, &event(Place::from(&found.value), seen.id.clone()));
            Ok::<_, StoreError>(Step::Commit(tx, true))
        })
        .await;
    match told {
        Err(StoreError::AlreadyHandled) => Ok(false),
        other => Ok(other?),
    }
}
