//! What wakes the function by itself: the schedule, a new manifest, the end of a query, the sweep.

use std::sync::Arc;

use domain::base::authorization::{Action, Relations, authorize};
use domain::base::calendar::{Month, utc_day};
use domain::spend::bill::run::{Run, RunState};
use lambda::{AwsEvent, Cause, Failure, Tick, Tried};
use serde::{Deserialize, Serialize};
use store::aggregates::run::runs_in;
use store::{Entry, Index, Loaded};

use crate::App;
use crate::begin::{Asked, Started};
use crate::reading::{finish_run, read_month};

/// What a tick or a manifest came to, for the log.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    billing_period: Month,
    outcome: &'static str,
    run: Option<Run>,
}

/// Reads the current and the previous month. Older months are read when somebody asks.
///
/// Retry: S3, Athena or the table does not answer, after both months were tried; a repetition submits the same queries.
pub(crate) async fn on_schedule(app: Arc<App>, tick: Tick) -> Result<Vec<Summary>, Failure> {
    authorize(&tick.cause.actor, Action::IngestSpend, Relations::NONE, "")?;
    let current = Month::of(utc_day(tick.cause.now));
    let (mut summaries, mut tried) = (Vec::new(), Tried::default());
    for month in [current.previous(), current] {
        let started = tried.note(read_month(&app, month, &tick.cause, &Asked::ByJob).await.map_err(Failure::from));
        summaries.extend(started.map(|started| summary_of(month, started)));
    }
    tried.outcome().map(|()| summaries)
}

/// S3's "Object Created".
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ObjectCreated {
    bucket: Named,
    object: Keyed,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Keyed {
    key: String,
}

/// Reads the month whose manifest arrived: whichever manifest is the newest by now.
///
/// Done: an object that is no manifest of the export. Retry: as for the schedule.
pub(crate) async fn on_manifest(app: Arc<App>, event: AwsEvent<ObjectCreated>) -> Result<Option<Summary>, Failure> {
    let ObjectCreated { bucket, object } = &event.detail;
    let Some(month) = app.bucket.month_of_manifest(&bucket.name, &object.key) else { return Ok(None) };
    let started = read_month(&app, month, &event.cause, &Asked::ByJob).await?;
    Ok(Some(summary_of(month, started)))
}

fn summary_of(month: Month, started: Started) -> Summary {
    let (outcome, run) = match started {
        Started::NoDelivery => ("no-delivery", None),
        Started::Older => ("older-delivery", None),
        Started::AlreadyDone(run) => ("already-done", Some(run.value)),
        Started::Begun(run) => ("begun", Some(run)),
    };
    Summary { billing_period: month, outcome, run }
}

/// Athena's "Query State Change".
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueryEnded {
    query_execution_id: String,
}

/// What a sweep found.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sweep {
    open: usize,
    ended: usize,
}

/// Finishes the run of a query, if its other queries have ended too.
///
/// Done: a query of no run: somebody else's in the workgroup, or one whose run asks for itself once it is written.
/// Retry: Athena, S3 or a table does not answer.
pub(crate) async fn on_query_end(app: Arc<App>, event: AwsEvent<QueryEnded>) -> Result<(), Failure> {
    match app.store.load_run_of_query(&event.detail.query_execution_id).await? {
        None => Ok(()),
        Some(run) => Ok(finish_run(&app, &run.value.id, &event.cause).await?),
    }
}

/// Asks for every run that is open: Athena's events are best effort, and a young run answers that it still reads.
///
/// Retry: as above, after every run was tried; those that ended stay ended.
pub(crate) async fn sweep(app: Arc<App>, tick: Tick) -> Result<Sweep, Failure> {
    authorize(&tick.cause.actor, Action::IngestSpend, Relations::NONE, "")?;
    let (mut done, mut tried) = (Sweep::default(), Tried::default());
    for entry in app.store.list_all(Index::List, &runs_in(Some(RunState::Submitted))).await? {
        done.open += 1;
        done.ended += usize::from(tried.note(is_ended(&app, &entry, &tick.cause).await).unwrap_or_default());
    }
    tried.outcome().map(|()| done)
}

/// Finishes an open run, if it can be; answers whether it has ended.
async fn is_ended(app: &App, entry: &Entry, cause: &Cause) -> Result<bool, Failure> {
    let run: Run = entry.read()?;
    finish_run(app, &run.id, cause).await?;
    let after: Option<Loaded<Run>> = app.store.load(&run.id).await?;
    Ok(after.is_some_and(|after| after.value.state != RunState::Submitted))
}
