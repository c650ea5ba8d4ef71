//! Who acts: roles, people, and the product's own jobs.
//!
//! Identity is `sub`. E-mail and name are display only; a role comes from verified token groups and nowhere else.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::text::Sub;

/// What a person may be. The groups that stand for each are settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Decides: models, approvals, revocations, disputes, gaps.
    FinopsLead,
    /// Estimates, requests, claims and signs, in the Spaces they own.
    ProductOwner,
    /// Carries out tasks. Never decides.
    CloudEngineer,
    /// Reads everything, changes nothing.
    Auditor,
    /// The product's own jobs and consumers; no token ever carries it.
    System,
}

impl Role {
    /// Every role that a token may carry.
    pub const OF_PEOPLE: [Self; 4] = [Self::FinopsLead, Self::ProductOwner, Self::CloudEngineer, Self::Auditor];

    /// The role's name on the wire, also its default group.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FinopsLead => "finops-lead",
            Self::ProductOwner => "product-owner",
            Self::CloudEngineer => "cloud-engineer",
            Self::Auditor => "auditor",
            Self::System => "system",
        }
    }
}

/// Whoever asks for something to be done, from verified claims or as one of the product's jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// The immutable subject; for a job `system:<job>`.
    pub sub: Sub,
    /// The roles held at this moment; empty means nothing is allowed.
    pub roles: BTreeSet<Role>,
}

impl Actor {
    /// A person with the roles their token's groups stand for.
    #[must_use]
    pub fn person(sub: Sub, roles: impl IntoIterator<Item = Role>) -> Self {
        Self { sub, roles: roles.into_iter().filter(|r| *r != Role::System).collect() }
    }

    /// One of the product's own jobs or consumers, by its name in the template.
    #[must_use]
    pub fn system(job: &'static str) -> Self {
        let sub = Sub::try_from(format!("system:{job}")).unwrap_or_else(|_| Self::unnamed_job());
        Self { sub, roles: BTreeSet::from([Role::System]) }
    }

    fn unnamed_job() -> Sub {
        // `system` is within Sub's alphabet, so this parse cannot fail; the recursion is never entered twice.
        Sub::try_from("system".to_owned()).unwrap_or_else(|_| Self::unnamed_job())
    }

    /// Whether the actor holds a role.
    #[must_use]
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}
