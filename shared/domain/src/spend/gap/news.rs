//! What the Leads are told of new gaps: those of one reading of the bill in one message. A first bill may open
//! thousands, and a message for each would be a storm that nobody reads.
//!
//! News is written with the gaps that it is about and taken back with the event that tells it: a run that dies in
//! between leaves it to the next one, and no gap is told twice.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Gap, GapKind};
use crate::base::calendar::Month;
use crate::base::ids::GapId;
use crate::base::money::{Currency, Money};

/// Gaps that a message names, the largest; the list shows the others.
const NAMED_MAX: usize = 10;

/// Characters of what a gap is about that a message shows: enough for any ARN that AWS makes, and ten of them fit an
/// event.
const LABEL_CHARS_MAX: usize = 300;

/// The gaps of a billing period that nobody was told of yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GapNews {
    /// The month of the bill.
    pub billing_period: Month,
    /// How many were opened.
    pub opened: u64,
    /// How many of them are about spend that somebody answers for, and which is in no total of gaps.
    pub findings: u64,
    /// What the others add up to; each currency apart.
    pub unanswered: BTreeMap<Currency, Decimal>,
    /// The largest of all, the largest first.
    pub largest: Vec<NamedGap>,
}

/// A gap, as a message names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamedGap {
    /// The gap.
    pub gap_id: GapId,
    /// Its kind.
    pub kind: GapKind,
    /// What it is about, for people; cut if it is very long.
    pub about: String,
    /// Its dollars when it was opened.
    pub amount: Money,
}

impl GapNews {
    /// No news of a month.
    #[must_use]
    pub const fn none(billing_period: Month) -> Self {
        Self { billing_period, opened: 0, findings: 0, unanswered: BTreeMap::new(), largest: Vec::new() }
    }

    /// The news with these gaps that were opened.
    #[must_use]
    pub fn with<'a>(mut self, opened: impl IntoIterator<Item = &'a Gap>) -> Self {
        for gap in opened {
            self.opened += 1;
            if gap.in_totals {
                *self.unanswered.entry(gap.amount.currency.clone()).or_default() += gap.amount.amount;
            } else {
                self.findings += 1;
            }
            self.largest.push(NamedGap {
                gap_id: gap.id.clone(),
                kind: gap.kind,
                about: gap.about.anchor.label().chars().take(LABEL_CHARS_MAX).collect(),
                amount: gap.amount.clone(),
            });
        }
        // Stable: what costs the same stays in the order in which it was found.
        self.largest.sort_by_key(|named| std::cmp::Reverse(named.amount.amount));
        self.largest.truncate(NAMED_MAX);
        self
    }
}
