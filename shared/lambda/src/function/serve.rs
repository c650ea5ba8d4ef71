//! API calls: route, identity, role, body, repetition, handler — in this order, so that nobody learns anything from a
//! route that no role of theirs may use.

use std::time::Instant;

use aws_sdk_dynamodb::Client;
use domain::base::authorization::may_ever;
use domain::base::digest::Digest;
use serde_json::Value;
use store::idempotency::{self, IdempotencyKey};

use super::{Function, Responder};
use crate::answer::Outgoing;
use crate::call::Call;
use crate::cause::Cause;
use crate::gateway::Request;
use crate::identity::identify;
use crate::parameters::Query;
use crate::problem::Problem;
use crate::routes::{Method, RouteSpec, find_route};

/// Longest `Idempotency-Key`: four UUIDs.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// The table that remembers answers.
const GOVERNANCE_TABLE: &str = "GOVERNANCE_TABLE";

impl Function {
    pub(super) async fn serve(&self, request: Request<'_>) -> Value {
        let began = Instant::now();
        let found = find_route(&self.routes, request.method(), request.path());
        let route = found.as_ref().and_then(|found| self.routes.get(found.index));
        let answer = self.respond(request).await;
        let outgoing = answer.unwrap_or_else(|problem| Outgoing::problem(&problem, request.request_id()));
        tracing::info!(
            function = self.name,
            method = request.method(),
            route = route.map_or("none", |route| route.path),
            request.id = request.request_id(),
            status = outgoing.status,
            duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "API call answered"
        );
        outgoing.into_response()
    }

    async fn respond(&self, request: Request<'_>) -> Result<Outgoing, Problem> {
        let found = find_route(&self.routes, request.method(), request.path()).ok_or_else(Problem::not_found)?;
        let (route, responder) =
            self.routes.get(found.index).zip(self.responders.get(found.index)).ok_or_else(Problem::not_found)?;
        let (Responder::Call(respond), Some(action)) = (responder, route.action) else {
            return Ok(match responder {
                Responder::Document(json) => Outgoing::document((*json).to_owned()),
                Responder::Call(_) => return Err(Problem::not_found()),
            });
        };
        let roles = self.roles.as_ref().map_err(|error| {
            tracing::error!(function = self.name, error = %error, "nobody can be identified");
            Problem::internal()
        })?;
        let (actor, person) = identify(&request, roles)?;
        let allowed = may_ever(&actor, action);
        let now = self.host.clock.now();
        // Also whose token carries no role any more is heard: from then on they get no notices.
        let is_heard = allowed.is_ok() || actor.roles.is_empty();
        if let (true, Ok(store)) = (is_heard, self.host.store()) {
            let cause = Cause { actor: actor.clone(), now, request_id: request.request_id().to_owned() };
            crate::people::learn(&self.noted, &store, &cause, &person).await;
        }
        allowed?;
        let query = query_of(&request, route)?;
        let body = if route.method == Method::Get { Value::Null } else { request.json_body()? };
        let idempotency = match route.method {
            Method::Get => None,
            Method::Post | Method::Put => idempotency_key(&request)?.map(|chosen| {
                let asked = format!("{} {}", request.method(), request.path());
                IdempotencyKey::new(&actor.sub, &asked, chosen, Digest::of(&body), now)
            }),
        };
        if let Some(first) = self.first_answer(idempotency.as_ref(), now).await? {
            return Ok(first);
        }
        let call = Call {
            actor,
            action,
            path: found.path,
            query,
            body,
            if_match: if_match(&request)?,
            idempotency: idempotency.clone(),
            request_id: request.request_id().to_owned(),
            now,
            person,
        };
        match respond(call).await {
            // The same call may have taken effect a moment ago, or this very one before its answer was lost: then the
            // record is there, and is the answer.
            Err(problem) if problem.status == 409 || problem.status >= 500 => {
                let first = self.first_answer(idempotency.as_ref(), now).await;
                first.ok().flatten().ok_or(problem)
            }
            other => other,
        }
    }

    async fn first_answer(
        &self,
        key: Option<&IdempotencyKey>,
        now: jiff::Timestamp,
    ) -> Result<Option<Outgoing>, Problem> {
        let Some(key) = key else { return Ok(None) };
        let table = self.host.env.require(GOVERNANCE_TABLE).map_err(|error| {
            tracing::error!(function = self.name, error = %error, "no earlier answer can be looked up");
            Problem::internal()
        })?;
        let client = Client::new(&self.host.aws.config());
        let remembered = idempotency::find(&client, table, key, now).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(function = self.name, error = %error, cause, "no earlier answer could be read");
            Problem::unavailable()
        })?;
        match remembered {
            None => Ok(None),
            Some(first) if first.body == key.body => {
                Ok(Some(Outgoing::replayed(first.status, first.answer.as_ref(), first.location)))
            }
            Some(_) => Err(Problem::new(
                422,
                "idempotency-key-reused",
                "this `Idempotency-Key` came with another body before; choose a new key for a new request",
            )),
        }
    }
}

fn query_of(request: &Request<'_>, route: &RouteSpec) -> Result<Query, Problem> {
    let query = Query::parse(request.raw_query())?;
    let paging: &[&str] = if route.is_paged { &["limit", "cursor"] } else { &[] };
    query.allow_only(&[route.query, paging].concat())?;
    Ok(query)
}

fn idempotency_key<'a>(request: &Request<'a>) -> Result<Option<&'a str>, Problem> {
    let Some(given) = request.header("idempotency-key") else { return Ok(None) };
    if given.is_empty() || given.len() > IDEMPOTENCY_KEY_BYTES_MAX || !given.bytes().all(|b| b.is_ascii_graphic()) {
        let detail = "`Idempotency-Key` must be 1 to 255 visible ASCII characters; a UUID will do";
        return Err(Problem::new(400, "malformed-header", detail));
    }
    Ok(Some(given))
}

/// The version in `If-Match`; `*` asks for none in particular.
fn if_match(request: &Request<'_>) -> Result<Option<u64>, Problem> {
    let Some(given) = request.header("if-match").map(str::trim).filter(|given| *given != "*") else { return Ok(None) };
    let version = given.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|text| text.parse().ok());
    version.map(Some).ok_or_else(|| {
        let detail = "`If-Match` must be one `ETag` as an answer gave it, such as \"3\"";
        Problem::new(400, "malformed-header", detail)
    })
}
