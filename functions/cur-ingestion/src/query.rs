//! The two queries that read the bill: their text, their parameters in order, and the columns they answer.
//!
//! The text is in `sql/*.sql`. Values go in as execution parameters, which Athena reads as SQL literals (a text stands in
//! single quotes); only the workspace tag's key goes into the text, after an allow-list of characters.

pub use domain::bill::line::COLUMNS as FACTS_COLUMNS;
use domain::calendar::Month;

/// The grouped query, before the tag key is put in.
const FACTS: &str = include_str!("sql/facts.sql");

/// The ungrouped query.
const CONTROL: &str = include_str!("sql/control.sql");

/// The query by slices.
const SLICES: &str = include_str!("sql/slices.sql");

/// The columns of the query by slices, in order; one row per currency, day, account and line-item type.
pub const SLICES_COLUMNS: [&str; 7] =
    ["currency", "usage_day", "account_id", "line_item_type", "cost", "row_count", "unreadable_rows"];

/// The columns of the control query, in order; one row per currency.
pub const CONTROL_COLUMNS: [&str; 10] = [
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
];

/// Which lines of the bill are AI: a line is, when any term matches. Patterns are SQL `LIKE` patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AiTerms {
    /// `line_item_product_code` or `product_servicecode` is one of these.
    pub product_codes: Vec<String>,
    /// `product_product_family` is one of these.
    pub product_families: Vec<String>,
    /// A Marketplace line whose `line_item_operation` is one of these.
    pub marketplace_operations: Vec<String>,
    /// A Marketplace line whose `product['product_name']` is like this: models of Bedrock that a seller bills.
    pub bedrock_product_name: String,
    /// A Marketplace line whose resource is a Claude workspace.
    pub claude_resource_id: String,
    /// A Marketplace line whose description, in lower case, is like this.
    pub claude_description: String,
    /// A Marketplace line whose `product['product_name']`, in lower case, is like this.
    pub claude_product_name: String,
    /// A Marketplace line whose usage type, in lower case, is like one of these two.
    pub claude_usage_types: [String; 2],
    /// A Marketplace line with one of these product codes; AWS does not publish Claude Platform's.
    pub claude_product_codes: Vec<String>,
}

impl Default for AiTerms {
    /// The terms as far as AWS documents the bill (CUR 2.0 dictionary) and field reports show it.
    fn default() -> Self {
        let texts = |list: &[&str]| list.iter().map(|&t| t.to_owned()).collect();
        Self {
            product_codes: texts(&[
                "AmazonBedrock",
                "AmazonBedrockService",
                "AmazonBedrockFoundationModels",
                "AmazonBedrockAgentCore",
            ]),
            product_families: texts(&["Amazon Bedrock"]),
            marketplace_operations: texts(&["InvokeModelInference", "InvokeModelStreamingInference"]),
            bedrock_product_name: "%(Amazon Bedrock Edition)".to_owned(),
            claude_resource_id: "arn:aws%:aws-external-anthropic:%".to_owned(),
            claude_description: "%claude platform%".to_owned(),
            claude_product_name: "%claude platform%".to_owned(),
            claude_usage_types: ["%ccu%".to_owned(), "%claude%consumption%".to_owned()],
            claude_product_codes: Vec::new(),
        }
    }
}

/// A tag key that cannot be one: it is never put into the SQL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a cost allocation tag key; AWS allows 1 to 128 letters, digits, spaces and _ . : / = + - @")]
pub struct MalformedTagKey(pub String);

/// The grouped query for a workspace tag's key, such as `finops-workspace`.
///
/// # Errors
/// When the key holds a character that AWS does not allow in tag keys (ASCII only here).
pub fn facts_sql(workspace_tag: &str) -> Result<String, MalformedTagKey> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c);
    if workspace_tag.is_empty() || workspace_tag.len() > 128 || !workspace_tag.chars().all(allowed) {
        return Err(MalformedTagKey(workspace_tag.to_owned()));
    }
    // The `resource_tags` map writes keys in lower snake case.
    let snake = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let normalised: String = workspace_tag.chars().map(snake).collect();
    Ok(FACTS.replace("{workspace_tag_normalised}", &normalised).replace("{workspace_tag}", workspace_tag))
}

/// The control query.
#[must_use]
pub fn control_sql() -> &'static str {
    CONTROL
}

/// The query by slices, asked when the other two do not agree; its parameters are those of the grouped query.
#[must_use]
pub fn slices_sql() -> &'static str {
    SLICES
}

/// The parameters of the grouped query, in order.
#[must_use]
pub fn facts_parameters(month: Month, terms: &AiTerms) -> Vec<String> {
    let [usage_type, other_usage_type] = &terms.claude_usage_types;
    vec![
        literal(&month.to_string()),
        literal(&list(&terms.product_codes)),
        literal(&list(&terms.product_codes)),
        literal(&list(&terms.product_families)),
        literal(&list(&terms.marketplace_operations)),
        literal(&terms.bedrock_product_name),
        literal(&terms.claude_resource_id),
        literal(&terms.claude_description),
        literal(&terms.claude_product_name),
        literal(usage_type),
        literal(other_usage_type),
        literal(&list(&terms.claude_product_codes)),
    ]
}

/// The parameters of the control query, in order: those of the grouped query, then the month again.
#[must_use]
pub fn control_parameters(month: Month, terms: &AiTerms) -> Vec<String> {
    let mut parameters = facts_parameters(month, terms);
    parameters.push(literal(&month.to_string()));
    parameters
}

/// A list as one text, `,A,B,`, in which `,A,` is looked for; an empty list is `,`, in which nothing is found.
fn list(values: &[String]) -> String {
    values.iter().fold(",".to_owned(), |list, value| list + value + ",")
}

/// A text as the SQL literal that Athena takes for an execution parameter.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part of a query that says which lines are AI.
    fn terms_of(sql: &str) -> Option<&str> {
        let (_, after) = sql.split_once("WHERE billing_period = ?\n    AND (")?;
        after.split_once("\n    )\n").map(|(terms, _)| terms)
    }

    #[test]
    fn all_queries_hold_the_same_terms() {
        assert!(terms_of(FACTS).is_some());
        assert_eq!(terms_of(FACTS), terms_of(CONTROL));
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(terms_of(FACTS).is_some_and(|terms| words(SLICES).contains(&words(terms))));
    }

    #[test]
    fn every_question_mark_has_its_parameter() -> Result<(), Box<dyn std::error::Error>> {
        let (month, terms) = ("2026-08".parse::<Month>()?, AiTerms::default());
        assert_eq!(FACTS.matches('?').count(), facts_parameters(month, &terms).len());
        assert_eq!(SLICES.matches('?').count(), facts_parameters(month, &terms).len());
        assert_eq!(CONTROL.matches('?').count(), control_parameters(month, &terms).len());
        Ok(())
    }

    #[test]
    fn the_tag_key_goes_in_as_it_is_and_normalised_and_never_breaks_out() -> Result<(), MalformedTagKey> {
        let sql = facts_sql("Finops-Workspace")?;
        for key in ["'resourceTags/Finops-Workspace'", "'user_finops_workspace'", "'user_Finops-Workspace'"] {
            assert!(sql.contains(key), "{key}");
        }
        assert!(!sql.contains("{workspace_tag"));
        for hostile in ["", "a'b", "a\\", "a\nb", "a{b", "ключ", &"k".repeat(129)] {
            assert!(facts_sql(hostile).is_err(), "{hostile}");
        }
        Ok(())
    }

    #[test]
    fn quotes_in_a_value_stay_inside_its_literal() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(list(&["A".to_owned(), "B".to_owned()]), ",A,B,");
        assert_eq!(list(&[]), ",");
    }
}
