//! What a handler is called with: who calls, what for, on which thing, with which body. All of it parsed and checked.

use domain::base::authorization::Action;
use domain::base::people::Actor;
use domain::base::text::Sub;
use jiff::Timestamp;
use store::idempotency::IdempotencyKey;

use crate::cause::Cause;
use crate::page::PageRequest;
use crate::parameters::{Path, Query};
use crate::problem::Problem;

/// One API call by a person whose role may make it; whether they may do it to *this* thing is still to be asked.
#[derive(Debug, Clone)]
pub struct Call<B> {
    /// Who, with the roles of their verified groups.
    pub actor: Actor,
    /// What is asked.
    pub action: Action,
    /// The parameters in the path.
    pub path: Path,
    /// The parameters in the query.
    pub query: Query,
    /// The body; `()` where the route takes none.
    pub body: B,
    /// The version that the caller saw, from `If-Match`.
    pub if_match: Option<u64>,
    /// Hand it to the transaction, so that the same call again gets the same answer.
    pub idempotency: Option<IdempotencyKey>,
    /// The gateway's id of this request.
    pub request_id: String,
    /// The time at which the call arrived.
    pub now: Timestamp,
    /// How the caller is shown and reached; never who they are.
    pub person: Person,
}

/// Display only: identity is the actor's `sub`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The same as the actor's.
    pub sub: Sub,
    /// The token's `name`, if it has one.
    pub name: Option<String>,
    /// The token's `email`, if it has one.
    pub email: Option<String>,
}

impl<B> Call<B> {
    /// The call as what something is done because of.
    #[must_use]
    pub fn cause(&self) -> Cause {
        Cause { actor: self.actor.clone(), now: self.now, request_id: self.request_id.clone() }
    }

    /// Which page of a list is asked for.
    ///
    /// # Errors
    /// 422 for a limit out of range or a cursor that no list gave.
    pub fn page(&self) -> Result<PageRequest, Problem> {
        PageRequest::from_query(&self.query)
    }

    /// The same call with another body.
    pub fn with_body<C>(self, body: C) -> (Call<C>, B) {
        let Self { actor, action, path, query, body: before, if_match, idempotency, request_id, now, person } = self;
        (Call { actor, action, path, query, body, if_match, idempotency, request_id, now, person }, before)
    }
}
