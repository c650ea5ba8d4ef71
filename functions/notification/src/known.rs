//! What is known of the things that an event names, as they are now: an event tells where to look, not what is there.

use std::collections::BTreeSet;

use contract::events::{Event, Place};
use domain::chain::Chain;
use domain::gap::Gap;
use domain::ids::{ScopeId, TaskId, WorkloadId};
use domain::model::Model;
use domain::space::{Space, Workload};
use domain::task::Task;
use domain::text::Sub;
use serde_json::Value;
use store::{Aggregate, Store, StoreError};

use crate::letters::{place_of, ready_task_of};

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
        known.workload = value(store, id.as_str()).await?;
    }
    if let Some(workload) = &known.workload {
        known.space = value(store, workload.space_id.as_str()).await?;
    }
    if let Event::SpaceChanged { space_id, owners: Some(owners) } = event {
        known.space = value(store, space_id.as_str()).await?;
        known.owners = owners.before.union(&owners.after).cloned().collect();
    }
    if let Some((scope, task)) = ready_task_of(event) {
        known.ready = ready_task(store, scope, task).await?;
    }
    known.models = match event {
        Event::ModelsAnnounced { model_keys } => {
            models(store, model_keys.iter().map(ToString::to_string).collect()).await?
        }
        Event::RequestSubmitted { model_key: Some(key), .. } | Event::ApprovalDecided { model_key: key, .. } => {
            models(store, vec![key.to_string()]).await?
        }
        _ => Vec::new(),
    };
    Ok(known)
}

async fn value<A: Aggregate>(store: &Store, id: &str) -> Result<Option<A>, StoreError> {
    Ok(store.load::<A>(id).await?.map(|loaded| loaded.value))
}

async fn models(store: &Store, keys: Vec<String>) -> Result<Vec<Model>, StoreError> {
    let mut models: Vec<Model> =
        store.load_many::<Model>(&keys).await?.into_iter().map(|loaded| loaded.value).collect();
    models.sort_by(|a, b| (&a.vendor, a.platform, &a.name).cmp(&(&b.vendor, b.platform, &b.name)));
    Ok(models)
}

async fn ready_task(store: &Store, scope: &ScopeId, task: &TaskId) -> Result<Option<Task>, StoreError> {
    let chain: Option<Chain> = value(store, scope.as_str()).await?;
    Ok(chain.and_then(|chain| chain.tasks.into_iter().find(|t| t.id == *task)))
}

/// Whose owner a Lead wants reminded of a gap: the workload that they named, or else the one that approvals suggest.
async fn workload_to_remind(store: &Store, event: &Event) -> Result<Option<WorkloadId>, StoreError> {
    let Event::GapActioned { gap, target } = event else { return Ok(None) };
    let named = target.get("workloadId").and_then(Value::as_str).and_then(|id| id.parse().ok());
    if named.is_some() {
        return Ok(named);
    }
    let found: Option<Gap> = value(store, gap.gap_id.as_str()).await?;
    Ok(found.and_then(|gap| gap.suggested_workload))
}
