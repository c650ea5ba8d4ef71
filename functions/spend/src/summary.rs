//! A month's spend: attributed, gap and excluded, grouped. Figures are of one run, attributed by what is claimed now.
//!
//! A month that was never read has no figures, which is not the same as zero; when the newest run failed, the last good
//! figures stay and say that they are stale.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::answers::run::TotalsView;
use domain::base::calendar::Month;
use domain::base::ids::RunId;
use domain::base::money::{Currency, Money};
use domain::spend::bill::attributed::{AttributedFact, AttributedMonth};
use domain::spend::bill::reconciliation::Unreadable;
use domain::spend::bill::run::RunState;
use domain::spend::bill::summary::{GroupBy, SpendGroup, summarise};
use jiff::Timestamp;
use jiff::civil::Date;
use lambda::{Answer, Call, Problem};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;
use store::spend::Head;

use crate::App;
use crate::sight::BillSight;

/// A month's spend.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SpendView {
    billing_period: Month,
    /// When AWS delivered the figures.
    as_of: Option<Timestamp>,
    /// The run that read them.
    run_id: Option<RunId>,
    /// Whether the month was ever read completely.
    complete: bool,
    /// Whether the amount of usage of every AI row could be read; where not, some quantities are too low. Costs never
    /// are.
    quantities_complete: bool,
    /// The last day of usage in the delivery.
    complete_to: Option<Date>,
    /// A newer delivery could not be read: these are the last good figures.
    stale: bool,
    /// Why they are stale.
    stale_because: Option<String>,
    /// The organisation's; null for owners and for a month that was never read.
    totals: Option<TotalsView>,
    groups: Vec<GroupView>,
    /// The same of every other currency of the bill; currencies are never added up.
    other_currencies: Vec<CurrencyView>,
}

/// Spend in one currency.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CurrencyView {
    totals: Option<TotalsView>,
    groups: Vec<GroupView>,
}

/// A group of spend. Without a filter the groups of a currency sum to its `cur`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupView {
    /// A workload id, model, account, region, usage kind or day; `gap:<kind>` and `excluded:<why>` beside them.
    key: String,
    amount: Money,
    /// Where all of it is in one unit.
    #[schemars(with = "Option<String>")]
    quantity: Option<Decimal>,
    unit: Option<String>,
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<SpendView>, Problem> {
    let month: Month = call.query.require("billingPeriod")?;
    let by: GroupBy = call.query.maybe("groupBy")?.unwrap_or_default();
    let sight = BillSight::of(&app, &call).await?;
    let (stale, stale_because) = staleness(&app, month, &sight).await?;
    let mut view = SpendView {
        billing_period: month,
        as_of: None,
        run_id: None,
        complete: false,
        quantities_complete: false,
        complete_to: None,
        stale,
        stale_because,
        totals: None,
        groups: Vec::new(),
        other_currencies: Vec::new(),
    };
    if let Some(reading) = app.months.read(month).await? {
        let head = &reading.head;
        let mut currencies = by_currency(&reading.attributed, head, &sight, by);
        let main = currencies.remove(&Currency::usd()).or_else(|| currencies.pop_first().map(|(_, first)| first));
        (view.totals, view.groups) = main.map_or((None, Vec::new()), |main| (main.totals, main.groups));
        view.other_currencies = currencies.into_values().collect();
        view.complete = true;
        view.quantities_complete = Unreadable::of(&head.control).amounts == 0;
        view.complete_to = head.complete_to();
        (view.as_of, view.run_id) = (Some(head.as_of), Some(head.run_id.clone()));
    }
    Ok(Answer::ok(view))
}

/// Whether the last run of the month that came to its end failed. Its details may hold totals, which are the
/// organisation's.
async fn staleness(app: &App, month: Month, sight: &BillSight) -> Result<(bool, Option<String>), Problem> {
    let newest = app.store.newest_ended_run_of(month).await?.filter(|run| run.state == RunState::Failed);
    let told = newest.and_then(|run| run.failure).map(|failure| {
        if sight.sees_organisation { format!("{}: {}", failure.kind, failure.detail) } else { failure.kind }
    });
    Ok((told.is_some(), told))
}

fn by_currency(
    attributed: &AttributedMonth,
    head: &Head,
    sight: &BillSight,
    by: GroupBy,
) -> BTreeMap<Currency, CurrencyView> {
    let mut seen: BTreeMap<Currency, Vec<&AttributedFact>> = BTreeMap::new();
    for row in attributed.facts.iter().filter(|row| sight.includes(&row.attribution)) {
        seen.entry(row.fact.key.currency.clone()).or_default().push(row);
    }
    let totals = attributed.totals(&head.control);
    let mut views = BTreeMap::new();
    for currency in totals.keys() {
        let rows = seen.remove(currency).unwrap_or_default();
        let groups = summarise(rows, by).into_iter().map(|group| group_view(group, currency)).collect();
        let shown = totals.get(currency).filter(|_| sight.sees_organisation);
        views.insert(currency.clone(), CurrencyView { totals: shown.map(|t| TotalsView::of(currency, t)), groups });
    }
    if !sight.sees_organisation {
        // Which other currencies there are is the organisation's business too.
        views.retain(|_, view: &mut CurrencyView| !view.groups.is_empty());
    }
    views
}

fn group_view(group: SpendGroup, currency: &Currency) -> GroupView {
    let SpendGroup { key, amount, quantity, unit } = group;
    GroupView { key, amount: Money { amount, currency: currency.clone() }, quantity, unit }
}
