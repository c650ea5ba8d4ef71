//! The bill of some months, attributed: what cards and chargeback are made of.
//!
//! Facts are stored without an owner; who answers for each is said here, anew at each reading, from the claims,
//! approvals and settled disputes as they are now.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::anchor::{Anchor, AnchorType, Claim};
use domain::access::workloads::estimate::Estimate;
use domain::access::workloads::space::Workload;
use domain::base::calendar::{Month, Period, utc_day};
use domain::base::ids::WorkloadId;
use domain::spend::bill::attributed::{AttributedFact, AttributedMonth};
use domain::spend::bill::attribution::{AttributionLevel, Verdict};
use domain::spend::bill::reconciliation::Unreadable;
use domain::spend::card::{AdjustmentReason, DeliveredMonth, Transfer, WorkloadFact, WorkloadInputs};
use jiff::Timestamp;
use jiff::civil::Date;
use store::StoreError;
use store::spend::Head;

use crate::App;

/// The bill of some months.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bill {
    /// The months that were ingested, of those that were asked for.
    pub(crate) deliveries: BTreeMap<Month, DeliveredMonth>,
    /// Their facts, in the order of month, anchor and day.
    pub(crate) facts: Vec<AttributedFact>,
    /// What of them could not be read.
    pub(crate) unreadable: Unreadable,
    of_workload: BTreeMap<WorkloadId, Vec<usize>>,
}

impl App {
    /// Reads and attributes the bill of these months. `assumed` is applied as if its dispute were settled already.
    pub(crate) async fn read_bill(
        &self,
        months: &BTreeSet<Month>,
        assumed: Option<Transfer>,
    ) -> Result<Bill, StoreError> {
        self.read_bill_with(&self.store.list_anchors().await?, months, assumed).await
    }

    /// The same, with all anchors as they were read already.
    pub(crate) async fn read_bill_with(
        &self,
        anchors: &[Anchor],
        months: &BTreeSet<Month>,
        assumed: Option<Transfer>,
    ) -> Result<Bill, StoreError> {
        let grounds = self.store.load_grounds_with(anchors, assumed).await?;
        let mut bill = Bill::default();
        for month in months {
            let Some((head, days)) = self.spend.month_facts(*month).await? else { continue };
            bill.add(*month, &head, AttributedMonth::of(days, &grounds, &self.aliases));
        }
        Ok(bill)
    }
}

impl Bill {
    fn add(&mut self, month: Month, head: &Head, attributed: AttributedMonth) {
        let mut all_invoiced = true;
        for attributed in attributed.facts {
            all_invoiced &= attributed.fact.key.invoiced;
            if let Verdict::Workload { workload_id, .. } = attributed.verdict() {
                self.of_workload.entry(workload_id.clone()).or_default().push(self.facts.len());
            }
            self.facts.push(attributed);
        }
        let delivery = DeliveredMonth {
            as_of: head.as_of,
            complete_to: head.complete_to().unwrap_or_else(|| domain::base::calendar::previous_day(month.first_day())),
            // While the month lasts, what is invoiced is what there is so far.
            is_invoiced: all_invoiced && utc_day(head.as_of) > month.last_day(),
        };
        self.deliveries.insert(month, delivery);
        self.unreadable = self.unreadable.and(Unreadable::of(&head.control));
    }

    /// The workloads that answer for some of it.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = &WorkloadId> {
        self.of_workload.keys()
    }

    /// What a workload answers for.
    pub(crate) fn facts_of(&self, workload: &WorkloadId) -> Vec<WorkloadFact<'_>> {
        let indices = self.of_workload.get(workload).into_iter().flatten();
        let facts = indices.filter_map(|index| self.facts.get(*index)).map(|AttributedFact { fact, attribution }| {
            let level = attribution.level.unwrap_or(AttributionLevel::Workload);
            WorkloadFact { fact, model: &attribution.model, level }
        });
        facts.collect()
    }

    /// What a workload's cards are made of.
    pub(crate) fn inputs<'a>(
        &self,
        workload: &Workload,
        facts: &'a [WorkloadFact<'a>],
        estimates: &'a [Estimate],
        claims: &Claims,
        now: Timestamp,
        reason: AdjustmentReason,
    ) -> WorkloadInputs<'a> {
        WorkloadInputs {
            workload_id: workload.id.clone(),
            space_id: workload.space_id.clone(),
            due: claims.due(&workload.id, facts, self.deliveries.keys().copied(), utc_day(now)),
            claim_level: claims.level_of(&workload.id),
            deliveries: self.deliveries.clone(),
            facts,
            estimates,
            reason,
        }
    }
}

/// Who claimed what when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims(BTreeMap<WorkloadId, Vec<(Claim, AttributionLevel)>>);

impl Claims {
    /// The claims on these anchors, ended ones included.
    pub(crate) fn of(anchors: Vec<Anchor>) -> Self {
        let mut claims: BTreeMap<WorkloadId, Vec<(Claim, AttributionLevel)>> = BTreeMap::new();
        for anchor in anchors {
            let level = match anchor.anchor_type {
                AnchorType::IamRole => AttributionLevel::Workload,
                AnchorType::Workspace | AnchorType::LambdaRole => AttributionLevel::Workspace,
            };
            for claim in anchor.claims {
                claims.entry(claim.workload_id.clone()).or_default().push((claim, level));
            }
        }
        Self(claims)
    }

    /// The workloads that claim, or claimed, something.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = &WorkloadId> {
        self.0.keys()
    }

    fn level_of(&self, workload: &WorkloadId) -> AttributionLevel {
        let own = self.0.get(workload).into_iter().flatten();
        own.map(|(_, level)| *level).max().unwrap_or(AttributionLevel::Workload)
    }

    /// The periods of these months for which a workload has a card by today: those whose Monday has come, and in
    /// which it held a claim or was given spend. A run that was missed is made up for by the next one.
    pub(crate) fn due(
        &self,
        workload: &WorkloadId,
        facts: &[WorkloadFact<'_>],
        months: impl IntoIterator<Item = Month>,
        today: Date,
    ) -> Vec<Period> {
        let periods = months.into_iter().flat_map(Month::periods);
        let has_spend = |period: &Period| facts.iter().any(|f| period.contains(f.fact.key.counts_on()));
        periods
            .filter(|period| period.opens_on() <= today)
            .filter(|period| self.held_in(workload, *period) || has_spend(period))
            .collect()
    }

    fn held_in(&self, workload: &WorkloadId, period: Period) -> bool {
        self.0.get(workload).into_iter().flatten().any(|(claim, _)| period.days().any(|day| claim.holds_on(day)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn cards_are_due_from_the_first_claimed_day_on_once_their_monday_has_come() -> anyhow::Result<()> {
        let claim = |from: &str, to: Option<&str>| {
            serde_json::from_value::<Claim>(serde_json::json!({
                "id": "clm_1", "workloadId": "wkl_1", "spaceId": "spc_1", "from": from, "to": to, "claimedBy": "po",
                "claimedAt": "2026-08-10T09:00:00Z", "releasedBy": null, "releaseReason": null,
            }))
        };
        let workload: WorkloadId = "wkl_1".parse()?;
        let check = |from: &str, to: Option<&str>, today: Date, expected: &[&str]| -> anyhow::Result<()> {
            let held = vec![(claim(from, to)?, AttributionLevel::Workspace)];
            let claims = Claims([(workload.clone(), held)].into());
            let months = ["2026-07".parse::<Month>()?, "2026-08".parse()?];
            let due = claims.due(&workload, &[], months, today);
            let due: Vec<String> = due.iter().map(|p| p.from.to_string()).collect();
            assert_eq!(due, expected, "{from} {to:?} {today}");
            Ok(())
        };
        check("2026-08-10", None, date(2026, 8, 24), &["2026-08-09", "2026-08-16"])?;
        check("2026-08-10", None, date(2026, 8, 23), &["2026-08-09"])?;
        check("2026-08-10", Some("2026-08-16"), date(2026, 8, 24), &["2026-08-09"])?;
        check("2026-08-10", Some("2026-08-10"), date(2026, 8, 24), &[])?;
        check(
            "2026-06-01",
            None,
            date(2026, 8, 3),
            &["2026-07-01", "2026-07-05", "2026-07-12", "2026-07-19", "2026-07-26", "2026-08-01"],
        )?;
        check("2026-08-25", None, date(2026, 8, 31), &["2026-08-23"])?;
        assert_eq!(Claims::default().level_of(&workload), AttributionLevel::Workload);
        Ok(())
    }
}
