//! The registry of AWS accounts in governance: the "of N accounts" in the AI Models table.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::authorization::{Action, Relations, authorize, not_found};
use crate::base::aws::{AccountId, Partition, Region};
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::text::Name;

/// Regions one account may list: AWS has fewer than this.
pub const REGIONS_PER_ACCOUNT_MAX: usize = 40;

/// The regions of the three partitions that this product knows (AWS General Reference, "AWS service endpoints"; as of
/// November 2026). A region that does not exist would be governed in vain: discovery finds nothing there, and on Claude
/// Platform an approval would name an endpoint that nobody answers at.
pub const REGIONS: [&str; 40] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "me-west-1",
    "mx-central-1",
    "sa-east-1",
    "sa-west-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

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
    // A region that was registered once stays, whatever a later list says.
    let stands = |region: &Region| existing.is_some_and(|account| account.regions.contains(region));
    if let Some(unknown) = wanted.regions.iter().find(|r| !stands(r) && !REGIONS.contains(&r.as_str())) {
        let detail = format!("`regions` names `{unknown}`, which is no region of AWS that this version knows");
        return Refusal::new(RefusalKind::InvalidValue, detail).into();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::people::Role;

    #[test]
    fn regions_that_do_not_exist_or_lie_in_another_partition_are_refused() -> anyhow::Result<()> {
        let lead = Actor::person("lena".parse()?, [Role::FinopsLead]);
        let account = |regions: &[&str]| -> anyhow::Result<Account> {
            let regions = regions.iter().map(|r| r.parse()).collect::<Result<BTreeSet<Region>, _>>()?;
            Ok(Account {
                account_id: "111122223333".parse()?,
                name: "checkout".parse()?,
                regions,
                state: AccountState::Active,
            })
        };
        for (regions, fits) in [
            (vec!["us-east-1", "eu-west-1"], true),
            (vec!["us-gov-west-1"], true),
            (vec!["us-east-9"], false),
            (vec!["eusc-de-east-1"], false),
            (vec!["us-east-1", "cn-north-1"], false),
            (vec![], false),
        ] {
            let outcome = decide_put(None, account(&regions)?, &lead);
            assert_eq!(matches!(outcome, Outcome::Changed(_)), fits, "{regions:?}");
        }
        let registered = account(&["us-east-9"])?;
        assert!(matches!(
            decide_put(Some(&registered), account(&["us-east-9", "us-east-1"])?, &lead),
            Outcome::Changed(_)
        ));
        Ok(())
    }
}
