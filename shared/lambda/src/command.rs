//! What every writing handler does the same way.
//!
//! A command loads what its decision needs, has the domain decide, and says what it answers. The rest is here, once:
//! it is done again while somebody else was faster; a change is written with the event that it means, with the answer
//! under the caller's `Idempotency-Key`, and only if the version in `If-Match` is the one that was decided on. So a
//! refusal says why whatever the caller saw, and a repeat that changes nothing is answered as the first time.

use contract::events::Event;
use domain::base::outcome::{Outcome, Refusal, RefusalKind};
use serde::Serialize;
use serde_json::Value;
use store::{Aggregate, Loaded, Step, Store, Transaction};

use crate::answer::Answer;
use crate::call::Call;
use crate::problem::Problem;

impl<B: Sync> Call<B> {
    /// Takes the decision of a command and writes it, and takes it again on fresh state while somebody else was faster:
    /// [`Store::transact`] with the types of a call, which its handlers need not spell out.
    ///
    /// # Errors
    /// What `attempt` refuses; the last lost race.
    pub async fn transact<T, F, Fut>(&self, store: &Store, attempt: F) -> Result<Answer<T>, Problem>
    where
        T: Send,
        F: FnMut() -> Fut + Send,
        Fut: Future<Output = Result<Step<Answer<T>>, Problem>> + Send,
    {
        store.transact(attempt).await
    }

    /// The step that a decision about a thing comes to. `event` says what the change means, and adds to the
    /// transaction what goes with it; `shown` makes the answer of a version and the thing as it is then.
    ///
    /// # Errors
    /// The refusal; 409 for a change of another version than the caller saw.
    pub fn change<A: Aggregate, T: Serialize>(
        &self,
        found: &Loaded<A>,
        decided: Outcome<A>,
        event: impl FnOnce(&mut Transaction, &A) -> Event,
        shown: impl Fn(u64, A) -> Answer<T>,
    ) -> Result<Step<Answer<T>>, Problem> {
        self.save(Some(found), decided, event, shown)
    }

    /// The same of a thing that may not be there yet, which is at version 0.
    ///
    /// # Errors
    /// The same.
    pub fn save<A: Aggregate, T: Serialize>(
        &self,
        found: Option<&Loaded<A>>,
        decided: Outcome<A>,
        event: impl FnOnce(&mut Transaction, &A) -> Event,
        shown: impl Fn(u64, A) -> Answer<T>,
    ) -> Result<Step<Answer<T>>, Problem> {
        let version = found.map_or(0, |found| found.version);
        let stands = || found.map(|found| shown(version, found.value.clone())).ok_or_else(Problem::not_found);
        self.conclude(version, decided, stands, |tx, next| {
            let event = event(tx, &next);
            tx.save(found, &next, &event);
            Ok(shown(version + 1, next))
        })
    }

    /// The step that a creation comes to: there is nothing that it could have been decided on before.
    ///
    /// # Errors
    /// The refusal; 409 for a caller who says that they saw it.
    pub fn create<A: Aggregate, T: Serialize>(
        &self,
        decided: Result<A, Refusal>,
        event: impl FnOnce(&mut Transaction, &A) -> Event,
        created: impl FnOnce(A) -> Answer<T>,
    ) -> Result<Step<Answer<T>>, Problem> {
        let stands = || Err(Problem::not_found());
        self.conclude(0, decided.into(), stands, |tx, thing| {
            let event = event(tx, &thing);
            tx.create(&thing, &event);
            Ok(created(thing))
        })
    }

    /// The step that any decision comes to: `version` is what it was taken on, `stands` answers with what is there
    /// already, and `write` puts the change into the transaction of this call and answers with it.
    ///
    /// # Errors
    /// The refusal; 409 for a change of another version than the caller saw.
    pub fn conclude<N, T: Serialize>(
        &self,
        version: u64,
        decided: Outcome<N>,
        stands: impl FnOnce() -> Result<Answer<T>, Problem>,
        write: impl FnOnce(&mut Transaction, N) -> Result<Answer<T>, Problem>,
    ) -> Result<Step<Answer<T>>, Problem> {
        match decided {
            Outcome::Changed(next) => {
                if let Some(seen) = self.if_match.filter(|seen| *seen != version) {
                    return Err(stale_version(seen, version));
                }
                let mut tx = self.cause().transaction();
                let answer = write(&mut tx, next)?;
                let body = serde_json::to_value(&answer.body).unwrap_or(Value::Null);
                tx.remember(self.idempotency.as_ref(), answer.status, &body, answer.location.as_deref());
                Ok(Step::Commit(tx, answer))
            }
            Outcome::AlreadyDone => Ok(Step::Done(stands()?)),
            Outcome::Refused(refusal) => Err(refusal.into()),
        }
    }
}

/// The refusal of a write that names another version than the current one.
fn stale_version(seen: u64, current: u64) -> Problem {
    let detail = match current {
        0 => format!("you saw version {seen}, and nobody has written it yet; send the call without `If-Match`"),
        _ => format!("you saw version {seen}, it is {current} now; read it again and decide on what it is"),
    };
    let refusal = Refusal::new(RefusalKind::StaleVersion, detail);
    refusal.with_current(serde_json::json!({ "version": current })).into()
}
