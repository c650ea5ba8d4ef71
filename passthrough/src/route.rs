//! Which calls exist: a method and a path of the Claude Platform's API, the approved action it needs, and what its body
//! is. Whatever is not in this table is refused.

use http::Method;
use serde::Deserialize;

/// The actions of an approval that calls through this function can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    Inference,
    CountTokens,
    Batch,
    Files,
}

impl Action {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::CountTokens => "count-tokens",
            Self::Batch => "batch",
            Self::Files => "files",
        }
    }
}

/// What a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) action: Action,
    pub(crate) content: Content,
}

/// What the body of a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// JSON that names at least one model.
    Message,
    /// A form with a file, which is not looked into.
    File,
    /// There is none.
    Nothing,
}

/// The route of a call, if there is one. Paths are compared as they came: nothing is decoded or resolved first, so that
/// `..` and `%2f` match nothing.
pub(crate) fn find(method: &Method, path: &str) -> Option<Route> {
    let segments: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
    let (action, content) = match (method.as_str(), segments.as_slice()) {
        ("POST", ["messages"]) => (Action::Inference, Content::Message),
        // What a model is, its platform's SDKs ask before they call it; the approved policy allows both.
        ("GET", ["models"]) => (Action::Inference, Content::Nothing),
        ("GET", ["models", id]) if is_id(id) => (Action::Inference, Content::Nothing),
        ("POST", ["messages", "count_tokens"]) => (Action::CountTokens, Content::Message),
        ("POST", ["messages", "batches"]) => (Action::Batch, Content::Message),
        ("GET", ["messages", "batches"]) => (Action::Batch, Content::Nothing),
        ("GET" | "DELETE", ["messages", "batches", id]) if is_id(id) => (Action::Batch, Content::Nothing),
        ("GET", ["messages", "batches", id, "results"]) if is_id(id) => (Action::Batch, Content::Nothing),
        ("POST", ["messages", "batches", id, "cancel"]) if is_id(id) => (Action::Batch, Content::Nothing),
        ("POST", ["files"]) => (Action::Files, Content::File),
        ("GET", ["files"]) => (Action::Files, Content::Nothing),
        ("GET" | "DELETE", ["files", id]) if is_id(id) => (Action::Files, Content::Nothing),
        ("GET", ["files", id, "content"]) if is_id(id) => (Action::Files, Content::Nothing),
        _ => return None,
    };
    Some(Route { action, content })
}

fn is_id(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_in_the_table_need_their_action_and_all_others_are_refused() {
        let route =
            |method: &Method, path| find(method, path).map(|r| (r.action.as_str(), r.content == Content::Message));
        for (method, path, expected) in [
            (Method::POST, "/v1/messages", Some(("inference", true))),
            (Method::POST, "/v1/messages/count_tokens", Some(("count-tokens", true))),
            (Method::POST, "/v1/messages/batches", Some(("batch", true))),
            (Method::GET, "/v1/messages/batches", Some(("batch", false))),
            (Method::GET, "/v1/messages/batches/msgbatch_01", Some(("batch", false))),
            (Method::DELETE, "/v1/messages/batches/msgbatch_01", Some(("batch", false))),
            (Method::GET, "/v1/messages/batches/msgbatch_01/results", Some(("batch", false))),
            (Method::POST, "/v1/messages/batches/msgbatch_01/cancel", Some(("batch", false))),
            (Method::POST, "/v1/files", Some(("files", false))),
            (Method::GET, "/v1/files/file_01/content", Some(("files", false))),
            (Method::GET, "/v1/models", Some(("inference", false))),
            (Method::GET, "/v1/models/claude-sonnet-4-6", Some(("inference", false))),
            (Method::GET, "/v1/messages", None),
            (Method::POST, "/v1/messages/", None),
            (Method::POST, "//v1/messages", None),
            (Method::POST, "/v1/complete", None),
            (Method::POST, "/v1/messages/batches/msgbatch_01", None),
            (Method::GET, "/v1/messages/batches/..", None),
            (Method::GET, "/v1/messages/batches/%2e%2e", None),
            (Method::GET, "/v1/files/a%2f..%2fb", None),
            (Method::GET, "/v1/files/", None),
            (Method::POST, "/v1/organizations/workspaces", None),
            (Method::POST, "/v1/agents", None),
            (Method::POST, "", None),
        ] {
            assert_eq!(route(&method, path), expected, "{method} {path}");
        }
    }
}
