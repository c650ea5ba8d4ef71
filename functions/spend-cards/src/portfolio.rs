//! The Leads' weekly review: gathered here, added up by `domain::spend::portfolio`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::events::Event;
use domain::access::workloads::space::Space;
use domain::base::calendar::{Month, Week, utc_day};
use domain::base::ids::{CardId, SpaceId};
use domain::base::text::Note;
use domain::spend::card::{CardState, SpendCard};
use domain::spend::gap::Gap;
use domain::spend::portfolio::{PlacedCard, Placement, Portfolio, Review, ReviewInputs, decide_review, summarise};
use jiff::{Timestamp, ToSpan as _};
use lambda::{Answer, Call, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use store::aggregates::gap::gaps_of;
use store::{Entry, Index, Loaded, StoreError};

use crate::App;

/// The states in which a card waits for somebody.
const WAITING: [CardState; 3] = [CardState::Open, CardState::Disputed, CardState::Resolved];

/// What was said at the review.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReviewFields {
    #[serde(default)]
    note: Option<Note>,
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<Portfolio>, Problem> {
    let week = call.query.maybe::<Week>("week")?.unwrap_or_else(|| last_week(call.now));
    Ok(Answer::ok(app.portfolio(week).await?))
}

pub(crate) async fn review(app: Arc<App>, call: Call<ReviewFields>) -> Result<Answer<Review>, Problem> {
    let week: Week = call.path.parse("week")?;
    call.transact(&app.store, || async {
        let held: Option<Loaded<Review>> = app.store.load(&week).await?;
        let before = held.as_ref().map(|held| &held.value);
        let decided = decide_review(before, week, call.body.note.clone(), &call.actor, call.now);
        let event = |_: &mut _, _: &_| Event::PortfolioReviewed { week: week.first_day() };
        call.save(held.as_ref(), decided, event, |_, review| Answer::ok(review))
    })
    .await
}

fn last_week(now: Timestamp) -> Week {
    let today = utc_day(now);
    Week::of(today.checked_sub(7.days()).unwrap_or(today))
}

impl App {
    /// A week's review, as everything stands now.
    pub(crate) async fn portfolio(&self, week: Week) -> Result<Portfolio, StoreError> {
        let (first, last) = (week.first_day(), week.last_day());
        let mut cards: BTreeMap<CardId, SpendCard> = BTreeMap::new();
        for state in WAITING {
            cards.extend(self.store.list_cards_in_state(state).await?.into_iter().map(|card| (card.id.clone(), card)));
        }
        let signed = self.store.list_cards_between(Some(CardState::Approved), first, last).await?;
        cards.extend(signed.into_iter().map(|card| (card.id.clone(), card)));
        let spaces = self.places(cards.values().map(|card| &card.space_id)).await?;
        let unplaced = Placement::default();
        let placed: Vec<PlacedCard<'_>> = cards
            .values()
            .map(|card| {
                let place = spaces.get(&card.space_id).unwrap_or(&unplaced);
                PlacedCard { card, hierarchy: &place.hierarchy, owners: &place.owners }
            })
            .collect();
        let months: BTreeSet<Month> = week.periods().into_iter().map(domain::base::calendar::Period::month).collect();
        let partitions: Vec<String> = months.into_iter().map(gaps_of).collect();
        let listed = self.store.list_all(Index::Parent, &partitions).await?;
        let gaps: Vec<Gap> = listed.iter().map(Entry::read).collect::<Result<_, _>>()?;
        Ok(summarise(week, &placed, &gaps, self.review_inputs(week).await?))
    }

    async fn review_inputs(&self, week: Week) -> Result<ReviewInputs, StoreError> {
        let is_new = |seen: Timestamp| (week.first_day()..=week.last_day()).contains(&utc_day(seen));
        let models = self.store.list_models().await?.into_iter().map(|row| row.model);
        let review: Option<Loaded<Review>> = self.store.load(&week).await?;
        Ok(ReviewInputs {
            new_models: models.filter(|model| is_new(model.first_seen)).map(|model| model.model_key).collect(),
            open_drift: u64::try_from(self.store.list_open_drift().await?.len()).unwrap_or(u64::MAX),
            review: review.map(|review| review.value),
        })
    }

    /// Where Spaces stand in the organisation.
    pub(crate) async fn places(
        &self,
        spaces: impl Iterator<Item = &SpaceId> + Send,
    ) -> Result<BTreeMap<SpaceId, Placement>, StoreError> {
        let ids: BTreeSet<&SpaceId> = spaces.collect();
        let found = self.store.load_many::<Space>(ids).await?;
        Ok(found.into_iter().map(|space| (space.value.id.clone(), Placement::of(space.value))).collect())
    }
}
