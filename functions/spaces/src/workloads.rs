//! Workloads: created in a Space for good, retired when they ask for nothing more.

use std::sync::Arc;

use contract::answers::Versioned;
use contract::events::Event;
use domain::access::workloads::space::{Workload, WorkloadFields, decide_create_workload, decide_retire_workload};
use domain::base::ids::{SpaceId, WorkloadId};
use domain::base::money::Money;
use lambda::{Answer, Call, Nothing, Page, Problem, Sight};
use schemars::JsonSchema;
use serde::Serialize;
use store::aggregates::space::workloads_of;
use store::{Aggregate as _, Index, Step, keys};

use crate::App;

/// A workload with what follows from its business case.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkloadView {
    #[serde(flatten)]
    workload: Workload,
    /// Baseline × target, per year.
    declared_opportunity: Money,
}

type Shown = Answer<Versioned<WorkloadView>>;

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<Versioned<WorkloadView>>>, Problem> {
    let sight = Sight::of(&app.store, &call).await?;
    let (index, partitions) = match (call.query.maybe::<SpaceId>("spaceId")?, &sight) {
        (Some(space), _) => (Index::Parent, vec![workloads_of(&space)]),
        (None, Sight::Everything) => (Index::List, vec![keys::all_of(Workload::KIND)]),
        (None, Sight::Own(spaces)) => (Index::Parent, spaces.iter().map(|space| workloads_of(&space.id)).collect()),
    };
    call.list(&app.store, index, &partitions, |entry| {
        let workload: Workload = entry.read()?;
        let version = entry.version()?;
        Ok(sight.includes(&workload.space_id).then(|| Versioned { version, value: view(workload) }))
    })
    .await
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Shown, Problem> {
    let found = app.readable_workload(&call).await?;
    Ok(answer(found.version, found.value))
}

pub(crate) async fn create(app: Arc<App>, call: Call<WorkloadFields>) -> Result<Shown, Problem> {
    let space_id: SpaceId = call.path.parse("id")?;
    let id = WorkloadId::new(call.now, app.ids.entropy());
    call.transact(&app.store, || async {
        // An attempt whose answer was lost may have created it.
        if let Some(made) = app.store.load::<Workload>(&id).await? {
            return Ok(Step::Done(created(made.value)));
        }
        let space = app.space(&space_id).await?;
        let workload = decide_create_workload(&space.value, id.clone(), call.body.clone(), &call.actor);
        let event = |_: &mut _, workload: &Workload| Event::WorkloadCreated { place: workload.into() };
        call.create(workload, event, created)
    })
    .await
}

pub(crate) async fn retire(app: Arc<App>, call: Call<Nothing>) -> Result<Shown, Problem> {
    let id: WorkloadId = call.path.parse("id")?;
    call.transact(&app.store, || async {
        let (found, space) = app.workload(&id).await?;
        let decided = decide_retire_workload(&space.value, &found.value, &call.actor);
        let event = |_: &mut _, workload: &Workload| Event::WorkloadRetired { place: workload.into() };
        call.change(&found, decided, event, answer)
    })
    .await
}

fn view(workload: Workload) -> WorkloadView {
    WorkloadView { declared_opportunity: workload.fields.business_case.declared_opportunity(), workload }
}

fn answer(version: u64, workload: Workload) -> Shown {
    Answer::at(version, view(workload))
}

fn created(workload: Workload) -> Shown {
    Answer::made(format!("/v1/workloads/{}", workload.id), view(workload))
}
