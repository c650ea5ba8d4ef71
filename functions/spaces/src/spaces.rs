//! Spaces: a Lead creates and changes them, their owners use them.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::answers::Versioned;
use contract::events::{Event, OwnersChange};
use domain::access::workloads::space::{Space, SpaceFields, decide_create_space, decide_update_space};
use domain::base::authorization::authorize;
use domain::base::ids::SpaceId;
use lambda::{Answer, Call, Page, Problem, Sight};
use store::aggregates::space::spaces_of;
use store::{Aggregate as _, Index, Step, Transaction, keys};

use crate::App;

type Shown = Answer<Versioned<Space>>;

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<Versioned<Space>>>, Problem> {
    let (index, partitions) = match Sight::of(&app.store, &call).await? {
        Sight::Everything => (Index::List, [keys::all_of(Space::KIND)]),
        Sight::Own(_) => (Index::Parent, [spaces_of(&call.actor.sub)]),
    };
    let page: Page<Space> = call.list(&app.store, index, &partitions, |entry| entry.read().map(Some)).await?.body;
    // An owner's list is made of rows, which have no version and may be a moment older than the Space.
    let current: BTreeMap<SpaceId, Versioned<Space>> = app
        .store
        .load_many::<Space>(page.items.iter().map(|space| &space.id))
        .await?
        .into_iter()
        .filter(|space| authorize(&call.actor, call.action, space.value.relations(&call.actor), "").is_ok())
        .map(|space| (space.value.id.clone(), Versioned { version: space.version, value: space.value }))
        .collect();
    Ok(Answer::ok(Page { items: current.into_values().collect(), next: page.next }))
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Shown, Problem> {
    let found = app.space(&call.path.parse("id")?).await?;
    authorize(&call.actor, call.action, found.value.relations(&call.actor), "")?;
    Ok(Answer::at(found.version, found.value))
}

pub(crate) async fn create(app: Arc<App>, call: Call<SpaceFields>) -> Result<Shown, Problem> {
    let id = SpaceId::new(call.now, app.ids.entropy());
    call.transact(&app.store, || async {
        // An attempt whose answer was lost may have created it.
        if let Some(made) = app.store.load::<Space>(&id).await? {
            return Ok(Step::Done(created(made.value)));
        }
        let space = decide_create_space(id.clone(), call.body.clone(), &call.actor);
        let event = |tx: &mut Transaction, space: &Space| {
            tx.count_from_now_on(&space.id);
            Event::SpaceCreated { space_id: space.id.clone() }
        };
        call.create(space, event, created)
    })
    .await
}

pub(crate) async fn update(app: Arc<App>, call: Call<SpaceFields>) -> Result<Shown, Problem> {
    let id: SpaceId = call.path.parse("id")?;
    call.transact(&app.store, || async {
        let found = app.space(&id).await?;
        let decided = decide_update_space(&found.value, call.body.clone(), &call.actor);
        let event = |_: &mut _, space: &Space| {
            let (before, after) = (found.value.fields.owners.clone(), space.fields.owners.clone());
            let owners = (before != after).then(|| OwnersChange { before, after, by: call.actor.sub.clone() });
            Event::SpaceChanged { space_id: space.id.clone(), owners }
        };
        call.change(&found, decided, event, Answer::at)
    })
    .await
}

fn created(space: Space) -> Shown {
    Answer::made(format!("/v1/spaces/{}", space.id), space)
}
