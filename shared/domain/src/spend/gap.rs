//! Gaps: spend nobody answers for, its states, and what is done about it.
//!
//! A gap is a finding of attribution over one billing period. Its dollars follow the bill, up and down; its state
//! follows people. The dollars of all gaps in totals are exactly the totals' `gap`: nothing is dropped to look clean.

mod advice;
mod detection;
mod kind;
mod news;
mod prefill;
#[cfg(test)]
mod tests;
mod transition;

pub use advice::{Advice, AdviceStep, advise};
pub use detection::{GapChange, detect};
pub use kind::{About, GapKind};
pub use news::{GapNews, NamedGap};
pub use prefill::{asked_model, is_asked_model, prefilled};
pub use transition::{Act, Target, asked_workload, check_asked_workload, decide_act, decide_recall, decide_resolve};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::base::calendar::Month;
use crate::base::ids::{ApprovalId, GapId, WorkloadId};
use crate::base::money::Money;
use crate::base::people::Actor;
use crate::base::text::{Note, Sub};
use crate::spend::bill::alias::ModelName;

/// Where a gap stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GapState {
    /// Found; nobody has done anything yet.
    Active,
    /// Somebody started something about it.
    Actioned,
    /// Answered for.
    Resolved,
    /// Not a gap after all.
    Recalled,
}

impl GapState {
    /// The state's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Actioned => "actioned",
            Self::Resolved => "resolved",
            Self::Recalled => "recalled",
        }
    }

    /// Whether nothing more can be done about it.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Resolved | Self::Recalled)
    }
}

/// What can be done about a gap; each action starts the thing that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "api.md's own names; GapKind::actions says which fit which kind")]
pub enum GapAction {
    RecommendDedicatedRole,
    Approve,
    Block,
    AddScope,
    MoveResource,
    RemindOwner,
    ProposeClaim,
    FixExport,
    FixTag,
}

impl GapAction {
    /// The action's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RecommendDedicatedRole => "recommend-dedicated-role",
            Self::Approve => "approve",
            Self::Block => "block",
            Self::AddScope => "add-scope",
            Self::MoveResource => "move-resource",
            Self::RemindOwner => "remind-owner",
            Self::ProposeClaim => "propose-claim",
            Self::FixExport => "fix-export",
            Self::FixTag => "fix-tag",
        }
    }
}

/// Spend nobody answers for, of one kind, in one billing period and currency, about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// Derived from kind, billing period and what it is about, so that every run finds the same one again.
    pub id: GapId,
    /// Counts changes.
    pub version: u64,
    /// Why nobody answers for it.
    pub kind: GapKind,
    /// The billing period.
    pub billing_period: Month,
    /// What it is about.
    pub about: About,
    /// Its dollars.
    pub amount: Money,
    /// Whether its dollars are in the totals' `gap`. Findings on claimed anchors show dollars that are attributed.
    pub in_totals: bool,
    /// First day of its spend.
    pub first_seen: Date,
    /// Last day of its spend.
    pub last_seen: Date,
    /// First day that it answers for, where it follows a closed gap.
    pub from: Option<Date>,
    /// Last day that it answers for, once somebody closed it.
    pub to: Option<Date>,
    /// Its spend is gone, or answered for by now: it answers for no day any more.
    pub vanished: bool,
    /// How many rows of the bill stand behind it.
    pub rows: u64,
    /// Which models were used where, the most expensive first: what a request for access would name.
    #[serde(default)]
    pub usage: Vec<GapUsage>,
    /// Where it stands.
    pub state: GapState,
    /// What is best done about it.
    pub suggested_action: GapAction,
    /// Who would answer for it, where approvals name one workload.
    pub suggested_workload: Option<WorkloadId>,
    /// The approval that created or covers the anchor, where it is one.
    pub approval_id: Option<ApprovalId>,
    /// The closed gap whose spend came back as this one.
    pub previous: Option<GapId>,
    /// Everything that was done about it, in order.
    pub history: Vec<GapEntry>,
}

/// Uses of one model in one place, as the bill shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GapUsage {
    /// The model.
    pub model: ModelName,
    /// The account of the usage, as the bill writes it.
    pub account_id: String,
    /// The region; blank on some Marketplace rows.
    pub region: String,
    /// What it cost.
    pub amount: Money,
    /// Rows of the bill behind it.
    pub rows: u64,
}

/// One thing that was done about a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GapEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Sub,
    /// The state it led to.
    pub state: GapState,
    /// The action, where there was one.
    pub action: Option<GapAction>,
    /// What the action is aimed at.
    pub target: Option<Target>,
    /// Why.
    pub rationale: Option<Note>,
    /// The gap's dollars at that moment.
    pub amount: Money,
}

impl Gap {
    /// Whether it answers for the spend of a day.
    #[must_use]
    pub fn covers(&self, day: Date) -> bool {
        !self.vanished && self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }

    fn record(&mut self, actor: &Actor, now: Timestamp, entry: Deed) {
        self.version += 1;
        self.state = entry.state;
        let Deed { state, action, target, rationale } = entry;
        let (by, amount) = (actor.sub.clone(), self.amount.clone());
        self.history.push(GapEntry { at: now, by, state, action, target, rationale, amount });
    }
}

/// What is recorded of a change, apart from who and when.
struct Deed {
    state: GapState,
    action: Option<GapAction>,
    target: Option<Target>,
    rationale: Option<Note>,
}
