//! What is known of a person, for notices: who said it, who may change it, and what they hear of a change. Never who
//! they are.
//!
//! An address is where notices of broken glass go, so nobody redirects another's: it comes from the person's own
//! token, or from themselves. A Lead may write one down for somebody who was never here, and it holds until their
//! first token speaks.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::authorization::{Action, Relation, Relations, authorize};
use crate::base::outcome::{Outcome, Refusal, RefusalKind};
use crate::base::people::{Actor, Role};
use crate::base::text::Sub;

/// Characters a display name or an e-mail address may have (RFC 5321 allows 254 for the address).
pub const DISPLAY_CHARS_MAX: usize = 254;

/// A person, for display and notices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// The subject.
    pub sub: Sub,
    /// What people call them.
    pub name: Option<String>,
    /// Where mail goes.
    pub email: Option<String>,
    /// Who said so.
    #[serde(default)]
    pub source: Source,
    /// The address before this one.
    #[serde(default)]
    pub former: Option<FormerAddress>,
    /// The roles of their last token; notices to a role go by these, permissions never do. Nobody without a role gets
    /// any.
    pub roles: BTreeSet<Role>,
    /// The notification topic that is theirs alone, once it was made.
    #[serde(default)]
    pub topic_arn: Option<String>,
    /// Channels they want notices on, beside their inbox.
    #[serde(default)]
    pub channels: BTreeSet<String>,
}

/// Who said what a person is called and where their mail goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A Lead, for somebody whose token never spoke.
    Lead,
    /// Their last token. Records from before this was noted count as that, so that no Lead changes them.
    #[default]
    Token,
    /// They themselves; later tokens do not override it.
    Oneself,
}

/// An address that mail went to before, and who changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FormerAddress {
    /// The address.
    pub email: String,
    /// Who changed it.
    pub by: Sub,
    /// When.
    pub at: Timestamp,
}

/// How somebody is shown and reached, as a token or a body says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    name: Option<String>,
    email: Option<String>,
}

impl Details {
    /// The same as it may be kept: see [`displayable`].
    #[must_use]
    pub fn of(name: Option<&str>, email: Option<&str>) -> Self {
        Self { name: name.and_then(displayable), email: email.and_then(displayable) }
    }

    /// These, and of the others what is missing here.
    fn or(self, others: Self) -> Self {
        Self { name: self.name.or(others.name), email: self.email.or(others.email) }
    }
}

impl Person {
    /// What a token says of its person, who was not known before.
    #[must_use]
    pub fn of_token(actor: &Actor, token: Details) -> Self {
        Self {
            sub: actor.sub.clone(),
            name: token.name,
            email: token.email,
            source: Source::Token,
            former: None,
            roles: actor.roles.clone(),
            topic_arn: None,
            channels: BTreeSet::new(),
        }
    }

    /// Whether notices are for them at all: those of a role, and those of a Space.
    #[must_use]
    pub fn hears_notices(&self) -> bool {
        !self.roles.is_empty()
    }

    fn details(&self) -> Details {
        Details { name: self.name.clone(), email: self.email.clone() }
    }

    /// The person with these details; an address that gives way is noted, to be told of it.
    fn changed(&self, details: Details, source: Source, by: &Sub, now: Timestamp) -> Self {
        let Details { name, email } = details;
        let gives_way = |old: &&String| email.as_ref().is_none_or(|new| !new.eq_ignore_ascii_case(old));
        let former = self.email.as_ref().filter(gives_way).map(|old| FormerAddress {
            email: old.clone(),
            by: by.clone(),
            at: now,
        });
        Self { name, email, source, former: former.or_else(|| self.former.clone()), ..self.clone() }
    }
}

/// Takes in what a verified token says of its person. What a Lead wrote gives way, also where the token says nothing;
/// what the person said themselves stays. Somebody without a role is not noted, but what is known of them is corrected.
pub fn decide_noted(before: Option<&Person>, actor: &Actor, token: Details, now: Timestamp) -> Outcome<Person> {
    let person = match before {
        None if actor.roles.is_empty() => return Outcome::AlreadyDone,
        None => return Outcome::Changed(Person::of_token(actor, token)),
        Some(before) => Person { roles: actor.roles.clone(), ..before.clone() },
    };
    let (details, source) = match person.source {
        Source::Lead => (token, Source::Token),
        Source::Token => (token.or(person.details()), Source::Token),
        Source::Oneself => (person.details().or(token), Source::Oneself),
    };
    unless_same(before, person.changed(details, source, &actor.sub, now))
}

/// Writes down how somebody is shown and reached: one's own, or by a Lead for whom no token ever spoke. What one leaves
/// out of one's own is as one's `token` says.
pub fn decide_write(
    before: Option<&Person>,
    sub: &Sub,
    wanted: Details,
    token: Details,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Person> {
    let is_own = actor.sub == *sub;
    let state = match before.map(|person| person.source) {
        _ if is_own => "own",
        None | Some(Source::Lead) => "unheard",
        Some(Source::Token | Source::Oneself) => "heard",
    };
    match authorize(actor, Action::WritePerson, Relations::NONE.with(Relation::Oneself, is_own), state) {
        Ok(()) => {}
        Err(refusal) if refusal.kind == RefusalKind::WrongState => {
            let detail = format!(
                "`{sub}` has been here, so name and address are theirs to change: by their token, or by themselves \
                 with PUT /v1/people/{sub}"
            );
            return Refusal { detail, ..refusal }.into();
        }
        Err(refusal) => return refusal.into(),
    }
    let (details, source) = match (is_own, wanted == Details::default()) {
        (false, _) => (wanted, Source::Lead),
        (true, true) => (token, Source::Token),
        (true, false) => (wanted.or(token), Source::Oneself),
    };
    let known = match before {
        Some(before) => before.clone(),
        None if is_own => Person::of_token(actor, Details::default()),
        None => Person { sub: sub.clone(), roles: BTreeSet::new(), ..Person::of_token(actor, Details::default()) },
    };
    unless_same(before, known.changed(details, source, &actor.sub, now))
}

fn unless_same(before: Option<&Person>, person: Person) -> Outcome<Person> {
    if before == Some(&person) { Outcome::AlreadyDone } else { Outcome::Changed(person) }
}

/// A display text as it may be kept: without control characters, cut to length; nothing if nothing is left.
#[must_use]
pub fn displayable(text: &str) -> Option<String> {
    let clean: String = text.chars().filter(|c| !c.is_control()).take(DISPLAY_CHARS_MAX).collect();
    (!clean.trim().is_empty()).then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::text::MalformedText;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn says(email: &str) -> Details {
        Details::of(None, Some(email))
    }

    fn ana(roles: &[Role]) -> Result<Actor, MalformedText> {
        Ok(Actor::person("ana".parse()?, roles.iter().copied()))
    }

    fn lead() -> Result<Actor, MalformedText> {
        Ok(Actor::person("lena".parse()?, [Role::FinopsLead]))
    }

    fn known(email: Option<&str>, source: Source) -> Result<Person, MalformedText> {
        let person = Person::of_token(&ana(&[Role::ProductOwner])?, Details::of(None, email));
        Ok(Person { source, ..person })
    }

    #[test]
    fn a_token_overrides_what_a_lead_wrote_and_never_what_the_person_said() -> Result<(), MalformedText> {
        let actor = ana(&[Role::ProductOwner])?;
        for (source, token, expected, becomes, gives_way) in [
            (Source::Lead, Some("new@x"), Some("new@x"), Source::Token, true),
            (Source::Lead, Some("OLD@x"), Some("OLD@x"), Source::Token, false),
            (Source::Lead, None, None, Source::Token, true),
            (Source::Token, Some("new@x"), Some("new@x"), Source::Token, true),
            (Source::Token, None, Some("old@x"), Source::Token, false),
            (Source::Oneself, Some("new@x"), Some("old@x"), Source::Oneself, false),
        ] {
            let before = known(Some("old@x"), source)?;
            let after = match decide_noted(Some(&before), &actor, Details::of(None, token), NOW) {
                Outcome::Changed(person) => person,
                _ => before,
            };
            assert_eq!((after.email.as_deref(), after.source), (expected, becomes), "{source:?} {token:?}");
            let former = after.former.map(|former| (former.email, former.by));
            assert_eq!(former, gives_way.then(|| ("old@x".to_owned(), actor.sub.clone())), "{source:?} {token:?}");
        }
        Ok(())
    }

    #[test]
    fn a_lead_writes_only_for_whom_no_token_ever_spoke_and_everybody_for_themselves() -> Result<(), MalformedText> {
        let (nobody, actor, lead) = (Details::default, ana(&[Role::Auditor])?, lead()?);
        let kind = |outcome: Outcome<Person>| match outcome {
            Outcome::Refused(refusal) => Err(refusal.kind),
            Outcome::Changed(person) => Ok(Some((person.source, person.email, person.roles.is_empty()))),
            Outcome::AlreadyDone => Ok(None),
        };
        let sub: Sub = "ana".parse()?;
        let write =
            |before: Option<&Person>, who: &Actor| kind(decide_write(before, &sub, says("new@x"), nobody(), who, NOW));
        let new = || Some("new@x".to_owned());
        assert_eq!(write(None, &lead), Ok(Some((Source::Lead, new(), true))));
        assert_eq!(write(None, &actor), Ok(Some((Source::Oneself, new(), false))));
        for source in [Source::Token, Source::Oneself] {
            assert_eq!(write(Some(&known(Some("old@x"), source)?), &lead), Err(RefusalKind::WrongState), "{source:?}");
        }
        let lead_wrote = Person { roles: BTreeSet::new(), ..known(Some("old@x"), Source::Lead)? };
        assert_eq!(write(Some(&lead_wrote), &lead), Ok(Some((Source::Lead, new(), true))));
        let stranger = Actor::person("eve".parse()?, [Role::CloudEngineer]);
        assert_eq!(write(Some(&lead_wrote), &stranger), Err(RefusalKind::NotFound));
        assert_eq!(write(None, &Actor::person("ana".parse()?, [])), Err(RefusalKind::RoleForbidden));
        Ok(())
    }

    #[test]
    fn who_takes_back_what_they_said_is_reached_where_their_token_says() -> Result<(), MalformedText> {
        let actor = ana(&[Role::Auditor])?;
        let before = known(Some("mine@x"), Source::Oneself)?;
        let back = decide_write(Some(&before), &actor.sub, Details::default(), says("token@x"), &actor, NOW);
        let Outcome::Changed(back) = back else { panic!("it is a change") };
        assert_eq!((back.email.as_deref(), back.source), (Some("token@x"), Source::Token));
        assert_eq!(back.former.map(|former| former.email).as_deref(), Some("mine@x"));
        Ok(())
    }

    #[test]
    fn a_token_without_roles_takes_notices_away_and_makes_nobody_known() -> Result<(), MalformedText> {
        let before = known(Some("old@x"), Source::Token)?;
        assert!(before.hears_notices());
        let Outcome::Changed(after) = decide_noted(Some(&before), &ana(&[])?, says("old@x"), NOW) else {
            panic!("the roles are gone")
        };
        assert!(!after.hears_notices());
        assert_eq!(decide_noted(None, &ana(&[])?, says("old@x"), NOW), Outcome::AlreadyDone);
        Ok(())
    }
}
