//! The ingestion is killed, refused or cut off at each call that has an effect; redelivery and the sweeper finish its
//! work, and both tables end as those of an undisturbed run, item by item, but for times.

use std::collections::BTreeMap;

use local::seam::Fate;
use local::stack::Options;
use serde_json::{Value, json};
use system_tests::bill::{self, Line};
use system_tests::{CHECKOUT, GOVERNANCE_TABLE, LENA, SPEND_TABLE, Strike, Striker, World};

/// More than the calls with an effect that one ingestion makes.
const EFFECTS_MAX: usize = 60;

fn lines(is_restated: bool) -> Vec<Line> {
    let call = |day: u32, principal: &str, cost: &str| Line {
        day,
        principal: principal.to_owned(),
        code: "AmazonBedrock",
        usage_type: "USE1-NovaLite-input-tokens".to_owned(),
        unit: "1K tokens",
        cost: cost.to_owned(),
        ..Line::default()
    };
    let app = format!("arn:aws:sts::{CHECKOUT}:assumed-role/app/one");
    let admin = format!("arn:aws:sts::{CHECKOUT}:assumed-role/AWSReservedSSO_Admin_0a/me@acme.org");
    let mut lines = vec![Line::default(), call(3, &app, "1.25"), call(4, &app, "2.5"), call(4, "", "0.75")];
    if is_restated {
        // One day cheaper, one gone, a new gap; the blank caller has found its role.
        lines = vec![Line::default(), call(3, &app, "1.2"), call(9, &admin, "8"), call(4, &app, "0.75")];
    }
    lines
}

/// A bill that was read, and its restatement, read while the striker strikes.
struct Scenario {
    _folder: tempfile::TempDir,
    world: World,
    striker: Striker,
}

impl Scenario {
    async fn played(strike: Strike) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let cur = folder.path().join(bill::EXPORT);
        bill::write(&cur, "first", &lines(false), 1)?;
        let striker = Striker::new("cur-ingestion", strike);
        let options = Options { cur: Some(cur.clone()), seam: striker.seam(), ..Options::default() };
        let world = World::start(options).await?;
        bill::deliver(&world.local, "2026-08-10T03:00:00Z")?;
        world.schedule("cur-ingestion").await?;
        bill::write(&cur, "second", &lines(true), 2)?;
        bill::deliver(&world.local, "2026-08-11T03:00:00Z")?;
        striker.arm();
        // The schedule is repeated as Lambda repeats it; what is left over the sweeper and the next schedule find.
        world.schedule("cur-ingestion").await?;
        world.schedule("ingestion-sweep").await?;
        world.schedule("cur-ingestion").await?;
        Ok(Self { _folder: folder, world, striker })
    }

    async fn tables(&self) -> anyhow::Result<BTreeMap<String, Value>> {
        let mut items = BTreeMap::new();
        for table in [GOVERNANCE_TABLE, SPEND_TABLE] {
            for (key, item) in self.world.items(table).await? {
                // A person is noted when a test asks something; an event's hash and the digests in it hold its time.
                if !key.starts_with("PERSON#") {
                    items.insert(timeless_text(&key), timeless(&item));
                }
            }
        }
        Ok(items)
    }
}

/// Fields of an event that are functions of its time: its ids, its hashes, and the digests of states that hold times.
const OF_AN_EVENT: [&str; 7] = ["id", "hash", "previous", "before", "after", "states", "requestId"];
/// Fields of an item that are: the hash of its last event, and when it may go.
const OF_AN_ITEM: [&str; 2] = ["head", "ttl"];

fn timeless(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(timeless_text(text)),
        Value::Array(items) => items.iter().map(timeless).collect(),
        Value::Object(fields) => {
            let is_event = fields.contains_key("hash") && fields.contains_key("sequence");
            let is_of_time = |name: &str| OF_AN_ITEM.contains(&name) || (is_event && OF_AN_EVENT.contains(&name));
            let field = |(name, field): (&String, &Value)| {
                (name.clone(), if is_of_time(name) { json!("of time") } else { timeless(field) })
            };
            fields.iter().map(field).collect()
        }
        other => other.clone(),
    }
}

/// Times within a key are written out, or the twenty digits of milliseconds.
fn timeless_text(text: &str) -> String {
    let is_time = |part: &str| {
        part.parse::<jiff::Timestamp>().is_ok() || (part.len() == 20 && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    text.split('#').map(|part| if is_time(part) { "a time" } else { part }).collect::<Vec<_>>().join("#")
}

fn differences(expected: &BTreeMap<String, Value>, found: &BTreeMap<String, Value>) -> Vec<String> {
    let keys: std::collections::BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let told = |item: Option<&Value>| item.map_or_else(|| "nothing".to_owned(), Value::to_string);
    let line = |key: &String| format!("{key}: {} became {}", told(expected.get(key)), told(found.get(key)));
    keys.into_iter().filter(|key| expected.get(*key) != found.get(*key)).map(line).collect()
}

/// Plays the scenario once for every call with an effect, struck so; answers how many there were.
async fn struck_everywhere(fate: Fate, expected: &BTreeMap<String, Value>) -> anyhow::Result<usize> {
    for n in 1..=EFFECTS_MAX {
        let scenario = Scenario::played(Strike::Effect(n, fate)).await?;
        let Some(struck) = scenario.striker.struck() else { return Ok(n - 1) };
        assert_eq!(differences(expected, &scenario.tables().await?), Vec::<String>::new(), "{struck}, effect {n}");
    }
    anyhow::bail!("the ingestion has more than {EFFECTS_MAX} effects; raise the limit")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_or_after_any_effect_the_ingestion_ends_in_the_same_tables() -> anyhow::Result<()> {
    let undisturbed = Scenario::played(Strike::Nothing).await?;
    let expected = undisturbed.tables().await?;
    assert!(expected.keys().any(|key| key.starts_with("GAP#")) && expected.keys().any(|key| key.starts_with("SPEND#")));
    let calls = undisturbed.striker.calls();
    assert!(calls.contains_key("dynamodb BatchWriteItem"), "calls of spawned tasks are struck, too: {calls:?}");
    assert_eq!(differences(&expected, &Scenario::played(Strike::Nothing).await?.tables().await?), Vec::<String>::new());
    let (before, after) =
        tokio::join!(struck_everywhere(Fate::DieBefore, &expected), struck_everywhere(Fate::DieAfter, &expected));
    let (before, after) = (before?, after?);
    // Two queries, the run, days, index, head, what expires, gaps, the run's end.
    assert!(before >= 9 && after >= 9, "{before} and {after} effects: {:?}", undisturbed.striker.calls());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_cut_off_or_in_conflict_at_any_effect_the_ingestion_ends_in_the_same_tables() -> anyhow::Result<()> {
    let expected = Scenario::played(Strike::Nothing).await?.tables().await?;
    let (throttled, cut_off, conflicts) = tokio::join!(
        struck_everywhere(Fate::Throttle, &expected),
        struck_everywhere(Fate::TimeOutAfter, &expected),
        struck_everywhere(Fate::Conflict, &expected),
    );
    assert!(throttled? >= 9 && cut_off? >= 9 && conflicts? >= 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_kind_of_reading_the_ingestion_ends_in_the_same_tables() -> anyhow::Result<()> {
    let undisturbed = Scenario::played(Strike::Nothing).await?;
    let expected = undisturbed.tables().await?;
    for operation in ["GET", "GetItem", "Query", "BatchGetItem", "GetQueryExecution", "GetQueryResults"] {
        let scenario = Scenario::played(Strike::First(operation, Fate::DieAfter)).await?;
        let struck = scenario.striker.struck();
        assert!(struck.is_some(), "the ingestion never calls {operation}: {:?}", undisturbed.striker.calls());
        assert_eq!(differences(&expected, &scenario.tables().await?), Vec::<String>::new(), "{struck:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_unchanged_delivery_writes_as_many_items_for_many_days_as_for_few() -> anyhow::Result<()> {
    let mut written = Vec::new();
    for days in [1, 28] {
        let folder = tempfile::tempdir()?;
        let each = |day: u32| lines(false).into_iter().map(move |line| Line { day, ..line });
        let lines: Vec<Line> = (1..=days).flat_map(each).collect();
        bill::write(folder.path(), "first", &lines, 1)?;
        let striker = Striker::new("cur-ingestion", Strike::Nothing);
        let options = Options { cur: Some(folder.path().to_owned()), seam: striker.seam(), ..Options::default() };
        let world = World::start(options).await?;
        bill::deliver(&world.local, "2026-08-10T03:00:00Z")?;
        world.schedule("cur-ingestion").await?;
        striker.arm();
        world.schedule("cur-ingestion").await?;
        world.schedule("ingestion-sweep").await?;
        assert_eq!(striker.written(), 0, "the same manifest again: {:?}", striker.calls());
        // The same rows in another delivery, in other files and the other way round.
        let backwards: Vec<Line> = lines.into_iter().rev().collect();
        bill::write(folder.path(), "second", &backwards, 3)?;
        bill::deliver(&world.local, "2026-08-11T03:00:00Z")?;
        world.schedule("cur-ingestion").await?;
        written.push(striker.written());
        let runs = world.list(LENA, "/v1/ingestions?billingPeriod=2026-08").await?;
        assert_eq!((runs.len(), &runs[0]["changed"]), (2, &json!(false)));
    }
    assert_eq!(written.first(), written.last());
    assert!(written.iter().all(|items| *items <= 7), "run, event, two queries; head; run, event: {written:?}");
    Ok(())
}
