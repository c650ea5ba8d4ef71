//! Who I am, and what is known of people for their notices.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::answers::Versioned;
use contract::events::Event;
use domain::authorization::{Action, Relations, TABLE, authorize, may_ever};
use domain::outcome::Refusal;
use domain::people::Role;
use domain::person::{Person, displayable};
use domain::text::Sub;
use lambda::{Answer, Call, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::Step;

use crate::App;

/// Who I am and what I may do.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Me {
    sub: Sub,
    name: Option<String>,
    email: Option<String>,
    roles: BTreeSet<Role>,
    /// What my roles may ever do; the thing at hand may still refuse.
    actions: BTreeSet<Action>,
}

/// What a Lead corrects.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PersonFields {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

pub(crate) async fn me(_app: Arc<App>, call: Call<()>) -> Result<Answer<Me>, Problem> {
    let actions =
        TABLE.iter().map(|rule| rule.action).filter(|action| may_ever(&call.actor, *action).is_ok()).collect();
    Ok(Answer::ok(Me {
        sub: call.actor.sub.clone(),
        name: call.person.name.clone(),
        email: call.person.email.clone(),
        roles: call.actor.roles.clone(),
        actions,
    }))
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<Versioned<Person>>, Problem> {
    let sub: Sub = call.path.parse("sub")?;
    let found = app.store.load::<Person>(sub.as_str()).await?.ok_or_else(Problem::not_found)?;
    Ok(shown(found.version, found.value))
}

pub(crate) async fn write(app: Arc<App>, call: Call<PersonFields>) -> Result<Answer<Versioned<Person>>, Problem> {
    let sub: Sub = call.path.parse("sub")?;
    app.store
        .decide(|| async {
            authorize(&call.actor, Action::WritePerson, Relations::NONE, "").map_err(|r: Refusal| Problem::from(r))?;
            let found = app.store.load::<Person>(sub.as_str()).await?;
            let version = found.as_ref().map_or(0, |f| f.version);
            call.check_version(version)?;
            let before = found.as_ref().map(|f| f.value.clone());
            let person = Person {
                sub: sub.clone(),
                name: call.body.name.as_deref().and_then(displayable),
                email: call.body.email.as_deref().and_then(displayable),
                roles: before.as_ref().map(|p| p.roles.clone()).unwrap_or_default(),
                topic_arn: before.as_ref().and_then(|p| p.topic_arn.clone()),
                channels: before.as_ref().map(|p| p.channels.clone()).unwrap_or_default(),
            };
            if before.as_ref() == Some(&person) {
                return Ok(Step::Done(shown(version, person)));
            }
            let mut tx = call.transaction();
            tx.save(found.as_ref(), &person, &Event::PersonNoted { sub: sub.to_string() });
            Ok(call.commit(tx, shown(version + 1, person)))
        })
        .await
}

fn shown(version: u64, person: Person) -> Answer<Versioned<Person>> {
    Answer::ok(Versioned { version, value: person }).versioned(version)
}
