//! Which models the Leads were told of: one item.

use domain::notice::Announced;

use crate::aggregate::{Aggregate, Listing, Loaded};
use crate::{Store, StoreError};

/// There is one such record.
const ONLY: &str = "models";

impl Aggregate for Announced {
    type Id = str;

    const KIND: &'static str = "ANNOUNCED";

    fn id(&self) -> String {
        ONLY.to_owned()
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}

impl Store {
    /// The models that were announced, if any ever were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_announced(&self) -> Result<Option<Loaded<Announced>>, StoreError> {
        self.load(ONLY).await
    }
}
