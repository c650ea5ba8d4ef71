//! Nobody sets by a body what the product alone may set: a state, a decider, a time, a role.

use serde_json::{Value, json};
use system_tests::{CHECKOUT, Person, World, approval, fields, places};

use super::routes::{PROMISED, Promised};

const SPOOFED: [&str; 8] = ["status", "state", "approver", "approvedAt", "requestedBy", "role", "doneBy", "digest"];

/// The least body with which a field of its own is looked at.
fn base(route: &Promised) -> Value {
    match route.path {
        "/v1/approvals" => {
            fields(&approval(&places("r", &[(CHECKOUT, "us-east-1")])), &json!({ "workloadId": "wkl_none" }))
        }
        _ => json!({}),
    }
}

#[tokio::test]
async fn a_field_that_the_caller_may_not_set_is_refused_by_name_in_every_write() -> anyhow::Result<()> {
    let world = World::empty().await?;
    for route in PROMISED.iter().filter(|route| route.method != "GET") {
        let who: Person = route.somebody();
        for field in SPOOFED {
            if field == "digest" && route.path == "/v1/tasks/{id}/complete" {
                continue;
            }
            let body = fields(&base(route), &json!({ field: "lena" }));
            let refused = world.call(who, route.method, &route.made_up(), Some(&body), &[]).await?;
            assert_eq!(refused.refusal(), (422, "invalid-value"), "{route:?} {field}: {}", refused.body);
            let detail = refused.body["detail"].as_str().unwrap_or_default();
            assert!(detail.contains(&format!("unknown field `{field}`")), "{route:?} {field}: {detail}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_document_promises_closed_bodies_without_such_fields() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let document = world.call_as(None, "GET", "/v1/openapi.json", None, &[]).await?.ok()?;
    for route in PROMISED.iter().filter(|route| route.method != "GET") {
        let operation = &document["paths"][route.path][route.method.to_lowercase()];
        let mut schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        while let Some(name) = schema["$ref"].as_str().and_then(|at| at.rsplit('/').next()) {
            schema = &document["components"]["schemas"][name];
        }
        assert!(schema.is_object(), "{route:?} has no body in the document");
        let closed = schema["additionalProperties"] == false || schema["unevaluatedProperties"] == false;
        assert!(closed, "{route:?}: {schema}");
        for field in SPOOFED.iter().filter(|field| **field != "digest" || route.path != "/v1/tasks/{id}/complete") {
            assert!(schema["properties"][*field].is_null(), "{route:?} takes `{field}`");
        }
    }
    Ok(())
}
