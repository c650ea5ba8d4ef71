//! The routes of ingestion runs, and a Lead's order to read a month.

use std::sync::Arc;

use domain::base::calendar::Month;
use domain::base::ids::RunId;
use domain::base::outcome::{Refusal, RefusalKind};
use domain::spend::bill::run::Run;
use lambda::{Answer, Call, Page, Problem, list_page};
use schemars::JsonSchema;
use serde::Deserialize;
use store::aggregates::run::{runs_in, runs_of};
use store::{Index, Loaded, Order};

use crate::App;
use crate::begin::Started;
use crate::cause::Cause;
use crate::reading::read_month;
use crate::run_view::{RunView, location};

/// Which month is to be read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Wanted {
    billing_period: Month,
}

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<RunView>>, Problem> {
    let (index, partitions) = match call.query.maybe::<Month>("billingPeriod")? {
        Some(month) => (Index::Parent, vec![runs_of(month)]),
        None => (Index::List, runs_in(None)),
    };
    let asked = call.page()?;
    let page = list_page(&app.store, index, &partitions, Order::Descending, &asked, |entry| {
        Ok(Some(RunView::of(&entry.read()?, entry.version()?)))
    });
    Ok(Answer::ok(page.await?))
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<RunView>, Problem> {
    let id: RunId = call.path.parse("id")?;
    let found: Loaded<Run> = app.store.load(id.as_str()).await?.ok_or_else(Problem::not_found)?;
    Ok(Answer::ok(RunView::of(&found.value, found.version)).versioned(found.version))
}

/// Begins a run, or answers with the one that is there: its state says which.
pub(crate) async fn start(app: Arc<App>, call: Call<Wanted>) -> Result<Answer<RunView>, Problem> {
    let month = call.body.billing_period;
    let not_ready = |detail: String| Problem::from(Refusal::new(RefusalKind::PeriodNotReady, detail));
    let run = match read_month(&app, month, &Cause::of_call(&call)).await? {
        Started::NoDelivery => return Err(not_ready(format!("there is no delivery of {month} in the bucket yet"))),
        Started::Older => {
            return Err(not_ready(format!(
                "the delivery of {month} in the bucket is older than the one that is shown"
            )));
        }
        Started::AlreadyDone(run) => run,
        Started::Begun(run) => app.store.load(run.id.as_str()).await?.ok_or_else(Problem::not_found)?,
    };
    Ok(Answer::accepted(location(&run.value), RunView::of(&run.value, run.version)))
}
