//! The settings document.

use std::sync::Arc;

use contract::answers::Versioned;
use contract::events::Event;
use domain::settings::{Settings, WholeSettings, decide_settings};
use lambda::{Answer, Call, Problem};

use crate::App;

pub(crate) async fn read(app: Arc<App>, _call: Call<()>) -> Result<Answer<Versioned<Settings>>, Problem> {
    let (settings, version) = app.store.settings_in_force().await?;
    Ok(Answer::at(version, settings))
}

pub(crate) async fn write(app: Arc<App>, call: Call<WholeSettings>) -> Result<Answer<Versioned<Settings>>, Problem> {
    call.transact(&app.store, || async {
        let found = app.store.load_settings().await?;
        let version = found.as_ref().map_or(0, |f| f.version);
        let current = found.as_ref().map(|f| f.value.clone()).unwrap_or_default();
        let decided = decide_settings(&current, call.body.clone().into(), &call.actor);
        let stands = || Ok(Answer::at(version, current));
        call.conclude(version, decided, stands, |tx, settings| {
            tx.save(found.as_ref(), &settings, &Event::SettingsChanged { version: version + 1 });
            Ok(Answer::at(version + 1, settings))
        })
    })
    .await
}
