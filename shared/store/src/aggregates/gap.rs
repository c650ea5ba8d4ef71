//! Gaps: by state, and by the month of the bill that they were found in.

use domain::base::calendar::Month;
use domain::base::ids::GapId;
use domain::spend::gap::{Gap, GapNews, GapState};

use crate::aggregate::{Aggregate, Listing, Loaded};
use crate::{Store, StoreError, keys};

/// Every state of a gap, the open ones first.
const STATES: [GapState; 4] = [GapState::Active, GapState::Actioned, GapState::Resolved, GapState::Recalled];

impl Aggregate for Gap {
    type Id = GapId;

    const KIND: &'static str = "GAP";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::in_state_shard(Self::KIND, self.state.as_str(), self.id.as_str()), self.id())
            .and_parent(gaps_of(self.billing_period), self.id())
    }
}

/// One record for each month.
impl Aggregate for GapNews {
    type Id = Month;

    const KIND: &'static str = "GAP-NEWS";

    fn id(&self) -> String {
        self.billing_period.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}

impl Store {
    /// The gaps of a month that nobody was told of yet; nothing for a month that never had any.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_gap_news(&self, month: Month) -> Result<Option<Loaded<GapNews>>, StoreError> {
        self.load(&month).await
    }
}

/// Parent partition of the gaps of a month.
#[must_use]
pub fn gaps_of(month: Month) -> String {
    keys::partition("GAPS-OF", &month.to_string())
}

/// List partitions of the gaps in a state, or in every one.
#[must_use]
pub fn gaps_in(state: Option<GapState>) -> Vec<String> {
    let states = state.map_or(STATES.to_vec(), |s| vec![s]);
    states.iter().flat_map(|s| keys::in_state(Gap::KIND, s.as_str())).collect()
}
