//! Runs of many pieces: one that cannot be written keeps none of the others from it, and the repetition does the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use local::seam::{Fate, Seam};
use local::stack::Options;
use system_tests::{ACCOUNTS, LENA, NOVA_LITE, World, model_key, texts};

/// A world in which no transaction that names a thing can be written while the switch is on.
async fn without(name: String) -> anyhow::Result<(World, Arc<AtomicBool>)> {
    let is_held = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&is_held);
    let seam = Seam::directed(Arc::new(move |call| {
        let names_it = std::str::from_utf8(call.request.body()).is_ok_and(|body| body.contains(&name));
        if held.load(Ordering::SeqCst) && names_it { Fate::Conflict } else { Fate::Pass }
    }));
    let world = World::start(Options { empty: true, seam, ..Options::default() }).await?;
    Ok((world, is_held))
}

#[tokio::test]
async fn a_model_that_cannot_be_written_keeps_no_other_from_being_discovered() -> anyhow::Result<()> {
    let nova = model_key("bedrock", NOVA_LITE);
    let (world, is_held) = without(format!("MODEL#{nova}")).await?;
    for (id, name, regions) in ACCOUNTS {
        let account = serde_json::json!({ "name": name, "regions": regions });
        world.put(LENA, &format!("/v1/accounts/{id}"), &account).await?.ok()?;
    }
    let run = || world.call_as(None, "POST", "/_local/schedules/model-discovery", None, &[]);
    let ran = run().await?;
    assert_eq!(ran.status, 500, "the run says that it failed: {}", ran.body);
    let first = texts(&world.list(LENA, "/v1/models").await?, "modelKey");
    assert!(!first.contains(&nova) && first.len() > 3, "{first:?}");
    is_held.store(false, Ordering::SeqCst);
    run().await?.ok()?;
    let second = texts(&world.list(LENA, "/v1/models").await?, "modelKey");
    assert_eq!((second.contains(&nova), second.len()), (true, first.len() + 1));
    Ok(())
}
