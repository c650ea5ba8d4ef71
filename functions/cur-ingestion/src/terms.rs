//! The settings' AI terms as the queries take them.

use domain::bill::matching::BillSettings;

use crate::query::AiTerms;

/// A pattern that no text of the bill meets, for terms that are not set.
const NOTHING: &str = ",";

/// Settings that the queries cannot express.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`bill.{field}` holds {found} terms and the queries take {most}; put the others into `bill.claudeProductCodes`"
)]
pub(crate) struct TooManyTerms {
    field: &'static str,
    found: usize,
    most: usize,
}

/// The terms of both queries.
///
/// # Errors
/// When the settings hold more patterns than the queries have places: rows would be missed in silence.
pub(crate) fn terms_of(settings: &BillSettings) -> Result<AiTerms, TooManyTerms> {
    let containing = |text: &String| format!("%{text}%");
    let product = match settings.claude_product_terms.as_slice() {
        [] => NOTHING.to_owned(),
        [term] => containing(term),
        terms => return Err(TooManyTerms { field: "claudeProductTerms", found: terms.len(), most: 1 }),
    };
    let in_order = |parts: &Vec<String>| format!("%{}%", parts.join("%"));
    let usage = match settings.claude_usage_terms.as_slice() {
        [] => [NOTHING.to_owned(), NOTHING.to_owned()],
        [term] => [in_order(term), NOTHING.to_owned()],
        [one, other] => [in_order(one), in_order(other)],
        terms => return Err(TooManyTerms { field: "claudeUsageTerms", found: terms.len(), most: 2 }),
    };
    Ok(AiTerms {
        product_codes: settings.bedrock_product_codes.clone(),
        product_families: settings.bedrock_product_families.clone(),
        marketplace_operations: settings.bedrock_operations.clone(),
        bedrock_product_name: format!("%{}", settings.bedrock_product_name_suffix),
        claude_description: product.clone(),
        claude_product_name: product,
        claude_usage_types: usage,
        claude_product_codes: settings.claude_product_codes.clone(),
        ..AiTerms::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_settings_are_the_default_terms() {
        assert_eq!(terms_of(&BillSettings::default()), Ok(AiTerms::default()));
    }

    #[test]
    fn terms_that_are_not_set_match_nothing_and_too_many_are_refused() -> Result<(), TooManyTerms> {
        let none = BillSettings {
            claude_product_terms: Vec::new(),
            claude_usage_terms: Vec::new(),
            ..BillSettings::default()
        };
        assert_eq!(terms_of(&none)?.claude_usage_types, [",", ","]);
        let terms = vec!["a".to_owned(), "b".to_owned()];
        let many = BillSettings { claude_product_terms: terms, ..BillSettings::default() };
        assert!(terms_of(&many).is_err_and(|e| e.to_string().contains("claudeProductTerms")));
        Ok(())
    }
}
