//! Chains: a scope with its tasks as rows, since tasks are queued by themselves.

use std::collections::BTreeMap;

use domain::approval::Priority;
use domain::aws::{AccountId, Region};
use domain::chain::{Chain, ScopeState};
use domain::digest::Digest;
use domain::ids::{ApprovalId, ScopeId, SpaceId, WorkloadId};
use domain::platform::ModelKey;
use domain::task::{Task, TaskState};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aggregate::{Aggregate, Listing, Row};
use crate::keys;

/// What a task's row holds: the task, and what the queue shows of its chain. Nothing here moves with the chain's state,
/// so that a step on one task writes that task's row only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRow {
    /// The task.
    pub task: Task,
    /// The approval it implements.
    pub approval_id: ApprovalId,
    /// Its scope.
    pub scope_id: ScopeId,
    /// Whom the scope serves.
    pub workload_id: WorkloadId,
    /// The workload's Space.
    pub space_id: SpaceId,
    /// The digest that completing presents.
    pub digest: Digest,
    /// How urgent it is.
    pub priority: Priority,
    /// Where it is done.
    pub account_id: AccountId,
    /// Where in it.
    pub region: Region,
}

impl TaskRow {
    /// The row of one task of a chain.
    #[must_use]
    pub fn of(chain: &Chain, task: &Task) -> Self {
        Self {
            task: task.clone(),
            approval_id: chain.approval_id.clone(),
            scope_id: chain.id.clone(),
            workload_id: chain.workload_id.clone(),
            space_id: chain.space_id.clone(),
            digest: chain.digest.clone(),
            priority: chain.priority,
            account_id: chain.spec.account_id.clone(),
            region: chain.spec.region.clone(),
        }
    }
}

impl Aggregate for Chain {
    const KIND: &'static str = "SCOPE";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::in_state_shard(Self::KIND, self.state.as_str(), self.id.as_str()), self.id())
            .and_parent(scopes_of(&self.model_key), self.id())
    }

    fn rows(&self) -> Vec<Row> {
        self.tasks.iter().map(|task| task_row(self, task)).collect()
    }

    fn attach(&mut self, rows: &BTreeMap<String, Value>) -> Result<(), serde_json::Error> {
        let tasks: Result<Vec<TaskRow>, serde_json::Error> =
            rows.values().map(|v| serde_json::from_value(v.clone())).collect();
        self.tasks = tasks?.into_iter().map(|row| row.task).collect();
        Ok(())
    }
}

fn task_row(chain: &Chain, task: &Task) -> Row {
    let doc = TaskRow::of(chain, task);
    let sort = format!("{}#{}#{}", chain.priority.rank(), task.issued_at, task.id);
    let number = task.id.suffix().rsplit_once('-').map_or("0", |(_, n)| n);
    Row {
        name: format!("TASK#{number:0>4}"),
        doc: serde_json::to_value(&doc).unwrap_or(Value::Null),
        listing: Listing::list(keys::in_state_shard("TASK", task.state.as_str(), task.id.as_str()), sort.clone())
            .and_parent(tasks_of(&chain.approval_id), sort),
    }
}

/// Parent partition of a model's scopes.
#[must_use]
pub fn scopes_of(model: &ModelKey) -> String {
    keys::partition("SCOPES-OF", model.as_str())
}

/// Parent partition of an approval's tasks.
#[must_use]
pub fn tasks_of(approval: &ApprovalId) -> String {
    keys::partition("TASKS-OF", approval.as_str())
}

/// List partitions of the tasks in a state, or in every one; each lists high priority first, then oldest.
#[must_use]
pub fn tasks_in(state: Option<TaskState>) -> Vec<String> {
    let states = state.map_or(TaskState::ALL.to_vec(), |s| vec![s]);
    states.iter().flat_map(|s| keys::in_state("TASK", s.as_str())).collect()
}

/// List partitions of the scopes in a state.
#[must_use]
pub fn scopes_in(state: ScopeState) -> Vec<String> {
    keys::in_state(Chain::KIND, state.as_str())
}

/// The sort key's prefix of tasks of a priority, for a queue of one priority.
#[must_use]
pub fn priority_prefix(priority: Priority) -> String {
    format!("{}#", priority.rank())
}
