//! Reading approvals, revoking them, and reviewing break-glass decisions.

use std::sync::Arc;

use contract::events::{Event, Place};
use domain::access::decisions::approval::{Approval, ApprovalState, ReviewOutcome, decide_review, decide_revoke};
use domain::access::workloads::space::Space;
use domain::base::authorization::{Action, authorize};
use domain::base::ids::{ApprovalId, WorkloadId};
use domain::base::outcome::Outcome;
use domain::base::platform::ModelKey;
use domain::base::text::{Note, Sub};
use lambda::{Answer, Call, Page, Problem, Reason, Sight, list_page};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use store::aggregates::approval::{approvals_in, approvals_of};
use store::{Loaded, Order, Step};

use crate::App;
use crate::views::{ApprovalView, approval_view};

/// What a reviewing Lead finds.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Review {
    outcome: ReviewOutcome,
    note: Note,
}

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<ApprovalView>>, Problem> {
    let state: Option<ApprovalState> = call.query.one_of("state")?;
    let workload: Option<WorkloadId> = call.query.maybe("workloadId")?;
    let model: Option<ModelKey> = call.query.maybe("modelKey")?;
    let sight = Sight::of(&app.store, &call).await?;
    let (index, partitions) = sight.listed(&app.store, workload.as_ref(), approvals_of, approvals_in(state)).await?;
    let wanted_page = call.page()?;
    let page = list_page(&app.store, index, &partitions, Order::Ascending, &wanted_page, |entry| {
        let approval: Approval = entry.read()?;
        let visible = sight.includes(&approval.space_id);
        let wanted =
            state.is_none_or(|s| approval.state == s) && model.as_ref().is_none_or(|m| approval.model_key == *m);
        Ok((visible && wanted).then_some((entry.version()?, approval)))
    });
    let page = page.await?;
    let ids: Vec<String> = page.items.iter().flat_map(|(_, a)| a.scopes.iter().map(|s| s.id.to_string())).collect();
    let chains: BTreeMap<_, _> = app
        .store
        .load_many(&ids)
        .await?
        .into_iter()
        .map(|c: Loaded<domain::access::tasks::chain::Chain>| (c.value.id.clone(), c.value))
        .collect();
    Ok(Answer::ok(page.map(|(version, approval)| ApprovalView::of(&approval, version, &chains))))
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<ApprovalView>, Problem> {
    let (found, _space) = visible_approval(&app, &call).await?;
    shown(&app, &found.value, found.version).await
}

pub(crate) async fn revoke(app: Arc<App>, call: Call<Reason>) -> Result<Answer<ApprovalView>, Problem> {
    let reason = call.body.reason.clone();
    let event = |approval: &Approval| Event::ApprovalRevoked {
        place: place(approval),
        approval_id: approval.id.clone(),
        reason: reason.as_str().to_owned(),
    };
    change(
        &app,
        &call,
        &reason,
        |approval, space, _| decide_revoke(approval, space, reason.clone(), &call.actor, call.now),
        event,
    )
    .await
}

pub(crate) async fn review(app: Arc<App>, call: Call<Review>) -> Result<Answer<ApprovalView>, Problem> {
    let Review { outcome, note } = call.body.clone();
    let event =
        |approval: &Approval| Event::ApprovalReviewed { place: place(approval), approval_id: approval.id.clone() };
    change(
        &app,
        &call,
        &note,
        |approval, space, executors| {
            decide_review(approval, space, executors, outcome, note.clone(), &call.actor, call.now)
        },
        event,
    )
    .await
}

async fn change<B: Sync>(
    app: &App,
    call: &Call<B>,
    why: &Note,
    decide: impl Fn(&Approval, &Space, &BTreeSet<Sub>) -> Outcome<Approval> + Send + Sync,
    event: impl Fn(&Approval) -> Event + Send + Sync,
) -> Result<Answer<ApprovalView>, Problem> {
    app.store
        .decide(|| async {
            let (found, space) = visible_approval(app, call).await?;
            call.check_version(found.version)?;
            // Only break-glass is reviewed, and a review asks who carried it out.
            let chains = match &found.value.break_glass {
                Some(_) => app.store.load_chains_of(&found.value).await?,
                None => Vec::new(),
            };
            let executors = chains.iter().flat_map(|chain| chain.value.executors.iter().cloned()).collect();
            match decide(&found.value, &space.value, &executors) {
                Outcome::Changed(approval) => {
                    let mut tx = call.transaction().because(why.as_str());
                    tx.update(&found, &approval, &event(&approval));
                    // Somebody may begin to carry it out as this is decided.
                    chains.iter().for_each(|chain| tx.unless_changed(chain));
                    let answer = shown(app, &approval, found.version + 1).await?;
                    Ok(call.commit(tx, answer))
                }
                Outcome::AlreadyDone => Ok(Step::Done(shown(app, &found.value, found.version).await?)),
                Outcome::Refused(refusal) => Err(refusal.into()),
            }
        })
        .await
}

async fn visible_approval<B>(app: &App, call: &Call<B>) -> Result<(Loaded<Approval>, Loaded<Space>), Problem> {
    let id: ApprovalId = call.path.parse("id")?;
    let approval = app.store.load::<Approval>(id.as_str()).await?.ok_or_else(Problem::not_found)?;
    let space = app.store.load::<Space>(approval.value.space_id.as_str()).await?.ok_or_else(Problem::not_found)?;
    authorize(&call.actor, Action::ReadApprovals, approval.value.relations(&space.value, &call.actor), "")?;
    Ok((approval, space))
}

/// Where an approval's events belong.
pub(crate) fn place(approval: &Approval) -> Place {
    Place { space_id: approval.space_id.clone(), workload_id: approval.workload_id.clone() }
}

async fn shown(app: &App, approval: &Approval, version: u64) -> Result<Answer<ApprovalView>, Problem> {
    Ok(Answer::ok(approval_view(&app.store, approval, version).await?).versioned(version))
}
