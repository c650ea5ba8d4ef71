//! One region's listing from Bedrock's control plane, parsed.
//!
//! A listing counts only when it is complete: models and every page of profiles. Any refusal or silence in between
//! makes the region unknown as a whole, because what is missing from half a listing would read as withdrawn.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_bedrock::Client;
use aws_sdk_bedrock::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_bedrock::operation::list_inference_profiles::ListInferenceProfilesError;
use aws_sdk_bedrock::primitives::DateTime;
use aws_sdk_bedrock::types::{
    FoundationModelLifecycle, FoundationModelSummary, InferenceProfileSummary, InferenceProfileType,
};
use domain::access::models::model::discovery::{ListedModel, ListedProfile};
use domain::access::models::model::{Lifecycle, LifecycleStatus, RegionAnswer};
use domain::base::aws::Region;
use domain::base::platform::ModelId;
use jiff::Timestamp;
use lambda::Aws;
use tokio::task::JoinSet;

/// Regions that are read at the same time: one connection each, and far below what the control plane throttles.
const REGIONS_AT_ONCE: usize = 4;
/// Profiles on one page, the most that `ListInferenceProfiles` gives.
const PROFILES_PER_PAGE: i32 = 1000;

/// What was read of one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) answer: RegionAnswer,
    /// Ids that no model can have; they are left out, and reported.
    pub(crate) unreadable: Vec<String>,
}

/// Reads regions, a few at a time. Every region has a reading, whatever became of it.
pub(crate) async fn read_regions(aws: &Aws, regions: &BTreeSet<Region>) -> BTreeMap<Region, Reading> {
    let mut waiting = regions.iter().cloned();
    let mut reading = JoinSet::new();
    let mut read = BTreeMap::new();
    loop {
        while reading.len() < REGIONS_AT_ONCE
            && let Some(region) = waiting.next()
        {
            let aws = aws.clone();
            reading.spawn(async move { (region.clone(), read_region(&aws, &region).await) });
        }
        match reading.join_next().await {
            Some(Ok((region, answer))) => _ = read.insert(region, answer),
            Some(Err(error)) => tracing::error!(error = %error, "the reading of a region broke off"),
            None => break,
        }
    }
    for region in regions {
        read.entry(region.clone()).or_insert_with(|| unknown("the reading broke off"));
    }
    read
}

/// Reads one region.
pub(crate) async fn read_region(aws: &Aws, region: &Region) -> Reading {
    let client = Client::new(&aws.config_in(region.as_str()));
    match list(&client).await {
        Ok((models, profiles)) => readable(&models, profiles),
        Err(why) => {
            tracing::warn!(region = %region, why, "the region's catalog is unknown; its last snapshot stands");
            unknown(&why)
        }
    }
}

async fn list(client: &Client) -> Result<(Vec<FoundationModelSummary>, Vec<InferenceProfileSummary>), String> {
    let models = client.list_foundation_models().send().await.map_err(|e| why("ListFoundationModels", &e))?;
    let profiles = list_profiles(client, InferenceProfileType::SystemDefined).await;
    let profiles = profiles.map_err(|e| why("ListInferenceProfiles", &e))?;
    Ok((models.model_summaries.unwrap_or_default(), profiles))
}

/// Every page of the profiles of one kind.
pub(crate) async fn list_profiles(
    client: &Client,
    kind: InferenceProfileType,
) -> Result<Vec<InferenceProfileSummary>, SdkError<ListInferenceProfilesError>> {
    let listing = client.list_inference_profiles().type_equals(kind).max_results(PROFILES_PER_PAGE);
    let mut pages = listing.into_paginator().send();
    let mut profiles = Vec::new();
    while let Some(page) = pages.next().await {
        profiles.extend(page?.inference_profile_summaries.unwrap_or_default());
    }
    Ok(profiles)
}

/// The service's own code, or which part of the way the call did not get.
pub(crate) fn why<E>(operation: &str, error: &SdkError<E>) -> String
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    tracing::debug!(operation, error = %DisplayErrorContext(error), "Bedrock did not list");
    let reason = match error {
        SdkError::ServiceError(context) => context.err().code().unwrap_or("an answer without a code"),
        SdkError::TimeoutError(_) => "no answer in time",
        SdkError::DispatchFailure(_) => "not reachable",
        SdkError::ResponseError(_) => "an unreadable answer",
        _ => "the call could not be made",
    };
    format!("{operation}: {reason}")
}

fn unknown(why: &str) -> Reading {
    Reading { answer: RegionAnswer::Unknown(why.to_owned()), unreadable: Vec::new() }
}

fn readable(models: &[FoundationModelSummary], profiles: Vec<InferenceProfileSummary>) -> Reading {
    let (mut listed, mut unreadable) = (Vec::with_capacity(models.len()), Vec::new());
    for model in models {
        match model.model_id().parse::<ModelId>() {
            Ok(id) => listed.push(listed_model(id, model)),
            Err(_) => unreadable.push(model.model_id().to_owned()),
        }
    }
    let profiles = profiles.into_iter().map(listed_profile).collect();
    Reading { answer: RegionAnswer::Listed { models: listed, profiles }, unreadable }
}

fn listed_model(model_id: ModelId, model: &FoundationModelSummary) -> ListedModel {
    let given = |text: Option<&str>| text.map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
    let prefix = || model_id.as_str().split('.').next().unwrap_or_default().to_owned();
    ListedModel {
        name: given(model.model_name()).unwrap_or_else(|| model_id.to_string()),
        vendor: given(model.provider_name()).unwrap_or_else(prefix),
        inference_types: model.inference_types_supported().iter().map(|t| t.as_str().to_owned()).collect(),
        lifecycle: lifecycle(model.model_lifecycle()),
        model_id,
    }
}

fn listed_profile(profile: InferenceProfileSummary) -> ListedProfile {
    ListedProfile {
        kind: profile.r#type.as_str().to_owned(),
        id: profile.inference_profile_id,
        name: profile.inference_profile_name,
        model_arns: profile.models.into_iter().filter_map(|m| m.model_arn).collect(),
    }
}

fn lifecycle(given: Option<&FoundationModelLifecycle>) -> Lifecycle {
    let Some(given) = given else { return Lifecycle { status: LifecycleStatus::Unknown, ..Lifecycle::default() } };
    let status = match given.status().as_str() {
        "ACTIVE" => LifecycleStatus::Active,
        "LEGACY" => LifecycleStatus::Legacy,
        _ => LifecycleStatus::Unknown,
    };
    Lifecycle {
        status,
        end_of_life: given.end_of_life_time().and_then(time),
        legacy_since: given.legacy_time().and_then(time),
        public_extended_access: given.public_extended_access_time().and_then(time),
        start_of_life: given.start_of_life_time().and_then(time),
    }
}

fn time(given: &DateTime) -> Option<Timestamp> {
    Timestamp::new(given.secs(), i32::try_from(given.subsec_nanos()).ok()?).ok()
}

#[cfg(test)]
mod tests;
