//! A policy document as typed statements, and its one spelling as JSON.
//!
//! The same document always has the same bytes: sets are sorted, elements stand in IAM's usual order, statements in the
//! order in which they were made. Size and characters are checked against IAM's quotas by the [linter](super::linter).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::condition::{Conditions, Values};
use crate::checked_text;

/// The only policy language version in use; `2008-10-17` knows no policy variables and is never written.
pub const VERSION: &str = "2012-10-17";

/// Allow or deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[expect(missing_docs, reason = "IAM's two words")]
pub enum Effect {
    Allow,
    Deny,
}

checked_text! {
    /// A statement's id.
    Sid, "Sid", "must be letters and digits only",
    |t| t.bytes().all(|b| b.is_ascii_alphanumeric())
}

impl Sid {
    /// `name`, or `name2`, `name3` … where a document holds several of them.
    #[must_use]
    pub(crate) fn numbered(name: &'static str, place: usize) -> Self {
        Self(if place <= 1 { name.to_owned() } else { format!("{name}{place}") })
    }
}

/// An action: `service:Name`, possibly with wildcards, or `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Action(Cow<'static, str>);

impl Action {
    /// An action that stands in this crate's own tables; a test reads each table back through [`Action::parse`].
    #[must_use]
    pub(crate) const fn known(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// Reads an action as IAM accepts it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name_part =
            |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'*' || b == b'?');
        let service_part = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let well_formed = text == "*" || text.split_once(':').is_some_and(|(s, n)| service_part(s) && name_part(n));
        well_formed.then(|| Self(Cow::Owned(text.to_owned())))
    }

    /// The action as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `Action` or `NotAction`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actions {
    /// These.
    Only(BTreeSet<Action>),
    /// All but these.
    AllBut(BTreeSet<Action>),
}

/// `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resources {
    /// These.
    Only(BTreeSet<String>),
    /// All but these.
    AllBut(BTreeSet<String>),
}

impl Resources {
    /// Every resource.
    #[must_use]
    pub fn all() -> Self {
        Self::Only(BTreeSet::from(["*".to_owned()]))
    }
}

/// What kind of principal a trust policy names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum PrincipalKind {
    /// An IAM principal's ARN.
    #[serde(rename = "AWS")]
    Aws,
    /// An AWS service.
    Service,
    /// An identity provider.
    Federated,
    /// An S3 canonical user; never written, but it may be live.
    CanonicalUser,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its id, unique in the document.
    pub sid: Option<Sid>,
    /// Allow or deny.
    pub effect: Effect,
    /// Whom it trusts; only in trust policies.
    pub principals: Option<BTreeMap<PrincipalKind, Values>>,
    /// What it is about.
    pub actions: Actions,
    /// On what; absent in trust policies.
    pub resources: Option<Resources>,
    /// When.
    pub conditions: Conditions,
}

impl Statement {
    /// The statement's name for people: its Sid, or its place in the document.
    #[must_use]
    pub fn label(&self, index: usize) -> String {
        match &self.sid {
            Some(sid) if !sid.as_str().is_empty() => sid.to_string(),
            _ => format!("statement {}", index + 1),
        }
    }
}

impl Serialize for Statement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(sid) = &self.sid {
            map.serialize_entry("Sid", sid)?;
        }
        map.serialize_entry("Effect", &self.effect)?;
        if let Some(principals) = &self.principals {
            map.serialize_entry("Principal", principals)?;
        }
        let (key, actions) = match &self.actions {
            Actions::Only(actions) => ("Action", actions),
            Actions::AllBut(actions) => ("NotAction", actions),
        };
        map.serialize_entry(key, &actions.iter().map(Action::as_str).collect::<Values>())?;
        match &self.resources {
            Some(Resources::Only(resources)) => map.serialize_entry("Resource", &Values(resources.clone()))?,
            Some(Resources::AllBut(resources)) => map.serialize_entry("NotResource", &Values(resources.clone()))?,
            None => {}
        }
        if !self.conditions.is_empty() {
            map.serialize_entry("Condition", &self.conditions)?;
        }
        map.end()
    }
}

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Document {
    #[serde(rename = "Version")]
    version: Cow<'static, str>,
    /// Its statements.
    #[serde(rename = "Statement")]
    pub statements: Vec<Statement>,
}

impl Document {
    /// A document of the current policy language version.
    #[must_use]
    pub const fn new(statements: Vec<Statement>) -> Self {
        Self { version: Cow::Borrowed(VERSION), statements }
    }

    /// A live document, which may be of an older version.
    #[must_use]
    pub(crate) const fn of_version(version: String, statements: Vec<Statement>) -> Self {
        Self { version: Cow::Owned(version), statements }
    }

    /// The policy language version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The document in its one compact spelling: what is digested.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Text keys and text values only: serialising to memory cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The same with two-space indentation and a final line feed: the artefact file.
    #[must_use]
    pub fn to_file(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Its size as IAM counts it: characters that are not white space (IAM user guide, "IAM and AWS STS quotas").
    #[must_use]
    pub fn size_characters(&self) -> usize {
        self.to_json().chars().filter(|c| !c.is_whitespace()).count()
    }
}

/// Whether IAM accepts every character: TAB, LF, CR and U+0020–U+00FF (IAM API reference, `PutRolePolicy`).
#[must_use]
pub fn has_only_policy_characters(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_and_sids_are_read_as_iam_accepts_them() {
        for good in ["*", "bedrock:InvokeModel", "bedrock-mantle:*", "s3:Get?bject*"] {
            assert!(Action::parse(good).is_some(), "{good}");
        }
        for bad in ["", "bedrock", "bedrock:", ":Invoke", "bedrock:Invoke Model", "bedrock:\u{2014}"] {
            assert!(Action::parse(bad).is_none(), "{bad}");
        }
        assert!("Deny\u{2014}All".parse::<Sid>().is_err());
        assert_eq!(Sid::numbered("Allow", 2).as_str(), "Allow2");
        assert!(has_only_policy_characters("\t\u{ff}") && !has_only_policy_characters("\u{2014}"));
    }

    #[test]
    fn single_values_stand_bare_and_several_in_sorted_lists() {
        let statement = Statement {
            sid: None,
            effect: Effect::Allow,
            principals: None,
            actions: Actions::Only(BTreeSet::from([Action::known("b:B"), Action::known("a:A")])),
            resources: Some(Resources::all()),
            conditions: Conditions::none().and_equals("aws:RequestedRegion", "us-east-1"),
        };
        let document = Document::new(vec![statement]);
        let expected = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["a:A","b:B"],"Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}}]}"#;
        assert_eq!(document.to_json(), expected);
        assert_eq!(document.size_characters(), expected.len());
    }
}
