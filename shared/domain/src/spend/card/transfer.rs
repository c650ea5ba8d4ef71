//! Transfers: spend that a settled dispute takes off a card, to another workload or to nobody.
//!
//! A claim says who answers for an anchor; a transfer is finer: disputed lines of one card. It follows from the frozen
//! card and from nothing else, so that every later run of attribution moves the same spend again.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::figures::line_id_of;
use super::{CardKind, CardState, Decision, ResolutionTarget, SpendCard};
use crate::base::calendar::Period;
use crate::base::ids::{CardId, ProposalId, SpaceId, WorkloadId};
use crate::spend::bill::alias::ModelName;
use crate::spend::bill::facts::Fact;
use crate::spend::proposal::{Proposal, ProposalState, Proposed};

/// Spend that leaves a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// The card.
    pub card_id: CardId,
    /// Whose card.
    pub workload_id: WorkloadId,
    /// The card's period.
    pub period: Period,
    /// First day of the period that is affected.
    pub from: Date,
    /// The lines; all if empty.
    pub line_ids: Vec<String>,
    /// The other lines that the card shows: none of them moves.
    #[serde(default)]
    pub spared_line_ids: Vec<String>,
    /// Who answers for the spend instead; nobody where a gap is raised.
    pub to: Option<WorkloadId>,
}

impl Transfer {
    /// What a decision about a disputed card moves, if it moves anything.
    #[must_use]
    pub fn wanted(card: &SpendCard, decision: Decision, target: Option<&ResolutionTarget>) -> Option<Self> {
        let to = match decision {
            Decision::ReAttribute => Some(target?.workload_id.clone()),
            Decision::RaiseGap => None,
            Decision::AcceptAsIs | Decision::CorrectEstimate => return None,
        };
        let first_day = target.and_then(|t| t.from).map_or(card.period.from, |from| from.max(card.period.from));
        let line_ids = card.disputed_lines();
        let other_ids = card.figures.lines.iter().map(|line| &line.id).filter(|id| !line_ids.contains(id));
        (card.kind == CardKind::Period).then(|| Self {
            card_id: card.id.clone(),
            workload_id: card.workload_id.clone(),
            period: card.period,
            from: first_day,
            line_ids: line_ids.to_vec(),
            spared_line_ids: other_ids.cloned().collect(),
            to,
        })
    }

    /// What the card's settled dispute moved.
    #[must_use]
    pub fn of(card: &SpendCard) -> Option<Self> {
        let settled = card.resolution.as_ref().filter(|r| card.state.is_frozen() && !r.awaits_owner)?;
        Self::wanted(card, settled.decision, settled.target.as_ref())
    }

    /// Whether it moves a fact that this workload would answer for. Where the card showed an application profile,
    /// before it was known which model that stands for, that line decides, and not the model's.
    #[must_use]
    pub fn moves(&self, workload: &WorkloadId, fact: &Fact, model: &ModelName) -> bool {
        let day = fact.key.counts_on();
        let is_named = || {
            let (as_billed, as_known) = (line_id_of(fact, &fact.key.model), line_id_of(fact, model));
            self.line_ids.contains(&as_billed)
                || (self.line_ids.contains(&as_known) && !self.spared_line_ids.contains(&as_billed))
        };
        self.workload_id == *workload
            && self.from <= day
            && self.period.contains(day)
            && (self.line_ids.is_empty() || is_named())
    }
}

/// What the owners of the target's Space are asked while a re-attribution of the card waits for them.
#[must_use]
pub fn proposal_of(card: &SpendCard, id: ProposalId, target_space: SpaceId) -> Option<Proposal> {
    let waiting = card.resolution.as_ref().filter(|r| r.awaits_owner)?;
    Some(Proposal {
        id,
        space_id: target_space,
        workload_id: waiting.target.as_ref()?.workload_id.clone(),
        proposed: Proposed::ReAttribute { card_id: card.id.clone(), line_ids: card.disputed_lines().to_vec() },
        proposed_by: waiting.by.clone(),
        proposed_at: waiting.at,
        note: waiting.reason.clone(),
        state: ProposalState::Proposed,
        answered_by: None,
        answered_at: None,
    })
}

impl SpendCard {
    /// Whether it is this proposal's answer that the card waits for, and not that of one before it.
    #[must_use]
    pub fn awaits(&self, proposal: &Proposal) -> bool {
        let is_it = |target: &ResolutionTarget| target.workload_id == proposal.workload_id;
        self.resolution
            .as_ref()
            .is_some_and(|r| r.awaits_owner && r.at == proposal.proposed_at && r.target.as_ref().is_some_and(is_it))
    }

    /// The lines that the last dispute named; none means the card as a whole.
    fn disputed_lines(&self) -> &[String] {
        let last = self.history.iter().rev().find(|entry| entry.state == CardState::Disputed);
        last.map_or(&[], |entry| &entry.line_ids)
    }
}
