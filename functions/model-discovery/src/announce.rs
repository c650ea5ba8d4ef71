//! Announcing new models to the Leads: an event that notices are made from, for all new models of a run together.
//!
//! The models announced so far are one item, so that each is announced once however often a run is repeated, and a run
//! that was cut off leaves the rest to the next. While no Lead is known there is nobody to tell, and it waits.

use std::collections::BTreeSet;

use contract::events::Event;
use domain::base::outcome::Outcome;
use domain::base::people::Role;
use domain::base::platform::ModelKey;
use domain::notice::decide_announcement;
use lambda::Cause;
use store::{Step, Store, StoreError};

/// Announces those of `known` that were not announced yet; answers how many.
pub(crate) async fn announce(store: &Store, cause: &Cause, known: &BTreeSet<ModelKey>) -> Result<usize, StoreError> {
    if store.list_people_in_role(Role::FinopsLead).await?.is_empty() {
        return Ok(0);
    }
    let mut total = 0;
    loop {
        let count = announce_next(store, cause, known).await?;
        if count == 0 {
            return Ok(total);
        }
        total += count;
    }
}

async fn announce_next(store: &Store, cause: &Cause, known: &BTreeSet<ModelKey>) -> Result<usize, StoreError> {
    store
        .transact(|| async {
            let before = store.load_announced().await?;
            let announced = before.as_ref().map(|b| b.value.clone()).unwrap_or_default();
            let Outcome::Changed(next) = decide_announcement(&announced, known) else { return Ok(Step::Done(0)) };
            let count = next.models.len();
            let mut tx = cause.transaction();
            tx.save(before.as_ref(), &next.announced, &Event::ModelsAnnounced { model_keys: next.models });
            Ok(Step::Commit(tx, count))
        })
        .await
}
