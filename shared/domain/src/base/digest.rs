//! Canonical JSON and SHA-256 digests: what "exactly what was approved" is held to.
//!
//! Canonical means: object keys sorted by their UTF-8 bytes, no white space, strings escaped as `serde_json` does.
//! Decided things hold no floating-point numbers, so numbers have one spelling.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A SHA-256, written `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// Text that is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest; it reads `sha256:` followed by 64 hexadecimal digits, as the task shows it")]
pub struct MalformedDigest(pub String);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::from(<[u8; 32]>::from(Sha256::digest(bytes)))
    }

    /// The digest of a value's canonical JSON.
    #[must_use]
    pub fn of<T: Serialize>(value: &T) -> Self {
        Self::of_bytes(canonical_json(value).as_bytes())
    }

    /// The digest as text, prefix included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hexadecimal digits alone.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.strip_prefix("sha256:").unwrap_or(&self.0)
    }
}

/// A value as canonical JSON. A value that JSON cannot hold (a map with keys that are not text) reads `null`: the
/// domain has none, and the tests of each decided type would show it.
#[must_use]
pub fn canonical_json<T: Serialize>(value: &T) -> String {
    // `serde_json::Value` keeps objects in a BTreeMap (feature `preserve_order` is off), hence sorted by key bytes.
    serde_json::to_value(value).unwrap_or(Value::Null).to_string()
}

impl From<[u8; 32]> for Digest {
    /// A SHA-256 that was computed elsewhere.
    fn from(sha256: [u8; 32]) -> Self {
        use fmt::Write as _;
        let mut text = String::from("sha256:");
        for byte in sha256 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }
}

impl TryFrom<String> for Digest {
    type Error = MalformedDigest;
    fn try_from(given: String) -> Result<Self, MalformedDigest> {
        let well_formed = given
            .strip_prefix("sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        if well_formed { Ok(Self(given)) } else { Err(MalformedDigest(given)) }
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl schemars::JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_order_and_spacing_do_not_move_a_digest_but_values_do() -> Result<(), serde_json::Error> {
        let one: Value = serde_json::from_str(r#"{"b":[1,2],"a":{"y":"ü","x":null}}"#)?;
        let two: Value = serde_json::from_str("{ \"a\": {\"x\":null, \"y\":\"\\u00fc\"}, \"b\":[1,2] }")?;
        assert_eq!(canonical_json(&one), r#"{"a":{"x":null,"y":"ü"},"b":[1,2]}"#);
        assert_eq!(Digest::of(&one), Digest::of(&two));
        let three: Value = serde_json::from_str(r#"{"b":[2,1],"a":{"y":"ü","x":null}}"#)?;
        assert_ne!(Digest::of(&one), Digest::of(&three));
        Ok(())
    }

    #[test]
    fn the_digest_of_nothing_is_the_published_one() {
        assert_eq!(Digest::of_bytes(b"").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert!(Digest::try_from("sha256:ABC".to_owned()).is_err());
    }
}
