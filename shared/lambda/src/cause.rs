//! On whose behalf something is written that no call asked for, and what its decisions come to.

use contract::events::Event;
use domain::base::outcome::{Outcome, Refusal};
use domain::base::people::Actor;
use jiff::Timestamp;
use store::{Aggregate, Loaded, Step, Transaction};

/// Who acts, when, and because of what: of an event, a tick, or something that AWS tells.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The consumer or job itself.
    pub actor: Actor,
    /// The time of this delivery.
    pub now: Timestamp,
    /// The same at every delivery.
    pub request_id: String,
}

impl Cause {
    /// A transaction in its name.
    #[must_use]
    pub fn transaction(&self) -> Transaction {
        Transaction::new(&self.actor, self.now, &self.request_id)
    }

    /// The step that a decision about a thing comes to, and whether it changes anything. `event` says what the change
    /// means, and adds to the transaction what goes with it.
    ///
    /// # Errors
    /// The refusal.
    pub fn change<A: Aggregate>(
        &self,
        found: &Loaded<A>,
        decided: Outcome<A>,
        event: impl FnOnce(&mut Transaction, &A) -> Event,
    ) -> Result<Step<bool>, Refusal> {
        match decided {
            Outcome::Refused(refusal) => Err(refusal),
            decided => Ok(self.save(Some(found), decided.changed(), event)),
        }
    }

    /// The same where nothing is refused, of a thing that may not be there yet: the step that writes what it is to be
    /// now.
    pub fn save<A: Aggregate>(
        &self,
        found: Option<&Loaded<A>>,
        next: Option<A>,
        event: impl FnOnce(&mut Transaction, &A) -> Event,
    ) -> Step<bool> {
        let Some(next) = next else { return Step::Done(false) };
        let mut tx = self.transaction();
        let event = event(&mut tx, &next);
        tx.save(found, &next, &event);
        Step::Commit(tx, true)
    }
}
