//! Answers that do not come from the platform: a JSON object in its shape, so that its SDKs raise the error they know.

use http::StatusCode;
use serde_json::json;

/// Why a call is not forwarded, or not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    kind: &'static str,
    message: String,
}

impl Refusal {
    pub(crate) fn invalid(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "invalid_request_error", message }
    }

    /// `what` was asked for and is not in the approval.
    pub(crate) fn not_approved(what: &str) -> Self {
        let message = format!("{what} is not approved for this function; ask for it in FinOps Center");
        Self { status: StatusCode::FORBIDDEN, kind: "permission_error", message }
    }

    /// The call would let the platform act for the model, by `means`, and no approval of tier agentic covers that.
    pub(crate) fn not_for_agents(means: &str) -> Self {
        let message = format!(
            "the call uses {means}, and what lets the platform act for the model needs an approval of tier `agentic`; ask for \
             it in FinOps Center, or leave it out"
        );
        Self { status: StatusCode::FORBIDDEN, kind: "permission_error", message }
    }

    /// The body is of another type than the one that the call takes.
    pub(crate) fn other_content(taken: &str) -> Self {
        let message = format!("send the body of this call as `content-type: {taken}`");
        Self { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, kind: "invalid_request_error", message }
    }

    pub(crate) fn no_such_call(call: &str) -> Self {
        let message = format!("`{call}` is none of the calls that this function forwards");
        Self { status: StatusCode::NOT_FOUND, kind: "not_found_error", message }
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let message = format!("the body is larger than {bytes_max} bytes");
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, kind: "request_too_large", message }
    }

    /// The platform could not be reached or broke off before it answered.
    pub(crate) fn unreachable(message: String) -> Self {
        Self { status: StatusCode::BAD_GATEWAY, kind: "api_error", message }
    }

    pub(crate) fn too_late() -> Self {
        let message = "the platform did not answer before this function's time ran out".to_owned();
        Self { status: StatusCode::GATEWAY_TIMEOUT, kind: "timeout_error", message }
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn body(&self) -> String {
        json!({ "type": "error", "error": { "type": self.kind, "message": self.message } }).to_string()
    }
}
