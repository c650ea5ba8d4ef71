//! Why spend is where it is: each fact with its verdict, the rules that decided, and the run that read it.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::base::authorization::not_found;
use domain::base::calendar::Month;
use domain::base::digest::Digest;
use domain::base::ids::{ApprovalId, GapId, RunId};
use domain::base::money::Money;
use domain::base::outcome::{Refusal, RefusalKind};
use domain::base::platform::Platform;
use domain::spend::bill::anchor::SpendAnchor;
use domain::spend::bill::attributed::AttributedFact;
use domain::spend::bill::attribution::{AttributionLevel, Finding, Verdict};
use domain::spend::bill::rule::{Question, Rule};
use domain::spend::bill::run::Run;
use domain::spend::bill::usage::UsageKind;
use domain::spend::gap::Gap;
use jiff::Timestamp;
use jiff::civil::Date;
use lambda::{Answer, Call, Page, Problem};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Loaded, StoreError};

use crate::App;
use crate::months::ReadMonth;
use crate::sight::BillSight;

/// An explanation, page by page.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    billing_period: Month,
    /// The run that read the rows; null for a month that was never read.
    run: Option<RunRef>,
    #[serde(flatten)]
    page: Page<ExplainedFact>,
}

/// The run behind the figures.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunRef {
    id: RunId,
    as_of: Timestamp,
    manifest_id: String,
    settings_version: u64,
    /// The alias table that maps names of the bill to models.
    aliases_version: String,
}

/// A fact, and why it is where it is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplainedFact {
    /// The day of usage.
    day: Date,
    /// The day on which cards and exports count it: `day`, or the nearest to it in the month of the bill.
    counts_on: Date,
    /// What the spend hangs on.
    anchor: SpendAnchor,
    anchor_label: String,
    account_id: String,
    region: String,
    platform: Option<Platform>,
    /// The model's id, or its name in the bill.
    model: String,
    usage_kind: UsageKind,
    /// The usage type, where kind or unit is not understood.
    detail: Option<String>,
    line_item_type: String,
    invoiced: bool,
    #[schemars(with = "String")]
    quantity: Decimal,
    unit: String,
    amount: Money,
    /// Rows of the bill that it sums.
    rows: u64,
    /// The workload and claim, the gap's kind and subject, or the exclusion.
    #[schemars(with = "Value")]
    verdict: Verdict,
    attribution_level: Option<AttributionLevel>,
    /// What else was noticed.
    #[schemars(with = "Vec<Value>")]
    findings: Vec<Finding>,
    /// Which rules decided, in order.
    rules: Vec<Rule>,
    /// The same rules by what they decided: the platform, the model, the usage kind, the tokens or CCU, the anchor, and
    /// either the owner or the exclusion.
    decided_by: BTreeMap<Question, Vec<Rule>>,
    approval_id: Option<ApprovalId>,
}

/// What is asked for.
struct Filter {
    sight: BillSight,
    day: Option<Date>,
    gap: Option<Gap>,
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<Explanation>, Problem> {
    let month: Month = call.query.require("billingPeriod")?;
    let sight = BillSight::of(&app, &call).await?;
    let gap = match call.query.maybe::<GapId>("gapId")? {
        None => None,
        Some(_) if !sight.sees_organisation => return Err(not_found().into()),
        Some(id) => {
            let found: Loaded<Gap> = app.store.require(&id).await?;
            let of = found.value.billing_period;
            if of != month {
                return Err(Problem::invalid(format!("gap `{id}` is of {of}; ask with `billingPeriod={of}`")));
            }
            Some(found.value)
        }
    };
    let filter = Filter { sight, day: call.query.maybe("day")?, gap };
    let asked = call.page()?;
    let place = asked.place::<Position>()?;
    let Some(reading) = app.months.read(month).await? else {
        return Ok(Answer::ok(Explanation { billing_period: month, run: None, page: Page::only(Vec::new()) }));
    };
    let from = place.map_or(Ok(0), |place| place.within(&reading.digest, month))?;
    let mut found = reading.attributed.facts.iter().filter(|row| filter.matches(row)).skip(from);
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let items: Vec<ExplainedFact> = found.by_ref().take(limit).map(|row| explained(row, &filter.sight)).collect();
    let page = if found.next().is_some() {
        Page::new(items, Some(&json!(Position { from: from + limit, of: reading.digest.clone() })))
    } else {
        Page::only(items)
    };
    let run = Some(run_ref(&app, &reading).await?);
    Ok(Answer::ok(Explanation { billing_period: month, run, page }))
}

/// Where a page begins, and in which reading: the facts and who answers for them, in one digest.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    from: usize,
    of: Digest,
}

impl Position {
    /// How many facts came before, if this is still the reading that they were of: pages of two readings are of none.
    fn within(self, reading: &Digest, month: Month) -> Result<usize, Problem> {
        if self.of == *reading {
            return Ok(self.from);
        }
        let detail = format!(
            "the figures of {month}, or who answers for them, moved since the page before; begin again without `cursor`"
        );
        Err(Refusal::new(RefusalKind::StaleVersion, detail).into())
    }
}

impl Filter {
    fn matches(&self, row: &AttributedFact) -> bool {
        self.sight.includes(&row.attribution)
            && self.day.is_none_or(|day| row.fact.key.day == day)
            && self.gap.as_ref().is_none_or(|gap| is_of_gap(gap, row))
    }
}

/// Whether a fact is among those that a gap was found in: by its verdict, or by a finding where its dollars are
/// attributed.
fn is_of_gap(gap: &Gap, AttributedFact { fact, attribution }: &AttributedFact) -> bool {
    let is_about = match &attribution.verdict {
        Verdict::Gap { kind, about } if gap.in_totals => *kind == gap.kind && *about == gap.about,
        _ if gap.in_totals => false,
        _ => attribution.findings.iter().any(|finding| match finding {
            Finding::BeyondApproval { kind, about } => *kind == gap.kind && *about == gap.about,
            _ => false,
        }),
    };
    is_about && gap.covers(fact.key.day) && fact.key.currency == gap.amount.currency
}

fn explained(AttributedFact { fact, attribution }: &AttributedFact, sight: &BillSight) -> ExplainedFact {
    let mut decided_by: BTreeMap<Question, Vec<Rule>> = BTreeMap::new();
    for rule in &attribution.because {
        decided_by.entry(rule.decides()).or_default().push(*rule);
    }
    let (key, attribution) = (fact.key.clone(), attribution.clone());
    ExplainedFact {
        day: key.day,
        counts_on: key.counts_on(),
        anchor_label: attribution.anchor.label(),
        anchor: attribution.anchor,
        account_id: key.account_id,
        region: key.region,
        platform: attribution.platform,
        model: attribution.model.label().to_owned(),
        usage_kind: attribution.usage_kind,
        detail: key.detail,
        line_item_type: key.line_item_type.as_str().to_owned(),
        invoiced: key.invoiced,
        quantity: fact.quantity,
        unit: key.unit,
        amount: Money { amount: fact.amount, currency: key.currency },
        rows: fact.rows,
        verdict: attribution.verdict,
        attribution_level: attribution.level,
        findings: attribution.findings,
        rules: attribution.because,
        decided_by,
        // The approval behind an anchor may be another workload's.
        approval_id: attribution.approval_id.filter(|_| sight.sees_organisation),
    }
}

/// The run, and the rules that it read by: those of today may be newer.
async fn run_ref(app: &App, ReadMonth { head, .. }: &ReadMonth) -> Result<RunRef, StoreError> {
    let run: Option<Loaded<Run>> = app.store.load(&head.run_id).await?;
    let in_force = || app.months.aliases_version().to_owned();
    Ok(RunRef {
        id: head.run_id.clone(),
        as_of: head.as_of,
        manifest_id: head.manifest_id.clone(),
        settings_version: head.settings_version,
        aliases_version: run.map_or_else(in_force, |run| run.value.rules.aliases_version),
    })
}
