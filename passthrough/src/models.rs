//! What a body asks for: the models that it names, and what in it makes the call an agent's. Found while parsing it,
//! strictly, so that no reader at the other end finds anything else.
//!
//! A body goes on byte for byte as it came. Two parsers may disagree about a key that stands twice or in another case, so
//! such a body is refused rather than guessed at. A model may stand elsewhere than at the top (the requests of a batch, a
//! tool that asks a second model), so every key that names one counts, anywhere but in what people write; so does a tool.

use std::collections::{BTreeSet, HashSet};

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What people and their programs write freely: a `model` in there is a car's or a phone's.
const FREE: [&str; 6] = ["messages", "system", "metadata", "input_schema", "input_examples", "schema"];
/// Fields by which the platform itself acts for the model: it calls MCP servers, or runs code and skills in a container.
const AGENTIC: [&str; 2] = ["mcp_servers", "container"];
/// Fields that turn beta features on from within a body; the header does it otherwise, see [`crate::betas`].
const BETAS: [&str; 2] = ["betas", "anthropic_beta"];
/// The type of a tool that its caller describes and runs itself. Every other type is Anthropic's own: a server tool, a
/// computer, a shell, a set of MCP tools.
const OWN_TOOL: &str = "custom";
/// As much of a tool's type as a refusal repeats.
const TYPE_CHARS_SHOWN: usize = 60;

/// What a body asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Every model that it names.
    pub(crate) models: BTreeSet<String>,
    /// What in it needs an approval of tier agentic, in its own words.
    pub(crate) agentic: BTreeSet<String>,
}

/// What the body asks for, or why it is not read.
pub(crate) fn read(body: &[u8]) -> Result<Asked, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
    let mut asked = Asked::default();
    let mut parser = serde_json::Deserializer::from_str(text);
    let walk = Walk { asked: &mut asked, place: Place::Elsewhere };
    match parser.deserialize_map(walk).and_then(|()| parser.end()) {
        Ok(()) => Ok(asked),
        Err(error) => Err(format!("the body is not a JSON object that can be read in one way only: {error}")),
    }
}

/// Where the value stands that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Under a key that names models.
    Model,
    /// Under `tools`: the list, or a tool in it.
    Tools,
    /// Under the `type` of a tool.
    ToolType,
    Elsewhere,
}

impl Place {
    fn under(self, key: &str) -> Self {
        match (self, key) {
            (Self::Tools, "type") => Self::ToolType,
            (_, "tools") => Self::Tools,
            (_, key) if names_models(key) => Self::Model,
            _ => Self::Elsewhere,
        }
    }
}

fn names_models(key: &str) -> bool {
    ["model", "models"].into_iter().any(|name| key == name || key.ends_with(&format!("_{name}")))
}

struct Walk<'a> {
    asked: &'a mut Asked,
    place: Place,
}

impl Walk<'_> {
    fn inner(&mut self, place: Place) -> Walk<'_> {
        Walk { asked: self.asked, place }
    }

    /// A tool's type that is no text is nobody's own.
    fn visit_other<E>(self) -> Result<(), E> {
        if self.place == Place::ToolType {
            self.asked.agentic.insert("a tool of a type that is no text".to_owned());
        }
        Ok(())
    }
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
        self.visit_other()
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.visit_other()
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.visit_other()
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.visit_other()
    }

    /// Where a type may be left out it may be null.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        match self.place {
            Place::Model => _ = self.asked.models.insert(text.to_owned()),
            Place::ToolType if text != OWN_TOOL => {
                let shown: String = text.chars().take(TYPE_CHARS_SHOWN).collect();
                self.asked.agentic.insert(format!("a tool of type `{shown}`"));
            }
            Place::ToolType | Place::Tools | Place::Elsewhere => {}
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let place = self.place;
        while items.next_element_seed(self.inner(place))?.is_some() {}
        self.visit_other()
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let key = key.to_lowercase();
            if AGENTIC.contains(&key.as_str()) || BETAS.contains(&key.as_str()) {
                self.asked.agentic.insert(format!("`{key}`"));
            }
            if FREE.contains(&key.as_str()) {
                entries.next_value::<IgnoredAny>()?;
            } else {
                let place = self.place.under(&key);
                entries.next_value_seed(self.inner(place))?;
            }
            if !keys.insert(key.clone()) {
                return Err(A::Error::custom(format!("the key `{key}` stands twice")));
            }
        }
        self.visit_other()
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
            assert_eq!(read(body.as_bytes()).ok().map(|asked| asked.models), expected, "{body}");
        }
        assert!(read(b"{\"model\":\"\xff\"}").is_err());
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert!(read(deep.as_bytes()).is_err());
    }

    #[test]
    fn what_acts_for_the_model_is_found_and_what_the_caller_runs_itself_is_not() {
        let agentic = |body: &str| -> Option<Vec<String>> {
            read(body.as_bytes()).ok().map(|asked| asked.agentic.into_iter().collect())
        };
        for body in [
            r#"{"tools":[{"name":"a","input_schema":{"type":"object","properties":{"container":{}}}}]}"#,
            r#"{"tools":[{"type":"custom","name":"a","cache_control":{"type":"ephemeral"}},{"type":null}]}"#,
            r#"{"tool_choice":{"type":"auto"},"thinking":{"type":"enabled"},"cache_control":{"type":"ephemeral"}}"#,
            r#"{"output_config":{"format":{"type":"json_schema","schema":{"type":"object","tools":[{"type":"x"}]}}}}"#,
            r#"{"messages":[{"content":[{"type":"tool_use","input":{"mcp_servers":[],"tools":[{"type":"bash"}]}}]}]}"#,
            r#"{"tools":[],"tools_of_others":[{"type":"bash_20250124"}]}"#,
        ] {
            assert_eq!(agentic(body), Some(Vec::new()), "{body}");
        }
        for (body, expected) in [
            (
                r#"{"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#,
                "a tool of type `web_search_20250305`",
            ),
            (r#"{"tools":[{"name":"a"},{"type":"bash_20250124"}]}"#, "a tool of type `bash_20250124`"),
            (r#"{"tools":[{"type":"mcp_toolset"}]}"#, "a tool of type `mcp_toolset`"),
            (r#"{"tools":[{"type":"Custom"}]}"#, "a tool of type `Custom`"),
            (r#"{"tools":[{"type":""}]}"#, "a tool of type ``"),
            (r#"{"Tools":[{"TYPE":"computer_20250124"}]}"#, "a tool of type `computer_20250124`"),
            (r#"{"tools":{"type":"computer_20250124"}}"#, "a tool of type `computer_20250124`"),
            (r#"{"tools":[[{"type":"x"}]]}"#, "a tool of type `x`"),
            (r#"{"tools":[{"type":7}]}"#, "a tool of a type that is no text"),
            (r#"{"tools":[{"type":{}}]}"#, "a tool of a type that is no text"),
            (
                r#"{"requests":[{"params":{"tools":[{"type":"code_execution_20250825"}]}}]}"#,
                "a tool of type `code_execution_20250825`",
            ),
            (r#"{"requests":[{"params":{"mcp_servers":[]}}]}"#, "`mcp_servers`"),
            (r#"{"mcp_servers":[]}"#, "`mcp_servers`"),
            (r#"{"mcp\u005fservers":null}"#, "`mcp_servers`"),
            (r#"{"Container":{"skills":[]}}"#, "`container`"),
            (r#"{"container":"container_1"}"#, "`container`"),
            (r#"{"betas":["mcp-client-2025-04-04"]}"#, "`betas`"),
        ] {
            assert_eq!(agentic(body), Some(vec![expected.to_owned()]), "{body}");
        }
    }
}
