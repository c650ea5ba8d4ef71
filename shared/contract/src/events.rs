//! Governance events: what each says, beyond the envelope ([`domain::base::audit::AuditEvent`]) that carries it.
//!
//! An event tells that something happened, with what a consumer needs to find it; consumers read current state
//! themselves, since order ends at the topic. A shape never changes under one schema version: fields are added, never
//! removed or moved.

mod named;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use domain::access::anchor::AnchorRef;
use domain::access::models::model::ModelDecision;
use domain::access::tasks::migration::MapState;
use domain::base::aws::AccountId;
use domain::base::calendar::Month;
use domain::base::digest::Digest;
use domain::base::ids::{
    ApprovalId, DriftId, ExportId, ProposalId, RequestId, RunId, ScopeId, SpaceId, TaskId, VerificationId,
};
use domain::base::money::Money;
use domain::base::platform::{ModelId, ModelKey, Platform};
use domain::base::text::Sub;
use domain::spend::gap::NamedGap;

pub use named::{CardRef, ClaimRef, GapRef, OwnersChange, Place, TaskRef};

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $fields:tt),+ $(,)?) => {
        /// Every event of the product.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(tag = "type", content = "payload", rename_all_fields = "camelCase")]
        pub enum Event {
            $($(#[$doc])* #[serde(rename = $name)] $variant $fields),+
        }

        /// Which event: what a consumer is registered for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventType {
            $($(#[$doc])* $variant),+
        }

        impl EventType {
            /// Every type of event.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As the wire names it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl Event {
            /// Which event it is.
            #[must_use]
            pub const fn event_type(&self) -> EventType {
                match self { $(Self::$variant { .. } => EventType::$variant),+ }
            }
        }
    };
}

events! {
    /// Discovery saw a model for the first time.
    ModelDiscovered = "model.discovered" {
        /** The model. */ model_key: ModelKey, /** Its platform. */ platform: Platform,
        /** Its maker. */ vendor: String, /** Its name. */ model: String,
    },
    /// Discovery saw something about a model change.
    ModelChanged = "model.changed" { /** The model. */ model_key: ModelKey },
    /// Models that discovery saw for the first time are announced to the Leads: each once, all of a run together.
    ModelsAnnounced = "models.announced" { /** The models. */ model_keys: Vec<ModelKey> },
    /// Discovery saw an application inference profile come, change or go.
    ProfileChanged = "profile.changed" {
        /** Its ARN. */ arn: String, /** The model that it leads to, if it is one. */ model_id: Option<ModelId>,
    },
    /// A Lead decided about a model.
    ModelDecided = "model.decided" {
        /** The model. */ model_key: ModelKey, /** What. */ decision: ModelDecision, /** Why. */ reason: String,
    },
    /// An account came into governance or changed.
    AccountRegistered = "account.registered" { /** The account. */ account_id: AccountId },
    /// An account left governance.
    AccountRetired = "account.retired" { /** The account. */ account_id: AccountId },
    /// The settings changed.
    SettingsChanged = "settings.changed" { /** The settings' new version. */ version: u64 },
    /// Somebody was seen for the first time, or their name, e-mail or roles changed.
    PersonNoted = "person.noted" { /** The subject. */ sub: Sub },
    /// Somebody's own topic was made, or made again.
    PersonReachable = "person.reachable" { /** The subject. */ sub: Sub },
    /// A Space was created.
    SpaceCreated = "space.created" { /** The Space. */ space_id: SpaceId },
    /// A Space changed.
    SpaceChanged = "space.changed" {
        /** The Space. */ space_id: SpaceId,
        /** Whose it was and is, where that changed. */ #[serde(default)] owners: Option<OwnersChange>,
    },
    /// A workload was created.
    WorkloadCreated = "workload.created" { /** Which. */ place: Place },
    /// A workload was retired.
    WorkloadRetired = "workload.retired" { /** Which. */ place: Place },
    /// An estimate was set.
    EstimateSet = "estimate.set" {
        /** For which workload. */ place: Place, /** On which platform. */ platform: Platform,
        /** Per month. */ monthly: Money, /** From which month. */ valid_from: Date,
    },
    /// An owner asked for something.
    RequestSubmitted = "request.submitted" {
        /** For which workload. */ place: Place, /** The request. */ request_id: RequestId,
        /** The model, if named. */ model_key: Option<ModelKey>,
    },
    /// A request was approved.
    RequestApproved = "request.approved" {
        /** For which workload. */ place: Place, /** The request. */ request_id: RequestId,
        /** The approval. */ approval_id: ApprovalId,
    },
    /// A request was rejected.
    RequestRejected = "request.rejected" {
        /** For which workload. */ place: Place, /** The request. */ request_id: RequestId, /** Why. */ reason: String,
    },
    /// A request was withdrawn.
    RequestWithdrawn = "request.withdrawn" {
        /** For which workload. */ place: Place, /** The request. */ request_id: RequestId,
    },
    /// A Lead decided an approval; its chains are issued from this.
    ApprovalDecided = "approval.decided" {
        /** For which workload. */ place: Place, /** The approval. */ approval_id: ApprovalId,
        /** Its digest. */ digest: Digest, /** The model. */ model_key: ModelKey,
        /** Its scopes. */ scope_ids: Vec<ScopeId>, /** What it replaces. */ supersedes: Option<ApprovalId>,
        /** Decided without a request, because it could not wait. */ break_glass: bool,
    },
    /// The day from which an approval was decided has come: its chains are issued from this.
    ApprovalEffective = "approval.effective" {
        /** For which workload. */ place: Place, /** The approval. */ approval_id: ApprovalId,
        /** Its scopes. */ scope_ids: Vec<ScopeId>,
    },
    /// An approval was replaced; its scopes are carried over or end.
    ApprovalSuperseded = "approval.superseded" {
        /** For which workload. */ place: Place, /** The approval. */ approval_id: ApprovalId,
        /** By which. */ by: ApprovalId,
    },
    /// A Lead took an approval back.
    ApprovalRevoked = "approval.revoked" {
        /** For which workload. */ place: Place, /** The approval. */ approval_id: ApprovalId,
        /** Why. */ reason: String,
    },
    /// An approval's time is over.
    ApprovalExpired = "approval.expired" {
        /** For which workload. */ place: Place, /** The approval. */ approval_id: ApprovalId,
    },
    /// An approval ends soon.
    ApprovalExpiring = "approval.expiring" {
        /** For which workload. */ place: Place, /** The approval. */ approval_id: ApprovalId,
        /** When. */ expires_at: Timestamp, /** Whole days left. */ days_left: u16,
    },
    /// A break-glass decision was reviewed.
    ApprovalReviewed = "approval.reviewed" {
        /** For which workload. */ place: Place, /** The approval. */ approval_id: ApprovalId,
    },
    /// A scope's tasks came into being.
    ChainIssued = "chain.issued" { /** The first task. */ task: TaskRef },
    /// An engineer took a task.
    TaskStarted = "task.started" { /** Which. */ task: TaskRef },
    /// A task was completed.
    TaskCompleted = "task.completed" { /** Which. */ task: TaskRef },
    /// A task was given back.
    TaskReturned = "task.returned" { /** Which. */ task: TaskRef, /** Why. */ reason: String },
    /// A started task went back into the queue.
    TaskReleased = "task.released" { /** Which. */ task: TaskRef },
    /// The Lead sent a returned task out again.
    TaskReissued = "task.reissued" { /** Which. */ task: TaskRef },
    /// A ready task that nobody has begun reads otherwise than before.
    TaskRewritten = "task.rewritten" { /** Which. */ task: TaskRef },
    /// A task was withdrawn: nothing is left to do.
    TaskCancelled = "task.cancelled" { /** Which. */ task: TaskRef, /** Why. */ reason: String },
    /// A task that waited for its role became ready.
    TaskReady = "task.ready" { /** Which. */ task: TaskRef },
    /// A scope is complete: the owner may claim.
    ChainImplemented = "chain.implemented" {
        /** The task that completed it. */ task: TaskRef, /** What may be claimed. */ anchors: Vec<AnchorRef>,
    },
    /// A scope is being taken away.
    ChainEnding = "chain.ending" {
        /** Whom it served. */ place: Place, /** Its approval. */ approval_id: ApprovalId,
        /** Which. */ scope_id: ScopeId, /** The revocation task, if it is ready. */ ready: Option<TaskId>,
        /** Why. */ reason: String,
    },
    /// A scope is gone.
    ChainRevoked = "chain.revoked" {
        /** Whom it served. */ place: Place, /** Its approval. */ approval_id: ApprovalId,
        /** Which. */ scope_id: ScopeId,
    },
    /// A scope moved, unchanged, under the approval that replaced its own.
    ChainCarried = "chain.carried" {
        /** Whom it serves. */ place: Place, /** The new approval. */ approval_id: ApprovalId,
        /** Which. */ scope_id: ScopeId,
    },
    /// What is known of a scope's MAP tag changed.
    ChainMapChanged = "chain.map-changed" {
        /** Whom it serves. */ place: Place, /** Its approval. */ approval_id: ApprovalId,
        /** Which. */ scope_id: ScopeId, /** Where it stands now. */ state: MapState,
    },
    /// An anchor was claimed.
    ClaimMade = "claim.made" { /** Which. */ claim: ClaimRef },
    /// A claim was ended.
    ClaimReleased = "claim.released" { /** Which. */ claim: ClaimRef },
    /// A Lead proposed a claim or a re-attribution to an owner.
    ProposalMade = "proposal.made" { /** To whom. */ place: Place, /** Which. */ proposal_id: ProposalId },
    /// The owner accepted.
    ProposalAccepted = "proposal.accepted" { /** Who. */ place: Place, /** Which. */ proposal_id: ProposalId },
    /// The owner declined.
    ProposalDeclined = "proposal.declined" { /** Who. */ place: Place, /** Which. */ proposal_id: ProposalId },
    /// A delivery of the bill is being read.
    IngestionStarted = "ingestion.started" { /** The run. */ run_id: RunId, /** The month. */ billing_period: Month },
    /// A newer delivery arrived while a run read; nothing of the run is shown.
    IngestionSuperseded = "ingestion.superseded" {
        /** The run. */ run_id: RunId, /** The month. */ billing_period: Month,
    },
    /// Facts and bill do not agree; in which slices is being asked.
    IngestionDoubted = "ingestion.doubted" { /** The run. */ run_id: RunId, /** The month. */ billing_period: Month },
    /// The bill of a month was read completely.
    IngestionCompleted = "ingestion.completed" {
        /** The run. */ run_id: RunId, /** The month. */ billing_period: Month,
        /** Whether any figure moved. */ changed: bool,
    },
    /// A run failed; the last good numbers stay.
    IngestionFailed = "ingestion.failed" {
        /** The run. */ run_id: RunId, /** The month. */ billing_period: Month, /** Why. */ why: String,
    },
    /// Stored facts were attributed anew after a claim changed.
    SpendReattributed = "spend.reattributed" { /** The month. */ billing_period: Month },
    /// Spend was found that nobody answers for.
    GapOpened = "gap.opened" { /** Which. */ gap: GapRef },
    /// Gaps that were opened are announced to the Leads: each once, all of a reading together.
    GapsAnnounced = "gaps.announced" {
        /** The month of the bill. */ billing_period: Month, /** How many. */ opened: u64,
        /** How many of them are about spend that somebody answers for. */ findings: u64,
        /** What the others add up to; each currency apart. */ unanswered: Vec<Money>,
        /** The largest, the largest first. */ largest: Vec<NamedGap>,
    },
    /// The dollars of gaps moved with the bill.
    GapsMoved = "gaps.moved" { /** The month of the bill. */ billing_period: Month, /** How many gaps. */ moved: u64 },
    /// A Lead acted on a gap.
    GapActioned = "gap.actioned" { /** Which. */ gap: GapRef, /** What the action is aimed at. */ target: Value },
    /// A gap was closed.
    GapResolved = "gap.resolved" { /** Which. */ gap: GapRef },
    /// A gap was withdrawn as none after all.
    GapRecalled = "gap.recalled" { /** Which. */ gap: GapRef },
    /// A card is there to be signed.
    CardOpened = "card.opened" { /** Which. */ card: CardRef },
    /// A card's figures moved before it was signed.
    CardRegenerated = "card.regenerated" { /** Which. */ card: CardRef },
    /// The owner signed.
    CardApproved = "card.approved" { /** Which. */ card: CardRef },
    /// The owner disputes.
    CardDisputed = "card.disputed" { /** Which. */ card: CardRef, /** Why. */ reason: String },
    /// A dispute was resolved: the owner signs.
    CardResolved = "card.resolved" { /** Which. */ card: CardRef, /** How. */ decision: String },
    /// The weekly portfolio review was held.
    PortfolioReviewed = "portfolio.reviewed" { /** The week's Sunday. */ week: Date },
    /// A month was closed.
    MonthClosed = "month.closed" { /** The month. */ month: Month },
    /// Somebody wants a file.
    ExportRequested = "export.requested" { /** Which. */ export_id: ExportId },
    /// The file is there.
    ExportFinished = "export.finished" { /** Which. */ export_id: ExportId },
    /// A live role is no longer what was approved.
    DriftFound = "drift.found" {
        /** Whom it serves. */ place: Place, /** Which. */ drift_id: DriftId, /** The role. */ role_arn: String,
        /** What differs. */ differences: Vec<String>,
    },
    /// A drifted role is as approved again.
    DriftResolved = "drift.resolved" {
        /** Whom it serves. */ place: Place, /** Which. */ drift_id: DriftId, /** The role. */ role_arn: String,
    },
    /// A live role could not be read, so that nobody knows whether it is what was approved.
    DriftUnreadable = "drift.unreadable" {
        /** Whom it serves. */ place: Place, /** Which. */ drift_id: DriftId, /** The role. */ role_arn: String,
        /** Why. */ why: String,
    },
    /// A day was sealed, over the last event of every thing that changed on it and over the seal of the day before.
    DaySealed = "audit.sealed" {
        /** The day. */ day: Date, /** The seal. */ seal: Digest, /** How many things it covers. */ events: u64,
        /** The digest over their last events. */ #[serde(default)] heads: Option<Digest>,
        /** The seal of the day before. */ #[serde(default)] previous: Option<Digest>,
    },
    /// Somebody wants a big day verified.
    VerificationRequested = "verification.requested" { /** Which verification. */ verification_id: VerificationId },
    /// A piece of a verification is done; the next is begun from this.
    VerificationAdvanced = "verification.advanced" {
        /** Which verification. */ verification_id: VerificationId, /** Pieces that are done. */ pieces: u64,
    },
    /// A verification ended.
    VerificationFinished = "verification.finished" {
        /** Which verification. */ verification_id: VerificationId, /** Things that are broken. */ broken_things: u64,
    },
    /// People are reminded of what waits for them.
    CardReminded = "card.reminded" {
        /** Which card waits. */ card: CardRef, /** Since how many days. */ days_open: u16,
    },
}

impl Event {
    /// The type, as the wire names it, and the payload.
    #[must_use]
    pub fn parts(&self) -> (String, Value) {
        let mut value = serde_json::to_value(self).unwrap_or(Value::Null);
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let payload = value.get_mut("payload").map(Value::take).unwrap_or(Value::Null);
        (kind, payload)
    }

    /// Reads an event from its envelope.
    ///
    /// # Errors
    /// When the type or the schema version is unknown, or the payload is not of the type's shape: set it aside,
    /// visibly.
    pub fn of(envelope: &domain::base::audit::AuditEvent) -> Result<Self, UnknownEvent> {
        let unknown = |why: String| UnknownEvent { id: envelope.id.to_string(), why };
        if envelope.schema != "v1" {
            return Err(unknown(format!("schema `{}` is not known here", envelope.schema)));
        }
        serde_json::from_value(serde_json::json!({ "type": envelope.event_type, "payload": envelope.payload }))
            .map_err(|e| unknown(e.to_string()))
    }
}

/// An event that this version cannot read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("event `{id}` cannot be read: {why}")]
pub struct UnknownEvent {
    /// Which.
    pub id: String,
    /// Why.
    pub why: String,
}
