//! The grammar of policy documents, as far as IAM refuses them when they are put.

use serde_json::{Map, Value};

use super::super::answer::Fault;

/// What a document is for: the two kinds ask for different members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Attached to a role: names resources, never principals.
    Identity,
    /// A role's trust policy: names principals, never resources.
    Trust,
}

/// Refuses what IAM refuses with `MalformedPolicyDocument`.
pub(super) fn check_document(text: &str, used: Use) -> Result<(), Fault> {
    let allowed = |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{ff}');
    if !text.chars().all(allowed) {
        return Err(malformed("The policy contains a character outside of U+0020 to U+00FF, tab and line breaks."));
    }
    let Ok(Value::Object(policy)) = serde_json::from_str(text) else {
        return Err(malformed("This policy contains invalid Json"));
    };
    if policy.keys().any(|key| !["Version", "Id", "Statement"].contains(&key.as_str())) {
        return Err(malformed("Syntax errors in policy."));
    }
    if policy.get("Version").is_some_and(|version| version != "2012-10-17" && version != "2008-10-17") {
        return Err(malformed("Policy document must be version 2012-10-17 or greater."));
    }
    let statements: Vec<&Value> = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(statement @ Value::Object(_)) => vec![statement],
        _ => return Err(malformed("Missing required field Statement")),
    };
    if statements.is_empty() {
        return Err(malformed("Missing required field Statement"));
    }
    let mut sids = Vec::new();
    for statement in statements {
        let statement = statement.as_object().ok_or_else(|| malformed("Syntax errors in policy."))?;
        check_statement(statement, used)?;
        if let Some(sid) = statement.get("Sid").and_then(Value::as_str) {
            if sids.contains(&sid) {
                return Err(malformed("Statement IDs (SID) in a single policy must be unique."));
            }
            sids.push(sid);
        }
    }
    Ok(())
}

fn check_statement(statement: &Map<String, Value>, used: Use) -> Result<(), Fault> {
    let has = |field: &str| statement.get(field).is_some_and(is_given);
    let either = |one: &str, other: &str| has(one) != has(other);
    if !matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
        return Err(malformed("Missing required field Effect"));
    }
    if statement
        .get("Sid")
        .is_some_and(|sid| !sid.as_str().is_some_and(|sid| sid.bytes().all(|byte| byte.is_ascii_alphanumeric())))
    {
        return Err(malformed(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression \
             [0-9A-Za-z]*",
        ));
    }
    if !either("Action", "NotAction") {
        return Err(malformed("Policy statement must contain actions."));
    }
    let vendored = |action: &str| {
        action == "*" || action.split_once(':').is_some_and(|(vendor, name)| !vendor.is_empty() && !name.is_empty())
    };
    if !texts(statement.get("Action").or_else(|| statement.get("NotAction"))).iter().all(|action| vendored(action)) {
        return Err(malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."));
    }
    if statement.get("Condition").is_some_and(|condition| !condition.is_object()) {
        return Err(malformed("Syntax errors in policy."));
    }
    let principal = has("Principal") || has("NotPrincipal");
    match used {
        Use::Identity if principal => Err(malformed("Policy document should not specify a principal.")),
        Use::Identity if !either("Resource", "NotResource") => {
            Err(malformed("Policy statement must contain resources."))
        }
        Use::Identity => check_resources(statement),
        Use::Trust if has("Resource") || has("NotResource") => Err(malformed("Has prohibited field Resource")),
        Use::Trust if !principal => Err(malformed("Missing required field Principal")),
        Use::Trust => Ok(()),
    }
}

fn check_resources(statement: &Map<String, Value>) -> Result<(), Fault> {
    for resource in texts(statement.get("Resource").or_else(|| statement.get("NotResource"))) {
        if resource != "*" && (!resource.starts_with("arn:") || resource.splitn(6, ':').count() < 6) {
            return Err(malformed(&format!("Resource {resource} must be in ARN format or \"*\".")));
        }
    }
    Ok(())
}

fn is_given(value: &Value) -> bool {
    match value {
        Value::Array(values) => !values.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    }
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(values)) => values.iter().map(|value| value.as_str().unwrap_or_default()).collect(),
        _ => Vec::new(),
    }
}

/// The length that IAM's quotas count: white space is free.
pub(super) fn counted_chars(document: &str) -> usize {
    document.chars().filter(|character| !character.is_whitespace()).count()
}

fn malformed(message: &str) -> Fault {
    Fault::new(400, "MalformedPolicyDocument", message)
}
