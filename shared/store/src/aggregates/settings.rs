//! The settings document: one item, versioned like everything else.

use domain::settings::Settings;

use crate::aggregate::{Aggregate, Listing, Loaded};
use crate::{Store, StoreError};

/// There is one settings document.
const ONLY: &str = "organisation";

impl Aggregate for Settings {
    type Id = str;

    const KIND: &'static str = "SETTINGS";

    fn id(&self) -> String {
        ONLY.to_owned()
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}

impl Store {
    /// The settings, if any were ever set; otherwise the defaults hold.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_settings(&self) -> Result<Option<Loaded<Settings>>, StoreError> {
        self.load(ONLY).await
    }

    /// The settings in force and their version; version 0 is the defaults.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn settings_in_force(&self) -> Result<(Settings, u64), StoreError> {
        Ok(self.load_settings().await?.map_or_else(|| (Settings::default(), 0), |l| (l.value, l.version)))
    }
}
