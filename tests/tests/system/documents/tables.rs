//! Plays a week, and holds the documents to what happened: what lies in the tables, who read which things, and who made
//! which events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use local::seam::{AwsCall, Director, Fate, Seam};
use local::stack::Options;
use serde_json::{Value, json};
use store::layout::{BESIDE, Item, Kind, SPEND, THINGS};
use system_tests::{
    CHECKOUT, DORA, GOVERNANCE_TABLE, LENA, NOVA_LITE, OMAR, PETRA, SAMIR, SPEND_TABLE, World, approval, fields, place,
    text,
};

use super::super::week::Week;
use super::EDGE;
use super::data_model::Readers;
use super::events::makers;

/// What a week does not bring about: so many steps of one task that they fill a page.
const NOT_IN_A_WEEK: [&str; 1] = ["ROW#TASK#<number>#PAST#<before>"];

/// What the functions did with the tables, as they did it: each with the function's name.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// Partitions that were read.
    reads: BTreeSet<(String, String)>,
    /// Types of events that were made.
    events: BTreeSet<(String, String)>,
}

impl Seen {
    fn note(&mut self, call: &AwsCall<'_>) {
        let body: Value = serde_json::from_slice(call.request.body()).unwrap_or_default();
        let function = call.function.to_owned();
        match call.operation {
            "GetItem" | "BatchGetItem" | "Query" => {
                let mut found = Vec::new();
                texts_under(&body, &["PK", ":pk", ":h"], &mut found);
                self.reads.extend(found.into_iter().map(|partition| (function.clone(), partition)));
            }
            "TransactWriteItems" => {
                let puts = body["TransactItems"].as_array().into_iter().flatten().map(|action| &action["Put"]["Item"]);
                let types = puts.filter_map(|item| item["type"]["S"].as_str());
                self.events.extend(types.map(|kind| (function.clone(), kind.to_owned())));
            }
            _ => {}
        }
    }
}

/// The texts of these attributes, wherever in a request they stand.
fn texts_under(value: &Value, attributes: &[&str], found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let text = attributes.contains(&name.as_str()).then(|| member["S"].as_str()).flatten();
                found.extend(text.map(str::to_owned));
                texts_under(member, attributes, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts_under(item, attributes, found)),
        _ => {}
    }
}

fn director(seen: &Arc<Mutex<Seen>>) -> Director {
    let seen = Arc::clone(seen);
    Arc::new(move |call| {
        if call.service == "dynamodb" && !call.function.is_empty() {
            seen.lock().unwrap_or_else(PoisonError::into_inner).note(&call);
        }
        Fate::Pass
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_week_leaves_and_who_read_and_made_it_is_as_the_documents_say() -> anyhow::Result<()> {
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let world = World::start(Options { seam: Seam::directed(director(&seen)), ..Options::default() }).await?;
    let week = Week::played_in(world).await?;
    rest_of_the_month(&week).await?;
    // A verification looks at things of every kind; what is said of readers is said of the others.
    let told = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    verify(&week.world).await?;

    let mut unseen: BTreeSet<&str> =
        THINGS.iter().chain(BESIDE).chain(SPEND).flat_map(|kind| kind.items).map(|item| item.key.1).collect();
    for (table, kinds) in [(GOVERNANCE_TABLE, [THINGS, BESIDE].concat()), (SPEND_TABLE, SPEND.to_vec())] {
        for (key, item) in week.world.items(table).await? {
            let found = described(&kinds, &item).with_context(|| format!("{key} is not in `store::layout`: {item}"))?;
            unseen.remove(found.key.1);
        }
    }
    assert_eq!(unseen, BTreeSet::from(NOT_IN_A_WEEK), "items that `store::layout` has and nobody wrote");

    assert!(told.reads.len() > 100 && told.events.len() > 40, "the functions' calls were not seen: {told:?}");
    let readers = Readers::found()?.functions;
    for (function, partition) in &told.reads {
        for thing in THINGS.iter().filter(|thing| thing.items.iter().any(|item| is_in(item, partition))) {
            let known = readers.get(thing.name).is_some_and(|all| all.contains(function) || all.contains(EDGE));
            assert!(known, "{function} read {partition}, and is not said to read {}", thing.name);
        }
    }
    let makers = makers()?;
    for (function, kind) in &told.events {
        let known = makers.get(kind).is_some_and(|all| all.contains(function) || all.contains(EDGE));
        assert!(known, "{function} made `{kind}`, and is not said to");
    }
    Ok(())
}

/// The steps that a governance week leaves out, until the months of the bill are closed.
async fn rest_of_the_month(week: &Week) -> anyhow::Result<()> {
    let world = &week.world;
    let source = format!("arn:aws:bedrock:us-east-1:{CHECKOUT}:inference-profile/us.{NOVA_LITE}");
    let profile = format!(
        "aws bedrock create-inference-profile --inference-profile-name 'team' --model-source 'copyFrom={source}' \
         --region 'us-east-1'"
    );
    world.aws(CHECKOUT, &profile, &BTreeMap::new()).await?;
    world.schedule("model-discovery").await?;
    world.schedule("drift").await?;
    let other = world.ready_workload(PETRA, "Outage").await?;
    let glass = json!({ "reason": "an outage", "expiresAt": "2026-08-24T19:00:00Z" });
    let scopes = json!([place(CHECKOUT, "us-east-1", "finops-ai-outage")]);
    let glass = fields(&approval(&scopes), &json!({ "workloadId": other, "breakGlass": glass }));
    world.post(LENA, "/v1/approvals", &glass).await?.ok()?;
    let wanted = json!({ "kind": "chargeback-csv", "billingPeriod": "2026-07" });
    world.post(LENA, "/v1/exports", &wanted).await?.ok()?;
    world.post(LENA, "/v1/portfolio/2026-08-16/review", &json!({ "note": "seen" })).await?.ok()?;

    // What the desk disputes is the checkout's, and its owner takes it.
    let cards = world.list(SAMIR, "/v1/spend-cards?state=open").await?;
    let path = format!("/v1/spend-cards/{}", text(cards.first().context("an open card")?, "/id")?);
    let dispute = json!({ "version": cards[0]["version"], "reason": "this is not ours" });
    world.post(SAMIR, &format!("{path}/dispute"), &dispute).await?.ok()?;
    let target = json!({ "workloadId": week.checkout.workload });
    let resolution = json!({ "decision": "re-attribute", "target": target, "reason": "the checkout ran it" });
    world.post(LENA, &format!("{path}/resolve"), &resolution).await?.ok()?;
    world.settle().await?;
    for proposal in world.list(PETRA, "/v1/proposals").await? {
        world.post(PETRA, &format!("/v1/proposals/{}/accept", text(&proposal, "/id")?), &json!({})).await?.ok()?;
    }
    world.settle().await?;

    world.at("2026-09-07T07:00:00Z")?;
    world.schedule("approval-lifecycle").await?;
    world.schedule("spend-cards").await?;
    world.schedule("reminders").await?;
    for owner in [PETRA, SAMIR, OMAR] {
        for state in ["open", "resolved"] {
            for card in world.list(owner, &format!("/v1/spend-cards?state={state}")).await? {
                let path = format!("/v1/spend-cards/{}/approve", text(&card, "/id")?);
                world.post(owner, &path, &json!({ "version": card["version"] })).await?.ok()?;
            }
        }
    }
    world.post(DORA, "/v1/months/2026-07/close", &json!({})).await?.ok()?;
    world.settle().await.map(drop)
}

/// Seals the days and verifies the first of them.
async fn verify(world: &World) -> anyhow::Result<()> {
    world.schedule("daily-seal").await?;
    world.verified(&json!({ "day": "2026-08-24" })).await.map(drop)
}

/// Where an item is said to lie that is keyed and listed like this one.
fn described<'k>(kinds: &[Kind], item: &Value) -> Option<&'k Item> {
    let attribute = |name: &str| match &item[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        number => number.to_string(),
    };
    let lies = ["PK", "SK", "LPK", "LSK", "PPK", "PSK"].map(attribute).join("\n");
    let is_here = |said: &&Item| {
        let places = [Some(said.key), said.list, said.parent].map(Option::unwrap_or_default);
        let said: Vec<&str> = places.iter().flat_map(|(partition, sort)| [*partition, *sort]).collect();
        fits(&said.join("\n"), &lies, &BTreeMap::new())
    };
    kinds.iter().flat_map(|kind| kind.items).find(is_here)
}

fn is_in(item: &Item, partition: &str) -> bool {
    let places = [Some(item.key), item.list, item.parent];
    places.iter().flatten().any(|(said, _)| fits(said, partition, &BTreeMap::new()))
}

/// Whether a text is what a template says: a name in angle brackets stands for the same piece of a line wherever it is.
fn fits(template: &str, text: &str, known: &BTreeMap<&str, &str>) -> bool {
    let Some((before, rest)) = template.split_once('<') else { return template == text };
    let (Some(text), Some((name, rest))) = (text.strip_prefix(before), rest.split_once('>')) else { return false };
    if let Some(value) = known.get(name) {
        return text.strip_prefix(value).is_some_and(|text| fits(rest, text, known));
    }
    let line = text.split('\n').next().unwrap_or_default();
    let ends = line.char_indices().map(|(at, one)| at + one.len_utf8());
    ends.filter_map(|end| text.split_at_checked(end)).any(|(value, text)| {
        let known = known.iter().map(|(name, value)| (*name, *value)).chain([(name, value)]).collect();
        fits(rest, text, &known)
    })
}
