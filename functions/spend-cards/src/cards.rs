//! Reading cards, and what their owners do with them: sign, or dispute.

use std::sync::Arc;

use contract::events::{CardRef, Event};
use domain::access::workloads::space::Space;
use domain::base::authorization::authorize;
use domain::base::ids::WorkloadId;
use domain::base::text::Note;
use domain::spend::card::{Approve, CardState, Dispute, SpendCard, decide_approve, decide_dispute};
use jiff::civil::Date;
use lambda::{Answer, Call, Page, Problem, Sight, list_page};
use schemars::JsonSchema;
use serde::Deserialize;
use store::aggregates::card::{cards_from, cards_in, cards_of};
use store::{Loaded, Order, Transaction};

use crate::App;

/// Lines that one dispute names: beyond that the card as a whole is disputed.
const DISPUTED_LINES_MAX: usize = 200;

/// The owner's signature.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApproveFields {
    /// The version that is signed.
    version: u64,
    /// What the owner says to it.
    #[serde(default)]
    note: Option<Note>,
}

/// The owner's objection.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DisputeFields {
    /// The version that is disputed.
    version: u64,
    /// Why.
    reason: Note,
    /// Which lines; the card as a whole if left out.
    #[serde(default)]
    line_ids: Option<Vec<String>>,
}

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<SpendCard>>, Problem> {
    let state: Option<CardState> = call.query.one_of("state")?;
    let from: Option<Date> = call.query.maybe("from")?;
    let workload: Option<WorkloadId> = call.query.maybe("workloadId")?;
    let sight = Sight::of(&app.store, &call).await?;
    let (index, partitions) = sight.listed(&app.store, workload.as_ref(), cards_of, cards_in(state)).await?;
    let mut asked = call.page()?;
    asked.after = asked.after.or_else(|| from.map(|day| cards_from(day).into()));
    let page = list_page(&app.store, index, &partitions, Order::Ascending, &asked, |entry| {
        let card: SpendCard = entry.read()?;
        let is_shown = sight.includes(&card.space_id)
            && state.is_none_or(|state| card.state == state)
            && from.is_none_or(|from| card.period.from >= from);
        Ok(is_shown.then_some(card))
    });
    Ok(Answer::ok(page.await?))
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<SpendCard>, Problem> {
    let (found, space) = app.card(&call).await?;
    authorize(&call.actor, call.action, space.relations(&call.actor), found.value.state.as_str())?;
    Ok(answer(found.value))
}

pub(crate) async fn approve(app: Arc<App>, call: Call<ApproveFields>) -> Result<Answer<SpendCard>, Problem> {
    call.transact(&app.store, || async {
        let (found, space) = app.card(&call).await?;
        let ApproveFields { version, note } = call.body.clone();
        let command = Approve { version, note };
        let relations = space.relations(&call.actor);
        let decided = decide_approve(&found.value, command, &call.actor, relations, call.now);
        call.change(&found, decided, |_, card| Event::CardApproved { card: CardRef::of(card) }, |_, card| answer(card))
    })
    .await
}

pub(crate) async fn dispute(app: Arc<App>, call: Call<DisputeFields>) -> Result<Answer<SpendCard>, Problem> {
    let mut line_ids = call.body.line_ids.clone().unwrap_or_default();
    line_ids.sort();
    line_ids.dedup();
    if line_ids.len() > DISPUTED_LINES_MAX {
        let detail =
            format!("`lineIds` names at most {DISPUTED_LINES_MAX} lines; leave it out to dispute the card as a whole");
        return Err(Problem::invalid(detail));
    }
    call.transact(&app.store, || async {
        let (found, space) = app.card(&call).await?;
        let DisputeFields { version, reason, .. } = call.body.clone();
        let command = Dispute { version, reason: reason.clone(), line_ids: line_ids.clone() };
        let relations = space.relations(&call.actor);
        let decided = decide_dispute(&found.value, command, &call.actor, relations, call.now);
        let event = |tx: &mut Transaction, card: &SpendCard| {
            tx.because(reason.as_str());
            Event::CardDisputed { card: CardRef::of(card), reason: reason.as_str().to_owned() }
        };
        call.change(&found, decided, event, |_, card| answer(card))
    })
    .await
}

/// The version of a card counts its writes, as the store's does: it is the one that `If-Match` is held against.
pub(crate) fn answer(card: SpendCard) -> Answer<SpendCard> {
    let version = card.version;
    Answer::ok(card).versioned(version)
}

impl App {
    /// The card that the path names, with its Space; whether the caller may touch it is for the decision to check.
    pub(crate) async fn card<B>(&self, call: &Call<B>) -> Result<(Loaded<SpendCard>, Space), Problem> {
        let found = self.store.require::<SpendCard>(&call.path.parse("id")?).await?;
        let space = self.store.require::<Space>(&found.value.space_id).await?.value;
        Ok((found, space))
    }
}
