//! On which channels I am told: my own choice, and what SNS says of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::answers::Versioned;
use contract::events::Event;
use domain::base::person::{Details, Person};
use domain::notice::{Channel, channels_of, decide_channels};
use lambda::{Answer, Call, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::Loaded;

use crate::App;
use crate::mailbox::{EMAIL, MailError, Subscribed};

/// What I choose.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Choice {
    /// `email`, `chat`, or both.
    channels: BTreeSet<Channel>,
}

/// My notices: where they go, and whether they arrive.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subscriptions {
    /// The channels that I chose; all of them until I do.
    channels: BTreeSet<Channel>,
    /// Where mail goes, as I said, or my last token.
    email: Option<String>,
    /// The topic that is mine alone, to which an administrator may subscribe a chat channel; null before my first
    /// notice.
    topic_arn: Option<String>,
    /// What hangs on the topic.
    subscriptions: Vec<Subscription>,
}

/// One subscription of my topic.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subscription {
    /// The channel that it serves.
    channel: Channel,
    /// SNS's word for how it is reached.
    protocol: String,
    /// Where it leads.
    endpoint: String,
    /// Whether its reader confirmed it; nothing is delivered before.
    confirmed: bool,
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<Versioned<Subscriptions>>, Problem> {
    let found = app.store.load::<Person>(&call.actor.sub).await?;
    let version = found.as_ref().map_or(0, |f| f.version);
    let person = person_of(found.as_ref(), &call);
    let hanging = hanging_on(&app, &person).await?;
    Ok(answer(version, &person, &hanging))
}

/// Chooses my channels. What it means for my topic is done by whoever consumes the event, a moment later.
pub(crate) async fn write(app: Arc<App>, call: Call<Choice>) -> Result<Answer<Versioned<Subscriptions>>, Problem> {
    let found = app.store.load::<Person>(&call.actor.sub).await?;
    let hanging = hanging_on(&app, &person_of(found.as_ref(), &call)).await?;
    call.transact(&app.store, || async {
        let found = app.store.load::<Person>(&call.actor.sub).await?;
        let version = found.as_ref().map_or(0, |f| f.version);
        let person = person_of(found.as_ref(), &call);
        let decided = decide_channels(&person, &call.body.channels, &call.actor);
        let stands = || Ok(answer(version, &person, &hanging));
        call.conclude(version, decided, stands, |tx, chosen| {
            tx.save(found.as_ref(), &chosen, &Event::PersonNoted { sub: chosen.sub.clone() });
            Ok(answer(version + 1, &chosen, &hanging))
        })
    })
    .await
}

/// The person as kept, or as this call's token shows them.
fn person_of<B>(found: Option<&Loaded<Person>>, call: &Call<B>) -> Person {
    found.map_or_else(
        || {
            let said = Details::of(call.person.name.as_deref(), call.person.email.as_deref());
            Person::of_token(&call.actor, said)
        },
        |found| found.value.clone(),
    )
}

async fn hanging_on(app: &App, person: &Person) -> Result<Vec<Subscribed>, Problem> {
    let Some(topic) = &person.topic_arn else { return Ok(Vec::new()) };
    match app.mailbox.subscriptions(topic).await {
        Ok(found) => Ok(found),
        Err(MailError::Gone(_)) => Ok(Vec::new()),
        Err(error) => {
            tracing::error!(error = %error, "the subscriptions of a topic cannot be read");
            Err(Problem::unavailable())
        }
    }
}

fn answer(version: u64, person: &Person, hanging: &[Subscribed]) -> Answer<Versioned<Subscriptions>> {
    let subscription = |s: &Subscribed| Subscription {
        channel: if s.protocol.starts_with(EMAIL) { Channel::Email } else { Channel::Chat },
        protocol: s.protocol.clone(),
        endpoint: s.endpoint.clone(),
        confirmed: s.confirmed.is_some(),
    };
    let value = Subscriptions {
        channels: channels_of(person),
        email: person.email.clone(),
        topic_arn: person.topic_arn.clone(),
        subscriptions: hanging.iter().map(subscription).collect(),
    };
    Answer::ok(Versioned { version, value }).versioned(version)
}
