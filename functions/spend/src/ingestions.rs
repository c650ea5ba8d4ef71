//! Ingestion runs as people read them; `cur-ingestion` begins them.

use std::sync::Arc;

use contract::answers::run::RunView;
use domain::base::calendar::Month;
use domain::spend::bill::run::Run;
use lambda::{Answer, Call, Page, Problem, list_page};
use store::aggregates::run::{runs_in, runs_of};
use store::{Index, Order};

use crate::App;

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
    let found = app.store.require::<Run>(&call.path.parse("id")?).await?;
    Ok(Answer::ok(RunView::of(&found.value, found.version)).versioned(found.version))
}
