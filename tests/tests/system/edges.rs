//! What comes in at the edges: bodies that two readers could read differently, ids that only look like one another,
//! documents that leave something out, and lists that must not cost more the more there is.

use serde_json::{Value, json};
use system_tests::{
    CHECKOUT, CLAUDE_3_HAIKU, LENA, NOVA_LITE, PETRA, SAMIR, SONNET, World, approval, fields, place, places, request,
    text,
};

/// Ids with the key of [`NOVA_LITE`], or nearly: none of them is its id.
const LOOKALIKES: [&str; 4] =
    ["amazon.nova-lite-v1-0", "amazon.nova-lite-v1/0", "amazon/nova-lite-v1:0", "Amazon.nova-lite-v1:0"];

#[tokio::test]
async fn an_id_with_the_key_of_another_model_is_no_model_in_a_request_and_in_an_approval() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let good = request(&workload);
    let before = world.written().await?;
    for id in LOOKALIKES {
        let refused = world.post(PETRA, "/v1/requests", &fields(&good, &json!({ "modelId": id }))).await?;
        assert_eq!(refused.refusal(), (422, "invalid-value"), "{id}: {}", refused.body);
        assert!(text(&refused.body, "/detail")?.contains("no such model"), "{id}: {}", refused.body);
    }
    assert_eq!(world.written().await?, before, "nothing was written");
    let asked = text(&world.post(PETRA, "/v1/requests", &good).await?.ok()?, "/id")?;
    let wanted = approval(&places("finops-ai-checkout", &[(CHECKOUT, "us-east-1")]));
    let path = format!("/v1/requests/{asked}/approve");
    let glass =
        json!({ "workloadId": workload, "breakGlass": { "expiresAt": "2026-08-24T12:00:00Z", "reason": "now" } });
    for id in LOOKALIKES {
        let wanted = fields(&wanted, &json!({ "modelId": id }));
        for (path, body) in [(path.as_str(), wanted.clone()), ("/v1/approvals", fields(&wanted, &glass))] {
            let refused = world.post(LENA, path, &body).await?;
            assert_eq!(refused.refusal(), (422, "invalid-value"), "{path} {id}: {}", refused.body);
        }
    }
    // A length of context is a variant of the model, and is granted as the model.
    let variant = fields(&wanted, &json!({ "modelId": format!("{NOVA_LITE}:24k") }));
    let approved = world.post(LENA, &path, &variant).await?.ok()?;
    assert_eq!(approved["modelId"], NOVA_LITE, "{approved}");
    Ok(())
}

#[tokio::test]
async fn a_settings_document_that_leaves_anything_out_is_refused_and_resets_nothing() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let mut whole = world.get(LENA, "/v1/settings").await?.ok()?;
    whole.as_object_mut().and_then(|fields| fields.remove("version"));
    whole["bill"]["workspaceTagKey"] = json!("team");
    world.put(LENA, "/v1/settings", &whole).await?.ok()?;
    let before = world.written().await?;
    for part in [
        json!({}),
        json!({ "bill": whole["bill"] }),
        json!({ "bill": {}, "verification": "strict", "expiryNoticeDays": [3] }),
        json!({ "verification": "strict", "expiryNoticeDays": [3] }),
    ] {
        let refused = world.put(LENA, "/v1/settings", &part).await?;
        assert_eq!(refused.refusal(), (422, "invalid-value"), "{part}: {}", refused.body);
        assert!(text(&refused.body, "/detail")?.contains("missing field"), "{part}: {}", refused.body);
    }
    let empty =
        world.call_as(Some(&world.local.tokens.issue(&LENA.identity())?), "PUT", "/v1/settings", None, &[]).await?;
    assert_eq!(empty.status, 422, "{}", empty.body);
    assert_eq!(world.written().await?, before);
    assert_eq!(world.get(LENA, "/v1/settings").await?.ok()?["bill"]["workspaceTagKey"], "team");
    Ok(())
}

#[tokio::test]
async fn a_request_expands_the_workloads_own_active_approval_or_is_refused() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let granted = world.one_grant().await?;
    let theirs = world.ready_workload(SAMIR, "Desk").await?;
    let other = world.granted(SAMIR, &theirs, &approval(&places("finops-ai-desk", &[(CHECKOUT, "us-east-1")]))).await?;
    let asked = request(&granted.workload);
    let expanding = async |id: &str, set: Value| {
        let body = fields(&fields(&asked, &json!({ "approvalId": id })), &set);
        world.post(PETRA, "/v1/requests", &body).await
    };
    let before = world.written().await?;
    let sonnet = json!({ "platform": "claude-platform", "modelId": SONNET, "actions": ["inference"] });
    let mut refusals = Vec::new();
    for (id, set) in [
        (other.id.as_str(), json!({})),
        ("apr_invented", json!({})),
        (granted.id.as_str(), sonnet),
        (granted.id.as_str(), json!({ "modelId": CLAUDE_3_HAIKU })),
        (granted.id.as_str(), json!({ "tier": "agentic" })),
    ] {
        let refused = expanding(id, set).await?;
        assert_eq!(refused.refusal(), (404, "not-found"), "{id}: {}", refused.body);
        refusals.push(text(&refused.body, "/detail")?.replace(id, "…"));
    }
    assert!(refusals.iter().all(|told| *told == refusals[0]), "somebody else's reads like none: {refusals:?}");
    assert_eq!(world.written().await?, before);
    // What kind it is follows from what is approved, whether or not the approval is named.
    assert_eq!(expanding(&granted.id, json!({})).await?.ok()?["kind"], "scope-expansion");
    assert_eq!(world.post(PETRA, "/v1/requests", &asked).await?.ok()?["kind"], "scope-expansion");
    world.post(LENA, &format!("/v1/approvals/{}/revoke", granted.id), &json!({ "reason": "over" })).await?.ok()?;
    assert_eq!(expanding(&granted.id, json!({})).await?.refusal(), (404, "not-found"), "it is not active");
    assert_eq!(world.post(PETRA, "/v1/requests", &asked).await?.ok()?["kind"], "new-access");
    Ok(())
}

#[tokio::test]
async fn bodies_that_read_in_two_ways_are_refused_by_every_write() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let token = world.local.tokens.issue(&PETRA.identity())?;
    let lead = world.local.tokens.issue(&LENA.identity())?;
    // Who calls is noted once.
    for known in [PETRA, LENA] {
        world.get(known, "/v1/me").await?.ok()?;
    }
    let before = world.written().await?;
    for (token, method, path, body, refusal) in [
        (&token, "POST", "/v1/requests", r#"{"workloadId":"wkl_1","workloadId":"wkl_2","justification":"x"}"#, 400),
        (
            &token,
            "POST",
            "/v1/requests",
            r#"{"workloadId":"wkl_1","scopes":[["111122223333","us-east-1"]],"justification":"x"}"#,
            422,
        ),
        (
            &token,
            "POST",
            "/v1/requests",
            r#"{"workloadId":"wkl_1","monthlyEstimate":["1","USD"],"justification":"x"}"#,
            422,
        ),
        (
            &token,
            "POST",
            "/v1/workloads/wkl_1/claims",
            r#"{"anchor":["iam-role","arn:aws:iam::1:role/x"],"effectiveFrom":"2026-08-01"}"#,
            422,
        ),
        (&lead, "PUT", "/v1/accounts/111122223333", r#"["checkout",["us-east-1"]]"#, 422),
        (&lead, "PUT", "/v1/accounts/111122223333", r#"{"name":"checkout","regions":[],"regions":["us-east-1"]}"#, 400),
        (
            &lead,
            "POST",
            "/v1/approvals",
            r#"{"workloadId":"wkl_1","breakGlass":["2026-08-24T12:00:00Z","x"],"platform":"bedrock","modelId":"m","actions":[],"scopes":[]}"#,
            422,
        ),
        (
            &lead,
            "PUT",
            "/v1/models/bedrock.x/decision",
            r#"{"decision":"restricted","reason":"x","restriction":[[],[],[],[]]}"#,
            422,
        ),
    ] {
        let refused = world.call_as(Some(token), method, path, Some(body), &[]).await?;
        assert_eq!(refused.status, refusal, "{method} {path} {body}: {}", refused.body);
        let told = text(&refused.body, "/detail")?;
        let says = if refusal == 400 { "stands twice" } else { "list" };
        assert!(told.contains(says) || told.contains("JSON object"), "{body}: {told}");
    }
    assert_eq!(world.written().await?, before);
    Ok(())
}

#[tokio::test]
async fn the_models_table_of_an_owner_costs_as_much_with_many_requests_as_with_few() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let theirs = world.ready_workload(SAMIR, "Desk").await?;
    let at = json!({ "scopes": [{ "accountId": CHECKOUT, "region": "us-east-1" }] });
    let ask = async |who, workload: &str| {
        text(&world.post(who, "/v1/requests", &fields(&request(workload), &at)).await?.ok()?, "/id")
    };
    let read = async |path: &str| -> anyhow::Result<(f64, Value)> {
        world.local.cloud.meter().begin();
        let shown = world.get(PETRA, path).await?.ok()?;
        Ok((world.local.cloud.meter().read().read_units, shown))
    };
    let detail = format!("/v1/models/{}", system_tests::model_key("bedrock", NOVA_LITE));
    ask(SAMIR, &theirs).await?;
    ask(PETRA, &workload).await?;
    let (table, few) = (read("/v1/models").await?, read(&detail).await?);
    assert_eq!(few.1["counts"]["underReview"], 1, "only her own: {}", few.1);
    for round in 0..40 {
        let asked = ask(PETRA, &workload).await?;
        if round > 1 {
            world.post(PETRA, &format!("/v1/requests/{asked}/withdraw"), &json!({})).await?.ok()?;
        }
    }
    let (table_of_many, many) = (read("/v1/models").await?, read(&detail).await?);
    assert_eq!(many.1["counts"]["underReview"], 3, "{}", many.1);
    assert_eq!((table_of_many.0, many.0), (table.0, few.0), "read units");
    // An approved scope moves from one counter to the next, for its owner as for everybody.
    let wanted = approval(&Value::from(vec![place(CHECKOUT, "us-east-1", "finops-ai-checkout")]));
    world.granted(PETRA, &workload, &wanted).await?;
    let (own, all) = (read(&detail).await?.1, world.get(LENA, &detail).await?.ok()?);
    assert_eq!((&own["counts"]["pendingTask"], &own["counts"]["underReview"]), (&json!(1), &json!(3)), "{own}");
    assert_eq!(all["counts"]["underReview"], 4, "{all}");
    assert_eq!((&own["coveredAccounts"], &all["coveredAccounts"]), (&json!(1), &json!(1)));
    Ok(())
}
