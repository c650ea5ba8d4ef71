//! The registry of accounts.

use std::sync::Arc;

use contract::answers::Versioned;
use contract::events::Event;
use domain::access::workloads::account::{self, Account, AccountState};
use domain::base::aws::{AccountId, Region};
use domain::base::text::Name;
use lambda::{Answer, Call, Nothing, Page, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;
use store::{Aggregate as _, Index, keys};

use crate::App;

/// What a Lead says of an account.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AccountFields {
    /// What people call it.
    name: Name,
    /// Regions in which its models are governed.
    regions: BTreeSet<Region>,
}

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<Versioned<Account>>>, Problem> {
    call.list(&app.store, Index::List, &[keys::all_of(Account::KIND)], |entry| entry.versioned().map(Some)).await
}

pub(crate) async fn put(app: Arc<App>, call: Call<AccountFields>) -> Result<Answer<Versioned<Account>>, Problem> {
    let account_id: AccountId = call.path.parse("accountId")?;
    call.transact(&app.store, || async {
        let found = app.store.load::<Account>(&account_id).await?;
        let AccountFields { name, regions } = call.body.clone();
        let wanted = Account { account_id: account_id.clone(), name, regions, state: AccountState::Active };
        let decided = account::decide_put(found.as_ref().map(|f| &f.value), wanted, &call.actor);
        let event = |_: &mut _, _: &_| Event::AccountRegistered { account_id: account_id.clone() };
        call.save(found.as_ref(), decided, event, Answer::at)
    })
    .await
}

pub(crate) async fn retire(app: Arc<App>, call: Call<Nothing>) -> Result<Answer<Versioned<Account>>, Problem> {
    let account_id: AccountId = call.path.parse("accountId")?;
    call.transact(&app.store, || async {
        let found = app.store.require::<Account>(&account_id).await?;
        let decided = account::decide_retire(Some(&found.value), &call.actor);
        let event = |_: &mut _, _: &_| Event::AccountRetired { account_id: account_id.clone() };
        call.change(&found, decided, event, Answer::at)
    })
    .await
}
