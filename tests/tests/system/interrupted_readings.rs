//! A reading of the bill, or what follows from it, that is interrupted at one of its calls: by the whole reading of a
//! newer delivery, by a delivery that nobody can read, by other settings. What is shown stays shown, is settled, and
//! adds up.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use local::seam::{AwsCall, Fate, Seam};
use local::stack::Options;
use serde_json::{Value, json};
use system_tests::bill::{self, Line};
use system_tests::ledger::{Units, units_in};
use system_tests::{CHECKOUT, DATA, LENA, PETRA, SPEND_TABLE, World, approval, places, text};

/// More than the calls of the spend table that one reading makes.
const CALLS_MAX: usize = 60;
const ROLE: &str = "finops-ai-checkout";

/// What interrupts, and what becomes of the call.
type Deed = for<'r> fn(&'r Race) -> Pin<Box<dyn Future<Output = anyhow::Result<Fate>> + Send + 'r>>;

fn call(day: u32, account: &'static str, cost: &str) -> Line {
    let (cost, usage_type) = (cost.to_owned(), "USE1-x".to_owned());
    Line { day, account, cost, code: "AmazonBedrock", usage_type, ..Line::default() }
}

fn lines(of_role: &str, of_nobody: &str) -> Vec<Line> {
    let principal = format!("arn:aws:sts::{CHECKOUT}:assumed-role/{ROLE}/i-0abc");
    vec![Line::default(), Line { principal, ..call(3, CHECKOUT, of_role) }, call(4, DATA, of_nobody)]
}

fn is_of_facts(call: &AwsCall<'_>) -> bool {
    holds(call, SPEND_TABLE)
}

fn writes_gaps(call: &AwsCall<'_>) -> bool {
    call.operation == "TransactWriteItems" && holds(call, "\"GAP#")
}

fn asks_for_a_query(call: &AwsCall<'_>) -> bool {
    call.operation == "GetQueryExecution"
}

fn holds(call: &AwsCall<'_>, text: &str) -> bool {
    String::from_utf8_lossy(call.request.body()).contains(text)
}

/// A month that was read, and what is to happen once, at a later call of the function that reads it.
struct Race {
    folder: tempfile::TempDir,
    world: OnceLock<World>,
    /// Calls until the interruption; none is to come at zero.
    left: AtomicUsize,
    is_counted: fn(&AwsCall<'_>) -> bool,
    deed: Deed,
}

impl Race {
    async fn begin(is_counted: fn(&AwsCall<'_>) -> bool, deed: Deed) -> anyhow::Result<Arc<Self>> {
        let (folder, world, left) = (tempfile::tempdir()?, OnceLock::new(), AtomicUsize::new(0));
        let race = Arc::new(Self { folder, world, left, is_counted, deed });
        let directing = Arc::downgrade(&race);
        let seam = Seam::directed(Arc::new(move |call| match directing.upgrade() {
            Some(race) if call.function == "cur-ingestion" && (race.is_counted)(&call) => race.count(),
            _ => Fate::Pass,
        }));
        race.write("first", &lines("1.25", "2.5"))?;
        let cur = race.folder.path().join(bill::EXPORT);
        let world = World::start(Options { cur: Some(cur), seam, ..Options::default() }).await?;
        let world = race.world.get_or_init(|| world);
        bill::deliver(&world.local, "2026-08-10T03:00:00Z")?;
        world.schedule("cur-ingestion").await?;
        Ok(race)
    }

    fn world(&self) -> anyhow::Result<&World> {
        self.world.get().context("a world")
    }

    fn write(&self, execution: &str, lines: &[Line]) -> anyhow::Result<()> {
        bill::write(&self.folder.path().join(bill::EXPORT), execution, lines, 1)
    }

    fn arm(&self, nth: usize) {
        self.left.store(nth, Ordering::SeqCst);
    }

    fn has_struck(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    /// Reads a second delivery, interrupted at the n-th call that is counted.
    async fn read_a_second_delivery(&self, nth: usize) -> anyhow::Result<()> {
        let world = self.world()?;
        self.write("second", &lines("8", "16"))?;
        bill::deliver(&world.local, "2026-08-11T03:00:00Z")?;
        self.arm(nth);
        world.schedule("cur-ingestion").await?;
        world.schedule("ingestion-sweep").await.map(drop)
    }

    fn count(&self) -> Fate {
        let one_less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) != Ok(1) {
            return Fate::Pass;
        }
        let runtime = tokio::runtime::Handle::current();
        let fate = tokio::task::block_in_place(|| runtime.block_on((self.deed)(self)));
        assert!(fate.is_ok(), "{fate:?}");
        fate.unwrap_or_default()
    }

    async fn spend(&self) -> anyhow::Result<Value> {
        self.world()?.get(LENA, "/v1/spend?billingPeriod=2026-08").await?.ok()
    }

    /// What the gaps of the month add up to.
    async fn gaps(&self) -> anyhow::Result<Units> {
        let gaps = self.world()?.list(LENA, "/v1/gaps?billingPeriod=2026-08").await?;
        Ok(gaps.iter().filter(|gap| gap["inTotals"] == json!(true)).map(|gap| units_in(&gap["amount"]["amount"])).sum())
    }

    /// Items with an end that the month's head leads to.
    async fn shown_with_an_end(&self) -> anyhow::Result<Vec<String>> {
        let items = self.world()?.items(SPEND_TABLE).await?;
        let head = items.get("PERIOD#2026-08 HEAD").context("a head")?;
        let facts = text(head, "/doc/facts")?.replace("sha256:", "");
        let mut named = vec![format!("INDEX#{facts}")];
        for (key, index) in items.iter().filter(|(key, _)| key.contains(&facts)) {
            let rows = index["doc"].as_array().with_context(|| format!("rows of {key}"))?;
            for (day, entry) in rows.iter().filter_map(|row| row["days"].as_object()).flatten() {
                named.push(format!("DAY#{day}#{}", text(entry, "/digest")?.replace("sha256:", "")));
            }
        }
        let is_named = |key: &String| named.iter().any(|name| key.contains(name));
        anyhow::ensure!(items.keys().filter(|key| is_named(key)).count() == 3, "an index and two days: {named:?}");
        let ended = items.iter().filter(|(key, item)| is_named(key) && item.get("ttl").is_some());
        Ok(ended.map(|(key, _)| key.clone()).collect())
    }
}

/// Reads a third delivery to its end. What is interrupted is in flight, so that nothing settles.
async fn third_delivery(race: &Race, lines: &[Line]) -> anyhow::Result<Fate> {
    let world = race.world()?;
    race.write("third", lines)?;
    bill::deliver(&world.local, "2026-08-12T03:00:00Z")?;
    for schedule in ["cur-ingestion", "ingestion-sweep", "ingestion-sweep"] {
        world.local.bus.run_schedule(schedule, world.local.clock.now()).await?;
        world.local.athena.settled().await;
    }
    Ok(Fate::Pass)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_delivery_that_is_read_during_a_reading_stays_what_is_shown() -> anyhow::Result<()> {
    for nth in 1..=CALLS_MAX {
        // The rows of the first delivery again: their items are there, or are being given an end.
        let race =
            Race::begin(is_of_facts, |race| Box::pin(async move { third_delivery(race, &lines("1.25", "2.5")).await }))
                .await?;
        race.read_a_second_delivery(nth).await?;
        if !race.has_struck() {
            assert!(nth > 9, "heads, index, days, what is superseded: {nth}");
            return Ok(());
        }
        let spend = race.spend().await?;
        assert_eq!((&spend["asOf"], &spend["stale"]), (&json!("2026-08-12T03:00:00Z"), &json!(false)), "call {nth}");
        assert_eq!(units_in(&spend["totals"]["cur"]["amount"]), 37_500_000_000, "call {nth}");
        assert_eq!(race.shown_with_an_end().await?, Vec::<String>::new(), "call {nth}");
        assert_eq!(race.gaps().await?, units_in(&spend["totals"]["gap"]["amount"]), "call {nth}");
    }
    anyhow::bail!("a reading has more than {CALLS_MAX} calls; raise the limit")
}

#[tokio::test]
async fn a_month_whose_index_is_lost_is_written_anew_by_the_next_delivery() -> anyhow::Result<()> {
    for again in [lines("1.25", "2.5"), lines("8", "16")] {
        let race = Race::begin(is_of_facts, |_| Box::pin(async { Ok(Fate::Pass) })).await?;
        let world = race.world()?;
        let index = |key: &&String| key.contains(" INDEX#");
        let lost = world.items(SPEND_TABLE).await?.keys().find(index).cloned().context("an index")?;
        world.lose(SPEND_TABLE, &lost).await?;
        race.write("second", &again)?;
        bill::deliver(&world.local, "2026-08-11T03:00:00Z")?;
        world.schedule("cur-ingestion").await?;
        let spend = race.spend().await?;
        assert_eq!((&spend["asOf"], &spend["stale"]), (&json!("2026-08-11T03:00:00Z"), &json!(false)));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_shown_is_settled_though_its_reading_died_and_nobody_can_read_the_next() -> anyhow::Result<()> {
    let race = Race::begin(writes_gaps, |race| {
        Box::pin(async move {
            race.write("third", &lines("NaN", "16"))?;
            bill::deliver(&race.world()?.local, "2026-08-12T03:00:00Z")?;
            Ok(Fate::DieBefore)
        })
    })
    .await?;
    race.read_a_second_delivery(1).await?;
    assert!(race.has_struck());
    let world = race.world()?;
    world.schedule("cur-ingestion").await?;
    let spend = race.spend().await?;
    assert_eq!((&spend["asOf"], &spend["stale"]), (&json!("2026-08-11T03:00:00Z"), &json!(true)), "{spend}");
    assert_eq!(race.gaps().await?, units_in(&spend["totals"]["gap"]["amount"]));
    let run = text(&spend, "/runId")?;
    let read = world.get(LENA, &format!("/v1/ingestions/{run}")).await?.ok()?;
    assert_eq!((&read["state"], &read["changed"], &read["groups"]), (&json!("completed"), &json!(true), &json!(2)));
    let told = world.list(LENA, &format!("/v1/audit?aggregate=RUN%23{run}")).await?;
    assert_eq!(told.iter().filter(|event| event["type"] == "ingestion.completed").count(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gaps_that_a_claim_closes_while_a_newer_delivery_is_read_are_those_of_the_newer() -> anyhow::Result<()> {
    let race =
        Race::begin(writes_gaps, |race| Box::pin(async move { third_delivery(race, &lines("8", "16")).await })).await?;
    let world = race.world()?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let granted = world.granted(PETRA, &workload, &approval(&places(ROLE, &[(CHECKOUT, "us-east-1")]))).await?;
    world.implement(&granted.id, CHECKOUT, ROLE).await?;
    race.arm(1);
    let anchor = json!({ "type": "iam-role", "arn": format!("arn:aws:iam::{CHECKOUT}:role/{ROLE}") });
    let claim = json!({ "anchor": anchor, "effectiveFrom": "2026-08-01" });
    world.post(PETRA, &format!("/v1/workloads/{workload}/claims"), &claim).await?.ok()?;
    world.settle().await?;
    assert!(race.has_struck());
    let spend = race.spend().await?;
    assert_eq!(units_in(&spend["totals"]["gap"]["amount"]), 160_000_000_000, "{spend}");
    assert_eq!(race.gaps().await?, 160_000_000_000);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_read_by_the_settings_that_they_were_asked_for_by() -> anyhow::Result<()> {
    let race = Race::begin(asks_for_a_query, |race| {
        Box::pin(async move {
            let world = race.world()?;
            let mut settings = world.get(LENA, "/v1/settings").await?.ok()?;
            settings["bill"]["workspaceTagKey"] = json!("another-tag");
            settings.as_object_mut().and_then(|whole| whole.remove("version"));
            world.put(LENA, "/v1/settings", &settings).await?.ok()?;
            Ok(Fate::Pass)
        })
    })
    .await?;
    race.read_a_second_delivery(1).await?;
    assert!(race.has_struck());
    let world = race.world()?;
    let spend = race.spend().await?;
    assert_eq!((&spend["asOf"], &spend["stale"]), (&json!("2026-08-11T03:00:00Z"), &json!(false)), "{spend}");
    let run = world.get(LENA, &format!("/v1/ingestions/{}", text(&spend, "/runId")?)).await?.ok()?;
    assert_eq!((&run["settingsVersion"], &run["attempt"]), (&json!(1), &json!(2)), "{run}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_shown_and_is_lost_before_it_is_settled_is_read_anew() -> anyhow::Result<()> {
    let race = Race::begin(writes_gaps, |race| {
        Box::pin(async move {
            let world = race.world()?;
            for key in world.items(SPEND_TABLE).await?.keys().filter(|key| key.contains(" INDEX#")) {
                world.lose(SPEND_TABLE, key).await?;
            }
            Ok(Fate::DieBefore)
        })
    })
    .await?;
    race.read_a_second_delivery(1).await?;
    assert!(race.has_struck());
    race.world()?.schedule("cur-ingestion").await?;
    let spend = race.spend().await?;
    assert_eq!((&spend["asOf"], &spend["stale"]), (&json!("2026-08-11T03:00:00Z"), &json!(false)), "{spend}");
    assert_eq!(race.gaps().await?, units_in(&spend["totals"]["gap"]["amount"]));
    Ok(())
}
