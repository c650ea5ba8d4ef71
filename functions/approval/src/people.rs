//! Who I am, and what is known of people for their notices.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::answers::Versioned;
use contract::events::Event;
use domain::base::authorization::{Action, TABLE, may_ever};
use domain::base::people::Role;
use domain::base::person::{Details, Person, decide_write};
use domain::base::text::Sub;
use lambda::{Answer, Call, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// How somebody is shown and reached. What one leaves out of one's own is as one's token says.
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
    let found = app.store.require::<Person>(&sub).await?;
    Ok(Answer::at(found.version, found.value))
}

/// Writes down how somebody is shown and reached: one's own, or by a Lead for whom no token ever spoke. An address gets
/// mail once its reader confirmed it, and the one before is told of the change.
pub(crate) async fn write(app: Arc<App>, call: Call<PersonFields>) -> Result<Answer<Versioned<Person>>, Problem> {
    let sub: Sub = call.path.parse("sub")?;
    let wanted = Details::of(call.body.name.as_deref(), call.body.email.as_deref());
    let token = Details::of(call.person.name.as_deref(), call.person.email.as_deref());
    call.transact(&app.store, || async {
        let found = app.store.load::<Person>(&sub).await?;
        let before = found.as_ref().map(|found| &found.value);
        let decided = decide_write(before, &sub, wanted.clone(), token.clone(), &call.actor, call.now);
        call.save(found.as_ref(), decided, |_, person| Event::PersonNoted { sub: person.sub.clone() }, Answer::at)
    })
    .await
}
