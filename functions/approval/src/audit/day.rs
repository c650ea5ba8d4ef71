//! Verifying a day: its seal, and the worker that goes through a big one.
//!
//! The worker does one piece for each event that it takes, writes down what it found, and goes on with the event of
//! that: through the outbox like everything else, so that no piece is lost, and none is long.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::events::Event as Happened;
use domain::base::audit::AuditEvent;
use domain::base::audit::seal::{Seal, SealSeen, check_seal, digest_of};
use domain::base::audit::verification::{Found, Place, Verification, decide_advance, decide_finish};
use domain::base::authorization::{Action, Relations, authorize};
use domain::base::calendar::{next_day, previous_day};
use domain::base::digest::Digest;
use domain::base::ids::VerificationId;
use domain::base::outcome::Outcome;
use jiff::Timestamp;
use jiff::civil::Date;
use lambda::{Event, Failure};
use store::{Loaded, Step, Store, StoreError, Transaction, keys};

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
    let ids: Vec<String> = days.iter().map(ToString::to_string).collect();
    let found = store.load_each::<Seal>(&ids).await?;
    let read = found.into_iter().filter_map(|(id, loaded)| Some((id.parse().ok()?, loaded.ok()?.value)));
    Ok(read.collect())
}

/// Consumes `verification.requested` and `verification.advanced`.
///
/// Done: a verification that has ended, and the event of a piece after which another one was done. Retry: the store.
/// Poison: a verification that is not there.
pub(crate) async fn go_on(app: Arc<App>, event: Event<AuditEvent>) -> Result<(), Failure> {
    let poison = |why: String| Failure::Poison(why);
    authorize(&event.actor, Action::VerifyAudit, Relations::NONE, "").map_err(|refusal| poison(refusal.to_string()))?;
    let (id, pieces) = match Happened::of(&event.envelope).map_err(|error| poison(error.to_string()))? {
        Happened::VerificationRequested { verification_id } => (verification_id, 0),
        Happened::VerificationAdvanced { verification_id, pieces } => (verification_id, pieces),
        _ => return Ok(()),
    };
    let verification = load(&app.store, &id).await?.value;
    if verification.pieces != pieces || verification.finished_at.is_some() {
        return Ok(());
    }
    match &verification.next {
        Some(place) => {
            let (found, next) = do_piece(&app.store, verification.day, place).await?;
            let decide = |before: &Verification| decide_advance(before, pieces, found.clone(), next.clone());
            write(&app.store, &event, &id, decide).await
        }
        None => {
            let sealed = look_at_seal(&app.store, verification.day, verification.anchor.as_ref(), event.now).await?;
            let end =
                |before: &Verification| decide_finish(before, sealed.found.clone(), sealed.seal.clone(), event.now);
            write(&app.store, &event, &id, end).await
        }
    }
}

/// Verifies the next things of a shard of the day; answers what it found and where to go on.
async fn do_piece(store: &Store, day: Date, place: &Place) -> Result<(Found, Option<Place>), StoreError> {
    let shards = keys::audit_of(day);
    let Some(shard) = shards.get(place.shard) else { return Ok((Found::default(), None)) };
    let names = store.heads_in(shard, usize::MAX).await?.into_keys();
    let mut names = names.filter(|name| place.after.as_ref().is_none_or(|after| name > after));
    let piece: Vec<String> = names.by_ref().take(THINGS_PER_PIECE).collect();
    let last = piece.last().cloned();
    let next = match (names.next(), place.shard + 1) {
        (Some(_), _) => Some(Place { shard: place.shard, after: last }),
        (None, shard) => (shard < shards.len()).then_some(Place { shard, after: None }),
    };
    Ok((things::look_at(store, piece).await?, next))
}

async fn write(
    store: &Store,
    event: &Event<AuditEvent>,
    id: &VerificationId,
    decide: impl Fn(&Verification) -> Outcome<Verification> + Send + Sync,
) -> Result<(), Failure> {
    let decide = &decide;
    store
        .decide(|| async move {
            let found = load(store, id).await?;
            let Outcome::Changed(after) = decide(&found.value) else { return Ok(Step::Done(())) };
            let (verification_id, broken_things) = (after.id.clone(), after.found.broken_things);
            let happened = match after.finished_at {
                None => Happened::VerificationAdvanced { verification_id, pieces: after.pieces },
                Some(_) => Happened::VerificationFinished { verification_id, broken_things },
            };
            let mut tx = Transaction::new(&event.actor, event.now, &event.request_id);
            tx.update(&found, &after, &happened);
            Ok::<_, Failure>(Step::Commit(tx, ()))
        })
        .await
}

async fn load(store: &Store, id: &VerificationId) -> Result<Loaded<Verification>, Failure> {
    let found = store.load(id.as_str()).await?;
    found.ok_or_else(|| Failure::Poison(format!("verification `{id}` has no record")))
}
