//! A Lead's proposal to an owner: to claim an anchor, or to take over spend that another workload disputes.
//! Nothing moves before the owner accepts.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::anchor::{AnchorRef, AnchorType, first_claimable_day};
use crate::authorization::{Action, Relations, authorize};
use crate::bill::anchor::SpendAnchor;
use crate::calendar::utc_day;
use crate::gap::{Gap, GapEntry};
use crate::ids::{CardId, GapId, ProposalId, SpaceId, WorkloadId};
use crate::outcome::{Outcome, Refusal, RefusalKind};
use crate::people::Actor;
use crate::space::{Space, Workload};
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

/// The anchor on the wire that spend hangs on; none for what nobody can claim: users, blank callers, unknown tags.
#[must_use]
pub fn claimable(anchor: &SpendAnchor) -> Option<AnchorRef> {
    match anchor {
        SpendAnchor::Role { role } => Some(AnchorRef { anchor_type: AnchorType::IamRole, arn: role.arn() }),
        SpendAnchor::Workspace { arn } => Some(AnchorRef { anchor_type: AnchorType::Workspace, arn: arn.to_string() }),
        _ => None,
    }
}

/// Puts to a workload's owners what a Lead did about a gap: to claim its anchor, `anchor`, from the day that the Lead
/// named or the spend began, as far back as claims reach.
pub fn decide_propose_claim(
    id: ProposalId,
    gap: &Gap,
    deed: &GapEntry,
    anchor: Option<AnchorRef>,
    workload: &Workload,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Proposal> {
    if let Err(refusal) = authorize(actor, Action::ActOnGap, Relations::NONE, gap.state.as_str()) {
        return refusal.into();
    }
    let (Some(anchor), Some(note)) = (anchor, deed.rationale.clone()) else {
        let detail = format!("`{}` cannot be claimed: it is neither a role nor a workspace", gap.about.anchor.label());
        return Refusal::new(RefusalKind::InvalidValue, detail).into();
    };
    let wanted = deed.target.as_ref().and_then(|target| target.from).unwrap_or(gap.first_seen);
    let effective_from = wanted.max(first_claimable_day(utc_day(now)));
    Outcome::Changed(Proposal {
        id,
        space_id: workload.space_id.clone(),
        workload_id: workload.id.clone(),
        proposed: Proposed::Claim { anchor, effective_from, gap_id: Some(gap.id.clone()) },
        proposed_by: deed.by.clone(),
        proposed_at: deed.at,
        note,
        state: ProposalState::Proposed,
        answered_by: None,
        answered_at: None,
    })
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
