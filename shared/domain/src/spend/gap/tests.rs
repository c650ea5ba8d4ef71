use jiff::civil::date;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::access::workloads::space::Workload;
use crate::base::aws::RoleRef;
use crate::base::outcome::Outcome;
use crate::base::people::Role;
use crate::spend::bill::anchor::SpendAnchor;
use crate::spend::bill::attribution::{Attribution, ClaimDays, Context, Governance, Verdict, attribute_fact};
use crate::spend::bill::facts::{Fact, merge, read_group};
use crate::spend::bill::line::samples::{aliases, group};
use crate::spend::bill::settings::BillSettings;

type Failure = Box<dyn std::error::Error>;
type Tested = Result<(), Failure>;

const APP: &str = "arn:aws:iam::111122223333:role/app";

fn now() -> Timestamp {
    "2026-08-24T02:00:00Z".parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

fn month() -> Month {
    Month::of(date(2026, 8, 1))
}

fn spend(day: u32, cost: i64, principal: &str) -> Result<Fact, Failure> {
    let (day, cost) = (format!("2026-08-{day:02}"), Decimal::new(cost, 2).to_string());
    let set = [
        ("usage_day", day.as_str()),
        ("cost", cost.as_str()),
        ("principal", principal),
        ("product_code", "AmazonBedrock"),
    ];
    Ok(read_group(&group(&set)?, &BillSettings::default(), aliases()?).fact)
}

fn attribute_all(facts: &[Fact], governance: &Governance) -> Result<Vec<Attribution>, Failure> {
    let settings = BillSettings::default();
    let context = Context { settings: &settings, aliases: aliases()?, governance };
    Ok(facts.iter().map(|fact| attribute_fact(fact, &context)).collect())
}

fn run(facts: &[Fact], governance: &Governance, gaps: &mut Vec<Gap>) -> Result<Vec<GapChange>, Failure> {
    let attributions = attribute_all(facts, governance)?;
    let changes = detect(month(), facts.iter().zip(&attributions), gaps, &Actor::system("cur-ingestion"), now());
    for change in &changes {
        gaps.retain(|gap| gap.id != change.gap().id);
        gaps.push(change.gap().clone());
    }
    Ok(changes)
}

fn summary(changes: &[GapChange]) -> Vec<String> {
    let line = |change: &GapChange| {
        let did = match change {
            GapChange::Opened(_) => "opened",
            GapChange::Moved(_) => "moved",
            GapChange::Closed(_) => "closed",
        };
        let gap = change.gap();
        format!("{did} {} {} {} {}", gap.kind.as_str(), gap.amount.amount, gap.state.as_str(), gap.last_seen)
    };
    changes.iter().map(line).collect()
}

fn lead() -> Result<Actor, Failure> {
    Ok(Actor::person("lead".parse()?, [Role::FinopsLead]))
}

fn act(action: GapAction) -> Result<Act, Failure> {
    let target = Some(Target { workload_id: Some("wkl_1".parse()?), ..Target::default() });
    Ok(Act { action, target, rationale: "seen".parse()? })
}

fn changed(outcome: Outcome<Gap>) -> Result<Gap, Failure> {
    match outcome {
        Outcome::Changed(gap) => Ok(gap),
        other => Err(format!("{other:?}").into()),
    }
}

fn claimed_from(day: jiff::civil::Date) -> Result<Governance, Failure> {
    let mut governance = Governance::default();
    let claim = ClaimDays { claim_id: "clm_1".parse()?, workload_id: "wkl_1".parse()?, from: day, to: None };
    governance.add_claim(SpendAnchor::role(RoleRef::parse_arn(APP).ok_or("role")?), claim);
    Ok(governance)
}

#[test]
fn a_gap_opens_once_follows_the_bill_and_closes_when_its_spend_is_gone() -> Tested {
    let (nobody, mut gaps) = (Governance::default(), Vec::new());
    let first = [spend(3, 500, APP)?];
    assert_eq!(summary(&run(&first, &nobody, &mut gaps)?), ["opened not-business-approved 5 active 2026-08-03"]);
    assert_eq!(run(&first, &nobody, &mut gaps)?, vec![], "the same delivery changes nothing");
    let more = [spend(3, 500, APP)?, spend(9, 250, APP)?];
    assert_eq!(summary(&run(&more, &nobody, &mut gaps)?), ["moved not-business-approved 7.5 active 2026-08-09"]);
    assert_eq!(summary(&run(&[], &nobody, &mut gaps)?), ["closed not-business-approved 0 recalled 2026-08-09"]);
    assert_eq!(run(&[], &nobody, &mut gaps)?, vec![]);
    let again = run(&first, &nobody, &mut gaps)?;
    assert_eq!(summary(&again), ["opened not-business-approved 5 active 2026-08-03"]);
    assert_eq!(again.first().and_then(|c| c.gap().previous.clone()).as_ref(), gaps.first().map(|g| &g.id));
    Ok(())
}

#[test]
fn a_gap_suggests_only_what_all_of_its_spend_suggests() -> Tested {
    let facts = [spend(3, 500, APP)?, spend(9, 250, APP)?];
    let attributions = attribute_all(&facts, &Governance::default())?;
    let suggested = |workloads: [Option<&str>; 2]| -> Result<Option<String>, Failure> {
        let mut attributions = attributions.clone();
        for (attribution, workload) in attributions.iter_mut().zip(workloads) {
            attribution.suggested_workload = workload.map(str::parse).transpose()?;
        }
        let changes = detect(month(), facts.iter().zip(&attributions), &[], &Actor::system("cur-ingestion"), now());
        Ok(changes.first().and_then(|change| change.gap().suggested_workload.clone()).map(String::from))
    };
    assert_eq!(suggested([Some("wkl_1"), Some("wkl_1")])?.as_deref(), Some("wkl_1"));
    assert_eq!(suggested([Some("wkl_1"), Some("wkl_2")])?, None);
    assert_eq!(suggested([None, Some("wkl_2")])?, None);
    Ok(())
}

#[test]
fn a_claim_resolves_the_gap_and_shows_what_was_never_approved_outside_the_totals() -> Tested {
    let mut gaps = Vec::new();
    let facts = [spend(3, 500, APP)?];
    run(&facts, &Governance::default(), &mut gaps)?;
    let changes = run(&facts, &claimed_from(date(2026, 8, 1))?, &mut gaps)?;
    assert_eq!(
        summary(&changes),
        ["closed not-business-approved 0 resolved 2026-08-03", "opened not-business-approved 5 active 2026-08-03",]
    );
    let shown: Vec<bool> = gaps.iter().filter(|gap| !gap.state.is_closed()).map(|gap| gap.in_totals).collect();
    assert_eq!(shown, [false]);
    Ok(())
}

#[test]
fn spend_that_returns_after_resolution_is_a_new_gap_that_names_the_old() -> Tested {
    let (nobody, mut gaps) = (Governance::default(), Vec::new());
    run(&[spend(3, 500, APP)?], &nobody, &mut gaps)?;
    let old = gaps.pop().ok_or("a gap")?;
    let acted = changed(decide_act(&old, act(GapAction::Approve)?, &lead()?, now()))?;
    let resolved = changed(decide_resolve(&acted, "approved now".parse()?, &lead()?, now()))?;
    let mut gaps = vec![resolved.clone()];
    assert_eq!(run(&[spend(3, 500, APP)?], &nobody, &mut gaps)?, vec![], "its own days stay its own");
    let changes = run(&[spend(3, 400, APP)?, spend(12, 100, APP)?], &nobody, &mut gaps)?;
    assert_eq!(
        summary(&changes),
        ["moved not-business-approved 4 resolved 2026-08-03", "opened not-business-approved 1 active 2026-08-12",]
    );
    assert_eq!(changes.last().and_then(|c| c.gap().previous.clone()), Some(resolved.id));
    Ok(())
}

#[test]
fn a_gap_that_was_acted_on_as_often_as_may_be_says_so_and_can_be_closed() -> Tested {
    let mut gaps = Vec::new();
    run(&[spend(3, 500, APP)?], &Governance::default(), &mut gaps)?;
    let mut gap = gaps.pop().ok_or("a gap")?;
    let again =
        |number: usize| Ok::<_, Failure>(Act { rationale: number.to_string().parse()?, ..act(GapAction::Approve)? });
    for number in gap.history.len()..30 {
        gap = changed(decide_act(&gap, again(number)?, &lead()?, now()))?;
    }
    let Outcome::Refused(refusal) = decide_act(&gap, again(30)?, &lead()?, now()) else {
        return Err("it has room".into());
    };
    assert_eq!(refusal.kind.as_str(), "limit-exceeded");
    assert!(refusal.detail.contains("30 times"));
    assert_eq!(decide_act(&gap, again(29)?, &lead()?, now()), Outcome::AlreadyDone, "a repeat is answered still");
    changed(decide_resolve(&gap, "done".parse()?, &lead()?, now())).map(drop)
}

#[test]
fn every_state_answers_every_event() -> Tested {
    let mut gaps = Vec::new();
    run(&[spend(3, 500, APP)?], &Governance::default(), &mut gaps)?;
    let active = gaps.pop().ok_or("a gap")?;
    let actioned = changed(decide_act(&active, act(GapAction::Approve)?, &lead()?, now()))?;
    let resolved = changed(decide_resolve(&actioned, "done".parse()?, &lead()?, now()))?;
    let recalled = changed(decide_recall(&actioned, "done".parse()?, &lead()?, now()))?;
    let answer = |outcome: Outcome<Gap>| match outcome {
        Outcome::Changed(gap) => gap.state.as_str(),
        Outcome::AlreadyDone => "already done",
        Outcome::Refused(refusal) => refusal.kind.as_str(),
    };
    let other = Actor::person("other".parse()?, [Role::FinopsLead]);
    let mut matrix = String::new();
    for gap in [&active, &actioned, &resolved, &recalled] {
        let row = [
            gap.state.as_str(),
            answer(decide_act(gap, act(GapAction::Approve)?, &lead()?, now())),
            answer(decide_act(gap, act(GapAction::Approve)?, &other, now())),
            answer(decide_act(gap, act(GapAction::RecommendDedicatedRole)?, &other, now())),
            answer(decide_resolve(gap, "done".parse()?, &lead()?, now())),
            answer(decide_resolve(gap, "done".parse()?, &other, now())),
            answer(decide_recall(gap, "done".parse()?, &lead()?, now())),
        ];
        matrix.push_str(&row.join(" | "));
        matrix.push('\n');
    }
    assert_eq!(
        matrix,
        "\
active | actioned | actioned | actioned | wrong-state | wrong-state | recalled
actioned | already done | already-decided | actioned | resolved | resolved | recalled
resolved | wrong-state | wrong-state | wrong-state | already done | already-decided | wrong-state
recalled | wrong-state | wrong-state | wrong-state | wrong-state | wrong-state | already done
"
    );
    let refused = |outcome: Outcome<Gap>| answer(outcome);
    // One that does not fit, and those that need somebody to ask, or a model, which neither the gap nor the Lead names.
    for action in [GapAction::FixTag, GapAction::ProposeClaim, GapAction::Approve, GapAction::Block] {
        let bare = Act { target: None, ..act(action)? };
        assert_eq!(refused(decide_act(&active, bare, &lead()?, now())), "invalid-value", "{action:?}");
    }
    let proposed = act(GapAction::Approve)?;
    let asked = asked_workload(&active, proposed.action, proposed.target.as_ref()).ok_or("a workload")?;
    let workload = |state: &str| -> Result<Workload, Failure> {
        Ok(serde_json::from_value(serde_json::json!({
            "id": "wkl_1", "spaceId": "spc_1", "name": "bot", "runtime": "lambda", "useCase": "operations-ai",
            "state": state,
            "businessCase": {"valueType": "cost-saving", "annualBaseline": {"amount": "1", "currency": "USD"},
            "targetPercent": "1"},
        }))?)
    };
    assert_eq!(check_asked_workload(asked, Some(&workload("active")?)), Ok(()));
    for (found, why) in [(None, "does not exist"), (Some(workload("retired")?), "is retired")] {
        let detail =
            check_asked_workload(asked, found.as_ref()).err().map(|refusal| refusal.detail).unwrap_or_default();
        assert!(detail.contains(why) && detail.contains("target.workloadId"), "{detail}");
    }
    let auditor = Actor::person("a".parse()?, [Role::Auditor]);
    assert_eq!(refused(decide_recall(&active, "x".parse()?, &auditor, now())), "role-forbidden");
    Ok(())
}

/// What happens between two runs of the detection.
#[derive(Debug, Clone, Copy)]
enum Step {
    Nothing,
    Act,
    Resolve,
    Recall,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the bill says next and whatever people do between: the gaps hold exactly the dollars nobody answers
    /// for.
    #[test]
    fn the_gaps_in_totals_hold_exactly_the_gap_dollars(
        rounds in prop::collection::vec((
            prop::collection::vec((1_u32..29, -500_i64..5000, prop::sample::select(&[APP, "", "arn:aws:iam::111122223333:role/AdministratorAccess"][..])), 0..8),
            prop::option::of(1_i8..29),
            prop::sample::select(&[Step::Nothing, Step::Act, Step::Resolve, Step::Recall][..]),
        ), 1..6),
    ) {
        let failed = |e: Failure| TestCaseError::fail(e.to_string());
        let mut gaps: Vec<Gap> = Vec::new();
        for (rows, claim, step) in rounds {
            let facts: Result<Vec<Fact>, Failure> = rows.into_iter().map(|(day, cost, who)| spend(day, cost, who)).collect();
            let facts = merge(facts.map_err(failed)?);
            let governance = claim.map_or_else(|| Ok(Governance::default()), |day| claimed_from(date(2026, 8, day))).map_err(failed)?;
            run(&facts, &governance, &mut gaps).map_err(failed)?;
            prop_assert_eq!(run(&facts, &governance, &mut gaps).map_err(failed)?, vec![]);
            let attributions = attribute_all(&facts, &governance).map_err(failed)?;
            let unanswered: Decimal = facts.iter().zip(&attributions)
                .filter(|(_, a)| matches!(a.verdict, Verdict::Gap { .. })).map(|(f, _)| f.amount).sum();
            prop_assert_eq!(gaps.iter().filter(|g| g.in_totals).map(|g| g.amount.amount).sum::<Decimal>(), unanswered);
            for gap in &mut gaps {
                let outcome = match step {
                    Step::Nothing => Outcome::AlreadyDone,
                    Step::Act => decide_act(gap, act(gap.suggested_action).map_err(failed)?, &lead().map_err(failed)?, now()),
                    Step::Resolve => decide_resolve(gap, "r".parse().map_err(|_| TestCaseError::fail("note"))?, &lead().map_err(failed)?, now()),
                    Step::Recall => decide_recall(gap, "r".parse().map_err(|_| TestCaseError::fail("note"))?, &lead().map_err(failed)?, now()),
                };
                if let Outcome::Changed(next) = outcome {
                    *gap = next;
                }
            }
        }
    }
}

#[test]
fn news_add_up_by_currency_count_findings_apart_and_name_the_largest() -> Tested {
    let mut gaps = Vec::new();
    let facts: Vec<Fact> = (1..=12).map(|n| spend(n, i64::from(n), &format!("{APP}-{n}"))).collect::<Result<_, _>>()?;
    run(&facts, &Governance::default(), &mut gaps)?;
    let Some((last, rest)) = gaps.split_last() else { return Err("gaps were opened".into()) };
    let finding = Gap { in_totals: false, ..last.clone() };
    let all = GapNews::none(month()).with(rest);
    let all = all.with([&finding]);
    assert_eq!((all.opened, all.findings, all.largest.len()), (12, 1, 10));
    let sum: Decimal = rest.iter().map(|gap| gap.amount.amount).sum();
    assert_eq!(all.unanswered.into_iter().collect::<Vec<_>>(), [(last.amount.currency.clone(), sum)]);
    assert!(all.largest.is_sorted_by(|a, b| a.amount.amount >= b.amount.amount));
    assert!(all.largest.iter().all(|named| named.amount.amount >= Decimal::new(3, 2)), "the two smallest are left out");
    Ok(())
}
