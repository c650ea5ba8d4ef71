//! Text that people give. Each kind is checked once, where it enters; afterwards its type is the proof.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text that does not have the form its field asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {rule}")]
pub struct MalformedText {
    /// Which kind of text.
    pub what: &'static str,
    /// The rule it broke.
    pub rule: &'static str,
}

/// Declares a string newtype whose only constructor checks `$check`.
#[macro_export]
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::base::text::MalformedText;
            fn try_from(given: String) -> Result<Self, Self::Error> {
                let check: fn(&str) -> bool = $check;
                if check(&given) {
                    return Ok(Self(given));
                }
                Err($crate::base::text::MalformedText { what: $what, rule: $rule })
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::base::text::MalformedText;
            fn from_str(given: &str) -> Result<Self, Self::Err> {
                given.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "description": $rule})
            }
        }
    };
}

checked_text! {
    /// A name or label that a person gives: accepted as it is, inert wherever it comes out.
    Name, "name", "must be 1 to 100 characters without control characters",
    |t| (1..=100).contains(&t.chars().count()) && !t.chars().any(char::is_control)
}

checked_text! {
    /// A reason, note or justification: like a name, but longer, and lines are allowed.
    Note, "text", "must be 1 to 2,000 characters without control characters other than line feed and tab",
    |t| (1..=2000).contains(&t.chars().count()) && !t.trim().is_empty()
        && !t.chars().any(|c| c.is_control() && c != '\n' && c != '\t')
}

impl Note {
    /// The note's first characters, for places that show many; all of it if it is no longer.
    #[must_use]
    pub fn opening(&self, chars: usize) -> Self {
        Self(self.0.trim_start().chars().take(chars.max(1)).collect())
    }
}

/// The immutable subject of a verified token; the only thing by which people are told apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Sub(String);

impl Sub {
    /// The subject as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Sub {
    type Error = MalformedText;
    fn try_from(given: String) -> Result<Self, MalformedText> {
        let well_formed = (1..=128).contains(&given.len()) && given.chars().all(|c| c.is_ascii_graphic() && c != '#');
        if well_formed {
            Ok(Self(given))
        } else {
            Err(MalformedText { what: "sub", rule: "must be 1 to 128 visible ASCII characters other than #" })
        }
    }
}

impl std::str::FromStr for Sub {
    type Err = MalformedText;
    fn from_str(given: &str) -> Result<Self, MalformedText> {
        given.to_owned().try_into()
    }
}

impl From<Sub> for String {
    fn from(sub: Sub) -> String {
        sub.0
    }
}

impl fmt::Display for Sub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_accepted_as_they_are_unless_they_hold_control_characters() {
        for good in ["a", "Robert'); DROP TABLE", "=cmd()", "$(rm -rf /)", "日本語", "--help"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "a\nb", "\u{7}", &"x".repeat(101)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
