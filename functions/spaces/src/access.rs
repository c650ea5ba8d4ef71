//! Spaces and workloads by their ids, for decisions that ask how the actor stands to them.

use domain::access::workloads::space::{Space, Workload};
use domain::base::authorization::authorize;
use domain::base::ids::{SpaceId, WorkloadId};
use lambda::{Call, Problem};
use store::Loaded;

use crate::App;

impl App {
    /// A Space, whoever owns it: the decision that follows asks how the actor stands to it.
    pub(crate) async fn space(&self, id: &SpaceId) -> Result<Loaded<Space>, Problem> {
        Ok(self.store.require(id).await?)
    }

    /// A workload with its Space, whoever owns it: the decision that follows asks how the actor stands to it.
    pub(crate) async fn workload(&self, id: &WorkloadId) -> Result<(Loaded<Workload>, Loaded<Space>), Problem> {
        let workload: Loaded<Workload> = self.store.require(id).await?;
        let space = self.space(&workload.value.space_id).await?;
        Ok((workload, space))
    }

    /// The workload that the path names, for a caller who may read it.
    pub(crate) async fn readable_workload(&self, call: &Call<()>) -> Result<Loaded<Workload>, Problem> {
        let (workload, space) = self.workload(&call.path.parse("id")?).await?;
        authorize(&call.actor, call.action, space.value.relations(&call.actor), workload.value.state.as_str())?;
        Ok(workload)
    }
}
