//! The registry of accounts.

use std::sync::Arc;

use contract::answers::Versioned;
use contract::events::Event;
use domain::access::workloads::account::{self, Account, AccountState};
use domain::base::aws::{AccountId, Region};
use domain::base::outcome::Outcome;
use domain::base::text::Name;
use lambda::{Answer, Call, Nothing, Page, Problem, list_page};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;
use store::{Aggregate as _, Index, Order, Step, keys};

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
    let partitions = [keys::all_of(Account::KIND)];
    let wanted_page = call.page()?;
    let page = list_page(&app.store, Index::List, &partitions, Order::Ascending, &wanted_page, |entry| {
        Ok(Some(Versioned { version: entry.version()?, value: entry.read()? }))
    });
    Ok(Answer::ok(page.await?))
}

pub(crate) async fn put(app: Arc<App>, call: Call<AccountFields>) -> Result<Answer<Versioned<Account>>, Problem> {
    let account_id: AccountId = call.path.parse("accountId")?;
    app.store
        .decide(|| async {
            let found = app.store.load::<Account>(account_id.as_str()).await?;
            call.check_version(found.as_ref().map_or(0, |f| f.version))?;
            let AccountFields { name, regions } = call.body.clone();
            let wanted = Account { account_id: account_id.clone(), name, regions, state: AccountState::Active };
            let version = found.as_ref().map_or(1, |f| f.version + 1);
            match account::decide_put(found.as_ref().map(|f| &f.value), wanted, &call.actor) {
                Outcome::Changed(account) => {
                    let mut tx = call.transaction();
                    let event = Event::AccountRegistered { account_id: account_id.clone() };
                    tx.save(found.as_ref(), &account, &event);
                    Ok(call.commit(tx, shown(version, account)))
                }
                Outcome::AlreadyDone => match found {
                    Some(found) => Ok(Step::Done(shown(found.version, found.value))),
                    None => Err(Problem::not_found()),
                },
                Outcome::Refused(refusal) => Err(refusal.into()),
            }
        })
        .await
}

pub(crate) async fn retire(app: Arc<App>, call: Call<Nothing>) -> Result<Answer<Versioned<Account>>, Problem> {
    let account_id: AccountId = call.path.parse("accountId")?;
    app.store
        .decide(|| async {
            let found = app.store.load::<Account>(account_id.as_str()).await?.ok_or_else(Problem::not_found)?;
            call.check_version(found.version)?;
            match account::decide_retire(Some(&found.value), &call.actor) {
                Outcome::Changed(account) => {
                    let mut tx = call.transaction();
                    tx.update(&found, &account, &Event::AccountRetired { account_id: account_id.clone() });
                    Ok(call.commit(tx, shown(found.version + 1, account)))
                }
                Outcome::AlreadyDone => Ok(Step::Done(shown(found.version, found.value))),
                Outcome::Refused(refusal) => Err(refusal.into()),
            }
        })
        .await
}

fn shown(version: u64, account: Account) -> Answer<Versioned<Account>> {
    Answer::ok(Versioned { version, value: account }).versioned(version)
}
