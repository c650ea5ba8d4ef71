//! The same spend by day in the columns of FOCUS 1.2 (FinOps Open Cost and Usage Specification), so that it loads
//! into what reads other clouds' bills. Columns that the facts do not hold are left out rather than guessed; what
//! FOCUS has no column for is in `x_` columns, as it asks.

use crate::base::calendar::next_day;
use crate::base::platform::Platform;
use crate::spend::bill::LineItemType;
use crate::spend::bill::attributed::AttributedFact;
use crate::spend::bill::facts::{Fact, FactKey};
use jiff::civil::Date;

use super::allocation::{Allocations, Owner, allocation_of};
use super::file::{Column, Document, csv_of, text};

/// A row of the file: a fact, and who owns what answers for it.
struct Row<'a> {
    attributed: &'a AttributedFact,
    owner: Owner,
}

impl Row<'_> {
    const fn fact(&self) -> &Fact {
        &self.attributed.fact
    }

    const fn key(&self) -> &FactKey {
        &self.attributed.fact.key
    }

    const fn category(&self) -> &'static str {
        charge_category(&self.key().line_item_type)
    }

    /// Credits and taxes have no quantity.
    fn if_usage(&self, value: impl Fn() -> String) -> String {
        if self.category() == "Usage" { value() } else { String::new() }
    }
}

/// The columns in FOCUS's order, own ones last. `docs/focus.md` is made of them; a test holds the two
/// together.
impl<'a> Row<'a> {
    const COLUMNS: [Column<Row<'a>>; 30] = [
        Column::new(
            "BilledCost",
            "what AWS charges for the row, unblended and before discounts that are rows of their own; exact, to ten \
             places",
            |row| row.fact().amount.normalize().to_string(),
        ),
        Column::new(
            "BillingCurrency",
            "the currency of the bill; rows of different currencies are never added up",
            |row| row.key().currency.to_string(),
        ),
        Column::new("BillingPeriodEnd", "the first moment after the month of the bill, UTC", |row| {
            midnight(next_day(row.key().month().last_day()))
        }),
        Column::new("BillingPeriodStart", "the first moment of the month of the bill, UTC", |row| {
            midnight(row.key().month().first_day())
        }),
        Column::new("ChargeCategory", "Usage, Purchase, Tax, Credit or Adjustment, from CUR's line-item type", |row| {
            row.category().to_owned()
        }),
        Column::new(
            "ChargeFrequency",
            "Usage-Based for usage; blank where CUR does not say how often the charge recurs",
            |row| row.if_usage(|| "Usage-Based".to_owned()),
        ),
        Column::new("ChargePeriodEnd", "the first moment after the day of usage, UTC", |row| {
            midnight(next_day(row.key().day))
        }),
        Column::new(
            "ChargePeriodStart",
            "the first moment of the day of usage, UTC; may lie outside the month of the bill, as late corrections do",
            |row| midnight(row.key().day),
        ),
        Column::new("ConsumedQuantity", "how much was used, in ConsumedUnit; blank for what is no usage", |row| {
            row.if_usage(|| row.fact().quantity.normalize().to_string())
        }),
        Column::new("ConsumedUnit", "tokens, CCU, hours, or the bill's own unit where it is not understood", |row| {
            row.if_usage(|| text(&row.key().unit))
        }),
        Column::new(
            "EffectiveCost",
            "equal to BilledCost: neither Reserved Instances nor Savings Plans cover these services, so nothing is \
             amortised into them",
            |row| row.fact().amount.normalize().to_string(),
        ),
        Column::new("ProviderName", "AWS, which provides both platforms", |_| "AWS".to_owned()),
        Column::new("RegionId", "the region of the usage; blank on some AWS Marketplace rows", |row| {
            text(&row.key().region)
        }),
        Column::new("ServiceCategory", "AI and Machine Learning", |_| "AI and Machine Learning".to_owned()),
        Column::new(
            "ServiceName",
            "Amazon Bedrock or Claude Platform on AWS; blank where no term told the platform",
            |row| row.key().platform.map_or("", service_name).to_owned(),
        ),
        Column::new("SubAccountId", "the AWS account of the usage", |row| text(&row.key().account_id)),
        Column::new("x_Allocation", "attributed, gap:<kind> or excluded:<why>: the three add up to the bill", |row| {
            text(&allocation_of(row.attributed.verdict()))
        }),
        Column::new("x_AttributionAnchor", "the role, workspace or caller that the spend hangs on", |row| {
            text(&row.key().anchor.label())
        }),
        Column::new("x_BusinessUnit", "the Space's business unit", |row| {
            text(&row.owner.place.hierarchy.business_unit)
        }),
        Column::new("x_Department", "the Space's department", |row| text(&row.owner.place.hierarchy.department)),
        Column::new("x_Invoiced", "whether the rows carry an invoice, after which they are final", |row| {
            row.key().invoiced.to_string()
        }),
        Column::new("x_LineItemType", "CUR's line-item type, as AWS writes it", |row| {
            text(row.key().line_item_type.as_str())
        }),
        Column::new(
            "x_Model",
            "the model's id, or its name in the bill where the alias table does not hold it",
            |row| text(row.attributed.attribution.model.label()),
        ),
        Column::new("x_Portfolio", "the Space's portfolio", |row| text(&row.owner.place.hierarchy.portfolio)),
        Column::new("x_Product", "the Space's product", |row| text(&row.owner.place.hierarchy.product)),
        Column::new(
            "x_SpaceId",
            "the Space of the workload that answers for it; blank for gaps and exclusions",
            |row| row.owner.space_id.clone(),
        ),
        Column::new("x_SpaceName", "its name", |row| text(&row.owner.place.name)),
        Column::new(
            "x_UsageKind",
            "input, output, cache and batch tokens apart, provisioned hours, CCU, AgentCore, other",
            |row| row.key().usage_kind.as_str().to_owned(),
        ),
        Column::new("x_WorkloadId", "the workload that answers for it; blank for gaps and exclusions", |row| {
            row.owner.workload_id.clone()
        }),
        Column::new("x_WorkloadName", "its name", |row| text(&row.owner.workload)),
    ];
}

/// The file.
///
/// # Errors
/// None that memory does not have.
pub fn render(allocations: &Allocations) -> Result<Document, csv::Error> {
    let row = |attributed| Row { attributed, owner: allocations.owners.of(attributed.verdict()) };
    let (bytes, rows) = csv_of(&Row::COLUMNS, allocations.facts().map(row))?;
    let control_totals = allocations.control_totals();
    let (extension, content_type, unreadable) = ("csv", "text/csv; charset=utf-8", allocations.unreadable);
    Ok(Document { bytes, extension, content_type, rows, control_totals, unreadable })
}

fn midnight(day: Date) -> String {
    format!("{day}T00:00:00Z")
}

const fn service_name(platform: Platform) -> &'static str {
    match platform {
        Platform::Bedrock => "Amazon Bedrock",
        Platform::ClaudePlatform => "Claude Platform on AWS",
    }
}

/// FOCUS knows five categories of charge.
const fn charge_category(kind: &LineItemType) -> &'static str {
    use LineItemType::{
        Credit, DiscountedUsage, Fee, RiFee, SavingsPlanRecurringFee, SavingsPlanUpfrontFee, Tax, Usage,
    };
    match kind {
        Usage | DiscountedUsage => "Usage",
        Credit => "Credit",
        Tax => "Tax",
        Fee | RiFee | SavingsPlanUpfrontFee | SavingsPlanRecurringFee => "Purchase",
        _ => "Adjustment",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spend::export::file::{explained, samples};

    #[test]
    fn every_column_is_explained_where_people_read_it() {
        let table = explained(&Row::COLUMNS);
        assert!(include_str!("../../../../../docs/focus.md").ends_with(&table), "{table}");
        assert!(Row::COLUMNS.iter().all(|column| !column.meaning.is_empty() && !column.meaning.contains('|')));
    }

    #[test]
    fn usage_outside_the_month_of_its_bill_keeps_its_day_and_its_bill() -> anyhow::Result<()> {
        let mut allocations = samples::allocations()?;
        allocations.facts.truncate(1);
        for attributed in &mut allocations.facts {
            attributed.fact.key.day = "2026-06-30".parse()?;
            attributed.fact = attributed.fact.clone().billed_in("2026-08".parse()?);
        }
        let text = String::from_utf8(render(&allocations)?.bytes)?;
        let (billed, used) =
            ("USD,2026-09-01T00:00:00Z,2026-08-01T00:00:00Z,", ",2026-07-01T00:00:00Z,2026-06-30T00:00:00Z,");
        assert!(text.contains(billed) && text.contains(used), "{text}");
        Ok(())
    }

    #[test]
    fn each_fact_is_a_row_and_the_columns_are_in_focus_order() -> anyhow::Result<()> {
        let document = render(&samples::allocations()?)?;
        assert_eq!(document.rows, 4);
        let mut reader = csv::Reader::from_reader(document.bytes.as_slice());
        let columns = reader.headers()?.clone();
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>()?;
        let at = |row: usize, column: &str| {
            let index = columns.iter().position(|name| name == column)?;
            rows.get(row)?.get(index)
        };
        assert_eq!(at(0, "BilledCost"), Some("1.0000000001"));
        assert_eq!(at(0, "ChargePeriodStart"), Some("2026-08-16T00:00:00Z"));
        assert_eq!(at(0, "ChargePeriodEnd"), Some("2026-08-17T00:00:00Z"));
        assert_eq!(at(0, "BillingPeriodEnd"), Some("2026-09-01T00:00:00Z"));
        assert_eq!((at(0, "x_SpaceName"), at(0, "x_WorkloadId")), (Some("'@space"), Some("wkl_1")));
        assert_eq!((at(3, "ChargeCategory"), at(3, "ConsumedUnit")), (Some("Credit"), Some("")));
        assert_eq!(at(3, "x_Allocation"), Some("excluded:credit"));
        let names: Vec<&str> = columns.iter().collect();
        assert!(names.is_sorted_by_key(|name| (name.starts_with("x_"), name.to_owned())), "{names:?}");
        Ok(())
    }
}
