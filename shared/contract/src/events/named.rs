//! How events name the things that they are about, with what their reader needs to find and show them.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use domain::access::anchor::{AnchorRef, Claim};
use domain::access::decisions::approval::Approval;
use domain::access::decisions::request::Request;
use domain::access::drift::DriftFinding;
use domain::access::tasks::chain::Chain;
use domain::access::tasks::task::{Task, TaskKind};
use domain::access::workloads::space::Workload;
use domain::base::aws::AccountId;
use domain::base::calendar::{Month, Period};
use domain::base::ids::{ApprovalId, CardId, ClaimId, GapId, ScopeId, SpaceId, TaskId, WorkloadId};
use domain::base::money::Money;
use domain::base::text::Sub;
use domain::spend::card::SpendCard;
use domain::spend::gap::Gap;
use domain::spend::proposal::Proposal;

/// Where an event about a workload belongs: whom it is told to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The Space; its owners are told.
    pub space_id: SpaceId,
    /// The workload.
    pub workload_id: WorkloadId,
}

macro_rules! belongs {
    ($($thing:ty),+) => {$(
        impl From<&$thing> for Place {
            fn from(thing: &$thing) -> Self {
                Self { space_id: thing.space_id.clone(), workload_id: thing.workload_id.clone() }
            }
        }
    )+};
}

belongs!(Approval, Chain, Claim, DriftFinding, Proposal, SpendCard);

impl From<&Workload> for Place {
    fn from(workload: &Workload) -> Self {
        Self { space_id: workload.space_id.clone(), workload_id: workload.id.clone() }
    }
}

impl From<&Request> for Place {
    fn from(request: &Request) -> Self {
        Self { space_id: request.space_id.clone(), workload_id: request.fields.workload_id.clone() }
    }
}

/// A change of a Space's owners, as events tell it to both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnersChange {
    /// Who owned it.
    pub before: BTreeSet<Sub>,
    /// Who owns it.
    pub after: BTreeSet<Sub>,
    /// Who changed it.
    pub by: Sub,
}

/// A task, as events name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskRef {
    /// Whom the chain serves.
    #[serde(flatten)]
    pub place: Place,
    /// The approval it implements.
    pub approval_id: ApprovalId,
    /// Its scope.
    pub scope_id: ScopeId,
    /// The task.
    pub task_id: TaskId,
    /// What it is about.
    pub kind: TaskKind,
    /// In one line.
    pub title: String,
    /// The account that it is done in.
    pub account_id: AccountId,
    /// The task that became ready by this, if one did.
    pub ready: Option<TaskId>,
}

impl TaskRef {
    /// A task of a chain, and which one became ready by what happened.
    #[must_use]
    pub fn of(chain: &Chain, task: &Task, ready: Option<TaskId>) -> Self {
        Self {
            place: chain.into(),
            approval_id: chain.approval_id.clone(),
            scope_id: chain.id.clone(),
            task_id: task.id.clone(),
            kind: task.kind,
            title: task.title.clone(),
            account_id: chain.spec.account_id.clone(),
            ready,
        }
    }
}

/// A claim, as events name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimRef {
    /// Who claims.
    #[serde(flatten)]
    pub place: Place,
    /// The claim.
    pub claim_id: ClaimId,
    /// The anchor.
    pub anchor: AnchorRef,
    /// First day that is affected.
    pub from: Date,
    /// The day after the last one affected; none while it lasts.
    pub to: Option<Date>,
}

/// A spend card, as events name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CardRef {
    /// Whose card.
    #[serde(flatten)]
    pub place: Place,
    /// The card.
    pub card_id: CardId,
    /// Its period.
    pub period: Period,
    /// What was spent.
    pub actual: Money,
}

impl CardRef {
    /// A card.
    #[must_use]
    pub fn of(card: &SpendCard) -> Self {
        let (card_id, actual) = (card.id.clone(), card.figures.actual.clone());
        Self { place: card.into(), card_id, period: card.period, actual }
    }
}

/// A gap, as events name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GapRef {
    /// The gap.
    pub gap_id: GapId,
    /// Its kind, as on the wire.
    pub kind: String,
    /// The month of the bill.
    pub billing_period: Month,
    /// What it is about, for people.
    pub about: String,
    /// Its dollars.
    pub amount: Money,
    /// What was done about it, where something was.
    pub action: Option<String>,
}

impl GapRef {
    /// A gap, with what was done about it.
    #[must_use]
    pub fn of(gap: &Gap, action: Option<String>) -> Self {
        Self {
            gap_id: gap.id.clone(),
            kind: gap.kind.as_str().to_owned(),
            billing_period: gap.billing_period,
            about: gap.about.anchor.label(),
            amount: gap.amount.clone(),
            action,
        }
    }
}
