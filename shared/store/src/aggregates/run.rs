//! Ingestion runs: one per month and delivery, by state and by month, newest attempt last.

use domain::base::calendar::Month;
use domain::base::ids::RunId;
use domain::spend::bill::run::{Run, RunState};

use crate::aggregate::{Aggregate, Listing, Loaded};
use crate::read::{Index, Order};
use crate::{Store, StoreError, keys};

/// Runs of a month that are looked at for the last one that ended: AWS replaces a month a few times a day.
const NEWEST_LOOKED_AT: usize = 20;

impl Aggregate for Run {
    type Id = RunId;

    const KIND: &'static str = "RUN";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn listing(&self) -> Listing {
        let sort = format!("{:020}#{}", self.submitted_at.as_millisecond(), self.id);
        Listing::list(keys::in_state_shard(Self::KIND, self.state.as_str(), self.id.as_str()), sort.clone())
            .and_parent(runs_of(self.billing_period), sort)
    }
}

/// Parent partition of the runs of a month.
#[must_use]
pub fn runs_of(month: Month) -> String {
    keys::partition("RUNS-OF", &month.to_string())
}

/// List partitions of the runs in a state, or in every one.
#[must_use]
pub fn runs_in(state: Option<RunState>) -> Vec<String> {
    let states = state.map_or(RunState::ALL.to_vec(), |s| vec![s]);
    states.iter().flat_map(|s| keys::in_state(Run::KIND, s.as_str())).collect()
}

/// The unique name under which a query's run is found.
#[must_use]
pub fn query_pointer(query_id: &str) -> String {
    format!("QUERY#{query_id}")
}

impl Store {
    /// The run whose attempt submitted a query.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_run_of_query(&self, query_id: &str) -> Result<Option<Loaded<Run>>, StoreError> {
        match self.follow(&query_pointer(query_id)).await? {
            None => Ok(None),
            Some(run) => self.load_named(&run).await,
        }
    }

    /// The run of a month that was attempted last among those that came to an end of their own: one that is open, or
    /// that a newer delivery overtook, says nothing about the figures.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_ended_run_of(&self, month: Month) -> Result<Option<Run>, StoreError> {
        let entries = self.list(Index::Parent, &[runs_of(month)], None, NEWEST_LOOKED_AT, Order::Descending).await?;
        let runs = entries.iter().map(crate::read::Entry::read::<Run>).collect::<Result<Vec<Run>, StoreError>>()?;
        Ok(runs.into_iter().find(|run| matches!(run.state, RunState::Completed | RunState::Failed)))
    }
}
