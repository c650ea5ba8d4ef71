//! Telling people of an event: the recipients are recorded, each gets a message, each is marked. Who is told what is
//! `letters`'; when a repeated delivery sends, waits or has nothing to do is `domain::notice`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::base::authorization::{Action, Relations, authorize};
use domain::base::people::Role;
use domain::base::person::Person;
use domain::base::text::Sub;
use domain::notice::{
    Channel, Letter, Notice, Telling, Thread, channels_of, decide_telling, render_message, render_subject,
};
use lambda::{Failure, Heard};
use store::{Loaded, Step, StoreError};

use crate::App;
use crate::known::{Known, load_known};
use crate::letters::{Audience, letter_of};
use crate::mailbox::{MailError, Message};
use crate::mailboxes::{PrepareError, make_ready};

/// Tells people of an event.
///
/// Done: everybody was told, now or before, or there is nobody to tell. Retry: SNS or the table does not answer, or
/// another delivery of the event may be at it; those who were told stay told.
pub(crate) async fn tell(app: Arc<App>, heard: Heard) -> Result<(), Failure> {
    authorize(&heard.cause.actor, Action::SendNotice, Relations::NONE, "")?;
    let envelope = &heard.envelope;
    let recorded: Option<Loaded<Notice>> = app.store.load(&envelope.id).await?;
    if recorded.as_ref().is_some_and(|notice| decide_telling(&notice.value) == Telling::Done) {
        return Ok(());
    }
    let known = load_known(&app.store, &heard.event).await?;
    let Some((audience, letter)) = letter_of(&heard.event, &known, envelope.why.as_deref()) else { return Ok(()) };
    let (people, notice) = match recorded {
        Some(notice) => (Vec::new(), take_turn(&app, &heard, notice).await?),
        None => {
            let people = recipients(&app, audience, &known).await?;
            let notice = plan(&app, &heard, audience, &people).await?;
            (people, notice)
        }
    };
    match notice {
        Some(notice) => send_all(&app, &heard, &letter, notice, people).await,
        None => Ok(()),
    }
}

/// Records who is told of the event; nothing when there is nobody.
async fn plan(
    app: &App,
    heard: &Heard,
    audience: Audience,
    people: &[Person],
) -> Result<Option<Loaded<Notice>>, Failure> {
    let envelope = &heard.envelope;
    let subs = people.iter().map(|person| person.sub.clone());
    let Some(notice) = Notice::plan(envelope.id.clone(), &envelope.event_type, subs, heard.cause.now) else {
        tracing::warn!(
            event.id = %envelope.id, event.kind = envelope.event_type, ?audience,
            "nobody who is known is to be told"
        );
        return Ok(None);
    };
    let mut tx = heard.cause.transaction();
    tx.create_under(&notice);
    match app.store.commit(tx).await {
        Ok(()) => Ok(Some(Loaded::created_under(notice))),
        Err(StoreError::AlreadyExists(_)) => Err(at_it_already()),
        Err(error) => Err(error.into()),
    }
}

/// Takes the turn that an earlier delivery left or lost, or leaves it to a delivery that may still be at it.
async fn take_turn(app: &App, heard: &Heard, before: Loaded<Notice>) -> Result<Option<Loaded<Notice>>, Failure> {
    let (next, is_ours) = match decide_telling(&before.value) {
        Telling::Done => return Ok(None),
        Telling::Tell(next) => (next, true),
        Telling::Wait(next) => (next, false),
    };
    let mut tx = heard.cause.transaction();
    tx.update_under(&before, &next);
    match app.store.commit(tx).await {
        Ok(()) if is_ours => Ok(Some(before.updated_under(next))),
        Ok(()) | Err(StoreError::VersionMoved(_)) => Err(at_it_already()),
        Err(error) => Err(error.into()),
    }
}

/// Sends to everybody who is pending; `people` are those of them who were read already. One who cannot be reached does
/// not keep the others waiting.
async fn send_all(
    app: &App,
    heard: &Heard,
    letter: &Letter,
    notice: Loaded<Notice>,
    people: Vec<Person>,
) -> Result<(), Failure> {
    let read: BTreeSet<&Sub> = people.iter().map(|person| &person.sub).collect();
    let missing: Vec<Sub> = notice.value.pending().filter(|sub| !read.contains(sub)).cloned().collect();
    let missing = app.store.load_many::<Person>(missing).await?.into_iter().map(|person| person.value);
    let (mut notice, mut failed) = (Some(notice), None);
    for person in people.into_iter().chain(missing) {
        match send(app, heard, letter, &person).await {
            Ok(()) => notice = amend(app, heard, notice, |notice| notice.told(&person.sub, heard.cause.now)).await?,
            Err(error) => {
                tracing::warn!(
                    event.id = %heard.envelope.id, person.sub = %person.sub, error = %error,
                    "a notice was not sent"
                );
                failed = Some(error.to_string());
            }
        }
    }
    match failed {
        None => Ok(()),
        Some(why) => {
            amend(app, heard, notice, Notice::released).await?;
            Err(Failure::Retry(why))
        }
    }
}

/// Sends one person their message; a topic that was never made, or was deleted, is made first.
async fn send(app: &App, heard: &Heard, letter: &Letter, person: &Person) -> Result<(), PrepareError> {
    let envelope = &heard.envelope;
    let thread = Thread { event_id: &envelope.id, event_type: &envelope.event_type, aggregate: &envelope.aggregate };
    let for_chat = channels_of(person).contains(&Channel::Chat);
    let message = Message {
        subject: render_subject(letter),
        body: render_message(letter, thread, for_chat),
        event_type: &envelope.event_type,
    };
    if let Some(topic) = &person.topic_arn {
        match app.mailbox.publish(topic, &message).await {
            Err(MailError::Gone(_)) => {
                tracing::warn!(person.sub = %person.sub, "a person's topic is gone and is made again")
            }
            other => return Ok(other?),
        }
    }
    let topic = make_ready(app, person, &heard.cause).await?;
    Ok(app.mailbox.publish(&topic, &message).await?)
}

/// Writes what became of the notice: on it as this delivery left it, or on whatever another one wrote meanwhile.
async fn amend(
    app: &App,
    heard: &Heard,
    mut at_hand: Option<Loaded<Notice>>,
    change: impl Fn(&Notice) -> Notice + Send + Sync,
) -> Result<Option<Loaded<Notice>>, StoreError> {
    let change = &change;
    let attempt = || {
        let at_hand = at_hand.take();
        async move {
            let before = match at_hand {
                Some(before) => Some(before),
                None => app.store.load::<Notice>(&heard.envelope.id).await?,
            };
            let Some(before) = before else { return Ok(Step::Done(None)) };
            let next = change(&before.value);
            if next == before.value {
                return Ok(Step::Done(Some(before)));
            }
            let mut tx = heard.cause.transaction();
            tx.update_under(&before, &next);
            Ok(Step::Commit(tx, Some(before.updated_under(next))))
        }
    };
    app.store.transact(attempt).await
}

/// The people that an audience is at this moment, each once. Owners whom no token has shown yet have no mailbox, and
/// are left out like everybody whose last token carried no role.
async fn recipients(app: &App, audience: Audience, known: &Known) -> Result<Vec<Person>, StoreError> {
    let space_owners = known.space.as_ref().map(|space| &space.fields.owners);
    let (role, owners) = match audience {
        Audience::Leads => (Some(Role::FinopsLead), None),
        Audience::Engineers => (Some(Role::CloudEngineer), None),
        Audience::Owners => (None, space_owners),
        Audience::OwnersAndLeads => (Some(Role::FinopsLead), space_owners),
        Audience::OwnersThenAndNow => (None, Some(&known.owners)),
    };
    let mut people = BTreeMap::new();
    if let Some(role) = role {
        people
            .extend(app.store.list_people_in_role(role).await?.into_iter().map(|person| (person.sub.clone(), person)));
    }
    if let Some(owners) = owners {
        let owners = app.store.load_many::<Person>(owners).await?.into_iter().map(|person| person.value);
        people.extend(owners.map(|person| (person.sub.clone(), person)));
    }
    Ok(people.into_values().filter(Person::hears_notices).collect())
}

fn at_it_already() -> Failure {
    Failure::Retry("another delivery of this event may be telling people at this moment".to_owned())
}
