//! On which channels a person is told. Everybody has a topic of their own; a channel says what hangs on it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::authorization::{Action, Relations, authorize};
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::Actor;
use crate::base::person::Person;

/// A channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// The person's own address, subscribed to their topic once it is known; SNS asks them to confirm it.
    Email,
    /// The JSON that AWS chat integrations read, for a chat channel that an administrator subscribed to the topic.
    Chat,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 2] = [Self::Email, Self::Chat];

    /// The channel's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Chat => "chat",
        }
    }
}

/// The channels that a person is told on: all of them until they choose.
#[must_use]
pub fn channels_of(person: &Person) -> BTreeSet<Channel> {
    if person.channels.is_empty() {
        return BTreeSet::from(Channel::ALL);
    }
    Channel::ALL.into_iter().filter(|c| person.channels.contains(c.as_str())).collect()
}

/// Chooses one's own channels.
pub fn decide_channels(person: &Person, channels: &BTreeSet<Channel>, actor: &Actor) -> Outcome<Person> {
    if let Err(refusal) = authorize(actor, Action::WriteSubscription, Relations::NONE, "") {
        return refusal.into();
    }
    if channels.is_empty() {
        let detail = "`channels` is empty; name `email`, `chat` or both: what waits for you must reach you";
        return Refusal::new(RefusalKind::InvalidValue, detail).into();
    }
    let chosen: BTreeSet<String> = channels.iter().map(|c| c.as_str().to_owned()).collect();
    if person.channels == chosen {
        Outcome::AlreadyDone
    } else {
        Outcome::Changed(Person { channels: chosen, ..person.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::people::Role;
    use crate::base::person::Details;
    use crate::base::text::MalformedText;

    #[test]
    fn everything_is_on_until_one_chooses_and_nobody_chooses_nothing() -> Result<(), MalformedText> {
        let actor = Actor::person("ana".parse()?, [Role::Auditor]);
        let ana = Person::of_token(&actor, Details::default());
        assert_eq!(channels_of(&ana), BTreeSet::from(Channel::ALL));
        let mail = BTreeSet::from([Channel::Email]);
        let Outcome::Changed(chosen) = decide_channels(&ana, &mail, &actor) else { panic!("a choice is a change") };
        assert_eq!(channels_of(&chosen), mail);
        assert_eq!(decide_channels(&chosen, &mail, &actor), Outcome::AlreadyDone);
        assert!(matches!(decide_channels(&chosen, &BTreeSet::new(), &actor), Outcome::Refused(_)));
        let nobody = Actor::person("eve".parse()?, []);
        assert!(matches!(decide_channels(&ana, &mail, &nobody), Outcome::Refused(_)));
        Ok(())
    }
}
