//! Compares the approved document with the live one by meaning.
//!
//! Order, a single value against a list of one, the case of actions, operators and condition keys, and Sids carry no
//! meaning; everything else does. Statements are paired by Sid only to say what changed in them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::condition::Values;
use super::document::{Actions, Document, Effect, PrincipalKind, Resources, Statement};

/// How the live document departs from the approved one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKind {
    /// Approved, but not live.
    Missing,
    /// Live, but not approved.
    Unexpected,
    /// Live with another content.
    Changed,
    /// The live document cannot be read.
    Unreadable,
}

/// One difference, named by its statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// How.
    pub kind: DifferenceKind,
    /// Which statement: its Sid or its place; `document` for the whole.
    pub statement: String,
    /// What, for people.
    pub detail: String,
}

/// All differences of a live document's JSON text (percent-decoded) from the approved one; empty when they mean the
/// same.
#[must_use]
pub fn compare(approved: &Document, live: &str) -> Vec<Difference> {
    match Document::parse(live) {
        Ok(live) => compare_documents(approved, &live),
        Err(why) => vec![difference(DifferenceKind::Unreadable, "document", why.to_string())],
    }
}

/// The same for documents that are already read.
#[must_use]
pub fn compare_documents(approved: &Document, live: &Document) -> Vec<Difference> {
    let mut differences = Vec::new();
    if approved.version() != live.version() {
        let detail = format!("version: approved {}, live {}", approved.version(), live.version());
        differences.push(difference(DifferenceKind::Changed, "document", detail));
    }
    let (approved, live) = (labelled(approved), labelled(live));
    let approved_meanings: BTreeSet<&Meaning> = approved.iter().map(|(_, meaning)| meaning).collect();
    let live_meanings: BTreeSet<&Meaning> = live.iter().map(|(_, meaning)| meaning).collect();
    let mut unexpected: BTreeMap<&str, &Meaning> = live
        .iter()
        .filter(|(_, meaning)| !approved_meanings.contains(meaning))
        .map(|(label, meaning)| (label.as_str(), meaning))
        .collect();
    for (label, wanted) in approved.iter().filter(|(_, meaning)| !live_meanings.contains(meaning)) {
        differences.push(match unexpected.remove(label.as_str()) {
            Some(found) => difference(DifferenceKind::Changed, label, wanted.changes_to(found)),
            None => difference(DifferenceKind::Missing, label, format!("approved, not live: {}", wanted.describe())),
        });
    }
    for (label, found) in unexpected {
        differences.push(difference(
            DifferenceKind::Unexpected,
            label,
            format!("live, not approved: {}", found.describe()),
        ));
    }
    differences
}

/// What a statement means: its parts by name, each a set of texts in one spelling.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Meaning {
    effect: Effect,
    parts: BTreeMap<String, BTreeSet<String>>,
}

impl Meaning {
    fn of(statement: &Statement) -> Self {
        let mut parts = BTreeMap::new();
        let (name, actions) = match &statement.actions {
            Actions::Only(actions) => ("Action", actions),
            Actions::AllBut(actions) => ("NotAction", actions),
        };
        parts.insert(name.to_owned(), actions.iter().map(|a| a.as_str().to_ascii_lowercase()).collect());
        match &statement.resources {
            Some(Resources::Only(resources)) => parts.insert("Resource".to_owned(), resources.clone()),
            Some(Resources::AllBut(resources)) => parts.insert("NotResource".to_owned(), resources.clone()),
            None => None,
        };
        for (kind, Values(values)) in statement.principals.iter().flatten() {
            let kind = match kind {
                PrincipalKind::Aws => "AWS",
                PrincipalKind::Service => "Service",
                PrincipalKind::Federated => "Federated",
                PrincipalKind::CanonicalUser => "CanonicalUser",
            };
            parts.insert(format!("Principal {kind}"), values.clone());
        }
        for (operator, keys) in &statement.conditions.0 {
            for (key, Values(values)) in keys {
                // Values of Bool and Null are truth values: `True` means `true`.
                let truth = matches!(operator.to_string().as_str(), "Bool" | "BoolIfExists" | "Null");
                let spell = |value: &String| if truth { value.to_ascii_lowercase() } else { value.clone() };
                let name = format!("Condition {operator} {}", key.to_ascii_lowercase());
                parts.insert(name, values.iter().map(spell).collect());
            }
        }
        Self { effect: statement.effect, parts }
    }

    fn describe(&self) -> String {
        let joined = |values: &BTreeSet<String>| values.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let parts: Vec<String> = self.parts.iter().map(|(name, values)| format!("{name} {}", joined(values))).collect();
        format!("{:?}; {}", self.effect, parts.join("; "))
    }

    fn changes_to(&self, live: &Self) -> String {
        let mut changes = Vec::new();
        if self.effect != live.effect {
            changes.push(format!("effect: approved {:?}, live {:?}", self.effect, live.effect));
        }
        let nothing = BTreeSet::new();
        let names: BTreeSet<&String> = self.parts.keys().chain(live.parts.keys()).collect();
        for name in names {
            let wanted = self.parts.get(name).unwrap_or(&nothing);
            let found = live.parts.get(name).unwrap_or(&nothing);
            changes.extend(found.difference(wanted).map(|value| format!("{name}: live adds `{value}`")));
            changes.extend(wanted.difference(found).map(|value| format!("{name}: live lacks `{value}`")));
        }
        changes.join("; ")
    }
}

fn labelled(document: &Document) -> Vec<(String, Meaning)> {
    document.statements.iter().enumerate().map(|(index, s)| (s.label(index), Meaning::of(s))).collect()
}

fn difference(kind: DifferenceKind, statement: &str, detail: String) -> Difference {
    Difference { kind, statement: statement.to_owned(), detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::policy::parse::Unreadable;

    const APPROVED: &str = r#"{"Version":"2012-10-17","Statement":[
        {"Sid":"One","Effect":"Allow","Action":["bedrock:InvokeModel","bedrock:CountTokens"],"Resource":"arn:a"},
        {"Sid":"Two","Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:ViaAWSMCPService":"true"}}}]}"#;

    #[test]
    fn order_lists_case_and_sids_carry_no_meaning() -> Result<(), Unreadable> {
        let live = r#"{"Statement":[
            {"Effect":"Deny","Resource":["*"],"Action":["*"],"Condition":{"bool":{"AWS:viaawsmcpservice":[true]}}},
            {"Sid":"Renamed","Effect":"Allow","Resource":["arn:a"],"Action":["BEDROCK:counttokens","bedrock:invokemodel"]}],
            "Version":"2012-10-17"}"#;
        assert_eq!(compare(&Document::parse(APPROVED)?, live), []);
        Ok(())
    }

    #[test]
    fn each_change_is_named_by_its_statement() -> Result<(), Unreadable> {
        let approved = Document::parse(APPROVED)?;
        let check = |live: &str, expected: &[(DifferenceKind, &str, &str)]| {
            let found = compare(&approved, live);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (got, (kind, statement, detail)) in found.iter().zip(expected) {
                assert!(got.kind == *kind && got.statement == *statement && got.detail.contains(detail), "{got:?}");
            }
        };
        use DifferenceKind::{Changed, Missing, Unexpected, Unreadable};
        check(
            &APPROVED.replace("CountTokens", "*"),
            &[(Changed, "One", "live adds `bedrock:*`; Action: live lacks `bedrock:counttokens`")],
        );
        check(&APPROVED.replace("\"true\"", "\"false\""), &[(Changed, "Two", "live adds `false`")]);
        check(&APPROVED.replace("2012", "2008"), &[(Changed, "document", "version")]);
        check(&APPROVED.replace("arn:a", "arn:A"), &[(Changed, "One", "live adds `arn:A`")]);
        check(
            r#"{"Version":"2012-10-17","Statement":[]}"#,
            &[(Missing, "One", "not live"), (Missing, "Two", "not live")],
        );
        let more = APPROVED.replace("]}", r#",{"Sid":"Three","Effect":"Allow","Action":"*","Resource":"*"}]}"#);
        check(&more, &[(Unexpected, "Three", "Allow; Action *")]);
        check("", &[(Unreadable, "document", "not JSON")]);
        Ok(())
    }
}
