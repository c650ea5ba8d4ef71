//! Who may ask for what: every route × every role, two roles in one person, and the other ways in.

use serde_json::{Value, json};
use system_tests::{Person, Reply, World};

use super::routes::{PROMISED, Promised, ROLES};

/// Somebody of several roles, or of none.
const MIXED: [(&str, Person); 5] = [
    ("", Person { sub: "nobody", groups: &[] }),
    ("", Person { sub: "stranger", groups: &["developers", "FinOps-Lead", "finops-leads", "system", "admin"] }),
    ("LO", Person { sub: "omar", groups: &["finops-lead", "product-owner"] }),
    ("EA", Person { sub: "eva", groups: &["cloud-engineer", "auditor", "auditor"] }),
    ("OE", Person { sub: "oleg", groups: &["product-owner", "cloud-engineer", "unknown"] }),
];

async fn ask(world: &World, who: Person, route: &Promised) -> anyhow::Result<Reply> {
    let body = json!({});
    let body = (route.method != "GET").then_some(&body);
    world.call(who, route.method, &route.made_up(), body, &[]).await
}

#[tokio::test]
async fn whose_role_has_no_right_is_refused_everywhere_and_nothing_is_written() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world
        .put(system_tests::LENA, "/v1/accounts/111122223333", &json!({ "name": "a", "regions": ["us-east-1"] }))
        .await?
        .ok()?;
    world.settle().await?;
    let before = world.written().await?;
    let people = ROLES.map(|(letter, person)| (letter.to_string(), person)).into_iter();
    let people: Vec<(String, Person)> = people.chain(MIXED.map(|(roles, person)| (roles.to_owned(), person))).collect();
    for route in PROMISED {
        for (roles, person) in people.iter().filter(|(roles, _)| !roles.chars().any(|role| route.roles.contains(role)))
        {
            let refused = ask(&world, *person, route).await?;
            assert_eq!(refused.refusal(), (403, "role-forbidden"), "{roles} {:?}: {}", route, refused.body);
        }
    }
    assert_eq!(world.written().await?, before);
    Ok(())
}

#[tokio::test]
async fn whose_role_has_the_right_is_heard_and_never_gets_a_5xx() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let people = ROLES.map(|(letter, person)| (letter.to_string(), person)).into_iter();
    let people: Vec<(String, Person)> = people.chain(MIXED.map(|(roles, person)| (roles.to_owned(), person))).collect();
    for route in PROMISED {
        for (roles, person) in people.iter().filter(|(roles, _)| roles.chars().any(|role| route.roles.contains(role))) {
            let heard = ask(&world, *person, route).await?;
            let (status, problem) = heard.refusal();
            assert!(
                problem != "role-forbidden" && status != 401 && status < 500,
                "{roles} {route:?}: {status} {}",
                heard.body
            );
            let is_about_one_made_up_thing =
                ["{id}", "{sub}"].iter().any(|id| route.path.contains(id)) && route.method == "GET";
            if is_about_one_made_up_thing {
                assert_eq!(heard.refusal(), (404, "not-found"), "{roles} {route:?}: {}", heard.body);
            }
        }
    }
    world.settle().await?;
    Ok(())
}

#[tokio::test]
async fn only_the_document_is_public() -> anyhow::Result<()> {
    let world = World::empty().await?;
    for route in PROMISED {
        let refused = world.call_as(None, route.method, &route.made_up(), None, &[]).await?;
        assert_eq!((refused.status, refused.body), (401, json!({ "message": "Unauthorized" })), "{route:?}");
    }
    let document = world.call_as(None, "GET", "/v1/openapi.json", None, &[]).await?.ok()?;
    assert_eq!(document.get("openapi"), Some(&json!("3.1.0")));
    for other in ["/", "/v1", "/v1/", "/v1/nothing", "/v2/me", "/v1/me/", "//v1/me", "/v1/tasks/a/b/c/d"] {
        let missed = world.get(system_tests::LENA, other).await?;
        assert_eq!(missed.status, 404, "{other}");
    }
    for method in ["DELETE", "PATCH", "HEAD", "TRACE"] {
        let missed = world.call(system_tests::LENA, method, "/v1/me", None, &[]).await?;
        assert_eq!(missed.status, 404, "{method}");
    }
    Ok(())
}

/// Events that no trigger of the template sends.
fn foreign_events() -> Vec<Value> {
    vec![
        json!(null),
        json!([]),
        json!({}),
        json!({ "action": "approve", "id": "apr_1" }),
        json!({ "schedule": "everything", "scheduledTime": "2026-08-24T07:00:00Z" }),
        json!({ "detail-type": "Model Approved", "source": "somebody", "id": "1", "detail": {} }),
        json!({ "version": "1.0", "httpMethod": "POST", "path": "/v1/requests/req_1/approve", "requestContext": {} }),
    ]
}

#[tokio::test]
async fn an_event_of_unknown_shape_is_refused_by_every_function_and_writes_nothing() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let before = world.written().await?;
    for function in world.local.stack.gateway.functions() {
        for event in foreign_events() {
            assert!(function.handle(&event).await.is_err(), "{} took {event}", function.name);
        }
        let forged = json!({ "schema": "v1", "id": "evt_1", "type": "role.granted", "aggregate": "X#1" }).to_string();
        let queued = json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "m-1", "body": forged }] });
        let answer = function.handle(&queued).await;
        let failed = answer.ok().and_then(|a| a.pointer("/batchItemFailures/0/itemIdentifier").cloned());
        assert_eq!(failed, Some(json!("m-1")), "{} took a forged event", function.name);
    }
    assert_eq!(world.written().await?, before);
    Ok(())
}

#[tokio::test]
async fn a_call_without_the_gateways_authorizer_is_nobodys() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let token = world.local.tokens.issue(&system_tests::LENA.identity())?;
    for function in world.local.stack.gateway.functions() {
        for route in function.routes.iter().filter(|route| route.action.is_some()) {
            let call = json!({
                "version": "2.0", "rawPath": route.path.replace(['{', '}'], ""), "rawQueryString": "",
                "headers": { "authorization": format!("Bearer {token}") },
                "requestContext": { "http": { "method": route.method.as_str() }, "requestId": "r", "stage": "$default" },
            });
            let answer = function.handle(&call).await.map_err(|failure| anyhow::anyhow!("{failure}"))?;
            assert_eq!(answer.get("statusCode"), Some(&json!(401)), "{} {}", function.name, route.path);
        }
    }
    Ok(())
}
