//! What a decision answers. "No" and "not yet" are values with a reason, not errors.

use serde_json::Value;

/// The answer of every `decide_…` function.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Outcome<S> {
    /// The command takes effect: this is the new state.
    Changed(S),
    /// The same actor asked for the same before: answer as then, write nothing.
    AlreadyDone,
    /// The command has no effect, and why.
    Refused(Refusal),
}

impl<S> Outcome<S> {
    /// The new state, if there is one: for a job, which nobody asked for and nobody hears refused.
    pub fn changed(self) -> Option<S> {
        match self {
            Self::Changed(state) => Some(state),
            Self::AlreadyDone | Self::Refused(_) => None,
        }
    }

    /// Applies `f` to the new state, if there is one.
    pub fn map<T>(self, f: impl FnOnce(S) -> T) -> Outcome<T> {
        match self {
            Self::Changed(state) => Outcome::Changed(f(state)),
            Self::AlreadyDone => Outcome::AlreadyDone,
            Self::Refused(refusal) => Outcome::Refused(refusal),
        }
    }
}

impl<S> From<Refusal> for Outcome<S> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A decision that nobody can have taken before, such as a creation, among others.
impl<S> From<Result<S, Refusal>> for Outcome<S> {
    fn from(decided: Result<S, Refusal>) -> Self {
        match decided {
            Ok(state) => Self::Changed(state),
            Err(refusal) => Self::Refused(refusal),
        }
    }
}

/// Why something was refused, with what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// The stable reason; its kebab-case name is the problem's `type`.
    pub kind: RefusalKind,
    /// For people: what is wrong and what to do next; the user's values in backticks.
    pub detail: String,
    /// What the caller needs to try again: the current version, digest or state.
    pub current: Option<Value>,
}

impl Refusal {
    /// A refusal without current values.
    #[must_use]
    pub fn new(kind: RefusalKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), current: None }
    }

    /// Adds what the caller needs to try again.
    #[must_use]
    pub fn with_current(mut self, current: Value) -> Self {
        self.current = Some(current);
        self
    }
}

/// Every reason for which the product says no. HTTP statuses hang on it, so a reason is added here first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefusalKind {
    /// No role of the actor may ever do this.
    RoleForbidden,
    /// Requester, approver and executor of one approval are different people.
    SeparationOfDuties,
    /// It does not exist, or the actor may not know that it does.
    NotFound,
    /// The thing's state does not allow this now.
    WrongState,
    /// A task before this one is not completed.
    TaskBlocked,
    /// Somebody else holds the task.
    NotAssignee,
    /// The digest presented is not that of the approval.
    StaleDigest,
    /// The version presented is not the current one.
    StaleVersion,
    /// A newer approval replaced this one.
    ApprovalSuperseded,
    /// The workload has no estimate for the platform.
    EstimateMissing,
    /// The model is unreviewed.
    ModelNotApproved,
    /// The model is blocked.
    ModelBlocked,
    /// The model is restricted, and this lies outside the restriction.
    ModelRestricted,
    /// The decision goes beyond what was asked.
    WiderThanRequested,
    /// The role or workspace serves another workload.
    AnchorTaken,
    /// The anchor is claimed for those days.
    ClaimOverlaps,
    /// The same transition was made by somebody else.
    AlreadyDecided,
    /// A limit of the product would be passed.
    LimitExceeded,
    /// A field's value is not acceptable.
    InvalidValue,
    /// The evidence does not show what the task asks for.
    EvidenceMismatch,
    /// The account or region is not in governance.
    NotInGovernance,
    /// The document cannot be generated as approved.
    PolicyImpossible,
    /// The billing period is incomplete or already closed.
    PeriodNotReady,
}

impl RefusalKind {
    /// The stable last segment of the problem's `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoleForbidden => "role-forbidden",
            Self::SeparationOfDuties => "separation-of-duties",
            Self::NotFound => "not-found",
            Self::WrongState => "wrong-state",
            Self::TaskBlocked => "task-blocked",
            Self::NotAssignee => "not-assignee",
            Self::StaleDigest => "stale-digest",
            Self::StaleVersion => "stale-version",
            Self::ApprovalSuperseded => "approval-superseded",
            Self::EstimateMissing => "estimate-missing",
            Self::ModelNotApproved => "model-not-approved",
            Self::ModelBlocked => "model-blocked",
            Self::ModelRestricted => "model-restricted",
            Self::WiderThanRequested => "wider-than-requested",
            Self::AnchorTaken => "anchor-taken",
            Self::ClaimOverlaps => "claim-overlaps",
            Self::AlreadyDecided => "already-decided",
            Self::LimitExceeded => "limit-exceeded",
            Self::InvalidValue => "invalid-value",
            Self::EvidenceMismatch => "evidence-mismatch",
            Self::NotInGovernance => "not-in-governance",
            Self::PolicyImpossible => "policy-impossible",
            Self::PeriodNotReady => "period-not-ready",
        }
    }

    /// The HTTP status that stands for it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::RoleForbidden | Self::SeparationOfDuties => 403,
            Self::NotFound => 404,
            Self::InvalidValue | Self::LimitExceeded | Self::NotInGovernance | Self::PolicyImpossible => 422,
            _ => 409,
        }
    }
}
