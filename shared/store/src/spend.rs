//! The spend table: the facts of the bill, month by month, as the last complete run left them.
//!
//! Facts lie in items that are named by their content and never change; an index names the items of one reading of a
//! month, and `HEAD` names the index. A reader follows `HEAD` and therefore sees one run or the other, never a
//! mixture. A run writes the items that are not there yet, then the index, and flips `HEAD` last, if it is still as
//! it was read; an unchanged delivery writes `HEAD` alone. What no `HEAD` names any more expires by itself.
//!
//! INVARIANT: what the shown index names has no end. An end is given under the condition that `HEAD` is the one that
//! does not name the item and that nobody writes on top of it; whoever writes says so on `HEAD` first, and then
//! writes whatever that `HEAD` does not name anew, without an end. So bills may go back and forth, and runs overtake
//! each other or die.
//!
//! Who answers for a fact is not stored: it follows from claims and approvals, and is said anew at each reading.

mod items;
mod month;

use aws_sdk_dynamodb::Client;
use domain::base::calendar::Month;
use domain::base::digest::Digest;
use domain::base::ids::RunId;
use domain::spend::bill::facts::AnchorDay;
use domain::spend::bill::reconciliation::Control;
use domain::spend::bill::run::ShownRun;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use items::Table;

/// The spend table, through one client.
#[derive(Debug, Clone)]
pub struct SpendStore {
    table: Table,
}

/// What a month's facts are: which run read them, from which delivery, and what was counted beside them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The month.
    pub billing_period: Month,
    /// The run that read it completely.
    pub run_id: RunId,
    /// Which attempt of that run.
    pub attempt: u32,
    /// The delivery's manifest.
    pub manifest_id: String,
    /// When AWS delivered it.
    pub as_of: Timestamp,
    /// The settings' version that the rows were read with.
    pub settings_version: u64,
    /// The control totals.
    pub control: Control,
    /// How many groups of rows the facts were read from.
    #[serde(default)]
    pub groups: u64,
    /// What the facts are, in one digest: two runs with the same one read the same facts.
    pub facts: Digest,
    /// Whether this run moved any fact.
    pub changed: bool,
    /// Counts the flips.
    pub revision: u64,
    /// How many items the index takes.
    index_parts: u32,
    /// The index before, whose items go once nobody can be reading them.
    superseded: Option<IndexName>,
}

/// An index by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IndexName {
    facts: Digest,
    parts: u32,
}

/// What a run found, to be shown from now on.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The month.
    pub billing_period: Month,
    /// The run.
    pub run_id: RunId,
    /// Which attempt of it.
    pub attempt: u32,
    /// The delivery's manifest.
    pub manifest_id: String,
    /// When AWS delivered it.
    pub as_of: Timestamp,
    /// The settings' version that the rows were read with.
    pub settings_version: u64,
    /// The control totals.
    pub control: Control,
    /// How many groups of rows the facts were read from.
    pub groups: u64,
    /// The facts.
    pub days: Vec<AnchorDay>,
}

impl Head {
    /// Whose reading it shows.
    #[must_use]
    pub fn shown(&self) -> ShownRun {
        ShownRun {
            run_id: self.run_id.clone(),
            attempt: self.attempt,
            manifest_id: self.manifest_id.clone(),
            as_of: self.as_of,
        }
    }

    /// The last day of usage in the delivery, of any service; none when the delivery holds no row.
    #[must_use]
    pub fn complete_to(&self) -> Option<Date> {
        self.control.values().filter_map(|total| total.last_day).max()
    }

    /// Whether this attempt of a run is what is shown.
    #[must_use]
    pub fn is_of(&self, run: &RunId, attempt: u32) -> bool {
        self.run_id == *run && self.attempt == attempt
    }
}

impl SpendStore {
    /// The store over a client and the name of the spend table.
    #[must_use]
    pub const fn new(client: Client, table: String) -> Self {
        Self { table: Table::new(client, table) }
    }

    /// What is shown of a month; `None` if it was never read completely.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn head(&self, month: Month) -> Result<Option<Head>, StoreError> {
        self.table.head(month).await
    }

    /// A month's facts, all of one reading.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn month_facts(&self, month: Month) -> Result<Option<(Head, Vec<AnchorDay>)>, StoreError> {
        let mut seen: Option<Head> = None;
        loop {
            let Some(head) = self.head(month).await? else { return Ok(None) };
            match self.facts_of(&head).await {
                // Whoever reads for longer than superseded items stay begins again on what is shown by then.
                Err(StoreError::Unreadable { .. }) if seen.as_ref() != Some(&head) => seen = Some(head),
                days => return Ok(Some((head, days?))),
            }
        }
    }

    async fn facts_of(&self, head: &Head) -> Result<Vec<AnchorDay>, StoreError> {
        let index = self.table.index(head.billing_period, &head.index_name()).await?;
        self.table.days(head.billing_period, &index).await
    }

    /// Shows what a run found instead of `before`, the head on which that was decided. The same attempt again writes
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError::VersionMoved`] when another run was faster: read `HEAD` and decide again.
    pub async fn show(&self, reading: Reading, before: Option<&Head>, now: Timestamp) -> Result<Head, StoreError> {
        if let Some(head) = before.filter(|head| head.is_of(&reading.run_id, reading.attempt)) {
            // It died after the flip, perhaps before it took the old items away.
            self.expire_superseded(head, now).await?;
            return Ok(head.clone());
        }
        let index = month::Index::of(&reading.days);
        let facts = index.digest();
        let head = match before {
            None => self.write(reading, &index, facts, None).await?,
            Some(shown) => {
                // Nothing can be written under an index that cannot be read: then all is written anew.
                let old = self.index_if_readable(shown).await?.unwrap_or_default();
                if shown.facts == facts && old == index {
                    head_of(reading, facts, shown.index_parts, before)
                } else {
                    self.expire_superseded(shown, now).await?;
                    self.table.hold(shown).await?;
                    self.write(reading, &index, facts, Some((shown, &old))).await?
                }
            }
        };
        self.table.put_head(&head, before.map(|before| before.revision)).await?;
        self.expire_superseded(&head, now).await?;
        Ok(head)
    }

    /// Writes what the index names and the old one does not, and the index.
    async fn write(
        &self,
        reading: Reading,
        index: &month::Index,
        facts: Digest,
        before: Option<(&Head, &month::Index)>,
    ) -> Result<Head, StoreError> {
        let (month, nothing) = (reading.billing_period, month::Index::default());
        let (before, old) = before.map_or((None, &nothing), |(head, old)| (Some(head), old));
        self.table.put_days(month, &reading.days, old).await?;
        let index_parts = self.table.put_index(month, index, &facts).await?;
        Ok(head_of(reading, facts, index_parts, before))
    }

    async fn index_if_readable(&self, head: &Head) -> Result<Option<month::Index>, StoreError> {
        match self.table.index(head.billing_period, &head.index_name()).await {
            Ok(index) => Ok(Some(index)),
            Err(StoreError::Unreadable { key, why }) => {
                tracing::error!(key, why, "the index of what is shown cannot be read; the month is written anew");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives what a head superseded its end, unless it was given one, or is shown again by now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn expire_superseded(&self, head: &Head, now: Timestamp) -> Result<(), StoreError> {
        let Some(old_name) = head.superseded.as_ref() else { return Ok(()) };
        let month = head.billing_period;
        if self.table.is_ended(month, old_name).await? {
            return Ok(());
        }
        let (old, current) = match (self.table.index(month, old_name).await, self.index_if_readable(head).await?) {
            (Ok(old), Some(current)) => (old, current),
            // It is gone in part, or nobody knows what of it is shown: then it stays.
            (Ok(_) | Err(StoreError::Unreadable { .. }), _) => return Ok(()),
            (Err(error), _) => return Err(error),
        };
        self.table.expire(head, &old, &current, old_name, now).await
    }
}

impl Head {
    fn index_name(&self) -> IndexName {
        IndexName { facts: self.facts.clone(), parts: self.index_parts }
    }
}

fn head_of(reading: Reading, facts: Digest, index_parts: u32, before: Option<&Head>) -> Head {
    let changed = before.is_none_or(|before| before.facts != facts);
    Head {
        billing_period: reading.billing_period,
        run_id: reading.run_id,
        attempt: reading.attempt,
        manifest_id: reading.manifest_id,
        as_of: reading.as_of,
        settings_version: reading.settings_version,
        control: reading.control,
        groups: reading.groups,
        changed,
        revision: before.map_or(1, |head| head.revision + 1),
        index_parts,
        superseded: before.filter(|_| changed).map(Head::index_name),
        facts,
    }
}
