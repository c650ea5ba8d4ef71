//! Listings through the real SDK client: the catalogs that the local stack answers with, pages, and refusals.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use domain::access::models::model::{Discovery, Model, merge_discovery};
use domain::base::outcome::Outcome;
use serde_json::{Value, json};

use super::*;

const CATALOGS: [(&str, &str); 3] = [
    ("eu-west-1", include_str!("../../../../local/catalog/bedrock/eu-west-1.json")),
    ("us-east-1", include_str!("../../../../local/catalog/bedrock/us-east-1.json")),
    ("us-west-2", include_str!("../../../../local/catalog/bedrock/us-west-2.json")),
];

/// Answers by path and query; remembers what it was asked.
#[derive(Debug, Clone)]
struct Bedrock {
    answer: fn(&str) -> (u16, Value),
    asked: Arc<Mutex<Vec<String>>>,
}

impl HttpConnector for Bedrock {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri = request.uri().to_owned();
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(uri.clone());
        let (status, body) = (self.answer)(&uri);
        let response = StatusCode::try_from(status).map(|s| HttpResponse::new(s, SdkBody::from(body.to_string())));
        HttpConnectorFuture::ready(response.map_err(|error| ConnectorError::other(error.into(), None)))
    }
}

fn aws(answer: fn(&str) -> (u16, Value)) -> (Aws, Arc<Mutex<Vec<String>>>) {
    let bedrock = Bedrock { answer, asked: Arc::default() };
    let asked = Arc::clone(&bedrock.asked);
    (Aws::in_process(http_client_fn(move |_, _| SharedHttpConnector::new(bedrock.clone())), "us-east-1"), asked)
}

/// What the shipped catalog of the region in the host's name says.
fn shipped(uri: &str) -> (u16, Value) {
    let catalog = CATALOGS.iter().find(|(region, _)| uri.contains(&format!("bedrock.{region}.")));
    let Some((_, text)) = catalog else {
        return (403, json!({"__type": "UnrecognizedClientException", "message": "The security token is invalid"}));
    };
    let catalog: Value = serde_json::from_str(text).unwrap_or_default();
    let list = if uri.contains("/foundation-models") { "modelSummaries" } else { "inferenceProfileSummaries" };
    (200, json!({ list: catalog[list] }))
}

fn regions(names: &[&str]) -> anyhow::Result<BTreeSet<Region>> {
    Ok(names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?)
}

#[tokio::test]
async fn the_shipped_catalogs_are_read_into_models_with_their_profiles_and_lifecycles() -> anyhow::Result<()> {
    let (aws, _) = aws(shipped);
    let read = read_regions(&aws, &regions(&["eu-west-1", "us-east-1", "us-west-2", "ap-south-1"])?).await;
    assert!(read.values().all(|reading| reading.unreadable.is_empty()), "every shipped id is one");
    let seen = Discovery::of(&read.into_iter().map(|(region, reading)| (region, reading.answer)).collect());
    assert_eq!(seen.answered(), &regions(&["eu-west-1", "us-east-1", "us-west-2"])?);

    let now = "2026-08-24T04:00:00Z".parse()?;
    let mut models: BTreeMap<String, Model> = BTreeMap::new();
    for id in seen.model_ids() {
        let Outcome::Changed(model) = merge_discovery(None, id, &seen, now) else { anyhow::bail!("{id} is new") };
        assert!(models.insert(model.model_key.to_string(), model).is_none(), "{id} has a key of its own");
    }
    assert!(models.len() >= 40, "{} models", models.len());
    let lite = models.get("bedrock.amazon.nova-lite-v1-0").ok_or_else(|| anyhow::anyhow!("Nova Lite is there"))?;
    assert_eq!((lite.vendor.as_str(), lite.name.as_str()), ("Amazon", "Nova Lite"));
    let east = lite.regions.get(&"us-east-1".parse()?).ok_or_else(|| anyhow::anyhow!("in us-east-1"))?;
    assert!(east.inference_types.contains("ON_DEMAND"));
    assert!(east.profiles.iter().all(|p| p.kind == "SYSTEM_DEFINED" && !p.destinations.is_empty()));
    assert!(models.values().any(|m| m.regions.values().any(domain::access::models::model::RegionOffer::needs_profile)));
    let statuses: BTreeSet<_> = models.values().map(|m| m.lifecycle.status).collect();
    assert_eq!(statuses, BTreeSet::from([LifecycleStatus::Active, LifecycleStatus::Legacy]));
    assert!(
        models.values().all(|m| m.lifecycle.status != LifecycleStatus::Legacy || m.lifecycle.end_of_life.is_some())
    );
    Ok(())
}

#[tokio::test]
async fn profiles_are_read_to_the_last_page_and_odd_models_as_far_as_they_can_be() -> anyhow::Result<()> {
    fn two_pages(uri: &str) -> (u16, Value) {
        let profile = |id: &str| {
            json!({"inferenceProfileId": id, "inferenceProfileName": id, "inferenceProfileArn": format!("arn:{id}"),
                "models": [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/a.b"}], "status": "ACTIVE",
                "type": "SYSTEM_DEFINED"})
        };
        let body = match uri {
            _ if uri.contains("/foundation-models") => json!({"modelSummaries": [
                {"modelId": "a.b", "modelArn": "arn", "inferenceTypesSupported": ["A_NEW_TYPE"],
                "modelLifecycle": {"status": "A_NEW_STATUS"}},
                {"modelId": "not an id", "modelArn": "arn"},
            ]}),
            _ if uri.contains("nextToken=two") => json!({"inferenceProfileSummaries": [profile("us.a.b")]}),
            _ => json!({"inferenceProfileSummaries": [profile("eu.a.b")], "nextToken": "two"}),
        };
        (200, body)
    }
    let (aws, asked) = aws(two_pages);
    let reading = read_region(&aws, &"us-east-1".parse()?).await;
    let RegionAnswer::Listed { models, profiles } = reading.answer else { anyhow::bail!("the region answers") };
    assert_eq!(profiles.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["eu.a.b", "us.a.b"]);
    assert_eq!(reading.unreadable, ["not an id"]);
    let model = models.first().ok_or_else(|| anyhow::anyhow!("one model"))?;
    assert_eq!((model.name.as_str(), model.vendor.as_str()), ("a.b", "a"));
    assert_eq!(model.lifecycle.status, LifecycleStatus::Unknown);
    assert!(model.inference_types.contains("A_NEW_TYPE"));
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(
        asked.iter().filter(|uri| uri.contains("/inference-profiles")).all(|uri| uri.contains("SYSTEM_DEFINED")),
        "{asked:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_region_is_unknown_when_any_part_of_its_listing_is_refused() -> anyhow::Result<()> {
    fn denied(_: &str) -> (u16, Value) {
        (403, json!({"__type": "AccessDeniedException", "message": "no"}))
    }
    fn half(uri: &str) -> (u16, Value) {
        if uri.contains("/foundation-models") { (200, json!({"modelSummaries": []})) } else { denied(uri) }
    }
    fn nonsense(_: &str) -> (u16, Value) {
        (200, json!("nonsense"))
    }
    for (answer, expected) in [
        (denied as fn(&str) -> (u16, Value), "ListFoundationModels: AccessDeniedException"),
        (half, "ListInferenceProfiles: AccessDeniedException"),
        (shipped, "ListFoundationModels: UnrecognizedClientException"),
        (nonsense, "ListFoundationModels: an answer without a code"),
    ] {
        let (aws, _) = aws(answer);
        let reading = read_region(&aws, &"ap-south-1".parse()?).await;
        assert_eq!(reading.answer, RegionAnswer::Unknown(expected.to_owned()));
    }
    Ok(())
}
