//! One run: read every region, fold the listings into models, write those that changed.
//!
//! Each model is a transaction of its own, decided on what is stored at that moment; a run that is cut off or repeated
//! ends in the same state, and a run that finds nothing new writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::events::Event;
use domain::access::models::catalog::{CatalogModel, claude_catalog};
use domain::access::models::model::{Discovery, Model, RegionAnswer, merge_catalog, merge_discovery};
use domain::base::authorization::{Action, Relations, authorize};
use domain::base::aws::Region;
use domain::base::outcome::Outcome;
use domain::base::platform::{ModelId, ModelKey, Platform};
use jiff::Timestamp;
use lambda::{Cause, Failure, Tick, Tried};
use serde::Serialize;
use store::{Step, Store, StoreError};

use crate::App;
use crate::accounts::{self, ProfileSummary};
use crate::announce::announce;
use crate::bedrock::{Reading, read_regions};

/// What a run saw and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Every region that was asked.
    pub regions: BTreeMap<Region, RegionSummary>,
    /// Models that were seen for the first time.
    pub discovered: usize,
    /// Known models of which something changed.
    pub changed: usize,
    /// Known models that are as they were.
    pub unchanged: usize,
    /// Regions that did not answer.
    pub unknown: usize,
    /// New models that the Leads are told of by this run.
    pub announced: usize,
    /// The accounts' own inference profiles.
    pub profiles: ProfileSummary,
    /// Listed ids that no model can have.
    pub unreadable: BTreeSet<String>,
}

/// What one region answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RegionSummary {
    /// Its listing.
    Listed {
        /// How many models, variants included.
        models: usize,
        /// How many inference profiles.
        profiles: usize,
    },
    /// Nothing, and why; its last snapshot stands.
    Unknown {
        /// The service's own code, where it gave one.
        why: String,
    },
}

/// What became of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Discovered,
    Changed,
    Unchanged,
}

/// A model that may have to be written.
enum Subject<'a> {
    Bedrock(&'a ModelId),
    Catalog(&'a CatalogModel),
}

/// Reads the catalogs and records what they say.
///
/// Retry: the table does not answer; what was written stays, and the repetition continues. Done in every other case:
/// regions that do not answer are reported, not retried, since the next day's run asks them again.
pub(crate) async fn discover(app: Arc<App>, tick: Tick) -> Result<Summary, Failure> {
    authorize(&tick.cause.actor, Action::DiscoverModels, Relations::NONE, "")?;
    let summary = run(&app, &tick.cause).await?;
    tracing::info!(
        discovered = summary.discovered,
        changed = summary.changed,
        unchanged = summary.unchanged,
        regions = summary.regions.len(),
        unknown = summary.unknown,
        unreadable = summary.unreadable.len(),
        "models discovered"
    );
    Ok(summary)
}

async fn run(app: &Arc<App>, cause: &Cause) -> Result<Summary, Failure> {
    let readings = read_regions(&app.host.aws, &regions_to_read(app).await?).await;
    let mut summary = summary_of(&readings);
    let seen = Discovery::of(&readings.into_iter().map(|(region, reading)| (region, reading.answer)).collect());
    let known: BTreeMap<ModelKey, Model> =
        app.store.list_models().await?.into_iter().map(|row| (row.model.model_key.clone(), row.model)).collect();

    let mut tried = Tried::default();
    let mut keys: BTreeSet<ModelKey> = known.keys().cloned().collect();
    for subject in subjects(&known, &seen) {
        let key = subject.key();
        let effect = match subject.merge(known.get(&key), &seen, cause.now) {
            // The list may lag behind the table; only a change is worth a consistent read.
            Outcome::Changed(_) => {
                let recorded = record(&app.store, cause, &subject, &key, &seen).await.map_err(Failure::from);
                // One that is not recorded is not announced either; the repetition does both.
                let Some(effect) = tried.note(recorded) else { continue };
                effect
            }
            Outcome::AlreadyDone | Outcome::Refused(_) => Effect::Unchanged,
        };
        match effect {
            Effect::Discovered => summary.discovered += 1,
            Effect::Changed => summary.changed += 1,
            Effect::Unchanged => summary.unchanged += 1,
        }
        keys.insert(key);
    }
    let profiles = accounts::discover(app, cause, &mut tried).await;
    summary.profiles = tried.note(profiles).unwrap_or_default();
    let announced = announce(&app.store, cause, &keys).await.map_err(Failure::from);
    summary.announced = tried.note(announced).unwrap_or_default();
    tried.outcome().map(|()| summary)
}

/// The regions of the accounts in governance, and those that the deployment names.
async fn regions_to_read(app: &App) -> Result<BTreeSet<Region>, StoreError> {
    let accounts = app.store.list_active_accounts().await?;
    Ok(accounts.into_iter().flat_map(|account| account.regions).chain(app.regions.iter().cloned()).collect())
}

fn summary_of(readings: &BTreeMap<Region, Reading>) -> Summary {
    let mut summary = Summary::default();
    for (region, reading) in readings {
        let answered = match &reading.answer {
            RegionAnswer::Listed { models, profiles } => {
                RegionSummary::Listed { models: models.len(), profiles: profiles.len() }
            }
            RegionAnswer::Unknown(why) => {
                summary.unknown += 1;
                RegionSummary::Unknown { why: why.clone() }
            }
        };
        summary.regions.insert(region.clone(), answered);
        summary.unreadable.extend(reading.unreadable.iter().cloned());
    }
    summary
}

/// Every model that is known or was seen, and every model of the shipped catalog.
fn subjects<'a>(known: &'a BTreeMap<ModelKey, Model>, seen: &'a Discovery) -> Vec<Subject<'a>> {
    let on_bedrock = known.values().filter(|model| model.platform == Platform::Bedrock).map(|model| &model.model_id);
    let ids: BTreeSet<&ModelId> = on_bedrock.chain(seen.model_ids()).collect();
    let catalog = claude_catalog().models.iter().map(Subject::Catalog);
    ids.into_iter().map(Subject::Bedrock).chain(catalog).collect()
}

impl Subject<'_> {
    fn key(&self) -> ModelKey {
        match self {
            Self::Bedrock(id) => ModelKey::of(Platform::Bedrock, id),
            Self::Catalog(shipped) => ModelKey::of(Platform::ClaudePlatform, &shipped.model_id),
        }
    }

    fn merge(&self, existing: Option<&Model>, seen: &Discovery, now: Timestamp) -> Outcome<Model> {
        match self {
            Self::Bedrock(id) => merge_discovery(existing, id, seen, now),
            Self::Catalog(shipped) => merge_catalog(existing, shipped, now),
        }
    }
}

/// Writes what a run changes about one model, decided on the model as it is stored.
async fn record(
    store: &Store,
    cause: &Cause,
    subject: &Subject<'_>,
    key: &ModelKey,
    seen: &Discovery,
) -> Result<Effect, StoreError> {
    store
        .transact(|| async {
            let before = store.load::<Model>(key).await?;
            let merged = subject.merge(before.as_ref().map(|b| &b.value), seen, cause.now);
            let model = match merged {
                Outcome::Changed(model) => model,
                Outcome::AlreadyDone => return Ok(Step::Done(Effect::Unchanged)),
                Outcome::Refused(why) => {
                    tracing::error!(model.key = %key, why = %why, "a model was left out of the catalog");
                    return Ok(Step::Done(Effect::Unchanged));
                }
            };
            let (effect, event) = match &before {
                None => (Effect::Discovered, discovered(&model)),
                Some(_) => (Effect::Changed, Event::ModelChanged { model_key: key.clone() }),
            };
            let mut tx = cause.transaction();
            tx.save(before.as_ref(), &model, &event);
            Ok(Step::Commit(tx, effect))
        })
        .await
}

fn discovered(model: &Model) -> Event {
    Event::ModelDiscovered {
        model_key: model.model_key.clone(),
        platform: model.platform,
        vendor: model.vendor.clone(),
        model: model.name.clone(),
    }
}
