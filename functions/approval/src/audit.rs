//! The audit log: read by thing or day, verified on demand, sealed once a day.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::events::Event;
use domain::audit::{AggregateName, AuditEvent, verify_chain};
use domain::authorization::{Action, Relations, authorize};
use domain::calendar::{previous_day, utc_day};
use domain::digest::Digest;
use domain::ids::EventId;
use jiff::civil::Date;
use lambda::{Answer, Call, Failure, Page, Problem, Tick, list_page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::aggregates::seal::Seal;
use store::{Index, Order, StoreError, Transaction, keys};

use crate::App;

/// Events of one aggregate that one verification reads: a thing with more has lived for decades.
const EVENTS_VERIFIED_MAX: usize = 100_000;

/// What to verify: the chain of one thing, or of everything that changed on a day; today if neither is given.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VerificationFields {
    #[serde(default)]
    aggregate: Option<AggregateName>,
    #[serde(default)]
    day: Option<Date>,
}

/// What a verification found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verification {
    verified: bool,
    aggregates: usize,
    events: usize,
    /// Each broken chain: the thing and what is wrong with its history.
    broken: BTreeMap<String, String>,
    /// The seal of the day, if it was sealed.
    seal: Option<Digest>,
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
            let partitions = keys::audit_of(day);
            let listed =
                list_page(&app.store, Index::List, &partitions, Order::Ascending, &page, |e| e.event().map(Some));
            Ok(Answer::ok(listed.await?))
        }
        _ => Err(Problem::invalid("give either `aggregate`, such as APPROVAL#apr_…, or `day`, such as 2026-08-24")),
    }
}

pub(crate) async fn verify(app: Arc<App>, call: Call<VerificationFields>) -> Result<Answer<Verification>, Problem> {
    let (aggregates, day) = match (&call.body.aggregate, call.body.day) {
        (Some(aggregate), None) => (vec![aggregate.to_string()], None),
        (None, day) => {
            let day = day.unwrap_or_else(|| utc_day(call.now));
            (heads_of(&app, day).await?.into_keys().collect(), Some(day))
        }
        (Some(_), Some(_)) => return Err(Problem::invalid("give either `aggregate` or `day`, not both")),
    };
    let mut found =
        Verification { verified: true, aggregates: aggregates.len(), events: 0, broken: BTreeMap::new(), seal: None };
    for aggregate in aggregates {
        let events = app.store.history(&aggregate, 0, EVENTS_VERIFIED_MAX).await?;
        found.events += events.len();
        if let Err(broken) = verify_chain(&events) {
            found.broken.insert(aggregate, broken.to_string());
        }
    }
    if let Some(day) = day {
        found.seal = app.store.load::<Seal>(&day.to_string()).await?.map(|s| s.value.seal);
        let now = seal_of(&heads_of(&app, day).await?);
        if found.seal.as_ref().is_some_and(|sealed| *sealed != now) {
            found.broken.insert(format!("SEAL#{day}"), "the day's events are not those that were sealed".to_owned());
        }
    }
    found.verified = found.broken.is_empty();
    let mut answer = Answer::ok(found);
    answer.status = 202;
    Ok(answer)
}

/// Seals yesterday: the digest over the last event of every thing that changed. A day is sealed once.
pub(crate) async fn seal(app: Arc<App>, tick: Tick) -> Result<Option<Digest>, Failure> {
    authorize(&tick.actor, Action::SealDay, Relations::NONE, "").map_err(|r| Failure::Poison(r.to_string()))?;
    let day = previous_day(utc_day(tick.now));
    if app.store.load::<Seal>(&day.to_string()).await?.is_some() {
        return Ok(None);
    }
    let heads = heads_of(&app, day).await?;
    let (seal, events) = (seal_of(&heads), u64::try_from(heads.len()).unwrap_or(u64::MAX));
    let mut tx = Transaction::new(&tick.actor, tick.now, &tick.request_id);
    tx.create(
        &Seal { day, seal: seal.clone(), aggregates: events },
        &Event::DaySealed { day, seal: seal.clone(), events },
    );
    match app.store.commit(tx).await {
        Ok(()) | Err(StoreError::AlreadyExists(_)) => Ok(Some(seal)),
        Err(error) => Err(error.into()),
    }
}

/// The last event of the day of every thing that changed on it.
async fn heads_of(app: &App, day: Date) -> Result<BTreeMap<String, (EventId, Digest)>, StoreError> {
    let mut heads: BTreeMap<String, (u64, EventId, Digest)> = BTreeMap::new();
    for entry in app.store.list_all(Index::List, &keys::audit_of(day)).await? {
        let event = entry.event()?;
        let is_later = heads.get(&event.aggregate).is_none_or(|(sequence, ..)| *sequence < event.sequence);
        if is_later {
            heads.insert(event.aggregate.clone(), (event.sequence, event.id, event.hash));
        }
    }
    Ok(heads.into_iter().map(|(aggregate, (_, id, hash))| (aggregate, (id, hash))).collect())
}

fn seal_of(heads: &BTreeMap<String, (EventId, Digest)>) -> Digest {
    Digest::of(heads)
}
