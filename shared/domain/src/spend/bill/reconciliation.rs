//! Reconciliation: the facts' totals against the control total of a second, ungrouped query.
//!
//! `attributed + gap + excluded = cur` holds by construction, since each fact has exactly one verdict. What can
//! differ is what was read: a torn delivery, an unreadable row, a page lost. Then the run fails loudly and
//! yesterday's numbers stay.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::attribution::Verdict;
use super::facts::Fact;
use crate::base::money::Currency;

/// What the ungrouped query counted, in one currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlTotal {
    /// Cost of all rows that match the AI terms, of every line-item type.
    pub ai_cost: Decimal,
    /// How many rows those are.
    pub ai_rows: u64,
    /// Cost of every row of the delivery.
    pub all_cost: Decimal,
    /// How many rows that are.
    pub all_rows: u64,
    /// First day of usage in the delivery.
    pub first_day: Option<Date>,
    /// Last day of usage in the delivery.
    pub last_day: Option<Date>,
    /// What could not be read; of AI costs nothing, since they fail the run.
    #[serde(default)]
    pub unreadable: Unreadable,
}

/// How many rows hold a number that cannot be read and therefore is in no figure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unreadable {
    /// AI rows whose amount of usage is missing or no finite number: their cost counts, their quantity does not.
    pub amounts: u64,
    /// Rows that are no AI whose cost is missing or no finite number: the rest of the bill is shown without them.
    pub non_ai_costs: u64,
}

impl Unreadable {
    /// Of all currencies.
    #[must_use]
    pub fn of(control: &Control) -> Self {
        control.values().fold(Self::default(), |sum, total| sum.and(total.unreadable))
    }

    /// Of two parts of a bill together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            amounts: self.amounts.saturating_add(other.amounts),
            non_ai_costs: self.non_ai_costs.saturating_add(other.non_ai_costs),
        }
    }
}

/// Control totals by currency.
pub type Control = BTreeMap<Currency, ControlTotal>;

/// Where every dollar of a billing period went, in one currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpendTotals {
    /// Everything that matches the AI terms: the sum of the three below.
    pub cur: Decimal,
    /// What a workload answers for.
    pub attributed: Decimal,
    /// What nobody answers for.
    pub gap: Decimal,
    /// What is not usage.
    pub excluded: Decimal,
    /// The rest of the bill, never mixed in; from the control query.
    pub non_ai: Decimal,
    /// How many rows of the bill `cur` sums.
    pub rows: u64,
    /// What is in none of these, nor in the quantities; from the control query.
    #[serde(default)]
    pub unreadable: Unreadable,
}

impl SpendTotals {
    /// Whether the parts are the whole.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.attributed + self.gap + self.excluded == self.cur
    }

    /// Counts a fact under its verdict.
    pub fn count(&mut self, fact: &Fact, verdict: &Verdict) {
        self.cur += fact.amount;
        self.rows = self.rows.saturating_add(fact.rows);
        *match verdict {
            Verdict::Workload { .. } => &mut self.attributed,
            Verdict::Gap { .. } => &mut self.gap,
            Verdict::Excluded { .. } => &mut self.excluded,
        } += fact.amount;
    }
}

/// Totals by currency of facts with their verdicts; `non_ai` and `unreadable` come from the control query.
#[must_use]
pub fn total<'a>(
    attributed: impl IntoIterator<Item = (&'a Fact, &'a Verdict)>,
    control: &Control,
) -> BTreeMap<Currency, SpendTotals> {
    let mut totals: BTreeMap<Currency, SpendTotals> = BTreeMap::new();
    for (fact, verdict) in attributed {
        totals.entry(fact.key.currency.clone()).or_default().count(fact, verdict);
    }
    for (currency, control) in control {
        let totals = totals.entry(currency.clone()).or_default();
        totals.non_ai = control.all_cost - control.ai_cost;
        totals.unreadable = control.unreadable;
    }
    totals
}

/// What was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Cost of the AI rows.
    Cost,
    /// Number of the AI rows.
    Rows,
    /// The parts against their whole.
    Parts,
}

/// A slice in which facts and control differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{currency} {measure:?} differ: the control total is {expected}, the facts hold {found}")]
pub struct Mismatch {
    /// The currency.
    pub currency: Currency,
    /// What differs.
    pub measure: Measure,
    /// What the control query counted.
    pub expected: Decimal,
    /// What the facts hold.
    pub found: Decimal,
}

/// Compares facts with the control totals, currency by currency, to the last decimal place.
///
/// # Errors
/// Every [`Mismatch`]; none of the run's numbers may then be shown.
pub fn reconcile(totals: &BTreeMap<Currency, SpendTotals>, control: &Control) -> Result<(), Vec<Mismatch>> {
    let nothing = SpendTotals::default();
    let uncounted = ControlTotal::default();
    let currencies: std::collections::BTreeSet<&Currency> = totals.keys().chain(control.keys()).collect();
    let mut mismatches = Vec::new();
    for currency in currencies {
        let facts = totals.get(currency).unwrap_or(&nothing);
        let counted = control.get(currency).unwrap_or(&uncounted);
        let compared = [
            (Measure::Cost, counted.ai_cost, facts.cur),
            (Measure::Rows, Decimal::from(counted.ai_rows), Decimal::from(facts.rows)),
            (Measure::Parts, facts.cur, facts.attributed + facts.gap + facts.excluded),
        ];
        mismatches.extend(
            compared
                .into_iter()
                .filter(|(_, expected, found)| expected != found)
                .map(|(measure, expected, found)| Mismatch { currency: currency.clone(), measure, expected, found }),
        );
    }
    if mismatches.is_empty() { Ok(()) } else { Err(mismatches) }
}
