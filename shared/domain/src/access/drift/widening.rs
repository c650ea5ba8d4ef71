//! What a policy that no approval made does to a role: whether it opens models, and what a boundary closes.

use std::collections::BTreeSet;

use crate::access::policy::condition::Conditions;
use crate::access::policy::document::{Action, Actions, Document, Effect, Resources, Statement};
use crate::access::policy::evaluate::{Request, evaluate, glob};

/// The services by which models are called.
const MODEL_SERVICES: [&str; 3] = ["bedrock", "bedrock-mantle", "aws-external-anthropic"];

/// Whether a document allows anything on a model service. One that cannot be read counts as one that does.
pub(super) fn opens_models(document: &str) -> bool {
    let opens = |s: &Statement| {
        s.effect == Effect::Allow && actions_reach_models(&s.actions) && resources_reach_models(s.resources.as_ref())
    };
    Document::parse(document).map_or(true, |document| document.statements.iter().any(opens))
}

fn actions_reach_models(actions: &Actions) -> bool {
    let is = |action: &Action, text: &str| action.as_str() == "*" || action.as_str().eq_ignore_ascii_case(text);
    let service = |action: &Action| action.as_str().split(':').next().unwrap_or_default().to_ascii_lowercase();
    match actions {
        Actions::Only(these) => these.iter().any(|a| is(a, "*") || MODEL_SERVICES.contains(&service(a).as_str())),
        Actions::AllBut(these) => {
            let spares = |name: &str| these.iter().any(|a| is(a, &format!("{name}:*")));
            !MODEL_SERVICES.iter().all(|name| spares(name))
        }
    }
}

fn resources_reach_models(resources: Option<&Resources>) -> bool {
    let reaches = |pattern: &String| match pattern.split(':').nth(2) {
        None => pattern.contains(['*', '?', '$']),
        Some(service) => service.contains('$') || MODEL_SERVICES.iter().any(|name| glob(service, name)),
    };
    match resources {
        Some(Resources::Only(patterns)) => patterns.iter().any(reaches),
        Some(Resources::AllBut(_)) | None => true,
    }
}

/// The approved actions that a boundary is sure to close on some approved resource, whatever its conditions say. One
/// that cannot be read closes nothing for sure.
pub(super) fn closed_by(boundary: &str, approved: &Document) -> BTreeSet<String> {
    let Ok(boundary) = Document::parse(boundary) else { return BTreeSet::new() };
    let at_its_widest: Vec<Statement> = boundary
        .statements
        .into_iter()
        .filter(|s| s.effect == Effect::Allow || s.conditions.is_empty())
        .map(|s| Statement { conditions: Conditions::none(), ..s })
        .collect();
    let boundary = Document::new(at_its_widest);
    let mut closed = BTreeSet::new();
    for statement in approved.statements.iter().filter(|s| s.effect == Effect::Allow) {
        let (Actions::Only(actions), Some(Resources::Only(resources))) = (&statement.actions, &statement.resources)
        else {
            continue;
        };
        // A pattern is no resource that could be asked about.
        for resource in resources.iter().filter(|r| r.as_str() == "*" || !r.contains(['*', '?'])) {
            let is_closed = |a: &&Action| !evaluate(&boundary, &Request::new(a.as_str(), resource)).is_allowed();
            closed.extend(actions.iter().filter(is_closed).map(ToString::to_string));
        }
    }
    closed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_reach_a_model_opens_models() {
        let check = |statement: &str, expected: bool| {
            let document = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
            assert_eq!(opens_models(&document), expected, "{statement}");
        };
        check(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#, true);
        check(r#"{"Effect":"Allow","Action":"Bedrock:List*","Resource":"*"}"#, true);
        check(r#"{"Effect":"Allow","Action":"aws-external-anthropic:*","Resource":"*"}"#, true);
        check(r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#, true);
        check(r#"{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::b"}"#, true);
        check(r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:bedrock:*:*:*"}"#, true);
        check(r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:*:*:*:*"}"#, true);
        check(r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/*"}"#, false);
        check(r#"{"Effect":"Allow","Action":["s3:*","bedrockish:*"],"Resource":"*"}"#, false);
        check(r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#, false);
        let all = r#""bedrock:*","bedrock-mantle:*","aws-external-anthropic:*""#;
        check(&format!(r#"{{"Effect":"Allow","NotAction":[{all}],"Resource":"*"}}"#), false);
    }
}
