//! The hand-off: for each implemented scope of a workload, what its developers need to make the first call.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::access::decisions::approval::{Approval, ApprovalState};
use domain::access::tasks::chain::{Chain, ScopeState};
use domain::access::tasks::handoff::{Handoff, handoff};
use domain::base::aws::AccountId;
use domain::base::ids::{ApprovalId, ScopeId};
use lambda::{Answer, Call, Page, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use store::aggregates::approval::approvals_of;
use store::{Entry, Index};

use crate::App;

/// One scope's hand-off.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScopeHandoff {
    approval_id: ApprovalId,
    scope_id: ScopeId,
    account_id: AccountId,
    #[serde(flatten)]
    handoff: Handoff,
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<ScopeHandoff>>, Problem> {
    let page = call.page()?;
    let workload = app.readable_workload(&call).await?;
    let approvals = app.store.list_all(Index::Parent, &[approvals_of(&workload.value.id)]).await?;
    let approvals: Vec<Approval> = approvals.iter().map(Entry::read).collect::<Result<_, _>>()?;
    let active = approvals.iter().filter(|approval| approval.state == ApprovalState::Active);
    let after = page.after.as_ref().and_then(|after| after.as_str()).unwrap_or_default();
    let scopes = active.flat_map(|approval| &approval.scopes).map(|scope| &scope.id);
    let ids = scopes.filter(|id| id.as_str() > after);
    let chains = app.store.load_many::<Chain>(ids).await?.into_iter().map(|chain| chain.value);
    let implemented = chains.filter(|chain| chain.state == ScopeState::Implemented);
    let by_id: BTreeMap<ScopeId, Chain> = implemented.map(|chain| (chain.id.clone(), chain)).collect();
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let items = by_id.values().take(limit).map(scope_handoff).collect::<Result<Vec<_>, _>>()?;
    let last = items.last().filter(|_| by_id.len() > limit).map(|last| last.scope_id.as_str().into());
    Ok(Answer::ok(Page::new(items, last.as_ref())))
}

fn scope_handoff(chain: &Chain) -> Result<ScopeHandoff, Problem> {
    Ok(ScopeHandoff {
        approval_id: chain.approval_id.clone(),
        scope_id: chain.id.clone(),
        account_id: chain.spec.account_id.clone(),
        handoff: handoff(chain)?,
    })
}
