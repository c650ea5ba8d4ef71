//! What of a month a caller sees: owners the workloads of their own Spaces, everybody else the organisation.

use domain::access::workloads::space::{Space, Workload};
use domain::base::authorization::{authorize, is_cut_to_own};
use domain::base::ids::WorkloadId;
use domain::spend::bill::attribution::{Attribution, Verdict};
use lambda::{Call, Problem};
use store::Loaded;

use crate::App;

/// What of a month a caller sees.
#[derive(Debug, Clone)]
pub(crate) struct BillSight {
    /// The one workload asked for.
    pub(crate) workload: Option<WorkloadId>,
    /// Everybody but owners.
    pub(crate) sees_organisation: bool,
}

impl BillSight {
    /// # Errors
    /// 422 for an owner who names no workload; 404 for a workload that is not there or not theirs.
    pub(crate) async fn of(app: &App, call: &Call<()>) -> Result<Self, Problem> {
        let workload: Option<WorkloadId> = call.query.maybe("workloadId")?;
        let sees_organisation = !is_cut_to_own(&call.actor, call.action);
        match &workload {
            None if !sees_organisation => {
                return Err(Problem::invalid("name one of your workloads in the query parameter `workloadId`"));
            }
            None => {}
            Some(id) => {
                let found: Loaded<Workload> = app.store.require(id).await?;
                let space = app.store.require::<Space>(&found.value.space_id).await?;
                authorize(&call.actor, call.action, space.value.relations(&call.actor), "")?;
            }
        }
        Ok(Self { workload, sees_organisation })
    }

    pub(crate) fn includes(&self, attribution: &Attribution) -> bool {
        match (&self.workload, &attribution.verdict) {
            (None, _) => true,
            (Some(own), Verdict::Workload { workload_id, .. }) => own == workload_id,
            (Some(_), _) => false,
        }
    }
}
