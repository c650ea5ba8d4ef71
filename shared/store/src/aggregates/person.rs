//! People, listed whole: notices to a role go to everybody whose last token carried it.

use domain::base::people::Role;
use domain::base::person::Person;
use domain::base::text::Sub;

use crate::aggregate::{Aggregate, Listing};
use crate::read::{Entry, Index};
use crate::{Store, StoreError, keys};

impl Aggregate for Person {
    type Id = Sub;

    const KIND: &'static str = "PERSON";

    fn id(&self) -> String {
        self.sub.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::all_of(Self::KIND), self.id())
    }
}

impl Store {
    /// Everybody whose last token carried a role.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_people_in_role(&self, role: Role) -> Result<Vec<Person>, StoreError> {
        let entries = self.list_all(Index::List, &[keys::all_of(Person::KIND)]).await?;
        let people: Result<Vec<Person>, StoreError> = entries.iter().map(Entry::read).collect();
        Ok(people?.into_iter().filter(|p| p.roles.contains(&role)).collect())
    }
}
