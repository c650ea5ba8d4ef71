//! The rule in plain words, beside the product: who stands behind what, and who has put what. It knows approvals and
//! documents only, and nothing of how the product keeps account of people.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::decisions::approval::Approval;
use domain::access::tasks::chain::Chain;
use domain::base::ids::{ApprovalId, ScopeId};
use domain::base::text::Sub;

use crate::stage::Stage;

/// Who asked for something and who decided on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Behind {
    pub(crate) asked: BTreeSet<Sub>,
    pub(crate) decided: BTreeSet<Sub>,
}

impl Behind {
    fn add(&mut self, other: Self) {
        self.asked.extend(other.asked);
        self.decided.extend(other.decided);
    }

    pub(crate) fn includes(&self, who: &Sub) -> bool {
        self.asked.contains(who) || self.decided.contains(who)
    }
}

/// Who started a task that put a scope's grant, or was the scope's own.
#[derive(Debug, Default)]
pub(crate) struct Executors(BTreeMap<ScopeId, BTreeSet<Sub>>);

impl Executors {
    pub(crate) fn note(&mut self, who: &Sub, scopes: impl IntoIterator<Item = ScopeId>) {
        for scope in scopes {
            self.0.entry(scope).or_default().insert(who.clone());
        }
    }

    pub(crate) fn of(&self, scope: &ScopeId) -> BTreeSet<Sub> {
        self.0.get(scope).cloned().unwrap_or_default()
    }

    /// Whether somebody carried out any scope of an approval.
    pub(crate) fn carried_out(&self, approval: &Approval, who: &Sub) -> bool {
        approval.scopes.iter().any(|scope| self.of(&scope.id).contains(who))
    }
}

/// Everybody behind an approval and what it replaced, one after the other.
pub(crate) fn behind_approval(stage: &Stage, id: &ApprovalId) -> Behind {
    let mut behind = Behind::default();
    let mut next = Some(id.clone());
    while let Some(approval) = next.and_then(|id| stage.approvals.get(&id)) {
        behind.asked.extend(approval.requested_by.clone());
        behind.decided.insert(approval.decided_by.clone());
        next = approval.supersedes.clone();
    }
    behind
}

/// Everybody behind a scope: behind each approval that holds it.
pub(crate) fn behind_scope(stage: &Stage, scope: &ScopeId) -> Behind {
    let mut behind = Behind::default();
    for approval in stage.approvals.values().filter(|approval| approval.scopes.iter().any(|held| held.id == *scope)) {
        behind.add(behind_approval(stage, &approval.id));
    }
    behind
}

/// The same with those behind the approval that replaced the scope's own: while the event about that is on its way,
/// nobody knows whether the scope goes there or ends.
pub(crate) fn maybe_behind_scope(stage: &Stage, chain: &Chain) -> Behind {
    let mut behind = behind_scope(stage, &chain.id);
    let own = stage.approvals.get(&chain.approval_id);
    if let Some(latest) = own.and_then(|own| stage.end_of_succession(own)) {
        behind.add(behind_approval(stage, &latest.id));
    }
    behind
}

/// Whether somebody reviewed the break-glass decision that a scope serves: they have no hand in it afterwards either.
pub(crate) fn is_reviewer(stage: &Stage, scope: &ScopeId, who: &Sub) -> bool {
    let approval = stage.chains.get(scope).and_then(|chain| stage.approvals.get(&chain.approval_id));
    approval.and_then(|approval| approval.review.as_ref()).is_some_and(|review| review.by == *who)
}
