//! Decisions about a model beside what depends on it: whichever comes first, nothing goes on that the model does not allow.

use std::sync::Arc;

use local::stack::Options;
use serde_json::json;
use system_tests::{Interlude, LENA, NOVA_LITE, PETRA, World, model_key, request, texts};

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
