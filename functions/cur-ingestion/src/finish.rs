//! Finishing a run: when both queries have ended, their rows become facts, are reconciled, and are shown whole.
//!
//! Each step may be the last before a crash; the next event, redelivery or sweep repeats from the start and finds
//! what is done already: facts by their digests, the month's head by its run, gaps by their ids, the run by its
//! state.

use contract::events::Event;
use domain::base::digest::Digest;
use domain::settings::Settings;
use domain::spend::bill::attributed::{AttributedMonth, Grounds};
use domain::spend::bill::facts::AnchorDay;
use domain::spend::bill::reconciliation::{Control, reconcile};
use domain::spend::bill::run::{
    End, Failure as RunFailure, FailureKind, Queries, Run, RunResult, RunState, decide_ask_by_slice, decide_end,
    is_overtaken, is_unsettled, located, not_reconciled,
};
use domain::spend::bill::slice::diff_slices;
use domain::spend::bill::step::QueryState;
use lambda::Cause;
use store::aggregates::run::query_pointer;
use store::spend::{Head, Reading as ToShow};
use store::{Loaded, Step, StoreError, Transaction};

use crate::App;
use crate::athena::AthenaError;
use crate::delivery::Delivery;
use crate::error::IngestError;
use crate::query::{CONTROL_COLUMNS, FACTS_COLUMNS, SLICES_COLUMNS};
use crate::row::Row;
use crate::rows::{FactsReader, UnreadableResult, read_control, read_slices};
use crate::settle::{Shown, settle};
use crate::submit::submit_slices;

/// Letters of a failure's detail that are kept: Athena repeats whole queries, and an event holds 24 KB.
const DETAIL_CHARS_MAX: usize = 2_000;

/// How often the head is read again while another run flips it.
const FLIPS_MAX: u32 = 5;

/// What is to be done about the month once the answers of a run's queries were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concluded {
    /// Nothing: the run has ended.
    Ended,
    /// The run has a further query; it may have ended before the run was written, and its event found none.
    AsksFurther,
    /// Its rows say nothing about what is to be read now: the month is to be read anew.
    IsOutdated,
}

/// Shows what a run read, or ends it by why that cannot be shown.
pub(crate) async fn conclude(
    app: &App,
    run: &Run,
    reading: Reading,
    settings: &Settings,
    cause: &Cause,
) -> Result<Concluded, IngestError> {
    let Some(delivery) = if_current(app, run).await? else { return Ok(Concluded::IsOutdated) };
    match reading {
        Reading::Whole(read) => show(app, run, *read, cause).await?,
        Reading::Disagrees => {
            return ask_by_slice(app, run, &delivery, settings, cause).await.map(|()| Concluded::AsksFurther);
        }
        Reading::Failed(failure) => end_run(app, run, End::Failed(failure), cause).await?,
    }
    Ok(Concluded::Ended)
}

/// Completes a run that is shown and died before it was settled, whatever was delivered since. What was attributed
/// before it nobody knows any more: it says that figures moved.
pub(crate) async fn settle_shown(app: &App, run: &Run, cause: &Cause) -> Result<(), IngestError> {
    let (head, days) = match app.spend.month_facts(run.billing_period).await {
        Ok(Some(shown)) => shown,
        Ok(None) => return Ok(()),
        Err(error @ StoreError::Unreadable { .. }) => {
            // Facts that are lost cannot be settled; the delivery is read anew and written whole.
            tracing::error!(run.id = %run.id, %error, "what is shown cannot be read");
            return end_run(app, run, End::Superseded, cause).await;
        }
        Err(error) => return Err(error.into()),
    };
    app.spend.expire_superseded(&head, cause.now).await?;
    let grounds = app.store.load_grounds(None).await?;
    complete(app, run, Shown { head, days }, grounds, None, cause).await
}

/// The delivery that the run is bound to, if it is still the one in the bucket, data files included. AWS may have
/// replaced the files while Athena read them: then the rows are of no delivery, whether they add up or not, and even
/// a query that failed says nothing about the delivery that there is now.
async fn if_current(app: &App, run: &Run) -> Result<Option<Delivery>, IngestError> {
    let is_the_runs = |current: &Delivery| {
        current.manifest.id == run.manifest.id
            && run.data_files.as_ref().is_none_or(|when_begun| *when_begun == current.data_files)
    };
    Ok(app.bucket.find(run.billing_period).await?.filter(is_the_runs))
}

/// How the queries of a run stand together. The one by slices only adds to a failure, so its own failure is no other.
pub(crate) async fn ask_for(app: &App, queries: &Queries) -> Result<QueryState, AthenaError> {
    let mut running = false;
    for query in [&queries.facts, &queries.control] {
        match app.athena.state_of(query).await? {
            failed @ QueryState::Failed(_) => return Ok(failed),
            QueryState::Running => running = true,
            QueryState::Succeeded => {}
        }
    }
    if let Some(slices) = &queries.slices {
        running |= app.athena.state_of(slices).await? == QueryState::Running;
    }
    Ok(if running { QueryState::Running } else { QueryState::Succeeded })
}

/// What the queries of a run say.
pub(crate) struct Read {
    days: Vec<AnchorDay>,
    control: Control,
    groups: u64,
    /// What they were attributed by.
    grounds: Grounds,
}

/// What became of reading the results.
pub(crate) enum Reading {
    /// They agree.
    Whole(Box<Read>),
    /// They do not, and nobody has asked yet in which slices.
    Disagrees,
    /// They cannot be shown.
    Failed(RunFailure),
}

/// Reads both results and holds them against each other, or says why they cannot be shown.
pub(crate) async fn read(app: &App, run: &Run, queries: &Queries, settings: &Settings) -> Result<Reading, IngestError> {
    let mut facts = FactsReader::new(run.billing_period, &settings.bill, &app.aliases);
    let mut control: Vec<Row> = Vec::new();
    let rows = async {
        app.athena.rows(&queries.facts, &FACTS_COLUMNS, &mut |row| facts.read(row)).await?;
        app.athena.rows(&queries.control, &CONTROL_COLUMNS, &mut |row| control.push(row.clone())).await
    };
    match rows.await {
        Ok(()) => {}
        Err(error @ AthenaError::Columns { .. }) => {
            return Ok(Reading::Failed(FailureKind::UnreadableRows.because(error.to_string())));
        }
        Err(error @ AthenaError::Gone { .. }) => {
            return Ok(Reading::Failed(FailureKind::QueryFailed.because(error.to_string())));
        }
        Err(error) => return Err(error.into()),
    }
    let found = facts.slices();
    let failure = match held_together(app, run, facts, &control).await? {
        Reading::Failed(failure) => failure,
        whole => return Ok(whole),
    };
    let is_about_sums = failure.kind == FailureKind::NotReconciled.as_str() || read_control(&control).is_err();
    match &queries.slices {
        _ if !is_about_sums => Ok(Reading::Failed(failure)),
        None => Ok(Reading::Disagrees),
        Some(slices) => Ok(Reading::Failed(match app.athena.state_of(slices).await? {
            QueryState::Succeeded => {
                let mut rows: Vec<Row> = Vec::new();
                match app.athena.rows(slices, &SLICES_COLUMNS, &mut |row| rows.push(row.clone())).await {
                    Ok(()) => located(failure, diff_slices(&found, &read_slices(&rows))),
                    Err(AthenaError::Gone { .. }) => failure,
                    Err(error) => return Err(error.into()),
                }
            }
            _ => failure,
        })),
    }
}

/// The facts, if they are whole and add up to what the control query counted.
async fn held_together(app: &App, run: &Run, facts: FactsReader<'_>, control: &[Row]) -> Result<Reading, IngestError> {
    let read = || -> Result<_, UnreadableResult> { Ok((read_control(control)?, facts.finish()?)) };
    let (control, (days, groups)) = match read() {
        Ok(read) => read,
        Err(error) => return Ok(Reading::Failed(FailureKind::UnreadableRows.because(error.to_string()))),
    };
    if control.values().all(|total| total.all_rows == 0) {
        let detail = format!("the delivery holds no row of {}; its files may be of another month", run.billing_period);
        return Ok(Reading::Failed(FailureKind::NoRows.because(detail)));
    }
    let grounds = app.store.load_grounds(None).await?;
    let totals = AttributedMonth::of(days.clone(), &grounds, &app.aliases).totals(&control);
    Ok(match reconcile(&totals, &control) {
        Ok(()) => {
            let groups = u64::try_from(groups).unwrap_or(u64::MAX);
            Reading::Whole(Box::new(Read { days, control, groups, grounds }))
        }
        Err(mismatches) => Reading::Failed(not_reconciled(&mismatches)),
    })
}

/// Asks in which slices facts and bill differ; the run ends when that is known.
async fn ask_by_slice(
    app: &App,
    run: &Run,
    delivery: &Delivery,
    settings: &Settings,
    cause: &Cause,
) -> Result<(), IngestError> {
    let query = submit_slices(app, run, delivery, settings).await?;
    let written = app.store.transact(|| async {
        let Some(loaded) = app.store.load::<Run>(&run.id).await? else {
            return Ok::<_, IngestError>(Step::Done(false));
        };
        let event = |tx: &mut Transaction, asking: &Run| {
            tx.point(&query_pointer(&query), None, run.id.as_str());
            Event::IngestionDoubted { run_id: asking.id.clone(), billing_period: asking.billing_period }
        };
        Ok(cause.save(Some(&loaded), decide_ask_by_slice(&loaded.value, run.attempt, &query), event))
    });
    written.await.map(drop)
}

/// Shows the facts, brings the gaps in line, and completes the run, in this order.
async fn show(app: &App, run: &Run, read: Read, cause: &Cause) -> Result<(), IngestError> {
    let Some((before, head)) = show_unless_overtaken(app, run, &read, cause).await? else {
        return end_run(app, run, End::Superseded, cause).await;
    };
    let attributed_before = match before {
        // Of a run that died after its flip nobody knows any more what was before: then say that figures moved.
        Some(head) if !head.is_of(&run.id, run.attempt) => {
            let before: Option<Loaded<Run>> = app.store.load(&head.run_id).await?;
            let settled = before.map(|before| before.value).filter(|before| !is_unsettled(before, &head.shown()));
            settled.and_then(|before| before.result).map(|result| result.attribution)
        }
        _ => None,
    };
    complete(app, run, Shown { head, days: read.days }, read.grounds, attributed_before, cause).await
}

/// Settles what is shown and completes its run, unless another reading is shown by then.
async fn complete(
    app: &App,
    run: &Run,
    shown: Shown,
    grounds: Grounds,
    attributed_before: Option<Digest>,
    cause: &Cause,
) -> Result<(), IngestError> {
    let settled = Box::pin(settle(app, shown, grounds, cause)).await?;
    if !settled.head.is_of(&run.id, run.attempt) {
        return end_run(app, run, End::Superseded, cause).await;
    }
    let result = RunResult {
        changed: settled.head.changed || attributed_before.as_ref() != Some(&settled.attribution),
        groups: settled.head.groups,
        totals: settled.totals,
        attribution: settled.attribution,
    };
    end_run(app, run, End::Completed(result), cause).await
}

/// Makes the run's facts the ones that are shown, unless those of a newer reading are; answers the head before and
/// the new one. Whoever shows something newer between the decision and the flip moves the head, and it is decided
/// again.
async fn show_unless_overtaken(
    app: &App,
    run: &Run,
    read: &Read,
    cause: &Cause,
) -> Result<Option<(Option<Head>, Head)>, StoreError> {
    let mut attempts = 0;
    loop {
        let before = app.spend.head(run.billing_period).await?;
        if before.as_ref().is_some_and(|head| is_overtaken(run, &head.shown())) {
            return Ok(None);
        }
        let reading = ToShow {
            billing_period: run.billing_period,
            run_id: run.id.clone(),
            attempt: run.attempt,
            manifest_id: run.manifest.id.clone(),
            as_of: run.manifest.delivered_at,
            settings_version: run.rules.settings_version,
            control: read.control.clone(),
            groups: read.groups,
            days: read.days.clone(),
        };
        match app.spend.show(reading, before.as_ref(), cause.now).await {
            Ok(head) => return Ok(Some((before, head))),
            Err(StoreError::VersionMoved(_)) if attempts < FLIPS_MAX => attempts += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Ends the attempt, once.
pub(crate) async fn end_run(app: &App, run: &Run, end: End, cause: &Cause) -> Result<(), IngestError> {
    let end = match end {
        End::Failed(mut failure) => {
            failure.detail = failure.detail.chars().take(DETAIL_CHARS_MAX).collect();
            tracing::error!(
                run.id = %run.id, kind = failure.kind, why = failure.detail,
                "the bill was not read; the last good figures stay"
            );
            End::Failed(failure)
        }
        other => other,
    };
    let written = app.store.transact(|| async {
        let Some(loaded) = app.store.load::<Run>(&run.id).await? else {
            return Ok::<_, IngestError>(Step::Done(false));
        };
        let ended = decide_end(&loaded.value, run.attempt, end.clone(), cause.now);
        Ok(cause.save(Some(&loaded), ended, |_, run| event_of(run)))
    });
    written.await.map(drop)
}

fn event_of(run: &Run) -> Event {
    let (run_id, billing_period) = (run.id.clone(), run.billing_period);
    match run.state {
        RunState::Submitted => Event::IngestionStarted { run_id, billing_period },
        RunState::Superseded => Event::IngestionSuperseded { run_id, billing_period },
        RunState::Failed => {
            let why = run.failure.as_ref().map(|failure| failure.detail.clone()).unwrap_or_default();
            Event::IngestionFailed { run_id, billing_period, why }
        }
        RunState::Completed => {
            let changed = run.result.as_ref().is_some_and(|result| result.changed);
            Event::IngestionCompleted { run_id, billing_period, changed }
        }
    }
}
