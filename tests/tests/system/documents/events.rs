//! `docs/events.md`: each event with who makes it, who hears it and what it says. Who makes one is read in the code,
//! who hears one is what the functions are registered for, and what it says is its schema.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Context as _;
use contract::events::EventType;
use serde_json::Value;
use system_tests::World;

use super::code::{self, Code};
use super::{EDGE, in_repository, listed};

/// Each event's type with the functions that make it.
pub(super) fn makers() -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let wire = code::wire_names()?;
    let store = Code::of(&in_repository("shared/store/src"))?;
    let mut makers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut note = |maker: &str, events: &BTreeSet<String>| -> anyhow::Result<()> {
        for variant in events {
            let name = wire.get(variant).with_context(|| format!("`{variant}` is no event of the contract"))?;
            makers.entry(name.clone()).or_default().insert(maker.to_owned());
        }
        Ok(())
    };
    for (function, code) in code::of_functions()? {
        note(&function, &code.whole.events)?;
        // Some events are made by the transaction itself, for whoever calls it.
        for (name, body) in &store.functions {
            if code.whole.calls.contains(name) {
                note(&function, &body.events)?;
            }
        }
    }
    note(EDGE, &Code::of(&in_repository("shared/lambda/src"))?.whole.events)?;
    Ok(makers)
}

/// Each event's type with the functions that are registered for it.
async fn hearers() -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let world = World::empty().await?;
    let mut hearers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for function in world.local.stack.gateway.functions() {
        for kind in function.event_types() {
            hearers.entry(kind.as_str().to_owned()).or_default().insert(function.name.to_owned());
        }
    }
    Ok(hearers)
}

/// The events, a table for each kind of thing, in the order of the contract.
pub(super) async fn table() -> anyhow::Result<String> {
    let (makers, hearers, shapes) = (makers()?, hearers().await?, local::documents::event_shapes());
    let variants = shapes.get("Event").and_then(|event| event["oneOf"].as_array()).context("the events' schema")?;
    let mut groups: Vec<(&str, String)> = Vec::new();
    for kind in EventType::ALL.iter().copied().map(EventType::as_str) {
        let of = |variant: &&Value| variant["properties"]["type"]["const"] == kind;
        let schema = variants.iter().find(of).with_context(|| format!("`{kind}` has no schema"))?;
        let made = makers.get(kind).with_context(|| format!("nobody makes `{kind}`"))?;
        let row = format!(
            "| [`{kind}`](../events/published/{kind}/v1.schema.json) | {} | {} | {} | {} |\n",
            about(schema),
            listed(made),
            hearers.get(kind).map_or_else(|| "–".to_owned(), listed),
            fields(&schema["properties"]["payload"], &shapes).join(", "),
        );
        let thing = kind.split_once('.').map_or(kind, |(thing, _)| thing);
        match groups.iter_mut().find(|(group, _)| *group == thing) {
            Some((_, rows)) => rows.push_str(&row),
            None => groups.push((thing, row)),
        }
    }
    let head = "| Event | What happened | Made by | Heard by | Payload |\n|---|---|---|---|---|";
    Ok(groups.iter().map(|(thing, rows)| format!("\n### {thing}\n\n{head}\n{rows}")).collect())
}

/// The fields of the envelope.
pub(super) fn envelope() -> anyhow::Result<String> {
    let shapes = local::documents::event_shapes();
    Ok(described(shapes.get("AuditEvent").context("the envelope's schema")?, &shapes))
}

/// The shapes that payloads name, each with its fields.
pub(super) fn named_shapes() -> String {
    let shapes = local::documents::event_shapes();
    let mut text = String::new();
    for (name, schema) in shapes.iter().filter(|(name, schema)| is_shape(schema) && *name != "AuditEvent") {
        let _ = write!(text, "\n### {name}\n\n{}\n\n{}", about(schema), described(schema, &shapes));
    }
    text
}

/// Whether a schema is one of fields, and not of a text or a number with a name.
fn is_shape(schema: &Value) -> bool {
    schema["properties"].is_object()
}

/// The fields of a schema, those that are always there first.
fn members(schema: &Value) -> Vec<(&str, &Value)> {
    let always = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let all = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let mut names: Vec<&str> = always.collect();
    for name in all {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(|name| (name, &schema["properties"][name])).collect()
}

/// A field's name; one that may be missing or null has a question mark, one of a shape names it.
fn written(schema: &Value, (name, field): (&str, &Value), shapes: &BTreeMap<String, Value>) -> String {
    let mark = if may_be_none(schema, name, field) { "?" } else { "" };
    let shape = shape_of(field, shapes).map(|shape| format!(" [{shape}](#{})", shape.to_lowercase()));
    format!("`{name}`{mark}{}", shape.unwrap_or_default())
}

fn fields(schema: &Value, shapes: &BTreeMap<String, Value>) -> Vec<String> {
    members(schema).into_iter().map(|member| written(schema, member, shapes)).collect()
}

/// A table of a shape's fields.
fn described(schema: &Value, shapes: &BTreeMap<String, Value>) -> String {
    let mut text = String::from("| Field | What it says |\n|---|---|\n");
    for (name, field) in members(schema) {
        let _ = writeln!(text, "| {} | {} |", written(schema, (name, field), shapes), about(field));
    }
    text
}

fn may_be_none(schema: &Value, name: &str, field: &Value) -> bool {
    let is_required = schema["required"].as_array().is_some_and(|required| required.iter().any(|field| field == name));
    let takes_null = |schema: &Value| {
        schema["type"] == "null"
            || schema["type"].as_array().is_some_and(|types| types.iter().any(|kind| kind == "null"))
    };
    !is_required || takes_null(field) || field["anyOf"].as_array().is_some_and(|any| any.iter().any(takes_null))
}

/// The shape that a field has, or that its items have.
fn shape_of<'s>(field: &'s Value, shapes: &BTreeMap<String, Value>) -> Option<&'s str> {
    let inner = [&field["items"], &field["additionalProperties"]];
    let any = field["anyOf"].as_array().into_iter().flatten();
    let found = std::iter::once(field).chain(inner).chain(any).find_map(|schema| schema["$ref"].as_str())?;
    let name = found.rsplit('/').next()?;
    shapes.get(name).is_some_and(is_shape).then_some(name)
}

fn about(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ")
}
