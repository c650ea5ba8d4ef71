//! The same spend by day in the columns of FOCUS 1.2 (FinOps Open Cost and Usage Specification), so that it loads into what
//! reads other clouds' bills. Columns that the facts do not hold are left out rather than guessed; what FOCUS has no
//! column for is in `x_` columns, as it asks.

use domain::base::calendar::next_day;
use domain::base::platform::Platform;
use domain::spend::bill::LineItemType;
use jiff::civil::Date;

use super::allocation::{Allocations, Owner, allocation_of};
use super::{Document, cell, csv_of};
use crate::bill::Attributed;

/// The columns in FOCUS's order, own ones last, and what each means here. `focus.md` beside the crate's manifest is made of
/// it; a test holds the two together.
pub(crate) const COLUMNS: [(&str, &str); 30] = [
    (
        "BilledCost",
        "what AWS charges for the row, unblended and before discounts that are rows of their own; exact, to ten places",
    ),
    ("BillingCurrency", "the currency of the bill; rows of different currencies are never added up"),
    ("BillingPeriodEnd", "the first moment after the month of the bill, UTC"),
    ("BillingPeriodStart", "the first moment of the month of the bill, UTC"),
    ("ChargeCategory", "Usage, Purchase, Tax, Credit or Adjustment, from CUR's line-item type"),
    ("ChargeFrequency", "Usage-Based for usage; blank where CUR does not say how often the charge recurs"),
    ("ChargePeriodEnd", "the first moment after the day of usage, UTC"),
    (
        "ChargePeriodStart",
        "the first moment of the day of usage, UTC; may lie outside the month of the bill, as late corrections do",
    ),
    ("ConsumedQuantity", "how much was used, in ConsumedUnit; blank for what is no usage"),
    ("ConsumedUnit", "tokens, CCU, hours, or the bill's own unit where it is not understood"),
    (
        "EffectiveCost",
        "equal to BilledCost: neither Reserved Instances nor Savings Plans cover these services, so nothing is amortised into them",
    ),
    ("ProviderName", "AWS, which provides both platforms"),
    ("RegionId", "the region of the usage; blank on some AWS Marketplace rows"),
    ("ServiceCategory", "AI and Machine Learning"),
    ("ServiceName", "Amazon Bedrock or Claude Platform on AWS; blank where no term told the platform"),
    ("SubAccountId", "the AWS account of the usage"),
    ("x_Allocation", "attributed, gap:<kind> or excluded:<why>: the three add up to the bill"),
    ("x_AttributionAnchor", "the role, workspace or caller that the spend hangs on"),
    ("x_BusinessUnit", "the Space's business unit"),
    ("x_Department", "the Space's department"),
    ("x_Invoiced", "whether the rows carry an invoice, after which they are final"),
    ("x_LineItemType", "CUR's line-item type, as AWS writes it"),
    ("x_Model", "the model's id, or its name in the bill where the alias table does not hold it"),
    ("x_Portfolio", "the Space's portfolio"),
    ("x_Product", "the Space's product"),
    ("x_SpaceId", "the Space of the workload that answers for it; blank for gaps and exclusions"),
    ("x_SpaceName", "its name"),
    ("x_UsageKind", "input, output, cache and batch tokens apart, provisioned hours, CCU, AgentCore, other"),
    ("x_WorkloadId", "the workload that answers for it; blank for gaps and exclusions"),
    ("x_WorkloadName", "its name"),
];

/// The file.
///
/// # Errors
/// None that memory does not have.
pub(crate) fn render(allocations: &Allocations) -> Result<Document, csv::Error> {
    let rows = allocations.facts().map(|attributed| row(attributed, allocations.owners.of(&attributed.verdict)));
    let (bytes, rows) = csv_of(&COLUMNS.map(|(name, _)| name), rows)?;
    let control_totals = allocations.control_totals();
    let (extension, content_type, unreadable) = ("csv", "text/csv; charset=utf-8", allocations.unreadable);
    Ok(Document { bytes, extension, content_type, rows, control_totals, unreadable })
}

fn row(attributed: &Attributed, owner: Owner) -> [String; 30] {
    let Attributed { fact, model, verdict, .. } = attributed;
    let key = &fact.key;
    let month = key.month();
    let text = |text: &str| cell(text).into_owned();
    let category = charge_category(&key.line_item_type);
    let hierarchy = owner.place.hierarchy;
    // Unblended: neither Reserved Instances nor Savings Plans cover these services, so nothing is amortised into them.
    let cost = fact.amount.normalize().to_string();
    let (quantity, unit) = match category {
        "Usage" => (fact.quantity.normalize().to_string(), text(&key.unit)),
        _ => (String::new(), String::new()),
    };
    [
        cost.clone(),
        key.currency.to_string(),
        midnight(next_day(month.last_day())),
        midnight(month.first_day()),
        category.to_owned(),
        if category == "Usage" { "Usage-Based".to_owned() } else { String::new() },
        midnight(next_day(key.day)),
        midnight(key.day),
        quantity,
        unit,
        cost,
        "AWS".to_owned(),
        text(&key.region),
        "AI and Machine Learning".to_owned(),
        key.platform.map_or("", service_name).to_owned(),
        text(&key.account_id),
        text(&allocation_of(verdict)),
        text(&key.anchor.label()),
        text(&hierarchy.business_unit),
        text(&hierarchy.department),
        key.invoiced.to_string(),
        text(key.line_item_type.as_str()),
        text(model.label()),
        text(&hierarchy.portfolio),
        text(&hierarchy.product),
        owner.space_id,
        text(&owner.place.name),
        key.usage_kind.as_str().to_owned(),
        owner.workload_id,
        text(&owner.workload),
    ]
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
    use crate::render::samples;

    #[test]
    fn every_column_is_explained_where_people_read_it() {
        let row = |(name, meaning): (&str, &str)| format!("| `{name}` | {meaning} |\n");
        let table: String = COLUMNS.into_iter().map(row).collect();
        assert!(
            include_str!("../../focus.md").ends_with(&format!("| Column | Meaning |\n|---|---|\n{table}")),
            "{table}"
        );
        assert!(COLUMNS.iter().all(|(_, meaning)| !meaning.is_empty() && !meaning.contains('|')));
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
