//! The registry of AWS accounts in governance: the "of N accounts" in the AI Models table.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::authorization::{Action, Relations, authorize, not_found};
use crate::aws::{AccountId, Partition, Region};
use crate::outcome::{Outcome, Refusal, RefusalKind};
use crate::people::Actor;
use crate::text::Name;

/// Regions one account may list: AWS has fewer than this.
pub const REGIONS_PER_ACCOUNT_MAX: usize = 40;

/// Whether an account still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AccountState {
    /// In governance.
    Active,
    /// No longer; its history stays.
    Retired,
}

/// An AWS account in governance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The account.
    pub account_id: AccountId,
    /// What people call it.
    pub name: Name,
    /// Regions in which its models are governed; all of one partition.
    pub regions: BTreeSet<Region>,
    /// Whether it still counts.
    pub state: AccountState,
}

impl Account {
    /// The partition that its regions belong to.
    #[must_use]
    pub fn partition(&self) -> Partition {
        self.regions.first().map_or(Partition::Aws, Partition::of_region)
    }
}

/// Registers an account, or changes its name and regions; a retired one becomes active again.
pub fn decide_put(existing: Option<&Account>, wanted: Account, actor: &Actor) -> Outcome<Account> {
    if let Err(refusal) = authorize(actor, Action::WriteAccount, Relations::NONE, "") {
        return refusal.into();
    }
    if wanted.regions.is_empty() || wanted.regions.len() > REGIONS_PER_ACCOUNT_MAX {
        return Refusal::new(
            RefusalKind::InvalidValue,
            format!("`regions` names 1 to {REGIONS_PER_ACCOUNT_MAX} regions"),
        )
        .into();
    }
    if wanted.regions.iter().any(|r| Partition::of_region(r) != wanted.partition()) {
        return Refusal::new(RefusalKind::InvalidValue, "`regions` lie in one partition; an account belongs to one")
            .into();
    }
    if existing == Some(&wanted) { Outcome::AlreadyDone } else { Outcome::Changed(wanted) }
}

/// Takes an account out of governance; approvals there stay until they are revoked.
pub fn decide_retire(account: Option<&Account>, actor: &Actor) -> Outcome<Account> {
    if let Err(refusal) = authorize(actor, Action::WriteAccount, Relations::NONE, "") {
        return refusal.into();
    }
    match account {
        None => not_found().into(),
        Some(account) if account.state == AccountState::Retired => Outcome::AlreadyDone,
        Some(account) => Outcome::Changed(Account { state: AccountState::Retired, ..account.clone() }),
    }
}
