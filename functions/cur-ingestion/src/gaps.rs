//! Gaps as people see them, and what they do about them.

use std::sync::Arc;

use contract::events::Event;
use domain::calendar::Month;
use domain::gap::{Act, Gap, GapAction, GapKind, GapState, Target, decide_act, decide_recall, decide_resolve};
use domain::ids::GapId;
use domain::outcome::Outcome;
use domain::text::Note;
use lambda::{Answer, Call, Page, Problem, list_page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::aggregates::gap::{gaps_in, gaps_of};
use store::{Index, Loaded, Order, Step};

use crate::App;
use crate::settle::gap_ref;

/// A gap with what may be done about it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GapView {
    #[serde(flatten)]
    gap: Gap,
    /// What it is about, for people.
    label: String,
    /// The actions that fit its kind, the suggested one first.
    actions: Vec<GapAction>,
}

/// What is started about a gap.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ActFields {
    action: GapAction,
    #[serde(default)]
    target: Option<Target>,
    rationale: Note,
}

/// Why a gap is closed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rationale {
    rationale: Note,
}

impl GapView {
    fn of(gap: Gap) -> Self {
        Self { label: gap.about.anchor.label(), actions: gap.kind.actions().to_vec(), gap }
    }
}

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<GapView>>, Problem> {
    let state: Option<GapState> = call.query.one_of("state")?;
    let kind: Option<GapKind> = call.query.one_of("kind")?;
    let (index, partitions) = match call.query.maybe::<Month>("billingPeriod")? {
        Some(month) => (Index::Parent, vec![gaps_of(month)]),
        None => (Index::List, gaps_in(state)),
    };
    let asked = call.page()?;
    let page = list_page(&app.store, index, &partitions, Order::Ascending, &asked, |entry| {
        let gap: Gap = entry.read()?;
        let is_wanted = state.is_none_or(|state| gap.state == state) && kind.is_none_or(|kind| gap.kind == kind);
        Ok(is_wanted.then(|| GapView::of(gap)))
    });
    Ok(Answer::ok(page.await?))
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<GapView>, Problem> {
    let id: GapId = call.path.parse("id")?;
    let found: Loaded<Gap> = app.store.load(id.as_str()).await?.ok_or_else(Problem::not_found)?;
    Ok(shown(found.value))
}

pub(crate) async fn act(app: Arc<App>, call: Call<ActFields>) -> Result<Answer<GapView>, Problem> {
    let ActFields { action, target, rationale } = call.body.clone();
    let target_told = target.as_ref().map_or(Value::Null, |target| json!(target));
    change(
        &app,
        &call,
        &rationale,
        |gap| {
            let act = Act { action, target: target.clone(), rationale: rationale.clone() };
            decide_act(gap, act, &call.actor, call.now)
        },
        |gap| {
            let gap = gap_ref(gap, Some(action.as_str().to_owned()));
            Event::GapActioned { gap, target: target_told.clone() }
        },
    )
    .await
}

pub(crate) async fn resolve(app: Arc<App>, call: Call<Rationale>) -> Result<Answer<GapView>, Problem> {
    let why = call.body.rationale.clone();
    let decide = |gap: &Gap| decide_resolve(gap, why.clone(), &call.actor, call.now);
    change(&app, &call, &why, decide, |gap| Event::GapResolved { gap: gap_ref(gap, None) }).await
}

pub(crate) async fn recall(app: Arc<App>, call: Call<Rationale>) -> Result<Answer<GapView>, Problem> {
    let why = call.body.rationale.clone();
    let decide = |gap: &Gap| decide_recall(gap, why.clone(), &call.actor, call.now);
    change(&app, &call, &why, decide, |gap| Event::GapRecalled { gap: gap_ref(gap, None) }).await
}

async fn change<B: Sync>(
    app: &App,
    call: &Call<B>,
    why: &Note,
    decide: impl Fn(&Gap) -> Outcome<Gap> + Sync,
    told: impl Fn(&Gap) -> Event + Sync,
) -> Result<Answer<GapView>, Problem> {
    let id: GapId = call.path.parse("id")?;
    let (decide, told) = (&decide, &told);
    app.store
        .decide(|| async {
            let found: Loaded<Gap> = app.store.load(id.as_str()).await?.ok_or_else(Problem::not_found)?;
            match decide(&found.value) {
                Outcome::Changed(gap) => {
                    call.check_version(found.version)?;
                    let mut tx = call.transaction().because(why.as_str());
                    tx.update(&found, &gap, &told(&gap));
                    Ok(call.commit(tx, shown(gap)))
                }
                Outcome::AlreadyDone => Ok(Step::Done(shown(found.value))),
                Outcome::Refused(refusal) => Err(refusal.into()),
            }
        })
        .await
}

/// The version of a gap counts its writes, as the store's does.
fn shown(gap: Gap) -> Answer<GapView> {
    let version = gap.version;
    Answer::ok(GapView::of(gap)).versioned(version)
}
