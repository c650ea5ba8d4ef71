//! Results of the two queries as facts and control totals. Pure; what cannot be read is counted and named, never
//! guessed.

use std::collections::BTreeMap;
use std::num::ParseIntError;

use domain::base::calendar::Month;
use domain::base::money::Currency;
use domain::spend::bill::alias::Aliases;
use domain::spend::bill::facts::{AnchorDay, Folding, read_group};
use domain::spend::bill::line::{LineGroup, LineItemType, UnreadableRow, bounded};
use domain::spend::bill::number::{MalformedNumber, parse_decimal};
use domain::spend::bill::reconciliation::{Control, ControlTotal, Unreadable};
use domain::spend::bill::settings::BillSettings;
use domain::spend::bill::slice::{Slice, SliceTotal, slices_of};
use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::query::CONTROL_COLUMNS;
use crate::row::Row;

/// Why a run's rows cannot be shown. The last good figures stay.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnreadableResult {
    /// Groups that `domain` cannot read.
    #[error("{count} of {of} groups of rows cannot be read; the first: {first}")]
    Groups { count: usize, of: usize, first: String },
    /// Rows whose cost is no number; SQL counts them as nothing.
    #[error(
        "{0} AI rows of the bill have a cost that is missing or no finite number; AWS restates such rows, or the \
         file is damaged"
    )]
    Costs(u64),
    /// The control query's answer.
    #[error("column {column} of the control total reads `{text}`")]
    Control { column: &'static str, text: String },
}

/// Reads the groups of a result one by one.
pub(crate) struct FactsReader<'r> {
    month: Month,
    settings: &'r BillSettings,
    aliases: &'r Aliases,
    folding: Folding,
    groups: usize,
    unreadable: usize,
    first_unreadable: Option<UnreadableRow>,
}

impl<'r> FactsReader<'r> {
    pub(crate) fn new(month: Month, settings: &'r BillSettings, aliases: &'r Aliases) -> Self {
        let folding = Folding::default();
        Self { month, settings, aliases, folding, groups: 0, unreadable: 0, first_unreadable: None }
    }

    pub(crate) fn read(&mut self, row: &Row) {
        self.groups += 1;
        match LineGroup::parse(row) {
            Ok(group) => {
                self.folding.add(read_group(&group, self.settings, self.aliases).fact.billed_in(self.month));
            }
            Err(error) => {
                self.unreadable += 1;
                self.first_unreadable.get_or_insert(error);
            }
        }
    }

    /// The facts, and how many groups of rows they were.
    pub(crate) fn finish(self) -> Result<(Vec<AnchorDay>, usize), UnreadableResult> {
        match self.first_unreadable {
            None => Ok((self.folding.into_days(), self.groups)),
            Some(first) => {
                let (count, of) = (self.unreadable, self.groups);
                Err(UnreadableResult::Groups { count, of, first: first.to_string() })
            }
        }
    }

    /// The slices of all that can be read.
    pub(crate) fn slices(&self) -> BTreeMap<Slice, SliceTotal> {
        slices_of(self.folding.facts())
    }
}

/// The slices of a result. A row that cannot be read is a slice of a day or currency that cannot: it is left out
/// here, for the facts name it.
pub(crate) fn read_slices(rows: &[Row]) -> BTreeMap<Slice, SliceTotal> {
    let mut slices: BTreeMap<Slice, SliceTotal> = BTreeMap::new();
    for row in rows {
        let text = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default().trim();
        let currency = if text(0).is_empty() { Ok(Currency::usd()) } else { text(0).parse() };
        let place = |at: usize| bounded(text(at));
        let (Ok(currency), Ok(day), Ok(cost)) = (currency, text(1).parse::<Date>(), parse_decimal(text(4))) else {
            continue;
        };
        let line_item_type = LineItemType::from(place(3));
        let total = slices.entry(Slice { currency, day, account_id: place(2), line_item_type }).or_default();
        total.cost += cost;
        total.rows = total.rows.saturating_add(text(5).parse().unwrap_or_default());
        total.unreadable_rows = total.unreadable_rows.saturating_add(text(6).parse().unwrap_or_default());
    }
    slices
}

/// The control totals of a result: one row per currency, a blank one being US dollars as in the facts.
pub(crate) fn read_control(rows: &[Row]) -> Result<Control, UnreadableResult> {
    let mut control = Control::new();
    let mut unreadable_costs = 0;
    for row in rows {
        let read = ControlRow::read(row)?;
        unreadable_costs += read.unreadable_costs;
        match control.get_mut(&read.currency) {
            None => {
                control.insert(read.currency, read.total);
            }
            Some(sum) => add(sum, &read.total),
        }
    }
    if unreadable_costs > 0 { Err(UnreadableResult::Costs(unreadable_costs)) } else { Ok(control) }
}

struct ControlRow {
    currency: Currency,
    total: ControlTotal,
    /// Of AI rows.
    unreadable_costs: u64,
}

impl ControlRow {
    fn read(row: &Row) -> Result<Self, UnreadableResult> {
        let text = |column: &'static str| {
            let at = CONTROL_COLUMNS.iter().position(|name| *name == column);
            at.and_then(|at| row.get(at)).and_then(Option::as_deref).unwrap_or_default().trim()
        };
        let odd = |column: &'static str| UnreadableResult::Control { column, text: text(column).to_owned() };
        let amount = |column| parse_decimal(text(column)).map_err(|_: MalformedNumber| odd(column));
        let count = |column| text(column).parse::<u64>().map_err(|_: ParseIntError| odd(column));
        let day = |column| match text(column) {
            "" => Ok(None),
            given => given.parse::<Date>().map(Some).map_err(|_| odd(column)),
        };
        let currency = match text("currency") {
            "" => Currency::usd(),
            code => code.parse().map_err(|_| odd("currency"))?,
        };
        let unreadable_costs = count("ai_unreadable_rows")?;
        let unreadable = Unreadable {
            amounts: count("ai_unreadable_amounts")?,
            non_ai_costs: count("unreadable_rows")?.saturating_sub(unreadable_costs),
        };
        let total = ControlTotal {
            ai_cost: amount("ai_cost")?,
            ai_rows: count("ai_rows")?,
            all_cost: amount("all_cost")?,
            all_rows: count("all_rows")?,
            first_day: day("first_usage_day")?,
            last_day: day("last_usage_day")?,
            unreadable,
        };
        Ok(Self { currency, total, unreadable_costs })
    }
}

fn add(sum: &mut ControlTotal, other: &ControlTotal) {
    sum.ai_cost = Decimal::normalize(&(sum.ai_cost + other.ai_cost));
    sum.all_cost = Decimal::normalize(&(sum.all_cost + other.all_cost));
    sum.ai_rows = sum.ai_rows.saturating_add(other.ai_rows);
    sum.all_rows = sum.all_rows.saturating_add(other.all_rows);
    sum.first_day = [sum.first_day, other.first_day].into_iter().flatten().min();
    sum.last_day = [sum.last_day, other.last_day].into_iter().flatten().max();
    sum.unreadable = sum.unreadable.and(other.unreadable);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: [&str; 11]) -> Row {
        fields.iter().map(|field| Some((*field).to_owned())).collect()
    }

    #[test]
    fn a_blank_currency_counts_as_dollars_beside_those_that_say_so() -> Result<(), UnreadableResult> {
        let control = read_control(&[
            row(["", "1.5", "2", "3", "4", "2026-08-02", "2026-08-05", "1.5", "0", "0", "2"]),
            row(["USD", "0.5", "1", "2", "2", "2026-08-01", "2026-08-03", "1.5", "0", "1", "3"]),
        ])?;
        let usd = control.get(&Currency::usd());
        assert_eq!(usd.map(|t| (t.ai_cost.to_string(), t.ai_rows, t.all_rows)), Some(("2".to_owned(), 3, 6)));
        assert_eq!(usd.map(|t| t.unreadable), Some(Unreadable { amounts: 5, non_ai_costs: 1 }), "counted, not refused");
        assert_eq!(usd.and_then(|t| t.first_day).map(|d| d.to_string()).as_deref(), Some("2026-08-01"));
        assert_eq!(usd.and_then(|t| t.last_day).map(|d| d.to_string()).as_deref(), Some("2026-08-05"));
        Ok(())
    }

    #[test]
    fn costs_that_are_no_numbers_and_odd_answers_are_refused_by_name() {
        let refused = |fields| read_control(&[row(fields)]).map_err(|e| e.to_string()).err().unwrap_or_default();
        let day = "2026-08-01";
        assert!(refused(["USD", "1", "1", "1", "1", day, day, "0", "3", "3", "0"]).starts_with("3 AI rows"));
        assert!(refused(["USD", "x", "1", "1", "1", day, day, "0", "0", "0", "0"]).contains("ai_cost"));
        assert!(refused(["usd!", "1", "1", "1", "1", day, day, "0", "0", "0", "0"]).contains("currency"));
        let facts = Aliases::shipped().map(|aliases| {
            let settings = BillSettings::default();
            let mut reader = FactsReader::new(Month::of(Date::ZERO), &settings, &aliases);
            reader.read(&vec![None; 3]);
            reader.finish()
        });
        assert!(matches!(facts, Ok(Err(UnreadableResult::Groups { count: 1, of: 1, .. }))));
    }
}
