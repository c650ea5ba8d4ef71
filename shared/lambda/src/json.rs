//! JSON that can be read in one way only: an object that names a key twice is refused, at any depth.
//!
//! `serde_json::Value` keeps the last of two equal keys; another reader of the same body (a proxy, a log, the person
//! who reviews it) may keep the first, and would have seen another request than the one that was carried out.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::parameters::shown;

/// Reads a whole document, in one pass.
///
/// # Errors
/// When it is not JSON, goes on after its end, is nested too deep, or names a key of one object twice.
pub(crate) fn parse(bytes: &[u8]) -> serde_json::Result<Value> {
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let value = Unambiguous.deserialize(&mut parser)?;
    parser.end()?;
    Ok(value)
}

struct Unambiguous;

impl<'de> DeserializeSeed<'de> for Unambiguous {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{}` stands twice in one object", shown(&key))));
            }
            let value = entries.next_value_seed(Self)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_refused_at_any_depth_however_it_is_written() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"a":{}}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":{"b":[{"c":1,"c":2}]}}"#,
            r#"[{"a":null,"a":null}]"#,
            r#"{"":1,"":2}"#,
        ] {
            let refused = parse(text.as_bytes()).map_err(|why| why.to_string());
            assert!(
                refused.as_ref().is_err_and(|why| why.contains("stands twice in one object")),
                "{text}: {refused:?}"
            );
        }
        let long = format!(r#"{{"{0}":1,"{0}":2}}"#, "k".repeat(5_000));
        assert!(parse(long.as_bytes()).is_err_and(|why| why.to_string().len() < 200));
    }

    #[test]
    fn every_other_document_is_read_as_serde_json_reads_it() -> serde_json::Result<()> {
        let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
        for text in [
            r#"{"a":{"x":1},"b":{"x":1},"A":[{"x":1},{"x":2}]}"#,
            r#"[null,true,-1,18446744073709551615,1.5e300,-0.0,"\ud83e\udd80",""]"#,
            " { } ",
            "7",
            deep.as_str(),
        ] {
            assert_eq!(parse(text.as_bytes())?, serde_json::from_str::<Value>(text)?, "{text}");
        }
        let too_deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        for text in ["", "{", "{} {}", r#"{"a"}"#, r#"{"a":1e999}"#, "NaN", r#""\ud800""#, too_deep.as_str()] {
            assert!(parse(text.as_bytes()).is_err(), "{text:.40}");
        }
        Ok(())
    }
}
