//! `docs/data-model.md`: what lies in the tables and what reads it. The items are those of [`store::layout`]; which
//! function reads a thing is read in the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use store::layout::{BESIDE, Item, Kind, SPEND, THINGS};

use super::code::{self, Body, Code};
use super::{EDGE, in_repository, listed};

/// Where the store has its things.
const AGGREGATES: &str = "store::aggregates::";

/// Who reads what: by the name of a thing, the functions; and the store's own ways to it.
pub(super) struct Readers {
    pub(super) functions: BTreeMap<String, BTreeSet<String>>,
    ways: BTreeMap<String, Vec<(String, String)>>,
}

impl Readers {
    pub(super) fn found() -> anyhow::Result<Self> {
        let mut store = Code::of(&in_repository("shared/store/src/aggregates"))?;
        store.read(&in_repository("shared/store/src/governance.rs"))?;
        let types: BTreeMap<&str, &str> = store
            .aggregates
            .iter()
            .map(|(path, _)| (path.rsplit("::").next().unwrap_or(path), path.as_str()))
            .collect();
        let described: BTreeSet<&str> = THINGS.iter().map(|thing| thing.name).collect();
        let implemented: BTreeSet<&str> = types.keys().copied().collect();
        assert_eq!(described, implemented, "the things of `store::layout` are those that implement `Aggregate`");
        for (path, partition) in &store.aggregates {
            let key = THINGS.iter().find(|thing| path.ends_with(thing.name)).map(|thing| thing.items[0].key.0);
            assert!(key.is_some_and(|key| key.starts_with(&format!("{partition}#"))), "{path} lies under {partition}#");
        }
        let touched = touched_by(&store, &types);
        let mut functions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let edge = [(EDGE.to_owned(), Code::of(&in_repository("shared/lambda/src"))?)];
        for (function, code) in code::of_functions()?.into_iter().chain(edge) {
            let by_name = types.iter().filter(|(_, path)| names(&code.whole, path)).map(|(name, _)| (*name).to_owned());
            let is_called = |name: &str| match store.functions.get(name) {
                Some(body) if body.is_of_store => code.whole.calls.contains(name),
                _ => code
                    .whole
                    .names
                    .iter()
                    .any(|path| path.starts_with(AGGREGATES) && path.ends_with(&format!("::{name}"))),
            };
            let by_call = touched.iter().filter(|(name, _)| is_called(name)).flat_map(|(_, all)| all.clone());
            for thing in by_name.chain(by_call) {
                functions.entry(thing).or_default().insert(function.clone());
            }
        }
        let mut ways: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for (name, body) in store.functions.iter().filter(|(_, body)| body.is_of_store) {
            for thing in touched.get(name).into_iter().flatten() {
                ways.entry(thing.clone()).or_default().push((name.clone(), body.about.clone()));
            }
        }
        Ok(Self { functions, ways })
    }
}

/// Whether code names a type, or something of it.
fn names(body: &Body, path: &str) -> bool {
    let of_this_file = !path.contains("::");
    let is_named = |name: &String| {
        let elsewhere = || name.strip_prefix(AGGREGATES)?.split_once("::")?.1.strip_prefix(path);
        let rest = name.strip_prefix(path).or_else(|| of_this_file.then(elsewhere).flatten());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    body.names.iter().any(is_named)
}

/// Which things the store's own ways lead to: those whose types or partitions each names, and those of what it calls.
fn touched_by(store: &Code, types: &BTreeMap<&str, &str>) -> BTreeMap<String, BTreeSet<String>> {
    let of = |body: &Body| -> BTreeSet<String> {
        let by_name = types.iter().filter(|(_, path)| names(body, path)).map(|(name, _)| (*name).to_owned());
        let by_text = body.texts.iter().flat_map(|text| kinds_under(text)).map(str::to_owned);
        by_name.chain(by_text).collect()
    };
    let ways = store.functions.iter().filter(|(_, body)| body.is_of_store || body.is_free);
    let mut touched: BTreeMap<String, BTreeSet<String>> = ways.map(|(name, body)| (name.clone(), of(body))).collect();
    loop {
        let mut more = touched.clone();
        for (name, all) in &mut more {
            let calls = store.functions.get(name).map(|body| &body.calls).into_iter().flatten();
            all.extend(calls.filter_map(|call| touched.get(call)).flatten().cloned());
        }
        if more == touched {
            return touched;
        }
        touched = more;
    }
}

/// The things that have an item in a partition of this name.
fn kinds_under(name: &str) -> impl Iterator<Item = &'static str> {
    let begins = [format!("{name}#"), format!("ALL#{name}"), format!("STATE#{name}#")];
    let is_under = move |item: &Item| {
        let places = [Some(item.key), item.list, item.parent];
        let lies = |partition: &str| {
            partition == begins[1] || [&begins[0], &begins[2]].iter().any(|begin| partition.starts_with(*begin))
        };
        places.iter().flatten().any(|(partition, _)| lies(partition))
    };
    THINGS.iter().filter(move |thing| thing.items.iter().any(&is_under)).map(|thing| thing.name)
}

/// The things of the table `governance`.
pub(super) fn things(readers: &Readers) -> String {
    let mut text = String::new();
    for thing in THINGS {
        section(&mut text, thing);
        let nobody = BTreeSet::new();
        let _ = writeln!(text, "\nRead by {}.", listed(readers.functions.get(thing.name).unwrap_or(&nobody)));
        for (number, (way, about)) in readers.ways.get(thing.name).into_iter().flatten().enumerate() {
            let _ = writeln!(text, "{}- `{way}`: {about}", if number == 0 { "\n" } else { "" });
        }
    }
    text
}

/// What lies beside the things, and the table `spend`.
pub(super) fn others(kinds: &[Kind]) -> String {
    let mut text = String::new();
    kinds.iter().for_each(|kind| section(&mut text, kind));
    text
}

/// What lies in `governance` beside the things.
pub(super) fn beside() -> String {
    others(BESIDE)
}

/// What lies in `spend`.
pub(super) fn spend() -> String {
    others(SPEND)
}

/// A partition and a sort key.
type Place = (&'static str, &'static str);

/// An index with the place that an item has in it.
type Column = (&'static str, fn(&Item) -> Option<Place>);

const COLUMNS: [Column; 2] = [("Index `list`", |item| item.list), ("Index `parent`", |item| item.parent)];

fn section(text: &mut String, kind: &Kind) {
    let is_used = |(_, place): &&Column| kind.items.iter().any(|item| place(item).is_some());
    let shown: Vec<&Column> = COLUMNS.iter().filter(is_used).collect();
    let titles: String = shown.iter().map(|(title, _)| format!(" {title} |")).collect();
    let _ = writeln!(text, "\n### {}\n\n{}\n\n| Item | Key |{titles}", kind.name, kind.about);
    let _ = writeln!(text, "|---|---|{}", "---|".repeat(shown.len()));
    for item in kind.items {
        let places = shown.iter().map(|(_, place)| format!(" {} |", place(item).map_or_else(|| "–".to_owned(), key)));
        let _ = writeln!(text, "| {} | {} |{}", item.holds, key(item.key), places.collect::<String>());
    }
}

fn key((partition, sort): Place) -> String {
    format!("`{partition}` / `{sort}`")
}
