//! What the function says is wrong with the bill: the same judgement as the doctor on a folder, without waiting for
//! Athena.

use local::bus::Deliveries;
use local::stack::{Local, Options};
use serde_json::{Value, json};
use system_tests::{ADA, LENA, PETRA, World, texts};

const FINDINGS: &str = "/v1/bill/findings";

/// The findings, once the rows were asked.
async fn findings(world: &World) -> anyhow::Result<Vec<Value>> {
    for _ in 0..2 {
        let view = world.get(LENA, FINDINGS).await?.ok()?;
        if view["asking"] == json!([]) {
            return Ok(view["findings"].as_array().cloned().unwrap_or_default());
        }
        world.settle().await?;
    }
    anyhow::bail!("the rows were not answered when everything had settled")
}

#[tokio::test]
async fn a_healthy_bill_has_notes_only_and_owners_are_not_told() -> anyhow::Result<()> {
    let world = World::with_bill(Deliveries::Once).await?;
    world.schedule("cur-ingestion").await?;
    let found = findings(&world).await?;
    // The sample's files are as old as the checkout, which the product's clock knows nothing of.
    let told: Vec<&Value> = found.iter().filter(|finding| finding["kind"] != "stale-export").collect();
    assert!(told.iter().all(|finding| finding["severity"] == "note"), "{found:?}");
    assert_eq!(world.get(ADA, FINDINGS).await?.status, 200);
    assert_eq!(world.get(PETRA, FINDINGS).await?.status, 403);
    Ok(())
}

#[tokio::test]
async fn what_looks_like_ai_and_terms_that_match_nothing_are_found_and_said_once_per_delivery() -> anyhow::Result<()> {
    let world = World::with_bill(Deliveries::Once).await?;
    let settings = world.get(LENA, "/v1/settings").await?;
    let mut changed = settings.body.clone();
    changed["bill"]["claudeProductTerms"] = json!(["no such product"]);
    changed["bill"]["claudeUsageTerms"] = json!([["no-such-usage"]]);
    changed.as_object_mut().and_then(|whole| whole.remove("version"));
    let version = settings.etag.clone().unwrap_or_default();
    let put = world.call(LENA, "PUT", "/v1/settings", Some(&changed), &[("if-match", &version)]).await?;
    assert!(put.status < 300, "{put:?}");
    let found = findings(&world).await?;
    let kinds = texts(&found, "kind");
    assert!(kinds.iter().any(|kind| kind == "term-matches-nothing"), "{found:?}");
    let looks = found.iter().find(|finding| finding["kind"] == "looks-like-ai");
    let seen = looks.and_then(|finding| finding["seen"].as_str()).unwrap_or_default();
    assert!(seen.contains("Claude Platform on AWS"), "{found:?}");
    assert_eq!(found, findings(&world).await?, "asked again, the same query answers");
    Ok(())
}

#[tokio::test]
async fn terms_that_no_query_could_look_for_are_refused_and_capitals_make_no_difference() -> anyhow::Result<()> {
    let world = World::with_bill(Deliveries::Once).await?;
    let put = async |bill: Value| {
        let settings = world.get(LENA, "/v1/settings").await?;
        let version = settings.etag.clone().unwrap_or_default();
        let mut wanted = settings.body.clone();
        wanted.as_object_mut().and_then(|whole| whole.remove("version"));
        for (field, value) in bill.as_object().into_iter().flatten() {
            wanted["bill"][field] = value.clone();
        }
        world.call(LENA, "PUT", "/v1/settings", Some(&wanted), &[("if-match", &version)]).await
    };
    let codes: Vec<String> = (0..50).map(|n| format!("a-product-code-of-aws-{n:02}")).collect();
    let refused = put(json!({ "claudeProductCodes": codes })).await?;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.body["detail"].as_str().is_some_and(|detail| detail.contains("1024")), "{refused:?}");
    assert_eq!(put(json!({ "workspaceTagKey": "a'b" })).await?.status, 422);
    let kept = put(json!({ "claudeProductTerms": ["CLAUDE Platform"], "claudeUsageTerms": [["CCU"]] })).await?.ok()?;
    assert_eq!(kept["bill"]["claudeProductTerms"], json!(["claude platform"]));
    let found = findings(&world).await?;
    assert!(texts(&found, "kind").iter().all(|kind| kind != "looks-like-ai"), "{found:?}");
    Ok(())
}

#[tokio::test]
async fn without_a_delivery_that_is_said() -> anyhow::Result<()> {
    let local = Local::start(Options { empty: true, ..Options::default() }).await?;
    local.clock.set("2026-08-24T07:00:00Z".parse()?)?;
    let world = World { local };
    assert_eq!(texts(&findings(&world).await?, "kind"), ["no-data"]);
    Ok(())
}
