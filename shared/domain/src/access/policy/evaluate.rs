//! A small evaluator of one identity policy document, as IAM decides: explicit deny, then allow, then nothing.
//!
//! It answers about this document alone. What it cannot judge (operators that the product never writes) counts as met
//! in an Allow and as unmet in a Deny: the answer errs towards "allowed", because it is asked in order to find
//! over-grants.

use std::collections::BTreeMap;

use serde::Serialize;

use super::condition::{Comparison, Conditions, Operator, Values};
use super::document::{Actions, Document, Effect, Resources, Statement};

/// One authorisation question: IAM asks one for each resource that a call touches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// `service:Name`.
    pub action: String,
    /// The resource's ARN, or `*` where the action has none.
    pub resource: String,
    context: BTreeMap<String, String>,
}

impl Request {
    /// A request without context.
    #[must_use]
    pub fn new(action: &str, resource: &str) -> Self {
        Self { action: action.to_owned(), resource: resource.to_owned(), context: BTreeMap::new() }
    }

    /// The same request with a condition key's value.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.context.insert(key.to_ascii_lowercase(), value.to_owned());
        self
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.context.get(&key.to_ascii_lowercase()).map(String::as_str)
    }
}

/// What the document says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows it and none denies it; the statement's label.
    Allowed(String),
    /// A statement denies it; the statement's label.
    Denied(String),
    /// No statement speaks of it, so it is not allowed.
    NotMentioned,
}

impl Decision {
    /// Whether the request passes.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

/// Judges a request.
#[must_use]
pub fn evaluate(document: &Document, request: &Request) -> Decision {
    let speaks = |effect: Effect| {
        let mut labelled = document.statements.iter().enumerate();
        labelled.find(|(_, s)| s.effect == effect && matches(s, request)).map(|(index, s)| s.label(index))
    };
    if let Some(label) = speaks(Effect::Deny) {
        return Decision::Denied(label);
    }
    speaks(Effect::Allow).map_or(Decision::NotMentioned, Decision::Allowed)
}

fn matches(statement: &Statement, request: &Request) -> bool {
    let action = request.action.to_ascii_lowercase();
    let names = |pattern: &super::document::Action| glob(&pattern.as_str().to_ascii_lowercase(), &action);
    let action_matches = match &statement.actions {
        Actions::Only(patterns) => patterns.iter().any(names),
        Actions::AllBut(patterns) => !patterns.iter().any(names),
    };
    let resource_matches = match &statement.resources {
        Some(Resources::Only(patterns)) => patterns.iter().any(|p| glob(p, &request.resource)),
        Some(Resources::AllBut(patterns)) => !patterns.iter().any(|p| glob(p, &request.resource)),
        None => true,
    };
    action_matches && resource_matches && conditions_met(&statement.conditions, request, statement.effect)
}

fn conditions_met(conditions: &Conditions, request: &Request, effect: Effect) -> bool {
    conditions.0.iter().all(|(operator, keys)| {
        keys.iter()
            .all(|(key, values)| condition_met(operator, request.value(key), values).unwrap_or(effect == Effect::Allow))
    })
}

/// Whether one key satisfies one operator; `None` where this evaluator cannot tell.
fn condition_met(operator: &Operator, given: Option<&str>, wanted: &Values) -> Option<bool> {
    type Compare = fn(&str, &str) -> bool;
    if operator.quantifier.is_some() {
        return None;
    }
    let same: Compare = |wanted, given| wanted == given;
    let same_ignoring_case: Compare = |wanted, given| wanted.eq_ignore_ascii_case(given);
    let (compare, negated): (Compare, bool) = match &operator.comparison {
        Comparison::Null => {
            let absent = if given.is_none() { "true" } else { "false" };
            return Some(wanted.0.iter().any(|wanted| wanted.eq_ignore_ascii_case(absent)));
        }
        Comparison::Other(_) => return None,
        Comparison::StringEquals => (same, false),
        Comparison::StringNotEquals => (same, true),
        Comparison::StringEqualsIgnoreCase | Comparison::Bool => (same_ignoring_case, false),
        Comparison::StringNotEqualsIgnoreCase => (same_ignoring_case, true),
        Comparison::StringLike => (glob, false),
        Comparison::StringNotLike => (glob, true),
        Comparison::ArnEquals | Comparison::ArnLike => (arn_like, false),
        Comparison::ArnNotEquals | Comparison::ArnNotLike => (arn_like, true),
    };
    // An absent key fails a positive comparison and passes a negated one; `IfExists` passes both.
    Some(match given {
        None => negated || operator.if_exists,
        Some(given) => wanted.0.iter().any(|wanted| compare(wanted, given)) != negated,
    })
}

/// IAM compares ARNs part by part, so that a wildcard does not cross a colon (IAM user guide, "ARN condition
/// operators").
fn arn_like(pattern: &str, arn: &str) -> bool {
    let (patterns, parts) = (pattern.splitn(6, ':'), arn.splitn(6, ':'));
    pattern.splitn(6, ':').count() == arn.splitn(6, ':').count() && patterns.zip(parts).all(|(p, a)| glob(p, a))
}

/// Whether `text` matches a pattern with `*` (any run) and `?` (any one character), in linear space.
#[must_use]
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&wanted_here) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == wanted_here => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    retry = Some((after_star, from + 1));
                    p = after_star;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::policy::parse::Unreadable;

    #[test]
    fn patterns_match_as_iam_reads_them() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*ab*ab", "abxab", true),
            ("", "a", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
        assert!(arn_like("arn:aws:ecs:*:1:*", "arn:aws:ecs:eu-west-1:1:task/x"));
        assert!(!arn_like("arn:aws:ecs:*", "arn:aws:ecs:eu-west-1:1:task/x"));
    }

    #[test]
    fn a_deny_wins_absent_keys_pass_negations_and_unknown_operators_err_towards_allowed() -> Result<(), Unreadable> {
        let check = |statements: &str, context: &[(&str, &str)], expected: bool| -> Result<(), Unreadable> {
            let document = Document::parse(&format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#))?;
            let request = context.iter().fold(Request::new("S3:getobject", "arn:x"), |r, (k, v)| r.with(k, v));
            assert_eq!(evaluate(&document, &request).is_allowed(), expected, "{statements} {context:?}");
            Ok(())
        };
        let allow = r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}"#;
        let when = |effect: &str, condition: &str| {
            format!(r#"{{"Effect":"{effect}","Action":"*","Resource":"*","Condition":{condition}}}"#)
        };
        check(allow, &[], true)?;
        check(&format!("{allow},{}", when("Deny", r#"{"Bool":{"k":"true"}}"#)), &[("K", "true")], false)?;
        check(&format!("{allow},{}", when("Deny", r#"{"Bool":{"k":"true"}}"#)), &[], true)?;
        check(&when("Allow", r#"{"StringNotEquals":{"k":"a"}}"#), &[], true)?;
        check(&when("Allow", r#"{"StringNotEquals":{"k":["a","b"]}}"#), &[("k", "b")], false)?;
        check(&when("Allow", r#"{"StringEquals":{"k":"a"}}"#), &[], false)?;
        check(&when("Allow", r#"{"StringEqualsIfExists":{"k":"a"}}"#), &[], true)?;
        check(&when("Allow", r#"{"StringEqualsIfExists":{"k":"a"}}"#), &[("k", "b")], false)?;
        check(&when("Allow", r#"{"Null":{"k":"true"}}"#), &[], true)?;
        check(&when("Allow", r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#), &[], true)?;
        check(&format!("{allow},{}", when("Deny", r#"{"IpAddress":{"k":"x"}}"#)), &[("k", "x")], true)?;
        check(r#"{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}"#, &[], false)?;
        check(r#"{"Effect":"Allow","Action":"*","NotResource":"arn:x"}"#, &[], false)
    }
}
