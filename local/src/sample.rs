//! The shipped CUR 2.0 sample: two months of an invented organisation's bill, in AWS's own format.
//!
//! Everything follows from the tables in `streams` and `charges`: the same code writes the same bytes anywhere. Which
//! lines are AI is stated by the tables, never found by the terms that the product matches with, so that the totals of
//! this module are an independent check of the product's.

mod charges;
mod large;
mod line;
mod organisation;
mod streams;
mod writing;

use std::path::{Path, PathBuf};

use domain::base::calendar::Month;
use jiff::civil::{Date, date};
use rust_decimal::{Decimal, RoundingStrategy};

pub use large::{ACCOUNTS, Large, caller_of, write_large};
pub use line::Line;

/// The export's name.
pub const EXPORT: &str = "finops-cur";

/// The bucket and prefix that its manifests name.
pub const LOCATION: &str = "s3://finops-center-cur/exports";

/// The first day of the bill.
pub const FIRST_DAY: Date = date(2026, 7, 1);

/// The last day of the bill. July is invoiced, August is not.
pub const LAST_DAY: Date = date(2026, 8, 23);

/// What a month's lines add up to, in exact decimals, each cost rounded half-up to 10 places as the product rounds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// All AI lines, of every line-item type.
    pub ai_cost: Decimal,
    /// How many they are.
    pub ai_rows: usize,
    /// The AI lines of type `Usage`.
    pub ai_usage_cost: Decimal,
    /// The whole bill.
    pub all_cost: Decimal,
    /// How many lines it has.
    pub all_rows: usize,
}

/// The months of the bill.
#[must_use]
pub fn months() -> [Month; 2] {
    [Month::of(FIRST_DAY), Month::of(LAST_DAY)]
}

/// The lines of a month, in the order in which they are written.
#[must_use]
pub fn lines(month: Month) -> Vec<Line> {
    let days = month.periods().into_iter().flat_map(domain::base::calendar::Period::days);
    let billed: Vec<Date> = days.filter(|day| (FIRST_DAY..=LAST_DAY).contains(day)).collect();
    let mut lines: Vec<Line> = billed.iter().flat_map(|day| streams::lines_of(*day)).collect();
    lines.extend(billed.iter().flat_map(|day| charges::lines_of(*day)));
    lines
}

/// What the lines of a month add up to.
#[must_use]
pub fn totals(month: Month) -> Totals {
    let lines = lines(month);
    let ai = || lines.iter().filter(|line| line.is_ai);
    Totals {
        ai_cost: ai().map(cost_of).sum(),
        ai_rows: ai().count(),
        ai_usage_cost: ai().filter(|line| line.line_item_type == "Usage").map(cost_of).sum(),
        all_cost: lines.iter().map(cost_of).sum(),
        all_rows: lines.len(),
    }
}

/// A line's cost as the product counts it.
#[must_use]
pub fn cost_of(line: &Line) -> Decimal {
    let places = domain::base::money::COST_DECIMAL_PLACES;
    line.cost().round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)
}

/// Writes the export below a folder: `<folder>/finops-cur/{data,metadata}/BILLING_PERIOD=…`.
///
/// # Errors
/// When the folder is not writable.
pub fn write(folder: &Path) -> std::io::Result<()> {
    months().into_iter().try_for_each(|month| writing::write_month(&folder.join(EXPORT), month, &lines(month)))
}

/// The copy that is kept in the repository.
#[must_use]
pub fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample").join(EXPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_amount_survives_the_bills_doubles() -> Result<(), Box<dyn std::error::Error>> {
        for line in months().into_iter().flat_map(lines) {
            for amount in [line.cost(), line.quantity] {
                let double: f64 = amount.to_string().parse()?;
                assert_eq!(double.to_string().parse::<Decimal>()?, amount.normalize(), "{line:?}");
            }
        }
        Ok(())
    }

    #[test]
    fn the_demos_anchors_have_spend_on_every_day() {
        let anchors = ["/finops-ai-checkout-assistant/", "workspace/wrkspc_01SupportDesk", "/finops-ai-claims-triage/"];
        for anchor in anchors {
            for month in months() {
                let lines = lines(month);
                let named = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains(anchor));
                let is_its = |line: &&Line| named(&line.principal) || named(&line.resource_id);
                let days: std::collections::BTreeSet<Date> =
                    lines.iter().filter(is_its).filter(|line| line.cost() > Decimal::ZERO).map(|l| l.day).collect();
                let expected = lines.iter().map(|line| line.day).collect::<std::collections::BTreeSet<_>>();
                assert_eq!(days, expected, "{anchor}");
            }
        }
    }
}
