//! Decisions about a model beside what depends on it: whichever comes first, nothing goes on that the model does not
//! allow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use local::seam::{Fate, Seam};
use local::stack::Options;
use serde_json::json;
use system_tests::{
    CHECKOUT, Interlude, LENA, NOVA_LITE, PETRA, World, approval, fields, model_key, nova_places, places, request,
    texts,
};

fn nova() -> String {
    model_key("bedrock", NOVA_LITE)
}

async fn block(world: &World) -> anyhow::Result<()> {
    world.decide_model(&nova(), json!({ "decision": "blocked", "reason": "a leak was found" })).await?;
    world.settle().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_submitted_while_its_model_is_blocked_is_refused() -> anyhow::Result<()> {
    let interlude = Interlude::default();
    let options = Options { empty: true, seam: interlude.seam(), ..Options::default() };
    let world = Arc::new(World::start(options).await?);
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    interlude.hold("\"REQUEST#");
    let asking = {
        let (world, body) = (Arc::clone(&world), request(&workload));
        tokio::spawn(async move { world.post(PETRA, "/v1/requests", &body).await })
    };
    interlude.begun().await;
    block(&world).await?;
    interlude.end();
    assert_eq!(asking.await??.refusal(), (409, "model-blocked"));
    assert_eq!(world.list(LENA, "/v1/requests").await?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_request_that_was_submitted_before_its_model_is_blocked_is_rejected() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    world.post(PETRA, "/v1/requests", &request(&workload)).await?.ok()?;
    block(&world).await?;
    assert_eq!(texts(&world.list(LENA, "/v1/requests").await?, "state"), ["rejected"]);
    Ok(())
}

/// A world whose indexes can be made to lag behind their table.
async fn lagging() -> anyhow::Result<(World, Arc<AtomicBool>)> {
    let lags = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&lags);
    let seam = Seam::directed(Arc::new(move |_| if asked.load(Ordering::SeqCst) { Fate::Lag } else { Fate::Pass }));
    let world = World::start(Options { empty: true, seam, ..Options::default() }).await?;
    world.organisation().await?;
    Ok((world, lags))
}

#[tokio::test]
async fn what_was_decided_before_a_block_and_not_found_by_it_ends_within_the_hour() -> anyhow::Result<()> {
    let (world, lags) = lagging().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let body = approval(&places("finops-ai-checkout", &[(CHECKOUT, "us-east-1")]));
    world.granted(PETRA, &workload, &body).await?;
    world.post(PETRA, "/v1/requests", &request(&workload)).await?.ok()?;
    lags.store(true, Ordering::SeqCst);
    block(&world).await?;
    lags.store(false, Ordering::SeqCst);
    assert_eq!(texts(&world.list(LENA, "/v1/approvals").await?, "state"), ["active"], "the index named nothing");
    world.schedule("approval-lifecycle").await?;
    assert_eq!(texts(&world.list(LENA, "/v1/approvals").await?, "state"), ["revoked"]);
    let mut states = texts(&world.list(LENA, "/v1/requests").await?, "state");
    states.sort();
    assert_eq!(states, ["approved", "rejected"]);
    let before = world.written().await?;
    world.schedule("approval-lifecycle").await?;
    assert_eq!(world.written().await?, before, "and nothing is ended twice");
    Ok(())
}

#[tokio::test]
async fn a_scope_outside_a_restriction_that_did_not_find_it_ends_in_the_night() -> anyhow::Result<()> {
    let (world, lags) = lagging().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let both = approval(&nova_places("finops-ai-checkout", &["us-east-1", "us-west-2"]));
    let granted = world.granted(PETRA, &workload, &fields(&both, &json!({ "expiresOn": "2026-12-31" }))).await?;
    lags.store(true, Ordering::SeqCst);
    let restriction = json!({ "regions": ["us-east-1"] });
    let restricted = json!({ "decision": "restricted", "reason": "one region", "restriction": restriction });
    world.decide_model(&nova(), restricted).await?;
    world.settle().await?;
    lags.store(false, Ordering::SeqCst);
    world.schedule("drift").await?;
    let scopes = world.get(LENA, &format!("/v1/approvals/{}", granted.id)).await?.ok()?["scopes"].clone();
    let state = |region: &str| {
        let scopes = scopes.as_array().cloned().unwrap_or_default();
        scopes.into_iter().find(|scope| scope["region"] == region).map(|scope| scope["state"].clone())
    };
    assert_eq!(state("us-east-1"), Some(json!("pending-task")));
    assert_eq!(state("us-west-2"), Some(json!("revoked")));
    Ok(())
}
