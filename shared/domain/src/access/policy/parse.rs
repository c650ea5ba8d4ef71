//! Reads a live policy document into typed statements.
//!
//! IAM writes one value bare and several as a list, in any case and order; here they become the same sets. What this
//! product never writes but IAM accepts (`NotPrincipal`, unknown elements) is an error with its place, never dropped:
//! a dropped element could be the one that widens.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::condition::{Conditions, Operator, Values};
use super::document::{Action, Actions, Document, Effect, PrincipalKind, Resources, Statement};

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON at all; IAM's API answers documents percent-encoded, so decode them first.
    #[error("the document is not JSON: {0}")]
    NotJson(String),
    /// The document lacks an element or has one of the wrong type.
    #[error("{place}: {problem}")]
    Element {
        /// Which statement, or the document.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Document {
    /// Reads a document's JSON text, already percent-decoded.
    ///
    /// # Errors
    /// [`Unreadable`] with the place of what cannot be understood.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let value: Value = serde_json::from_str(text).map_err(|why| Unreadable::NotJson(why.to_string()))?;
        let problem = |problem: &str| element("the document", problem);
        let Value::Object(document) = value else { return Err(problem("is not an object")) };
        if let Some(unknown) = document.keys().find(|k| !["Version", "Id", "Statement"].contains(&k.as_str())) {
            return Err(problem(&format!("has the unknown element `{unknown}`")));
        }
        // Without a version IAM reads the document as 2008-10-17.
        let version = match document.get("Version") {
            None => "2008-10-17".to_owned(),
            Some(Value::String(version)) => version.clone(),
            Some(_) => return Err(problem("has a Version that is not text")),
        };
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            _ => return Err(problem("has no Statement")),
        };
        let read = |(index, value): (usize, &Value)| statement(&format!("statement {}", index + 1), value);
        let statements = statements.into_iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::of_version(version, statements))
    }
}

fn statement(place: &str, value: &Value) -> Result<Statement, Unreadable> {
    const ELEMENTS: [&str; 8] =
        ["Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    let Value::Object(map) = value else { return Err(element(place, "is not an object")) };
    if let Some(unknown) = map.keys().find(|k| !ELEMENTS.contains(&k.as_str())) {
        return Err(element(place, &format!("has the element `{unknown}`, which this product never writes")));
    }
    let sid = match map.get("Sid") {
        None => None,
        Some(Value::String(sid)) => Some(sid.parse().map_err(|why| element(place, &format!("{why}")))?),
        Some(_) => return Err(element(place, "has a Sid that is not text")),
    };
    let effect = match map.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        _ => return Err(element(place, "has no Effect of Allow or Deny")),
    };
    let actions = match (map.get("Action"), map.get("NotAction")) {
        (Some(these), None) => Actions::Only(actions(place, these)?),
        (None, Some(these)) => Actions::AllBut(actions(place, these)?),
        _ => return Err(element(place, "needs either Action or NotAction")),
    };
    let resources = match (map.get("Resource"), map.get("NotResource")) {
        (Some(these), None) => Some(Resources::Only(texts(place, "Resource", these)?)),
        (None, Some(these)) => Some(Resources::AllBut(texts(place, "NotResource", these)?)),
        (None, None) => None,
        _ => return Err(element(place, "has both Resource and NotResource")),
    };
    let principals = map.get("Principal").map(|value| principals(place, value)).transpose()?;
    Ok(Statement { sid, effect, principals, actions, resources, conditions: conditions(place, map)? })
}

fn actions(place: &str, value: &Value) -> Result<BTreeSet<Action>, Unreadable> {
    texts(place, "Action", value)?
        .iter()
        .map(|text| {
            Action::parse(text).ok_or_else(|| element(place, &format!("names `{text}`, which is not an action")))
        })
        .collect()
}

fn principals(place: &str, value: &Value) -> Result<BTreeMap<PrincipalKind, Values>, Unreadable> {
    let map = match value {
        // `"Principal": "*"` and `{"AWS": "*"}` both mean everybody.
        Value::String(star) if star == "*" => {
            return Ok(BTreeMap::from([(PrincipalKind::Aws, Values::from_iter(["*"]))]));
        }
        Value::Object(map) => map,
        _ => return Err(element(place, "has a Principal that is neither `*` nor an object")),
    };
    let kind = |name: &str| match name {
        "AWS" => Ok(PrincipalKind::Aws),
        "Service" => Ok(PrincipalKind::Service),
        "Federated" => Ok(PrincipalKind::Federated),
        "CanonicalUser" => Ok(PrincipalKind::CanonicalUser),
        other => Err(element(place, &format!("has the principal kind `{other}`"))),
    };
    map.iter().map(|(name, value)| Ok((kind(name)?, Values(texts(place, "Principal", value)?)))).collect()
}

fn conditions(place: &str, statement: &Map<String, Value>) -> Result<Conditions, Unreadable> {
    let mut read = Conditions::none();
    let Some(condition) = statement.get("Condition") else { return Ok(read) };
    let Value::Object(operators) = condition else {
        return Err(element(place, "has a Condition that is not an object"));
    };
    for (operator, keys) in operators {
        let Value::Object(keys) = keys else {
            return Err(element(place, &format!("has a condition `{operator}` that is not an object")));
        };
        let under = read.0.entry(Operator::parse(operator)).or_default();
        for (key, values) in keys {
            under.insert(key.clone(), Values(texts(place, key, values)?));
        }
    }
    Ok(read)
}

/// One text or a list of them; IAM also takes bare numbers and booleans as condition values.
fn texts(place: &str, what: &str, value: &Value) -> Result<BTreeSet<String>, Unreadable> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(element(place, &format!("has a {what} that is not text"))),
    };
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        single => Ok(BTreeSet::from([one(single)?])),
    }
}

fn element(place: &str, problem: &str) -> Unreadable {
    Unreadable::Element { place: place.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_product_never_writes_is_named_and_never_dropped() {
        for (text, expected) in [
            ("%7B", "not JSON"),
            ("[]", "not an object"),
            (r#"{"Version":"2012-10-17"}"#, "no Statement"),
            (r#"{"Statement":{"Effect":"Allow","NotPrincipal":"*","Action":"*"}}"#, "NotPrincipal"),
            (r#"{"Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]}"#, "statement 1"),
            (r#"{"Statement":[{"Effect":"Allow","Resource":"*"}]}"#, "Action"),
            (r#"{"Statement":[{"Effect":"Allow","Action":"a b","Resource":"*"}]}"#, "`a b`"),
            (r#"{"Statement":[],"Extra":1}"#, "`Extra`"),
        ] {
            let why = Document::parse(text).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(why.contains(expected), "{text}: {why}");
        }
    }

    #[test]
    fn a_single_statement_and_bare_values_are_read_as_sets() -> Result<(), Unreadable> {
        let read = Document::parse(
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"bool":{"aws:ViaAWSMCPService":true}}}}"#,
        )?;
        let expected = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:ViaAWSMCPService":"true"}}}]}"#;
        assert_eq!(read.to_json(), expected);
        Ok(())
    }
}
