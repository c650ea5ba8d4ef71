//! Reading approvals, revoking them, and reviewing break-glass decisions.

use std::sync::Arc;

use contract::events::Event;
use domain::access::decisions::approval::{Approval, ApprovalState, ReviewOutcome, decide_review, decide_revoke};
use domain::access::tasks::chain::Chain;
use domain::access::workloads::space::Space;
use domain::base::authorization::{Action, authorize};
use domain::base::ids::WorkloadId;
use domain::base::outcome::Outcome;
use domain::base::platform::ModelKey;
use domain::base::text::{Note, Sub};
use lambda::{Answer, Call, Page, Problem, Reason, Sight};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use store::aggregates::approval::{approvals_in, approvals_of};
use store::{Loaded, Transaction};

use crate::App;
use crate::views::{ApprovalContext, ApprovalView};

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
    let page = call.list(&app.store, index, &partitions, |entry| {
        let approval: Approval = entry.read()?;
        let visible = sight.includes(&approval.space_id);
        let wanted =
            state.is_none_or(|s| approval.state == s) && model.as_ref().is_none_or(|m| approval.model_key == *m);
        Ok((visible && wanted).then_some((entry.version()?, approval)))
    });
    let page = page.await?.body;
    let scopes = page.items.iter().flat_map(|(_, approval)| approval.scopes.iter().map(|scope| &scope.id));
    let chains: Vec<Loaded<Chain>> = app.store.load_many(scopes).await?;
    let chains: BTreeMap<_, _> = chains.into_iter().map(|c| (c.value.id.clone(), c.value)).collect();
    Ok(Answer::ok(page.map(|(version, approval)| ApprovalView::of(&approval, version, &chains))))
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<ApprovalView>, Problem> {
    let (found, _space) = visible_approval(&app, &call).await?;
    let context = ApprovalContext::load(&app.store, &found.value).await?;
    Ok(answer(context.view(&found.value, found.version)))
}

pub(crate) async fn revoke(app: Arc<App>, call: Call<Reason>) -> Result<Answer<ApprovalView>, Problem> {
    let reason = &call.body.reason;
    let decide = |approval: &Approval, space: &Space, _: &BTreeSet<Sub>| {
        decide_revoke(approval, space, reason.clone(), &call.actor, call.now)
    };
    change(&app, &call, decide, |tx, approval| revoked(tx, approval, reason)).await
}

/// The event of a revocation, with its reason in the record.
pub(crate) fn revoked(tx: &mut Transaction, approval: &Approval, reason: &Note) -> Event {
    tx.because(reason.as_str());
    let (approval_id, reason) = (approval.id.clone(), reason.as_str().to_owned());
    Event::ApprovalRevoked { place: approval.into(), approval_id, reason }
}

pub(crate) async fn review(app: Arc<App>, call: Call<Review>) -> Result<Answer<ApprovalView>, Problem> {
    let Review { outcome, note } = &call.body;
    let decide = |approval: &Approval, space: &Space, executors: &BTreeSet<Sub>| {
        decide_review(approval, space, executors, *outcome, note.clone(), &call.actor, call.now)
    };
    let event = |tx: &mut Transaction, approval: &Approval| {
        tx.because(note.as_str());
        Event::ApprovalReviewed { place: approval.into(), approval_id: approval.id.clone() }
    };
    change(&app, &call, decide, event).await
}

async fn change<B: Sync>(
    app: &App,
    call: &Call<B>,
    decide: impl Fn(&Approval, &Space, &BTreeSet<Sub>) -> Outcome<Approval> + Send + Sync,
    event: impl Fn(&mut Transaction, &Approval) -> Event + Send + Sync,
) -> Result<Answer<ApprovalView>, Problem> {
    call.transact(&app.store, || async {
        let (found, space) = visible_approval(app, call).await?;
        let context = ApprovalContext::load(&app.store, &found.value).await?;
        let decided = decide(&found.value, &space.value, &context.executors());
        let told = |tx: &mut Transaction, approval: &Approval| {
            // Who carried it out does not review it, and somebody may take up a task of it while this is decided.
            if approval.break_glass.is_some() {
                context.chains.iter().for_each(|chain| tx.unless_changed(chain));
            }
            event(tx, approval)
        };
        call.change(&found, decided, told, |version, approval| answer(context.view(&approval, version)))
    })
    .await
}

async fn visible_approval<B>(app: &App, call: &Call<B>) -> Result<(Loaded<Approval>, Loaded<Space>), Problem> {
    let approval = app.store.require::<Approval>(&call.path.parse("id")?).await?;
    let space = app.store.require::<Space>(&approval.value.space_id).await?;
    authorize(&call.actor, Action::ReadApprovals, approval.value.relations(&space.value, &call.actor), "")?;
    Ok((approval, space))
}

pub(crate) fn answer(approval: ApprovalView) -> Answer<ApprovalView> {
    let version = approval.version;
    Answer::ok(approval).versioned(version)
}
