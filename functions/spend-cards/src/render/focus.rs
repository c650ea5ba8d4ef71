//! The same spend by day in the columns of FOCUS 1.2 (FinOps Open Cost and Usage Specification), so that it loads into what
//! reads other clouds' bills. Columns that the facts do not hold are left out rather than guessed; what FOCUS has no
//! column for is in `x_` columns, as it asks.

use domain::bill::LineItemType;
use domain::calendar::{Month, next_day};
use domain::platform::Platform;
use jiff::civil::Date;

use super::allocation::{Allocations, Owner, allocation_of};
use super::{Document, cell, csv_of};
use crate::bill::Attributed;

const HEADER: [&str; 30] = [
    "BilledCost",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "EffectiveCost",
    "ProviderName",
    "RegionId",
    "ServiceCategory",
    "ServiceName",
    "SubAccountId",
    "x_Allocation",
    "x_AttributionAnchor",
    "x_BusinessUnit",
    "x_Department",
    "x_Invoiced",
    "x_LineItemType",
    "x_Model",
    "x_Portfolio",
    "x_Product",
    "x_SpaceId",
    "x_SpaceName",
    "x_UsageKind",
    "x_WorkloadId",
    "x_WorkloadName",
];

/// The file.
///
/// # Errors
/// None that memory does not have.
pub(crate) fn render(allocations: &Allocations) -> Result<Document, csv::Error> {
    let rows = allocations.facts().map(|attributed| row(attributed, allocations.owners.of(&attributed.verdict)));
    let (bytes, rows) = csv_of(&HEADER, rows)?;
    let control_totals = allocations.control_totals();
    Ok(Document { bytes, extension: "csv", content_type: "text/csv; charset=utf-8", rows, control_totals })
}

fn row(attributed: &Attributed, owner: Owner) -> [String; 30] {
    let Attributed { fact, model, verdict, .. } = attributed;
    let key = &fact.key;
    let month = Month::of(key.day);
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
