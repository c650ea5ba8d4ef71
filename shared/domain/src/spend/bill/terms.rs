//! The settings' AI terms as the parameters of the bill's queries: literals and patterns, never SQL.
//!
//! They are rendered here, and not beside the SQL, so that settings which Athena would not take are refused when they
//! are written instead of failing every run from then on.

use super::settings::BillSettings;
use crate::base::outcome::{Refusal, RefusalKind};

/// Characters of one execution parameter, its quotes included (AWS:athena/latest/APIReference StartQueryExecution).
pub const PARAMETER_CHARS_MAX: usize = 1024;

/// Entries that one list of the settings may have; each becomes part of a query parameter.
const ENTRIES_MAX: usize = 50;
/// Characters of one entry: AWS's longest tag key.
const ENTRY_CHARS_MAX: usize = 128;

/// A pattern that no text meets, for terms that are not set.
const NOTHING: &str = r".\A";

impl BillSettings {
    /// Whether the terms can be used in a query: short, not blank, without the comma that separates them there, and
    /// together no longer than a parameter.
    ///
    /// # Errors
    /// [`RefusalKind::InvalidValue`] naming the field.
    pub fn check(&self) -> Result<(), Refusal> {
        let usage_parts: Vec<String> = self.claude_usage_terms.iter().flatten().cloned().collect();
        let lists = [
            ("bedrockProductCodes", &self.bedrock_product_codes),
            ("bedrockProductFamilies", &self.bedrock_product_families),
            ("bedrockOperations", &self.bedrock_operations),
            ("claudeProductTerms", &self.claude_product_terms),
            ("claudeUsageTerms", &usage_parts),
            ("claudeProductCodes", &self.claude_product_codes),
            ("defaultWorkspaceNames", &self.default_workspace_names),
            ("broadRolePatterns", &self.broad_role_patterns),
        ];
        let usable = |text: &str| {
            (1..=ENTRY_CHARS_MAX).contains(&text.chars().count())
                && !text.contains(',')
                && !text.chars().any(char::is_control)
        };
        let broken = lists.into_iter().find(|(_, list)| list.len() > ENTRIES_MAX || !list.iter().all(|t| usable(t)));
        let texts = [
            ("bedrockProductNameSuffix", &self.bedrock_product_name_suffix),
            ("workspaceTagKey", &self.workspace_tag_key),
        ];
        let field = broken
            .map(|(field, _)| field)
            .or_else(|| texts.into_iter().find(|(_, t)| !usable(t)).map(|(field, _)| field));
        let invalid = |detail: String| Err(Refusal::new(RefusalKind::InvalidValue, detail));
        if let Some(field) = field {
            return invalid(format!(
                "`bill.{field}` holds at most {ENTRIES_MAX} texts of 1 to {ENTRY_CHARS_MAX} characters, without commas"
            ));
        }
        if !is_tag_key(&self.workspace_tag_key) {
            let key = &self.workspace_tag_key;
            return invalid(format!(
                "`bill.workspaceTagKey` is `{key}`; write letters, digits, spaces and _ . : / = + - @, as its \
                 queries take no others"
            ));
        }
        match too_long(self) {
            None => Ok(()),
            Some((field, chars)) => invalid(format!(
                "`bill.{field}` makes a query parameter of {chars} characters, and Athena takes {PARAMETER_CHARS_MAX}; \
                 give fewer or shorter texts"
            )),
        }
    }
}

/// Whether a text can be a cost allocation tag's key, and can stand in SQL: ASCII only, though AWS allows any letter.
#[must_use]
pub fn is_tag_key(key: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c);
    (1..=128).contains(&key.len()) && key.chars().all(allowed)
}

/// The first field whose terms are too long for a parameter, and how long they are.
fn too_long(bill: &BillSettings) -> Option<(&'static str, usize)> {
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

    #[test]
    fn terms_that_a_query_cannot_hold_are_refused() {
        let with = |code: &str| BillSettings { claude_product_codes: vec![code.to_owned()], ..BillSettings::default() };
        assert!(BillSettings::default().check().is_ok() && with("8o2pcmqxzwy").check().is_ok());
        for bad in ["", "a,b", "a\nb"] {
            assert!(with(bad).check().is_err(), "{bad:?}");
        }
        let keyed = |key: &str| BillSettings { workspace_tag_key: key.to_owned(), ..BillSettings::default() };
        assert!(keyed("cost:Workspace name").check().is_ok());
        for bad in ["a'b", "{key}", "ключ"] {
            assert!(keyed(bad).check().is_err_and(|refusal| refusal.detail.contains("workspaceTagKey")), "{bad:?}");
        }
    }

    #[test]
    fn lists_that_athena_would_not_take_are_refused_by_name_and_length() {
        let codes = |count: usize, code: &str| {
            let claude_product_codes = vec![code.to_owned(); count];
            BillSettings { claude_product_codes, ..BillSettings::default() }.check()
        };
        // Each code with its comma, one comma before them, two quotes: 1011 characters, and 21 more.
        assert_eq!(codes(48, &"c".repeat(20)), Ok(()));
        let refused = codes(49, &"c".repeat(20)).err().map(|refusal| refusal.detail).unwrap_or_default();
        assert!(refused.contains("`bill.claudeProductCodes`") && refused.contains("1032"), "{refused}");
        assert!(codes(9, &"'".repeat(60)).is_err(), "a quote takes two characters");
        let terms = BillSettings { claude_product_terms: vec![".".repeat(120); 5], ..BillSettings::default() };
        assert!(terms.check().is_err_and(|refusal| refusal.detail.contains("claudeProductTerms")), "escaped");
    }
}
