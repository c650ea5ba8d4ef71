//! The card as it is stored and sent: figures and workflow in one flat object.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CardEntry, CardFigures, CardKind, CardState, Resolution};
use crate::calendar::Period;
use crate::ids::{CardId, SpaceId, WorkloadId};

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
