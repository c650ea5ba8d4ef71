//! The queries that read the bill: their text, their parameters in order, and the columns they answer.
//!
//! The text is in `sql/*.sql`. Values go in as execution parameters, which Athena reads as SQL literals (a text
//! stands in single quotes); only the workspace tag's key goes into the text, after an allow-list of characters. How
//! many terms the settings hold changes parameters, never the text.

use domain::base::calendar::Month;
pub use domain::spend::bill::doctor::COLUMNS as CENSUS_COLUMNS;
use domain::spend::bill::doctor::LOOKS_LIKE_AI;
pub use domain::spend::bill::line::COLUMNS as FACTS_COLUMNS;
use domain::spend::bill::settings::BillSettings;
use domain::spend::bill::terms::{ai_terms, is_tag_key, literal};

/// The grouped query, before what stands in braces is put in.
const FACTS: &str = include_str!("sql/facts.sql");

/// The ungrouped query, likewise.
const CONTROL: &str = include_str!("sql/control.sql");

/// The query by slices.
const SLICES: &str = include_str!("sql/slices.sql");

/// The columns of the query by slices, in order; one row per currency, day, account and line-item type.
pub const SLICES_COLUMNS: [&str; 7] =
    ["currency", "usage_day", "account_id", "line_item_type", "cost", "row_count", "unreadable_rows"];

/// The doctor's query.
const CENSUS: &str = include_str!("sql/census.sql");

/// Which lines are AI: a condition, for all.
const AI_TERMS: &str = include_str!("sql/ai_terms.sql");

/// The condition on an export that creates new files. The table projects its partitions by an injected column, which
/// Athena fills from the query: nothing in the catalog is to be moved when a delivery arrives.
const AND_EXECUTION: &str = "\n    AND execution = ?";

/// The columns of the control query, in order; one row per currency.
pub const CONTROL_COLUMNS: [&str; 11] = [
    "currency",
    "ai_cost",
    "ai_rows",
    "all_cost",
    "all_rows",
    "first_usage_day",
    "last_usage_day",
    "non_ai_cost",
    "ai_unreadable_rows",
    "unreadable_rows",
    "ai_unreadable_amounts",
];

/// The columns of the bill that the queries read; one that an export lacks reads as blank.
pub const COLUMNS_READ: [&str; 22] = [
    "bill_billing_entity",
    "bill_invoice_id",
    "line_item_currency_code",
    "line_item_iam_principal",
    "line_item_line_item_description",
    "line_item_line_item_type",
    "line_item_operation",
    "line_item_product_code",
    "line_item_resource_id",
    "line_item_unblended_cost",
    "line_item_unblended_rate",
    "line_item_usage_account_id",
    "line_item_usage_amount",
    "line_item_usage_start_date",
    "line_item_usage_type",
    "pricing_unit",
    "product",
    "product_product_family",
    "product_region_code",
    "product_servicecode",
    "resource_tags",
    "tags",
];

/// The part of the table that is read: of an overwriting export the month, of one that creates new files the one
/// execution of that month which the manifest names, so that no older delivery is counted with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portion {
    /// The billing period.
    pub month: Month,
    /// The folder of the execution below the month's.
    pub execution: Option<String>,
}

/// A tag key that cannot be one: it is never put into the SQL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a cost allocation tag key; AWS allows 1 to 128 letters, digits, spaces and _ . : / = + - @")]
pub struct MalformedTagKey(pub String);

/// The grouped query for a workspace tag's key, such as `finops-workspace`.
///
/// # Errors
/// When the key holds a character that AWS does not allow in tag keys (ASCII only here).
pub fn facts_sql(portion: &Portion, workspace_tag: &str) -> Result<String, MalformedTagKey> {
    with_tag_key(&with_conditions(FACTS, portion), workspace_tag)
}

/// The doctor's query.
///
/// # Errors
/// As [`facts_sql`].
pub fn census_sql(portion: &Portion, workspace_tag: &str) -> Result<String, MalformedTagKey> {
    with_tag_key(&with_conditions(CENSUS, portion), workspace_tag)
}

/// The control query.
#[must_use]
pub fn control_sql(portion: &Portion) -> String {
    with_conditions(CONTROL, portion)
}

/// The query by slices, asked when the other two do not agree; its parameters are those of the grouped query.
#[must_use]
pub fn slices_sql(portion: &Portion) -> String {
    with_conditions(SLICES, portion)
}

/// The parameters of the grouped query, in order.
#[must_use]
pub fn facts_parameters(portion: &Portion, bill: &BillSettings) -> Vec<String> {
    let mut parameters = portion.parameters();
    parameters.extend(ai_terms(bill).map(|(_, parameter)| parameter));
    parameters
}

/// The parameters of the control query, in order: those of the grouped query, then of the whole bill's.
#[must_use]
pub fn control_parameters(portion: &Portion, bill: &BillSettings) -> Vec<String> {
    let mut parameters = facts_parameters(portion, bill);
    parameters.extend(portion.parameters());
    parameters
}

/// The parameters of the doctor's query, in order: those of the grouped query, then what looks like AI.
#[must_use]
pub fn census_parameters(portion: &Portion, bill: &BillSettings) -> Vec<String> {
    let mut parameters = facts_parameters(portion, bill);
    parameters.extend(std::iter::repeat_n(literal(LOOKS_LIKE_AI), 4));
    parameters
}

impl Portion {
    fn parameters(&self) -> Vec<String> {
        let month = literal(&self.month.to_string());
        std::iter::once(month).chain(self.execution.as_deref().map(literal)).collect()
    }
}

fn with_tag_key(sql: &str, key: &str) -> Result<String, MalformedTagKey> {
    if !is_tag_key(key) {
        return Err(MalformedTagKey(key.to_owned()));
    }
    // The `resource_tags` map writes keys in lower snake case.
    let snake = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let normalised: String = key.chars().map(snake).collect();
    Ok(sql.replace("{workspace_tag_normalised}", &normalised).replace("{workspace_tag}", key))
}

fn with_conditions(sql: &str, portion: &Portion) -> String {
    let and_execution = if portion.execution.is_some() { AND_EXECUTION } else { "" };
    sql.replace("{and_execution}", and_execution).replace("{ai_terms}", &AI_TERMS.trim_end().replace('\n', "\n      "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portions() -> Result<[Portion; 2], Box<dyn std::error::Error>> {
        let month: Month = "2026-08".parse()?;
        Ok([Portion { month, execution: None }, Portion { month, execution: Some("20260802T010203Z-aaaa".to_owned()) }])
    }

    #[test]
    fn every_question_mark_has_its_parameter_and_nothing_stays_in_braces() -> Result<(), Box<dyn std::error::Error>> {
        let many = |count: usize| BillSettings {
            claude_product_terms: vec!["claude platform".to_owned(); count],
            claude_usage_terms: vec![vec!["ccu".to_owned(), "x".to_owned()]; count],
            ..BillSettings::default()
        };
        for portion in portions()? {
            let (facts, control) = (facts_sql(&portion, "finops-workspace")?, control_sql(&portion));
            let (census, slices) = (census_sql(&portion, "finops-workspace")?, slices_sql(&portion));
            for bill in [many(0), many(1), many(50)] {
                assert_eq!(facts.matches('?').count(), facts_parameters(&portion, &bill).len());
                assert_eq!(control.matches('?').count(), control_parameters(&portion, &bill).len());
                assert_eq!(slices.matches('?').count(), facts_parameters(&portion, &bill).len());
                assert_eq!(census.matches('?').count(), census_parameters(&portion, &bill).len());
            }
            assert!(!facts.contains(['{', '}']) && !control.contains(['{', '}']) && !census.contains(['{', '}']));
            assert!(!slices.contains(['{', '}']));
            assert_eq!(facts.contains("AND execution = ?"), portion.execution.is_some());
        }
        Ok(())
    }

    #[test]
    fn the_tag_key_goes_in_as_it_is_and_normalised_and_never_breaks_out() -> Result<(), Box<dyn std::error::Error>> {
        let [portion, _] = portions()?;
        let sql = facts_sql(&portion, "Finops-Workspace")?;
        for key in ["'resourceTags/Finops-Workspace'", "'user_finops_workspace'", "'user_Finops-Workspace'"] {
            assert!(sql.contains(key), "{key}");
        }
        for hostile in ["", "a'b", "a\\", "a\nb", "a{b", "ключ", &"k".repeat(129)] {
            assert!(facts_sql(&portion, hostile).is_err(), "{hostile}");
        }
        Ok(())
    }
}
