//! Business Requests: submitted and withdrawn by owners, rejected by a Lead. Approving is in [`crate::approving`].

use std::sync::Arc;

use contract::answers::Versioned;
use contract::events::Event;
use domain::access::decisions::approval::Approval;
use domain::access::decisions::request::{
    Request, RequestFields, RequestState, check_expanded, decide_reject, decide_submit, decide_withdraw,
};
use domain::access::workloads::estimate::{Estimate, SetEstimate, decide_set};
use domain::access::workloads::space::{Space, Workload};
use domain::base::authorization::{Action, authorize, is_cut_to_own};
use domain::base::calendar::{Month, utc_day};
use domain::base::ids::{EstimateId, RequestId, WorkloadId};
use domain::base::outcome::Outcome;
use domain::base::people::Actor;
use lambda::{Answer, Call, Nothing, Page, Problem, Reason, Sight};
use store::aggregates::estimate::{Estimates, versions};
use store::aggregates::request::{requests_in, requests_of};
use store::{Loaded, Transaction};

use crate::App;

type Shown = Answer<Versioned<Request>>;

pub(crate) async fn submit(app: Arc<App>, call: Call<RequestFields>) -> Result<Shown, Problem> {
    let id = RequestId::new(call.now, app.ids.entropy());
    call.transact(&app.store, || async {
        let (space, workload) = own_workload(&app, &call, &call.body.workload_id).await?;
        check_expanded(&call.body, named_approval(&app, &call.body).await?.as_ref())?;
        let seen = app.store.load_submission(space.value.clone(), workload, &call.body).await?;
        let request = decide_submit(id.clone(), call.body.clone(), &seen.context(), &call.actor, call.now)?;
        let estimate = first_estimate(&app, &call, &request, &space.value).await?;
        let event = |tx: &mut Transaction, request: &Request| {
            if let Some((loaded, estimate)) = &estimate {
                tx.set_estimate(loaded.as_ref(), &space.value.id, estimate);
            }
            tx.guard_submission(&seen, request)
        };
        call.create(Ok(request), event, |request| Answer::made(format!("/v1/requests/{}", request.id), request))
    })
    .await
}

/// The approval that a request says it would expand, whosever it is.
async fn named_approval(app: &App, fields: &RequestFields) -> Result<Option<Approval>, Problem> {
    let Some(id) = &fields.approval_id else { return Ok(None) };
    Ok(app.store.load::<Approval>(id).await?.map(|found| found.value))
}

/// The estimate that comes with a request is the workload's first one for the platform; where there is one it stays,
/// since changing it is a version of its own with a reason.
async fn first_estimate(
    app: &App,
    call: &Call<RequestFields>,
    request: &Request,
    space: &Space,
) -> Result<Option<(Option<Loaded<Estimates>>, Estimate)>, Problem> {
    let (Some(monthly), Some(platform)) = (&request.fields.monthly_estimate, request.fields.platform) else {
        return Ok(None);
    };
    let loaded = app.store.load_estimates(&request.fields.workload_id).await?;
    let existing = versions(loaded.as_ref());
    if existing.iter().any(|e| e.platform == platform) {
        return Ok(None);
    }
    let wanted = SetEstimate {
        id: EstimateId::new(call.now, app.ids.entropy()),
        workload_id: request.fields.workload_id.clone(),
        platform,
        monthly: monthly.clone(),
        tokens: None,
        ccu: None,
        reason: request.fields.justification.clone(),
        valid_from: Month::of(utc_day(call.now)).first_day(),
    };
    match decide_set(existing, wanted, &call.actor, space.relations(&call.actor), call.now) {
        Outcome::Changed(estimate) => Ok(Some((loaded, estimate))),
        Outcome::AlreadyDone => Ok(None),
        Outcome::Refused(refusal) => Err(refusal.into()),
    }
}

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<Versioned<Request>>>, Problem> {
    let state: Option<RequestState> = call.query.one_of("state")?;
    let workload: Option<WorkloadId> = call.query.maybe("workloadId")?;
    let sight = Sight::of(&app.store, &call).await?;
    let (index, partitions) = sight.listed(&app.store, workload.as_ref(), requests_of, requests_in(state)).await?;
    call.list(&app.store, index, &partitions, |entry| {
        let found: Versioned<Request> = entry.versioned()?;
        let is_shown = sight.includes(&found.value.space_id) && state.is_none_or(|s| found.value.state == s);
        Ok(is_shown.then_some(found))
    })
    .await
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Shown, Problem> {
    let (request, _space) = visible_request(&app, &call).await?;
    Ok(Answer::at(request.version, request.value))
}

pub(crate) async fn withdraw(app: Arc<App>, call: Call<Nothing>) -> Result<Shown, Problem> {
    end_request(&app, &call, |request, space| decide_withdraw(request, space, &call.actor, call.now)).await
}

pub(crate) async fn reject(app: Arc<App>, call: Call<Reason>) -> Result<Shown, Problem> {
    let reason = &call.body.reason;
    end_request(&app, &call, |request, space| decide_reject(request, space, reason.clone(), &call.actor, call.now))
        .await
}

async fn end_request<B: Sync>(
    app: &App,
    call: &Call<B>,
    decide: impl Fn(&Request, &Space) -> Outcome<Request> + Send + Sync,
) -> Result<Shown, Problem> {
    call.transact(&app.store, || async {
        let (found, space) = visible_request(app, call).await?;
        let decided = decide(&found.value, &space.value);
        call.change(&found, decided, |tx, request| request_ended(tx, &found.value, request), Answer::at)
    })
    .await
}

/// What goes with the end of a request that was rejected or withdrawn, and its event.
pub(crate) fn request_ended(tx: &mut Transaction, before: &Request, request: &Request) -> Event {
    tx.count_request(Some(before), Some(request));
    let (place, request_id) = (request.into(), request.id.clone());
    match request.end.as_ref().and_then(|e| e.reason.as_ref()) {
        Some(reason) => {
            tx.because(reason.as_str());
            Event::RequestRejected { place, request_id, reason: reason.as_str().to_owned() }
        }
        None => Event::RequestWithdrawn { place, request_id },
    }
}

/// The Spaces that an actor's lists are cut to when doing this; `None` is no cut.
pub(crate) async fn own_spaces(app: &App, actor: &Actor, action: Action) -> Result<Option<Vec<Space>>, Problem> {
    if is_cut_to_own(actor, action) {
        return Ok(Some(app.store.list_spaces_of_owner(&actor.sub).await?));
    }
    Ok(None)
}

/// A workload of the actor's own, with its Space; anybody else's is as if it did not exist.
async fn own_workload<B>(
    app: &App,
    call: &Call<B>,
    id: &WorkloadId,
) -> Result<(Loaded<Space>, Loaded<Workload>), Problem> {
    let workload = app.store.require::<Workload>(id).await?;
    let space = app.store.require::<Space>(&workload.value.space_id).await?;
    authorize(&call.actor, call.action, space.value.relations(&call.actor), "")?;
    Ok((space, workload))
}

/// The request in the path with its Space, if the actor may know of it.
pub(crate) async fn visible_request<B>(app: &App, call: &Call<B>) -> Result<(Loaded<Request>, Loaded<Space>), Problem> {
    let request = app.store.require::<Request>(&call.path.parse("id")?).await?;
    let space = app.store.require::<Space>(&request.value.space_id).await?;
    let relations = request.value.relations(&space.value, &call.actor);
    authorize(&call.actor, Action::ReadRequests, relations, "")?;
    Ok((request, space))
}
