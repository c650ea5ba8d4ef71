//! What discovery saw, and how it changes what is known. Nothing here decides whether a model may be used.
//!
//! A region that did not answer says nothing: its last snapshot stands. A region that did answer and no longer lists a
//! model has withdrawn it there, and that is kept with the day on which it was noticed. Context-length variants
//! (`…:0:24k`), and versioned ids whose unversioned alias is listed too (`…-v1:0` beside `…-v1`), are one model.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{InferenceProfile, Lifecycle, LifecycleStatus, Model, ModelDecision, RegionOffer};
use crate::access::models::catalog::{CLAUDE_PLATFORM_VENDOR, CatalogModel};
use crate::base::aws::Region;
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::platform::{ModelId, ModelKey, Platform};

/// One item of Bedrock's `ListFoundationModels`, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedModel {
    /// `modelId`, variants included.
    pub model_id: ModelId,
    /// `modelName`, or the id where AWS gives none.
    pub name: String,
    /// `providerName`, or the id's prefix where AWS gives none.
    pub vendor: String,
    /// `inferenceTypesSupported`, as AWS writes them.
    pub inference_types: BTreeSet<String>,
    /// `modelLifecycle`.
    pub lifecycle: Lifecycle,
}

/// One item of Bedrock's `ListInferenceProfiles`, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedProfile {
    /// `inferenceProfileId`.
    pub id: String,
    /// `inferenceProfileName`.
    pub name: String,
    /// `type`.
    pub kind: String,
    /// `models[].modelArn`.
    pub model_arns: Vec<String>,
}

/// What one region answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegionAnswer {
    /// Its listing, complete.
    Listed {
        /// Foundation models.
        models: Vec<ListedModel>,
        /// Inference profiles.
        profiles: Vec<ListedProfile>,
    },
    /// No listing, and why: access denied, or a region that is not enabled. Never "gone".
    Unknown(String),
}

/// What one run saw of Bedrock, by model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovery {
    answered: BTreeSet<Region>,
    sightings: BTreeMap<ModelId, Sighting>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Sighting {
    name: String,
    vendor: String,
    offers: BTreeMap<Region, RegionOffer>,
}

impl Discovery {
    /// Folds the answers of all regions into models; the same answers in any order fold into the same.
    #[must_use]
    pub fn of(answers: &BTreeMap<Region, RegionAnswer>) -> Self {
        let listings = || {
            answers.iter().filter_map(|(region, answer)| match answer {
                RegionAnswer::Listed { models, profiles } => Some((region, models, profiles)),
                RegionAnswer::Unknown(_) => None,
            })
        };
        let listed_ids: BTreeSet<&ModelId> =
            listings().flat_map(|(_, models, _)| models).map(|m| &m.model_id).collect();
        let mut seen = Self { answered: listings().map(|(region, ..)| region.clone()).collect(), ..Self::default() };
        for (region, models, profiles) in listings() {
            let routes = routes_by_model(profiles);
            let mut by_id: Vec<&ListedModel> = models.iter().collect();
            // The base id first: it names the model and gives its life cycle, its variants only add inference types.
            by_id.sort_by_key(|m| (m.model_id.as_str().len(), m.model_id.as_str()));
            for listed in by_id {
                seen.add(region, listed, &folded(&listed.model_id, &listed_ids), &routes);
            }
        }
        seen
    }

    /// Every model that was seen.
    pub fn model_ids(&self) -> impl Iterator<Item = &ModelId> {
        self.sightings.keys()
    }

    /// The regions that answered.
    #[must_use]
    pub fn answered(&self) -> &BTreeSet<Region> {
        &self.answered
    }

    fn add(
        &mut self,
        region: &Region,
        listed: &ListedModel,
        id: &ModelId,
        routes: &BTreeMap<ModelId, Vec<InferenceProfile>>,
    ) {
        let sighting = self.sightings.entry(id.clone()).or_insert_with(|| Sighting {
            name: listed.name.clone(),
            vendor: listed.vendor.clone(),
            offers: BTreeMap::new(),
        });
        let offer = sighting.offers.entry(region.clone()).or_insert_with(|| RegionOffer {
            inference_types: BTreeSet::new(),
            profiles: routes.get(id).cloned().unwrap_or_default(),
            lifecycle: listed.lifecycle.clone(),
            withdrawn_at: None,
        });
        offer.inference_types.extend(listed.inference_types.iter().cloned());
    }
}

/// The id under which a listed id is governed.
fn folded(id: &ModelId, listed: &BTreeSet<&ModelId>) -> ModelId {
    let base = id.base();
    let unversioned = base.as_str().rsplit_once(':').and_then(|(alias, _)| alias.parse::<ModelId>().ok());
    unversioned.filter(|alias| listed.contains(alias)).unwrap_or(base)
}

/// The profiles that lead to each model, by id.
fn routes_by_model(profiles: &[ListedProfile]) -> BTreeMap<ModelId, Vec<InferenceProfile>> {
    let mut routes: BTreeMap<ModelId, BTreeMap<String, InferenceProfile>> = BTreeMap::new();
    for profile in profiles {
        for (region, model) in profile.model_arns.iter().filter_map(|arn| destination(arn)) {
            let route =
                routes.entry(model).or_default().entry(profile.id.clone()).or_insert_with(|| InferenceProfile {
                    id: profile.id.clone(),
                    name: profile.name.clone(),
                    kind: profile.kind.clone(),
                    destinations: BTreeSet::new(),
                    global: false,
                });
            match region {
                Some(region) => _ = route.destinations.insert(region),
                None => route.global = true,
            }
        }
    }
    routes.into_iter().map(|(model, by_id)| (model, by_id.into_values().collect())).collect()
}

/// Region and model of `arn:aws:bedrock:R::foundation-model/M`; a global profile also names the ARN without a region.
pub(super) fn destination(arn: &str) -> Option<(Option<Region>, ModelId)> {
    let (head, model) = arn.split_once("::foundation-model/")?;
    let (_, region) = head.rsplit_once(':')?;
    let region = if region.is_empty() { None } else { Some(region.parse().ok()?) };
    Some((region, model.parse::<ModelId>().ok()?.base()))
}

/// What a run changes about one Bedrock model; a model that nobody saw and nobody knew is [`Outcome::AlreadyDone`].
pub fn merge_discovery(
    existing: Option<&Model>,
    model_id: &ModelId,
    seen: &Discovery,
    now: Timestamp,
) -> Outcome<Model> {
    if let Some(known) = existing.filter(|known| known.model_id != *model_id) {
        return same_key(known, model_id).into();
    }
    let sighting = seen.sightings.get(model_id);
    let merged = match (existing, sighting) {
        (None, None) => return Outcome::AlreadyDone,
        (None, Some(sighting)) => newly_discovered(Platform::Bedrock, model_id, sighting.clone(), now),
        (Some(known), sighting) => with_sighting(known, sighting, &seen.answered, now),
    };
    changed_or_not(existing, merged, now)
}

/// What the shipped catalog changes about one Claude Platform model.
pub fn merge_catalog(existing: Option<&Model>, shipped: &CatalogModel, now: Timestamp) -> Outcome<Model> {
    if let Some(known) = existing.filter(|known| known.model_id != shipped.model_id) {
        return same_key(known, &shipped.model_id).into();
    }
    let merged = match existing {
        None => {
            let vendor = CLAUDE_PLATFORM_VENDOR.to_owned();
            let sighting = Sighting { name: shipped.name.clone(), vendor, offers: BTreeMap::new() };
            newly_discovered(Platform::ClaudePlatform, &shipped.model_id, sighting, now)
        }
        Some(known) => Model { name: shipped.name.clone(), lifecycle: Lifecycle::default(), ..known.clone() },
    };
    changed_or_not(existing, merged, now)
}

/// Two ids that share a key are two models: what is decided about one must not hold for the other.
fn same_key(known: &Model, other: &ModelId) -> Refusal {
    let detail = format!(
        "`{other}` has the key of `{}`, `{}`, and is another model; it cannot be governed under it",
        known.model_id, known.model_key
    );
    Refusal::new(RefusalKind::WrongState, detail)
}

fn newly_discovered(platform: Platform, model_id: &ModelId, sighting: Sighting, now: Timestamp) -> Model {
    Model {
        model_key: ModelKey::of(platform, model_id),
        platform,
        vendor: sighting.vendor,
        model_id: model_id.clone(),
        name: sighting.name,
        lifecycle: overall(platform, &sighting.offers),
        regions: sighting.offers,
        decision: ModelDecision::Unreviewed,
        restriction: None,
        decision_reason: None,
        decided_by: None,
        decided_at: None,
        first_seen: now,
        changed_at: now,
    }
}

fn with_sighting(known: &Model, sighting: Option<&Sighting>, answered: &BTreeSet<Region>, now: Timestamp) -> Model {
    let mut merged = known.clone();
    if let Some(sighting) = sighting {
        merged.name.clone_from(&sighting.name);
        merged.vendor.clone_from(&sighting.vendor);
    }
    for region in answered {
        match (sighting.and_then(|s| s.offers.get(region)), merged.regions.get_mut(region)) {
            (Some(offer), _) => _ = merged.regions.insert(region.clone(), offer.clone()),
            (None, Some(last)) => _ = last.withdrawn_at.get_or_insert(now),
            (None, None) => {}
        }
    }
    merged.lifecycle = overall(known.platform, &merged.regions);
    merged
}

fn changed_or_not(existing: Option<&Model>, merged: Model, now: Timestamp) -> Outcome<Model> {
    if existing == Some(&merged) { Outcome::AlreadyDone } else { Outcome::Changed(Model { changed_at: now, ..merged }) }
}

/// The best life cycle among the regions that offer the model; withdrawn everywhere is its end.
fn overall(platform: Platform, offers: &BTreeMap<Region, RegionOffer>) -> Lifecycle {
    if platform == Platform::ClaudePlatform {
        return Lifecycle::default();
    }
    let best = offers.values().filter(|o| o.withdrawn_at.is_none()).map(|o| &o.lifecycle).min();
    best.cloned().unwrap_or_else(|| {
        let last = offers.values().map(|o| &o.lifecycle).max().cloned().unwrap_or_default();
        Lifecycle { status: LifecycleStatus::Eol, ..last }
    })
}
