//! Whether a body has lists only where its route's schema has them.
//!
//! A derived reader takes a list for a struct, field by field in the order of the source: `["wkl_1", "bedrock"]`
//! would be a request. No document says so and no reviewer expects it, so the schema is asked first, for every route
//! alike. It is asked about nothing else: values, missing fields and unknown ones are the reader's own business.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

/// The schema of a body.
#[derive(Debug)]
pub(crate) struct Shape(Value);

/// Where a list stands in place of something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StrayList {
    /// The way to it: `scopes[0].runtimeDetail`; empty at the top.
    pub(crate) path: String,
}

/// How a value departs from a schema.
#[derive(Debug, Default)]
struct Misfit {
    /// A list stands where the schema has none; the steps to it, the last one first.
    stray: Option<Vec<String>>,
    /// It is of another kind than the schema's.
    is_of_other_kind: bool,
    /// It holds a word that is not the schema's: the tag of another alternative, say.
    holds_other_word: bool,
}

impl Shape {
    /// The shape of a type.
    pub(crate) fn of<T: JsonSchema>() -> Self {
        Self(SchemaGenerator::default().into_root_schema_for::<T>().to_value())
    }

    /// Whether every list of the body stands where the schema has one.
    ///
    /// # Errors
    /// [`StrayList`] with the place of the first that does not.
    pub(crate) fn check(&self, body: &Value) -> Result<(), StrayList> {
        match self.misfit(&self.0, body).stray {
            None => Ok(()),
            Some(steps) => {
                let path: String = steps.into_iter().rev().collect();
                Err(StrayList { path: path.trim_start_matches('.').to_owned() })
            }
        }
    }

    /// A schema may say several things beside one another; each of them must hold.
    fn misfit(&self, schema: &Value, value: &Value) -> Misfit {
        let mut found = misfit_of_kind(schema, value);
        if let Some(pointer) = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#')) {
            found = found.and(self.misfit(self.0.pointer(pointer).unwrap_or(&Value::Null), value));
        }
        for part in list(schema, "allOf") {
            found = found.and(self.misfit(part, value));
        }
        for choice in ["anyOf", "oneOf"] {
            found = found.and(self.misfit_of_alternatives(list(schema, choice), value));
        }
        let inner = |named: Option<&Value>, other: &str, value: &Value, step: &dyn Fn() -> String| {
            let schema = named.or_else(|| schema.get(other));
            schema.map(|schema| self.misfit(schema, value).under(step)).unwrap_or_default()
        };
        match value {
            Value::Object(fields) => fields.iter().fold(found, |found, (name, field)| {
                let named = schema.get("properties").and_then(|known| known.get(name));
                found.and(inner(named, "additionalProperties", field, &|| format!(".{name}")))
            }),
            Value::Array(items) => items.iter().enumerate().fold(found, |found, (index, item)| {
                let named = schema.get("prefixItems").and_then(|places| places.get(index));
                found.and(inner(named, "items", item, &|| format!("[{index}]")))
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => found,
        }
    }

    /// The alternatives of another kind or with another tag are not meant. Of those that are, one without stray lists
    /// is enough; where none is meant, the reader refuses the value whatever it holds.
    fn misfit_of_alternatives(&self, alternatives: &[Value], value: &Value) -> Misfit {
        let mut misfits: Vec<Misfit> = alternatives.iter().map(|one| self.misfit(one, value)).collect();
        misfits.sort_by_key(|misfit| (misfit.is_of_other_kind || misfit.holds_other_word, misfit.stray.is_some()));
        misfits.into_iter().next().unwrap_or_default()
    }
}

impl Misfit {
    fn and(self, other: Self) -> Self {
        Self {
            stray: self.stray.or(other.stray),
            is_of_other_kind: self.is_of_other_kind || other.is_of_other_kind,
            holds_other_word: self.holds_other_word || other.holds_other_word,
        }
    }

    fn under(mut self, step: &dyn Fn() -> String) -> Self {
        self.stray.iter_mut().for_each(|steps| steps.push(step()));
        // A part of another kind is an error of that part, and no sign that another alternative is meant.
        Self { is_of_other_kind: false, ..self }
    }
}

fn list<'a>(schema: &'a Value, name: &str) -> &'a [Value] {
    schema.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What the schema itself says of the value: its kind, and the word that it must be.
fn misfit_of_kind(schema: &Value, value: &Value) -> Misfit {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_named = |named: &Value| named == kind || (kind == "number" && named == "integer");
    let kinds = schema.get("type");
    let fits = kinds.is_none_or(|kinds| kinds.as_array().map_or(is_named(kinds), |any| any.iter().any(is_named)));
    let is_meant = schema.get("const").is_none_or(|word| word == value)
        && schema.get("enum").and_then(Value::as_array).is_none_or(|words| words.contains(value));
    match value {
        Value::Array(_) if !(fits && is_meant) => Misfit { stray: Some(Vec::new()), ..Misfit::default() },
        _ => Misfit { stray: None, is_of_other_kind: !fits, holds_other_word: !is_meant },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only their schema is asked for")]
    struct Whole {
        part: Part,
        parts: Vec<Part>,
        #[schemars(default)]
        maybe: Option<Part>,
        named: BTreeMap<String, Part>,
        choice: Choice,
        word: Word,
        pair: (u8, Part),
        anything: Value,
        #[serde(flatten)]
        flat: Flat,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only their schema is asked for")]
    struct Part {
        size: u8,
        texts: Vec<String>,
        inner: Option<Box<Part>>,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only their schema is asked for")]
    struct Flat {
        flat_part: Part,
    }

    #[derive(JsonSchema)]
    #[serde(tag = "type", rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only their schema is asked for")]
    enum Choice {
        ByPart { of: Part },
        ByList { of: Vec<u8> },
        Plain,
    }

    #[derive(JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only their schema is asked for")]
    enum Word {
        One,
        Other,
    }

    #[test]
    fn a_list_in_place_of_an_object_a_word_or_a_number_is_found_at_any_depth() {
        let shape = Shape::of::<Whole>();
        let part = || json!({ "size": 1, "texts": ["a"], "inner": { "size": 2, "texts": [], "inner": null } });
        let good = json!({
            "part": part(), "parts": [part()], "maybe": null, "named": { "x": part() }, "word": "one", "pair": [1,
            part()],
            "choice": { "type": "by-part", "of": part() }, "anything": [[1], { "a": [] }], "flat_part": part(),
        });
        assert_eq!(shape.check(&good), Ok(()));
        let stray = json!([1, ["a"], null]);
        for (pointer, value, path) in [
            ("", json!([part(), [part()]]), ""),
            ("/part", stray.clone(), "part"),
            ("/part/size", json!([1]), "part.size"),
            ("/part/inner", stray.clone(), "part.inner"),
            ("/part/inner/inner", stray.clone(), "part.inner.inner"),
            ("/parts/0", stray.clone(), "parts[0]"),
            ("/parts/0/texts/0", json!([]), "parts[0].texts[0]"),
            ("/maybe", stray.clone(), "maybe"),
            ("/named", json!([part()]), "named"),
            ("/named/x", stray.clone(), "named.x"),
            ("/choice", json!(["by-part", part()]), "choice"),
            ("/choice/of", stray.clone(), "choice.of"),
            ("/choice/of/inner", stray.clone(), "choice.of.inner"),
            ("/word", json!(["one"]), "word"),
            ("/pair/1", stray.clone(), "pair[1]"),
            ("/flat_part", stray.clone(), "flat_part"),
        ] {
            let mut body = good.clone();
            body.pointer_mut(pointer).into_iter().for_each(|place| *place = value.clone());
            assert_eq!(shape.check(&body), Err(StrayList { path: path.to_owned() }), "{pointer}");
        }
    }

    #[test]
    fn whatever_else_is_wrong_is_left_to_the_reader() {
        let shape = Shape::of::<Whole>();
        for body in [
            json!({}),
            json!({ "unknown": [1] }),
            json!({ "part": 7, "parts": {}, "word": "neither", "named": "x", "anything": null }),
            json!({ "choice": { "type": "by-list", "of": [1] } }),
            json!({ "choice": { "type": "never" } }),
        ] {
            assert_eq!(shape.check(&body), Ok(()), "{body}");
        }
    }
}
