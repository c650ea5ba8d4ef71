//! Which cards an actor sees: a Product Owner those of their own Spaces, everybody else all that their role reads.

use std::collections::BTreeSet;

use contract::events::{CardRef, Place};
use domain::authorization::is_cut_to_own;
use domain::card::SpendCard;
use domain::ids::{CardId, SpaceId, WorkloadId};
use domain::space::Space;
use lambda::{Call, Problem};
use store::aggregates::card::{cards_in, cards_of};
use store::{Index, Loaded};

use crate::App;

/// What of a list an actor sees.
#[derive(Debug)]
pub(crate) enum Sight {
    /// All of it.
    Everything,
    /// What belongs to these Spaces.
    Own(Vec<Space>),
}

impl Sight {
    pub(crate) fn includes(&self, space: &SpaceId) -> bool {
        match self {
            Self::Everything => true,
            Self::Own(spaces) => spaces.iter().any(|own| own.id == *space),
        }
    }
}

impl App {
    /// What the caller sees of a list.
    pub(crate) async fn sight<B>(&self, call: &Call<B>) -> Result<Sight, Problem> {
        if is_cut_to_own(&call.actor, call.action) {
            Ok(Sight::Own(self.store.list_spaces_of_owner(&call.actor.sub).await?))
        } else {
            Ok(Sight::Everything)
        }
    }

    /// Where a list of cards is read from: a workload's, the caller's own ones, or all in a state. Entries are to be shown
    /// only if they are in sight and in that state.
    pub(crate) async fn where_listed(
        &self,
        workload: Option<&WorkloadId>,
        state: Option<domain::card::CardState>,
        sight: &Sight,
    ) -> Result<(Index, Vec<String>), Problem> {
        match (workload, sight) {
            (Some(workload), _) => Ok((Index::Parent, vec![cards_of(workload)])),
            (None, Sight::Everything) => Ok((Index::List, cards_in(state))),
            (None, Sight::Own(spaces)) => {
                let mut partitions = BTreeSet::new();
                for space in spaces {
                    let workloads = self.store.list_workloads_of_space(&space.id).await?;
                    partitions.extend(workloads.iter().map(|workload| cards_of(&workload.id)));
                }
                Ok((Index::Parent, partitions.into_iter().collect()))
            }
        }
    }

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
