//! A letter and its three forms: an e-mail's subject, a text, and the JSON that AWS chat integrations read.
//!
//! Names and reasons come from people and are inert wherever they come out: on one line, without control or direction
//! characters, without the marks by which a chat makes links and mentions, and cut to length. Only letters that this
//! product wrote itself stand at the start of a line.

mod inert;

use rust_decimal::RoundingStrategy;
use serde_json::{Map, Value, json};

use crate::base::ids::EventId;
use crate::base::money::Money;
use inert::{ascii_line, chat_line, line};

/// Characters of a subject: SNS takes fewer than 100, ASCII, on one line (API reference, `Publish`, `Subject`).
pub const SUBJECT_CHARS_MAX: usize = 99;
/// Characters of one fact; the longest reason that people may give.
const FACT_CHARS_MAX: usize = 2_000;
/// Characters of a chat message's description (Amazon Q Developer in chat applications, "Custom notifications").
const CHAT_CHARS_MAX: usize = 8_000;
/// Characters of a chat message's title, from the same page.
const CHAT_TITLE_CHARS_MAX: usize = 250;

/// What people are told, before it has a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letter {
    /// What happened, in a few words; the subject.
    pub headline: String,
    /// What happened, in a sentence or two of this product's own.
    pub what: String,
    /// What it is about.
    pub facts: Vec<Fact>,
    /// What to do now.
    pub next: Vec<NextStep>,
}

/// One thing that a letter states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it is.
    pub label: &'static str,
    /// As it is; rendering makes it inert.
    pub value: String,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextStep {
    /// What.
    pub what: &'static str,
    /// With which call of the API.
    pub call: String,
}

/// What tells letters apart and keeps those about one thing together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread<'a> {
    /// The event that is told of: the same at every delivery, by which a reader knows a repetition.
    pub event_id: &'a EventId,
    /// Its type.
    pub event_type: &'a str,
    /// What it happened to.
    pub aggregate: &'a str,
}

/// The subject line.
#[must_use]
pub fn render_subject(letter: &Letter) -> String {
    let subject = ascii_line(&letter.headline, SUBJECT_CHARS_MAX);
    if subject.is_empty() { "FinOps Center".to_owned() } else { subject }
}

/// The text.
#[must_use]
pub fn render_text(letter: &Letter, thread: Thread<'_>) -> String {
    let mut text = format!("{}\n\n{}\n", line(&letter.headline, FACT_CHARS_MAX), letter.what);
    if !letter.facts.is_empty() {
        text.push('\n');
    }
    for fact in &letter.facts {
        text.push_str(&format!("{}: {}\n", fact.label, line(&fact.value, FACT_CHARS_MAX)));
    }
    if !letter.next.is_empty() {
        text.push_str("\nWhat to do next\n");
    }
    for step in &letter.next {
        text.push_str(&format!("- {}: {}\n", step.what, step.call));
    }
    text.push_str(&format!("\nNotice {} ({})\n", thread.event_id, thread.event_type));
    text
}

/// The message by protocol, for `MessageStructure=json`. Chat integrations subscribe by HTTPS; without `for_chat` they
/// get the text, which they do not show.
#[must_use]
pub fn render_message(letter: &Letter, thread: Thread<'_>, for_chat: bool) -> String {
    let text = render_text(letter, thread);
    let mut message = Map::from_iter([("default".to_owned(), json!(text)), ("email".to_owned(), json!(text))]);
    if for_chat {
        message.insert("https".to_owned(), json!(chat(letter, thread).to_string()));
    }
    Value::Object(message).to_string()
}

/// An amount for people, to the cent, half up; the API has all of its places.
#[must_use]
pub fn shown_money(money: &Money) -> String {
    let cents = money.amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    format!("{cents:.2} {}", money.currency)
}

/// The schema `version 1.0`, `source custom` of AWS chat integrations.
fn chat(letter: &Letter, thread: Thread<'_>) -> Value {
    let mut description = letter.what.clone();
    for fact in &letter.facts {
        description.push_str(&format!("\n{}: {}", fact.label, chat_line(&fact.value, FACT_CHARS_MAX)));
    }
    let steps: Vec<String> = letter.next.iter().map(|step| format!("{}: {}", step.what, step.call)).collect();
    let title = chat_line(&letter.headline, CHAT_TITLE_CHARS_MAX);
    json!({
        "version": "1.0",
        "source": "custom",
        "id": thread.event_id,
        "content": {
            "textType": "client-markdown",
            "title": title,
            "description": inert::cut(&description, CHAT_CHARS_MAX),
            "nextSteps": steps,
        },
        "metadata": { "threadId": thread.aggregate, "summary": title, "eventType": thread.event_type },
    })
}

#[cfg(test)]
mod tests;
