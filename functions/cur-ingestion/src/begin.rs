//! Beginning a run: the queries of a month's current delivery are submitted, and the run that waits for them is
//! written.

use contract::answers::run::{RunView, location};
use contract::events::Event;
use domain::base::calendar::Month;
use domain::base::people::Actor;
use domain::spend::bill::run::{Asker, Run, Start, attempted, decide_start, is_unsettled, refused, run_id};
use lambda::Cause;
use store::aggregates::run::query_pointer;
use store::idempotency::IdempotencyKey;
use store::spend::Head;
use store::{Loaded, StoreError};

use crate::App;
use crate::error::IngestError;
use crate::finish::settle_shown;
use crate::submit::{Submitted, rules_in_force, submit};

/// What became of a month.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Started {
    /// AWS has delivered nothing for it.
    NoDelivery,
    /// A newer delivery is shown than the one in the bucket.
    Older,
    /// There is nothing to do.
    AlreadyDone(Loaded<Run>),
    /// A run was begun, or failed before it could be.
    Begun(Run),
}

/// Whether a person asks, who may try again what failed as often as they like.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// A Lead, perhaps with a key for the answer.
    ByPerson(Option<IdempotencyKey>),
    /// One of the product's jobs.
    ByJob,
}

impl Asked {
    const fn asker(&self) -> Asker {
        match self {
            Self::ByPerson(_) => Asker::Person,
            Self::ByJob => Asker::Job,
        }
    }
}

/// What follows from a call is a job's doing.
pub(crate) fn as_job(cause: &Cause) -> Cause {
    Cause { actor: Actor::system("cur-ingestion"), ..cause.clone() }
}

/// Begins the run of a month's current delivery, if there is anything to do.
pub(crate) async fn begin(app: &App, month: Month, cause: &Cause, asked: &Asked) -> Result<Started, IngestError> {
    let head = app.spend.head(month).await?;
    if let Some(head) = &head {
        // What is shown is settled first: if this reading fails, nothing else would.
        let shown: Option<Loaded<Run>> = app.store.load(&head.run_id).await?;
        if let Some(run) = shown.filter(|run| is_unsettled(&run.value, &head.shown())) {
            settle_shown(app, &run.value, &as_job(cause)).await?;
        }
    }
    let Some(delivery) = app.bucket.find(month).await? else { return Ok(Started::NoDelivery) };
    let (settings, rules) = rules_in_force(app).await?;
    let existing: Option<Loaded<Run>> = app.store.load(&run_id(month, &delivery.manifest)).await?;
    let known = existing.as_ref().map(|run| &run.value);
    let shown = head.as_ref().map(Head::shown);
    let delivered = (&delivery.manifest, &delivery.data_files);
    let start = decide_start(known, shown.as_ref(), delivered, &rules, asked.asker());
    let attempt = match (start, existing.clone()) {
        (Start::Older, _) => return Ok(Started::Older),
        (Start::AlreadyDone, Some(run)) => return Ok(Started::AlreadyDone(run)),
        (Start::AlreadyDone, None) => 1,
        (Start::Attempt(attempt), _) => attempt,
    };
    let run = match submit(app, month, &delivery, &settings, attempt).await? {
        Submitted::Asked(queries) => attempted(month, &delivery.manifest, rules, attempt, queries, cause.now),
        Submitted::Refused(failure) => refused(month, &delivery.manifest, rules, attempt, failure, cause.now),
    };
    // What it found last stays, for as long as that is shown.
    let data_files = Some(delivery.data_files.clone());
    let run = Run { result: known.and_then(|known| known.result.clone()), data_files, ..run };
    write_run(app, existing.as_ref(), &run, cause, asked).await?;
    match &run.failure {
        None => tracing::info!(run.id = %run.id, run.attempt = run.attempt, "a delivery of the bill is being read"),
        Some(failure) => tracing::error!(run.id = %run.id, why = ?failure, "the bill cannot be read"),
    }
    Ok(Started::Begun(run))
}

/// Writes the attempt, and how its queries lead to it. Of two that start at once one writes; the other finds it.
async fn write_run(
    app: &App,
    before: Option<&Loaded<Run>>,
    run: &Run,
    cause: &Cause,
    asked: &Asked,
) -> Result<(), IngestError> {
    let (run_id, billing_period) = (run.id.clone(), run.billing_period);
    let event = match &run.failure {
        None => Event::IngestionStarted { run_id, billing_period },
        Some(failure) => Event::IngestionFailed { run_id, billing_period, why: failure.detail.clone() },
    };
    let mut tx = cause.transaction();
    tx.save(before, run, &event);
    for query in run.queries.iter().flat_map(|queries| [&queries.facts, &queries.control]) {
        tx.point(&query_pointer(query), None, run.id.as_str());
    }
    if let Asked::ByPerson(key) = asked {
        let version = before.map_or(1, |loaded| loaded.version + 1);
        let answer = serde_json::to_value(RunView::of(run, version)).unwrap_or_default();
        tx.remember(key.as_ref(), 202, &answer, Some(&location(run)));
    }
    match app.store.commit(tx).await {
        Ok(()) => Ok(()),
        // Somebody else began the very same attempt: its queries are these.
        Err(StoreError::AlreadyExists(_) | StoreError::VersionMoved(_) | StoreError::PointerMoved(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
