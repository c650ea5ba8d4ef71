//! What a state says must be there: the things that it names and that have a record of their own.

use serde_json::Value;

use super::evidence::kind_of;

/// One place in a kind's state that names a thing.
struct Reference {
    kind: &'static str,
    /// Fields from the outermost in; `*` stands for every element of a list.
    path: &'static [&'static str],
    target: &'static str,
}

const fn names(kind: &'static str, path: &'static [&'static str], target: &'static str) -> Reference {
    Reference { kind, path, target }
}

/// Who asked, who decided, and what was made of it: the flow that three people take part in, and where it belongs.
const REFERENCES: &[Reference] = &[
    names("APPROVAL", &["requestId"], "REQUEST"),
    names("APPROVAL", &["scopes", "*", "id"], "SCOPE"),
    names("APPROVAL", &["supersedes"], "APPROVAL"),
    names("APPROVAL", &["workloadId"], "WORKLOAD"),
    names("SCOPE", &["approvalId"], "APPROVAL"),
    names("SCOPE", &["workloadId"], "WORKLOAD"),
    names("REQUEST", &["end", "approvalId"], "APPROVAL"),
    names("REQUEST", &["workloadId"], "WORKLOAD"),
    names("WORKLOAD", &["spaceId"], "SPACE"),
    names("CARD", &["workloadId"], "WORKLOAD"),
];

/// The things that the state of `aggregate` names.
#[must_use]
pub fn references_of(aggregate: &str, state: &Value) -> Vec<String> {
    let mut named = Vec::new();
    for reference in REFERENCES.iter().filter(|reference| reference.kind == kind_of(aggregate)) {
        collect(state, reference.path, &mut |id| named.push(format!("{}#{id}", reference.target)));
    }
    named
}

fn collect(value: &Value, path: &[&str], found: &mut impl FnMut(&str)) {
    match (path.split_first(), value) {
        (None, Value::String(id)) => found(id),
        (Some((&"*", rest)), Value::Array(items)) => items.iter().for_each(|item| collect(item, rest, found)),
        (Some((field, rest)), Value::Object(fields)) => {
            fields.get(*field).into_iter().for_each(|value| collect(value, rest, found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_approval_names_its_request_its_scopes_and_what_it_replaces() {
        let state = json!({
            "requestId": "req_1", "scopes": [{"id": "scp_1"}, {"id": "scp_2"}], "supersedes": null,
            "workloadId": "wkl_1",
        });
        let named = references_of("APPROVAL#apr_1", &state);
        assert_eq!(named, ["REQUEST#req_1", "SCOPE#scp_1", "SCOPE#scp_2", "WORKLOAD#wkl_1"]);
        assert_eq!(references_of("SPACE#spc_1", &state), Vec::<String>::new());
        assert_eq!(references_of("APPROVAL#apr_1", &json!({ "scopes": "none" })), Vec::<String>::new());
    }
}
