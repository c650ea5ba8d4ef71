//! Spend cards: by state, by workload, and what their settled disputes moved. Ids begin with the period, so every
//! list is in the order of periods and a span of periods is a range.

use domain::base::ids::{CardId, WorkloadId};
use domain::spend::card::{CardState, SpendCard, Transfer};
use jiff::civil::Date;
use serde_json::Value;

use crate::aggregate::{Aggregate, Listing, Row};
use crate::read::{Entry, Index, Order};
use crate::{Store, StoreError, keys};

/// Every state of a card, those that wait first.
const STATES: [CardState; 4] = [CardState::Open, CardState::Disputed, CardState::Resolved, CardState::Approved];

/// Entries read at once of a range of periods.
const ENTRIES_PER_READ: usize = 200;

impl Aggregate for SpendCard {
    type Id = CardId;

    const KIND: &'static str = "CARD";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::list(keys::in_state_shard(Self::KIND, self.state.as_str(), self.id.as_str()), self.id())
            .and_parent(cards_of(&self.workload_id), self.id())
    }

    fn rows(&self) -> Vec<Row> {
        let row = |transfer: Transfer| Row {
            name: "TRANSFER".to_owned(),
            doc: serde_json::to_value(transfer).unwrap_or(Value::Null),
            listing: Listing::list(transfers(), self.id()),
        };
        Transfer::of(self).map(row).into_iter().collect()
    }
}

/// Parent partition of a workload's cards.
#[must_use]
pub fn cards_of(workload: &WorkloadId) -> String {
    keys::partition("CARDS-OF", workload.as_str())
}

/// List partitions of the cards in a state, or in every one.
#[must_use]
pub fn cards_in(state: Option<CardState>) -> Vec<String> {
    let states = state.map_or(STATES.to_vec(), |s| vec![s]);
    states.iter().flat_map(|s| keys::in_state(SpendCard::KIND, s.as_str())).collect()
}

/// The sort key after which cards of periods that begin on this day or later follow.
#[must_use]
pub fn cards_from(day: Date) -> String {
    format!("{}_{day}", CardId::PREFIX)
}

fn transfers() -> String {
    keys::all_of("TRANSFER")
}

impl Store {
    /// The cards in a state, or in every one, whose periods begin on one of these days.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_cards_between(
        &self,
        state: Option<CardState>,
        first: Date,
        last: Date,
    ) -> Result<Vec<SpendCard>, StoreError> {
        let partitions = cards_in(state);
        let mut cards: Vec<SpendCard> = Vec::new();
        let mut after = cards_from(first);
        loop {
            let entries = self.list(Index::List, &partitions, Some(&after), ENTRIES_PER_READ, Order::Ascending).await?;
            for entry in &entries {
                let card: SpendCard = entry.read()?;
                if card.period.from > last {
                    return Ok(cards);
                }
                cards.push(card);
            }
            match entries.last() {
                Some(entry) if entries.len() == ENTRIES_PER_READ => after = entry.sort().to_owned(),
                _ => return Ok(cards),
            }
        }
    }

    /// Every card in a state. For the states that wait for somebody, which people keep short.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_cards_in_state(&self, state: CardState) -> Result<Vec<SpendCard>, StoreError> {
        let entries = self.list_all(Index::List, &cards_in(Some(state))).await?;
        entries.iter().map(Entry::read).collect()
    }

    /// A workload's cards, as their list has them: it may lag behind a moment.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_cards_of_workload(&self, workload: &WorkloadId) -> Result<Vec<SpendCard>, StoreError> {
        let entries = self.list_all(Index::Parent, &[cards_of(workload)]).await?;
        entries.iter().map(Entry::read).collect()
    }

    /// What settled disputes moved: what attribution needs beside the claims.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_transfers(&self) -> Result<Vec<Transfer>, StoreError> {
        let entries = self.list_all(Index::List, &[transfers()]).await?;
        entries.iter().map(Entry::read).collect()
    }
}
