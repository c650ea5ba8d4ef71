//! A month's completeness, and its close.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::events::Event;
use domain::base::calendar::{Month, utc_day};
use domain::base::ids::CardId;
use domain::base::people::Actor;
use domain::spend::card::{AdjustmentReason, CardKind, CardState, SpendCard};
use domain::spend::gap::Gap;
use domain::spend::month::{Completeness, MonthClose, decide_close};
use domain::spend::portfolio::open_gaps;
use jiff::Timestamp;
use lambda::{Answer, Call, Cause, Nothing, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use store::aggregates::gap::gaps_of;
use store::{Entry, Index, Loaded, StoreError};

use crate::App;
use crate::bill::Claims;
use crate::plan::{Occasion, Whose, bring_in_line};

/// A month as it stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MonthView {
    #[serde(flatten)]
    completeness: Completeness,
    /// What stands in the way of a close; empty when the month may be closed or is.
    blockers: Vec<String>,
    /// The close, once there is one.
    closed: Option<MonthClose>,
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<MonthView>, Problem> {
    let month: Month = call.path.parse("month")?;
    let closed: Option<Loaded<MonthClose>> = app.store.load(&month).await?;
    let completeness = completeness(&app, month, call.now).await?;
    Ok(Answer::ok(view(completeness, closed.map(|closed| closed.value), call.now)))
}

pub(crate) async fn close(app: Arc<App>, call: Call<Nothing>) -> Result<Answer<MonthView>, Problem> {
    let month: Month = call.path.parse("month")?;
    if completeness(&app, month, call.now).await?.missing_cards > 0 {
        open_missing(&app, month, &call).await?;
    }
    call.transact(&app.store, || async {
        let closed: Option<Loaded<MonthClose>> = app.store.load(&month).await?;
        let closed = closed.map(|closed| closed.value);
        let completeness = completeness(&app, month, call.now).await?;
        let decided = decide_close(closed.as_ref(), &completeness, &call.actor, call.now);
        let shown = |close| Answer::ok(view(completeness.clone(), close, call.now));
        let stands = || Ok(shown(closed.clone()));
        call.conclude(0, decided, stands, |tx, close| {
            tx.create(&close, &Event::MonthClosed { month });
            Ok(shown(Some(close)))
        })
    })
    .await
}

/// No schedule looks at an old month: whoever would close it is not left with cards that nobody opens.
async fn open_missing(app: &App, month: Month, call: &Call<Nothing>) -> Result<(), Problem> {
    let cause = Cause { actor: Actor::system("spend-cards"), now: call.now, request_id: call.request_id.clone() };
    let occasion = Occasion::of(cause, AdjustmentReason::Restated, [month]);
    let opened = bring_in_line(app, &Whose::Everybody, &occasion).await;
    opened.map(drop).map_err(|failure| {
        tracing::error!(%month, %failure, "a month's missing cards could not be opened");
        Problem::unavailable()
    })
}

async fn completeness(app: &App, month: Month, now: Timestamp) -> Result<Completeness, StoreError> {
    let bill = app.read_bill(&BTreeSet::from([month]), None).await?;
    let delivery = bill.deliveries.get(&month);
    let cards = app.store.list_cards_between(None, month.first_day(), month.last_day()).await?;
    let claims = Claims::of(app.store.list_anchors().await?);
    let there: BTreeSet<&CardId> = cards.iter().map(|card| &card.id).collect();
    let answering: BTreeSet<_> = claims.workloads().chain(bill.workloads()).collect();
    let due = answering.into_iter().flat_map(|workload| {
        let periods = claims.due(workload, &bill.facts_of(workload), [month], utc_day(now));
        periods.into_iter().map(|period| SpendCard::id_of(CardKind::Period, period, workload))
    });
    let missing = due.filter(|id| !there.contains(id)).count();
    let approved = cards.iter().filter(|card| card.state == CardState::Approved).count();
    let listed = app.store.list_all(Index::Parent, &[gaps_of(month)]).await?;
    let gaps: Vec<Gap> = listed.iter().map(Entry::read).collect::<Result<_, _>>()?;
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Ok(Completeness {
        month,
        ingested: delivery.is_some(),
        as_of: delivery.map(|delivery| delivery.as_of),
        complete_to: delivery.map(|delivery| delivery.complete_to),
        invoiced: delivery.is_some_and(|delivery| delivery.is_invoiced),
        unreadable: bill.unreadable,
        approved_cards: count(approved),
        open_cards: count(cards.len() - approved),
        missing_cards: count(missing),
        gaps: open_gaps(&gaps),
    })
}

fn view(completeness: Completeness, closed: Option<MonthClose>, now: Timestamp) -> MonthView {
    let blockers = if closed.is_some() { Vec::new() } else { completeness.blockers(utc_day(now)) };
    MonthView { completeness, blockers, closed }
}
