//! Whoever may write the tables may not rewrite what happened: every kind of tampering is found by a verification.

use std::collections::HashMap;

use anyhow::Context as _;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::base::audit::AuditEvent;
use domain::base::audit::seal::Seal;
use domain::base::digest::canonical_json;
use serde_json::{Value, json};
use system_tests::{ADA, CHECKOUT, CHEN, GOVERNANCE_TABLE, Granted, LENA, PETRA, World, text};

const MONDAY: &str = "2026-08-24";
const ROLE: &str = "finops-ai-checkout";

type Item = HashMap<String, AttributeValue>;

/// The items of one thing, as somebody with a right to write the table has them in hand.
struct Tables<'a>(&'a World);

impl Tables<'_> {
    async fn of(&self, thing: &str) -> anyhow::Result<Vec<Item>> {
        let asked = self.0.tables().query().table_name(GOVERNANCE_TABLE).consistent_read(true);
        let asked = asked.key_condition_expression("PK = :pk").expression_attribute_values(":pk", attribute(thing));
        Ok(asked.send().await?.items.unwrap_or_default())
    }

    async fn one(&self, thing: &str, sort: &str) -> anyhow::Result<Item> {
        let items = self.of(thing).await?;
        items.into_iter().find(|item| text_in(item, "SK") == sort).with_context(|| format!("{thing} {sort}"))
    }

    async fn put(&self, item: &Item) -> anyhow::Result<()> {
        self.0.tables().put_item().table_name(GOVERNANCE_TABLE).set_item(Some(item.clone())).send().await?;
        Ok(())
    }

    async fn lose(&self, item: &Item) -> anyhow::Result<()> {
        self.0.lose(GOVERNANCE_TABLE, &format!("{} {}", text_in(item, "PK"), text_in(item, "SK"))).await
    }

    async fn change(&self, thing: &str, sort: &str, change: impl FnOnce(&mut Item)) -> anyhow::Result<()> {
        let mut item = self.one(thing, sort).await?;
        change(&mut item);
        self.put(&item).await
    }

    /// Puts a thing back as it was.
    async fn restore(&self, thing: &str, items: &[Item]) -> anyhow::Result<()> {
        for item in self.of(thing).await? {
            self.lose(&item).await?;
        }
        for item in items {
            self.put(item).await?;
        }
        Ok(())
    }
}

fn attribute(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn text_in<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

fn event(sequence: u64) -> String {
    format!("EVENT#{sequence:012}")
}

/// Changes the JSON in an attribute.
fn edit(item: &mut Item, name: &str, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_str(text_in(item, name)).unwrap_or_default();
    change(&mut value);
    item.insert(name.to_owned(), attribute(&canonical_json(&value)));
}

/// Changes a record and hashes it anew; answers its hash.
fn rehash(item: &mut Item, change: impl FnOnce(&mut AuditEvent)) -> String {
    let Ok(mut record) = serde_json::from_str::<AuditEvent>(text_in(item, "event")) else { return String::new() };
    change(&mut record);
    record.hash = record.computed_hash();
    item.insert("event".to_owned(), attribute(&canonical_json(&record)));
    record.hash.to_string()
}

async fn verify(world: &World, body: &Value) -> anyhow::Result<Value> {
    let found = world.verified(body).await?;
    assert_eq!(found["state"], "finished", "{found}");
    Ok(found)
}

async fn is_verified(world: &World, body: &Value) -> anyhow::Result<()> {
    let found = verify(world, body).await?;
    assert_eq!((&found["verified"], &found["broken"]), (&json!(true), &json!([])), "{body}: {found}");
    Ok(())
}

/// Asserts that a verification names a thing as broken, in these words.
async fn is_broken(world: &World, body: &Value, thing: &str, words: &str) -> anyhow::Result<()> {
    let found = verify(world, body).await?;
    assert_eq!(found["verified"], false, "{body} {words}: {found}");
    let broken = found["broken"].as_array().context("a list")?;
    let says = |one: &Value| one["aggregate"] == thing && one["what"].to_string().contains(words);
    assert!(broken.iter().any(says), "{body}: {thing} {words}: {found}");
    Ok(())
}

/// A request that was approved, and its scope's task in hand.
async fn in_hand(world: &World) -> anyhow::Result<(Granted, String)> {
    let granted = world.one_grant().await?;
    let task = world.task_in(&granted.id, "ready").await?;
    world.post(CHEN, &format!("/v1/tasks/{}/start", text(&task, "/id")?), &json!({})).await?.ok()?;
    world.settle().await?;
    Ok((granted, format!("SCOPE#{}", text(&task, "/scopeId")?)))
}

enum Tamper {
    Edit(&'static str, &'static str, fn(&mut Value)),
    Rehash(u64, fn(&mut AuditEvent)),
    Drop(&'static [u64]),
    Swap(u64, u64),
    LoseState,
    DropAllAndLookNew,
    RewriteStateAndEvent,
}

impl Tamper {
    async fn with(&self, tables: &Tables<'_>, thing: &str) -> anyhow::Result<()> {
        match self {
            Self::Edit(sort, name, change) => tables.change(thing, sort, |item| edit(item, name, change)).await,
            Self::Rehash(sequence, change) => {
                tables.change(thing, &event(*sequence), |item| _ = rehash(item, change)).await
            }
            Self::Drop(sequences) => {
                for sequence in *sequences {
                    tables.lose(&tables.one(thing, &event(*sequence)).await?).await?;
                }
                Ok(())
            }
            Self::Swap(one, other) => {
                let (first, second) =
                    (tables.one(thing, &event(*one)).await?, tables.one(thing, &event(*other)).await?);
                let records = [text_in(&first, "event").to_owned(), text_in(&second, "event").to_owned()];
                for (item, record) in [(first, &records[1]), (second, &records[0])] {
                    let mut item = item;
                    item.insert("event".to_owned(), attribute(record));
                    tables.put(&item).await?;
                }
                Ok(())
            }
            Self::LoseState => tables.lose(&tables.one(thing, "META").await?).await,
            Self::DropAllAndLookNew => {
                for item in tables.of(thing).await?.iter().filter(|item| text_in(item, "SK").starts_with("EVENT#")) {
                    tables.lose(item).await?;
                }
                let look_new = |item: &mut Item| {
                    item.remove("head");
                    item.insert("seq".to_owned(), AttributeValue::N("0".to_owned()));
                };
                tables.change(thing, "META", look_new).await
            }
            Self::RewriteStateAndEvent => {
                tables.change(thing, "META", |item| edit(item, "doc", |doc| doc["decidedBy"] = json!("chen"))).await?;
                let doc = text_in(&tables.one(thing, "META").await?, "doc").to_owned();
                let after = domain::base::digest::Digest::of_bytes(format!("[{doc},{{}}]").as_bytes());
                tables.change(thing, &event(1), |item| _ = rehash(item, |record| record.after = after)).await
            }
        }
    }
}

#[tokio::test]
async fn every_kind_of_tampering_with_what_three_people_did_is_found_on_the_very_day() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let (granted, scope) = in_hand(&world).await?;
    let (request, approval) = (format!("REQUEST#{}", granted.request), format!("APPROVAL#{}", granted.id));
    let day = json!({ "day": MONDAY });
    is_verified(&world, &day).await?;
    let tables = Tables(&world);
    let forge = |doc: &mut Value| doc["decidedBy"] = json!("chen");
    use Tamper::{Drop, DropAllAndLookNew, Edit, LoseState, Rehash, RewriteStateAndEvent, Swap};
    for (what, thing, tamper, words) in [
        ("changed", &request, Edit("EVENT#000000000001", "event", |e| e["why"] = json!("no")), "event 1 was altered"),
        (
            "given a field more",
            &request,
            Edit("EVENT#000000000001", "event", |e| e["more"] = json!(1)),
            "event 1 is not a record",
        ),
        ("mangled", &request, Edit("EVENT#000000000001", "event", |e| *e = json!("no")), "event 1 is not a record"),
        ("dropped", &request, Drop(&[1]), "event 2 does not follow"),
        ("swapped", &request, Swap(1, 2), "event 2 does not follow"),
        ("tail dropped", &request, Drop(&[2]), "counts 2 events and 1 are there"),
        ("all dropped", &request, Drop(&[1, 2]), "none of its events is"),
        ("all dropped, made to look new", &approval, DropAllAndLookNew, "none of its events is"),
        ("rewritten and rehashed", &approval, Rehash(1, |e| e.payload = json!({})), "not the one that its state names"),
        ("state changed", &approval, Edit("META", "doc", forge), "changed without an event"),
        ("state and event changed", &approval, RewriteStateAndEvent, "not the one that its state names"),
        ("state removed", &approval, LoseState, "its state is not"),
        (
            "a task's row changed",
            &scope,
            Edit("ROW#TASK#0001", "doc", |doc| doc["task"]["state"] = json!("completed")),
            "changed without an event",
        ),
    ] {
        let before = tables.of(thing).await?;
        tamper.with(&tables, thing).await.context(what)?;
        is_broken(&world, &json!({ "aggregate": thing }), thing, words).await.context(what)?;
        // The same of a whole day takes much longer to find, so one kind for each thing has to do.
        if words.contains("none of its events") || thing == &scope {
            let found = verify(&world, &day).await?;
            assert_eq!(found["verified"], false, "{what}: {found}");
        }
        tables.restore(thing, &before).await?;
    }
    is_verified(&world, &day).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_dropped_as_a_whole_is_missed_by_what_names_it() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let (granted, scope) = in_hand(&world).await?;
    let approval = format!("APPROVAL#{}", granted.id);
    let tables = Tables(&world);
    for item in tables.of(&approval).await? {
        tables.lose(&item).await?;
    }
    let never = format!("names `{approval}`, of which there is no record");
    is_broken(&world, &json!({ "day": MONDAY }), &scope, &never).await?;
    is_broken(&world, &json!({ "day": MONDAY }), &format!("REQUEST#{}", granted.request), &never).await?;
    for nothing in [approval.as_str(), "APPROVAL#apr_never", "NOTHING#1"] {
        is_broken(&world, &json!({ "aggregate": nothing }), nothing, "there is no such thing").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_state_that_another_things_event_left_is_bound_to_that_event() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let (granted, scope) = in_hand(&world).await?;
    let task = world.task_in(&granted.id, "in-progress").await?;
    let evidence = json!({ "roleArn": format!("arn:aws:iam::{CHECKOUT}:role/{ROLE}") });
    let items = world.items(GOVERNANCE_TABLE).await?;
    let anchor = items.keys().find_map(|key| key.strip_suffix(" META").filter(|name| name.starts_with("ANCHOR#")));
    let (anchor, tables) = (anchor.context("the role's anchor")?, Tables(&world));
    let earlier = tables.of(anchor).await?;
    let body = json!({ "digest": granted.digest, "evidence": evidence });
    world.post(CHEN, &format!("/v1/tasks/{}/complete", text(&task, "/id")?), &body).await?.ok()?;
    world.settle().await?;
    is_verified(&world, &json!({ "aggregate": anchor })).await?;
    is_verified(&world, &json!({ "day": MONDAY })).await?;

    let later = tables.of(anchor).await?;
    tables.change(anchor, "META", |item| edit(item, "doc", |doc| doc["grants"] = json!({}))).await?;
    is_broken(&world, &json!({ "aggregate": anchor }), anchor, &format!("of `{scope}`, which it names, left")).await?;
    is_broken(&world, &json!({ "day": MONDAY }), &scope, &format!("left `{anchor}` in version")).await?;

    tables.restore(anchor, &earlier).await?;
    is_broken(&world, &json!({ "day": MONDAY }), &scope, &format!("left `{anchor}` in version")).await?;

    // As the version before this one wrote it: no event tells what it is.
    tables.restore(anchor, &later).await?;
    tables.change(anchor, "META", |item| drop(item.remove("told"))).await?;
    let found = verify(&world, &json!({ "aggregate": anchor })).await?;
    let expected = (&json!(false), &json!(1), &json!([]));
    assert_eq!((&found["verified"], &found["unbound"], &found["broken"]), expected, "{found}");
    tables.restore(anchor, &later).await?;
    is_verified(&world, &json!({ "day": MONDAY })).await
}

#[tokio::test]
async fn a_past_day_without_its_seal_is_broken_and_a_missed_run_is_made_up_for() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.space("Commerce", &[PETRA]).await?;
    world.settle().await?;
    is_verified(&world, &json!({})).await?;
    world.at("2026-08-26T07:00:00Z")?;
    world.space("Support", &[PETRA]).await?;
    for day in [MONDAY, "2026-08-25"] {
        is_broken(&world, &json!({ "day": day }), &format!("SEAL#{day}"), "is over and has no seal").await?;
    }
    let sealed = world.schedule("daily-seal").await?;
    let days: Vec<&Value> = sealed["sealed"].as_array().context("a list")?.iter().map(|one| &one["day"]).collect();
    assert_eq!(days, [MONDAY, "2026-08-25"], "{sealed}");
    for one in sealed["sealed"].as_array().into_iter().flatten() {
        is_verified(&world, &json!({ "day": one["day"], "anchor": one["seal"] })).await?;
        let hex = one["seal"].as_str().and_then(|seal| seal.strip_prefix("sha256:")).context("a digest")?;
        let object = format!("finops-seals/seals/{}/{hex}.json", one["day"].as_str().context("a day")?);
        let told: Seal = serde_json::from_slice(&std::fs::read(world.local.cloud.objects().join(object))?)?;
        assert_eq!(json!(told.seal), one["seal"], "the bucket has it too");
    }
    let future = world.post(ADA, "/v1/audit/verifications", &json!({ "day": "2026-08-27" })).await?;
    assert_eq!(future.refusal().0, 422, "what has not begun cannot be verified");
    is_broken(&world, &json!({ "day": "2026-08-20" }), "SEAL#2026-08-20", "neither an event nor a seal").await
}

/// Rewrites a day's seal as whoever may write the whole table would: its state, its event and its head fit.
async fn forge_seal(tables: &Tables<'_>, day: &str, forged: &Seal) -> anyhow::Result<()> {
    let name = format!("SEAL#{day}");
    let doc = canonical_json(forged);
    let after = domain::base::digest::Digest::of_bytes(format!("[{doc},{{}}]").as_bytes());
    let mut head = String::new();
    tables.change(&name, &event(1), |item| head = rehash(item, |record| record.after = after)).await?;
    let change = |item: &mut Item| {
        item.insert("doc".to_owned(), attribute(&doc));
        item.insert("head".to_owned(), attribute(&head));
    };
    tables.change(&name, "META", change).await
}

#[tokio::test]
async fn a_history_that_was_rewritten_seamlessly_does_not_fit_the_seals_nor_what_was_told_of_them() -> anyhow::Result<()>
{
    let world = World::empty().await?;
    let space = world.space("Commerce", &[PETRA]).await?;
    let thing = format!("SPACE#{space}");
    let tables = Tables(&world);
    let first = tables.of(&thing).await?;
    let body =
        json!({ "name": "Commerce", "owners": ["petra", "omar"], "businessUnit": "Retail", "portfolio": "Commerce" });
    world.put(LENA, &format!("/v1/spaces/{space}"), &body).await?.ok()?;
    world.settle().await?;
    world.at("2026-08-25T00:10:00Z")?;
    let sealed = world.schedule("daily-seal").await?;
    let anchor = sealed["sealed"][0]["seal"].clone();
    let (day, name) = (json!({ "day": MONDAY }), format!("SEAL#{MONDAY}"));
    is_verified(&world, &day).await?;

    // The second event never happened, if one asks the thing itself.
    let second = tables.of(&thing).await?;
    tables.restore(&thing, &first).await?;
    is_verified(&world, &json!({ "aggregate": thing })).await?;
    is_broken(&world, &day, &name, "not those that were sealed").await?;

    // Now the seal says so too; what was told of it does not, and nor does the next day's.
    let stored: Seal = serde_json::from_str(text_in(&tables.one(&name, "META").await?, "doc"))?;
    let whole = tables.of(&name).await?;
    let heads = {
        let record: AuditEvent = serde_json::from_str(text_in(&tables.one(&thing, &event(1)).await?, "event"))?;
        let mut heads = domain::base::audit::seal::Heads::new();
        for (key, item) in world.items(GOVERNANCE_TABLE).await? {
            let of_day = item["event"]["at"].as_str().is_some_and(|at| at.starts_with(MONDAY));
            if let (true, Ok(last)) = (of_day, serde_json::from_value::<AuditEvent>(item["event"].clone())) {
                let thing = key.split_once(' ').map_or("", |(thing, _)| thing);
                heads.insert(thing.to_owned(), (last.id, last.hash));
            }
        }
        assert_eq!(heads.get(&thing).map(|(_, hash)| hash), Some(&record.hash));
        heads
    };
    let forged = Seal::over(stored.day, &heads, stored.previous.clone());
    forge_seal(&tables, MONDAY, &forged).await?;
    is_verified(&world, &day).await?;
    is_broken(&world, &json!({ "day": MONDAY, "anchor": anchor }), &name, "not the one that was told").await?;
    tables.restore(&name, &whole).await?;
    tables.restore(&thing, &second).await?;
    world.at("2026-08-26T00:10:00Z")?;
    world.schedule("daily-seal").await?;
    is_verified(&world, &json!({ "day": MONDAY, "anchor": anchor })).await?;
    tables.restore(&thing, &first).await?;
    forge_seal(&tables, MONDAY, &forged).await?;
    is_broken(&world, &day, &name, "the seal of the day after names another").await?;
    is_broken(&world, &json!({ "day": "2026-08-25" }), "SEAL#2026-08-25", "another seal of the day before").await
}

#[tokio::test]
async fn a_seal_that_is_changed_or_removed_is_broken() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.space("Commerce", &[PETRA]).await?;
    world.settle().await?;
    world.at("2026-08-25T00:10:00Z")?;
    world.schedule("daily-seal").await?;
    world.at("2026-08-25T07:00:00Z")?;
    let (tables, name, day) = (Tables(&world), format!("SEAL#{MONDAY}"), json!({ "day": MONDAY }));
    is_verified(&world, &day).await?;
    let whole = tables.of(&name).await?;
    let other = json!(domain::base::digest::Digest::of_bytes(b"other"));
    tables.change(&name, "META", |item| edit(item, "doc", |doc| doc["seal"] = other.clone())).await?;
    is_broken(&world, &day, &name, "the seal was altered").await?;
    is_broken(&world, &day, &name, "changed without an event").await?;
    tables.restore(&name, &[]).await?;
    is_broken(&world, &day, &name, "is over and has no seal").await?;
    tables.restore(&name, &whole).await?;
    is_verified(&world, &day).await
}

/// The audit record of August as Ada takes it along.
async fn exported(world: &World) -> anyhow::Result<std::path::PathBuf> {
    let wanted = json!({ "kind": "audit", "billingPeriod": "2026-08" });
    let asked = world.post(ADA, "/v1/exports", &wanted).await?.ok()?;
    world.settle().await?;
    let export = world.get(ADA, &format!("/v1/exports/{}", text(&asked, "/id")?)).await?.ok()?;
    let url: http::Uri = text(&export, "/url")?.parse()?;
    let key = url.path().trim_start_matches('/');
    let key = key.strip_prefix("finops-exports/").unwrap_or(key);
    Ok(world.local.cloud.objects().join("finops-exports").join(key))
}

#[tokio::test]
async fn an_export_is_verified_without_the_product_and_a_forged_one_is_not() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let (granted, _) = in_hand(&world).await?;
    world.at("2026-08-25T00:10:00Z")?;
    let sealed = world.schedule("daily-seal").await?;
    let mut told = verifier::Seals::default();
    told.read(&sealed["sealed"][0].to_string())?;
    let found = verifier::verify(&[exported(&world).await?], &told, verifier::Range::default())?;
    assert!(found.is_verified(), "{found}");
    assert_eq!((found.sealed, found.begun_before, found.unsealed.len()), (1, 0, 1), "{found}");

    let (tables, approval) = (Tables(&world), format!("APPROVAL#{}", granted.id));
    let whole = tables.of(&approval).await?;
    tables.change(&approval, &event(1), |item| edit(item, "event", |e| e["by"]["sub"] = json!("chen"))).await?;
    let found = verifier::verify(&[exported(&world).await?], &told, verifier::Range::default())?;
    assert!(found.to_string().contains(&format!("event 1 of `{approval}` was altered")), "{found}");
    tables.restore(&approval, &[]).await?;
    let found = verifier::verify(&[exported(&world).await?], &told, verifier::Range::default())?;
    assert!(found.to_string().contains("2026-08-24: the day's events are not those that were sealed"), "{found}");
    tables.restore(&approval, &whole).await
}

#[tokio::test]
async fn a_big_day_is_verified_by_a_worker_and_ends() -> anyhow::Result<()> {
    let world = World::empty().await?;
    for n in 0..300 {
        world.space(&format!("Space {n}"), &[PETRA]).await?;
    }
    world.settle().await?;
    let ask = async || -> anyhow::Result<Value> {
        let asked = world.post(ADA, "/v1/audit/verifications", &json!({ "day": MONDAY })).await?;
        assert_eq!(asked.status, 202, "{}", asked.body);
        assert_eq!((&asked.body["state"], &asked.body["verified"]), (&json!("running"), &json!(false)));
        let location = asked.location.clone().context("where it is")?;
        world.settle().await?;
        world.get(ADA, &location).await?.ok()
    };
    let found = ask().await?;
    assert_eq!((&found["state"], &found["verified"]), (&json!("finished"), &json!(true)), "{found}");
    let spaces: Vec<Value> = world.list(ADA, "/v1/spaces").await?;
    assert!(found["things"].as_u64() >= u64::try_from(spaces.len()).ok(), "{found}");
    assert!(found["events"].as_u64() >= found["things"].as_u64());
    let thing = format!("SPACE#{}", text(&spaces[7], "/id")?);
    Tables(&world).change(&thing, "META", |item| edit(item, "doc", |doc| doc["owners"] = json!(["mallory"]))).await?;
    let found = ask().await?;
    assert_eq!((&found["verified"], &found["brokenThings"]), (&json!(false), &json!(1)), "{found}");
    assert_eq!(found["broken"][0]["aggregate"], thing);
    let other = json!({ "day": MONDAY, "anchor": domain::base::digest::Digest::of_bytes(b"other") });
    is_broken(&world, &other, &format!("SEAL#{MONDAY}"), "not the one that was told").await?;
    let again = world.get(ADA, "/v1/audit/verifications/ver_none").await?;
    assert_eq!(again.refusal(), (404, "not-found"));
    Ok(())
}
