//! Who stands behind what is put on a role: everybody who asked for it, and everybody who decided on it.
//!
//! Requester, approver and executor are three people. The rule is about *documents*, not about tasks: a role's policy
//! is compiled from every approval on the role, so whoever puts it carries all of them out. And it outlives an
//! approval: what replaces one takes over its ceiling and its scopes, and with them the people behind them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::authorization::Relation;
use crate::base::text::Sub;

/// The people behind an approval, or behind the grant of a scope.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parties {
    /// Who asked.
    pub requesters: BTreeSet<Sub>,
    /// Who decided.
    pub approvers: BTreeSet<Sub>,
}

impl Parties {
    /// The people of one decision.
    #[must_use]
    pub fn of(requested_by: Option<&Sub>, decided_by: &Sub) -> Self {
        Self {
            requesters: requested_by.into_iter().cloned().collect(),
            approvers: BTreeSet::from([decided_by.clone()]),
        }
    }

    /// These people and those.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.requesters.extend(others.requesters.iter().cloned());
        self.approvers.extend(others.approvers.iter().cloned());
        self
    }

    /// Whether nobody is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requesters.is_empty() && self.approvers.is_empty()
    }

    /// As what somebody is among these people, if they are.
    #[must_use]
    pub fn relation_of(&self, sub: &Sub) -> Option<Relation> {
        if self.requesters.contains(sub) {
            Some(Relation::Requester)
        } else if self.approvers.contains(sub) {
            Some(Relation::Approver)
        } else {
            None
        }
    }
}
