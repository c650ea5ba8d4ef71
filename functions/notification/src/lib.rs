//! Notices: governance events become messages to people, each person by a topic of their own, once.
//!
//! Begin with `consume`, which tells people of one event. `known` looks up what the event names, `letters` turns it
//! into a letter and its audience, `mailbox` publishes to a person's topic, and `mailboxes` keeps the topics as the
//! people want them (`subscriptions`). `reminders` makes events of its own, of cards that wait for a signature.
//!
//! What "once" means, since a standard SNS topic neither recognises a repeated message nor says which ones it took (and
//! a FIFO topic reaches no mailbox): the recipients of an event are recorded before anything is sent, and each is
//! marked as told right after the topic took their message. A repeated event publishes nothing to whoever is marked,
//! and two deliveries at once do not both publish. Every notice is sent *at least* once; it is sent twice only if the
//! process ends, or the topic's yes is lost, between that yes and the mark. Then both copies carry the same notice id.
//! The other order would lose such a notice, and with it a signature that nobody knows is waited for.
//!
//! It decides nothing and changes nothing but these records; people's topics and subscriptions follow what is known of
//! the people. SNS delivers mail only to addresses whose owners confirmed the subscription.

mod consume;
mod known;
mod letters;
mod mailbox;
mod mailboxes;
mod reminders;
mod subscriptions;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use contract::events::EventType;
use domain::base::authorization::Action;
use lambda::{Function, Host};
use store::Store;

use crate::letters::told_types;
use crate::mailbox::Mailbox;

/// What a person's topic is called, before the part that stands for the person.
pub const PERSON_TOPIC_PREFIX: &str = "PERSON_TOPIC_PREFIX";

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) mailbox: Mailbox,
}

/// The function.
///
/// # Errors
/// When the table or the prefix of people's topics is not set.
pub fn function(host: Host) -> anyhow::Result<Function> {
    let client = Client::new(&host.aws.config());
    let app = App {
        store: Store::new(client, host.env.require("GOVERNANCE_TABLE")?.to_owned()),
        mailbox: Mailbox::new(&host.aws, host.env.require(PERSON_TOPIC_PREFIX)?),
    };
    let builder = Function::builder("notification", Arc::new(app), host)
        .get("/v1/subscriptions", Action::ReadSubscription, subscriptions::read)
        .summary("On which channels I am told, and which of them are confirmed")
        .put("/v1/subscriptions", Action::WriteSubscription, subscriptions::write)
        .summary("Choose my channels")
        .on_events(&[EventType::PersonNoted], mailboxes::prepare)
        .on_events(&told_types(), consume::tell)
        .on_schedule("reminders", reminders::remind);
    Ok(builder.build())
}
