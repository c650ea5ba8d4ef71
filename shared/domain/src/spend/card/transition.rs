//! What people do to a card: its owner signs or disputes, a Lead who did not dispute it decides.

use jiff::Timestamp;

use super::{CardEntry, CardFigures, CardState, Decision, Resolution, ResolutionTarget, SpendCard, Words};
use crate::base::authorization::{Action, Relation, Relations, authorize, rule_of};
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::text::Note;

/// The owner's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approve {
    /// The version that is signed.
    pub version: u64,
    /// What the owner says to it.
    pub note: Option<Note>,
}

/// The owner's objection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// The version that is disputed.
    pub version: u64,
    /// Why.
    pub reason: Note,
    /// Which lines; none means the card as a whole.
    pub line_ids: Vec<String>,
}

/// A Lead's decision about a dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolve {
    /// What.
    pub decision: Decision,
    /// To whom, for a re-attribution.
    pub target: Option<ResolutionTarget>,
    /// Why.
    pub reason: Note,
}

/// The owner signs an open or resolved card.
pub fn decide_approve(
    card: &SpendCard,
    command: Approve,
    actor: &Actor,
    owner: Relations,
    now: Timestamp,
) -> Outcome<SpendCard> {
    let Approve { version, note } = command;
    let decided = card.resolution.as_ref().is_some_and(|resolution| resolution.by == actor.sub);
    let owner = owner.with(Relation::Resolver, decided);
    let is_repeat = |entry: &CardEntry| entry.on_version == version && entry.note == note;
    if let Some(outcome) = answer_early(card, Action::ApproveCard, CardState::Approved, actor, owner, is_repeat) {
        return outcome;
    }
    if let Err(refusal) = check_version(card, version) {
        return refusal.into();
    }
    Outcome::Changed(card.enter(CardState::Approved, actor, now, Words { note, ..Words::default() }))
}

/// The owner disputes an open card.
pub fn decide_dispute(
    card: &SpendCard,
    command: Dispute,
    actor: &Actor,
    owner: Relations,
    now: Timestamp,
) -> Outcome<SpendCard> {
    let Dispute { version, reason, line_ids } = command;
    let is_repeat = |entry: &CardEntry| {
        entry.on_version == version && entry.note.as_ref() == Some(&reason) && entry.line_ids == line_ids
    };
    if let Some(outcome) = answer_early(card, Action::DisputeCard, CardState::Disputed, actor, owner, is_repeat) {
        return outcome;
    }
    if let Err(refusal) = check_version(card, version) {
        return refusal.into();
    }
    if let Some(unknown) = line_ids.iter().find(|id| !card.figures.lines.iter().any(|line| line.id == **id)) {
        let detail = format!("`{unknown}` is no line of this card; copy the ids from its `lines`");
        return Refusal::new(RefusalKind::InvalidValue, detail).into();
    }
    let words = Words { note: Some(reason), line_ids, decision: None };
    Outcome::Changed(card.enter(CardState::Disputed, actor, now, words))
}

/// A Lead decides. `regenerated` holds the figures with the decision applied; the card takes them and is frozen,
/// unless a re-attribution has to wait for the other owner, see [`settle_resolution`].
pub fn decide_resolve(
    card: &SpendCard,
    command: Resolve,
    regenerated: CardFigures,
    actor: &Actor,
    relations: Relations,
    now: Timestamp,
) -> Outcome<SpendCard> {
    let relations = relations.with(Relation::Disputer, card.disputer() == Some(&actor.sub));
    let same =
        |r: &Resolution| r.decision == command.decision && r.target == command.target && r.reason == command.reason;
    let is_repeat = |_: &CardEntry| card.resolution.as_ref().is_some_and(same);
    if let Some(outcome) = answer_early(card, Action::ResolveCard, CardState::Resolved, actor, relations, is_repeat) {
        return outcome;
    }
    if let Some(waiting) = card.resolution.as_ref().filter(|r| r.awaits_owner) {
        return if waiting.by == actor.sub && same(waiting) {
            Outcome::AlreadyDone
        } else {
            let detail = "a re-attribution of this card waits for the other owner's answer";
            Refusal::new(RefusalKind::AlreadyDecided, detail).into()
        };
    }
    let awaits_owner = command.decision == Decision::ReAttribute;
    match &command.target {
        None if awaits_owner => {
            return Refusal::new(RefusalKind::InvalidValue, "name the other workload in `target.workloadId`").into();
        }
        Some(target) if awaits_owner && target.workload_id == card.workload_id => {
            return Refusal::new(RefusalKind::InvalidValue, "`target.workloadId` is the card's own workload").into();
        }
        _ => {}
    }
    let Resolve { decision, target, reason } = command;
    let resolution = Resolution { decision, target, reason, by: actor.sub.clone(), at: now, awaits_owner };
    if awaits_owner {
        return Outcome::Changed(SpendCard { resolution: Some(resolution), version: card.version + 1, ..card.clone() });
    }
    Outcome::Changed(freeze(card, resolution, regenerated, actor, now))
}

/// The other owner answered a re-attribution: accepted, the card takes the regenerated figures and is frozen; declined,
/// it is disputed as before and a Lead decides again. Anything else is the repeat of an answer.
pub fn settle_resolution(
    card: &SpendCard,
    is_accepted: bool,
    regenerated: CardFigures,
    job: &Actor,
    now: Timestamp,
) -> Outcome<SpendCard> {
    let Some(waiting) = card.resolution.clone().filter(|r| r.awaits_owner) else { return Outcome::AlreadyDone };
    if is_accepted {
        let resolution = Resolution { awaits_owner: false, ..waiting };
        return Outcome::Changed(freeze(card, resolution, regenerated, job, now));
    }
    Outcome::Changed(SpendCard { resolution: None, version: card.version + 1, ..card.clone() })
}

fn freeze(card: &SpendCard, resolution: Resolution, figures: CardFigures, actor: &Actor, now: Timestamp) -> SpendCard {
    let words =
        Words { note: Some(resolution.reason.clone()), line_ids: Vec::new(), decision: Some(resolution.decision) };
    let next = card.enter(CardState::Resolved, actor, now, words);
    SpendCard { figures, resolution: Some(resolution), ..next }
}

/// The answer that a command has before anything of its own is asked: role and relation first, then repetition, then
/// state, so that a stranger learns nothing from a repeated call. `None` lets it go on.
fn answer_early(
    card: &SpendCard,
    action: Action,
    reached: CardState,
    actor: &Actor,
    relations: Relations,
    is_repeat: impl FnOnce(&CardEntry) -> bool,
) -> Option<Outcome<SpendCard>> {
    let some_allowed_state = rule_of(action).while_in.first().copied().unwrap_or_default();
    if let Err(refusal) = authorize(actor, action, relations, some_allowed_state) {
        return Some(refusal.into());
    }
    if let Some(entry) = card.history.last().filter(|entry| card.state == reached && entry.state == reached) {
        if entry.by == actor.sub && is_repeat(entry) {
            return Some(Outcome::AlreadyDone);
        }
        let detail = format!("the card is `{}` since {}", reached.as_str(), entry.at);
        let current = serde_json::json!({ "state": reached.as_str(), "version": card.version });
        return Some(Refusal::new(RefusalKind::AlreadyDecided, detail).with_current(current).into());
    }
    authorize(actor, action, relations, card.state.as_str()).err().map(Outcome::from)
}

fn check_version(card: &SpendCard, presented: u64) -> Result<(), Refusal> {
    if presented == card.version {
        return Ok(());
    }
    let detail =
        format!("the card is at version {}, you looked at {presented}; read it again before you decide", card.version);
    Err(Refusal::new(RefusalKind::StaleVersion, detail).with_current(serde_json::json!({ "version": card.version })))
}
