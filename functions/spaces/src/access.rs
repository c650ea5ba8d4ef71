//! Which things an actor sees: a Product Owner those of their own Spaces, everybody else all that their role reads.
//!
//! Whatever is not theirs is answered exactly like what does not exist, also where a list is asked for it by name.

use std::collections::BTreeSet;

use contract::events::Place;
use domain::authorization::{authorize, is_cut_to_own};
use domain::ids::{SpaceId, WorkloadId};
use domain::space::{Space, Workload};
use lambda::{Call, Problem};
use store::{Index, Loaded};

use crate::App;

/// What of a list an actor sees.
#[derive(Debug)]
pub(crate) enum Sight {
    /// All of it.
    Everything,
    /// What belongs to these Spaces.
    Own(Vec<Space>),
}

impl Sight {
    pub(crate) fn includes(&self, space: &SpaceId) -> bool {
        match self {
            Self::Everything => true,
            Self::Own(spaces) => spaces.iter().any(|own| own.id == *space),
        }
    }
}

impl App {
    /// What the caller sees of a list.
    pub(crate) async fn sight<B>(&self, call: &Call<B>) -> Result<Sight, Problem> {
        if is_cut_to_own(&call.actor, call.action) {
            Ok(Sight::Own(self.store.list_spaces_of_owner(&call.actor.sub).await?))
        } else {
            Ok(Sight::Everything)
        }
    }

    /// Where a list of what belongs to workloads is read from: the workload that the query names, the caller's own ones,
    /// or everything. Entries are to be shown only if they are in sight.
    pub(crate) async fn where_listed(
        &self,
        call: &Call<()>,
        sight: &Sight,
        of_workload: fn(&WorkloadId) -> String,
        everything: Vec<String>,
    ) -> Result<(Index, Vec<String>), Problem> {
        match (call.query.maybe::<WorkloadId>("workloadId")?, sight) {
            (Some(workload), _) => Ok((Index::Parent, vec![of_workload(&workload)])),
            (None, Sight::Everything) => Ok((Index::List, everything)),
            (None, Sight::Own(spaces)) => {
                let mut partitions = BTreeSet::new();
                for space in spaces {
                    let workloads = self.store.list_workloads_of_space(&space.id).await?;
                    partitions.extend(workloads.iter().map(|workload| of_workload(&workload.id)));
                }
                Ok((Index::Parent, partitions.into_iter().collect()))
            }
        }
    }

    /// A Space, whoever owns it: the decision that follows asks how the actor stands to it.
    pub(crate) async fn space(&self, id: &SpaceId) -> Result<Loaded<Space>, Problem> {
        self.store.load(id.as_str()).await?.ok_or_else(Problem::not_found)
    }

    /// A workload with its Space, whoever owns it: the decision that follows asks how the actor stands to it.
    pub(crate) async fn workload(&self, id: &WorkloadId) -> Result<(Loaded<Workload>, Loaded<Space>), Problem> {
        let workload: Loaded<Workload> = self.store.load(id.as_str()).await?.ok_or_else(Problem::not_found)?;
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

/// Where events about a workload belong.
pub(crate) fn place_of(workload: &Workload) -> Place {
    Place { space_id: workload.space_id.clone(), workload_id: workload.id.clone() }
}
