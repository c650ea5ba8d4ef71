//! Decisions, restrictions and discovery, row by row.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::{Date, date};

use super::discovery::{ListedModel, ListedProfile};
use super::*;
use crate::access::models::catalog::claude_catalog;
use crate::base::aws::AccountId;
use crate::base::ids::SpaceId;
use crate::base::people::Role;
use crate::base::platform::ModelAction;
use crate::base::text::MalformedText;

type Tested = Result<(), Box<dyn std::error::Error>>;

const DAY_1: &str = "2026-08-24T06:00:00Z";
const DAY_2: &str = "2026-08-25T06:00:00Z";

fn lifecycle(status: LifecycleStatus) -> Lifecycle {
    Lifecycle { status, ..Lifecycle::default() }
}

fn listed(id: &str, name: &str, types: &[&str]) -> Result<ListedModel, MalformedText> {
    Ok(ListedModel {
        model_id: id.parse()?,
        name: name.to_owned(),
        vendor: "Amazon".to_owned(),
        inference_types: types.iter().map(|t| (*t).to_owned()).collect(),
        lifecycle: lifecycle(LifecycleStatus::Active),
    })
}

fn profile(id: &str, arns: &[&str]) -> ListedProfile {
    let model_arns = arns.iter().map(|a| (*a).to_owned()).collect();
    ListedProfile { id: id.to_owned(), name: id.to_owned(), kind: "SYSTEM_DEFINED".to_owned(), model_arns }
}

fn answers(given: Vec<(&str, RegionAnswer)>) -> Result<BTreeMap<Region, RegionAnswer>, MalformedText> {
    given.into_iter().map(|(region, answer)| Ok((region.parse()?, answer))).collect()
}

fn only(models: Vec<ListedModel>) -> RegionAnswer {
    RegionAnswer::Listed { models, profiles: Vec::new() }
}

fn denied() -> RegionAnswer {
    RegionAnswer::Unknown("AccessDeniedException".to_owned())
}

fn changed<T>(outcome: Outcome<T>) -> Result<T, String> {
    match outcome {
        Outcome::Changed(state) => Ok(state),
        Outcome::AlreadyDone => Err("already done".to_owned()),
        Outcome::Refused(refusal) => Err(refusal.kind.as_str().to_owned()),
    }
}

fn nova_lite() -> Result<Model, Box<dyn std::error::Error>> {
    let seen = Discovery::of(&answers(vec![
        ("us-east-1", only(vec![listed("amazon.nova-lite-v1:0", "Nova Lite", &["ON_DEMAND"])?])),
        ("eu-west-1", only(vec![listed("amazon.nova-lite-v1:0", "Nova Lite", &["INFERENCE_PROFILE"])?])),
    ])?);
    Ok(changed(merge_discovery(None, &"amazon.nova-lite-v1:0".parse()?, &seen, DAY_1.parse()?))?)
}

fn person(sub: &str, role: Role) -> Result<Actor, MalformedText> {
    Ok(Actor::person(sub.parse()?, [role]))
}

fn command(
    decision: Verdict,
    reason: &str,
    restriction: Option<Restriction>,
) -> Result<DecisionCommand, MalformedText> {
    Ok(DecisionCommand { decision, reason: reason.parse()?, restriction })
}

fn us_only() -> Result<Restriction, MalformedText> {
    Ok(Restriction { regions: BTreeSet::from(["us-east-1".parse()?]), ..Restriction::default() })
}

/// What a Lead's command does to a model, in one word.
fn word(model: &Model, command: DecisionCommand, actor: &Actor) -> Result<&'static str, jiff::Error> {
    Ok(match decide_decision(model, command, actor, DAY_2.parse::<Timestamp>()?) {
        Outcome::Changed(after) => after.decision.as_str(),
        Outcome::AlreadyDone => "already-done",
        Outcome::Refused(refusal) => refusal.kind.as_str(),
    })
}

#[test]
fn a_new_model_is_unreviewed_and_every_decision_can_follow_every_other() -> Tested {
    let (lead, other) = (person("lead-1", Role::FinopsLead)?, person("lead-2", Role::FinopsLead)?);
    let fresh = nova_lite()?;
    assert_eq!(fresh.decision, ModelDecision::Unreviewed);
    let all = [(Verdict::Approved, None), (Verdict::Restricted, Some(us_only()?)), (Verdict::Blocked, None)];
    for (first, restriction) in &all {
        let decided = decide_decision(&fresh, command(*first, "first", restriction.clone())?, &lead, DAY_1.parse()?);
        let decided = changed(decided)?;
        assert_eq!(decided.restriction.is_some(), decided.decision == ModelDecision::Restricted);
        for (second, restriction) in &all {
            let name = ModelDecision::from(*second).as_str();
            let again = |reason| command(*second, reason, restriction.clone());
            let (mine, reworded, theirs) =
                if first == second { ("already-done", name, "already-decided") } else { (name, name, name) };
            assert_eq!(word(&decided, again("first")?, &lead)?, mine, "{first:?} then {second:?}");
            assert_eq!(word(&decided, again("second")?, &lead)?, reworded, "{first:?} then {second:?}");
            assert_eq!(word(&decided, again("first")?, &other)?, theirs, "{first:?} then {second:?}");
        }
    }
    Ok(())
}

#[test]
fn only_a_lead_decides() -> Tested {
    for role in [Role::ProductOwner, Role::CloudEngineer, Role::Auditor] {
        let refused = word(&nova_lite()?, command(Verdict::Approved, "why", None)?, &person("someone", role)?)?;
        assert_eq!(refused, "role-forbidden", "{role:?}");
    }
    Ok(())
}

#[test]
fn a_restriction_goes_with_restricted_and_restricts_something_the_platform_knows() -> Tested {
    let lead = person("lead-1", Role::FinopsLead)?;
    let actions = |a| Some(Restriction { actions: BTreeSet::from([a]), ..Restriction::default() });
    let days = |d| Some(Restriction { max_days: Some(d), ..Restriction::default() });
    for (decision, restriction, expected) in [
        (Verdict::Restricted, None, "invalid-value"),
        (Verdict::Restricted, Some(Restriction::default()), "invalid-value"),
        (Verdict::Restricted, actions(ModelAction::Files), "invalid-value"),
        (Verdict::Restricted, actions(ModelAction::Invoke), "restricted"),
        (Verdict::Restricted, days(0), "invalid-value"),
        (Verdict::Restricted, days(367), "invalid-value"),
        (Verdict::Restricted, days(366), "restricted"),
        (Verdict::Approved, Some(us_only()?), "invalid-value"),
        (Verdict::Blocked, days(1), "invalid-value"),
    ] {
        assert_eq!(
            word(&nova_lite()?, command(decision, "why", restriction.clone())?, &lead)?,
            expected,
            "{restriction:?}"
        );
    }
    let accounts = (0..101).map(|n| format!("{n:012}").parse()).collect::<Result<BTreeSet<AccountId>, _>>()?;
    let many = Restriction { account_ids: accounts, ..Restriction::default() };
    assert_eq!(word(&nova_lite()?, command(Verdict::Restricted, "why", Some(many))?, &lead)?, "limit-exceeded");
    Ok(())
}

#[test]
fn a_use_conforms_when_every_limited_dimension_holds_it_and_it_expires_in_time() -> Tested {
    let restriction = Restriction {
        space_ids: BTreeSet::from(["spc_1".parse()?]),
        account_ids: BTreeSet::from(["111122223333".parse()?]),
        regions: BTreeSet::from(["us-east-1".parse()?]),
        actions: BTreeSet::from([ModelAction::Invoke]),
        max_days: Some(30),
    };
    let check = |space: &str, account: &str, region: &str, actions: &[ModelAction], expires: Option<Date>| {
        let actions: BTreeSet<_> = actions.iter().copied().collect();
        let (space, account, region) =
            (space.parse::<SpaceId>(), account.parse::<AccountId>(), region.parse::<Region>());
        let (Ok(space), Ok(account), Ok(region)) = (space, account, region) else { return "malformed" };
        let verdict = conforms(&restriction, &space, &account, &region, &actions, expires, date(2026, 8, 1));
        verdict.map_or_else(|refusal| refusal.kind.as_str(), |()| "conforms")
    };
    let last = Some(date(2026, 8, 30));
    let invoke = &[ModelAction::Invoke];
    for (got, expected) in [
        (check("spc_1", "111122223333", "us-east-1", invoke, last), "conforms"),
        (check("spc_2", "111122223333", "us-east-1", invoke, last), "model-restricted"),
        (check("spc_1", "999999999999", "us-east-1", invoke, last), "model-restricted"),
        (check("spc_1", "111122223333", "us-west-2", invoke, last), "model-restricted"),
        (
            check("spc_1", "111122223333", "us-east-1", &[ModelAction::Invoke, ModelAction::Batch], last),
            "model-restricted",
        ),
        (check("spc_1", "111122223333", "us-east-1", invoke, Some(date(2026, 8, 31))), "model-restricted"),
        (check("spc_1", "111122223333", "us-east-1", invoke, None), "model-restricted"),
    ] {
        assert_eq!(got, expected);
    }
    Ok(())
}

#[test]
fn context_variants_and_unversioned_aliases_are_one_model_whose_inference_types_add_up() -> Tested {
    let models = vec![
        listed("amazon.nova-lite-v1:0:300k", "variant", &["PROVISIONED"])?,
        listed("amazon.nova-lite-v1:0", "Nova Lite", &["INFERENCE_PROFILE"])?,
        listed("amazon.titan-embed-text-v1:2:8k", "variant", &[])?,
        listed("amazon.titan-embed-text-v1", "Titan Embeddings G1 - Text", &["ON_DEMAND"])?,
        listed("amazon.nova-reel-v1:0", "Nova Reel", &["ON_DEMAND"])?,
        listed("amazon.nova-reel-v1:1", "Nova Reel", &["ON_DEMAND"])?,
    ];
    let seen = Discovery::of(&answers(vec![("us-east-1", only(models.clone()))])?);
    let reversed = models.into_iter().rev().collect();
    assert_eq!(
        seen,
        Discovery::of(&answers(vec![("us-east-1", only(reversed))])?),
        "the order of a listing means nothing"
    );
    let ids: Vec<&str> = seen.model_ids().map(ModelId::as_str).collect();
    let expected =
        ["amazon.nova-lite-v1:0", "amazon.nova-reel-v1:0", "amazon.nova-reel-v1:1", "amazon.titan-embed-text-v1"];
    assert_eq!(ids, expected);
    let model = changed(merge_discovery(None, &"amazon.nova-lite-v1:0".parse()?, &seen, DAY_1.parse()?))?;
    let types: Vec<&str> = model.regions.values().flat_map(|o| &o.inference_types).map(String::as_str).collect();
    assert_eq!((model.name.as_str(), types), ("Nova Lite", vec!["INFERENCE_PROFILE", "PROVISIONED"]));
    assert_eq!(model.model_key.as_str(), "bedrock.amazon.nova-lite-v1-0");
    Ok(())
}

#[test]
fn profiles_lead_to_their_model_with_every_destination() -> Tested {
    let id: ModelId = "anthropic.claude-sonnet-4-6".parse()?;
    let arn = |region: &str| format!("arn:aws:bedrock:{region}::foundation-model/{id}");
    let listing = RegionAnswer::Listed {
        models: vec![listed(id.as_str(), "Claude Sonnet 4.6", &["INFERENCE_PROFILE"])?],
        profiles: vec![
            profile("us.anthropic.claude-sonnet-4-6", &[&arn("us-west-2"), &arn("us-east-1")]),
            profile("global.anthropic.claude-sonnet-4-6", &[&arn(""), &arn("us-east-1")]),
            profile(
                "us.meta.llama3-2-1b-instruct-v1:0",
                &["arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-2-1b-instruct-v1:0"],
            ),
        ],
    };
    let model =
        changed(merge_discovery(None, &id, &Discovery::of(&answers(vec![("us-east-1", listing)])?), DAY_1.parse()?))?;
    let here: Region = "us-east-1".parse()?;
    let offer = model.regions.get(&here).ok_or("offered")?;
    assert!(offer.needs_profile());
    assert_eq!(offer.profiles.len(), 2);
    let global = model.profile(&here, "global.anthropic.claude-sonnet-4-6").ok_or("global profile")?;
    assert_eq!(global.model_arns(&id), [arn(""), arn("us-east-1")]);
    let geographic = model.profile(&here, "us.anthropic.claude-sonnet-4-6").ok_or("us profile")?;
    assert_eq!(geographic.model_arns(&id), [arn("us-east-1"), arn("us-west-2")]);
    Ok(())
}

#[test]
fn a_region_that_is_denied_keeps_its_snapshot_and_one_that_answers_without_the_model_has_withdrawn_it() -> Tested {
    let (model, later) = (nova_lite()?, DAY_2.parse::<Timestamp>()?);
    let id = model.model_id.clone();
    let (east, west): (Region, Region) = ("us-east-1".parse()?, "eu-west-1".parse()?);
    let unknown = Discovery::of(&answers(vec![("us-east-1", denied()), ("eu-west-1", denied())])?);
    assert_eq!(merge_discovery(Some(&model), &id, &unknown, later), Outcome::AlreadyDone);

    let emptied = Discovery::of(&answers(vec![("us-east-1", only(vec![])), ("eu-west-1", denied())])?);
    let halved = changed(merge_discovery(Some(&model), &id, &emptied, later))?;
    assert_eq!((halved.is_offered_in(&east), halved.is_offered_in(&west)), (false, true));
    assert_eq!((halved.lifecycle.status, halved.changed_at), (LifecycleStatus::Active, later));
    assert_eq!(
        merge_discovery(Some(&halved), &id, &emptied, later + jiff::Span::new().hours(24)),
        Outcome::AlreadyDone
    );

    let gone = Discovery::of(&answers(vec![("us-east-1", only(vec![])), ("eu-west-1", only(vec![]))])?);
    assert_eq!(changed(merge_discovery(Some(&model), &id, &gone, later))?.lifecycle.status, LifecycleStatus::Eol);

    let back =
        Discovery::of(&answers(vec![("us-east-1", only(vec![listed(id.as_str(), "Nova Lite", &["ON_DEMAND"])?]))])?);
    assert!(changed(merge_discovery(Some(&halved), &id, &back, later))?.is_offered_in(&east));
    Ok(())
}

#[test]
fn discovery_never_touches_a_decision() -> Tested {
    let lead = person("lead-1", Role::FinopsLead)?;
    let blocked =
        changed(decide_decision(&nova_lite()?, command(Verdict::Blocked, "why", None)?, &lead, DAY_1.parse()?))?;
    let gone = Discovery::of(&answers(vec![("us-east-1", only(vec![]))])?);
    let after = changed(merge_discovery(Some(&blocked), &blocked.model_id, &gone, DAY_2.parse()?))?;
    assert_eq!(
        (after.decision, after.decided_by, after.first_seen),
        (ModelDecision::Blocked, blocked.decided_by, blocked.first_seen)
    );
    Ok(())
}

#[test]
fn the_catalog_makes_claude_platform_models_once() -> Tested {
    let shipped = claude_catalog().find(&"claude-sonnet-4-6".parse()?).ok_or("in the catalog")?;
    let model = changed(merge_catalog(None, shipped, DAY_1.parse()?))?;
    assert_eq!(merge_catalog(Some(&model), shipped, DAY_2.parse()?), Outcome::AlreadyDone);
    assert_eq!((model.vendor.as_str(), model.model_key.as_str()), ("Anthropic", "claude-platform.claude-sonnet-4-6"));
    for (region, offered) in [("us-west-2", true), ("eu-west-1", true), ("us-gov-west-1", false)] {
        assert_eq!(model.is_offered_in(&region.parse()?), offered, "{region}");
    }
    Ok(())
}

#[test]
fn a_stored_model_reads_back_as_it_was() -> Tested {
    let model = nova_lite()?;
    assert_eq!(serde_json::from_value::<Model>(serde_json::to_value(&model)?)?, model);
    Ok(())
}

#[test]
fn an_id_with_the_key_of_a_model_is_another_model() -> Tested {
    let model = nova_lite()?;
    for (id, is_it) in [
        ("amazon.nova-lite-v1:0", true),
        ("amazon.nova-lite-v1:0:24k", true),
        ("amazon.nova-lite-v1-0", false),
        ("amazon.nova-lite-v1/0", false),
        ("amazon.nova-lite-v1:0-24k", false),
        ("amazon/nova-lite-v1:0", false),
    ] {
        assert_eq!(model.is(Platform::Bedrock, &id.parse()?), is_it, "{id}");
        assert!(!model.is(Platform::ClaudePlatform, &id.parse()?), "{id}");
    }
    // What a region lists under such an id is left out, since the decision about the one would hold for the other.
    let seen = Discovery::of(&answers(vec![(
        "us-east-1",
        only(vec![listed("amazon.nova-lite-v1-0", "Other", &["ON_DEMAND"])?]),
    )])?);
    let merged = merge_discovery(Some(&model), &"amazon.nova-lite-v1-0".parse()?, &seen, DAY_2.parse()?);
    assert_eq!(changed(merged), Err("wrong-state".to_owned()));
    Ok(())
}
