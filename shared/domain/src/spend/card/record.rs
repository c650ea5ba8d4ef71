//! The card as it is stored and sent: figures and workflow in one flat object.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{CardEntry, CardFigures, CardKind, CardState};
use crate::base::calendar::Period;
use crate::base::ids::{CardId, SpaceId, WorkloadId};
use crate::base::text::{Note, Sub};

/// A spend card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpendCard {
    /// Derived from period, kind and workload: there is one of each, and a repeated run finds it again.
    pub id: CardId,
    /// Counts changes of figures and state. A signature names the version that it signs.
    pub version: u64,
    /// What it is about.
    pub kind: CardKind,
    /// The workload.
    pub workload_id: WorkloadId,
    /// The workload's Space.
    pub space_id: SpaceId,
    /// The period; for an adjustment the one that was restated.
    pub period: Period,
    /// Whether all its rows are invoiced.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// The delivery that its figures come from.
    pub as_of: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub figures: CardFigures,
    /// Where it stands.
    pub state: CardState,
    /// What a Lead decided about the dispute.
    pub resolution: Option<Resolution>,
    /// What people did, in order.
    pub history: Vec<CardEntry>,
}

/// What a Lead may decide about a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The figures stand.
    AcceptAsIs,
    /// Another workload answers for the spend, once its owner agrees.
    ReAttribute,
    /// Nobody answers for it yet.
    RaiseGap,
    /// The estimate was wrong; its owner has set another.
    CorrectEstimate,
}

impl Decision {
    /// The decision's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AcceptAsIs => "accept-as-is",
            Self::ReAttribute => "re-attribute",
            Self::RaiseGap => "raise-gap",
            Self::CorrectEstimate => "correct-estimate",
        }
    }
}

/// To whom spend goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolutionTarget {
    /// The workload.
    pub workload_id: WorkloadId,
    /// From which day on; from the card's first day if left out.
    #[serde(default)]
    pub from: Option<Date>,
}

/// A decision, as the card keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    /// What.
    pub decision: Decision,
    /// To whom.
    pub target: Option<ResolutionTarget>,
    /// Why.
    pub reason: Note,
    /// Who decided.
    pub by: Sub,
    /// When.
    pub at: Timestamp,
    /// Whether the other owner has still to agree; until then the card stays disputed.
    pub awaits_owner: bool,
}
