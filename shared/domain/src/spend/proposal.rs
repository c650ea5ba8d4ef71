//! A Lead's proposal to an owner: to claim an anchor, to ask for access to what the bill shows is used, or to take over
//! spend that another workload disputes.
//! Nothing moves before the owner accepts.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::access::anchor::{AnchorRef, AnchorType, first_claimable_day};
use crate::access::decisions::request::RequestFields;
use crate::access::models::model::Model;
use crate::access::workloads::space::{Space, Workload};
use crate::base::authorization::{Action, Relations, authorize};
use crate::base::calendar::utc_day;
use crate::base::ids::{CardId, GapId, ProposalId, SpaceId, WorkloadId};
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::text::{Note, Sub};
use crate::spend::bill::anchor::SpendAnchor;
use crate::spend::gap::{Gap, GapEntry, prefilled};

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
    /// Ask for access to what the bill shows is used.
    Request {
        /// The request, prefilled.
        request: Box<RequestFields>,
        /// The gap that it answers for.
        gap_id: GapId,
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
///
/// # Errors
/// The refusal.
pub fn decide_propose_claim(
    id: ProposalId,
    gap: &Gap,
    deed: &GapEntry,
    anchor: Option<AnchorRef>,
    workload: &Workload,
    actor: &Actor,
    now: Timestamp,
) -> Result<Proposal, Refusal> {
    authorize(actor, Action::ActOnGap, Relations::NONE, gap.state.as_str())?;
    let (Some(anchor), Some(note)) = (anchor, deed.rationale.clone()) else {
        let detail = format!("`{}` cannot be claimed: it is neither a role nor a workspace", gap.about.anchor.label());
        return Err(Refusal::new(RefusalKind::InvalidValue, detail));
    };
    let wanted = deed.target.as_ref().and_then(|target| target.from).unwrap_or(gap.first_seen);
    let effective_from = wanted.max(first_claimable_day(utc_day(now)));
    let proposed = Proposed::Claim { anchor, effective_from, gap_id: Some(gap.id.clone()) };
    Ok(proposal(id, proposed, deed, note, workload))
}

/// Puts to a workload's owners the request that a Lead's action on a gap asks them to make: prefilled with what the
/// bill shows, of this model if the catalog has it.
///
/// # Errors
/// The refusal.
pub fn decide_propose_request(
    id: ProposalId,
    gap: &Gap,
    deed: &GapEntry,
    workload: &Workload,
    model: Option<&Model>,
    actor: &Actor,
) -> Result<Proposal, Refusal> {
    authorize(actor, Action::ActOnGap, Relations::NONE, gap.state.as_str())?;
    let request = prefilled(gap, deed, workload, model);
    let (Some(request), Some(note)) = (request, deed.rationale.clone()) else {
        let detail = format!("`{}` is of no platform that access can be asked for", gap.about.anchor.label());
        return Err(Refusal::new(RefusalKind::InvalidValue, detail));
    };
    let proposed = Proposed::Request { request: Box::new(request), gap_id: gap.id.clone() };
    Ok(proposal(id, proposed, deed, note, workload))
}

fn proposal(id: ProposalId, proposed: Proposed, deed: &GapEntry, note: Note, workload: &Workload) -> Proposal {
    Proposal {
        id,
        space_id: workload.space_id.clone(),
        workload_id: workload.id.clone(),
        proposed,
        proposed_by: deed.by.clone(),
        proposed_at: deed.at,
        note,
        state: ProposalState::Proposed,
        answered_by: None,
        answered_at: None,
    }
}

/// What an owner says to a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProposalAnswer {
    /// Yes: what it proposes is done.
    Accept,
    /// No.
    Decline,
}

/// Accepts or declines; only an owner of the workload's Space.
pub fn decide_answer(
    proposal: &Proposal,
    space: &Space,
    answer: ProposalAnswer,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Proposal> {
    let wanted = match answer {
        ProposalAnswer::Accept => ProposalState::Accepted,
        ProposalAnswer::Decline => ProposalState::Declined,
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::anchor::{Anchor, decide_claim_proposed};
    use crate::base::people::Role;
    use serde_json::json;

    type Failed = Box<dyn std::error::Error>;

    const ROLE: &str = "arn:aws:iam::111122223333:role/report-bot";
    const WORKSPACE: &str = "arn:aws:aws-external-anthropic:us-west-2:111122223333:workspace/wrkspc_01Ab";

    fn workload(id: &str) -> Result<Workload, Failed> {
        let case = json!({"valueType": "cost-saving", "annualBaseline": {"amount": "1", "currency": "USD"},
            "targetPercent": "1"});
        Ok(serde_json::from_value(json!({
            "id": id, "spaceId": "spc_1", "name": "bot", "runtime": "lambda", "useCase": "operations-ai",
            "businessCase": case,
            "state": "active",
        }))?)
    }

    fn gap(anchor: &SpendAnchor, state: &str, from: Option<&str>) -> Result<Gap, Failed> {
        let usd = json!({"amount": "12.40", "currency": "USD"});
        let deed = json!({
            "at": "2026-08-24T09:00:00Z", "by": "lead", "state": "actioned", "action": "propose-claim", "amount": usd,
            "target": {"workloadId": "wkl_1", "from": from}, "rationale": "part of checkout",
        });
        Ok(serde_json::from_value(json!({
            "id": "gap_1", "version": 1, "kind": "unclaimed", "billingPeriod": "2026-08", "amount": usd,
            "inTotals": true,
            "about": {"anchor": anchor, "platform": null, "model": null, "accountId": null, "region": null},
            "firstSeen": "2026-08-03", "lastSeen": "2026-08-04", "from": null, "to": null, "vanished": false, "rows": 1,
            "state": state, "suggestedAction": "propose-claim", "suggestedWorkload": null, "approvalId": null,
            "previous": null, "history": [deed],
        }))?)
    }

    fn spend_of(arn: &str) -> Option<SpendAnchor> {
        let role = crate::base::aws::RoleRef::parse_arn(arn).map(SpendAnchor::role);
        role.or_else(|| crate::base::aws::WorkspaceArn::parse(arn).map(SpendAnchor::workspace))
    }

    #[test]
    fn a_claim_is_proposed_from_the_first_day_that_claims_reach_and_never_for_a_closed_gap() -> Result<(), Failed> {
        let (job, now) = (Actor::system("spaces"), "2026-08-24T10:00:00Z".parse()?);
        let check = |anchor: SpendAnchor,
                     state: &str,
                     from: Option<&str>|
         -> Result<Result<String, RefusalKind>, Failed> {
            let gap = gap(&anchor, state, from)?;
            let deed = gap.history.first().ok_or("no deed")?;
            let proposed =
                decide_propose_claim("prp_1".parse()?, &gap, deed, claimable(&anchor), &workload("wkl_1")?, &job, now);
            match proposed {
                Ok(Proposal { proposed: Proposed::Claim { effective_from, .. }, .. }) => {
                    Ok(Ok(effective_from.to_string()))
                }
                Err(refusal) => Ok(Err(refusal.kind)),
                other => Err(format!("{other:?}").into()),
            }
        };
        for arn in [ROLE, WORKSPACE] {
            let anchor = || spend_of(arn).ok_or("no anchor");
            assert_eq!(check(anchor()?, "actioned", None)?, Ok("2026-08-03".to_owned()));
            assert_eq!(check(anchor()?, "actioned", Some("2026-08-10"))?, Ok("2026-08-10".to_owned()));
            assert_eq!(check(anchor()?, "actioned", Some("2026-05-01"))?, Ok("2026-07-01".to_owned()));
            assert_eq!(check(anchor()?, "resolved", None)?, Err(RefusalKind::WrongState));
        }
        let nobody = SpendAnchor::NoPrincipal { account_id: "111122223333".to_owned() };
        assert_eq!(check(nobody, "actioned", None)?, Err(RefusalKind::InvalidValue));
        Ok(())
    }

    #[test]
    fn an_accepted_claim_takes_any_anchor_that_is_free_and_none_that_serves_another() -> Result<(), Failed> {
        let now: Timestamp = "2026-08-24T10:00:00Z".parse()?;
        let space: Space = serde_json::from_value(json!({"id": "spc_1", "name": "s", "owners": ["po"]}))?;
        let owner = Actor::person("po".parse()?, [Role::ProductOwner]);
        let from = utc_day(now);
        for arn in [ROLE, WORKSPACE] {
            let wanted = spend_of(arn).as_ref().and_then(claimable).ok_or("not claimable")?;
            let found = Anchor::found_in_bill(wanted.named()?.key_in_bill()?, &wanted, &workload("wkl_1")?);
            assert_eq!(found.reference(), Some(wanted));
            let claim = |anchor: &Anchor, id: &str, workload: &Workload| -> Result<_, Failed> {
                Ok(decide_claim_proposed(anchor, id.parse()?, workload, &space, from, &owner, now))
            };
            let Outcome::Changed((anchor, _)) = claim(&found, "clm_1", &workload("wkl_1")?)? else {
                return Err(arn.into());
            };
            assert_eq!(claim(&anchor, "clm_2", &workload("wkl_1")?)?, Outcome::AlreadyDone);
            let other = claim(&anchor, "clm_3", &workload("wkl_2")?)?;
            assert!(matches!(other, Outcome::Refused(refusal) if refusal.kind == RefusalKind::AnchorTaken));
            let passed_on = claim(&found, "clm_4", &workload("wkl_2")?)?;
            assert!(matches!(passed_on, Outcome::Changed((anchor, _)) if anchor.workload_id.as_str() == "wkl_2"));
        }
        for (anchor_type, arn) in
            [(AnchorType::IamRole, WORKSPACE), (AnchorType::Workspace, ROLE), (AnchorType::LambdaRole, "x")]
        {
            let named = AnchorRef { anchor_type, arn: arn.to_owned() }.named();
            assert_eq!(named.map_err(|refusal| refusal.kind), Err(RefusalKind::InvalidValue));
        }
        Ok(())
    }
}
