//! The other scopes whose grants a document on the same role holds, with the people behind them.

use super::Chain;
use crate::access::decisions::approval::Approval;
use crate::access::decisions::parties::Parties;
use crate::base::authorization::Relation;
use crate::base::text::Sub;

/// Another scope whose grant a document on the same role holds, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// The scope.
    pub chain: Chain,
    /// The approval that it implements.
    pub approval: Approval,
    /// Where that was replaced, the approval at the end of those that replaced one another. The scope may be about to
    /// move there.
    pub successor: Option<Approval>,
}

impl Beside {
    /// As what somebody is barred from putting its grant, if they are.
    #[must_use]
    pub fn bars(&self, sub: &Sub) -> Option<Relation> {
        self.parties().relation_of(sub).or_else(|| self.approval.is_reviewed_by(sub).then_some(Relation::Reviewer))
    }

    /// Everybody behind its grant, now and once it has moved to the approval that replaced its own.
    #[must_use]
    pub fn parties(&self) -> Parties {
        let own = self.chain.parties().and(&self.approval.parties());
        match &self.successor {
            Some(successor) => own.and(&successor.parties()),
            None => own,
        }
    }
}
