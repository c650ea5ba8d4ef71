//! Bills that cannot be trusted: torn while they are read, not adding up, with costs that are no numbers, with more
//! groups than a page, a file or a person can read. Nothing is shown that is not whole, and it is said where it is
//! not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use local::cloud::CUR_BUCKET;
use local::seam::{Fate, Seam};
use local::stack::Options;
use serde_json::{Value, json};
use system_tests::bill::{self, Line};
use system_tests::ledger::{Holdings, sums, units_in};
use system_tests::{CHECKOUT, DATA, LENA, World, text};

fn call(day: u32, account: &'static str, principal: &str, cost: &str) -> Line {
    let (principal, cost) = (principal.to_owned(), cost.to_owned());
    Line { day, account, principal, cost, code: "AmazonBedrock", usage_type: "USE1-x".to_owned(), ..Line::default() }
}

fn some_lines() -> Vec<Line> {
    vec![Line::default(), call(3, CHECKOUT, "", "1.25"), call(4, DATA, "", "2.5"), call(4, CHECKOUT, "", "0.75")]
}

/// A stack, its bill, and something that happens once, just before the first page of a result is read.
struct Bad {
    folder: tempfile::TempDir,
    world: World,
}

type Deed = Box<dyn Fn(&Path) + Send + Sync>;

impl Bad {
    async fn with(deed: Deed) -> anyhow::Result<(Self, Arc<AtomicBool>)> {
        let folder = tempfile::tempdir()?;
        let is_armed = Arc::new(AtomicBool::new(false));
        let (armed, buckets) = (Arc::clone(&is_armed), Arc::new(std::sync::OnceLock::<PathBuf>::new()));
        let known = Arc::clone(&buckets);
        let seam = Seam::directed(Arc::new(move |call| {
            if call.operation == "GetQueryResults" && armed.swap(false, Ordering::SeqCst) {
                known.get().into_iter().for_each(|buckets| deed(buckets));
            }
            Fate::Pass
        }));
        let cur = folder.path().join(bill::EXPORT);
        bill::write(&cur, "first", &some_lines(), 1)?;
        let world = World::start(Options { cur: Some(cur), seam, ..Options::default() }).await?;
        buckets.get_or_init(|| world.local.cloud.objects().to_owned());
        let bad = Self { folder, world };
        bad.deliver("2026-08-10T03:00:00Z").await?;
        Ok((bad, is_armed))
    }

    async fn undisturbed() -> anyhow::Result<Self> {
        Ok(Self::with(Box::new(|_| ())).await?.0)
    }

    fn write(&self, execution: &str, lines: &[Line]) -> anyhow::Result<()> {
        bill::write(&self.folder.path().join(bill::EXPORT), execution, lines, 1)
    }

    async fn deliver(&self, as_of: &str) -> anyhow::Result<()> {
        bill::deliver(&self.world.local, as_of)?;
        self.world.schedule("cur-ingestion").await.map(drop)
    }

    async fn spend(&self) -> anyhow::Result<Value> {
        self.world.get(LENA, "/v1/spend?billingPeriod=2026-08").await?.ok()
    }

    async fn newest_run(&self) -> anyhow::Result<Value> {
        let runs = self.world.list(LENA, "/v1/ingestions?billingPeriod=2026-08").await?;
        runs.first().cloned().context("a run")
    }
}

/// Takes away what Athena answered, as the results' bucket does after a week.
fn lose_the_results(buckets: &Path) {
    for_each_result(buckets, |path| assert!(std::fs::remove_file(path).is_ok()));
}

/// Takes the last row out of every result of Athena's that has several.
fn lose_a_row(buckets: &Path) {
    for_each_result(buckets, |path| {
        let rows = std::fs::read_to_string(path).unwrap_or_default();
        let kept: Vec<&str> = rows.lines().collect();
        if let Some((_, kept @ [_, _, _, ..])) = kept.split_last() {
            assert!(std::fs::write(path, format!("{}\n", kept.join("\n"))).is_ok());
        }
    });
}

fn for_each_result(buckets: &Path, deed: impl Fn(&Path)) {
    let mut folders = vec![buckets.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "csv") {
                deed(&path);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_result_is_not_kept_any_more_fails_and_is_read_again() -> anyhow::Result<()> {
    let (bad, armed) = Bad::with(Box::new(lose_the_results)).await?;
    bad.write("second", &some_lines().into_iter().chain([call(9, DATA, "", "8")]).collect::<Vec<_>>())?;
    armed.store(true, Ordering::SeqCst);
    bad.deliver("2026-08-11T03:00:00Z").await?;
    let run = bad.newest_run().await?;
    assert_eq!((&run["state"], &run["failure"]["kind"]), (&json!("failed"), &json!("query-failed")), "{run}");
    assert!(text(&run, "/failure/detail")?.contains("read again"), "{run}");
    bad.world.schedule("cur-ingestion").await?;
    let read = bad.spend().await?;
    assert_eq!((units_in(&read["totals"]["cur"]["amount"]), &read["stale"]), (125_000_000_000, &json!(false)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_row_fails_the_run_names_its_slice_and_leaves_the_last_good_figures() -> anyhow::Result<()> {
    let (bad, armed) = Bad::with(Box::new(lose_a_row)).await?;
    let good = bad.spend().await?;
    bad.write("second", &some_lines().into_iter().chain([call(9, DATA, "", "8")]).collect::<Vec<_>>())?;
    armed.store(true, Ordering::SeqCst);
    bad.deliver("2026-08-11T03:00:00Z").await?;
    let run = bad.newest_run().await?;
    assert_eq!((&run["state"], &run["failure"]["kind"]), (&json!("failed"), &json!("not-reconciled")), "{run}");
    let slices = run["failure"]["slices"].as_array().cloned().unwrap_or_default();
    assert_eq!(slices.len(), 1, "{run}");
    let lost = |field: &str| units_in(&slices[0][field]);
    assert!(lost("expectedCost") > lost("foundCost") && slices[0]["foundRows"] == 0, "{run}");
    assert_eq!(slices[0]["lineItemType"], "Usage");
    assert!(text(&run, "/failure/detail")?.contains(&text(&slices[0], "/day")?), "{run}");
    let stale = bad.spend().await?;
    assert_eq!((&stale["totals"], &stale["runId"], &stale["asOf"]), (&good["totals"], &good["runId"], &good["asOf"]));
    assert_eq!((&stale["complete"], &stale["stale"]), (&json!(true), &json!(true)));
    // The job tries again, and this time nothing is lost.
    bad.world.schedule("cur-ingestion").await?;
    let healed = bad.spend().await?;
    assert_eq!((units_in(&healed["totals"]["cur"]["amount"]), &healed["stale"]), (125_000_000_000, &json!(false)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn costs_that_are_no_numbers_fail_the_run_by_day_account_and_type() -> anyhow::Result<()> {
    let bad = Bad::undisturbed().await?;
    let good = bad.spend().await?;
    for (number, cost) in ["NaN", "Infinity", "-Infinity", "", "1e300"].into_iter().enumerate() {
        let mut lines = some_lines();
        lines.push(Line { kind: "Credit", ..call(17, DATA, "", cost) });
        bad.write(&format!("bad-{number}"), &lines)?;
        bad.deliver("2026-08-11T03:00:00Z").await?;
        let run = bad.newest_run().await?;
        assert_eq!((&run["state"], &run["failure"]["kind"]), (&json!("failed"), &json!("unreadable-rows")), "{cost}");
        let slices = run["failure"]["slices"].as_array().cloned().unwrap_or_default();
        let of = slices
            .first()
            .map(|slice| [&slice["day"], &slice["accountId"], &slice["lineItemType"], &slice["unreadableRows"]]);
        assert_eq!(of, Some([&json!("2026-08-17"), &json!(DATA), &json!("Credit"), &json!(1)]), "{cost}: {run}");
        assert_eq!(bad.spend().await?["totals"], good["totals"], "{cost}");
    }
    // A month that went below zero is a month like any other.
    let lines: Vec<Line> = some_lines().into_iter().chain([call(5, CHECKOUT, "", "-100.5")]).collect();
    bad.write("negative", &lines)?;
    bad.deliver("2026-08-12T03:00:00Z").await?;
    let shown = bad.spend().await?;
    assert_eq!((units_in(&shown["totals"]["gap"]["amount"]), &shown["stale"]), (-960_000_000_000, &json!(false)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_no_run_and_cannot_be_read_is_counted_wherever_it_is_missed() -> anyhow::Result<()> {
    let bad = Bad::undisturbed().await?;
    let whole = bad.spend().await?;
    assert_eq!(whole["totals"]["unreadable"], json!({ "amounts": 0, "nonAiCosts": 0 }));
    assert_eq!(whole["quantitiesComplete"], true);
    let mut lines = some_lines();
    lines.push(Line { quantity: "Infinity", ..call(17, DATA, "", "0.5") });
    lines.push(Line { quantity: "", ..call(17, DATA, "", "0.25") });
    lines.push(Line { cost: "NaN".to_owned(), ..Line::default() });
    bad.write("second", &lines)?;
    bad.deliver("2026-08-11T03:00:00Z").await?;
    let unreadable = json!({ "amounts": 2, "nonAiCosts": 1 });
    let shown = bad.spend().await?;
    assert_eq!((units_in(&shown["totals"]["cur"]["amount"]), &shown["stale"]), (52_500_000_000, &json!(false)));
    assert_eq!((&shown["totals"]["unreadable"], &shown["quantitiesComplete"]), (&unreadable, &json!(false)));
    assert_eq!(shown["totals"]["nonAi"], whole["totals"]["nonAi"], "too low, and said to be");
    assert_eq!(bad.newest_run().await?["totals"][0]["unreadable"], unreadable);
    let month = bad.world.get(LENA, "/v1/months/2026-08").await?.ok()?;
    assert_eq!(month["unreadable"], unreadable);
    let wanted = json!({ "kind": "chargeback-csv", "billingPeriod": "2026-08" });
    let asked = bad.world.post(LENA, "/v1/exports", &wanted).await?.ok()?;
    bad.world.settle().await?;
    let export = bad.world.get(LENA, &format!("/v1/exports/{}", text(&asked, "/id")?)).await?.ok()?;
    assert_eq!(export["manifest"]["unreadable"], unreadable);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_replaced_under_a_reading_are_read_again() -> anyhow::Result<()> {
    // AWS replaces a month's files before it writes the manifest: the manifest alone tells nothing yet.
    let replace = |buckets: &Path| {
        let data = buckets.join(CUR_BUCKET).join("cur/finops-center-full-v1/data/BILLING_PERIOD=2026-08");
        assert!(std::fs::create_dir_all(&data).is_ok() && std::fs::write(data.join("hand-00000.csv.gz"), "x").is_ok());
    };
    let (bad, armed) = Bad::with(Box::new(replace)).await?;
    bad.write("second", &some_lines().into_iter().skip(1).collect::<Vec<_>>())?;
    armed.store(true, Ordering::SeqCst);
    bad.deliver("2026-08-11T03:00:00Z").await?;
    let run = bad.newest_run().await?;
    assert_eq!((&run["state"], &run["attempt"]), (&json!("completed"), &json!(2)), "the first attempt was torn: {run}");
    let events = bad.world.list(LENA, &format!("/v1/audit?aggregate=RUN%23{}", text(&run, "/id")?)).await;
    assert!(events.is_ok_and(|events| events.iter().any(|event| event["type"] == "ingestion.superseded")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_lacks_a_listed_file_is_not_read_until_it_is_whole() -> anyhow::Result<()> {
    let bad = Bad::undisturbed().await?;
    let good = bad.spend().await?;
    let data = bad.world.local.cloud.objects().join(CUR_BUCKET);
    let data = data.join("cur/finops-center-full-v1/data/BILLING_PERIOD=2026-08");
    std::fs::create_dir_all(&data)?;
    std::fs::write(data.join("hand-00000.csv.gz"), "x")?;
    let lines: Vec<Line> = some_lines().into_iter().chain([call(9, DATA, "", "8")]).collect();
    bill::write(&bad.folder.path().join(bill::EXPORT), "second", &lines, 2)?;
    bad.deliver("2026-08-11T03:00:00Z").await?;
    for (flaw, attempt) in [("is not there", 1), ("is empty", 2)] {
        let run = bad.newest_run().await?;
        let failure = (&run["state"], &run["failure"]["kind"], &run["attempt"]);
        assert_eq!(failure, (&json!("failed"), &json!("files-missing"), &json!(attempt)), "{run}");
        let detail = text(&run, "/failure/detail")?;
        assert!(detail.contains(&format!("hand-00001.csv.gz` {flaw}")) && detail.contains("copy"), "{detail}");
        assert_eq!(bad.spend().await?["totals"], good["totals"], "the last good figures stay");
        std::fs::write(data.join("hand-00001.csv.gz"), "")?;
        bad.world.schedule("cur-ingestion").await?;
    }
    std::fs::write(data.join("hand-00001.csv.gz"), "x")?;
    bad.world.schedule("cur-ingestion").await?;
    let whole = bad.spend().await?;
    assert_eq!((units_in(&whole["totals"]["cur"]["amount"]), &whole["stale"]), (125_000_000_000, &json!(false)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_longer_than_a_key_or_an_event_holds_do_not_keep_a_month_from_being_read() -> anyhow::Result<()> {
    let bad = Bad::undisturbed().await?;
    let long = |end: &str| format!("{}{end}", "\u{e9}#/\"".repeat(8_000));
    let session = format!("arn:aws:sts::{CHECKOUT}:assumed-role/app/{}", "s".repeat(40_000));
    let odd = |line: Line| Line { resource: long("r"), description: long("d"), usage_type: long("u"), ..line };
    let mut lines = some_lines();
    lines.extend([call(5, DATA, &long("a"), "1"), call(5, DATA, &long("b"), "2"), call(6, CHECKOUT, &session, "4")]);
    lines.push(odd(call(7, DATA, "", "8")));
    bad.write("long", &lines)?;
    bad.deliver("2026-08-11T03:00:00Z").await?;
    let run = bad.newest_run().await?;
    assert_eq!(run["state"], json!("completed"), "{run}");
    let shown = bad.spend().await?;
    assert_eq!((units_in(&shown["totals"]["cur"]["amount"]), &shown["stale"]), (195_000_000_000, &json!(false)));
    let gaps = bad.world.list(LENA, "/v1/gaps?billingPeriod=2026-08").await?;
    let labels: Vec<String> = gaps.iter().map(|gap| text(gap, "/label")).collect::<Result<_, _>>()?;
    assert!(labels.iter().all(|label| label.len() <= 1024), "{labels:?}");
    assert_eq!(
        labels.iter().filter(|label| label.starts_with('\u{e9}')).count(),
        2,
        "two callers stay apart: {labels:?}"
    );
    assert!(labels.contains(&format!("arn:aws:iam::{CHECKOUT}:role/app")), "{labels:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_groups_than_pages_hold_are_read_to_the_cent_and_any_number_of_sessions_is_one() -> anyhow::Result<()> {
    let bad = Bad::undisturbed().await?;
    for (number, groups) in [1_500_usize, 3_500].into_iter().enumerate() {
        let of_group = |n: usize| Line {
            usage_type: format!("USE1-never,seen \"{n}\"\n;--"),
            ..call(1 + u32::try_from(n % 28).unwrap_or(0), CHECKOUT, "", &format!("0.{n:07}1"))
        };
        let mut lines: Vec<Line> = (0..groups).map(of_group).collect();
        let session = |n: usize| format!("arn:aws:sts::{CHECKOUT}:assumed-role/app/session-{n}");
        lines.extend((0..10_000).map(|n| call(2, CHECKOUT, &session(n), "0.0001")));
        bad.write(&format!("many-{groups}"), &lines)?;
        bad.deliver(&format!("2026-08-1{}T03:00:00Z", number + 1)).await?;
        let run = bad.newest_run().await?;
        assert_eq!((&run["state"], &run["groups"]), (&json!("completed"), &json!(groups + 1)), "{run}");
        let expected = sums(&lines, &Holdings::default());
        let usd = expected.get("USD").context("dollars")?;
        let shown = bad.spend().await?;
        assert_eq!(units_in(&shown["totals"]["cur"]["amount"]), usd.cur, "{groups} groups");
        assert_eq!(units_in(&shown["totals"]["gap"]["amount"]), usd.gap, "{groups} groups");
    }
    Ok(())
}
