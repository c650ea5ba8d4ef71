//! The settings document.

use std::sync::Arc;

use contract::answers::Versioned;
use contract::events::Event;
use domain::base::outcome::Outcome;
use domain::settings::{Settings, WholeSettings, decide_settings};
use lambda::{Answer, Call, Problem};
use store::Step;

use crate::App;

pub(crate) async fn read(app: Arc<App>, _call: Call<()>) -> Result<Answer<Versioned<Settings>>, Problem> {
    let (settings, version) = app.store.settings_in_force().await?;
    Ok(shown(version, settings))
}

pub(crate) async fn write(app: Arc<App>, call: Call<WholeSettings>) -> Result<Answer<Versioned<Settings>>, Problem> {
    app.store
        .decide(|| async {
            let found = app.store.load_settings().await?;
            let version = found.as_ref().map_or(0, |f| f.version);
            call.check_version(version)?;
            let current = found.as_ref().map(|f| f.value.clone()).unwrap_or_default();
            match decide_settings(&current, call.body.clone().into(), &call.actor) {
                Outcome::Changed(settings) => {
                    let mut tx = call.transaction();
                    tx.save(found.as_ref(), &settings, &Event::SettingsChanged { version: version + 1 });
                    Ok(call.commit(tx, shown(version + 1, settings)))
                }
                Outcome::AlreadyDone => Ok(Step::Done(shown(version, current))),
                Outcome::Refused(refusal) => Err(refusal.into()),
            }
        })
        .await
}

fn shown(version: u64, settings: Settings) -> Answer<Versioned<Settings>> {
    Answer::ok(Versioned { version, value: settings }).versioned(version)
}
