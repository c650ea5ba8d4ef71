//! Who is told what. Pure: an event and what is known of the things in it give a letter and its audience, or nothing.
//!
//! A letter repeats only what its audience may read anyway: owners hear of their own Space, Leads of everything,
//! engineers of tasks. Everything that people typed goes in as a fact or into the headline, which rendering makes
//! inert.

mod access;
mod approvals;
mod people;
mod spend;
mod work;

pub(crate) use people::address_changed;

use contract::events::{Event, EventType, Place};
use domain::base::platform::ModelKey;
use domain::notice::{Fact, Letter, NextStep};

use crate::known::Known;

/// In which room of the letters an event is told of.
#[derive(Debug, Clone, Copy)]
enum Room {
    Access,
    Approvals,
    Work,
    Spend,
    People,
}

/// Where an event is told of, if people are told of it at all. A new event has to say so here.
#[rustfmt::skip]
const fn room_of(kind: EventType) -> Option<Room> {
    use EventType as E;
    Some(match kind {
        E::ModelsAnnounced | E::RequestSubmitted | E::RequestApproved | E::RequestRejected | E::ProposalMade
        | E::ProposalAccepted | E::ProposalDeclined => Room::Access,
        E::ApprovalDecided | E::ApprovalExpiring | E::ApprovalRevoked | E::ApprovalExpired => Room::Approvals,
        E::ChainIssued | E::ChainEnding | E::ChainImplemented | E::TaskCompleted | E::TaskReady
        | E::TaskReissued | E::TaskReturned | E::DriftFound | E::DriftResolved => Room::Work,
        E::CardOpened | E::CardReminded | E::CardResolved | E::CardDisputed | E::GapsAnnounced | E::GapActioned
        | E::IngestionFailed => Room::Spend,
        E::SpaceChanged => Room::People,
        E::ModelDiscovered | E::ModelChanged | E::ProfileChanged | E::ModelDecided | E::AccountRegistered
        | E::AccountRetired | E::SettingsChanged | E::PersonNoted | E::PersonReachable | E::SpaceCreated
        | E::WorkloadCreated | E::WorkloadRetired | E::EstimateSet | E::RequestWithdrawn | E::ApprovalEffective
        | E::ApprovalSuperseded | E::ApprovalReviewed | E::TaskStarted | E::TaskReleased | E::TaskRewritten
        | E::TaskCancelled | E::ChainRevoked | E::ChainCarried | E::ChainMapChanged | E::ClaimMade
        | E::ClaimReleased | E::IngestionStarted | E::IngestionSuperseded | E::IngestionDoubted
        | E::IngestionCompleted | E::SpendReattributed | E::GapOpened | E::GapsMoved | E::GapResolved
        | E::GapRecalled | E::CardRegenerated | E::CardApproved | E::PortfolioReviewed | E::MonthClosed
        | E::ExportRequested | E::ExportFinished | E::DriftUnreadable | E::DaySealed | E::VerificationRequested
        | E::VerificationAdvanced | E::VerificationFinished => return None,
    })
}

/// The types of events that people are told of; the template's subscription filter names the same.
pub(crate) fn told_types() -> Vec<EventType> {
    EventType::ALL.iter().copied().filter(|kind| room_of(*kind).is_some()).collect()
}

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Every FinOps Lead.
    Leads,
    /// Every Cloud Engineer.
    Engineers,
    /// The owners of the Space that the event is about.
    Owners,
    /// Those owners and every Lead.
    OwnersAndLeads,
    /// Whoever owns a Space, and whoever owned it until now.
    OwnersThenAndNow,
}

/// A letter and who gets it.
pub(crate) type Addressed = (Audience, Letter);

/// What people are told of an event; nothing of most. `why` is the reason that the audit record holds.
pub(crate) fn letter_of(event: &Event, known: &Known, why: Option<&str>) -> Option<Addressed> {
    match room_of(event.event_type())? {
        Room::Access => access::letter_of(event, known, why),
        Room::Approvals => approvals::letter_of(event, known, why),
        Room::Work => work::letter_of(event, known),
        Room::Spend => spend::letter_of(event, known, why),
        Room::People => people::letter_of(event, known),
    }
}

/// A letter under way.
struct Draft(Letter);

impl Draft {
    fn new(headline: impl Into<String>, what: impl Into<String>) -> Self {
        Self(Letter { headline: headline.into(), what: what.into(), ..Letter::default() })
    }

    fn fact(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.0.facts.push(Fact { label, value: value.into() });
        self
    }

    fn maybe(self, label: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.fact(label, value),
            None => self,
        }
    }

    /// The workload and its Space, by name and id.
    fn place(self, known: &Known, place: &Place) -> Self {
        let space = known.space.as_ref().map(|s| format!("{} ({})", s.fields.name, s.id));
        self.fact("Workload", format!("{} ({})", workload_name(known, place), place.workload_id))
            .fact("Space", space.unwrap_or_else(|| place.space_id.to_string()))
    }

    fn step(mut self, what: &'static str, call: impl Into<String>) -> Self {
        self.0.next.push(NextStep { what, call: call.into() });
        self
    }

    fn to(self, audience: Audience) -> Option<Addressed> {
        Some((audience, self.0))
    }
}

/// The workload's name, or its id where it cannot be found.
fn workload_name(known: &Known, place: &Place) -> String {
    known.workload.as_ref().map_or_else(|| place.workload_id.to_string(), |w| w.fields.name.to_string())
}

/// The model's name with its key, or the key where it cannot be found.
fn model_name(key: &ModelKey, known: &Known) -> String {
    match known.models.iter().find(|model| model.model_key == *key) {
        Some(model) => format!("{} on {} ({key})", model.name, model.platform.display_name()),
        None => key.to_string(),
    }
}

#[cfg(test)]
mod tests;
