//! Learning people from their tokens: name, e-mail and roles, for notices only.
//!
//! Each process remembers for a while whom it has noted, so that a person costs a read now and then and a write per
//! change. A failure here never stops a call: nothing that people may do depends on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use contract::events::Event;
use domain::base::digest::Digest;
use domain::base::person::{Details, Person as Known, decide_noted};
use domain::base::text::Sub;
use jiff::{SignedDuration, Timestamp};
use store::{Store, StoreError};

use crate::call::Person;
use crate::cause::Cause;

/// People one process remembers; then it forgets them all and reads again.
const REMEMBERED_MAX: usize = 10_000;

/// How long it remembers one: another process may have noted another token of theirs meanwhile.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Whom this process has noted, as their last token showed them, and when.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<BTreeMap<Sub, (Digest, Timestamp)>>);

impl Noted {
    fn is_new(&self, sub: &Sub, seen: &Digest, now: Timestamp) -> bool {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.get(sub).is_none_or(|(last, at)| last != seen || now.duration_since(*at) > REMEMBERED_FOR)
    }

    fn add(&self, sub: Sub, seen: Digest, now: Timestamp) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() >= REMEMBERED_MAX {
            noted.clear();
        }
        noted.insert(sub, (seen, now));
    }
}

/// Notes the person of a call, if they are new or not as they were.
pub(crate) async fn learn(noted: &Noted, store: &Store, cause: &Cause, person: &Person) {
    let Cause { actor, now, .. } = cause;
    let said = Details::of(person.name.as_deref(), person.email.as_deref());
    let seen = Digest::of(&(&actor.sub, &actor.roles, &person.name, &person.email));
    if !noted.is_new(&actor.sub, &seen, *now) {
        return;
    }
    let written = store
        .transact(|| async {
            let found = store.load::<Known>(&actor.sub).await?;
            let before = found.as_ref().map(|found| &found.value);
            let known = decide_noted(before, actor, said.clone(), *now).changed();
            let event = |_: &mut _, known: &Known| Event::PersonNoted { sub: known.sub.clone() };
            Ok::<_, StoreError>(cause.save(found.as_ref(), known, event))
        })
        .await;
    match written {
        Ok(_) => noted.add(actor.sub.clone(), seen, *now),
        Err(error) => tracing::warn!(error = %error, "a person could not be noted; the call goes on"),
    }
}
