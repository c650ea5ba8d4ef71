//! What is known of the things that an event names, as they are now: an event tells where to look, not what is there.

use std::collections::BTreeSet;

use contract::events::{Event, Place};
use domain::access::models::model::Model;
use domain::access::tasks::chain::Chain;
use domain::access::tasks::task::Task;
use domain::access::workloads::space::{Space, Workload};
use domain::base::ids::{ScopeId, TaskId, WorkloadId};
use domain::base::platform::ModelKey;
use domain::base::text::Sub;
use domain::spend::gap::Gap;
use serde_json::Value;
use store::{Aggregate, Store, StoreError};

/// What a letter may speak of, beyond the event itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) workload: Option<Workload>,
    pub(crate) space: Option<Space>,
    /// The owners that the event itself names, those before it included.
    pub(crate) owners: BTreeSet<Sub>,
    /// The task that became ready by the event.
    pub(crate) ready: Option<Task>,
    /// The models that the event names.
    pub(crate) models: Vec<Model>,
}

/// Reads what the event names.
pub(crate) async fn load_known(store: &Store, event: &Event) -> Result<Known, StoreError> {
    let mut known = Known::default();
    let workload_id = match place_of(event) {
        Some(Place { workload_id, .. }) => Some(workload_id.clone()),
        None => workload_to_remind(store, event).await?,
    };
    if let Some(id) = workload_id {
        known.workload = value(store, &id).await?;
    }
    if let Some(workload) = &known.workload {
        known.space = value(store, &workload.space_id).await?;
    }
    if let Event::SpaceChanged { space_id, owners: Some(owners) } = event {
        known.space = value(store, space_id).await?;
        known.owners = owners.before.union(&owners.after).cloned().collect();
    }
    if let Some((scope, task)) = ready_task_of(event) {
        known.ready = ready_task(store, scope, task).await?;
    }
    known.models = match event {
        Event::ModelsAnnounced { model_keys } => models(store, model_keys).await?,
        Event::RequestSubmitted { model_key: Some(key), .. } | Event::ApprovalDecided { model_key: key, .. } => {
            models(store, [key]).await?
        }
        _ => Vec::new(),
    };
    Ok(known)
}

async fn value<A: Aggregate>(store: &Store, id: &A::Id) -> Result<Option<A>, StoreError> {
    Ok(store.load::<A>(id).await?.map(|loaded| loaded.value))
}

async fn models(store: &Store, keys: impl IntoIterator<Item = &ModelKey> + Send) -> Result<Vec<Model>, StoreError> {
    let mut models: Vec<Model> = store.load_many(keys).await?.into_iter().map(|loaded| loaded.value).collect();
    models.sort_by(|a, b| (&a.vendor, a.platform, &a.name).cmp(&(&b.vendor, b.platform, &b.name)));
    Ok(models)
}

async fn ready_task(store: &Store, scope: &ScopeId, task: &TaskId) -> Result<Option<Task>, StoreError> {
    let chain: Option<Chain> = value(store, scope).await?;
    Ok(chain.and_then(|chain| chain.tasks.into_iter().find(|t| t.id == *task)))
}

/// Whose owner a Lead wants reminded of a gap: the workload that they named, or else the one that approvals suggest.
async fn workload_to_remind(store: &Store, event: &Event) -> Result<Option<WorkloadId>, StoreError> {
    let Event::GapActioned { gap, target } = event else { return Ok(None) };
    let named = target.get("workloadId").and_then(Value::as_str).and_then(|id| id.parse().ok());
    if named.is_some() {
        return Ok(named);
    }
    let found: Option<Gap> = value(store, &gap.gap_id).await?;
    Ok(found.and_then(|gap| gap.suggested_workload))
}

/// Where an event belongs, of those that people are told of.
pub(crate) fn place_of(event: &Event) -> Option<&Place> {
    match event {
        Event::RequestSubmitted { place, .. }
        | Event::RequestApproved { place, .. }
        | Event::RequestRejected { place, .. }
        | Event::ApprovalDecided { place, .. }
        | Event::ApprovalRevoked { place, .. }
        | Event::ApprovalExpired { place, .. }
        | Event::ApprovalExpiring { place, .. }
        | Event::ChainEnding { place, .. }
        | Event::ProposalMade { place, .. }
        | Event::ProposalAccepted { place, .. }
        | Event::ProposalDeclined { place, .. }
        | Event::DriftFound { place, .. }
        | Event::DriftResolved { place, .. } => Some(place),
        Event::ChainIssued { task }
        | Event::ChainImplemented { task, .. }
        | Event::TaskCompleted { task }
        | Event::TaskReady { task }
        | Event::TaskReissued { task }
        | Event::TaskReturned { task, .. } => Some(&task.place),
        Event::CardOpened { card }
        | Event::CardReminded { card, .. }
        | Event::CardDisputed { card, .. }
        | Event::CardResolved { card, .. } => Some(&card.place),
        _ => None,
    }
}

/// The task that became ready by an event, and its scope.
fn ready_task_of(event: &Event) -> Option<(&ScopeId, &TaskId)> {
    match event {
        Event::ChainIssued { task }
        | Event::TaskCompleted { task }
        | Event::TaskReady { task }
        | Event::TaskReissued { task } => Some((&task.scope_id, task.ready.as_ref()?)),
        Event::ChainEnding { scope_id, ready, .. } => Some((scope_id, ready.as_ref()?)),
        _ => None,
    }
}
