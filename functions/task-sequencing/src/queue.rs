//! Reading tasks: the queue, one task, its artefacts as files.

use std::io::{Cursor, Write as _};
use std::sync::Arc;

use domain::access::decisions::approval::{Approval, Priority};
use domain::access::tasks::chain::Chain;
use domain::access::tasks::instructions::source::files_beside;
use domain::access::tasks::task::{Task, TaskState};
use domain::access::workloads::space::Space;
use domain::base::authorization::{Action, authorize};
use domain::base::aws::{AccountId, Region};
use domain::base::digest::Digest;
use domain::base::ids::{ApprovalId, ScopeId, TaskId, WorkloadId};
use lambda::{Answer, Call, File, Page, Problem, Sight};
use schemars::JsonSchema;
use serde::Serialize;
use store::aggregates::approval::approvals_of;
use store::aggregates::chain::{TaskRow, tasks_in, tasks_of};
use store::{Index, Store, StoreError};
use zip::write::SimpleFileOptions;

use crate::App;

/// A task with what it implements.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskView {
    approval_id: ApprovalId,
    scope_id: ScopeId,
    workload_id: WorkloadId,
    digest: Digest,
    priority: Priority,
    account_id: AccountId,
    region: Region,
    #[serde(flatten)]
    task: Task,
}

impl TaskView {
    fn of_row(row: TaskRow) -> Self {
        let TaskRow { task, approval_id, scope_id, workload_id, digest, priority, account_id, region, .. } = row;
        Self { approval_id, scope_id, workload_id, digest, priority, account_id, region, task }
    }

    /// The answer of a step on a task. It shows the newest of the task's history, like lists: an answer that is kept
    /// for a repeated call is one item.
    pub(crate) fn answer(chain: &Chain, task: &Task) -> Answer<Self> {
        Self::of_row(TaskRow::newest(chain, task)).answered()
    }

    fn answered(self) -> Answer<Self> {
        let version = self.task.version;
        Answer::ok(self).versioned(version)
    }
}

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<TaskView>>, Problem> {
    let state: Option<TaskState> = call.query.one_of("state")?;
    let priority: Option<Priority> = call.query.one_of("priority")?;
    let account: Option<AccountId> = call.query.maybe("accountId")?;
    let approval: Option<ApprovalId> = call.query.maybe("approvalId")?;
    let sight = Sight::of(&app.store, &call).await?;
    let (index, partitions) = match (&approval, &sight) {
        (Some(approval), _) => (Index::Parent, vec![tasks_of(approval)]),
        (None, Sight::Everything) => (Index::List, tasks_in(state)),
        (None, Sight::Own(spaces)) => (Index::Parent, tasks_in_spaces(&app.store, spaces).await?),
    };
    call.list(&app.store, index, &partitions, |entry| {
        let row: TaskRow = entry.read()?;
        let visible = sight.includes(&row.space_id);
        let wanted = state.is_none_or(|s| row.task.state == s)
            && priority.is_none_or(|p| row.priority == p)
            && account.as_ref().is_none_or(|a| row.account_id == *a);
        Ok((visible && wanted).then(|| TaskView::of_row(row)))
    })
    .await
}

/// Where the tasks of these Spaces are listed: under the approvals of their workloads. An owner's list costs what the
/// owner has, and not what the organisation does.
async fn tasks_in_spaces(store: &Store, spaces: &[Space]) -> Result<Vec<String>, StoreError> {
    let mut partitions = Vec::new();
    for space in spaces {
        for workload in store.list_workloads_of_space(&space.id).await? {
            for entry in store.list_all(Index::Parent, &[approvals_of(&workload.id)]).await? {
                partitions.push(tasks_of(&entry.read::<Approval>()?.id));
            }
        }
    }
    Ok(partitions)
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<TaskView>, Problem> {
    let (chain, id) = visible_chain(&app, &call).await?;
    let task = chain.task(&id).ok_or_else(Problem::not_found)?;
    Ok(TaskView::of_row(TaskRow::of(&chain, task)).answered())
}

pub(crate) async fn artifact(app: Arc<App>, call: Call<()>) -> Result<File, Problem> {
    let (chain, id) = visible_chain(&app, &call).await?;
    let task = chain.task(&id).ok_or_else(Problem::not_found)?;
    let wanted = call.path.get("name");
    let artifact = task.artifacts.iter().find(|a| a.name == wanted).ok_or_else(Problem::not_found)?;
    let content_type = if wanted.ends_with(".json") { "application/json" } else { "text/plain; charset=utf-8" };
    Ok(File { name: artifact.name.clone(), content_type, bytes: artifact.content.clone().into_bytes() })
}

pub(crate) async fn bundle(app: Arc<App>, call: Call<()>) -> Result<File, Problem> {
    let (chain, id) = visible_chain(&app, &call).await?;
    let task = chain.task(&id).ok_or_else(Problem::not_found)?;
    let bytes = archive(task).map_err(|error| {
        tracing::error!(task.id = %id, error = %error, "a bundle could not be written");
        Problem::internal()
    })?;
    Ok(File { name: format!("{id}.zip"), content_type: "application/zip", bytes })
}

/// The artefacts, and the source of the function that the task deploys, as a zip archive: the same task gives the same
/// bytes.
fn archive(task: &Task) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let artifacts = task.artifacts.iter().map(|artifact| (artifact.name.as_str(), artifact.content.as_str()));
    for (name, content) in artifacts.chain(files_beside(&task.artifacts).iter().copied()) {
        archive.start_file(name, SimpleFileOptions::default())?;
        archive.write_all(content.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

async fn visible_chain(app: &App, call: &Call<()>) -> Result<(Chain, TaskId), Problem> {
    let id: TaskId = call.path.parse("id")?;
    let scope = Chain::id_of_task(&id).ok_or_else(Problem::not_found)?;
    let chain = app.store.require::<Chain>(&scope).await?.value;
    let space = app.store.require::<Space>(&chain.space_id).await?;
    authorize(&call.actor, Action::ReadTasks, space.value.relations(&call.actor), "")?;
    Ok((chain, id))
}
