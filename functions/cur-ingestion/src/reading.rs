//! Reading a month: one loop over beginning a run and finishing it, until there is nothing to do before a query ends.
//!
//! `domain::spend::bill::step` says what a run needs next; here it is done. A query may end before its run is
//! written, and its event find no run: so whoever wrote the run asks once how the queries stand. After that the event
//! finds it.

use domain::base::calendar::Month;
use domain::base::ids::RunId;
use domain::spend::bill::run::{End, Run};
use domain::spend::bill::step::{NextStep, decide_next};
use lambda::Cause;
use store::Loaded;
use store::spend::Head;

use crate::App;
use crate::begin::{Asked, Started, as_job, begin};
use crate::error::IngestError;
use crate::finish::{Concluded, Reading, ask_for, conclude, end_run, read, settle_shown};
use crate::submit::rules_in_force;

/// Reads a month's current delivery, if there is anything to do; answers how the run stands that was begun.
pub(crate) async fn read_month(app: &App, month: Month, cause: &Cause, asked: &Asked) -> Result<Started, IngestError> {
    let started = Box::pin(begin(app, month, cause, asked)).await?;
    let Started::Begun(run) = started else { return Ok(started) };
    finish_run(app, &run.id, &as_job(cause)).await?;
    let current: Option<Loaded<Run>> = app.store.load(&run.id).await?;
    Ok(Started::Begun(current.map_or(run, |loaded| loaded.value)))
}

/// Finishes a run, if it can be, and reads the month anew for as long as what was read is not what is to be read.
pub(crate) async fn finish_run(app: &App, id: &RunId, cause: &Cause) -> Result<(), IngestError> {
    let (mut id, mut answered) = (id.clone(), None);
    loop {
        let Some(run) = app.store.load::<Run>(&id).await?.map(|loaded| loaded.value) else { return Ok(()) };
        let shown = app.spend.head(run.billing_period).await?.as_ref().map(Head::shown);
        let (settings, rules) = rules_in_force(app).await?;
        let found = match decide_next(&run, shown.as_ref(), &rules, answered.take().as_ref()) {
            NextStep::Wait => return Ok(()),
            NextStep::Settle => return settle_shown(app, &run, cause).await,
            NextStep::AskFor(queries) => {
                answered = Some(ask_for(app, &queries).await?);
                continue;
            }
            NextStep::ReadAnew => None,
            NextStep::ReadRows(queries) => Some(Box::pin(read(app, &run, &queries, &settings)).await?),
            NextStep::Fail(failure) => Some(Reading::Failed(failure)),
        };
        let concluded = match found {
            None => Concluded::IsOutdated,
            Some(reading) => Box::pin(conclude(app, &run, reading, &settings, cause)).await?,
        };
        match concluded {
            Concluded::Ended => return Ok(()),
            Concluded::AsksFurther => {}
            Concluded::IsOutdated => {
                end_run(app, &run, End::Superseded, cause).await?;
                match Box::pin(begin(app, run.billing_period, &as_job(cause), &Asked::ByJob)).await? {
                    Started::Begun(begun) => id = begun.id,
                    Started::NoDelivery | Started::Older | Started::AlreadyDone(_) => return Ok(()),
                }
            }
        }
    }
}
