//! Models and the FinOps Lead's decision about each.
//!
//! A model is known because discovery saw it; it may be used only because a Lead decided so. Everything new starts
//! Unreviewed. Discovery never touches the decision, and a decision never touches what discovery saw.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::authorization::{Action, Relations, authorize};
use crate::base::aws::{Partition, Region};
use crate::base::ids::SpaceId;
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::platform::{ModelId, ModelKey, Platform};
use crate::base::text::{Note, Sub};

pub mod application;
pub mod discovery;
pub mod restriction;

pub use discovery::{Discovery, RegionAnswer, merge_catalog, merge_discovery};
pub(crate) use restriction::within;
pub use restriction::{Restriction, SeenRestriction, conforms};

/// Where a model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ModelDecision {
    /// Nobody decided yet: it may be asked for, not used.
    Unreviewed,
    /// Requests may be approved.
    Approved,
    /// Requests may be approved within the restriction, for a limited time.
    Restricted,
    /// Requests are refused, and what is live is taken back.
    Blocked,
}

impl ModelDecision {
    /// The decision's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreviewed => "unreviewed",
            Self::Approved => "approved",
            Self::Restricted => "restricted",
            Self::Blocked => "blocked",
        }
    }
}

/// What a Lead may decide; nobody can decide that a model is unreviewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the three decisions of `ModelDecision`")]
pub enum Verdict {
    Approved,
    Restricted,
    Blocked,
}

impl From<Verdict> for ModelDecision {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Approved => Self::Approved,
            Verdict::Restricted => Self::Restricted,
            Verdict::Blocked => Self::Blocked,
        }
    }
}

/// Whether a model version is available; AWS says ACTIVE or LEGACY, and a model past its end leaves the listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema, Default)]
#[serde(rename_all = "kebab-case")]
pub enum LifecycleStatus {
    /// Available and maintained.
    #[default]
    Active,
    /// Available to those who use it; an end is set.
    Legacy,
    /// The listing says neither.
    Unknown,
    /// Gone.
    Eol,
}

/// A model's life cycle, in the words of Bedrock's `modelLifecycle`. Ordered by status, best first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Lifecycle {
    /// Whether it is available.
    pub status: LifecycleStatus,
    /// When it stops being available in every region.
    pub end_of_life: Option<Timestamp>,
    /// When it became, or becomes, legacy.
    pub legacy_since: Option<Timestamp>,
    /// When legacy use becomes dearer.
    pub public_extended_access: Option<Timestamp>,
    /// When it first became available.
    pub start_of_life: Option<Timestamp>,
}

/// An inference profile through which a model may be called from a region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InferenceProfile {
    /// Its id, which is also the last part of its ARN: `us.amazon.nova-lite-v1:0`.
    pub id: String,
    /// What AWS calls it.
    pub name: String,
    /// `SYSTEM_DEFINED` or `APPLICATION`.
    pub kind: String,
    /// Regions to which it may route.
    pub destinations: BTreeSet<Region>,
    /// It also routes worldwide, through the model's ARN without a region.
    pub global: bool,
}

impl InferenceProfile {
    /// The ARNs of the model at every destination: what a policy allows beside the profile itself.
    #[must_use]
    pub fn model_arns(&self, model_id: &ModelId) -> Vec<String> {
        let partition = self.destinations.first().map_or(Partition::Aws, Partition::of_region);
        let arn = |region: &str| format!("arn:{}:bedrock:{region}::foundation-model/{model_id}", partition.as_str());
        let worldwide = self.global.then(|| arn(""));
        worldwide.into_iter().chain(self.destinations.iter().map(|r| arn(r.as_str()))).collect()
    }
}

/// What one region offers of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegionOffer {
    /// As AWS writes them (`ON_DEMAND`, `INFERENCE_PROFILE`, `PROVISIONED` …), those of folded variants included.
    pub inference_types: BTreeSet<String>,
    /// System-defined profiles that lead to the model from here.
    pub profiles: Vec<InferenceProfile>,
    /// Its life cycle here.
    pub lifecycle: Lifecycle,
    /// Since when the region's listing, when it answered, no longer names the model.
    pub withdrawn_at: Option<Timestamp>,
}

impl RegionOffer {
    /// Whether the bare model id cannot be called here, so that a policy must go through a profile.
    #[must_use]
    pub fn needs_profile(&self) -> bool {
        !self.inference_types.contains("ON_DEMAND") && !self.profiles.is_empty()
    }
}

/// A model on a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// Its name in URLs and keys.
    pub model_key: ModelKey,
    /// Where it is used.
    pub platform: Platform,
    /// Who makes it, as the AI Models table shows it.
    pub vendor: String,
    /// Its id, without context-length suffix.
    pub model_id: ModelId,
    /// Its name, as the AI Models table shows it.
    pub name: String,
    /// What each region offers; empty on Claude Platform, which serves every commercial region alike.
    #[serde(default)]
    pub regions: BTreeMap<Region, RegionOffer>,
    /// The best life cycle among the regions.
    pub lifecycle: Lifecycle,
    /// Where it stands.
    pub decision: ModelDecision,
    // INVARIANT: present exactly when `decision` is Restricted; `decide_decision` is the only place that sets either.
    /// Within what it may be used.
    #[serde(default)]
    pub restriction: Option<Restriction>,
    /// Why it was so decided.
    #[serde(default)]
    pub decision_reason: Option<Note>,
    /// Who decided.
    #[serde(default)]
    pub decided_by: Option<Sub>,
    /// When.
    #[serde(default)]
    pub decided_at: Option<Timestamp>,
    /// When discovery first saw it.
    pub first_seen: Timestamp,
    /// When discovery last saw something about it change; an unchanged model is not written again.
    pub changed_at: Timestamp,
}

impl Model {
    /// Whether this is the model that an id names on a platform. A key is an address and may be that of another id,
    /// since it has `-` for `:` and `/`: whoever comes by an id asks this of what its key led to.
    #[must_use]
    pub fn is(&self, platform: Platform, model_id: &ModelId) -> bool {
        self.platform == platform && self.model_id == model_id.base()
    }

    /// Whether the model can be called from a region, as far as discovery knows.
    #[must_use]
    pub fn is_offered_in(&self, region: &Region) -> bool {
        match self.platform {
            Platform::Bedrock => self.regions.get(region).is_some_and(|offer| offer.withdrawn_at.is_none()),
            Platform::ClaudePlatform => Partition::of_region(region) == Partition::Aws,
        }
    }

    /// Why it was so decided, for the owners of these Spaces: a restriction to the Spaces of others is about those,
    /// and so is its reason.
    #[must_use]
    pub fn reason_for(&self, spaces: &BTreeSet<SpaceId>) -> Option<&Note> {
        let is_theirs = self.restriction.as_ref().is_none_or(|restriction| restriction.concerns(spaces));
        self.decision_reason.as_ref().filter(|_| is_theirs)
    }

    /// The profile of that id in a region.
    #[must_use]
    pub fn profile(&self, region: &Region, id: &str) -> Option<&InferenceProfile> {
        self.regions.get(region)?.profiles.iter().find(|p| p.id == id)
    }
}

/// The Lead's command, and the body of `PUT /v1/models/{modelKey}/decision`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DecisionCommand {
    /// What is decided.
    pub decision: Verdict,
    /// Why.
    pub reason: Note,
    /// Within what, when it is `restricted`.
    #[serde(default)]
    pub restriction: Option<Restriction>,
}

/// Decides about a model. Unblocking restores nothing: what a block took back is asked for again.
///
/// The same decision with the same restriction again is [`Outcome::AlreadyDone`] for whoever made it with that reason,
/// a correction of the reason for whoever made it with another, and [`RefusalKind::AlreadyDecided`] for everybody else.
pub fn decide_decision(model: &Model, command: DecisionCommand, actor: &Actor, now: Timestamp) -> Outcome<Model> {
    if let Err(refusal) = authorize(actor, Action::DecideModel, Relations::NONE, model.decision.as_str()) {
        return refusal.into();
    }
    if let Err(refusal) = checked_restriction(model.platform, &command) {
        return refusal.into();
    }
    let DecisionCommand { decision, reason, restriction } = command;
    let decision = ModelDecision::from(decision);
    if model.decision == decision && model.restriction == restriction {
        if model.decided_by.as_ref() != Some(&actor.sub) {
            return already_decided(model).into();
        }
        if model.decision_reason.as_ref() == Some(&reason) {
            return Outcome::AlreadyDone;
        }
    }
    Outcome::Changed(Model {
        decision,
        restriction,
        decision_reason: Some(reason),
        decided_by: Some(actor.sub.clone()),
        decided_at: Some(now),
        ..model.clone()
    })
}

fn checked_restriction(platform: Platform, command: &DecisionCommand) -> Result<(), Refusal> {
    match (command.decision, &command.restriction) {
        (Verdict::Restricted, Some(restriction)) => restriction.check(platform),
        (Verdict::Restricted, None) => Err(Refusal::new(
            RefusalKind::InvalidValue,
            "`restriction` is missing; say for which spaces, accounts, regions or actions, or for how many days",
        )),
        (Verdict::Approved | Verdict::Blocked, None) => Ok(()),
        (Verdict::Approved | Verdict::Blocked, Some(_)) => Err(Refusal::new(
            RefusalKind::InvalidValue,
            "`restriction` goes with the decision `restricted` only; leave it out, or decide `restricted`",
        )),
    }
}

fn already_decided(model: &Model) -> Refusal {
    Refusal::new(
        RefusalKind::AlreadyDecided,
        format!("another Lead decided `{}` already; nothing is left to do", model.decision.as_str()),
    )
    .with_current(
        serde_json::json!({ "decision": model.decision, "decidedBy": model.decided_by, "decidedAt": model.decided_at }),
    )
}

#[cfg(test)]
mod tests;
