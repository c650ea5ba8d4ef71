//! The other scopes on a role, whose grants one document holds together: who stands behind each, and who has put it.

use std::collections::BTreeMap;

use domain::access::anchor::Anchor;
use domain::access::decisions::approval::{Approval, ApprovalState};
use domain::access::tasks::chain::Chain;
use domain::access::tasks::chain::beside::Beside;
use domain::base::ids::ApprovalId;
use store::{Loaded, Store, StoreError, Transaction};

/// The scopes beside one chain on its role, read consistently.
pub(crate) struct Neighbours {
    chains: Vec<Loaded<Chain>>,
    /// Their approvals, and where one was replaced, the last of those that replaced one another.
    approvals: BTreeMap<ApprovalId, Loaded<Approval>>,
    seen: Vec<Beside>,
}

impl Neighbours {
    /// The scopes whose grants are in the document of the chain's open task, or would be if it were written now.
    pub(crate) async fn load(store: &Store, chain: &Chain, role: &Anchor) -> Result<Self, StoreError> {
        // Who stands behind a scope that cannot be found is not known, so nobody may put what may hold its grant.
        let gone =
            |key: &str| StoreError::Unreadable { key: key.to_owned(), why: "a scope on the role is missing".into() };
        let mut chains = Vec::new();
        for id in role.scopes_beside(chain) {
            // With its tasks, since a step may write it: the record of a state counts them.
            chains.push(store.load::<Chain>(&id).await?.ok_or_else(|| gone(id.as_str()))?);
        }
        let named = chains.iter().map(|chain| &chain.value.approval_id);
        let mut approvals = by_id(store.load_many::<Approval>(named).await?);
        let mut seen = Vec::with_capacity(chains.len());
        for Loaded { value: chain, .. } in &chains {
            let approval = approvals.get(&chain.approval_id).ok_or_else(|| gone(chain.id.as_str()))?.value.clone();
            let last = end_of_succession(store, &approval).await?;
            let successor = last.as_ref().map(|last| last.value.clone());
            approvals.extend(by_id(last));
            seen.push(Beside { chain: chain.clone(), approval, successor });
        }
        Ok(Self { chains, approvals, seen })
    }

    /// The same, as decisions take it.
    pub(crate) fn seen(&self) -> &[Beside] {
        &self.seen
    }

    /// Writes the scopes that a step on the chain moves with it.
    pub(crate) fn write(&self, tx: &mut Transaction, moved: &[Chain]) {
        for after in moved {
            if let Some(before) = self.chains.iter().find(|chain| chain.value.id == after.id) {
                tx.update_under(before, after);
            }
        }
    }

    /// Goes through only if the same people stand behind these scopes still. `checked` is guarded already.
    pub(crate) fn unless_changed(&self, tx: &mut Transaction, checked: &ApprovalId) {
        for (_, approval) in self.approvals.iter().filter(|(id, _)| *id != checked) {
            tx.unless_changed(approval);
        }
    }
}

/// Where a chain's approval was replaced, the last one under its key.
pub(crate) async fn latest_of(
    store: &Store,
    chain: &Chain,
    approval: &Approval,
) -> Result<Option<Loaded<Approval>>, StoreError> {
    match approval.state {
        ApprovalState::Superseded => {
            store.load_last_approval(&Approval::key(&chain.workload_id, &chain.model_key, chain.tier)).await
        }
        ApprovalState::Active | ApprovalState::Revoked | ApprovalState::Expired => Ok(None),
    }
}

/// Where an approval was replaced, the one that nothing replaced in turn: everybody behind those between stands
/// behind it. It need not be the last under its key, which may have begun anew after that ended.
async fn end_of_succession(store: &Store, approval: &Approval) -> Result<Option<Loaded<Approval>>, StoreError> {
    let next_of = |approval: &Approval| approval.end.as_ref().and_then(|end| end.superseded_by.clone());
    let (mut last, mut next) = (None, next_of(approval));
    while let Some(id) = next {
        let found = store.load::<Approval>(&id).await?;
        next = found.as_ref().and_then(|found| next_of(&found.value));
        last = found.or(last);
    }
    Ok(last)
}

fn by_id(approvals: impl IntoIterator<Item = Loaded<Approval>>) -> BTreeMap<ApprovalId, Loaded<Approval>> {
    approvals.into_iter().map(|approval| (approval.value.id.clone(), approval)).collect()
}
