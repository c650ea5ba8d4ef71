//! After a claim or an approval changed, or a dispute was settled: the stored facts of the months it touches are
//! attributed anew.
//!
//! Facts stay as they are, and whoever reads spend sees the change at once. What follows here are the gaps, and the
//! event by which cards learn of it; that event is written only if any verdict moved.

use std::sync::Arc;

use contract::events::Event;
use domain::base::calendar::{Month, utc_day};
use domain::spend::bill::run::{Run, RunResult, is_unsettled};
use domain::spend::card::{SpendCard, Transfer};
use jiff::civil::Date;
use lambda::{Cause, Failure, Heard};
use store::{Loaded, Step};

use crate::App;
use crate::settle::{Settled, Shown, settle};

/// Months before this one that a change may reach back to: claims reach back one, a release by a correction a few more.
const MONTHS_BACK_MAX: usize = 12;

/// Consumes `claim.made` and `claim.released`.
///
/// Done: months that were never read. Retry: a table does not answer, or a run of the month is being finished, whose
/// gaps may not know the change.
pub(crate) async fn after_claim(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let from = match &heard.event {
        Event::ClaimMade { claim } | Event::ClaimReleased { claim } => claim.from,
        _ => return Err(heard.unexpected()),
    };
    for month in months_since(from, utc_day(heard.cause.now)) {
        reattribute(&app, month, None, &heard.cause).await?;
    }
    Ok(())
}

/// Consumes what changes which roles and workspaces are approved or were created: that tells the kinds of gaps apart.
///
/// Done and retry as above.
pub(crate) async fn after_approval(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let current = Month::of(utc_day(heard.cause.now));
    for month in [current.previous(), current] {
        reattribute(&app, month, None, &heard.cause).await?;
    }
    Ok(())
}

/// Consumes `card.resolved`: what the dispute took off the card is a gap now, or somebody else's.
///
/// Done: a decision that moves nothing. Retry as above.
pub(crate) async fn after_resolution(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    let Event::CardResolved { card, .. } = &heard.event else { return Err(heard.unexpected()) };
    let found: Option<Loaded<SpendCard>> = app.store.load(&card.card_id).await?;
    let Some(moved) = found.and_then(|found| Transfer::of(&found.value)) else { return Ok(()) };
    reattribute(&app, moved.period.month(), Some(moved), &heard.cause).await
}

/// The months from a day's to today's, newest first; a claim that begins later touches none yet.
fn months_since(from: Date, today: Date) -> Vec<Month> {
    let first = Month::of(from);
    let months = std::iter::successors(Some(Month::of(today)), |month| Some(month.previous()));
    months.take_while(|month| *month >= first).take(MONTHS_BACK_MAX).collect()
}

/// `assumed` is applied as if the list of what disputes moved showed it already: that lags behind what was just
/// written.
async fn reattribute(app: &App, month: Month, assumed: Option<Transfer>, cause: &Cause) -> Result<(), Failure> {
    let Some((head, days)) = app.spend.month_facts(month).await? else { return Ok(()) };
    let of_head = app.store.load::<Run>(&head.run_id).await?.map(|run| run.value);
    if of_head.is_none_or(|run| is_unsettled(&run, &head.shown())) {
        return Err(Failure::Retry(format!("run `{}` is being finished", head.run_id)));
    }
    let grounds = app.store.load_grounds(assumed).await?;
    let settled = settle(app, Shown { head, days }, grounds, cause).await?;
    let run_id = &settled.head.run_id;
    let told = app.store.transact(|| async {
        let Some(loaded) = app.store.load::<Run>(run_id).await? else { return Ok::<_, Failure>(Step::Done(false)) };
        let event = |_: &mut _, _: &_| Event::SpendReattributed { billing_period: month };
        Ok(cause.save(Some(&loaded), moved(&loaded, &settled), event))
    });
    told.await.map(drop)
}

/// The run with its figures as they are attributed now, if they are attributed otherwise than before.
fn moved(run: &Loaded<Run>, settled: &Settled) -> Option<Run> {
    let before = run.value.result.as_ref().filter(|before| before.attribution != settled.attribution)?;
    let Settled { totals, attribution, .. } = settled.clone();
    let result = RunResult { totals, attribution, ..before.clone() };
    Some(Run { result: Some(result), ..run.value.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_claim_touches_the_months_from_its_first_day_to_today() {
        let check = |from: Date, expected: &[&str]| {
            let months: Vec<String> = months_since(from, date(2026, 8, 24)).iter().map(Month::to_string).collect();
            assert_eq!(months, expected, "{from}");
        };
        check(date(2026, 7, 31), &["2026-08", "2026-07"]);
        check(date(2026, 8, 1), &["2026-08"]);
        check(date(2026, 9, 1), &[]);
        assert_eq!(months_since(date(2020, 1, 1), date(2026, 8, 24)).len(), MONTHS_BACK_MAX);
    }
}
