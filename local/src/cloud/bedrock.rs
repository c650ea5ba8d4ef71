//! Bedrock's control plane: models and inference profiles of three regions, as their catalogs record AWS's answers.
//!
//! System profiles come from the catalog; application profiles are made by calls and kept per account and region.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::answer::{Fault, Protocol, fresh_id, json_answer};
use super::caller::Caller;
use super::query::page;
use super::state::{Change, State};

const CATALOGS: [(&str, &str); 3] = [
    ("us-east-1", include_str!("../../catalog/bedrock/us-east-1.json")),
    ("us-west-2", include_str!("../../catalog/bedrock/us-west-2.json")),
    ("eu-west-1", include_str!("../../catalog/bedrock/eu-west-1.json")),
];

/// Stands for the caller's account in the catalogs.
const CATALOG_ACCOUNT: &str = ":123456789012:";
const PROFILES: &str = "bedrock-profile/";
const TAGS: &str = "bedrock-tags";

struct Catalog {
    models: Vec<Value>,
    profiles: Vec<Value>,
}

/// The regions' catalogs and the accounts' own profiles.
pub(crate) struct Bedrock {
    state: Arc<State>,
    catalogs: BTreeMap<&'static str, Catalog>,
}

/// One call, its path split and decoded.
struct Call<'a> {
    caller: &'a Caller,
    catalog: &'a Catalog,
    query: BTreeMap<String, String>,
    body: Value,
    now: Timestamp,
}

impl Bedrock {
    /// Reads the shipped catalogs.
    pub(crate) fn new(state: Arc<State>) -> Result<Self, serde_json::Error> {
        let mut catalogs = BTreeMap::new();
        for (region, text) in CATALOGS {
            let mut catalog: Value = serde_json::from_str(text)?;
            let mut list = |field: &str| match catalog.get_mut(field).map(Value::take) {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            };
            catalogs.insert(
                region,
                Catalog { models: list("modelSummaries"), profiles: list("inferenceProfileSummaries") },
            );
        }
        Ok(Self { state, catalogs })
    }

    /// Answers one request.
    pub(crate) fn call(&self, caller: &Caller, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
        match self.route(caller, request, now) {
            Ok((status, body)) => json_answer(status, "application/json", &body),
            Err(fault) => Protocol::RestJson.refuse(&fault),
        }
    }

    fn route(&self, caller: &Caller, request: &Request<Bytes>, now: Timestamp) -> Result<(u16, Value), Fault> {
        // What a region answers in which the account may not call Bedrock.
        let unknown =
            || Fault::new(403, "UnrecognizedClientException", "The security token included in the request is invalid");
        let catalog = self.catalogs.get(caller.region.as_str()).ok_or_else(unknown)?;
        let body = if request.body().is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(request.body()).map_err(|_| validation("the body is not JSON"))?
        };
        let call = Call { caller, catalog, query: query_of(request), body, now };
        let path: Vec<String> = request
            .uri()
            .path()
            .trim_matches('/')
            .split('/')
            .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        let (collection, id) = (path.first().map_or("", String::as_str), path.get(1..).unwrap_or_default().join("/"));
        let read = request.method() == Method::GET;
        match (collection, id.as_str()) {
            ("foundation-models", "") if read => Ok((200, call.list_models())),
            ("foundation-models", id) if read => call.get_model(id),
            ("inference-profiles", "") if read => self.list_profiles(&call),
            ("inference-profiles", "") if request.method() == Method::POST => self.create_profile(&call),
            ("inference-profiles", id) if read => self.get_profile(&call, id),
            ("inference-profiles", id) if request.method() == Method::DELETE => self.delete_profile(&call, id),
            ("tagResource", "") => self.tag(&call),
            ("untagResource", "") => self.untag(&call),
            ("listTagsForResource", "") => self.list_tags(&call),
            _ => Err(Fault::new(
                404,
                "UnknownOperationException",
                "the local stack does not emulate this operation of Bedrock",
            )),
        }
    }

    fn profiles(&self, call: &Call<'_>) -> Result<Vec<Value>, Fault> {
        let own = self.state.list::<Value>(&call.kind(), "")?;
        let system = call.catalog.profiles.iter().map(|profile| call.localise(profile));
        Ok(system.chain(own.into_iter().map(|(_, profile)| profile)).collect())
    }

    fn list_profiles(&self, call: &Call<'_>) -> Result<(u16, Value), Fault> {
        let wanted =
            call.query.get("type").or_else(|| call.query.get("typeEquals")).map_or("SYSTEM_DEFINED", String::as_str);
        let mut profiles = self.profiles(call)?;
        profiles.retain(|profile| text(profile, "type") == wanted);
        profiles.sort_by(|one, other| text(one, "inferenceProfileId").cmp(text(other, "inferenceProfileId")));
        let limit = call.query.get("maxResults").and_then(|text| text.parse().ok()).unwrap_or(1000);
        if !(1..=1000).contains(&limit) {
            return Err(validation("maxResults must be 1 to 1000"));
        }
        let key = |profile: &Value| text(profile, "inferenceProfileId").to_owned();
        let page = page(profiles, key, call.query.get("nextToken").map(String::as_str), limit);
        let mut answer = json!({"inferenceProfileSummaries": page.items});
        if let (Some(next), Some(fields)) = (page.next, answer.as_object_mut()) {
            fields.insert("nextToken".to_owned(), json!(next));
        }
        Ok((200, answer))
    }

    fn get_profile(&self, call: &Call<'_>, id: &str) -> Result<(u16, Value), Fault> {
        let named =
            |profile: &Value| text(profile, "inferenceProfileId") == id || text(profile, "inferenceProfileArn") == id;
        let found = self.profiles(call)?.into_iter().find(named);
        found
            .map(|profile| (200, profile))
            .ok_or_else(|| not_found("The provided inference profile identifier does not exist"))
    }

    fn create_profile(&self, call: &Call<'_>) -> Result<(u16, Value), Fault> {
        let name = text(&call.body, "inferenceProfileName");
        let plain = |character: char| character.is_ascii_alphanumeric() || "-_ ".contains(character);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(validation("inferenceProfileName must be 1 to 64 letters, digits, spaces, - or _"));
        }
        let source = call.body.pointer("/modelSource/copyFrom").and_then(Value::as_str).unwrap_or_default();
        let models = self.source_models(call, source)?;
        let own = self.state.list::<Value>(&call.kind(), "")?;
        if own.iter().any(|(_, profile)| text(profile, "inferenceProfileName") == name) {
            return Err(Fault::new(
                400,
                "ConflictException",
                format!("An inference profile named {name} already exists"),
            ));
        }
        let id: String = fresh_id().replace('-', "").chars().take(12).collect();
        let Caller { region, account, .. } = call.caller;
        let arn = format!("arn:aws:bedrock:{region}:{account}:application-inference-profile/{id}");
        let mut profile = json!({
            "inferenceProfileName": name,
            "inferenceProfileArn": arn,
            "inferenceProfileId": id,
            "models": models,
            "status": "ACTIVE",
            "type": "APPLICATION",
            "createdAt": call.now,
            "updatedAt": call.now,
        });
        if let (Some(description), Some(fields)) = (call.body.get("description"), profile.as_object_mut()) {
            fields.insert("description".to_owned(), description.clone());
        }
        let tags = tags_in(call.body.get("tags"));
        self.state.commit(vec![Change::put(&call.kind(), &id, &profile)?, Change::put(TAGS, &arn, &tags)?])?;
        Ok((201, json!({"inferenceProfileArn": arn, "status": "ACTIVE"})))
    }

    /// The models behind `copyFrom`: a model of this region, or a system profile with its destinations.
    fn source_models(&self, call: &Call<'_>, source: &str) -> Result<Vec<Value>, Fault> {
        if call.catalog.models.iter().any(|model| text(model, "modelArn") == source) {
            return Ok(vec![json!({"modelArn": source})]);
        }
        let profiles = self.profiles(call)?;
        let is_source = |profile: &&Value| {
            text(profile, "inferenceProfileArn") == source && text(profile, "type") == "SYSTEM_DEFINED"
        };
        let models =
            profiles.iter().find(is_source).and_then(|profile| profile.get("models")).and_then(Value::as_array);
        models
            .cloned()
            .ok_or_else(|| validation("The provided model source is not a model or system profile of this region"))
    }

    fn delete_profile(&self, call: &Call<'_>, id: &str) -> Result<(u16, Value), Fault> {
        let (_, profile) = self.get_profile(call, id)?;
        if text(&profile, "type") != "APPLICATION" {
            return Err(validation("system-defined inference profiles cannot be deleted"));
        }
        let tags = Change::remove(TAGS, text(&profile, "inferenceProfileArn"));
        self.state.commit(vec![Change::remove(&call.kind(), text(&profile, "inferenceProfileId")), tags])?;
        Ok((200, json!({})))
    }

    fn tag(&self, call: &Call<'_>) -> Result<(u16, Value), Fault> {
        let (arn, mut tags) = self.tags_of(call)?;
        tags.extend(tags_in(call.body.get("tags")));
        self.state.commit(vec![Change::put(TAGS, &arn, &tags)?])?;
        Ok((200, json!({})))
    }

    fn untag(&self, call: &Call<'_>) -> Result<(u16, Value), Fault> {
        let (arn, mut tags) = self.tags_of(call)?;
        for key in call.body.get("tagKeys").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            tags.remove(key);
        }
        self.state.commit(vec![Change::put(TAGS, &arn, &tags)?])?;
        Ok((200, json!({})))
    }

    fn list_tags(&self, call: &Call<'_>) -> Result<(u16, Value), Fault> {
        let (_, tags) = self.tags_of(call)?;
        let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        Ok((200, json!({"tags": tags})))
    }

    fn tags_of(&self, call: &Call<'_>) -> Result<(String, BTreeMap<String, String>), Fault> {
        let arn = text(&call.body, "resourceARN");
        let tags = self.state.load(TAGS, arn)?;
        tags.map(|tags| (arn.to_owned(), tags)).ok_or_else(|| not_found("The resource to tag does not exist"))
    }
}

impl Call<'_> {
    fn kind(&self) -> String {
        format!("{PROFILES}{}/{}", self.caller.account, self.caller.region)
    }

    fn localise(&self, profile: &Value) -> Value {
        let mut profile = profile.clone();
        if let Some(Value::String(arn)) = profile.get_mut("inferenceProfileArn") {
            *arn = arn.replace(CATALOG_ACCOUNT, &format!(":{}:", self.caller.account));
        }
        profile
    }

    fn list_models(&self) -> Value {
        let wanted = |filter: &str, field: &str, model: &Value| {
            let Some(wanted) = self.query.get(filter) else { return true };
            match model.get(field) {
                Some(Value::Array(values)) => values.iter().any(|value| value == wanted.as_str()),
                Some(Value::String(value)) => value.eq_ignore_ascii_case(wanted),
                _ => false,
            }
        };
        let matching = |model: &&Value| {
            wanted("byProvider", "providerName", model)
                && wanted("byOutputModality", "outputModalities", model)
                && wanted("byInferenceType", "inferenceTypesSupported", model)
                && wanted("byCustomizationType", "customizationsSupported", model)
        };
        json!({"modelSummaries": self.catalog.models.iter().filter(matching).collect::<Vec<_>>()})
    }

    fn get_model(&self, id: &str) -> Result<(u16, Value), Fault> {
        let found =
            self.catalog.models.iter().find(|model| text(model, "modelId") == id || text(model, "modelArn") == id);
        let model = found.ok_or_else(|| not_found("The provided model identifier does not exist"))?;
        Ok((200, json!({"modelDetails": model})))
    }
}

fn query_of(request: &Request<Bytes>) -> BTreeMap<String, String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = request.uri().query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), decode(value))).collect()
}

fn tags_in(tags: Option<&Value>) -> BTreeMap<String, String> {
    let tags = tags.and_then(Value::as_array).into_iter().flatten();
    tags.map(|tag| (text(tag, "key").to_owned(), text(tag, "value").to_owned())).collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn validation(message: &str) -> Fault {
    Fault::new(400, "ValidationException", message)
}

fn not_found(message: &str) -> Fault {
    Fault::new(404, "ResourceNotFoundException", message)
}
