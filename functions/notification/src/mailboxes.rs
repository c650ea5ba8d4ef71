//! Keeps people's topics as what is known of the people asks for: the topic is there, the address on it is theirs.
//!
//! What SNS has is read first, and only differences are asked for: asking again for a subscription that is pending
//! would send its reader another mail.

use std::sync::Arc;

use contract::events::Event;
use domain::base::audit::AuditEvent;
use domain::base::authorization::{Action, Relations, authorize};
use domain::base::person::Person;
use domain::base::text::Sub;
use domain::notice::{Channel, Thread, channels_of, render_message, render_subject};
use lambda::{Cause, Failure, Heard};
use store::{Step, StoreError};

use crate::App;
use crate::letters::address_changed;
use crate::mailbox::{EMAIL, MailError, Message, Subscribed};

/// Why a topic could not be made ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrepareError {
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody was seen for the first time, or their name, address, roles or channels changed.
///
/// Done: the topic and its subscriptions are as they should be, now or before. Retry: SNS or the table does not answer.
pub(crate) async fn prepare(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    authorize(&heard.cause.actor, Action::SendNotice, Relations::NONE, "")?;
    let Event::PersonNoted { sub } = &heard.event else { return Err(heard.unexpected()) };
    // As people are now: the event may be late, and a later one will come.
    let Some(person) = app.store.load::<Person>(sub).await? else { return Ok(()) };
    let ready = match tell_former_address(&app, &person.value, &heard.envelope).await {
        Ok(()) => make_ready(&app, &person.value, &heard.cause).await,
        Err(error) => Err(error.into()),
    };
    match ready {
        Ok(_) => Ok(()),
        Err(PrepareError::Store(error)) => Err(error.into()),
        Err(PrepareError::Mail(error)) => Err(Failure::Retry(error.to_string())),
    }
}

/// Tells the address that mail goes to still that it is to go there no more. Its subscription ends only afterwards,
/// so that a repeat tells it again rather than nobody.
async fn tell_former_address(app: &App, person: &Person, envelope: &AuditEvent) -> Result<(), MailError> {
    let Some(topic) = &person.topic_arn else { return Ok(()) };
    let have = match app.mailbox.subscriptions(topic).await {
        Err(MailError::Gone(_)) => return Ok(()),
        have => have?,
    };
    if !gives_way(&have, person.email.as_deref()) {
        return Ok(());
    }
    let letter = address_changed(person);
    let thread = Thread { event_id: &envelope.id, event_type: &envelope.event_type, aggregate: &envelope.aggregate };
    let for_chat = channels_of(person).contains(&Channel::Chat);
    let message = Message {
        subject: render_subject(&letter),
        body: render_message(&letter, thread, for_chat),
        event_type: &envelope.event_type,
    };
    app.mailbox.publish(topic, &message).await
}

/// Whether mail reaches another address than the one that is the person's now. One that a person merely wants no mail
/// at any more is theirs still.
fn gives_way(have: &[Subscribed], address: Option<&str>) -> bool {
    let is_theirs = |s: &Subscribed| address.is_some_and(|a| a.eq_ignore_ascii_case(&s.endpoint));
    have.iter().any(|s| s.protocol == EMAIL && s.confirmed.is_some() && !is_theirs(s))
}

/// Makes a person's topic ready, and answers which it is.
pub(crate) async fn make_ready(app: &App, person: &Person, cause: &Cause) -> Result<String, PrepareError> {
    let topic = app.mailbox.open(&person.sub).await?;
    let address = person.email.as_deref().filter(|_| channels_of(person).contains(&Channel::Email));
    let change = plan_addresses(&app.mailbox.subscriptions(&topic).await?, address);
    for subscription in &change.end {
        app.mailbox.unsubscribe(subscription).await?;
    }
    if let Some(address) = change.begin {
        match app.mailbox.subscribe_address(&topic, address).await {
            // What a token or a Lead calls an address need not be one; the person's other channels still work.
            Err(MailError::Refused { why, .. }) => {
                tracing::warn!(
                    person.sub = %person.sub, why,
                    "the known address cannot be subscribed; correct it with PUT /v1/people/{{sub}}"
                );
            }
            other => other?,
        }
    }
    if person.topic_arn.as_deref() != Some(topic.as_str()) {
        remember(app, &person.sub, &topic, cause).await?;
    }
    Ok(topic)
}

/// What has to change about the addresses on a topic.
#[derive(Debug, PartialEq, Eq)]
struct AddressChange<'a> {
    end: Vec<String>,
    begin: Option<&'a str>,
}

/// A pending subscription cannot be ended; if its reader confirms it after all, the next change ends it.
fn plan_addresses<'a>(have: &[Subscribed], address: Option<&'a str>) -> AddressChange<'a> {
    let is_wanted = |s: &&Subscribed| address.is_some_and(|a| a.eq_ignore_ascii_case(&s.endpoint));
    let mails = || have.iter().filter(|s| s.protocol == EMAIL);
    AddressChange {
        end: mails().filter(|s| !is_wanted(s)).filter_map(|s| s.confirmed.clone()).collect(),
        begin: address.filter(|_| !mails().any(|s| is_wanted(&s))),
    }
}

/// Notes which topic is a person's.
async fn remember(app: &App, sub: &Sub, topic: &str, cause: &Cause) -> Result<(), StoreError> {
    let noted = app.store.transact(|| async {
        let Some(before) = app.store.load::<Person>(sub).await? else { return Ok::<_, StoreError>(Step::Done(false)) };
        let reachable = Person { topic_arn: Some(topic.to_owned()), ..before.value.clone() };
        let is_new = before.value.topic_arn != reachable.topic_arn;
        let event = |_: &mut _, person: &Person| Event::PersonReachable { sub: person.sub.clone() };
        Ok(cause.save(Some(&before), is_new.then_some(reachable), event))
    });
    noted.await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(endpoint: &str, arn: Option<&str>) -> Subscribed {
        Subscribed { protocol: EMAIL.to_owned(), endpoint: endpoint.to_owned(), confirmed: arn.map(str::to_owned) }
    }

    #[test]
    fn an_address_gives_way_when_mail_reaches_it_and_it_is_no_longer_the_persons() {
        let (old, asked) = (mail("old@x", Some("arn:o")), mail("old@x", None));
        for (have, address, expected) in [
            (&old, Some("new@x"), true),
            (&old, None, true),
            (&old, Some("Old@X"), false),
            (&asked, Some("new@x"), false),
        ] {
            assert_eq!(gives_way(std::slice::from_ref(have), address), expected, "{have:?} {address:?}");
        }
    }

    #[test]
    fn only_differences_are_asked_for_and_other_protocols_are_left_alone() {
        let chat = Subscribed {
            protocol: "https".to_owned(),
            endpoint: "https://chat".to_owned(),
            confirmed: Some("arn:c".to_owned()),
        };
        let nothing = AddressChange { end: Vec::new(), begin: None };
        for (have, address, expected) in [
            (vec![], None, nothing),
            (vec![chat.clone()], Some("ana@x"), AddressChange { end: Vec::new(), begin: Some("ana@x") }),
            (vec![mail("Ana@X", None)], Some("ana@x"), AddressChange { end: Vec::new(), begin: None }),
            (vec![mail("ana@x", Some("arn:a")), chat], Some("ana@x"), AddressChange { end: Vec::new(), begin: None }),
            (
                vec![mail("old@x", Some("arn:o"))],
                Some("ana@x"),
                AddressChange { end: vec!["arn:o".to_owned()], begin: Some("ana@x") },
            ),
            (vec![mail("old@x", None)], None, AddressChange { end: Vec::new(), begin: None }),
        ] {
            assert_eq!(plan_addresses(&have, address), expected, "{have:?}");
        }
    }
}
