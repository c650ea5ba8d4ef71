//! Accounts: few, listed whole.

use domain::access::workloads::account::{Account, AccountState};
use domain::base::aws::AccountId;

use crate::aggregate::{Aggregate, Listing, Loaded};
use crate::read::{Entry, Index};
use crate::{Store, StoreError, keys};

impl Aggregate for Account {
    type Id = AccountId;

    const KIND: &'static str = "ACCOUNT";

    fn id(&self) -> String {
        self.account_id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::all_of(Self::KIND), self.id())
    }
}

impl Store {
    /// The accounts that are registered among these, retired ones included.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_accounts(
        &self,
        ids: impl IntoIterator<Item = &AccountId>,
    ) -> Result<Vec<Loaded<Account>>, StoreError> {
        self.load_many(ids).await
    }

    /// Every account in governance.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_active_accounts(&self) -> Result<Vec<Account>, StoreError> {
        let entries = self.list_all(Index::List, &[keys::all_of(Account::KIND)]).await?;
        let accounts: Result<Vec<Account>, StoreError> = entries.iter().map(Entry::read).collect();
        Ok(accounts?.into_iter().filter(|a| a.state == AccountState::Active).collect())
    }
}
