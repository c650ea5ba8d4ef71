//! Verifying a day: its seal, and the worker that goes through a big one.
//!
//! The worker does one piece for each event that it takes, writes down what it found, and goes on with the event of
//! that: through the outbox like everything else, so that no piece is lost, and none is long.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::events::Event;
use domain::base::audit::seal::{Seal, SealSeen, check_seal, digest_of};
use domain::base::audit::verification::{Found, Position, Verification, decide_advance, decide_finish};
use domain::base::authorization::{Action, Relations, authorize};
use domain::base::calendar::{next_day, previous_day};
use domain::base::digest::Digest;
use domain::base::ids::VerificationId;
use domain::base::outcome::Outcome;
use jiff::Timestamp;
use jiff::civil::Date;
use lambda::{Cause, Failure, Heard};
use store::{Store, StoreError, keys};

use super::things;
use crate::App;

/// Things of one piece: some seconds of the minute that the function has.
const THINGS_PER_PIECE: usize = 1_000;

/// What a day's seal showed.
pub(super) struct Sealed {
    pub(super) found: Found,
    pub(super) seal: Option<Digest>,
}

/// Compares a day's seal with its events, its neighbours and the anchor, and its record with its own chain.
pub(super) async fn look_at_seal(
    store: &Store,
    day: Date,
    anchor: Option<&Digest>,
    now: Timestamp,
) -> Result<Sealed, StoreError> {
    let heads = digest_of(&store.heads_of(day, usize::MAX).await?);
    let stored = load_seals(store, &[previous_day(day), day, next_day(day)]).await?;
    let seal = stored.get(&day);
    let (before, after) = (stored.get(&previous_day(day)), stored.get(&next_day(day)));
    let broken = check_seal(&SealSeen { day, heads: &heads, seal, before, after, anchor, now });
    let name = keys::partition("SEAL", &day.to_string());
    let mut found = Found::default();
    found.add_broken(&name, &broken);
    if seal.is_some() {
        let record = things::look_at(store, vec![name]).await?;
        // It is the day's seal, not one of the things that changed on it.
        found.add(Found { things: 0, events: 0, ..record });
    }
    Ok(Sealed { found, seal: seal.map(|seal| seal.seal.clone()) })
}

/// The seals of days by day; one that is missing or cannot be read is left out.
pub(super) async fn load_seals(store: &Store, days: &[Date]) -> Result<BTreeMap<Date, Seal>, StoreError> {
    let found = store.load_each::<Seal>(days).await?;
    let read = found.into_iter().filter_map(|(id, loaded)| Some((id.parse().ok()?, loaded.ok()?.value)));
    Ok(read.collect())
}

/// Consumes `verification.requested` and `verification.advanced`.
///
/// Done: a verification that has ended, and the event of a piece after which another one was done. Retry: the store.
/// Poison: a verification that is not there.
pub(crate) async fn verify_next_piece(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let now = heard.cause.now;
    authorize(&heard.cause.actor, Action::VerifyAudit, Relations::NONE, "")?;
    let (id, pieces) = match &heard.event {
        Event::VerificationRequested { verification_id } => (verification_id, 0),
        Event::VerificationAdvanced { verification_id, pieces } => (verification_id, *pieces),
        _ => return Err(heard.unexpected()),
    };
    let verification = app.store.require::<Verification>(id).await?.value;
    if verification.pieces != pieces || verification.finished_at.is_some() {
        return Ok(());
    }
    match &verification.next {
        Some(place) => {
            let (found, next) = do_piece(&app.store, verification.day, place).await?;
            let decide = |before: &Verification| decide_advance(before, pieces, found.clone(), next.clone());
            write_verification(&app.store, &heard.cause, id, decide).await
        }
        None => {
            let sealed = look_at_seal(&app.store, verification.day, verification.anchor.as_ref(), now).await?;
            let end = |before: &Verification| decide_finish(before, sealed.found.clone(), sealed.seal.clone(), now);
            write_verification(&app.store, &heard.cause, id, end).await
        }
    }
}

/// Verifies the next things of a shard of the day; answers what it found and where to go on.
async fn do_piece(store: &Store, day: Date, place: &Position) -> Result<(Found, Option<Position>), StoreError> {
    let shards = keys::audit_of(day);
    let Some(shard) = shards.get(place.shard) else { return Ok((Found::default(), None)) };
    let names = store.heads_in(shard, usize::MAX).await?.into_keys();
    let mut names = names.filter(|name| place.after.as_ref().is_none_or(|after| name > after));
    let piece: Vec<String> = names.by_ref().take(THINGS_PER_PIECE).collect();
    let last = piece.last().cloned();
    let next = match (names.next(), place.shard + 1) {
        (Some(_), _) => Some(Position { shard: place.shard, after: last }),
        (None, shard) => (shard < shards.len()).then_some(Position { shard, after: None }),
    };
    Ok((things::look_at(store, piece).await?, next))
}

async fn write_verification(
    store: &Store,
    cause: &Cause,
    id: &VerificationId,
    decide: impl Fn(&Verification) -> Outcome<Verification> + Send + Sync,
) -> Result<(), Failure> {
    let decide = &decide;
    let written = store.transact(|| async move {
        let found = store.require::<Verification>(id).await?;
        let event = |_: &mut _, after: &Verification| {
            let (verification_id, broken_things) = (after.id.clone(), after.found.broken_things);
            match after.finished_at {
                None => Event::VerificationAdvanced { verification_id, pieces: after.pieces },
                Some(_) => Event::VerificationFinished { verification_id, broken_things },
            }
        };
        Ok::<_, Failure>(cause.save(Some(&found), decide(&found.value).changed(), event))
    });
    written.await.map(drop)
}
