//! Sealing: every day that is over, those that an earlier run missed included.
//!
//! A seal is told outside the table in three ways: as an event on the governance topic, as a line of the log, and,
//! where a bucket is named, as an object that this function may put and neither replace nor remove. The object comes
//! first, so that no seal is in the table that the bucket lacks.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata as _};
use aws_sdk_s3::primitives::ByteStream;
use contract::events::Event;
use domain::base::audit::seal::{Seal, days_looked_at, days_to_seal};
use domain::base::authorization::{Action, Relations, authorize};
use domain::base::calendar::previous_day;
use domain::base::digest::{Digest, canonical_json};
use jiff::civil::Date;
use lambda::{Cause, Failure, Tick};
use schemars::JsonSchema;
use serde::Serialize;
use store::{Store, StoreError};

use super::day::load_seals;
use crate::App;

/// Where seals are told as objects.
#[derive(Debug)]
pub(crate) struct SealBucket {
    pub(crate) objects: aws_sdk_s3::Client,
    pub(crate) name: String,
}

/// What a run sealed.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealsRun {
    sealed: Vec<SealedDay>,
}

/// A day that a run sealed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealedDay {
    day: Date,
    seal: Digest,
}

/// Seals every day that is over and has no seal. A day is sealed once.
pub(crate) async fn run(app: Arc<App>, tick: Tick) -> Result<SealsRun, Failure> {
    authorize(&tick.cause.actor, Action::SealDay, Relations::NONE, "")?;
    let days = days_looked_at(tick.cause.now);
    let mut stored = load_seals(&app.store, &days).await?;
    let sealed: BTreeSet<Date> = stored.keys().copied().collect();
    let first_event = if sealed.is_empty() { first_with_events(&app.store, &days).await? } else { None };
    let mut done = SealsRun::default();
    for day in days_to_seal(&days, &sealed, first_event) {
        let heads = app.store.heads_of(day, usize::MAX).await?;
        let previous = stored.get(&previous_day(day)).map(|seal| seal.seal.clone());
        let seal = Seal::over(day, &heads, previous);
        if write_seal(&app, &tick.cause, &seal).await? {
            done.sealed.push(SealedDay { day, seal: seal.seal.clone() });
            stored.insert(day, seal);
        }
    }
    Ok(done)
}

/// Tells a seal outside the table and writes it; answers whether it was this run that did.
async fn write_seal(app: &App, cause: &Cause, seal: &Seal) -> Result<bool, Failure> {
    if let Some(bucket) = &app.seals {
        put_seal(bucket, seal).await?;
    }
    let mut tx = cause.transaction();
    let Seal { day, seal: digest, aggregates, heads, previous } = seal.clone();
    tx.create(seal, &Event::DaySealed { day, seal: digest, events: aggregates, heads, previous });
    let is_new = app.store.commit_once(tx).await?;
    if is_new {
        let (heads, previous) = (seal.heads.as_ref().map(Digest::as_str), seal.previous.as_ref().map(Digest::as_str));
        tracing::info!(
            seal.day = %day,
            seal.digest = %seal.seal,
            seal.heads = heads,
            seal.previous = previous,
            seal.things = aggregates,
            "day sealed"
        );
    }
    Ok(is_new)
}

/// Puts a seal into the bucket, under a key that holds its digest: the same seal again is there already, and another
/// seal of the day would lie beside it for everybody to see.
async fn put_seal(bucket: &SealBucket, seal: &Seal) -> Result<(), Failure> {
    let key = format!("seals/{}/{}.json", seal.day, seal.seal.hex());
    let sent = bucket
        .objects
        .put_object()
        .bucket(&bucket.name)
        .key(&key)
        .if_none_match("*")
        .content_type("application/json")
        .body(ByteStream::from(canonical_json(seal).into_bytes()))
        .send()
        .await;
    match sent {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("PreconditionFailed") => Ok(()),
        Err(error) => Err(Failure::Retry(format!("PutObject `{key}`: {}", DisplayErrorContext(&error)))),
    }
}

async fn first_with_events(store: &Store, days: &[Date]) -> Result<Option<Date>, StoreError> {
    for day in days {
        if store.has_events(*day).await? {
            return Ok(Some(*day));
        }
    }
    Ok(None)
}
