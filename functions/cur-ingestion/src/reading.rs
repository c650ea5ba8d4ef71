//! Reading a month: one loop over beginning a run and finishing it, until there is nothing to do before a query ends.
//!
//! A query may end before its run is written, and its event find no run: so whoever wrote the run asks once how the
//! queries stand. After that the event finds it.

use domain::base::calendar::Month;
use domain::base::ids::RunId;
use domain::spend::bill::run::Run;
use store::Loaded;

use crate::App;
use crate::begin::{Started, begin};
use crate::cause::Cause;
use crate::error::IngestError;
use crate::finish::{Next, finish};

/// Reads a month's current delivery, if there is anything to do; answers how the run stands that was begun.
pub(crate) async fn read_month(app: &App, month: Month, cause: &Cause) -> Result<Started, IngestError> {
    let started = begin(app, month, cause).await?;
    let Started::Begun(run) = started else { return Ok(started) };
    finish_run(app, &run.id, &cause.as_job()).await?;
    let current: Option<Loaded<Run>> = app.store.load(run.id.as_str()).await?;
    Ok(Started::Begun(current.map_or(run, |loaded| loaded.value)))
}

/// Finishes a run, if it can be, and reads the month anew for as long as what was read is not what is to be read.
pub(crate) async fn finish_run(app: &App, id: &RunId, cause: &Cause) -> Result<(), IngestError> {
    let mut id = id.clone();
    loop {
        let Some(run) = app.store.load::<Run>(id.as_str()).await? else { return Ok(()) };
        match finish(app, &run.value, cause).await? {
            Next::Nothing => return Ok(()),
            Next::LookAgain => {}
            Next::ReadAnew => match begin(app, run.value.billing_period, &cause.as_job()).await? {
                Started::Begun(begun) => id = begun.id,
                Started::NoDelivery | Started::Older | Started::AlreadyDone(_) => return Ok(()),
            },
        }
    }
}
