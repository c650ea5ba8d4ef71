//! What an owner reads is about their own: also in a cursor, and in what a Lead decided about others.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use system_tests::{
    CHECKOUT, DATA, LENA, NOVA_LITE, OMAR, PETRA, Person, SAMIR, World, approval, model_key, places, text, texts,
};

/// A list, an item a page, and every cursor that it gave, as it reads.
async fn by_ones(world: &World, who: Person, list: &str) -> anyhow::Result<(Vec<Value>, Vec<String>)> {
    let (mut items, mut cursors) = (Vec::new(), Vec::new());
    let mut query = String::new();
    loop {
        let page = world.get(who, &format!("/v1/{list}?limit=1{query}")).await?.ok()?;
        items.extend(page["items"].as_array().cloned().unwrap_or_default());
        let Some(next) = page["next"].as_str() else { return Ok((items, cursors)) };
        cursors.push(String::from_utf8(URL_SAFE_NO_PAD.decode(next)?)?);
        query = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn a_cursor_tells_an_owner_of_nothing_that_is_not_theirs() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let mut ids: [BTreeSet<String>; 2] = Default::default();
    // One after the other, so that between any two of one owner lies one of the other.
    for round in 0..3 {
        for (owner, foreign) in [(PETRA, 0), (SAMIR, 1)] {
            let name = format!("{}-{round}", owner.sub);
            let workload = world.ready_workload(owner, &name).await?;
            let scopes = places(&format!("finops-ai-{name}"), &[(CHECKOUT, "us-east-1"), (DATA, "us-east-1")]);
            let granted = world.granted(owner, &workload, &approval(&scopes)).await?;
            let tasks = world.tasks(&granted.id).await?;
            let seen = ids.get_mut(foreign).into_iter();
            seen.for_each(|ids| {
                ids.extend(texts(&tasks, "id"));
                ids.extend(texts(&tasks, "scopeId"));
                ids.extend([workload.clone(), granted.id.clone(), granted.request.clone(), name.clone()]);
            });
        }
    }
    let [petras, samirs] = ids;
    let model = model_key("bedrock", NOVA_LITE);
    let lists = ["spaces", "workloads", "requests", "approvals", "tasks", "anchors", "claims", "proposals"];
    for list in lists.map(str::to_owned).into_iter().chain([format!("models/{model}/scopes")]) {
        for (owner, foreign) in [(PETRA, &samirs), (SAMIR, &petras)] {
            let (items, cursors) = by_ones(&world, owner, &list).await?;
            let all = Value::from(items.clone()).to_string();
            for id in foreign {
                assert!(!all.contains(id.as_str()), "/v1/{list} shows {} {id}", owner.sub);
                assert!(!cursors.iter().any(|c| c.contains(id.as_str())), "{list}: {} reads {id}", owner.sub);
            }
            let at_once = world.list(owner, &format!("/v1/{list}")).await?;
            assert_eq!(items, at_once, "{list} by ones and at once");
        }
    }
    assert_eq!(by_ones(&world, PETRA, "tasks").await?.0.len(), 6);
    Ok(())
}

#[tokio::test]
async fn a_restriction_is_cut_to_the_spaces_of_its_reader() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let (petras, samirs) = (world.space("Retail", &[PETRA]).await?, world.space("Support", &[SAMIR]).await?);
    let nobodys = Person { sub: "una", groups: &["product-owner"] };
    let key = model_key("bedrock", NOVA_LITE);
    let limits = json!({ "spaceIds": [petras], "regions": ["us-east-1"], "maxDays": 30 });
    let reason = "retail's fraud case, and theirs alone";
    world.decide_model(&key, json!({ "decision": "restricted", "reason": reason, "restriction": limits })).await?;
    let path = format!("/v1/models/{key}");
    for who in [SAMIR, nobodys] {
        let seen = world.get(who, &path).await?.ok()?;
        let expected = json!({
            "limitedToSpaces": true, "spaceIds": [], "accountIds": [], "regions": [], "actions": [], "maxDays": null,
        });
        assert_eq!((&seen["decision"], &seen["restriction"]), (&json!("restricted"), &expected), "{}", who.sub);
        let all = seen.to_string();
        assert!(!all.contains("fraud") && !all.contains(&petras), "{}: {all}", who.sub);
    }
    for who in [PETRA, LENA, OMAR] {
        let seen = world.get(who, &path).await?.ok()?;
        assert_eq!((&seen["decisionReason"], &seen["restriction"]["spaceIds"]), (&json!(reason), &json!([petras])));
        assert_eq!(seen["restriction"]["maxDays"], 30);
        assert_eq!(seen["history"] == json!([]), who == PETRA, "the audit record is not an owner's to read");
    }
    // Of two named Spaces each owner reads their own.
    let limits = json!({ "spaceIds": [petras, samirs] });
    world.decide_model(&key, json!({ "decision": "restricted", "reason": "both", "restriction": limits })).await?;
    assert_eq!(world.get(SAMIR, &path).await?.ok()?["restriction"]["spaceIds"], json!([samirs]));
    Ok(())
}

#[tokio::test]
async fn whose_request_a_restriction_to_others_ends_reads_nothing_of_those() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let petras = world.space("Retail", &[PETRA]).await?;
    let workload = world.ready_workload(SAMIR, "Desk").await?;
    let asked = world.post(SAMIR, "/v1/requests", &system_tests::request(&workload)).await?.ok()?;
    let limits = json!({ "spaceIds": [petras] });
    let decision = json!({ "decision": "restricted", "reason": "retail's fraud case", "restriction": limits });
    world.decide_model(&model_key("bedrock", NOVA_LITE), decision).await?;
    world.settle().await?;
    let ended = world.get(SAMIR, &format!("/v1/requests/{}", text(&asked, "/id")?)).await?.ok()?;
    assert_eq!(ended["state"], "rejected");
    assert!(!ended.to_string().contains("fraud"), "{ended}");
    assert!(!Value::from(world.messages(SAMIR).await?).to_string().contains("fraud"));
    Ok(())
}
