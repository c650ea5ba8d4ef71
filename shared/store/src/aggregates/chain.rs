//! Chains: a scope with its tasks as rows, since tasks are queued by themselves. The older part of a task's history
//! stands in rows beside it.

use std::collections::BTreeMap;

use domain::access::decisions::approval::Priority;
use domain::access::tasks::chain::{Chain, ScopeState};
use domain::access::tasks::task::{Task, TaskState, TaskStep};
use domain::base::aws::{AccountId, Region};
use domain::base::digest::Digest;
use domain::base::ids::{ApprovalId, ScopeId, SpaceId, WorkloadId};
use domain::base::platform::ModelKey;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aggregate::{Aggregate, Listing, Row};
use crate::history::pages;
use crate::keys;

/// What separates, in the name of a row, the task's own from the number of steps before a page of its history.
const PAST: &str = "#PAST#";

/// What a task's row holds: the task with the newest of its history, and what the queue shows of its chain. Nothing
/// here moves with the chain's state, so that a step on one task writes that task's row only.
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
    /// How many steps of the task's history came before those that it holds here; they stand in rows of their own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub past: usize,
}

impl TaskRow {
    /// One task of a chain, with all of its history.
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
            past: 0,
        }
    }

    /// The same with the newest of its history: what lists show, and what a step answers.
    #[must_use]
    pub fn newest(chain: &Chain, task: &Task) -> Self {
        let newest = pages(&task.history).newest;
        let past = task.history.len() - newest.len();
        Self { past, ..Self::of(chain, &Task { history: newest.to_vec(), ..task.clone() }) }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Aggregate for Chain {
    type Id = ScopeId;

    const KIND: &'static str = "SCOPE";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::in_state_shard(Self::KIND, self.state.as_str(), self.id.as_str()), self.id())
            .and_parent(scopes_of(&self.model_key), self.id())
    }

    fn rows(&self) -> Vec<Row> {
        self.tasks.iter().flat_map(|task| task_rows(self, task)).collect()
    }

    fn attach(&mut self, rows: &BTreeMap<String, Value>) -> Result<(), serde_json::Error> {
        let mut past: BTreeMap<&str, Vec<TaskStep>> = BTreeMap::new();
        for (name, page) in rows {
            if let Some((task, _)) = name.split_once(PAST) {
                past.entry(task).or_default().extend(Vec::<TaskStep>::deserialize(page)?);
            }
        }
        let own_rows = rows.iter().filter(|(name, _)| !name.contains(PAST));
        let tasks = own_rows.map(|(name, row)| whole_task(TaskRow::deserialize(row)?, past.remove(name.as_str())));
        self.tasks = tasks.collect::<Result<_, _>>()?;
        Ok(())
    }
}

/// A task as it was read, with the part of its history that stands in rows of its own.
fn whole_task(row: TaskRow, past: Option<Vec<TaskStep>>) -> Result<Task, serde_json::Error> {
    let mut task = row.task;
    // Pages that are there beside a task which still holds all of its history repeat a part of it.
    let mut history: Vec<TaskStep> = past.into_iter().flatten().take(row.past).collect();
    if history.len() < row.past {
        return Err(serde_json::Error::custom(format!("a part of the history of task `{}` is missing", task.id)));
    }
    history.append(&mut task.history);
    Ok(Task { history, ..task })
}

fn task_rows(chain: &Chain, task: &Task) -> Vec<Row> {
    let sort = format!("{}#{}#{}", chain.priority.rank(), task.issued_at, task.id);
    let name = row_name(task);
    let page = |(before, steps): (usize, &[TaskStep])| Row {
        name: format!("{name}{PAST}{before:08}"),
        doc: serde_json::to_value(steps).unwrap_or(Value::Null),
        listing: Listing::default(),
    };
    let mut rows: Vec<Row> = pages(&task.history).past.into_iter().map(page).collect();
    rows.push(Row {
        name,
        doc: serde_json::to_value(TaskRow::newest(chain, task)).unwrap_or(Value::Null),
        listing: Listing::list(keys::in_state_shard("TASK", task.state.as_str(), task.id.as_str()), sort.clone())
            .and_parent(tasks_of(&chain.approval_id), sort),
    });
    rows
}

fn row_name(task: &Task) -> String {
    let number = task.id.suffix().rsplit_once('-').map_or("0", |(_, n)| n);
    format!("TASK#{number:0>4}")
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
