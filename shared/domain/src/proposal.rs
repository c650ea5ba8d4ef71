//! A Lead's proposal to an owner: to claim an anchor, or to take over spend that another workload disputes.
//! Nothing moves before the owner accepts.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::anchor::AnchorRef;
use crate::authorization::{Action, authorize};
use crate::ids::{CardId, GapId, ProposalId, SpaceId, WorkloadId};
use crate::outcome::Outcome;
use crate::people::Actor;
use crate::space::Space;
use crate::text::{Note, Sub};

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind", rename_all_fields = "camelCase")]
pub enum Proposed {
    /// Claim this anchor from a day on.
    Claim {
        /// The anchor.
        anchor: AnchorRef,
        /// First day.
        effective_from: Date,
        /// The gap that it would close, if it came from one.
        gap_id: Option<GapId>,
    },
    /// Take over lines of a disputed card.
    ReAttribute {
        /// The card.
        card_id: CardId,
        /// The lines, all if empty.
        line_ids: Vec<String>,
    },
}

/// Where a proposal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the three words say it")]
pub enum ProposalState {
    Proposed,
    Accepted,
    Declined,
}

impl ProposalState {
    /// Every state, the open one first.
    pub const ALL: [Self; 3] = [Self::Proposed, Self::Accepted, Self::Declined];

    /// The state's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
        }
    }
}

/// A proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Proposal {
    /// Its id.
    pub id: ProposalId,
    /// The Space of the workload.
    pub space_id: SpaceId,
    /// Who would answer for the spend.
    pub workload_id: WorkloadId,
    /// What is proposed.
    #[serde(flatten)]
    pub proposed: Proposed,
    /// Who proposed.
    pub proposed_by: Sub,
    /// When.
    pub proposed_at: Timestamp,
    /// Why.
    pub note: Note,
    /// Where it stands.
    pub state: ProposalState,
    /// Who answered.
    pub answered_by: Option<Sub>,
    /// When.
    pub answered_at: Option<Timestamp>,
}

/// Accepts or declines; only an owner of the workload's Space.
pub fn decide_answer(proposal: &Proposal, space: &Space, accept: bool, actor: &Actor, now: Timestamp) -> Outcome<Proposal> {
    let wanted = if accept { ProposalState::Accepted } else { ProposalState::Declined };
    if proposal.state == wanted && proposal.answered_by.as_ref() == Some(&actor.sub) {
        return Outcome::AlreadyDone;
    }
    match authorize(actor, Action::AnswerProposal, space.relations(actor), proposal.state.as_str()) {
        Err(refusal) => refusal.into(),
        Ok(()) => Outcome::Changed(Proposal {
            state: wanted,
            answered_by: Some(actor.sub.clone()),
            answered_at: Some(now),
            ..proposal.clone()
        }),
    }
}
