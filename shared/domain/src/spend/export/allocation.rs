//! Chargeback: the spend of a span by who answers for it, gaps and exclusions in rows of their own, so that the file
//! adds up to the bill.

use std::collections::BTreeMap;

use crate::access::workloads::space::Workload;
use crate::base::ids::{SpaceId, WorkloadId};
use crate::base::money::{Currency, Money};
use crate::base::platform::Platform;
use crate::spend::bill::attributed::AttributedFact;
use crate::spend::bill::attribution::Verdict;
use crate::spend::bill::reconciliation::Unreadable;
use crate::spend::export::Span;
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::file::{Column, Document, csv_of, text};
use crate::spend::portfolio::Placement;

/// The spend of a span with who answers for it.
#[derive(Debug, Clone)]
pub struct Allocations {
    /// The days.
    pub span: Span,
    /// Facts of the span's months; those that count on other days are left out.
    pub facts: Vec<AttributedFact>,
    /// What of those months could not be read.
    pub unreadable: Unreadable,
    /// Who owns what answers for them.
    pub owners: Owners,
}

/// Names and places of workloads.
#[derive(Debug, Clone, Default)]
pub struct Owners(BTreeMap<WorkloadId, Owner>);

/// Who answers for spend, as text; blank for gaps and exclusions.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "ids and names, as the columns show them")]
pub struct Owner {
    pub workload_id: String,
    pub workload: String,
    pub space_id: String,
    pub place: Placement,
}

impl Owners {
    /// The workloads at their Spaces' places.
    #[must_use]
    pub fn new(workloads: Vec<Workload>, mut places: BTreeMap<SpaceId, Placement>) -> Self {
        places.retain(|space, _| workloads.iter().any(|workload| workload.space_id == *space));
        let owner = |workload: Workload| {
            let place = places.get(&workload.space_id).cloned().unwrap_or_default();
            let (workload_id, space_id) = (workload.id.to_string(), workload.space_id.to_string());
            (workload.id, Owner { workload_id, workload: workload.fields.name.into(), space_id, place })
        };
        Self(workloads.into_iter().map(owner).collect())
    }

    /// Who answers by this verdict. A workload without a record keeps its id.
    #[must_use]
    pub fn of(&self, verdict: &Verdict) -> Owner {
        match verdict {
            Verdict::Workload { workload_id, .. } => self
                .0
                .get(workload_id)
                .cloned()
                .unwrap_or_else(|| Owner { workload_id: workload_id.to_string(), ..Owner::default() }),
            Verdict::Gap { .. } | Verdict::Excluded { .. } => Owner::default(),
        }
    }
}

impl Allocations {
    /// The facts that count on the span's days: of a month, all of its bill.
    pub fn facts(&self) -> impl Iterator<Item = &AttributedFact> {
        let (first, last) = self.span.days();
        self.facts.iter().filter(move |a| (first..=last).contains(&a.fact.key.counts_on()))
    }

    /// What the facts add up to: all, and each of its three parts.
    #[must_use]
    pub fn control_totals(&self) -> BTreeMap<String, Vec<Money>> {
        let mut sums: BTreeMap<&str, BTreeMap<&Currency, Decimal>> = BTreeMap::new();
        for attributed in self.facts() {
            let (fact, verdict) = (&attributed.fact, attributed.verdict());
            let part = match verdict {
                Verdict::Workload { .. } => "attributed",
                Verdict::Gap { .. } => "gap",
                Verdict::Excluded { .. } => "excluded",
            };
            for name in ["cur", part] {
                *sums.entry(name).or_default().entry(&fact.key.currency).or_default() += fact.amount;
            }
        }
        let money =
            |(currency, sum): (&Currency, Decimal)| Money { amount: sum.normalize(), currency: currency.clone() };
        sums.into_iter().map(|(name, by)| (name.to_owned(), by.into_iter().map(money).collect())).collect()
    }
}

/// What a fact is, in a word: attributed, or which gap or exclusion.
#[must_use]
pub fn allocation_of(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Workload { .. } => "attributed".to_owned(),
        Verdict::Gap { kind, .. } => format!("gap:{}", kind.as_str()),
        Verdict::Excluded { why } => format!("excluded:{why}"),
    }
}

/// What makes two facts one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct RowKey<'a> {
    allocation: String,
    workload: Option<&'a WorkloadId>,
    platform: Option<Platform>,
    model: &'a str,
    usage_kind: &'static str,
    account_id: &'a str,
    region: &'a str,
    unit: &'a str,
    currency: &'a Currency,
}

impl<'a> RowKey<'a> {
    fn of(attributed: &'a AttributedFact) -> Self {
        let key = &attributed.fact.key;
        let workload = match attributed.verdict() {
            Verdict::Workload { workload_id, .. } => Some(workload_id),
            _ => None,
        };
        Self {
            allocation: allocation_of(attributed.verdict()),
            workload,
            platform: key.platform,
            model: attributed.attribution.model.label(),
            usage_kind: key.usage_kind.as_str(),
            account_id: &key.account_id,
            region: &key.region,
            unit: &key.unit,
            currency: &key.currency,
        }
    }
}

/// A row of the file: everything of one key, and who owns what answers for it.
struct Row<'a> {
    days: (Date, Date),
    key: RowKey<'a>,
    owner: Owner,
    quantity: Decimal,
    amount: Decimal,
}

/// The columns of the file. `docs/chargeback.md` is made of them; a test holds the two together.
impl<'a> Row<'a> {
    const COLUMNS: [Column<Row<'a>>; 20] = [
        Column::new("From", "the first day that the file covers", |row| row.days.0.to_string()),
        Column::new("To", "the last day that the file covers", |row| row.days.1.to_string()),
        Column::new("Allocation", "attributed, gap:<kind> or excluded:<why>: the three add up to the bill", |row| {
            text(&row.key.allocation)
        }),
        Column::new("WorkloadId", "the workload that answers for it; blank for gaps and exclusions", |row| {
            row.owner.workload_id.clone()
        }),
        Column::new("Workload", "its name", |row| text(&row.owner.workload)),
        Column::new("SpaceId", "the Space of that workload", |row| row.owner.space_id.clone()),
        Column::new("Space", "its name", |row| text(&row.owner.place.name)),
        Column::new("BusinessUnit", "the Space's business unit", |row| text(&row.owner.place.hierarchy.business_unit)),
        Column::new("Department", "the Space's department", |row| text(&row.owner.place.hierarchy.department)),
        Column::new("Portfolio", "the Space's portfolio", |row| text(&row.owner.place.hierarchy.portfolio)),
        Column::new("Product", "the Space's product", |row| text(&row.owner.place.hierarchy.product)),
        Column::new("Platform", "bedrock or claude-platform; blank where no term told the platform", |row| {
            row.key.platform.map_or("", Platform::as_str).to_owned()
        }),
        Column::new("Model", "the model's id, or its name in the bill where the alias table does not hold it", |row| {
            text(row.key.model)
        }),
        Column::new(
            "UsageKind",
            "input, output, cache and batch tokens apart, provisioned hours, CCU, AgentCore, other",
            |row| row.key.usage_kind.to_owned(),
        ),
        Column::new("AccountId", "the AWS account of the usage", |row| text(row.key.account_id)),
        Column::new("Region", "the region of the usage; blank on some AWS Marketplace rows", |row| {
            text(row.key.region)
        }),
        Column::new("Quantity", "how much was used, in Unit", |row| row.quantity.normalize().to_string()),
        Column::new("Unit", "tokens, CCU, hours, or the bill's own unit where it is not understood", |row| {
            text(row.key.unit)
        }),
        Column::new("Amount", "what AWS charges, unblended; exact, to ten places", |row| {
            row.amount.normalize().to_string()
        }),
        Column::new("Currency", "the currency of the bill; rows of different currencies are never added up", |row| {
            row.key.currency.to_string()
        }),
    ];
}

/// The chargeback file.
///
/// # Errors
/// None that memory does not have.
pub fn render(allocations: &Allocations) -> Result<Document, csv::Error> {
    let days = allocations.span.days();
    let mut rows: BTreeMap<RowKey<'_>, (Owner, Decimal, Decimal)> = BTreeMap::new();
    for attributed in allocations.facts() {
        let owner = || (allocations.owners.of(attributed.verdict()), Decimal::ZERO, Decimal::ZERO);
        let (_, quantity, amount) = rows.entry(RowKey::of(attributed)).or_insert_with(owner);
        *quantity = quantity.saturating_add(attributed.fact.quantity);
        *amount += attributed.fact.amount;
    }
    let row = |(key, (owner, quantity, amount))| Row { days, key, owner, quantity, amount };
    let (bytes, rows) = csv_of(&Row::COLUMNS, rows.into_iter().map(row))?;
    let control_totals = allocations.control_totals();
    let (extension, content_type, unreadable) = ("csv", "text/csv; charset=utf-8", allocations.unreadable);
    Ok(Document { bytes, extension, content_type, rows, control_totals, unreadable })
}

#[cfg(test)]
mod tests {
    use crate::base::calendar::{Month, Week};

    use super::*;
    use crate::spend::export::file::{explained, samples};

    #[test]
    fn every_column_is_explained_where_people_read_it() {
        let table = explained(&Row::COLUMNS);
        assert!(include_str!("../../../../../docs/chargeback.md").ends_with(&table), "{table}");
    }

    #[test]
    fn a_chargeback_adds_up_to_the_bill_and_hostile_names_are_inert() -> anyhow::Result<()> {
        let document = render(&samples::allocations()?)?;
        let text = String::from_utf8(document.bytes)?;
        let lines: Vec<&str> = text.lines().collect();
        let place = "111122223333,us-east-1";
        let owner = "wkl_1,\"'=HYPERLINK(\"\"http://x\"\";\"\"y\"\")\",spc_1,'@space,,,,\"a, \"\"b\"\"\"";
        let model = "bedrock,amazon.nova-lite-v1:0,input";
        assert_eq!(lines.first(), Some(&Row::COLUMNS.map(|column| column.name).join(",").as_str()));
        assert_eq!(
            lines.get(1..),
            Some(
                [
                    format!("2026-08-01,2026-08-31,attributed,{owner},{model},{place},2000,tokens,3.0000000001,USD")
                        .as_str(),
                    &format!("2026-08-01,2026-08-31,excluded:credit,,,,,,,,,{model},{place},1000,tokens,-1,USD"),
                    &format!("2026-08-01,2026-08-31,gap:unclaimed,,,,,,,,,{model},{place},1000,tokens,-0.5,USD"),
                ]
                .as_slice()
            )
        );
        assert_eq!(document.rows, 3);
        let total =
            |name: &str| document.control_totals.get(name).and_then(|m| m.first()).map(|m| m.amount.to_string());
        let totals: Vec<Option<String>> = ["cur", "attributed", "gap", "excluded"].map(total).into();
        assert_eq!(totals, ["1.5000000001", "3.0000000001", "-0.5", "-1"].map(|t| Some(t.to_owned())));
        Ok(())
    }

    #[test]
    fn usage_outside_the_month_of_its_bill_is_in_that_months_file_and_in_one_weeks() -> anyhow::Result<()> {
        let mut month = samples::allocations()?;
        let total = |allocations: &Allocations| allocations.control_totals().get("cur").cloned();
        let before = total(&month);
        let billed_in: Month = "2026-08".parse()?;
        for (attributed, day) in month.facts.iter_mut().zip(["2026-06-30", "2026-09-01"]) {
            attributed.fact.key.day = day.parse()?;
            attributed.fact = attributed.fact.clone().billed_in(billed_in);
        }
        assert_eq!(total(&month), before);
        assert_eq!(render(&month)?.control_totals.get("cur"), before.as_ref());
        let amounts = |day: &str| -> anyhow::Result<Vec<Decimal>> {
            let span = Span::Week(Week::of(day.parse()?));
            let week = Allocations { span, ..month.clone() };
            Ok(week.facts().map(|attributed| attributed.fact.amount.normalize()).collect())
        };
        assert_eq!(amounts("2026-08-01")?, ["1.0000000001".parse()?], "what came before counts on the first day");
        assert_eq!(amounts("2026-08-31")?, [Decimal::TWO], "what came after, on the last");
        Ok(())
    }
}
