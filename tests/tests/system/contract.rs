//! One statement in several places: the promised routes, the functions, the template, and the tables.

use std::collections::{BTreeMap, BTreeSet};

use local::bus::{Access, Deployment, Wiring};
use serde_json::Value;
use serde_yaml_ng::Value as Yaml;
use store::keys;
use store::tables::{GOVERNANCE, SPEND, Table};
use system_tests::World;

use super::routes::{PROMISED, PUBLIC};

const TEMPLATE: &str = include_str!("../../../template.yaml");
const DATA: &str = include_str!("../../../infra/data.yaml");

type Routes = BTreeSet<(String, String, String)>;

fn of(route: (&str, &str, &str)) -> (String, String, String) {
    (route.0.to_owned(), route.1.to_owned(), route.2.to_owned())
}

fn wiring(world: &World) -> anyhow::Result<Wiring> {
    Ok(Wiring::read(TEMPLATE, &Deployment::local(&world.local.cloud))?)
}

#[tokio::test]
async fn the_promised_routes_are_the_functions_and_the_templates() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let promised: Routes = PROMISED.iter().map(|r| of((r.function, r.method, r.path))).collect();
    assert_eq!(promised.len(), PROMISED.len(), "a route is promised twice");
    let functions = world.local.stack.gateway.functions();
    let declared: Routes = functions
        .iter()
        .flat_map(|f| f.routes.iter().filter(|r| r.action.is_some()).map(|r| of((f.name, r.method.as_str(), r.path))))
        .collect();
    assert_eq!(promised, declared, "the functions");
    let mut guarded = Routes::new();
    let mut public = Routes::new();
    for (name, function) in &wiring(&world)?.functions {
        for route in &function.routes {
            let routes = if route.access == Access::Token { &mut guarded } else { &mut public };
            routes.insert(of((name, &route.method, &route.path)));
        }
    }
    assert_eq!(promised, guarded, "the template");
    assert_eq!(public, Routes::from([of(PUBLIC)]), "the one public route");
    Ok(())
}

#[tokio::test]
async fn every_event_reaches_a_function_that_handles_it_and_no_other() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let wiring = wiring(&world)?;
    let mut sent: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for source in &wiring.queue_sources {
        for subscription in
            wiring.subscriptions.iter().filter(|s| s.queue.rsplit(':').next() == Some(source.queue.as_str()))
        {
            let filter = subscription.attributes.get("FilterPolicy").map(String::as_str).unwrap_or_default();
            let filter: Value = serde_json::from_str(filter)?;
            let types = filter.get("type").and_then(Value::as_array).cloned().unwrap_or_default();
            sent.entry(&source.function).or_default().extend(types.iter().filter_map(Value::as_str).map(str::to_owned));
        }
    }
    let mut scheduled: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, schedule) in &wiring.schedules {
        scheduled.entry(&schedule.function).or_default().insert(name.clone());
    }
    let mut reported: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for rule in &wiring.rules {
        let types = rule.pattern.get("detail-type").and_then(Value::as_array).cloned().unwrap_or_default();
        reported.entry(&rule.function).or_default().extend(types.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    let nothing = BTreeSet::new();
    for function in world.local.stack.gateway.functions() {
        let name = function.name;
        let handled: BTreeSet<String> = function.event_types().map(|kind| kind.as_str().to_owned()).collect();
        assert_eq!(sent.get(name).unwrap_or(&nothing), &handled, "events of {name}");
        let runs: BTreeSet<String> = function.schedule_names().map(str::to_owned).collect();
        assert_eq!(scheduled.get(name).unwrap_or(&nothing), &runs, "schedules of {name}");
        let reacts: BTreeSet<String> = function.aws_event_types().map(str::to_owned).collect();
        assert_eq!(reported.get(name).unwrap_or(&nothing), &reacts, "AWS events of {name}");
    }
    let relays: Vec<&str> = wiring.stream_sources.iter().map(|source| source.function.as_str()).collect();
    assert_eq!(relays, ["event-relay"]);
    Ok(())
}

#[test]
fn the_tables_are_deployed_as_the_store_defines_them() -> anyhow::Result<()> {
    let template: Yaml = serde_yaml_ng::from_str(DATA)?;
    for (id, table) in [("Governance", GOVERNANCE), ("Spend", SPEND)] {
        let properties = &template["Resources"][id]["Properties"];
        assert_eq!(&deployed(properties), &defined(table), "{id}");
        assert_eq!(properties["TimeToLiveSpecification"]["AttributeName"].as_str(), Some(keys::TTL), "{id}");
        assert_eq!(properties["TimeToLiveSpecification"]["Enabled"].as_bool(), Some(true), "{id}");
        let stream = properties["StreamSpecification"]["StreamViewType"].as_str();
        assert_eq!(stream, table.streamed.then_some("NEW_IMAGE"), "{id}");
        let mut attributes: Vec<&str> = texts(&properties["AttributeDefinitions"], "AttributeName");
        attributes.sort_unstable();
        let mut needed: Vec<String> = defined(table).into_iter().flat_map(|(_, hash, range)| [hash, range]).collect();
        needed.sort_unstable();
        assert_eq!(attributes, needed, "{id}: an attribute is defined that no key uses, or is missing");
    }
    Ok(())
}

/// Index, partition key, sort key; the table itself has no name.
type Keys = Vec<(String, String, String)>;

fn defined(table: Table) -> Keys {
    let own = ("", keys::PK, keys::SK);
    std::iter::once(&own).chain(table.indexes).map(|(name, hash, range)| of((name, hash, range))).collect()
}

fn deployed(properties: &Yaml) -> Keys {
    let indexes = properties["GlobalSecondaryIndexes"].as_sequence().cloned().unwrap_or_default();
    let projected = |index: &Yaml| assert_eq!(index["Projection"]["ProjectionType"].as_str(), Some("ALL"));
    indexes.iter().for_each(projected);
    let key = |of: &Yaml, kind: &str| {
        let elements = of["KeySchema"].as_sequence().cloned().unwrap_or_default();
        let found = elements.iter().find(|element| element["KeyType"].as_str() == Some(kind));
        found.and_then(|element| element["AttributeName"].as_str()).unwrap_or_default().to_owned()
    };
    let own = (String::new(), key(properties, "HASH"), key(properties, "RANGE"));
    let named = |index: &Yaml| {
        (index["IndexName"].as_str().unwrap_or_default().to_owned(), key(index, "HASH"), key(index, "RANGE"))
    };
    std::iter::once(own).chain(indexes.iter().map(named)).collect()
}

fn texts<'a>(list: &'a Yaml, field: &str) -> Vec<&'a str> {
    list.as_sequence().into_iter().flatten().filter_map(|item| item[field].as_str()).collect()
}
