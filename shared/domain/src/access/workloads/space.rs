//! Spaces and the workloads in them. A Product Owner sees and touches only the Spaces they own.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::access::policy::trust::{Runtime, RuntimeDetail};
use crate::base::authorization::{Action, Relation, Relations, authorize};
use crate::base::ids::{SpaceId, WorkloadId};
use crate::base::money::Money;
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::text::{Name, Sub};

/// Owners one Space may have: each is a row of the Space and gets each of its notices.
pub const OWNERS_PER_SPACE_MAX: usize = 20;

/// What a Space is called, whose it is, and where it stands in the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpaceFields {
    /// What people call it.
    pub name: Name,
    /// The Product Owners, by subject.
    pub owners: BTreeSet<Sub>,
    /// Hierarchy label.
    #[serde(default)]
    pub business_unit: Option<Name>,
    /// Hierarchy label.
    #[serde(default)]
    pub department: Option<Name>,
    /// Hierarchy label.
    #[serde(default)]
    pub portfolio: Option<Name>,
    /// Hierarchy label.
    #[serde(default)]
    pub product: Option<Name>,
}

/// A Space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Space {
    /// Its id.
    pub id: SpaceId,
    /// What the Lead gave it.
    #[serde(flatten)]
    pub fields: SpaceFields,
}

impl Space {
    /// How an actor stands to this Space and everything in it.
    #[must_use]
    pub fn relations(&self, actor: &Actor) -> Relations {
        Relations::NONE.with(Relation::Owner, self.fields.owners.contains(&actor.sub))
    }
}

/// Creates a Space.
///
/// # Errors
/// The refusal.
pub fn decide_create_space(id: SpaceId, fields: SpaceFields, actor: &Actor) -> Result<Space, Refusal> {
    checked_space_fields(Action::CreateSpace, &fields, actor)?;
    Ok(Space { id, fields })
}

/// Replaces a Space's fields.
pub fn decide_update_space(space: &Space, fields: SpaceFields, actor: &Actor) -> Outcome<Space> {
    match checked_space_fields(Action::UpdateSpace, &fields, actor) {
        Err(refusal) => refusal.into(),
        Ok(()) if space.fields == fields => Outcome::AlreadyDone,
        Ok(()) => Outcome::Changed(Space { id: space.id.clone(), fields }),
    }
}

fn checked_space_fields(action: Action, fields: &SpaceFields, actor: &Actor) -> Result<(), Refusal> {
    authorize(actor, action, Relations::NONE, "")?;
    if fields.owners.is_empty() || fields.owners.len() > OWNERS_PER_SPACE_MAX {
        return Err(Refusal::new(
            RefusalKind::InvalidValue,
            format!("`owners` names 1 to {OWNERS_PER_SPACE_MAX} subjects: a Space without an owner has nobody to sign"),
        ));
    }
    Ok(())
}

/// What the workload is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the product's own three words")]
pub enum UseCase {
    Infrastructure,
    CodingAi,
    OperationsAi,
}

/// What the workload's value is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the product's own two words")]
pub enum ValueType {
    CostSaving,
    RevenueDriving,
}

/// Why the workload is worth its spend; the declared opportunity is baseline × target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BusinessCase {
    /// Saving or revenue.
    pub value_type: ValueType,
    /// What it is measured against, per year, in US dollars.
    pub annual_baseline: Money,
    /// The share of the baseline that is aimed at, in per cent, 0 to 100.
    #[serde(with = "crate::base::money::decimal_text")]
    #[schemars(with = "String")]
    pub target_percent: Decimal,
}

impl BusinessCase {
    /// The declared opportunity per year, in US dollars.
    #[must_use]
    pub fn declared_opportunity(&self) -> Money {
        Money::usd((self.annual_baseline.amount * self.target_percent / Decimal::ONE_HUNDRED).normalize())
    }
}

/// What an owner says of a workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadFields {
    /// What people call it.
    pub name: Name,
    /// Where it runs; drives the trust policy of its role.
    pub runtime: Runtime,
    /// What the runtime's trust policy needs to know: cluster, OIDC provider, external id.
    #[serde(default)]
    pub runtime_detail: Option<RuntimeDetail>,
    /// What it is for.
    pub use_case: UseCase,
    /// Why it is worth its spend.
    pub business_case: BusinessCase,
}

/// Whether a workload may still ask for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the two words say it")]
pub enum WorkloadState {
    Active,
    Retired,
}

impl WorkloadState {
    /// The state's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

/// An application that uses models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Its id.
    pub id: WorkloadId,
    /// The Space that it is in, for good.
    pub space_id: SpaceId,
    /// What its owner said of it.
    #[serde(flatten)]
    pub fields: WorkloadFields,
    /// Whether it may still ask for anything.
    pub state: WorkloadState,
}

/// Creates a workload in a Space.
///
/// # Errors
/// The refusal.
pub fn decide_create_workload(
    space: &Space,
    id: WorkloadId,
    fields: WorkloadFields,
    actor: &Actor,
) -> Result<Workload, Refusal> {
    authorize(actor, Action::CreateWorkload, space.relations(actor), "")?;
    let case = &fields.business_case;
    if !case.annual_baseline.is_plausible_plan() {
        return Err(Refusal::new(
            RefusalKind::InvalidValue,
            "`businessCase.annualBaseline` is US dollars in whole cents, not negative, at most a thousand million",
        ));
    }
    if case.target_percent < Decimal::ZERO || case.target_percent > Decimal::ONE_HUNDRED {
        return Err(Refusal::new(RefusalKind::InvalidValue, "`businessCase.targetPercent` lies between 0 and 100"));
    }
    Ok(Workload { id, space_id: space.id.clone(), fields, state: WorkloadState::Active })
}

/// Retires a workload: it asks for nothing more; its claims and cards stay.
pub fn decide_retire_workload(space: &Space, workload: &Workload, actor: &Actor) -> Outcome<Workload> {
    let relations = space.relations(actor);
    if workload.state == WorkloadState::Retired && relations.has(Relation::Owner) {
        return Outcome::AlreadyDone;
    }
    match authorize(actor, Action::RetireWorkload, relations, workload.state.as_str()) {
        Err(refusal) => refusal.into(),
        Ok(()) => Outcome::Changed(Workload { state: WorkloadState::Retired, ..workload.clone() }),
    }
}
