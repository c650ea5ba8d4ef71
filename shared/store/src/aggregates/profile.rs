//! Application inference profiles, each a thing of its own: an account may have a thousand in a region.

use domain::access::models::model::application::ApplicationProfile;
use domain::base::aws::{AccountId, Region};

use crate::aggregate::{Aggregate, Listing};
use crate::read::{Entry, Index};
use crate::{Store, StoreError, keys};

impl Aggregate for ApplicationProfile {
    type Id = str;

    const KIND: &'static str = "PROFILE";

    fn id(&self) -> String {
        self.arn.clone()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::all_of(Self::KIND), self.arn.clone())
            .and_parent(profiles_of(&self.account_id, &self.region), self.arn.clone())
    }
}

/// Parent partition of the profiles of an account in a region.
fn profiles_of(account: &AccountId, region: &Region) -> String {
    keys::partition("PROFILES-OF", &format!("{account}#{region}"))
}

impl Store {
    /// The application profiles that were ever seen in a place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_application_profiles_in(
        &self,
        account: &AccountId,
        region: &Region,
    ) -> Result<Vec<ApplicationProfile>, StoreError> {
        self.list_all(Index::Parent, &[profiles_of(account, region)]).await?.iter().map(Entry::read).collect()
    }

    /// Every application profile that was ever seen: what the bill may name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_application_profiles(&self) -> Result<Vec<ApplicationProfile>, StoreError> {
        let entries = self.list_all(Index::List, &[keys::all_of(ApplicationProfile::KIND)]).await?;
        entries.iter().map(Entry::read).collect()
    }
}
