//! The bill: what is read adds up to the cent, a repetition writes nothing, and what cannot be read changes nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use domain::base::calendar::Month;
use local::bus::Deliveries;
use local::sample;
use local::seam::{Fate, Seam};
use local::stack::{Local, Options};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use system_tests::bill::{self, Line};
use system_tests::{ADA, CHECKOUT, CHEN, LENA, NOVA_LITE, PETRA, SPEND_TABLE, World, approval, places, text, texts};

const GROUPINGS: [&str; 6] = ["workload", "model", "account", "region", "usage-kind", "day"];

fn amount(value: &Value, pointer: &str) -> anyhow::Result<Decimal> {
    Ok(text(value, &format!("{pointer}/amount"))?.parse()?)
}

fn sum(items: &[Value]) -> anyhow::Result<Decimal> {
    items.iter().map(|item| amount(item, "/amount")).sum()
}

async fn spend(world: &World, month: Month, by: &str) -> anyhow::Result<Value> {
    world.get(LENA, &format!("/v1/spend?billingPeriod={month}&groupBy={by}")).await?.ok()
}

async fn over(folder: &Path) -> anyhow::Result<World> {
    let local = Local::start(Options { cur: Some(folder.to_owned()), ..Options::default() }).await?;
    local.clock.set("2026-08-24T07:00:00Z".parse()?)?;
    Ok(World { local })
}

/// The only file of a kind in a month's folder of an export.
fn file_of(folder: &Path, kind: &str, month: Month) -> anyhow::Result<std::path::PathBuf> {
    let folder = folder.join(sample::EXPORT).join(kind).join(format!("BILLING_PERIOD={month}"));
    Ok(std::fs::read_dir(folder)?.next().context("a file")??.path())
}

#[tokio::test]
async fn every_cent_of_the_sample_is_attributed_a_gap_or_excluded() -> anyhow::Result<()> {
    let world = World::with_bill(Deliveries::Once).await?;
    world.schedule("cur-ingestion").await?;
    for month in sample::months() {
        let expected = sample::totals(month);
        for by in GROUPINGS {
            let view = spend(&world, month, by).await?;
            let totals = view.get("totals").context("totals")?;
            let part = |name: &str| amount(totals, &format!("/{name}"));
            assert_eq!(part("cur")?, expected.ai_cost, "{month}");
            assert_eq!(part("nonAi")?, expected.all_cost - expected.ai_cost, "{month}");
            assert_eq!(part("attributed")? + part("gap")? + part("excluded")?, part("cur")?, "{month}");
            let groups = view.get("groups").and_then(Value::as_array).context("groups")?;
            assert_eq!(sum(groups)?, part("cur")?, "{month} by {by}");
            assert_eq!((&view["complete"], &view["stale"]), (&json!(true), &json!(false)));
        }
        let gaps = world.list(LENA, &format!("/v1/gaps?billingPeriod={month}")).await?;
        let counted: Vec<Value> = gaps.into_iter().filter(|gap| gap["inTotals"] == true).collect();
        assert!(!counted.is_empty());
        assert_eq!(sum(&counted)?, amount(&spend(&world, month, "workload").await?, "/totals/gap")?, "{month}");
    }
    let never = world.get(LENA, "/v1/spend?billingPeriod=2025-01").await?.ok()?;
    assert_eq!((&never["complete"], &never["totals"], &never["runId"]), (&json!(false), &Value::Null, &Value::Null));
    Ok(())
}

#[tokio::test]
async fn leads_are_told_of_all_new_gaps_of_a_month_in_one_message_and_once() -> anyhow::Result<()> {
    let world = World::with_bill(Deliveries::Twice).await?;
    // Only who was seen has a mailbox.
    world.get(LENA, "/v1/me").await?.ok()?;
    world.settle().await?;
    for _ in 0..2 {
        world.schedule("cur-ingestion").await?;
        let mut told: Vec<String> = Vec::new();
        for message in world.messages(LENA).await? {
            let subject = text(&message, "/subject")?;
            told.extend(subject.contains("new spend gaps").then_some(subject));
        }
        let mut expected = Vec::new();
        for month in sample::months() {
            let gaps = world.list(LENA, &format!("/v1/gaps?billingPeriod={month}")).await?;
            expected.push(format!("{} new spend gaps in the bill of {month}", gaps.len()));
        }
        told.sort();
        expected.sort();
        assert_eq!(told, expected);
    }
    Ok(())
}

#[tokio::test]
async fn the_same_delivery_again_writes_nothing() -> anyhow::Result<()> {
    let world = World::with_bill(Deliveries::Twice).await?;
    world.schedule("cur-ingestion").await?;
    let before = world.written().await?;
    world.schedule("cur-ingestion").await?;
    world.schedule("ingestion-sweep").await?;
    let asked = world.post(LENA, "/v1/ingestions", &json!({"billingPeriod": "2026-08"})).await?;
    assert_eq!((asked.status, text(&asked.body, "/state")?.as_str()), (202, "completed"));
    let after = world.written().await?;
    let moved: Vec<&String> =
        after.iter().filter(|(key, digest)| before.get(*key) != Some(*digest)).map(|(key, _)| key).collect();
    assert!(moved.iter().all(|key| key.starts_with("PERSON#")), "{moved:?}");
    let runs = world.list(LENA, "/v1/ingestions?billingPeriod=2026-08").await?;
    assert_eq!(texts(&runs, "state"), ["completed"]);
    Ok(())
}

#[tokio::test]
async fn a_delivery_that_breaks_off_fails_by_name_and_the_last_good_figures_stay() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    sample::write(folder.path())?;
    let world = over(folder.path()).await?;
    world.schedule("cur-ingestion").await?;
    let [_, august] = sample::months();
    let good = spend(&world, august, "workload").await?;

    let (data, manifest) = (file_of(folder.path(), "data", august)?, file_of(folder.path(), "metadata", august)?);
    let (whole, written) = (std::fs::read(&data)?, std::fs::read_to_string(&manifest)?);
    std::fs::write(&data, whole.get(..whole.len() / 2).context("half")?)?;
    std::fs::write(&manifest, written.replace("executionId\": \"", "executionId\": \"0"))?;
    world.schedule("cur-ingestion").await?;
    let stale = spend(&world, august, "workload").await?;
    assert_eq!((&stale["totals"], &stale["runId"]), (&good["totals"], &good["runId"]));
    assert_eq!((&stale["complete"], &stale["stale"]), (&json!(true), &json!(true)));
    assert!(text(&stale, "/staleBecause")?.contains("snappy.parquet"), "{stale}");

    std::fs::write(&data, &whole)?;
    std::fs::write(&manifest, written.replace("executionId\": \"", "executionId\": \"1"))?;
    world.schedule("cur-ingestion").await?;
    let healed = spend(&world, august, "workload").await?;
    assert_eq!((&healed["totals"], &healed["stale"]), (&good["totals"], &json!(false)));
    assert_ne!(healed["runId"], good["runId"]);
    let newest = world.get(LENA, &format!("/v1/ingestions/{}", text(&healed, "/runId")?)).await?.ok()?;
    assert_eq!(newest["changed"], json!(false), "the same rows in another delivery move nothing");
    Ok(())
}

#[tokio::test]
async fn a_month_that_cannot_be_looked_into_keeps_no_other_from_being_read() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    sample::write(folder.path())?;
    let world = over(folder.path()).await?;
    let [july, august] = sample::months();
    let manifest = file_of(folder.path(), "metadata", july)?;
    let name = manifest.file_name().context("its name")?;
    let export = world.local.cloud.objects().join(local::cloud::CUR_BUCKET).join("cur/finops-center-full-v1");
    std::fs::write(export.join(format!("metadata/BILLING_PERIOD={july}")).join(name), "no manifest")?;
    let ran = world.local.bus.run_schedule("cur-ingestion", world.local.clock.now()).await;
    let why = ran.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(why.contains("is not a Data Exports manifest"), "{why}");
    world.local.settle().await?;
    let of_july = json!({ "billingPeriod": july.to_string() });
    assert_eq!(world.post(LENA, "/v1/ingestions", &of_july).await?.refusal(), (409, "delivery-malformed"));
    assert_eq!(spend(&world, july, "workload").await?["complete"], json!(false));
    assert_eq!(spend(&world, august, "workload").await?["complete"], json!(true));
    Ok(())
}

#[tokio::test]
async fn an_export_without_a_vital_column_is_named() -> anyhow::Result<()> {
    for column in ["line_item_iam_principal", "line_item_currency_code"] {
        without_column(column).await?;
    }
    Ok(())
}

async fn without_column(column: &str) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    sample::write(folder.path())?;
    let [july, _] = sample::months();
    let manifest = file_of(folder.path(), "metadata", july)?;
    let written = std::fs::read_to_string(&manifest)?;
    std::fs::write(&manifest, written.replace(column, "line_item_something_else"))?;
    let world = over(folder.path()).await?;
    world.schedule("cur-ingestion").await?;
    world.schedule("cur-ingestion").await?;
    let runs = world.list(LENA, &format!("/v1/ingestions?billingPeriod={july}")).await?;
    assert_eq!(texts(&runs, "state"), ["failed"]);
    let run = runs.first().context("a run")?;
    assert_eq!((text(run, "/failure/kind")?.as_str(), &run["attempt"]), ("export-misconfigured", &json!(1)));
    assert!(text(run, "/failure/detail")?.contains(column), "{run}");
    let view = spend(&world, july, "workload").await?;
    assert_eq!((&view["complete"], &view["stale"], &view["totals"]), (&json!(false), &json!(true), &Value::Null));
    Ok(())
}

#[tokio::test]
async fn a_gap_is_acted_on_once_and_explained_to_the_cent() -> anyhow::Result<()> {
    let world = World::with_bill(Deliveries::Once).await?;
    world.schedule("cur-ingestion").await?;
    let gaps = world.list(LENA, "/v1/gaps?billingPeriod=2026-08&state=active&kind=role-recommendation").await?;
    let gap = gaps.first().context("a gap")?;
    let id = text(gap, "/id")?;
    let facts = world.list(ADA, &format!("/v1/spend/explain?billingPeriod=2026-08&gapId={id}")).await?;
    assert_eq!(sum(&facts)?, amount(gap, "/amount")?);
    assert!(facts.iter().all(|fact| fact["rules"].as_array().is_some_and(|rules| !rules.is_empty())));

    let of_july = format!("/v1/spend/explain?billingPeriod=2026-07&gapId={id}");
    let refused = world.get(LENA, &of_july).await?;
    assert_eq!(refused.refusal(), (422, "invalid-value"));
    assert!(text(&refused.body, "/detail")?.contains("billingPeriod=2026-08"), "{}", refused.body);

    let act = json!({"action": "recommend-dedicated-role", "rationale": "shared admin role"});
    let resolve = json!({"rationale": "they moved"});
    assert_eq!(world.post(LENA, &format!("/v1/gaps/{id}/resolve"), &resolve).await?.refusal(), (409, "wrong-state"));
    assert_eq!(world.post(CHEN, &format!("/v1/gaps/{id}/act"), &act).await?.refusal(), (403, "role-forbidden"));
    let unfit = json!({"action": "fix-tag", "rationale": "no"});
    assert_eq!(world.post(LENA, &format!("/v1/gaps/{id}/act"), &unfit).await?.status, 422);
    let acted = world.post(LENA, &format!("/v1/gaps/{id}/act"), &act).await?;
    assert_eq!((acted.status, &acted.body["state"]), (200, &json!("actioned")));
    assert_eq!(world.post(LENA, &format!("/v1/gaps/{id}/act"), &act).await?.body["version"], acted.body["version"]);
    let resolved = world.post(LENA, &format!("/v1/gaps/{id}/resolve"), &resolve).await?.ok()?;
    assert_eq!(resolved["state"], json!("resolved"));
    world.settle().await?;

    assert_eq!(world.get(PETRA, "/v1/spend?billingPeriod=2026-08").await?.status, 422);
    let foreign = "/v1/spend?billingPeriod=2026-08&workloadId=wkl_none";
    assert_eq!(world.get(PETRA, foreign).await?.refusal(), (404, "not-found"));
    assert_eq!(world.get(PETRA, "/v1/gaps").await?.refusal(), (403, "role-forbidden"));
    Ok(())
}

#[tokio::test]
async fn a_claim_moves_the_spend_of_its_days_from_the_gap_to_its_workload() -> anyhow::Result<()> {
    const ROLE: &str = "finops-ai-checkout-assistant";
    let world = World::with_bill(Deliveries::Twice).await?;
    world.schedule("cur-ingestion").await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout assistant").await?;
    let granted = world.granted(PETRA, &workload, &approval(&places(ROLE, &[(CHECKOUT, "us-east-1")]))).await?;
    world.implement(&granted.id, CHECKOUT, ROLE).await?;
    let [_, august] = sample::months();
    let before = spend(&world, august, "workload").await?;
    let explain = format!("/v1/spend/explain?billingPeriod={august}&limit=2");
    let first = world.get(LENA, &explain).await?.ok()?;
    let second = format!("{explain}&cursor={}", text(&first, "/next")?);
    assert_eq!(world.get(LENA, &second).await?.status, 200);
    let anchor = json!({"type": "iam-role", "arn": format!("arn:aws:iam::{CHECKOUT}:role/{ROLE}")});
    let claim = json!({"anchor": anchor, "effectiveFrom": "2026-08-01"});
    world.post(PETRA, &format!("/v1/workloads/{workload}/claims"), &claim).await?.ok()?;
    world.settle().await?;
    let refused = world.get(LENA, &second).await?;
    assert_eq!(refused.refusal(), (409, "stale-version"), "a page of what is attributed otherwise by now");
    assert!(text(&refused.body, "/detail")?.contains("without `cursor`"), "{}", refused.body);
    assert_eq!(world.get(LENA, &format!("{explain}&cursor=NDI")).await?.status, 422);
    let after = spend(&world, august, "workload").await?;
    let moved = amount(&before, "/totals/gap")? - amount(&after, "/totals/gap")?;
    assert!(moved > Decimal::ZERO);
    assert_eq!(amount(&after, "/totals/cur")?, amount(&before, "/totals/cur")?);

    let own = world.get(PETRA, &format!("/v1/spend?billingPeriod={august}&workloadId={workload}")).await?.ok()?;
    assert_eq!(own["totals"], Value::Null);
    let groups = own.get("groups").and_then(Value::as_array).context("groups")?;
    assert_eq!((texts(groups, "key"), sum(groups)?), (vec![workload.clone()], moved));
    let gaps = world.list(LENA, &format!("/v1/gaps?billingPeriod={august}")).await?;
    let counted: Vec<Value> = gaps.into_iter().filter(|gap| gap["inTotals"] == true).collect();
    assert_eq!(sum(&counted)?, amount(&after, "/totals/gap")?);
    let its = counted.iter().find(|gap| gap["label"].as_str().is_some_and(|label| label.ends_with(ROLE)));
    assert_eq!(its.map(|gap| (&gap["state"], &gap["vanished"])), Some((&json!("resolved"), &json!(true))));
    let run = world.get(LENA, &format!("/v1/ingestions/{}", text(&after, "/runId")?)).await?.ok()?;
    assert_eq!(run["totals"][0], after["totals"]);
    Ok(())
}

#[tokio::test]
async fn pages_of_one_reading_read_its_facts_once() -> anyhow::Result<()> {
    let counted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&counted);
    let seam = Seam::directed(Arc::new(move |call| {
        let reads = call.function == "spend" && call.operation.contains("Get");
        if reads && String::from_utf8_lossy(call.request.body()).contains(SPEND_TABLE) {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Fate::Pass
    }));
    let folder = tempfile::tempdir()?;
    let cur = folder.path().join(bill::EXPORT);
    let call = |day, cost: &str| Line { day, cost: cost.to_owned(), code: "AmazonBedrock", ..Line::default() };
    bill::write(&cur, "first", &[call(3, "1"), call(4, "2")], 1)?;
    let world = World::start(Options { cur: Some(cur.clone()), seam, ..Options::default() }).await?;
    bill::deliver(&world.local, "2026-08-10T03:00:00Z")?;
    world.schedule("cur-ingestion").await?;
    let explain = format!("/v1/spend/explain?billingPeriod={}&limit=1", bill::MONTH);
    let first = world.get(LENA, &explain).await?.ok()?;
    let whole = counted.swap(0, Ordering::SeqCst);
    assert!(whole > 1, "the head, the index and the facts: {whole}");
    let second = world.get(LENA, &format!("{explain}&cursor={}", text(&first, "/next")?)).await?.ok()?;
    assert_ne!(first["items"], second["items"]);
    assert_eq!(counted.swap(0, Ordering::SeqCst), 1, "the head alone says that nothing moved");

    bill::write(&cur, "second", &[call(3, "7")], 1)?;
    bill::deliver(&world.local, "2026-08-11T03:00:00Z")?;
    world.schedule("cur-ingestion").await?;
    let anew = world.get(LENA, &explain).await?.ok()?;
    assert_eq!(anew["items"][0]["amount"]["amount"], "7", "what is shown is never older than the bill");
    Ok(())
}

#[tokio::test]
async fn an_application_profile_means_its_model_as_soon_as_its_account_shows_it() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let cur = folder.path().join(bill::EXPORT);
    bill::write(&cur, "before", &[Line::default()], 1)?;
    let world = over(&cur).await?;
    world.organisation().await?;
    let source = format!("arn:aws:bedrock:us-east-1:{CHECKOUT}:inference-profile/us.{NOVA_LITE}");
    let create = format!(
        "aws bedrock create-inference-profile --inference-profile-name 'team' --model-source 'copyFrom={source}' \
         --region 'us-east-1'"
    );
    let made = world.aws(CHECKOUT, &create, &BTreeMap::new()).await?;
    let arn = text(&serde_json::from_str(&made[0])?, "/inferenceProfileArn")?;
    let line = Line {
        principal: format!("arn:aws:iam::{CHECKOUT}:role/app"),
        resource: arn.clone(),
        code: "AmazonBedrock",
        cost: "2.5".to_owned(),
        ..Line::default()
    };
    bill::write(&cur, "with-calls", &[line], 1)?;
    bill::deliver(&world.local, "2026-08-10T03:00:00Z")?;
    world.schedule("cur-ingestion").await?;
    let models = async || -> anyhow::Result<Vec<String>> {
        let view = spend(&world, bill::MONTH.parse()?, "model").await?;
        let groups = view["groups"].as_array().context("groups")?;
        groups.iter().map(|group| text(group, "/key")).collect()
    };
    assert_eq!(models().await?, [arn]);
    world.schedule("model-discovery").await?;
    assert_eq!(models().await?, [NOVA_LITE], "nothing of the bill was read again");
    Ok(())
}
