//! Problem details (RFC 9457): every "no" that the API says, with a stable `type` and what to do next.

use domain::base::outcome::{Refusal, RefusalKind};
use serde_json::{Value, json};
use store::StoreError;

/// What the `type` of every problem begins with; the last segment is the stable reason.
const TYPE_PREFIX: &str = "urn:finops-center:problem:";
/// A throttled or unreachable dependency is back within seconds, or the caller's own patience ends.
const RETRY_AFTER_S: u32 = 2;

/// An answer that says no.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The stable reason, kebab-case.
    pub kind: &'static str,
    /// For people: what is wrong and what to do next.
    pub detail: String,
    /// What the caller needs to try again: the current version, digest or state.
    pub current: Option<Value>,
    /// When to come back, in seconds.
    pub retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem of the edge itself; the domain's come from [`Refusal`].
    #[must_use]
    pub fn new(status: u16, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), current: None, retry_after_s: None }
    }

    /// A value that cannot be accepted: 422.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Refusal::new(RefusalKind::InvalidValue, detail).into()
    }

    /// There is no such thing, or the caller may not know that there is: 404, always in the same words.
    #[must_use]
    pub fn not_found() -> Self {
        domain::base::authorization::not_found().into()
    }

    /// The caller is nobody the product knows: 401.
    #[must_use]
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(401, "unauthenticated", detail)
    }

    /// A dependency did not answer; nothing was written and the same call may be made again: 503.
    #[must_use]
    pub fn unavailable() -> Self {
        let detail = "a service that this needs does not answer; nothing was written, send the same request again";
        Self { retry_after_s: Some(RETRY_AFTER_S), ..Self::new(503, "unavailable", detail) }
    }

    /// A defect of the product: 500. The cause is logged where it is noticed and never shown.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(500, "internal", "this is a defect of the product; tell its operators the `instance` of this answer")
    }

    /// The body as it goes out. `instance` names this occurrence by its request.
    #[must_use]
    pub fn body(&self, request_id: &str) -> Value {
        let mut body = json!({
            "type": format!("{TYPE_PREFIX}{}", self.kind),
            "title": self.kind.replace('-', " "),
            "status": self.status,
            "detail": self.detail,
            "instance": format!("urn:finops-center:request:{request_id}"),
        });
        if let (Some(current), Some(fields)) = (&self.current, body.as_object_mut()) {
            fields.insert("current".to_owned(), current.clone());
        }
        body
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.kind.status(),
            kind: refusal.kind.as_str(),
            detail: refusal.detail,
            current: refusal.current,
            retry_after_s: None,
        }
    }
}

/// Races that were lost to the end are conflicts, dependencies that are away are 503, and a defect is never shown.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing(_) => Self::not_found(),
            StoreError::VersionMoved(_) | StoreError::AlreadyExists(_) | StoreError::PointerMoved(_) => {
                let detail =
                    "somebody else changed this at the same moment; read it again and decide on what it is now";
                Refusal::new(RefusalKind::StaleVersion, detail).into()
            }
            // The edge finds the record and answers with it.
            StoreError::AlreadyAnswered => {
                Self::new(409, "already-answered", "the same call is being answered; send it again to see its answer")
            }
            StoreError::TooLarge(detail) => Refusal::new(RefusalKind::LimitExceeded, detail).into(),
            StoreError::Conflict | StoreError::Throttled => Self::unavailable(),
            StoreError::Unavailable(..) => {
                tracing::error!(error = %error, cause = %cause(&error), "the store does not answer");
                Self::unavailable()
            }
            StoreError::AlreadyHandled | StoreError::Unreadable { .. } => {
                tracing::error!(error = %error, "the store holds what it should not");
                Self::internal()
            }
        }
    }
}

/// The chain of causes in one line.
fn cause(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |cause| cause.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_reason_and_its_current_values() {
        let refusal = Refusal::new(RefusalKind::StaleVersion, "it moved").with_current(json!({"version": 4}));
        let body = Problem::from(refusal).body("r-1");
        assert_eq!(
            body,
            json!({"type": "urn:finops-center:problem:stale-version", "title": "stale version", "status": 409,
                   "detail": "it moved", "instance": "urn:finops-center:request:r-1", "current": {"version": 4}})
        );
    }
}
