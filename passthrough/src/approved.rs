//! What is approved, and the decision whether a call is within it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::refusal::Refusal;
use crate::route::{Action, Content, Route};

/// Workspace id, then model id, then the actions approved for it there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Approved(BTreeMap<String, BTreeMap<String, BTreeSet<Action>>>);

impl Approved {
    /// From JSON; none where it is malformed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether nothing is approved.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The workspace that a call goes to: the one that is approved for its action and all its models. A call need not name
    /// it unless there are several; one that it names must be among them.
    pub(crate) fn decide(&self, route: Route, models: &BTreeSet<String>, asked: Option<&str>) -> Result<&str, Refusal> {
        let action = route.action.as_str();
        if route.content == Content::Message && models.is_empty() {
            return Err(Refusal::invalid("the body names no model; set `model`".to_owned()));
        }
        let within: Vec<&str> =
            self.0.iter().filter(|(_, approved)| covers(approved, route, models)).map(|(id, _)| id.as_str()).collect();
        match (asked, within.as_slice()) {
            (Some(asked), within) => within
                .iter()
                .find(|id| **id == asked)
                .copied()
                .ok_or_else(|| Refusal::not_approved(&format!("{} in workspace `{asked}`", what(action, models)))),
            (None, [only]) => Ok(only),
            (None, []) => Err(Refusal::not_approved(&what(action, models))),
            (None, _) => Err(Refusal::invalid(format!(
                "{} is approved in several workspaces; name one in the header `anthropic-workspace-id`",
                what(action, models)
            ))),
        }
    }
}

fn covers(approved: &BTreeMap<String, BTreeSet<Action>>, route: Route, models: &BTreeSet<String>) -> bool {
    match route.content {
        Content::Message => {
            models.iter().all(|m| approved.get(m).is_some_and(|actions| actions.contains(&route.action)))
        }
        Content::File | Content::Nothing => approved.values().any(|actions| actions.contains(&route.action)),
    }
}

fn what(action: &str, models: &BTreeSet<String>) -> String {
    if models.is_empty() {
        return format!("action `{action}`");
    }
    let models: Vec<String> = models.iter().map(|model| format!("`{model}`")).collect();
    format!("action `{action}` with model {}", models.join(", "))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    const SONNET: &str = "claude-sonnet-4-6";
    const HAIKU: &str = "claude-haiku-4-5";
    const TWO: &str = r#"{
        "wrkspc_1": { "claude-sonnet-4-6": ["inference", "batch"], "claude-haiku-4-5": ["inference"] },
        "wrkspc_2": { "claude-haiku-4-5": ["inference", "count-tokens"] }
    }"#;

    /// The workspace, or the status of the refusal.
    fn check(method: &Method, path: &str, models: &[&str], asked: Option<&str>) -> Result<String, u16> {
        let (approved, route) = (Approved::parse(TWO).ok_or(1_u16)?, crate::route::find(method, path).ok_or(2_u16)?);
        let models = models.iter().map(|m| (*m).to_owned()).collect();
        approved.decide(route, &models, asked).map(str::to_owned).map_err(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn a_call_goes_where_its_action_and_all_its_models_are_approved() {
        let (post, get) = (&Method::POST, &Method::GET);
        let (messages, count, batches) = ("/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches");
        for (method, path, models, asked, expected) in [
            (post, messages, &[SONNET][..], None, Ok("wrkspc_1")),
            (post, messages, &[SONNET, HAIKU], None, Ok("wrkspc_1")),
            (post, messages, &[HAIKU], None, Err(400)),
            (post, messages, &[HAIKU], Some("wrkspc_2"), Ok("wrkspc_2")),
            (post, messages, &[SONNET], Some("wrkspc_2"), Err(403)),
            (post, messages, &[SONNET], Some("wrkspc_3"), Err(403)),
            (post, messages, &[SONNET], Some(""), Err(403)),
            (post, messages, &["claude-opus-4-6"], None, Err(403)),
            (post, messages, &[SONNET, "claude-opus-4-6"], None, Err(403)),
            (post, messages, &["claude-sonnet-4-6 "], None, Err(403)),
            (post, messages, &["Claude-Sonnet-4-6"], None, Err(403)),
            (post, messages, &[], None, Err(400)),
            (post, count, &[SONNET], None, Err(403)),
            (post, count, &[HAIKU], None, Ok("wrkspc_2")),
            (post, batches, &[SONNET], None, Ok("wrkspc_1")),
            (post, batches, &[SONNET, HAIKU], None, Err(403)),
            (get, batches, &[], None, Ok("wrkspc_1")),
            (get, batches, &[], Some("wrkspc_2"), Err(403)),
            (get, "/v1/files", &[], None, Err(403)),
        ] {
            assert_eq!(check(method, path, models, asked), expected.map(str::to_owned), "{path} {models:?} {asked:?}");
        }
    }
}
