//! Spend cards: what a workload spent in a period, against its estimate, for its owner to sign.
//!
//! `Open → Approved`, or `Open → Disputed → Resolved → Approved`. Figures of open and disputed cards follow the bill;
//! resolved and approved ones are frozen, and what the bill restates later appears as an adjustment elsewhere. An
//! approved card never changes but for the flag `final`, which says that its rows are invoiced.

mod adjustment;
mod figures;
mod plan;
mod record;
#[cfg(test)]
mod tests;
mod transfer;
mod transition;
mod variance;

pub use figures::{Adjustment, AdjustmentReason, CardFigures, CardLine, CcuFigures, Trend, WorkloadFact};
pub use plan::{CardChange, DeliveredMonth, WorkloadInputs, plan_cards, plan_figures};
pub use record::{Decision, Resolution, ResolutionTarget, SpendCard};
pub use transfer::{Transfer, proposal_of};
pub use transition::{Approve, Dispute, Resolve, decide_approve, decide_dispute, decide_resolve, settle_resolution};
pub use variance::{Band, Variance};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::calendar::Period;
use crate::base::ids::{CardId, WorkloadId};
use crate::base::people::Actor;
use crate::base::text::{Note, Sub};

/// What a card is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CardKind {
    /// A period's spend.
    Period,
    /// What the bill restated of a signed period, where no open card could carry it.
    Adjustment,
}

impl CardKind {
    /// The kind's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Period => "period",
            Self::Adjustment => "adjustment",
        }
    }
}

/// Where a card stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CardState {
    /// Waits for its owner.
    Open,
    /// Its owner disagrees; a Lead decides.
    Disputed,
    /// A Lead decided; waits for its owner's signature.
    Resolved,
    /// Signed.
    Approved,
}

impl CardState {
    /// The state's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Disputed => "disputed",
            Self::Resolved => "resolved",
            Self::Approved => "approved",
        }
    }

    /// Whether the figures no longer follow the bill.
    #[must_use]
    pub const fn is_frozen(self) -> bool {
        matches!(self, Self::Resolved | Self::Approved)
    }
}

/// Something done to a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CardEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Sub,
    /// The state it led to.
    pub state: CardState,
    /// The version that they looked at.
    pub on_version: u64,
    /// What they said.
    pub note: Option<Note>,
    /// Which lines they named.
    #[serde(default)]
    pub line_ids: Vec<String>,
    /// What was decided, at a resolution.
    pub decision: Option<Decision>,
}

impl SpendCard {
    /// The id of a workload's card of a kind for a period; ids sort by period.
    #[must_use]
    pub fn id_of(kind: CardKind, period: Period, workload: &WorkloadId) -> CardId {
        CardId::derived(&format!("{}.{}.{}", period.from, kind.as_str(), workload.suffix()))
    }

    /// Who disputed it, if its last dispute is not settled by a signature.
    #[must_use]
    pub fn disputer(&self) -> Option<&Sub> {
        self.history.iter().rev().find(|entry| entry.state == CardState::Disputed).map(|entry| &entry.by)
    }

    fn enter(&self, state: CardState, actor: &Actor, now: Timestamp, entry: Words) -> Self {
        let mut next = self.clone();
        let Words { note, line_ids, decision } = entry;
        next.history.push(CardEntry {
            at: now,
            by: actor.sub.clone(),
            state,
            on_version: self.version,
            note,
            line_ids,
            decision,
        });
        next.state = state;
        next.version += 1;
        next
    }
}

/// What is recorded of a step, apart from who, when and whereto.
#[derive(Default)]
struct Words {
    note: Option<Note>,
    line_ids: Vec<String>,
    decision: Option<Decision>,
}
