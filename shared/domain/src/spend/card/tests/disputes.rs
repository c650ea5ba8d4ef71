use super::*;
use crate::spend::bill::alias::ModelName;
use crate::spend::bill::facts::FactKey;

fn dispute(card: &SpendCard) -> Result<Outcome<SpendCard>, Failure> {
    let (po, relations) = owner()?;
    let command = Dispute { version: card.version, reason: "not ours".parse()?, line_ids: vec![] };
    Ok(decide_dispute(card, command, &po, relations, at(MONDAY)))
}

fn resolve(card: &SpendCard, by: &Actor, decision: Decision, to: Option<&str>) -> Result<Outcome<SpendCard>, Failure> {
    let target = match to {
        Some(id) => Some(ResolutionTarget { workload_id: id.parse()?, from: None }),
        None => None,
    };
    let command = Resolve { decision, target, reason: "checked".parse()? };
    Ok(decide_resolve(card, command, card.figures.clone(), by, Relations::NONE, at(MONDAY)))
}

fn changed(outcome: Outcome<SpendCard>) -> Result<SpendCard, Failure> {
    match outcome {
        Outcome::Changed(card) => Ok(card),
        other => Err(format!("{other:?}").into()),
    }
}

#[test]
fn every_state_answers_every_event() -> Tested {
    let lead = Actor::person("lead".parse()?, [Role::FinopsLead]);
    let open = open_card()?;
    let disputed = changed(dispute(&open)?)?;
    let resolved = changed(resolve(&disputed, &lead, Decision::AcceptAsIs, None)?)?;
    let approved = sign(&resolved)?;
    let (po, relations) = owner()?;
    let answer = |outcome: Outcome<SpendCard>| match outcome {
        Outcome::Changed(card) => card.state.as_str().to_owned(),
        Outcome::AlreadyDone => "already done".to_owned(),
        Outcome::Refused(refusal) => refusal.kind.as_str().to_owned(),
    };
    let mut matrix = String::new();
    for card in [&open, &disputed, &resolved, &approved] {
        let approve = |version| decide_approve(card, Approve { version, note: None }, &po, relations, at(MONDAY));
        let moved = [fact(WEEK.from, Decimal::from(11), &[])?];
        let regenerated = plan(std::slice::from_ref(card), &[WEEK], &moved, &[])?;
        let touched = regenerated.iter().any(|change| change.card().id == card.id);
        let row = [
            card.state.as_str().to_owned(),
            answer(approve(card.version)),
            answer(approve(card.version.saturating_sub(1))),
            answer(dispute(card)?),
            answer(resolve(card, &lead, Decision::AcceptAsIs, None)?),
            answer(resolve(card, &lead, Decision::ReAttribute, Some("wkl_2"))?),
            if touched { "regenerated" } else { "frozen" }.to_owned(),
        ];
        matrix.push_str(&row.join(" | "));
        matrix.push('\n');
    }
    assert_eq!(
        matrix,
        "\
open | approved | stale-version | disputed | wrong-state | wrong-state | regenerated
disputed | wrong-state | wrong-state | already-decided | resolved | disputed | regenerated
resolved | approved | stale-version | wrong-state | already done | already-decided | frozen
approved | already-decided | already done | wrong-state | wrong-state | wrong-state | frozen
"
    );
    Ok(())
}

#[test]
fn who_decided_a_dispute_does_not_sign_the_card_whatever_else_they_are() -> Tested {
    let both = Actor::person("lea".parse()?, [Role::FinopsLead, Role::ProductOwner]);
    let owner_too = Relations::NONE.with(Relation::Owner, true);
    let signs = |card: &SpendCard| match decide_approve(
        card,
        Approve { version: card.version, note: None },
        &both,
        owner_too,
        at(MONDAY),
    ) {
        Outcome::Refused(refusal) => refusal.kind.as_str(),
        _ => "signed",
    };
    let disputed = changed(dispute(&open_card()?)?)?;
    let resolved = changed(resolve(&disputed, &both, Decision::AcceptAsIs, None)?)?;
    assert_eq!(signs(&resolved), "separation-of-duties");
    let proposed = changed(resolve(&disputed, &both, Decision::ReAttribute, Some("wkl_2"))?)?;
    let job = Actor::system("spend-cards");
    let agreed = changed(settle_resolution(&proposed, true, proposed.figures.clone(), &job, at(MONDAY)))?;
    assert_eq!(signs(&agreed), "separation-of-duties", "though the other owner had the last word");
    assert!(sign(&resolved).is_ok(), "another owner does");
    Ok(())
}

#[test]
fn the_owner_signs_the_lead_decides_and_the_disputer_never_does() -> Tested {
    let open = open_card()?;
    let disputed = changed(dispute(&open)?)?;
    let (po, relations) = owner()?;
    let refused = |outcome: Outcome<SpendCard>| match outcome {
        Outcome::Refused(refusal) => refusal.kind.as_str(),
        _ => "not refused",
    };
    let both = Actor::person("po".parse()?, [Role::ProductOwner, Role::FinopsLead]);
    assert_eq!(refused(resolve(&disputed, &both, Decision::AcceptAsIs, None)?), "separation-of-duties");
    assert_eq!(refused(resolve(&disputed, &po, Decision::AcceptAsIs, None)?), "role-forbidden");
    let approve = |actor: &Actor, relations| {
        decide_approve(&open, Approve { version: 1, note: None }, actor, relations, at(MONDAY))
    };
    assert_eq!(refused(approve(&po, Relations::NONE)), "not-found");
    assert_eq!(refused(approve(&Actor::person("a".parse()?, [Role::Auditor]), relations)), "role-forbidden");
    let unknown = Dispute { version: 1, reason: "x".parse()?, line_ids: vec!["lin_none".to_owned()] };
    assert_eq!(refused(decide_dispute(&open, unknown, &po, relations, at(MONDAY))), "invalid-value");
    assert_eq!(changed(dispute(&open)?).and_then(|card| dispute_again(&card, 1))?, Outcome::AlreadyDone);
    Ok(())
}

fn dispute_again(card: &SpendCard, version: u64) -> Result<Outcome<SpendCard>, Failure> {
    let (po, relations) = owner()?;
    let command = Dispute { version, reason: "not ours".parse()?, line_ids: vec![] };
    Ok(decide_dispute(card, command, &po, relations, at(MONDAY)))
}

#[test]
fn a_re_attribution_waits_for_the_other_owners_yes() -> Tested {
    let lead = Actor::person("lead".parse()?, [Role::FinopsLead]);
    let disputed = changed(dispute(&open_card()?)?)?;
    assert!(matches!(resolve(&disputed, &lead, Decision::ReAttribute, None)?, Outcome::Refused(_)));
    assert!(matches!(resolve(&disputed, &lead, Decision::ReAttribute, Some("wkl_1"))?, Outcome::Refused(_)));
    let waiting = changed(resolve(&disputed, &lead, Decision::ReAttribute, Some("wkl_2"))?)?;
    assert_eq!(waiting.state, CardState::Disputed);
    assert_eq!(resolve(&waiting, &lead, Decision::ReAttribute, Some("wkl_2"))?, Outcome::AlreadyDone);
    let smaller = CardFigures { actual: Money::usd(Decimal::ONE), ..waiting.figures.clone() };
    let settle = |is_accepted| settle_resolution(&waiting, is_accepted, smaller.clone(), &job(), at(MONDAY));
    let declined = changed(settle(false))?;
    assert_eq!((declined.state, declined.resolution), (CardState::Disputed, None));
    let accepted = changed(settle(true))?;
    assert_eq!((accepted.state, accepted.figures.actual.amount), (CardState::Resolved, Decimal::ONE));
    assert_eq!(settle_resolution(&accepted, true, smaller, &job(), at(MONDAY)), Outcome::AlreadyDone);
    Ok(())
}

#[test]
fn a_line_that_showed_an_application_profile_stays_moved_once_its_model_is_known() -> Tested {
    let profile = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/p1";
    let fact = fact(WEEK.from, Decimal::TEN, &[("resource_id", profile)])?;
    let open = only(plan(&[], &[WEEK], std::slice::from_ref(&fact), &[])?)?;
    let line = open.figures.lines.first().ok_or("no line")?;
    assert_eq!(line.model, profile);
    let (po, relations) = owner()?;
    let command = Dispute { version: 1, reason: "not ours".parse()?, line_ids: vec![line.id.clone()] };
    let disputed = changed(decide_dispute(&open, command, &po, relations, at(MONDAY)))?;
    let gap = Transfer::wanted(&disputed, Decision::RaiseGap, None).ok_or("nothing moves")?;
    let model = ModelName::Known("amazon.nova-lite-v1:0".parse()?);
    assert!(gap.moves(&open.workload_id, &fact, &fact.key.model) && gap.moves(&open.workload_id, &fact, &model));
    let direct = Fact { key: FactKey { model: model.clone(), ..fact.key.clone() }, ..fact.clone() };
    assert!(!gap.moves(&open.workload_id, &direct, &model), "the model itself is another line");

    let both = only(plan(&[], &[WEEK], &[fact.clone(), direct.clone()], &[])?)?;
    let line = both.figures.lines.iter().find(|line| line.model != profile).ok_or("no line")?;
    let (po, relations) = owner()?;
    let command = Dispute { version: 1, reason: "not ours".parse()?, line_ids: vec![line.id.clone()] };
    let disputed = changed(decide_dispute(&both, command, &po, relations, at(MONDAY)))?;
    let gap = Transfer::wanted(&disputed, Decision::RaiseGap, None).ok_or("nothing moves")?;
    assert!(gap.moves(&both.workload_id, &direct, &model));
    assert!(!gap.moves(&both.workload_id, &fact, &model), "nobody disputed the profile's line");
    Ok(())
}

#[test]
fn what_a_dispute_moved_leaves_the_card_for_good_and_is_no_adjustment() -> Tested {
    let lead = Actor::person("lead".parse()?, [Role::FinopsLead]);
    let facts = [
        fact(WEEK.from, Decimal::from(10), &[])?,
        fact(WEEK.from, Decimal::from(4), &[("inference_type", "output tokens")])?,
    ];
    let open = only(plan(&[], &[WEEK], &facts, &[])?)?;
    let line = open.figures.lines.iter().find(|line| line.amount.amount == Decimal::from(4)).ok_or("no line")?;
    let (po, relations) = owner()?;
    let command = Dispute { version: 1, reason: "not ours".parse()?, line_ids: vec![line.id.clone()] };
    let disputed = changed(decide_dispute(&open, command, &po, relations, at(MONDAY)))?;
    assert_eq!(Transfer::of(&disputed), None, "nothing moves before it is settled");

    let gap = Transfer::wanted(&disputed, Decision::RaiseGap, None).ok_or("nothing moves")?;
    let workload = "wkl_1".parse()?;
    let left: Vec<Fact> = facts.iter().filter(|f| !gap.moves(&workload, f, &f.key.model)).cloned().collect();
    assert_eq!(left.as_slice(), facts.get(..1).ok_or("no facts")?);
    assert!(facts.iter().all(|f| !gap.moves(&WorkloadId::derived("2"), f, &f.key.model)));
    let after = CardFigures { actual: Money::usd(Decimal::from(10)), ..disputed.figures.clone() };
    let command = Resolve { decision: Decision::RaiseGap, target: None, reason: "checked".parse()? };
    let resolved = changed(decide_resolve(&disputed, command, after, &lead, Relations::NONE, at(MONDAY)))?;
    assert_eq!(Transfer::of(&resolved), Some(gap));
    assert_eq!(plan(&[resolved], &[WEEK], &left, &[])?, vec![]);

    let waiting = changed(resolve(&disputed, &lead, Decision::ReAttribute, Some("wkl_2"))?)?;
    let proposal = proposal_of(&waiting, "prp_1".parse()?, "spc_2".parse()?).ok_or("no proposal")?;
    assert!(waiting.awaits(&proposal) && Transfer::of(&waiting).is_none());
    let earlier = crate::spend::proposal::Proposal { proposed_at: at("2026-08-23T06:00:00Z"), ..proposal };
    assert!(!waiting.awaits(&earlier), "the answer to an earlier proposal settles nothing");
    Ok(())
}
