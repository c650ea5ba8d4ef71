//! A reading of the bill that is interrupted at each of its calls of the spend table by the whole reading of a newer
//! delivery: what the newer one shows stays shown, all of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use local::seam::{Fate, Seam};
use local::stack::Options;
use serde_json::{Value, json};
use system_tests::bill::{self, Line};
use system_tests::ledger::units_in;
use system_tests::{CHECKOUT, DATA, LENA, SPEND_TABLE, World, text};

/// More than the calls of the spend table that one reading makes.
const CALLS_MAX: usize = 60;

fn call(day: u32, account: &'static str, cost: &str) -> Line {
    let (cost, usage_type) = (cost.to_owned(), "USE1-x".to_owned());
    Line { day, account, cost, code: "AmazonBedrock", usage_type, ..Line::default() }
}

fn first_lines() -> Vec<Line> {
    vec![Line::default(), call(3, CHECKOUT, "1.25"), call(4, DATA, "2.5")]
}

fn other_lines() -> Vec<Line> {
    vec![Line::default(), call(3, CHECKOUT, "8"), call(5, DATA, "16")]
}

/// A month that was read, then two deliveries, the second of which is read while the first of them is.
struct Race {
    folder: tempfile::TempDir,
    world: OnceLock<World>,
    /// Calls until the interruption; none is to come at zero.
    left: AtomicUsize,
}

impl Race {
    /// Interrupts at the n-th call of the spend table; answers nothing if there are fewer.
    async fn run(nth: usize) -> anyhow::Result<Option<Arc<Self>>> {
        let race = Arc::new(Self { folder: tempfile::tempdir()?, world: OnceLock::new(), left: AtomicUsize::new(0) });
        race.write("first", &first_lines())?;
        let directing = Arc::downgrade(&race);
        let seam = Seam::directed(Arc::new(move |call| {
            let is_of_facts = String::from_utf8_lossy(call.request.body()).contains(SPEND_TABLE);
            if let Some(race) = directing.upgrade().filter(|_| call.function == "cur-ingestion" && is_of_facts) {
                race.count();
            }
            Fate::Pass
        }));
        let cur = race.folder.path().join(bill::EXPORT);
        let world = World::start(Options { cur: Some(cur), seam, ..Options::default() }).await?;
        let world = race.world.get_or_init(|| world);
        bill::deliver(&world.local, "2026-08-10T03:00:00Z")?;
        world.schedule("cur-ingestion").await?;
        race.write("second", &other_lines())?;
        bill::deliver(&world.local, "2026-08-11T03:00:00Z")?;
        race.left.store(nth, Ordering::SeqCst);
        world.schedule("cur-ingestion").await?;
        world.schedule("ingestion-sweep").await?;
        Ok((race.left.load(Ordering::SeqCst) == 0).then_some(race))
    }

    fn write(&self, execution: &str, lines: &[Line]) -> anyhow::Result<()> {
        bill::write(&self.folder.path().join(bill::EXPORT), execution, lines, 1)
    }

    fn count(&self) {
        let one_less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) == Ok(1) {
            let runtime = tokio::runtime::Handle::current();
            let read = tokio::task::block_in_place(|| runtime.block_on(self.read_a_newer_delivery()));
            assert!(read.is_ok(), "{read:?}");
        }
    }

    /// The rows of the first delivery again. What the interrupted reading waits for is in flight, so that nothing settles.
    async fn read_a_newer_delivery(&self) -> anyhow::Result<()> {
        let world = self.world.get().context("a world")?;
        self.write("third", &first_lines())?;
        bill::deliver(&world.local, "2026-08-12T03:00:00Z")?;
        for schedule in ["cur-ingestion", "ingestion-sweep"] {
            world.local.bus.run_schedule(schedule, world.local.clock.now()).await?;
            world.local.athena.settled().await;
        }
        world.local.bus.run_schedule("ingestion-sweep", world.local.clock.now()).await.map(drop)?;
        Ok(())
    }

    async fn spend(&self) -> anyhow::Result<Value> {
        self.world.get().context("a world")?.get(LENA, "/v1/spend?billingPeriod=2026-08").await?.ok()
    }

    /// Items with an end that the month's head leads to.
    async fn shown_with_an_end(&self) -> anyhow::Result<Vec<String>> {
        let items = self.world.get().context("a world")?.items(SPEND_TABLE).await?;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_delivery_that_is_read_during_a_reading_stays_what_is_shown() -> anyhow::Result<()> {
    for nth in 1..=CALLS_MAX {
        let Some(race) = Race::run(nth).await? else {
            assert!(nth > 9, "heads, index, days, what is superseded: {nth}");
            return Ok(());
        };
        let spend = race.spend().await?;
        assert_eq!((&spend["asOf"], &spend["stale"]), (&json!("2026-08-12T03:00:00Z"), &json!(false)), "call {nth}");
        assert_eq!(units_in(&spend["totals"]["cur"]["amount"]), 37_500_000_000, "call {nth}");
        assert_eq!(race.shown_with_an_end().await?, Vec::<String>::new(), "call {nth}");
    }
    anyhow::bail!("a reading has more than {CALLS_MAX} calls; raise the limit")
}

#[tokio::test]
async fn a_month_whose_index_is_lost_is_written_anew_by_the_next_delivery() -> anyhow::Result<()> {
    for lines in [first_lines(), other_lines()] {
        let folder = tempfile::tempdir()?;
        bill::write(folder.path(), "first", &first_lines(), 1)?;
        let world = World::start(Options { cur: Some(folder.path().to_owned()), ..Options::default() }).await?;
        bill::deliver(&world.local, "2026-08-10T03:00:00Z")?;
        world.schedule("cur-ingestion").await?;
        let index = |key: &&String| key.contains(" INDEX#");
        let lost = world.items(SPEND_TABLE).await?.keys().find(index).cloned().context("an index")?;
        world.lose(SPEND_TABLE, &lost).await?;
        bill::write(folder.path(), "second", &lines, 1)?;
        bill::deliver(&world.local, "2026-08-11T03:00:00Z")?;
        world.schedule("cur-ingestion").await?;
        let spend = world.get(LENA, "/v1/spend?billingPeriod=2026-08").await?.ok()?;
        assert_eq!((&spend["asOf"], &spend["stale"]), (&json!("2026-08-11T03:00:00Z"), &json!(false)));
    }
    Ok(())
}
