//! What is wrong with an export, before anybody trusts its numbers; pure, fed by whoever can read.
//!
//! A missing column is not zero spend, and a bill that says less than it could is not an error of the query: so each
//! finding names what was seen and what to do next. The local command reads a folder, the function a bucket.

mod row;
mod terms;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::line::LineItemType;
use super::settings::BillSettings;
use crate::base::calendar::{Month, next_day, start_of_day, utc_day};

pub use row::{COLUMNS, CensusRow, UnreadableCensus};
pub use terms::Term;

/// The callers' column; AWS fills it since `CALLERS_SINCE` in exports made with `INCLUDE_IAM_PRINCIPAL_DATA=TRUE`.
pub const PRINCIPAL_COLUMN: &str = "line_item_iam_principal";
/// AWS:cur/latest/userguide/table-dictionary-cur2 gives the day.
const CALLERS_SINCE: Date = date(2026, 4, 8);
/// AWS delivers at least once a day, and up to a day late.
const FRESH_HOURS_MAX: i64 = 48;
/// Files, products and terms that one finding names.
const NAMED_MAX: usize = 5;

/// Columns without which the figures are wrong or nothing; the others that the queries read only sharpen them.
pub const VITAL_COLUMNS: [&str; 8] = [
    "bill_billing_entity",
    "line_item_currency_code",
    "line_item_line_item_type",
    "line_item_product_code",
    "line_item_unblended_cost",
    "line_item_usage_account_id",
    "line_item_usage_start_date",
    "line_item_usage_type",
];

/// Texts in a line's product, usage type or description that let it look like AI, as a regular expression over lower
/// case.
pub const LOOKS_LIKE_AI: &str =
    "bedrock|anthropic|claude|openai|mistral|cohere|deepseek|llama|foundation model|generative ai";

/// A month of an export, as far as its files and manifest say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The billing period.
    pub month: Month,
    /// When AWS delivered it; not known of files that people copied.
    pub delivered_at: Option<Timestamp>,
    /// The columns, in lower case.
    pub columns: BTreeSet<String>,
    /// Files that cannot be read, and why.
    pub unreadable_files: BTreeMap<String, String>,
    /// Files that lack columns which other files of the month have, and which.
    pub differing_files: BTreeMap<String, BTreeSet<String>>,
    /// What its rows say; nothing where they could not be asked.
    pub census: Option<Census>,
}

/// What the rows of a month say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Rows of the whole bill.
    pub all_rows: u64,
    /// Rows that the AI terms select.
    pub ai_rows: u64,
    /// Rows whose cost is missing or no finite number.
    pub unreadable_costs: u64,
    /// AI rows whose amount of usage is.
    pub unreadable_amounts: u64,
    /// The last day of usage.
    pub last_usage_day: Option<Date>,
    /// Rows of usage that AWS bills for Bedrock, and those of them that name their caller.
    pub bedrock_rows: u64,
    /// See above.
    pub bedrock_rows_with_caller: u64,
    /// Rows of usage of Claude Platform, and those of them that name their workspace, by resource or by tag.
    pub claude_rows: u64,
    /// See above.
    pub claude_rows_with_workspace: u64,
    /// Rows with the workspace tag.
    pub tagged_rows: u64,
    /// Rows by the term that they meet; one may meet several.
    pub rows_by_term: BTreeMap<Term, u64>,
    /// Rows that look like AI and meet no term.
    pub lookalikes: Vec<Lookalike>,
}

/// Rows that look like AI and meet no term, by product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookalike {
    /// The product's name, or its code.
    pub product: String,
    /// A usage type of it.
    pub usage_type: String,
    /// What they cost.
    pub cost: Decimal,
    /// In which currency.
    pub currency: String,
    /// How many.
    pub rows: u64,
}

impl Census {
    /// Counts a row of the census: AI, or what only looks like it.
    pub fn count(&mut self, row: &CensusRow, settings: &BillSettings) {
        let met: Vec<Term> = Term::all_of(settings).into_iter().filter(|term| term.is_met_by(row)).collect();
        let is_claude = row.has_workspace || (met.iter().any(Term::is_claude) && !met.iter().any(|t| !t.is_claude()));
        if met.is_empty() && !row.has_caller && !row.has_workspace {
            return self.add_lookalike(row);
        }
        for term in met {
            *self.rows_by_term.entry(term).or_default() += row.rows;
        }
        let counted = |is: bool| if is { row.rows } else { 0 };
        self.tagged_rows += counted(row.has_tag);
        if row.line_item_type != LineItemType::Usage {
            return;
        }
        if is_claude {
            self.claude_rows += row.rows;
            self.claude_rows_with_workspace += counted(row.has_workspace || row.has_tag);
        } else {
            self.bedrock_rows += row.rows;
            self.bedrock_rows_with_caller += counted(row.has_caller);
        }
    }

    fn add_lookalike(&mut self, row: &CensusRow) {
        let product = if row.product_name.is_empty() { &row.product_code } else { &row.product_name };
        let is_it = |known: &&mut Lookalike| known.product == *product && known.currency == row.currency;
        match self.lookalikes.iter_mut().find(is_it) {
            Some(known) => {
                known.cost += row.cost;
                known.rows += row.rows;
            }
            None => self.lookalikes.push(Lookalike {
                product: product.clone(),
                usage_type: row.usage_type.clone(),
                cost: row.cost,
                currency: row.currency.clone(),
                rows: row.rows,
            }),
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Figures are wrong, missing or cannot be attributed.
    Error,
    /// Some spend may be missed or cannot be told apart.
    Warning,
    /// Worth knowing.
    Note,
}

/// Something that the doctor found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing it is: a stable word.
    pub kind: String,
    /// The month; none where it is about the export.
    pub billing_period: Option<Month>,
    /// What was seen.
    pub seen: String,
    /// What to do about it.
    pub next: String,
}

/// Judges an export, the worst first. `now` is when it is judged.
#[must_use]
pub fn examine(months: &[Examined], settings: &BillSettings, columns_read: &[&str], now: Timestamp) -> Vec<Finding> {
    let mut found = Findings::default();
    if months.is_empty() {
        let next = "point at the export's folder; a first delivery takes up to 24 hours";
        found.add(Severity::Error, "no-data", None, "the export holds no month".to_owned(), next);
    }
    check_freshness(&mut found, months, now);
    for month in months {
        check_files(&mut found, month);
        check_columns(&mut found, month, columns_read);
        if let Some(census) = &month.census {
            check_rows(&mut found, month, census);
        }
    }
    check_terms(&mut found, months, settings);
    let mut findings = found.list;
    findings.sort();
    findings
}

#[derive(Default)]
struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    fn add(&mut self, severity: Severity, kind: &str, month: Option<Month>, seen: String, next: &str) {
        let (kind, next) = (kind.to_owned(), next.to_owned());
        self.list.push(Finding { severity, kind, billing_period: month, seen, next });
    }
}

fn check_freshness(found: &mut Findings, months: &[Examined], now: Timestamp) {
    // Of copied files nobody knows when AWS delivered them; their rows reach to the day before.
    let day_after = |census: &Census| census.last_usage_day.map(|day| start_of_day(next_day(day)));
    let delivered = |month: &Examined| month.delivered_at.or_else(|| month.census.as_ref().and_then(day_after));
    let Some(newest) = months.iter().filter_map(delivered).max() else { return };
    let hours = now.duration_since(newest).as_hours();
    if hours > FRESH_HOURS_MAX {
        let seen = format!("the newest delivery is {hours} hours old; AWS delivers at least once a day");
        let next = "look at the export's status in the payer account's Data Exports page, and at the bucket's policy";
        found.add(Severity::Error, "stale-export", None, seen, next);
    }
    let current = Month::of(utc_day(now));
    if hours <= FRESH_HOURS_MAX && months.iter().all(|month| month.month < current) {
        let seen = format!("{current} has no delivery yet");
        let next = "wait a day: AWS begins a month's files within 24 hours of its first usage";
        found.add(Severity::Note, "no-current-month", Some(current), seen, next);
    }
}

fn check_files(found: &mut Findings, month: &Examined) {
    if !month.unreadable_files.is_empty() {
        let seen = named(month.unreadable_files.iter().map(|(file, why)| format!("`{file}` cannot be read: {why}")));
        let next = "copy the files again, whole; while one is broken the month's last good figures stay";
        found.add(Severity::Error, "unreadable-file", Some(month.month), seen, next);
    }
    if !month.differing_files.is_empty() {
        let listed = |names: &BTreeSet<String>| names.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
        let seen = named(month.differing_files.iter().map(|(file, lacks)| format!("`{file}` lacks {}", listed(lacks))));
        let next = "what a file lacks reads as blank: take all files of the month from one delivery of one export";
        found.add(Severity::Warning, "mixed-columns", Some(month.month), seen, next);
    }
}

fn check_columns(found: &mut Findings, month: &Examined, columns_read: &[&str]) {
    if month.columns.is_empty() {
        return;
    }
    if !month.columns.contains(PRINCIPAL_COLUMN) {
        let seen = format!("there is no column `{PRINCIPAL_COLUMN}`, so no Bedrock spend can be attributed");
        let next = "create a new export with INCLUDE_IAM_PRINCIPAL_DATA=TRUE (infra/cur-export.yaml); it cannot be \
            switched on afterwards";
        found.add(Severity::Error, "principal-data-off", Some(month.month), seen, next);
    }
    let absent: Vec<&str> =
        columns_read.iter().copied().filter(|c| *c != PRINCIPAL_COLUMN && !month.columns.contains(*c)).collect();
    let is_vital = |column: &&str| VITAL_COLUMNS.contains(column);
    let (vital, other): (Vec<&str>, Vec<&str>) = absent.into_iter().partition(is_vital);
    for (severity, columns) in [(Severity::Error, vital), (Severity::Warning, other)] {
        if !columns.is_empty() {
            let seen = format!("columns that the queries read are missing: {}", columns.join(", "));
            let next = "select them in the export (infra/cur-export.yaml lists all of CUR 2.0); a renamed column \
                reads as blank";
            found.add(severity, "missing-columns", Some(month.month), seen, next);
        }
    }
}

fn check_rows(found: &mut Findings, month: &Examined, census: &Census) {
    let of_month = Some(month.month);
    if census.all_rows == 0 {
        let next = "its files may be of another month, or all of them empty: look at the manifest's dataFiles";
        found.add(Severity::Error, "no-rows", of_month, "the delivery holds no row of its month".to_owned(), next);
        return;
    }
    if census.ai_rows == 0 {
        let seen = format!("none of {} rows is AI", census.all_rows);
        let next = "if models are used, compare the bill's product codes with the settings' `bill` terms";
        found.add(Severity::Warning, "no-ai-rows", of_month, seen, next);
    }
    if census.unreadable_costs > 0 {
        let seen = format!("{} rows have a cost that is missing or no finite number", census.unreadable_costs);
        let next = "wait for AWS to restate them, or copy the files again; AI rows among them fail the run";
        found.add(Severity::Error, "unreadable-costs", of_month, seen, next);
    }
    if census.unreadable_amounts > 0 {
        let seen = format!(
            "{} AI rows have an amount of usage that is missing or no finite number",
            census.unreadable_amounts
        );
        let next = "wait for AWS to restate them, or copy the files again; until then their cost counts and their \
            quantity does not";
        found.add(Severity::Warning, "unreadable-amounts", of_month, seen, next);
    }
    let has_callers_era = month.month.last_day() >= CALLERS_SINCE;
    if census.bedrock_rows > 0 && census.bedrock_rows_with_caller == 0 && month.columns.contains(PRINCIPAL_COLUMN) {
        let seen = format!("none of {} Bedrock rows names its caller", census.bedrock_rows);
        let (severity, next) = if has_callers_era {
            let next =
                "the export was made without caller identity: create a new one with INCLUDE_IAM_PRINCIPAL_DATA=TRUE";
            (Severity::Error, next)
        } else {
            (Severity::Note, "AWS names callers since 2026-04-08; spend before that stays a gap")
        };
        found.add(severity, "callers-blank", of_month, seen, next);
    }
    if census.claude_rows > 0 && census.claude_rows_with_workspace == 0 {
        let seen = format!("none of {} Claude Platform rows names its workspace", census.claude_rows);
        let next =
            "tag the workspaces and activate the tag's key under cost allocation tags in the payer account (24 hours)";
        found.add(Severity::Error, "workspaces-blank", of_month, seen, next);
    }
    if census.claude_rows > 0 && census.tagged_rows == 0 {
        let next = "activate the key of `bill.workspaceTagKey` under cost allocation tags in the payer account, or \
            set the one you use";
        let seen = "no row carries the workspace tag".to_owned();
        found.add(Severity::Warning, "tag-key-inactive", of_month, seen, next);
    }
    if !census.lookalikes.is_empty() {
        let (rows, listed) = (census.lookalikes.iter().map(|l| l.rows).sum::<u64>(), named(census.lookalikes.iter()));
        let seen = format!("{rows} rows look like AI and meet no term: {listed}");
        let next = "if they are AI, add their product code to the settings (`bill.claudeProductCodes`, \
            `bill.bedrockProductCodes`)";
        found.add(Severity::Warning, "looks-like-ai", of_month, seen, next);
    }
}

/// A term that matches nothing in any month is a spelling that this bill does not have, or a product nobody uses: worth
/// a warning only where somebody set it.
fn check_terms(found: &mut Findings, months: &[Examined], settings: &BillSettings) {
    let seen: Vec<&Census> = months.iter().filter_map(|month| month.census.as_ref()).collect();
    if seen.iter().all(|census| census.ai_rows == 0) {
        return;
    }
    let shipped: BTreeSet<Term> = Term::all_of(&BillSettings::default()).into_iter().collect();
    let is_idle = |term: &Term| seen.iter().all(|census| !census.rows_by_term.contains_key(term));
    let idle = Term::all_of(settings).into_iter().filter(is_idle);
    let (shipped, own): (Vec<Term>, Vec<Term>) = idle.partition(|term| shipped.contains(term));
    if !own.is_empty() {
        let next = "compare it with the bill's own spelling, letter by letter; take it out if it is not needed";
        found.add(Severity::Warning, "term-matches-nothing", None, format!("no row meets {}", named(own.iter())), next);
    }
    if !shipped.is_empty() {
        let next =
            "nothing, if these products are not used: the shipped terms cover spellings that no one bill has all of";
        let seen = format!("no row meets {}", named(shipped.iter()));
        found.add(Severity::Note, "term-matches-nothing", None, seen, next);
    }
}

/// The first few, and how many more.
fn named(items: impl ExactSizeIterator<Item = impl fmt::Display>) -> String {
    let more = items.len().saturating_sub(NAMED_MAX);
    let first: Vec<String> = items.take(NAMED_MAX).map(|item| item.to_string()).collect();
    if more == 0 { first.join("; ") } else { format!("{}; and {more} more", first.join("; ")) }
}

impl fmt::Display for Lookalike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product, usage_type, cost, currency, rows } = self;
        write!(f, "`{product}` (`{usage_type}` …): {} {currency} in {rows} rows", cost.round_dp(2))
    }
}

#[cfg(test)]
mod tests;
