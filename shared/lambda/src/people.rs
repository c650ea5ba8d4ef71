//! Learning people from their tokens: name, e-mail and roles, for notices only.
//!
//! Each process remembers whom it has noted, so that a person costs one read per process and one write per change. A
//! failure here never stops a call: nothing that people may do depends on it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use contract::events::Event;
use domain::digest::Digest;
use domain::people::Actor;
use domain::person::{Person as Known, displayable};
use jiff::Timestamp;
use store::{Step, Store, StoreError, Transaction};

use crate::call::Person;

/// People one process remembers; then it forgets them all and reads again.
const REMEMBERED_MAX: usize = 10_000;

/// Whom this process has noted, as they were.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<BTreeSet<Digest>>);

impl Noted {
    fn is_new(&self, seen: &Digest) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(seen)
    }

    fn add(&self, seen: Digest) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() >= REMEMBERED_MAX {
            noted.clear();
        }
        noted.insert(seen);
    }
}

/// Notes the person of a call, if they are new or not as they were.
pub(crate) async fn learn(
    noted: &Noted,
    store: &Store,
    actor: &Actor,
    person: &Person,
    now: Timestamp,
    request_id: &str,
) {
    let name = person.name.as_deref().and_then(displayable);
    let email = person.email.as_deref().and_then(displayable);
    let seen = Digest::of(&(&actor.sub, &actor.roles, &name, &email));
    if !noted.is_new(&seen) {
        return;
    }
    let written = store
        .decide(|| async {
            let found = store.load::<Known>(actor.sub.as_str()).await?;
            let before = found.as_ref().map(|f| f.value.clone());
            // What a token leaves out, a Lead may have filled in.
            let known = Known {
                sub: actor.sub.clone(),
                name: name.clone().or_else(|| before.as_ref().and_then(|b| b.name.clone())),
                email: email.clone().or_else(|| before.as_ref().and_then(|b| b.email.clone())),
                roles: actor.roles.clone(),
                topic_arn: before.as_ref().and_then(|b| b.topic_arn.clone()),
                channels: before.as_ref().map(|b| b.channels.clone()).unwrap_or_default(),
            };
            if before.as_ref() == Some(&known) {
                return Ok(Step::Done(()));
            }
            let mut tx = Transaction::new(actor, now, request_id);
            tx.save(found.as_ref(), &known, &Event::PersonNoted { sub: actor.sub.to_string() });
            Ok::<_, StoreError>(Step::Commit(tx, ()))
        })
        .await;
    match written {
        Ok(()) => noted.add(seen),
        Err(error) => tracing::warn!(error = %error, "a person could not be noted; the call goes on"),
    }
}
