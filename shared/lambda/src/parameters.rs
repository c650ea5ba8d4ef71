//! The parameters of a call: those in its path and those in its query, parsed and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use domain::base::outcome::{Refusal, RefusalKind};
use percent_encoding::percent_decode_str;

use crate::problem::Problem;

/// The parameters in the path, by their names in the route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(BTreeMap<&'static str, String>);

impl Path {
    pub(crate) fn insert(&mut self, name: &'static str, value: &str) {
        self.0.insert(name, value.to_owned());
    }

    /// A parameter as text; empty if the route has none of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A parameter as the id or name that it must be.
    ///
    /// # Errors
    /// 404, as for one that does not exist, and with the form that it would have: nobody learns from that what there
    /// is.
    pub fn parse<T>(&self, name: &str) -> Result<T, Problem>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let given = self.get(name);
        given.parse().map_err(|why: T::Err| {
            // Some rules repeat what was given; it is as long as its sender liked.
            let why = why.to_string().replace(given, &shown(given));
            Refusal::new(RefusalKind::NotFound, format!("`{name}` in the path: {why}")).into()
        })
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }
}

/// The parameters in the query, decoded; each at most once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads a raw query string; a parameter with an empty value counts as not given.
    ///
    /// # Errors
    /// 400 when the encoding is broken, 422 when a parameter is given twice.
    pub fn parse(raw: &str) -> Result<Self, Problem> {
        let mut parameters = BTreeMap::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if value.is_empty() {
                continue;
            }
            if parameters.contains_key(&name) {
                return Err(Problem::invalid(format!("the query parameter `{}` is given twice", shown(&name))));
            }
            parameters.insert(name, value);
        }
        Ok(Self(parameters))
    }

    /// A parameter as text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter as what it must be; `None` if it is not given.
    ///
    /// # Errors
    /// 422 naming the parameter and its rule.
    pub fn maybe<T>(&self, name: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let refused = |why: T::Err| Problem::invalid(format!("the query parameter `{name}`: {why}"));
        self.get(name).map(|given| given.parse().map_err(refused)).transpose()
    }

    /// A parameter that must be given.
    ///
    /// # Errors
    /// 422 if it is missing or is not what it must be.
    pub fn require<T>(&self, name: &str) -> Result<T, Problem>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let missing = || Problem::invalid(format!("the query parameter `{name}` is missing"));
        self.maybe(name)?.ok_or_else(missing)
    }

    /// A parameter whose value is one of an enum's names on the wire (its `Deserialize` from text).
    ///
    /// # Errors
    /// 422 naming the values that there are.
    pub fn one_of<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Problem> {
        let refused = |why: serde_json::Error| Problem::invalid(format!("the query parameter `{name}`: {why}"));
        self.get(name).map(|given| serde_json::from_value(given.into()).map_err(refused)).transpose()
    }

    /// Refuses parameters that the route does not know: a misspelt filter must not show everything.
    pub(crate) fn allow_only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let listed = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let name = shown(name);
                Err(Problem::invalid(format!("there is no query parameter `{name}` here; those that are: {listed}")))
            }
        }
    }
}

fn decoded(text: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| {
        Problem::new(400, "malformed-query", "the query string is not percent-encoded UTF-8; encode it again")
    })
}

/// A caller's text, short enough to be repeated to them.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_SHOWN: usize = 60;
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(CHARS_SHOWN).collect();
    if text.chars().nth(CHARS_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_without_ever_panicking() -> Result<(), Problem> {
        let query = Query::parse("state=ready&name=a+b%20%C3%BC&flag&empty=&&x=1=2")?;
        assert_eq!((query.get("state"), query.get("name")), (Some("ready"), Some("a b ü")));
        assert_eq!((query.get("flag"), query.get("empty"), query.get("x")), (None, None, Some("1=2")));
        for (raw, status) in [("a=%ff", 400), ("%ff=1", 400), ("a=1&a=2", 422), ("a=1&%61=1", 422)] {
            assert_eq!(Query::parse(raw).map_err(|p| p.status), Err(status), "{raw}");
        }
        for odd in ["%", "a=%", "a=%zz", "=&=", "%00=%00", "🦀=🦀"] {
            assert!(Query::parse(odd).is_ok(), "{odd}");
        }
        Ok(())
    }

    #[test]
    fn what_is_no_id_is_not_found_and_told_which_form_an_id_has() {
        let mut path = Path::default();
        path.insert("id", &format!("apr_{}", "1".repeat(5_000)));
        let refused = path.parse::<domain::base::ids::RequestId>("id").map_err(|p| (p.status, p.kind, p.detail));
        let (status, kind, detail) = refused.err().unwrap_or_default();
        assert_eq!((status, kind), (404, "not-found"));
        assert!(detail.contains("`req_…`") && detail.len() < 300, "{detail}");
    }

    #[test]
    fn a_parameter_nobody_knows_is_named_and_those_that_are_known_listed() -> Result<(), Problem> {
        let refused = Query::parse("workloadID=1")?.allow_only(&["workloadId"]);
        let detail = refused.map_err(|p| p.detail);
        assert_eq!(detail, Err("there is no query parameter `workloadID` here; those that are: workloadId".to_owned()));
        assert_eq!(Query::parse("n=x")?.maybe::<u8>("n").map_err(|p| p.status), Err(422));
        assert_eq!(Query::parse("")?.require::<u8>("n").map_err(|p| p.status), Err(422));
        Ok(())
    }
}
