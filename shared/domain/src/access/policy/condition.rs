//! The `Condition` element: operator → key → values, each level AND, the values of one key OR.
//!
//! Operators and keys are compared without regard to case, as IAM does; values as each operator says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Serialize, Serializer};

/// What a condition operator compares, without its modifiers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "IAM's own words: IAM user guide, `Condition operators`")]
pub enum Comparison {
    StringEquals,
    StringNotEquals,
    StringEqualsIgnoreCase,
    StringNotEqualsIgnoreCase,
    StringLike,
    StringNotLike,
    Bool,
    Null,
    ArnEquals,
    ArnNotEquals,
    ArnLike,
    ArnNotLike,
    /// An operator that the generator never writes; kept so that a live document is shown as it is.
    Other(String),
}

impl Comparison {
    const KNOWN: [(&'static str, Self); 12] = [
        ("StringEquals", Self::StringEquals),
        ("StringNotEquals", Self::StringNotEquals),
        ("StringEqualsIgnoreCase", Self::StringEqualsIgnoreCase),
        ("StringNotEqualsIgnoreCase", Self::StringNotEqualsIgnoreCase),
        ("StringLike", Self::StringLike),
        ("StringNotLike", Self::StringNotLike),
        ("Bool", Self::Bool),
        ("Null", Self::Null),
        ("ArnEquals", Self::ArnEquals),
        ("ArnNotEquals", Self::ArnNotEquals),
        ("ArnLike", Self::ArnLike),
        ("ArnNotLike", Self::ArnNotLike),
    ];
}

/// A condition operator with its modifiers: `StringEquals`, `BoolIfExists`, `ForAllValues:StringLike`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operator {
    /// `ForAllValues` or `ForAnyValue`, for keys with several values.
    pub quantifier: Option<String>,
    /// What is compared.
    pub comparison: Comparison,
    /// `…IfExists`: an absent key counts as met.
    pub if_exists: bool,
}

impl Operator {
    /// The operator alone.
    #[must_use]
    pub const fn plain(comparison: Comparison) -> Self {
        Self { quantifier: None, comparison, if_exists: false }
    }

    /// The operator with `IfExists`.
    #[must_use]
    pub const fn if_exists(comparison: Comparison) -> Self {
        Self { quantifier: None, comparison, if_exists: true }
    }

    /// Reads an operator's name in any case; what is not known stays as [`Comparison::Other`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (quantifier, rest) = match text.split_once(':') {
            Some((quantifier, rest)) => (Some(quantifier.to_owned()), rest),
            None => (None, text),
        };
        let lower = rest.to_ascii_lowercase();
        let (name, if_exists) = match lower.strip_suffix("ifexists") {
            Some(name) => (name, true),
            None => (lower.as_str(), false),
        };
        let known = Comparison::KNOWN.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let comparison = known.map_or_else(|| Comparison::Other(name.to_owned()), |(_, comparison)| comparison);
        Self { quantifier, comparison, if_exists }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(quantifier) = &self.quantifier {
            write!(f, "{quantifier}:")?;
        }
        match &self.comparison {
            Comparison::Other(name) => f.write_str(name)?,
            known => write!(f, "{known:?}")?,
        }
        f.write_str(if self.if_exists { "IfExists" } else { "" })
    }
}

impl Serialize for Operator {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One or several values, written as IAM's own examples do: a single one bare, several as a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Values(pub BTreeSet<String>);

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut values = self.0.iter();
        match (values.next(), values.next()) {
            (Some(only), None) => serializer.serialize_str(only),
            _ => serializer.collect_seq(&self.0),
        }
    }
}

impl<T: Into<String>> FromIterator<T> for Values {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self(values.into_iter().map(Into::into).collect())
    }
}

/// All conditions of a statement; empty means unconditional.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Conditions(pub BTreeMap<Operator, BTreeMap<String, Values>>);

impl Conditions {
    /// No condition.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// The same conditions and one more. The generator writes each operator and key once.
    #[must_use]
    pub fn and<T: Into<String>>(mut self, operator: Operator, key: &str, values: impl IntoIterator<Item = T>) -> Self {
        self.0.entry(operator).or_default().insert(key.to_owned(), values.into_iter().collect());
        self
    }

    /// The same conditions and `StringEquals` on one value.
    #[must_use]
    pub fn and_equals(self, key: &str, value: &str) -> Self {
        self.and(Operator::plain(Comparison::StringEquals), key, [value])
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_read_in_any_case_and_written_in_iams() {
        for (given, written) in [
            ("stringequals", "StringEquals"),
            ("BOOLIFEXISTS", "BoolIfExists"),
            ("ForAllValues:stringlike", "ForAllValues:StringLike"),
            ("IpAddress", "ipaddress"),
        ] {
            assert_eq!(Operator::parse(given).to_string(), written);
        }
    }
}
