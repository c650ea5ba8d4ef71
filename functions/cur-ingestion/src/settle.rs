//! Who answers for a month's facts now, and the gaps that follow: detected again after every run and every claim.
//!
//! Facts, claims and approvals may move while gaps are written, and whoever moved them may have settled the month
//! before these gaps were. So whoever wrote gaps looks again at what they follow from, and repeats it if any of it
//! moved.
//!
//! Each gap is written with its event, on the version that it was read at; a gap's id follows from what it is about, so
//! that no repetition opens one twice. The Leads are told of new gaps once all of a reading are written.

use std::collections::BTreeMap;

use contract::events::{Event, GapRef};
use domain::base::calendar::Month;
use domain::base::digest::Digest;
use domain::base::ids::GapId;
use domain::base::money::{Currency, Money};
use domain::spend::bill::attributed::{AttributedMonth, Grounds};
use domain::spend::bill::facts::AnchorDay;
use domain::spend::bill::reconciliation::SpendTotals;
use domain::spend::gap::{Gap, GapChange, GapNews, GapState, detect};
use lambda::Cause;
use store::aggregates::gap::gaps_of;
use store::spend::Head;
use store::{Index, Loaded, StoreError, Transaction};

use crate::App;

/// Gaps written in one transaction: two writes each, within the hundred that it holds with the news of them.
const GAPS_PER_TRANSACTION_MAX: usize = 40;

/// How often gaps are detected again while somebody acts on them, or moves what they follow from, at the same moment.
const ATTEMPTS_MAX: u32 = 8;

/// What is shown of a month.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) head: Head,
    pub(crate) days: Vec<AnchorDay>,
}

/// What a settled month adds up to.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    /// By what was shown when it was settled.
    pub(crate) head: Head,
    pub(crate) totals: BTreeMap<Currency, SpendTotals>,
    pub(crate) attribution: Digest,
}

impl Settled {
    fn of(head: Head, month: &AttributedMonth) -> Self {
        Self { totals: month.totals(&head.control), attribution: month.digest(), head }
    }
}

/// Brings the gaps of a month in line with what is shown of it and with these grounds, until neither moved since they
/// were read; a gap that follows from older ones may be opened and closed again.
pub(crate) async fn settle(
    app: &App,
    mut shown: Shown,
    mut grounds: Grounds,
    cause: &Cause,
) -> Result<Settled, StoreError> {
    let month = shown.head.billing_period;
    let mut attempts = 0;
    loop {
        let attributed = AttributedMonth::of(shown.days.clone(), &grounds, &app.aliases);
        let overtaken = match write_gaps(app, month, &attributed, cause).await {
            Ok(()) => None,
            Err(error) if error.is_lost_race() => Some(error),
            Err(error) => return Err(error),
        };
        let now = app.store.load_grounds(grounds.assumed.clone()).await?;
        let lost = match overtaken {
            Some(error) => error,
            None if now != grounds => StoreError::Conflict,
            None => match app.spend.head(month).await? {
                Some(head) if head.facts != shown.head.facts => StoreError::Conflict,
                _ => return Ok(Settled::of(shown.head, &attributed)),
            },
        };
        grounds = now;
        if attempts == ATTEMPTS_MAX {
            return Err(lost);
        }
        attempts += 1;
        tokio::time::sleep(std::time::Duration::from_millis(10 << attempts)).await;
        if let Some((head, days)) = app.spend.month_facts(month).await?
            && head.facts != shown.head.facts
        {
            shown = Shown { head, days };
        }
    }
}

async fn write_gaps(app: &App, month: Month, attributed: &AttributedMonth, cause: &Cause) -> Result<(), StoreError> {
    let known = load_gaps(app, month).await?;
    let gaps: Vec<Gap> = known.values().map(|loaded| loaded.value.clone()).collect();
    let rows = attributed.facts.iter().map(|row| (&row.fact, &row.attribution));
    let changes = detect(month, rows, &gaps, &cause.actor, cause.now);
    for chunk in changes.chunks(GAPS_PER_TRANSACTION_MAX) {
        let mut tx = cause.transaction();
        for change in chunk {
            write_gap(&mut tx, known.get(change.gap().id.as_str()), change);
        }
        let opened: Vec<&Gap> = chunk.iter().filter_map(GapChange::opened).collect();
        if !opened.is_empty() {
            let before = app.store.load_gap_news(month).await?;
            let news = before.as_ref().map_or(GapNews::none(month), |before| before.value.clone());
            tx.save_under(before.as_ref(), &news.with(opened));
        } else if chunk.iter().all(|change| matches!(change, GapChange::Moved(_))) {
            // No gap of these has an event of its own, and what each of them became is to be in some chain.
            let before = app.store.load_gap_news(month).await?;
            let news = before.as_ref().map_or(GapNews::none(month), |before| before.value.clone());
            let moved = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            tx.save(before.as_ref(), &news, &Event::GapsMoved { billing_period: month, moved });
        }
        app.store.commit(tx).await?;
    }
    announce(app, month, cause).await
}

/// Announces the gaps that were opened, those of a reading that died before it could included.
async fn announce(app: &App, month: Month, cause: &Cause) -> Result<(), StoreError> {
    let Some(untold) = app.store.load_gap_news(month).await?.filter(|news| news.value.opened > 0) else {
        return Ok(());
    };
    let GapNews { billing_period, opened, findings, unanswered, largest } = untold.value.clone();
    let unanswered = unanswered.into_iter().map(|(currency, amount)| Money { amount, currency }).collect();
    let mut tx = cause.transaction();
    let event = Event::GapsAnnounced { billing_period, opened, findings, unanswered, largest };
    tx.update(&untold, &GapNews::none(month), &event);
    app.store.commit(tx).await
}

/// The gaps of a month, consistently: the list may lag behind, and only says which there are.
async fn load_gaps(app: &App, month: Month) -> Result<BTreeMap<String, Loaded<Gap>>, StoreError> {
    let listed = app.store.list_all(Index::Parent, &[gaps_of(month)]).await?;
    let ids: Vec<GapId> = listed.iter().map(|entry| Ok(entry.read::<Gap>()?.id)).collect::<Result<_, StoreError>>()?;
    let found = app.store.load_many::<Gap>(ids).await?;
    Ok(found.into_iter().map(|loaded| (loaded.value.id.to_string(), loaded)).collect())
}

/// Dollars that moved with the bill are told by the other events of the transaction, or by one of all of them.
fn write_gap(tx: &mut Transaction, before: Option<&Loaded<Gap>>, change: &GapChange) {
    let gap = change.gap();
    let named = GapRef::of(gap, None);
    match change {
        GapChange::Opened(_) => tx.save(before, gap, &Event::GapOpened { gap: named }),
        GapChange::Moved(_) => tx.save_under(before, gap),
        GapChange::Closed(_) if gap.state == GapState::Recalled => {
            tx.save(before, gap, &Event::GapRecalled { gap: named })
        }
        GapChange::Closed(_) => tx.save(before, gap, &Event::GapResolved { gap: named }),
    }
}
