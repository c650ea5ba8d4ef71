//! Verifying things: their chains, their states, what their events left of others, and what their states name.

use domain::base::audit::evidence::{Broken, Compared, compare};
use domain::base::audit::references::references_of;
use domain::base::audit::verification::Found;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use store::{Store, StoreError};

/// Things looked at at the same time: a table answers a read in some milliseconds, and a day has thousands of things.
const AT_ONCE: usize = 16;

/// How often a thing is read that looks broken, until two readings agree.
const READINGS_MAX: usize = 5;

/// What one reading of a thing showed.
#[derive(Debug, PartialEq, Eq)]
struct Looked {
    events: u64,
    version: Option<u64>,
    compared: Compared,
}

/// Verifies things.
pub(super) async fn look_at(store: &Store, names: Vec<String>) -> Result<Found, StoreError> {
    let looking = names.into_iter().map(|name| async move {
        let looked = look_until_agreed(store, &name).await?;
        Ok::<_, StoreError>((name, looked))
    });
    let mut looked: Vec<(String, Looked)> = stream::iter(looking).buffer_unordered(AT_ONCE).try_collect().await?;
    looked.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut found = Found::default();
    for (name, Looked { events, compared, .. }) in &looked {
        found.add_thing(name, *events, compared.is_unbound, &compared.broken);
    }
    Ok(found)
}

/// A write between two reads of one thing looks like tampering with it; what is broken still is at the next reading.
async fn look_until_agreed(store: &Store, name: &str) -> Result<Looked, StoreError> {
    let mut looked = read_thing(store, name).await?;
    for _ in 1..READINGS_MAX {
        if looked.compared.broken.is_empty() {
            break;
        }
        let again = read_thing(store, name).await?;
        let agrees = again == looked;
        looked = again;
        if agrees {
            break;
        }
    }
    Ok(looked)
}

async fn read_thing(store: &Store, name: &str) -> Result<Looked, StoreError> {
    let seen = store.evidence_of(name).await?;
    let teller = match seen.held.as_ref().and_then(|held| held.told_by.as_ref()) {
        Some(telling) => Some(store.walk(&telling.aggregate).await?),
        None => None,
    };
    let mut compared = compare(&seen.chain, seen.held.as_ref(), teller.as_ref());
    let left = store.held_of(seen.chain.left()).await?;
    compared.broken.extend(seen.chain.compare_left(&left));
    let named = references_of(name, &seen.state);
    compared.broken.extend(store.without_record(&named).await?.into_iter().map(Broken::NamesNothing));
    Ok(Looked { events: seen.chain.events(), version: seen.held.map(|held| held.version), compared })
}
