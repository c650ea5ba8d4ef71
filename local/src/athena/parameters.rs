//! Execution parameters: each `?` of a query gets the next value, which is a SQL literal.
//!
//! Athena runs such a query as `EXECUTE … USING …`; so a text stands in quotes and nothing but a literal is taken.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, TokenizerError};

/// Why values could not be put into a query.
#[derive(Debug, thiserror::Error)]
pub(super) enum ParameterError {
    /// The query's text breaks off inside a quote or comment.
    #[error("SYNTAX_ERROR: {0}")]
    Syntax(#[from] TokenizerError),
    /// As many values as question marks are needed.
    #[error("INVALID_PARAMETER_USAGE: Incorrect number of parameters: expected {expected} but found {found}")]
    Count {
        /// Question marks in the query.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// A value that is more than a literal.
    #[error("SYNTAX_ERROR: the execution parameter {0} is not a literal; a text stands in single quotes")]
    NotALiteral(String),
}

/// The query with its values in place.
///
/// # Errors
/// When the counts differ or a value is not a literal.
pub(super) fn bind(sql: &str, values: &[String]) -> Result<String, ParameterError> {
    let tokens = tokens_of(sql)?;
    let is_mark = |token: &&Token| matches!(token, Token::Placeholder(mark) if mark == "?");
    let expected = tokens.iter().filter(is_mark).count();
    if expected != values.len() {
        return Err(ParameterError::Count { expected, found: values.len() });
    }
    let mut literals = Vec::with_capacity(values.len());
    for value in values {
        literals.push(literal_of(value)?);
    }
    let mut literals = literals.into_iter();
    let mut bound = String::with_capacity(sql.len());
    for token in &tokens {
        match literals.as_slice() {
            [_, ..] if is_mark(&token) => bound.extend(literals.next()),
            _ => bound.push_str(&token.to_string()),
        }
    }
    Ok(bound)
}

fn literal_of(value: &str) -> Result<String, ParameterError> {
    let not_a_literal = || ParameterError::NotALiteral(value.to_owned());
    let tokens = tokens_of(value.trim()).map_err(|_| not_a_literal())?;
    match tokens.as_slice() {
        [Token::SingleQuotedString(_) | Token::Number(..)] | [Token::Minus | Token::Plus, Token::Number(..)] => {}
        [Token::Word(word)] if ["TRUE", "FALSE", "NULL"].iter().any(|w| word.value.eq_ignore_ascii_case(w)) => {}
        _ => return Err(not_a_literal()),
    }
    Ok(tokens.iter().map(Token::to_string).collect())
}

/// The tokens with quotes kept as they were written, so that joined they are the same text again.
fn tokens_of(sql: &str) -> Result<Vec<Token>, TokenizerError> {
    Tokenizer::new(&GenericDialect {}, sql).with_unescape(false).tokenize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_places_of_question_marks_and_of_nothing_else() -> Result<(), ParameterError> {
        let sql = "SELECT '?' -- why?\nFROM cur WHERE a = ? AND b = ?";
        let bound = bind(sql, &["'it''s'".to_owned(), "-2".to_owned()])?;
        assert_eq!(bound, "SELECT '?' -- why?\nFROM cur WHERE a = 'it''s' AND b = -2");
        Ok(())
    }

    #[test]
    fn what_is_no_literal_is_refused() {
        for hostile in ["a", "'a' OR 1=1", "'a'; DROP TABLE cur", "1, 2", "''a'", "(SELECT 1)", "", "'a' --"] {
            assert!(bind("SELECT ?", &[hostile.to_owned()]).is_err(), "{hostile}");
        }
        assert!(matches!(bind("SELECT 1", &["1".to_owned()]), Err(ParameterError::Count { expected: 0, found: 1 })));
    }
}
