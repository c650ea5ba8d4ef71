//! The audit log: read by thing or day, verified on demand, sealed once a day.
//!
//! A verification answers at once where that takes one call; a big day is handed to a worker, and its answer says
//! where it stands. What counts as broken is `domain::base::audit`'s.

pub(crate) mod day;
pub(crate) mod seals;
mod things;

use std::sync::Arc;

use contract::events::Event;
use domain::base::audit::verification::{BrokenThing, Found, Verification, decide_request};
use domain::base::audit::{AggregateName, AuditEvent};
use domain::base::calendar::utc_day;
use domain::base::digest::Digest;
use domain::base::ids::VerificationId;
use jiff::Timestamp;
use jiff::civil::Date;
use lambda::{Answer, Call, Page, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{Index, keys};

use crate::App;

/// Things of a day that one call verifies: well within the half minute that the gateway waits, on a busy laptop too.
const THINGS_AT_ONCE_MAX: usize = 100;

/// What to verify: one thing, or everything that changed on a day; today if neither is given.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VerificationFields {
    #[serde(default)]
    aggregate: Option<AggregateName>,
    #[serde(default)]
    day: Option<Date>,
    /// The day's seal as it was told outside the table: in the log, on the topic or in the bucket of seals.
    #[serde(default)]
    anchor: Option<Digest>,
}

/// Where a verification stands.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum VerificationState {
    /// A worker goes through it.
    Running,
    /// This is what was found.
    Finished,
}

/// What a verification found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerificationView {
    /// Where it is found again, if a worker does it.
    id: Option<VerificationId>,
    state: VerificationState,
    /// Whether it is finished, and everything is there, intact and bound to its chain.
    verified: bool,
    day: Option<Date>,
    /// Things looked at.
    things: u64,
    /// Their events.
    events: u64,
    /// Things of whose state nothing can be said: an older version of the product changed them last, without
    /// recording it.
    unbound: u64,
    /// How many things are broken.
    broken_things: u64,
    /// The first findings: a thing, or a day's seal, and what is wrong with it.
    broken: Vec<BrokenThing>,
    /// The seal of the day, if it was sealed.
    seal: Option<Digest>,
    requested_at: Timestamp,
    finished_at: Option<Timestamp>,
}

impl VerificationView {
    fn finished(found: Found, day: Option<Date>, seal: Option<Digest>, now: Timestamp) -> Self {
        let Found { things, events, unbound, broken_things, broken } = found;
        Self {
            id: None,
            state: VerificationState::Finished,
            verified: broken_things == 0 && unbound == 0,
            day,
            things,
            events,
            unbound,
            broken_things,
            broken,
            seal,
            requested_at: now,
            finished_at: Some(now),
        }
    }

    fn of(verification: Verification) -> Self {
        let Verification { id, day, requested_at, found, seal, finished_at, .. } = verification;
        let state = if finished_at.is_some() { VerificationState::Finished } else { VerificationState::Running };
        let view = Self::finished(found, Some(day), seal, requested_at);
        Self { id: Some(id), state, verified: view.verified && finished_at.is_some(), finished_at, ..view }
    }
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<AuditEvent>>, Problem> {
    let page = call.page()?;
    match (call.query.maybe::<AggregateName>("aggregate")?, call.query.maybe::<Date>("day")?) {
        (Some(aggregate), None) => {
            let limit = page.limit as usize;
            let mut events = app.store.history(aggregate.as_str(), page.number()?, limit + 1).await?;
            let has_more = events.len() > limit;
            events.truncate(limit);
            let next = events.last().filter(|_| has_more).map(|e| e.sequence.into());
            Ok(Answer::ok(Page::new(events, next.as_ref())))
        }
        (None, Some(day)) => {
            call.list(&app.store, Index::List, &keys::audit_of(day), |entry| entry.event().map(Some)).await
        }
        _ => Err(Problem::invalid("give either `aggregate`, such as APPROVAL#apr_…, or `day`, such as 2026-08-24")),
    }
}

pub(crate) async fn verify(app: Arc<App>, call: Call<VerificationFields>) -> Result<Answer<VerificationView>, Problem> {
    let VerificationFields { aggregate, day, anchor } = call.body.clone();
    let day = match (aggregate, day) {
        (Some(_), Some(_)) => return Err(Problem::invalid("give either `aggregate` or `day`, not both")),
        (Some(_), None) if anchor.is_some() => {
            return Err(Problem::invalid("an `anchor` is the seal of a day; give it with `day`"));
        }
        (Some(aggregate), None) => {
            let found = things::look_at(&app.store, vec![aggregate.to_string()]).await?;
            return Ok(Answer::ok(VerificationView::finished(found, None, None, call.now)));
        }
        (None, day) => day.unwrap_or_else(|| utc_day(call.now)),
    };
    if day > utc_day(call.now) {
        return Err(Problem::invalid(format!("`{day}` has not begun; give a day that has")));
    }
    let heads = app.store.heads_of(day, THINGS_AT_ONCE_MAX).await?;
    if heads.len() > THINGS_AT_ONCE_MAX {
        return hand_over(&app, &call, day).await;
    }
    let mut found = things::look_at(&app.store, heads.into_keys().collect()).await?;
    let sealed = day::look_at_seal(&app.store, day, anchor.as_ref(), call.now).await?;
    found.add(sealed.found);
    Ok(Answer::ok(VerificationView::finished(found, Some(day), sealed.seal, call.now)))
}

/// Hands a day to the worker.
async fn hand_over(app: &App, call: &Call<VerificationFields>, day: Date) -> Result<Answer<VerificationView>, Problem> {
    let id = VerificationId::new(call.now, app.ids.entropy());
    call.transact(&app.store, || async {
        let requested = decide_request(id.clone(), day, call.body.anchor.clone(), &call.actor, call.now);
        let event = |_: &mut _, _: &_| Event::VerificationRequested { verification_id: id.clone() };
        call.create(requested, event, |verification| {
            Answer::accepted(format!("/v1/audit/verifications/{id}"), VerificationView::of(verification))
        })
    })
    .await
}

pub(crate) async fn read_verification(app: Arc<App>, call: Call<()>) -> Result<Answer<VerificationView>, Problem> {
    let found = app.store.require::<Verification>(&call.path.parse("id")?).await?;
    Ok(Answer::ok(VerificationView::of(found.value)))
}
