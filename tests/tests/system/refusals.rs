//! Every "no" that matters, with its reason; and what is accepted although it looks dangerous.

use serde_json::{Value, json};
use system_tests::{
    CHECKOUT, CHEN, DATA, DORA, HAIKU, LENA, OMAR, PETRA, SAMIR, SHARED, SONNET, World, approval, fields, place,
    places, request, text, texts,
};

const ROLE: &str = "finops-ai-checkout";

fn one_place() -> Value {
    approval(&places(ROLE, &[(CHECKOUT, "us-east-1")]))
}

#[tokio::test]
async fn a_decision_waits_for_another_person_an_estimate_and_a_reviewed_model() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let space = world.space("Commerce", &[PETRA, OMAR]).await?;
    let workload = world.workload(OMAR, &space, "Fraud notes").await?;
    let asked = text(&world.post(OMAR, "/v1/requests", &request(&workload)).await?.ok()?, "/id")?;
    let path = format!("/v1/requests/{asked}/approve");
    let before = world.written().await?;
    assert_eq!(world.post(OMAR, &path, &one_place()).await?.refusal(), (403, "separation-of-duties"));
    assert_eq!(world.written().await?, before);
    assert_eq!(world.post(LENA, &path, &one_place()).await?.refusal(), (409, "estimate-missing"));
    world.estimate(OMAR, &workload, "claude-platform", "10.00").await?;
    assert_eq!(
        world.post(LENA, &path, &one_place()).await?.refusal(),
        (409, "estimate-missing"),
        "of the other platform"
    );
    world.estimate(PETRA, &workload, "bedrock", "10.00").await?;
    world.post(LENA, &path, &one_place()).await?.ok()?;
    world.settle().await?;
    let engineer = system_tests::Person { sub: "omar", groups: &["cloud-engineer"] };
    let lead_too = system_tests::Person { sub: "lena", groups: &["finops-lead", "cloud-engineer"] };
    let tasks = world.list(CHEN, "/v1/tasks").await?;
    let task = text(tasks.first().unwrap_or(&Value::Null), "/id")?;
    for person in [engineer, lead_too] {
        let refused = world.post(person, &format!("/v1/tasks/{task}/start"), &json!({})).await?;
        assert_eq!(refused.refusal(), (403, "separation-of-duties"), "{}", person.sub);
    }
    let unreviewed =
        json!({ "workloadId": workload, "platform": "claude-platform", "modelId": HAIKU, "justification": "cheap" });
    let asked = world.post(PETRA, "/v1/requests", &unreviewed).await?.ok()?;
    assert_eq!(asked["kind"], "unapproved-model");
    let body = json!({
        "platform": "claude-platform", "modelId": HAIKU, "actions": ["inference"], "workspaceName": "w",
        "scopes": [place(DATA, "us-west-2", "finops-ai-w")],
    });
    let path = format!("/v1/requests/{}/approve", text(&asked, "/id")?);
    assert_eq!(world.post(LENA, &path, &body).await?.refusal(), (409, "model-not-approved"));
    assert_eq!(
        world.get(PETRA, &format!("/v1/requests/{}", text(&asked, "/id")?)).await?.ok()?["state"],
        "submitted",
        "it waits"
    );
    Ok(())
}

#[tokio::test]
async fn nothing_wider_than_asked_outside_governance_or_malformed_is_approved() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let asked =
        json!({ "scopes": [{ "accountId": CHECKOUT, "region": "us-east-1", "iamRole": ROLE }], "actions": ["invoke"] });
    let asked = fields(&request(&workload), &asked);
    let id = text(&world.post(PETRA, "/v1/requests", &asked).await?.ok()?, "/id")?;
    let before = world.written().await?;
    let open = text(&world.post(PETRA, "/v1/requests", &request(&workload)).await?.ok()?, "/id")?;
    let rows = [
        (&id, json!({ "scopes": places(ROLE, &[(CHECKOUT, "us-west-2")]) }), "wider-than-requested"),
        (&id, json!({ "scopes": places("another-role", &[(CHECKOUT, "us-east-1")]) }), "wider-than-requested"),
        (&id, json!({ "actions": ["invoke", "stream"] }), "wider-than-requested"),
        (&id, json!({ "modelId": "anthropic.claude-3-haiku-20240307-v1:0" }), "wider-than-requested"),
        (&open, json!({ "scopes": places(ROLE, &[("999988887777", "us-east-1")]) }), "not-in-governance"),
        (&open, json!({ "scopes": places(ROLE, &[(SHARED, "us-west-2")]) }), "not-in-governance"),
        (&open, json!({ "scopes": [] }), "limit-exceeded"),
        (&open, json!({ "scopes": places(ROLE, &[(CHECKOUT, "us-east-1"); 2]) }), "invalid-value"),
        (&open, json!({ "scopes": [place(CHECKOUT, "us-east-1", "role/with/path; rm -rf")] }), "invalid-value"),
        (&open, json!({ "scopes": [place("1111", "us-east-1", ROLE)] }), "invalid-value"),
        (&open, json!({ "scopes": places("AWSReservedSSO_Dev_0a", &[(CHECKOUT, "us-east-1")]) }), "invalid-value"),
        (&open, json!({ "workspaceName": "w" }), "invalid-value"),
        (&open, json!({ "actions": ["inference"] }), "invalid-value"),
        (&open, json!({ "actions": [] }), "invalid-value"),
        (&open, json!({ "actions": ["invoke", "agents"] }), "invalid-value"),
        (&open, json!({ "effectiveFrom": "2026-08-23" }), "invalid-value"),
        (&open, json!({ "expiresOn": "2026-08-23" }), "invalid-value"),
        (&open, json!({ "supersedes": "apr_none" }), "stale-version"),
        (&open, json!({ "modelId": "nobody.none-v1:0" }), "invalid-value"),
        (&open, json!({ "approver": "lena" }), "invalid-value"),
    ];
    for (request, set, reason) in rows {
        let refused = world.post(LENA, &format!("/v1/requests/{request}/approve"), &fields(&one_place(), &set)).await?;
        assert_eq!(refused.problem(), reason, "{set}: {}", refused.body);
        assert!([409, 422].contains(&refused.status), "{set}: {}", refused.status);
    }
    let after = world.written().await?;
    assert_eq!(
        after.keys().filter(|key| !before.contains_key(*key)).filter(|key| key.starts_with("APPROVAL#")).count(),
        0
    );
    let other = world.ready_workload(SAMIR, "Support").await?;
    world.post(LENA, &format!("/v1/requests/{id}/approve"), &one_place()).await?.ok()?;
    let theirs = text(&world.post(SAMIR, "/v1/requests", &request(&other)).await?.ok()?, "/id")?;
    let taken = world.post(LENA, &format!("/v1/requests/{theirs}/approve"), &one_place()).await?;
    assert_eq!(taken.refusal(), (409, "anchor-taken"), "a role serves one workload");
    Ok(())
}

#[tokio::test]
async fn texts_without_bounds_and_keys_that_no_table_takes_are_refused_in_words() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let long = "x".repeat(3_000);
    let scope = |profile: &str| json!([{ "accountId": CHECKOUT, "region": "us-east-1", "inferenceProfile": profile }]);
    let many: Vec<String> = (0..51).map(|n| format!("s{n}-mcp.amazonaws.com")).collect();
    let open = json!({ "platform": null, "modelId": null, "tier": "agentic" });
    let agentic = |field: &str, entries: Value| fields(&open, &json!({ "agentic": { field: entries } }));
    let rows = [
        (json!({ "scopes": scope(&long) }), "limit-exceeded"),
        (json!({ "scopes": scope("us profile") }), "invalid-value"),
        (json!({ "scopes": scope("") }), "invalid-value"),
        (agentic("mcpServers", json!([long])), "limit-exceeded"),
        (agentic("mcpServers", json!(many)), "limit-exceeded"),
        (agentic("actions", json!([long])), "limit-exceeded"),
    ];
    for (set, reason) in rows {
        let refused = world.post(PETRA, "/v1/requests", &fields(&request(&workload), &set)).await?;
        assert_eq!(refused.refusal(), (422, reason), "{}", refused.body);
    }
    // The longest cursor that is read, and it holds the text "xxx…".
    let cursor = format!("Inh4{}eCI", "eHh4".repeat(509));
    let empty = "IiI";
    for path in [
        format!("/v1/requests?cursor={cursor}"),
        format!("/v1/audit?day=2026-08-24&cursor={cursor}"),
        format!("/v1/requests?cursor={empty}"),
        format!("/v1/audit?aggregate=APPROVAL%23{long}"),
        "/v1/audit?aggregate=apr_1".to_owned(),
        "/v1/audit?aggregate=APPROVAL%23apr_1&cursor=IngI".to_owned(),
    ] {
        let refused = world.get(LENA, &path).await?;
        assert_eq!(refused.refusal(), (422, "invalid-value"), "{path}: {}", refused.body);
    }
    for aggregate in [json!(""), json!(long)] {
        let refused = world.post(LENA, "/v1/audit/verifications", &json!({ "aggregate": aggregate })).await?;
        assert_eq!(refused.refusal(), (422, "invalid-value"), "{}", refused.body);
    }
    let missing = world.get(LENA, &format!("/v1/requests/req_{}", "1".repeat(150))).await?;
    assert_eq!(missing.refusal(), (404, "not-found"));
    Ok(())
}

#[tokio::test]
async fn what_is_refused_is_said_in_the_words_of_who_sent_it() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    let estimate = json!({
        "platform": "bedrock", "monthly": { "amount": 12.5, "currency": "USD" }, "reason": "r", "validFrom": "2026-08-01",
    });
    let foreign = fields(&request(&workload), &json!({ "actions": ["inference"] }));
    let rows = [
        (
            world.post(PETRA, &format!("/v1/workloads/{workload}/estimates"), &estimate).await?,
            "text, such as \"12.50\"",
        ),
        (world.post(PETRA, "/v1/requests", &foreign).await?, "`inference` does not exist on Bedrock; it knows invoke,"),
        (world.get(PETRA, "/v1/requests/apr_1").await?, "`apr_1` is not an id of the form `req_…`"),
    ];
    for (refused, words) in rows {
        assert!(text(&refused.body, "/detail")?.contains(words), "{}", refused.body);
    }
    Ok(())
}

#[tokio::test]
async fn somebody_elses_id_answers_exactly_like_one_that_does_not_exist() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let granted = world.one_grant().await?;
    world.implement(&granted.id, CHECKOUT, "finops-ai-checkout").await?;
    let (workload, request_id) = (&granted.workload, &granted.request);
    let space = text(&world.get(PETRA, &format!("/v1/workloads/{workload}")).await?.ok()?, "/spaceId")?;
    let task = text(&world.task_in(&granted.id, "completed").await?, "/id")?;
    let arn = format!("arn:aws:iam::{CHECKOUT}:role/finops-ai-checkout");
    let claim = json!({ "anchor": { "type": "iam-role", "arn": arn } });
    let claimed = text(&world.post(PETRA, &format!("/v1/workloads/{workload}/claims"), &claim).await?.ok()?, "/id")?;
    let mine = world.ready_workload(SAMIR, "Support").await?;
    let monthly = json!({ "amount": "1.00", "currency": "USD" });
    let estimate = json!({ "platform": "bedrock", "monthly": monthly, "reason": "r", "validFrom": "2026-08-01" });
    let case = json!({ "valueType": "cost-saving", "annualBaseline": monthly, "targetPercent": "1" });
    let new_workload = json!({ "name": "n", "runtime": "lambda", "useCase": "operations-ai", "businessCase": case });
    let rows = [
        ("GET", "/v1/spaces/{}", &space, "spc_none", Value::Null),
        ("POST", "/v1/spaces/{}/workloads", &space, "spc_none", new_workload),
        ("GET", "/v1/workloads/{}", workload, "wkl_none", Value::Null),
        ("POST", "/v1/workloads/{}/retire", workload, "wkl_none", json!({})),
        ("GET", "/v1/workloads/{}/estimates", workload, "wkl_none", Value::Null),
        ("POST", "/v1/workloads/{}/estimates", workload, "wkl_none", estimate),
        ("GET", "/v1/workloads/{}/handoff", workload, "wkl_none", Value::Null),
        ("POST", "/v1/workloads/{}/claims", workload, "wkl_none", claim.clone()),
        ("POST", "/v1/claims/{}/release", &claimed, "clm_none", json!({ "effectiveTo": "2026-08-25", "reason": "r" })),
        ("GET", "/v1/requests/{}", request_id, "req_none", Value::Null),
        ("POST", "/v1/requests/{}/withdraw", request_id, "req_none", json!({})),
        ("GET", "/v1/approvals/{}", &granted.id, "apr_none", Value::Null),
        ("GET", "/v1/tasks/{}", &task, "tsk_none-1", Value::Null),
        ("GET", "/v1/tasks/{}/bundle", &task, "tsk_none-1", Value::Null),
        ("GET", "/v1/tasks/{}/artifacts/policy.json", &task, "tsk_none-1", Value::Null),
    ];
    let before = world.events().await?;
    for (method, path, theirs, made_up, body) in &rows {
        let body = (*method != "GET").then_some(body);
        let foreign = world.call(SAMIR, method, &path.replace("{}", theirs), body, &[]).await?;
        let nothing = world.call(SAMIR, method, &path.replace("{}", made_up), body, &[]).await?;
        assert_eq!(foreign.refusal(), (404, "not-found"), "{method} {path}: {}", foreign.body);
        assert_eq!(foreign.body_without_instance(), nothing.body_without_instance(), "{method} {path}");
        assert_eq!((foreign.status, foreign.etag, foreign.location), (nothing.status, nothing.etag, nothing.location));
    }
    let in_body = |id: &str| request(id);
    let foreign = world.post(SAMIR, "/v1/requests", &in_body(workload)).await?;
    let nothing = world.post(SAMIR, "/v1/requests", &in_body("wkl_none")).await?;
    assert_eq!(
        (foreign.status, foreign.body_without_instance()),
        (404, nothing.body_without_instance()),
        "an id in the body"
    );
    let foreign = world.post(SAMIR, &format!("/v1/workloads/{mine}/claims"), &claim).await?;
    let nothing =
        fields(&claim, &json!({ "anchor": { "type": "iam-role", "arn": arn.replace("checkout", "nobody") } }));
    let nothing = world.post(SAMIR, &format!("/v1/workloads/{mine}/claims"), &nothing).await?;
    assert_eq!(
        (foreign.status, foreign.body_without_instance()),
        (nothing.status, nothing.body_without_instance()),
        "another's anchor"
    );
    for list in [
        "requests?workloadId=",
        "approvals?workloadId=",
        "claims?workloadId=",
        "anchors?workloadId=",
        "tasks?approvalId=",
    ] {
        let id = if list.starts_with("tasks") { &granted.id } else { workload };
        assert_eq!(world.list(SAMIR, &format!("/v1/{list}{id}")).await?, Vec::<Value>::new(), "{list}");
    }
    assert_eq!(world.events().await?, before);
    Ok(())
}

#[tokio::test]
async fn bodies_that_are_malformed_unknown_absurd_or_too_large_are_refused_and_leave_nothing() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let space = world.space("Commerce", &[PETRA]).await?;
    let workload = world.workload(PETRA, &space, "Checkout").await?;
    world.settle().await?;
    let before = world.written().await?;
    let path = format!("/v1/workloads/{workload}/estimates");
    let token = world.local.tokens.issue(&PETRA.identity())?;
    let estimate = |monthly: Value| {
        json!({ "platform": "bedrock", "monthly": monthly, "reason": "r", "validFrom": "2026-08-01" }).to_string()
    };
    let huge = format!("{{\"reason\":\"{}\"}}", "x".repeat(256 * 1024));
    let just_too_large =
        format!("{}{}", estimate(json!({ "amount": "1.00", "currency": "USD" })), " ".repeat(256 * 1024));
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let rows: Vec<(String, u16)> = vec![
        ("{".to_owned(), 400),
        ("not json".to_owned(), 400),
        (deep, 400),
        ("[]".to_owned(), 422),
        ("\"text\"".to_owned(), 422),
        ("null".to_owned(), 422),
        ("{}".to_owned(), 422),
        (estimate(json!({ "amount": "-1.00", "currency": "USD" })), 422),
        (estimate(json!({ "amount": "NaN", "currency": "USD" })), 422),
        (estimate(json!({ "amount": "1e400", "currency": "USD" })), 422),
        (estimate(json!({ "amount": "99999999999999999999999999999999", "currency": "USD" })), 422),
        (estimate(json!({ "amount": "1.001", "currency": "USD" })), 422),
        (estimate(json!({ "amount": 12.5, "currency": "USD" })), 422),
        (estimate(json!({ "amount": "1.00", "currency": "EUR" })), 422),
        (estimate(json!({ "amount": "1.00" })), 422),
        (estimate(json!({ "amount": "1.00", "currency": "USD", "more": 1 })), 422),
        (estimate(json!("1.00")), 422),
        (huge, 413),
        (just_too_large, 413),
    ];
    for (body, status) in rows {
        let refused = world.call_as(Some(&token), "POST", &path, Some(&body), &[]).await?;
        assert_eq!(refused.status, status, "{:.80}: {}", body, refused.body);
        assert!(!refused.problem().is_empty() && refused.body["detail"].is_string(), "{}", refused.body);
    }
    let typed = world.call_as(Some(&token), "POST", &path, None, &[("content-type", "text/plain")]).await?;
    assert_eq!(typed.status, 422, "an empty body reads as an empty object: {}", typed.body);
    let odd = [
        ("GET", "/v1/spaces?limit=0", 422),
        ("GET", "/v1/spaces?limit=ten", 422),
        ("GET", "/v1/spaces?cursor=AAAA", 422),
        ("GET", "/v1/spaces?unknown=1", 422),
        ("GET", "/v1/requests?state=everything", 422),
        ("GET", "/v1/requests?state=submitted&state=approved", 422),
        ("GET", "/v1/spaces/..%2F..%2Fetc", 404),
        ("GET", "/v1/spaces/apr_01", 404),
        ("GET", "/v1/spaces/spc_%00", 404),
        ("GET", "/v1/spend?billingPeriod=2026-13", 422),
        ("GET", "/v1/models/bedrock.'%20OR%201=1", 404),
    ];
    for (method, path, status) in odd {
        let refused = world.call_as(Some(&token), method, path, None, &[]).await?;
        assert_eq!(refused.status, status, "{path}: {}", refused.body);
    }
    assert_eq!(world.written().await?, before);
    Ok(())
}

const HOSTILE: [&str; 9] = [
    "x'; touch /tmp/owned; '",
    "$(touch /tmp/owned)`id`",
    "=cmd|'/C calc'!A0",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "../../etc/passwd",
    "{{7*7}}${7*7}%s%n",
    "ＡＤＭＩＮ\u{202e}txt.exe",
    "Robert\\\"); DROP TABLE spend;--",
];

#[tokio::test]
async fn hostile_names_are_accepted_as_they_are_and_inert_wherever_they_come_out() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    for (number, name) in (1..).zip(HOSTILE) {
        let workload = world.ready_workload(PETRA, name).await?;
        assert_eq!(world.get(PETRA, &format!("/v1/workloads/{workload}")).await?.ok()?["name"], name);
        let body = fields(
            &approval(&places(&format!("finops-ai-{number}"), &[(CHECKOUT, "us-east-1")])),
            &json!({ "note": name }),
        );
        let granted = world.granted(PETRA, &workload, &body).await?;
        let task = world.task_in(&granted.id, "ready").await?;
        let steps = task["instructions"].as_array().into_iter().chain(task["undo"].as_array()).flatten();
        for step in steps {
            let command = step["command"].as_str().unwrap_or_default();
            assert!(!command.contains(name), "a name came into a command: {command}");
            assert!(!command.contains("touch /tmp/owned"), "{command}");
        }
        for artifact in task["artifacts"].as_array().into_iter().flatten() {
            let (file, content) = (text(artifact, "/name")?, text(artifact, "/content")?);
            assert!(!file.ends_with(".json") || serde_json::from_str::<Value>(&content).is_ok(), "{file}: {content}");
            assert!(!content.contains(name), "a name came into {file}");
        }
    }
    for person in [LENA, CHEN, PETRA] {
        for message in world.messages(person).await? {
            let subject = text(&message, "/subject")?;
            assert!(subject.len() < 100 && subject.is_ascii() && !subject.contains('\n'), "{subject}");
            assert!(!text(&message, "/text")?.contains('\u{202e}'), "a direction mark came through");
        }
    }
    for refused in ["", "a\nb", "a\u{0}b", "\u{1b}[2J", "\u{7f}", &"x".repeat(101)] {
        let answer = world.post(LENA, "/v1/spaces", &json!({ "name": refused, "owners": ["petra"] })).await?;
        assert_eq!(answer.status, 422, "{refused:?}");
    }
    Ok(())
}

#[tokio::test]
async fn versions_digests_and_direct_decisions_are_held_to_their_rules() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let granted = world.one_grant().await?;
    let space = world.get(PETRA, &format!("/v1/workloads/{}", granted.workload)).await?.ok()?;
    let space = format!("/v1/spaces/{}", text(&space, "/spaceId")?);
    let body = json!({ "name": "Checkout 2", "owners": ["petra"] });
    let stale = world.call(LENA, "PUT", &space, Some(&body), &[("if-match", "\"7\"")]).await?;
    assert_eq!((stale.refusal(), &stale.body["current"]["version"]), ((409, "stale-version"), &json!(1)));
    let renamed = world.call(LENA, "PUT", &space, Some(&body), &[("if-match", "\"1\"")]).await?;
    assert_eq!((renamed.status, renamed.etag.as_deref()), (200, Some("\"2\"")));
    for odd in ["2", "W/\"2\"", "\"two\"", "\"1\", \"2\""] {
        assert_eq!(world.call(LENA, "PUT", &space, Some(&body), &[("if-match", odd)]).await?.status, 400, "{odd}");
    }
    let task = world.task_in(&granted.id, "ready").await?;
    let path = format!("/v1/tasks/{}", text(&task, "/id")?);
    world.post(CHEN, &format!("{path}/start"), &json!({})).await?.ok()?;
    let role = json!({ "roleArn": format!("arn:aws:iam::{CHECKOUT}:role/finops-ai-checkout") });
    let zero = format!("sha256:{}", "0".repeat(64));
    let rows = [
        (json!({ "digest": zero, "evidence": role }), "stale-digest"),
        (json!({ "digest": granted.digest, "evidence": {} }), "evidence-mismatch"),
        (
            json!({ "digest": granted.digest, "evidence": { "roleArn": "arn:aws:iam::111122223333:role/another" } }),
            "evidence-mismatch",
        ),
        (
            json!({ "digest": granted.digest, "evidence": { "roleArn": "arn:aws:iam::999988887777:role/finops-ai-checkout" } }),
            "evidence-mismatch",
        ),
        (json!({ "evidence": role }), "invalid-value"),
        (json!({ "digest": "sha256:short", "evidence": role }), "invalid-value"),
    ];
    for (body, reason) in rows {
        assert_eq!(world.post(CHEN, &format!("{path}/complete"), &body).await?.problem(), reason, "{body}");
    }
    direct_decisions(&world, &granted.workload).await
}

async fn direct_decisions(world: &World, workload: &str) -> anyhow::Result<()> {
    let direct = fields(&one_place(), &json!({ "workloadId": workload }));
    let wider = fields(&direct, &json!({ "scopes": places("finops-ai-checkout", &[(CHECKOUT, "us-west-2")]) }));
    assert_eq!(world.post(LENA, "/v1/approvals", &wider).await?.refusal(), (409, "wider-than-requested"));
    let claude = json!({
        "workloadId": workload, "platform": "claude-platform", "modelId": SONNET, "actions": ["inference"],
        "workspaceName": "emergency",
        "scopes": [place(DATA, "us-west-2", "finops-ai-emergency")],
    });
    assert_eq!(
        world.post(LENA, "/v1/approvals", &claude).await?.refusal(),
        (409, "wider-than-requested"),
        "nothing to narrow"
    );
    let glass = |hours: &str| fields(&claude, &json!({ "breakGlass": { "reason": "an outage", "expiresAt": hours } }));
    assert_eq!(
        world.post(LENA, "/v1/approvals", &glass("2026-08-25T08:00:00Z")).await?.refusal(),
        (422, "invalid-value"),
        "too long"
    );
    world.get(DORA, "/v1/me").await?.ok()?;
    world.settle().await?;
    let opened = world.post(LENA, "/v1/approvals", &glass("2026-08-24T19:00:00Z")).await?;
    assert_eq!(opened.status, 201, "without request or estimate: {}", opened.body);
    world.settle().await?;
    let told = texts(&world.messages(DORA).await?, "subject");
    assert!(told.iter().any(|subject| subject.to_lowercase().contains("break-glass")), "every Lead is told: {told:?}");
    let review = format!("/v1/approvals/{}/review", text(&opened.body, "/id")?);
    let found = json!({ "outcome": "justified", "note": "it was an outage" });
    assert_eq!(world.post(LENA, &review, &found).await?.refusal(), (403, "separation-of-duties"));
    world.post(DORA, &review, &found).await?.ok()?;
    let again = world.post(LENA, "/v1/approvals", &glass("2026-08-24T19:00:00Z")).await?;
    assert_eq!((again.status, &again.body["id"]), (200, &opened.body["id"]), "the same again is that one");
    for (who, until) in [(LENA, "2026-08-24T18:00:00Z"), (DORA, "2026-08-24T19:00:00Z")] {
        let second = world.post(who, "/v1/approvals", &glass(until)).await?;
        assert_eq!(second.refusal(), (409, "wrong-state"), "one is active");
    }
    let kept = world.post(LENA, "/v1/approvals", &claude).await?;
    assert_eq!(kept.refusal(), (409, "wider-than-requested"), "what was opened for hours is not made to last");
    world.settle().await?;
    Ok(())
}
