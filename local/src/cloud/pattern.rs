//! The one matching language of EventBridge patterns, Lambda filters and SNS filter policies, as far as it is used:
//! exact values, `prefix`, `suffix`, `anything-but`, `exists`.

use serde_json::Value;

/// Whether the event has what the pattern asks for: an object asks for each of its fields, an array for one of its
/// alternatives. A field that is itself an array matches if one of its elements does.
pub(crate) fn matches(pattern: &Value, event: Option<&Value>) -> bool {
    match pattern {
        Value::Object(fields) => {
            fields.iter().all(|(name, inner)| matches(inner, event.and_then(|event| event.get(name))))
        }
        Value::Array(alternatives) => alternatives.iter().any(|alternative| meets(alternative, event)),
        exact => event == Some(exact),
    }
}

fn meets(alternative: &Value, found: Option<&Value>) -> bool {
    if let Some(wanted) = alternative.get("exists").and_then(Value::as_bool) {
        return wanted == found.is_some();
    }
    match found {
        Some(Value::Array(values)) => values.iter().any(|value| meets_one(alternative, value)),
        Some(value) => meets_one(alternative, value),
        None => false,
    }
}

fn meets_one(alternative: &Value, value: &Value) -> bool {
    let Value::Object(operator) = alternative else { return alternative == value };
    operator.iter().all(|(name, operand)| match (name.as_str(), operand, value) {
        ("prefix", Value::String(prefix), Value::String(text)) => text.starts_with(prefix.as_str()),
        ("suffix", Value::String(suffix), Value::String(text)) => text.ends_with(suffix.as_str()),
        ("anything-but", Value::Array(unwanted), value) => !unwanted.contains(value),
        ("anything-but", unwanted, value) => unwanted != value,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::matches;

    #[test]
    fn a_pattern_matches_what_aws_says_it_matches() {
        let event =
            json!({"eventName": "INSERT", "dynamodb": {"Keys": {"SK": {"S": "EVENT#0001"}}}, "types": ["a", "b"]});
        let rows = [
            (json!({"eventName": ["INSERT", "MODIFY"]}), true),
            (json!({"eventName": ["REMOVE"]}), false),
            (json!({"dynamodb": {"Keys": {"SK": {"S": [{"prefix": "EVENT#"}]}}}}), true),
            (json!({"dynamodb": {"Keys": {"SK": {"S": [{"prefix": "META"}]}}}}), false),
            (json!({"types": ["b"]}), true),
            (json!({"types": [{"anything-but": ["a", "b"]}]}), false),
            (json!({"absent": ["x"]}), false),
            (json!({"absent": [{"exists": false}]}), true),
            (json!({}), true),
        ];
        for (pattern, expected) in rows {
            assert_eq!(matches(&pattern, Some(&event)), expected, "{pattern}");
        }
    }
}
