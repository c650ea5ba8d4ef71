//! Which models a body names: found while parsing it, strictly, so that no reader at the other end finds another one.
//!
//! A body goes on byte for byte as it came. Two parsers may disagree about a key that stands twice or in another case, so
//! such a body is refused rather than guessed at. A model may stand elsewhere than at the top (the requests of a batch, a
//! tool that asks a second model), so every key that names one counts, anywhere but in what people write.

use std::collections::{BTreeSet, HashSet};

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What people and their programs write freely: a `model` in there is a car's or a phone's.
const FREE: [&str; 6] = ["messages", "system", "metadata", "input_schema", "input_examples", "schema"];

/// Every model that the body names, or why the body is not read.
pub(crate) fn named(body: &[u8]) -> Result<BTreeSet<String>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
    let mut models = BTreeSet::new();
    let mut parser = serde_json::Deserializer::from_str(text);
    let read = parser.deserialize_map(Walk { models: &mut models, at_model: false }).and_then(|()| parser.end());
    match read {
        Ok(()) => Ok(models),
        Err(error) => Err(format!("the body is not a JSON object that can be read in one way only: {error}")),
    }
}

struct Walk<'a> {
    models: &'a mut BTreeSet<String>,
    /// Whether the value that is read stands under a key that names models.
    at_model: bool,
}

impl Walk<'_> {
    fn inner(&mut self, at_model: bool) -> Walk<'_> {
        Walk { models: self.models, at_model }
    }
}

fn names_models(key: &str) -> bool {
    ["model", "models"].into_iter().any(|name| key == name || key.ends_with(&format!("_{name}")))
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if self.at_model {
            self.models.insert(text.to_owned());
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let at_model = self.at_model;
        while items.next_element_seed(self.inner(at_model))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let key = key.to_lowercase();
            if FREE.contains(&key.as_str()) {
                entries.next_value::<IgnoredAny>()?;
            } else {
                entries.next_value_seed(self.inner(names_models(&key)))?;
            }
            if !keys.insert(key.clone()) {
                return Err(A::Error::custom(format!("the key `{key}` stands twice")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_that_another_reader_could_find_is_found_or_the_body_is_refused() {
        for (body, expected) in [
            (r#"{"model":"a","max_tokens":1,"messages":[{"role":"user","content":"model"}]}"#, Some(&["a"][..])),
            (r#"{"requests":[{"custom_id":"1","params":{"model":"a"}},{"params":{"model":"b"}}]}"#, Some(&["a", "b"])),
            (r#"{"model":"a","tools":[{"type":"advisor","model":"b"}]}"#, Some(&["a", "b"])),
            (r#"{"model":"a","fallback_models":["b",{"id":"c","model":"d"}]}"#, Some(&["a", "b", "d"])),
            (r#"{"m\u006fdel":"b"}"#, Some(&["b"])),
            (r#"{"Model":"b"}"#, Some(&["b"])),
            (r#"{"model":null,"top_p":0.5,"stream":true,"seed":-1}"#, Some(&[])),
            // What people write may speak of models.
            (r#"{"model":"a","messages":[{"content":[{"type":"tool_use","input":{"model":"T"}}]}]}"#, Some(&["a"])),
            (r#"{"model":"a","tools":[{"input_schema":{"model":"x","model":"y"}}]}"#, Some(&["a"])),
            (r#"{"model":"a","model":"b"}"#, None),
            (r#"{"model":"a","mod\u0065l":"b"}"#, None),
            (r#"{"model":"a","MODEL":"b"}"#, None),
            (r#"{"model":"a","messages":[],"messages":[]}"#, None),
            (r#"{"requests":[{"params":{"model":"a","model":"b"}}]}"#, None),
            (r#"{"model":"a"} {"model":"b"}"#, None),
            (r#"["a"]"#, None),
            (r#""a""#, None),
            ("", None),
            ("{\"model\":\"a\"", None),
            ("\u{feff}{\"model\":\"a\"}", None),
        ] {
            let expected = expected.map(|models| models.iter().map(|m| (*m).to_owned()).collect());
            assert_eq!(named(body.as_bytes()).ok(), expected, "{body}");
        }
        assert!(named(b"{\"model\":\"\xff\"}").is_err());
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert!(named(deep.as_bytes()).is_err());
    }
}
