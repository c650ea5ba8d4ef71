//! Both layouts of an export through the whole product: what a delivery replaces and what it stands beside.

use std::path::Path;
use std::sync::atomic::AtomicU64;

use local::sample::{EXPORT, Large, write_large};
use local::stack::{Local, Options};
use serde_json::{Value, json};
use system_tests::{LENA, World};

fn small(creates_new: bool) -> Large {
    Large {
        rows: 600,
        ai_percent: 50,
        anchors: 4,
        sessions: 3,
        accounts: 2,
        models: 100,
        days: 31,
        seed: 5,
        creates_new,
        with_oddities: false,
    }
}

async fn totals(folder: &Path) -> anyhow::Result<Vec<Value>> {
    let local = Local::start(Options { cur: Some(folder.to_owned()), ..Options::default() }).await?;
    local.clock.set("2026-08-24T07:00:00Z".parse()?)?;
    let world = World { local };
    world.schedule("cur-ingestion").await?;
    let mut totals = Vec::new();
    for month in ["2026-07", "2026-08"] {
        let view = world.get(LENA, &format!("/v1/spend?billingPeriod={month}&groupBy=day")).await?.ok()?;
        assert_eq!(view["complete"], json!(true), "{view}");
        totals.push(json!([view["totals"], view["groups"]]));
    }
    Ok(totals)
}

#[tokio::test]
async fn of_an_export_that_creates_new_files_only_the_manifests_execution_is_counted() -> anyhow::Result<()> {
    let (overwriting, creating) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write_large(overwriting.path(), &small(false), &AtomicU64::new(0))?;
    write_large(creating.path(), &small(true), &AtomicU64::new(0))?;
    // An older delivery of each month stays beside the one that the manifest names.
    for month in std::fs::read_dir(creating.path().join(EXPORT).join("data"))? {
        let month = month?.path();
        let current: Vec<_> = std::fs::read_dir(&month)?.collect::<Result<_, _>>()?;
        let older = month.join("20260101T000000Z-older");
        std::fs::create_dir(&older)?;
        for execution in current {
            for file in std::fs::read_dir(execution.path())? {
                let file = file?;
                std::fs::copy(file.path(), older.join(file.file_name()))?;
            }
        }
    }
    assert_eq!(totals(overwriting.path()).await?, totals(creating.path()).await?);
    Ok(())
}
