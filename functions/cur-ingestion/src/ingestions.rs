//! A Lead's order to read a month.

use std::sync::Arc;

use contract::answers::run::{RunView, location};
use domain::base::calendar::Month;
use domain::base::outcome::{Refusal, RefusalKind};
use lambda::{Answer, Call, Problem};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::App;
use crate::begin::{Asked, Started};
use crate::reading::read_month;

/// Which month is to be read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Wanted {
    billing_period: Month,
}

/// Begins a run, or answers with the one that is there: its state says which.
pub(crate) async fn start(app: Arc<App>, call: Call<Wanted>) -> Result<Answer<RunView>, Problem> {
    let month = call.body.billing_period;
    let not_ready = |detail: String| Problem::from(Refusal::new(RefusalKind::PeriodNotReady, detail));
    let asked = Asked::ByPerson(call.idempotency.clone());
    let run = match read_month(&app, month, &call.cause(), &asked).await? {
        Started::NoDelivery => return Err(not_ready(format!("there is no delivery of {month} in the bucket yet"))),
        Started::Older => {
            return Err(not_ready(format!(
                "the delivery of {month} in the bucket is older than the one that is shown"
            )));
        }
        Started::AlreadyDone(run) => run,
        Started::Begun(run) => app.store.require(&run.id).await?,
    };
    Ok(Answer::accepted(location(&run.value), RunView::of(&run.value, run.version)))
}
