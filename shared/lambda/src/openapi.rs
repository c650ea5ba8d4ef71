//! The OpenAPI 3.1 document, from the routes of all functions.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::routes::{AnswerSpec, Method, RouteSpec};

/// The problems that any route may answer, by status.
const PROBLEMS: &[(u16, &str)] = &[
    (400, "malformed: the body is not JSON that reads one way only, or a header or the query cannot be read"),
    (404, "there is no such thing, or the caller may not see it"),
    (409, "the state, version or digest has moved; `current` says to what"),
    (413, "the body is larger than 256 KiB"),
    (415, "the body is not JSON by its content type"),
    (422, "a field is unknown, missing or not acceptable; `detail` names it"),
    (429, "too many calls; come back after a moment"),
    (503, "a service that this needs does not answer; nothing was written"),
];
/// Statuses that a read cannot answer, since it has no body.
const OF_WRITES_ONLY: [u16; 2] = [413, 415];

/// The document of these routes, in the order of their paths.
#[must_use]
pub fn document<'a>(routes: impl IntoIterator<Item = &'a RouteSpec>) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = SchemaGenerator::new(settings);
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let operation = operation(route, &mut generator);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(route.method.as_str().to_lowercase(), operation);
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "FinOps Center",
            "version": "v1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Governance of AI models: decisions, approvals, tasks, spend and its signature.",
        },
        "servers": [{"url": "/"}],
        "security": [{"idToken": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"idToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": schemas,
        },
    })
}

fn operation(route: &RouteSpec, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [route.function],
        "summary": route.summary,
        "parameters": parameters(route),
        "responses": responses(route, generator),
    });
    let Some(fields) = operation.as_object_mut() else { return operation };
    match route.action {
        None => _ = fields.insert("security".to_owned(), json!([])),
        Some(action) => _ = fields.insert("x-action".to_owned(), json!(action)),
    }
    if let Some(schema) = route.body {
        let content = json!({"application/json": {"schema": schema(generator)}});
        fields.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
    }
    operation
}

fn operation_id(route: &RouteSpec) -> String {
    let words = route.path.split('/').filter(|s| !s.is_empty() && *s != "v1").map(|s| s.trim_matches(['{', '}']));
    let tail: Vec<&str> = words.collect();
    format!("{}-{}", route.method.as_str().to_lowercase(), tail.join("-"))
}

fn parameters(route: &RouteSpec) -> Vec<Value> {
    let text = json!({"type": "string", "pattern": "^[!-~]{1,160}$"});
    let in_path =
        route.parameter_names().map(|name| json!({"name": name, "in": "path", "required": true, "schema": text}));
    let in_query = route.query.iter().map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}}));
    let mut parameters: Vec<Value> = in_path.chain(in_query).collect();
    if route.is_paged {
        parameters.extend([
            json!({"name": "limit", "in": "query",
                   "schema": {"type": "integer", "minimum": 1, "maximum": crate::page::LIMIT_MAX}}),
            json!({"name": "cursor", "in": "query", "description": "`next` of the page before",
                   "schema": {"type": "string"}}),
        ]);
    }
    match route.method {
        Method::Get => {}
        Method::Post | Method::Put => parameters.extend([
            json!({"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
                   "description": "the same key and body by the same caller get the first answer again"}),
            json!({"name": "If-Match", "in": "header", "schema": {"type": "string"},
                   "description": "the `ETag` that the caller saw; a change of another version is refused, and what \
                    changes nothing is answered as it stands"}),
        ]),
    }
    parameters
}

fn responses(route: &RouteSpec, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    let content = match route.answer {
        AnswerSpec::Json(schema) => json!({"application/json": {"schema": schema(generator)}}),
        AnswerSpec::File => json!({"*/*": {}}),
        AnswerSpec::Document => json!({"application/json": {"schema": {"type": "object"}}}),
    };
    responses.insert(route.success.to_string(), json!({"description": success(route.success), "content": content}));
    if route.success != 200 {
        let again = json!({"description": "it was so already; nothing was written", "content": content});
        responses.insert("200".to_owned(), again);
    }
    if route.action.is_some() {
        let problem = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
        for (status, description) in PROBLEMS {
            if route.method != Method::Get || !OF_WRITES_ONLY.contains(status) {
                responses.insert(status.to_string(), json!({"description": description, "content": problem}));
            }
        }
        responses
            .insert("403".to_owned(), json!({"description": "no role of the caller may do this", "content": problem}));
        let gateway = json!({"type": "object", "properties": {"message": {"type": "string"}}});
        let own = json!({"description": "no valid token; the gateway's own answer",
                         "content": {"application/json": {"schema": gateway}}});
        responses.insert("401".to_owned(), own);
        // A path that cannot be decoded reaches no function: the gateway answers by itself.
        if let Some(content) = responses.get_mut("404").and_then(|answer| answer.pointer_mut("/content")) {
            content["application/json"] = json!({ "schema": gateway });
        }
    }
    Value::Object(responses)
}

const fn success(status: u16) -> &'static str {
    match status {
        201 => "created",
        202 => "accepted; `Location` says where its state is",
        _ => "it is so",
    }
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "instance"],
        "properties": {
            "type": {"type": "string", "description": "stable; what programs tell problems apart by"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "what is wrong and what to do next"},
            "instance": {"type": "string"},
            "current": {"description": "what the caller needs to try again"},
        },
    })
}
