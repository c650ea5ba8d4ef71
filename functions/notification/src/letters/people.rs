//! Letters about people: whose a Space is, and where somebody's notices go.

use std::collections::BTreeSet;

use contract::events::Event;
use domain::base::person::Person;
use domain::base::text::Sub;
use domain::notice::Letter;

use super::{Addressed, Audience, Draft};
use crate::known::Known;

/// The letter about a change of owners, which both lists get. An event from before it named them tells nobody, and so
/// does a change of something else.
pub(super) fn letter_of(event: &Event, known: &Known) -> Option<Addressed> {
    let Event::SpaceChanged { space_id, owners: Some(owners) } = event else { return None };
    let name = known.space.as_ref().map_or_else(|| space_id.to_string(), |space| space.fields.name.to_string());
    let what = "A FinOps Lead changed whose Space this is. Its owners answer for what its workloads spend; who is no \
                longer one of them sees it no more.";
    Draft::new(format!("Owners changed: {name}"), what)
        .fact("Space", format!("{name} ({space_id})"))
        .fact("Owners before", listed(&owners.before))
        .fact("Owners now", listed(&owners.after))
        .fact("Changed by", owners.by.as_str())
        .step("See the Spaces that are yours", "GET /v1/spaces")
        .to(Audience::OwnersThenAndNow)
}

/// What the address that gives way is told, as the last mail that it gets.
pub(crate) fn address_changed(person: &Person) -> Letter {
    let what = "This address gets no more notices of this person. Should the person not have wanted that: whoever they \
                are to the identity provider may have been changed, or taken over.";
    let draft = Draft::new("Your address for notices changed", what).fact("Person", person.sub.as_str());
    let draft = match &person.former {
        Some(former) => draft
            .fact("Before", &former.email)
            .fact("Changed by", former.by.as_str())
            .fact("Changed at", former.at.to_string()),
        None => draft,
    };
    draft
        .fact("From now on", person.email.as_deref().unwrap_or("no address"))
        .step("See where your notices go", "GET /v1/subscriptions")
        .step("Set your address yourself", format!("PUT /v1/people/{}", person.sub))
        .0
}

fn listed(owners: &BTreeSet<Sub>) -> String {
    owners.iter().map(Sub::as_str).collect::<Vec<_>>().join(", ")
}
