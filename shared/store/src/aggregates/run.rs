//! Ingestion runs: one per month and delivery, by state and by month, newest attempt last.

use std::collections::BTreeMap;

use domain::base::calendar::Month;
use domain::base::digest::Digest;
use domain::base::ids::RunId;
use domain::base::money::Currency;
use domain::spend::bill::reconciliation::SpendTotals;
use domain::spend::bill::slice::SliceMismatch;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Listing, Loaded};
use crate::read::{Index, Order};
use crate::{Store, StoreError, keys};

/// Runs of a month that are looked at for the last one that ended: AWS replaces a month a few times a day.
const NEWEST_LOOKED_AT: usize = 20;

/// One reading of one delivery of a month. It may be attempted again, when it failed or when the settings moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Derived from month and manifest, so that one delivery is one run.
    pub id: RunId,
    /// The month of the bill.
    pub billing_period: Month,
    /// The delivery that it is bound to.
    pub manifest: Manifest,
    /// What the month's data files were when this attempt began, in one digest: they are replaced before the manifest is.
    #[serde(default)]
    pub data_files: Option<Digest>,
    /// Where it stands.
    pub state: RunState,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// When this attempt began.
    pub submitted_at: Timestamp,
    /// When this attempt ended.
    pub ended_at: Option<Timestamp>,
    /// The queries of this attempt.
    pub queries: Option<Queries>,
    /// What the rows are read by.
    pub rules: Rules,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What it found.
    pub result: Option<RunResult>,
}

/// A delivery, by what its export wrote last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// What tells this delivery from any other.
    pub id: String,
    /// The manifest's key in the bucket; none where people copied the data files alone.
    pub key: Option<String>,
    /// When it was delivered: the facts' as-of.
    pub delivered_at: Timestamp,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Its queries were submitted.
    Submitted,
    /// Its figures are what is shown, or were until a newer one's.
    Completed,
    /// Nothing of it is shown.
    Failed,
    /// A newer delivery arrived while it read.
    Superseded,
}

impl RunState {
    /// Every state, the open one first.
    pub const ALL: [Self; 4] = [Self::Submitted, Self::Completed, Self::Failed, Self::Superseded];

    /// The state's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }
}

/// The two queries of an attempt, by Athena's ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Queries {
    /// The grouped query.
    pub facts: String,
    /// The ungrouped query that it is reconciled with.
    pub control: String,
    /// The query by day, account and line-item type, asked only when the other two do not agree.
    #[serde(default)]
    pub slices: Option<String>,
}

/// What rows are read by. When it moves, a delivery is read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// The settings' version.
    pub settings_version: u64,
    /// The alias table's version.
    pub aliases_version: String,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The stable reason, kebab-case.
    pub kind: String,
    /// For people: what is wrong and what to do next.
    pub detail: String,
    /// Where the facts are not what the bill holds, the first of them.
    #[serde(default)]
    pub slices: Vec<SliceMismatch>,
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunResult {
    /// Whether any fact moved.
    pub changed: bool,
    /// How many groups of rows there were.
    pub groups: u64,
    /// Where every dollar went, as attributed last.
    pub totals: BTreeMap<Currency, SpendTotals>,
    /// Who answers for each fact, in one digest: it moves when a claim or an approval moves spend.
    pub attribution: Digest,
}

impl Aggregate for Run {
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
            Some(run) => self.load(&run).await,
        }
    }

    /// The run of a month that was attempted last among those that came to an end of their own: one that is open, or that
    /// a newer delivery overtook, says nothing about the figures.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_ended_run_of(&self, month: Month) -> Result<Option<Run>, StoreError> {
        let entries = self.list(Index::Parent, &[runs_of(month)], None, NEWEST_LOOKED_AT, Order::Descending).await?;
        let runs = entries.iter().map(crate::read::Entry::read::<Run>).collect::<Result<Vec<Run>, StoreError>>()?;
        Ok(runs.into_iter().find(|run| matches!(run.state, RunState::Completed | RunState::Failed)))
    }
}
