//! The settings' AI terms as the parameters of the bill's queries: literals and patterns, never SQL.
//!
//! They are rendered here, and not beside the SQL, so that settings which Athena would not take are refused when they are
//! written instead of failing every run from then on.

use super::matching::BillSettings;

/// Characters of one execution parameter, its quotes included (AWS:athena/latest/APIReference StartQueryExecution).
pub const PARAMETER_CHARS_MAX: usize = 1024;

/// A pattern that no text meets, for terms that are not set.
const NOTHING: &str = r".\A";

/// Whether a text can be a cost allocation tag's key, and can stand in SQL: ASCII only, though AWS allows any letter.
#[must_use]
pub fn is_tag_key(key: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c);
    (1..=128).contains(&key.len()) && key.chars().all(allowed)
}

/// The first field whose terms are too long for a parameter, and how long they are.
#[must_use]
pub(super) fn too_long(bill: &BillSettings) -> Option<(&'static str, usize)> {
    let lengths = ai_terms(bill).map(|(field, parameter)| (field, parameter.chars().count()));
    lengths.into_iter().find(|(_, chars)| *chars > PARAMETER_CHARS_MAX)
}

/// The parameters of `ai_terms.sql`, in order, each with the field of the settings that it is made of.
#[must_use]
pub fn ai_terms(bill: &BillSettings) -> [(&'static str, String); 9] {
    let codes = literal(&list(&bill.bedrock_product_codes));
    let suffix = Some(bill.bedrock_product_name_suffix.as_str()).filter(|suffix| !suffix.is_empty());
    let product = any_of(bill.claude_product_terms.iter().map(|term| verbatim(term)));
    let usage = any_of(bill.claude_usage_terms.iter().filter(|parts| !parts.is_empty()).map(|parts| in_order(parts)));
    [
        ("bedrockProductCodes", codes.clone()),
        ("bedrockProductCodes", codes),
        ("bedrockProductFamilies", literal(&list(&bill.bedrock_product_families))),
        ("bedrockOperations", literal(&list(&bill.bedrock_operations))),
        ("claudeProductCodes", literal(&list(&bill.claude_product_codes))),
        ("bedrockProductNameSuffix", literal(&any_of(suffix.map(|suffix| format!(r"{}\z", verbatim(suffix)))))),
        ("claudeProductTerms", literal(&product)),
        ("claudeProductTerms", literal(&product)),
        ("claudeUsageTerms", literal(&usage)),
    ]
}

/// A list as one text, `,A,B,`, in which `,A,` is looked for; an empty list is `,`, in which nothing is found.
fn list(values: &[String]) -> String {
    values.iter().fold(",".to_owned(), |list, value| list + value + ",")
}

/// Alternatives as one regular expression, in what Joni (Trino), RE2 (DuckDB) and Rust's `regex` understand alike.
fn any_of(alternatives: impl IntoIterator<Item = String>) -> String {
    let alternatives: Vec<String> = alternatives.into_iter().collect();
    if alternatives.is_empty() { NOTHING.to_owned() } else { alternatives.join("|") }
}

/// The parts one after the other, the first at the beginning of a word: `ccu` is no part of `occupancy`.
fn in_order(parts: &[String]) -> String {
    let parts: Vec<String> = parts.iter().map(|part| verbatim(part)).collect();
    format!(r"(\A|[^a-z]){}", parts.join(r"[\s\S]*"))
}

/// A text as the regular expression that only it meets.
fn verbatim(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// A text as the SQL literal that Athena takes for an execution parameter.
#[must_use]
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_settings_say_stays_text_in_literals_and_in_patterns() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(list(&["A".to_owned(), "B".to_owned()]), ",A,B,");
        assert_eq!(list(&[]), ",");
        assert_eq!(verbatim("(a.b)|c%"), r"\(a\.b\)\|c%");
        assert_eq!(in_order(&["claude".to_owned(), "c$".to_owned()]), r"(\A|[^a-z])claude[\s\S]*c\$");
        assert_eq!(any_of([]), NOTHING);
        assert_eq!(any_of(["a".to_owned(), "b".to_owned()]), "a|b");
    }
}
