//! A card by its id with its Space, and as events name it.

use contract::events::{CardRef, Place};
use domain::access::workloads::space::Space;
use domain::base::ids::CardId;
use domain::spend::card::SpendCard;
use lambda::{Call, Problem};
use store::Loaded;

use crate::App;

impl App {
    /// The card that the path names, with its Space; whether the caller may touch it is for the decision to check.
    pub(crate) async fn card<B>(&self, call: &Call<B>) -> Result<(Loaded<SpendCard>, Space), Problem> {
        let id: CardId = call.path.parse("id")?;
        let found: Loaded<SpendCard> = self.store.load(id.as_str()).await?.ok_or_else(Problem::not_found)?;
        let space: Option<Loaded<Space>> = self.store.load(found.value.space_id.as_str()).await?;
        Ok((found, space.ok_or_else(Problem::not_found)?.value))
    }
}

/// A card, as events name it.
pub(crate) fn card_ref(card: &SpendCard) -> CardRef {
    CardRef {
        place: Place { space_id: card.space_id.clone(), workload_id: card.workload_id.clone() },
        card_id: card.id.clone(),
        period: card.period,
        actual: card.figures.actual.clone(),
    }
}
