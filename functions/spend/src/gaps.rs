//! Gaps as people see them, and what they do about them.

use std::sync::Arc;

use contract::events::{Event, GapRef};
use domain::access::models::model::{DecisionCommand, Model, ModelDecision, Verdict, decide_decision};
use domain::access::workloads::space::Workload;
use domain::base::calendar::Month;
use domain::base::ids::GapId;
use domain::base::outcome::Outcome;
use domain::base::text::Note;
use domain::spend::bill::settings::BillSettings;
use domain::spend::gap::{
    Act, Advice, Gap, GapAction, GapKind, GapState, Target, advise, asked_model, asked_workload, check_asked_workload,
    decide_act, decide_recall, decide_resolve, is_asked_model,
};
use lambda::{Answer, Call, Page, Problem, list_page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::aggregates::gap::{gaps_in, gaps_of};
use store::{Index, Loaded, Order, Step, Transaction};

use crate::App;

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
    /// What each of them starts, and what is left for people to do.
    advice: Vec<Advice>,
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
    fn of(gap: Gap, settings: &BillSettings) -> Self {
        let (label, actions) = (gap.about.anchor.label(), gap.kind.actions().to_vec());
        Self { label, actions, advice: advise(&gap, &settings.workspace_tag_key), gap }
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
    let (settings, _) = app.store.settings_in_force().await?;
    let page = list_page(&app.store, index, &partitions, Order::Ascending, &asked, |entry| {
        let gap: Gap = entry.read()?;
        let is_wanted = state.is_none_or(|state| gap.state == state) && kind.is_none_or(|kind| gap.kind == kind);
        Ok(is_wanted.then(|| GapView::of(gap, &settings.bill)))
    });
    Ok(Answer::ok(page.await?))
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<GapView>, Problem> {
    let id: GapId = call.path.parse("id")?;
    let found: Loaded<Gap> = app.store.load(id.as_str()).await?.ok_or_else(Problem::not_found)?;
    let (settings, _) = app.store.settings_in_force().await?;
    Ok(shown(found.value, &settings.bill))
}

/// Starts something about a gap. A block is a decision about the model, by the same Lead in the same transaction; what is
/// put to an owner, or told to one, is done by whoever consumes the event.
pub(crate) async fn act(app: Arc<App>, call: Call<ActFields>) -> Result<Answer<GapView>, Problem> {
    let id: GapId = call.path.parse("id")?;
    let ActFields { action, target, rationale } = &call.body;
    let (settings, _) = app.store.settings_in_force().await?;
    app.store
        .decide(|| async {
            let found: Loaded<Gap> = app.store.load(id.as_str()).await?.ok_or_else(Problem::not_found)?;
            let act = Act { action: *action, target: target.clone(), rationale: rationale.clone() };
            match decide_act(&found.value, act, &call.actor, call.now) {
                Outcome::Changed(gap) => {
                    call.check_version(found.version)?;
                    let mut tx = call.transaction().because(rationale.as_str());
                    let told = target.as_ref().map_or(Value::Null, |target| json!(target));
                    let named = GapRef::of(&gap, Some(action.as_str().to_owned()));
                    tx.update(&found, &gap, &Event::GapActioned { gap: named, target: told });
                    if let Some(asked) = asked_workload(&gap, *action, target.as_ref()) {
                        let workload: Option<Loaded<Workload>> = app.store.load(asked.as_str()).await?;
                        check_asked_workload(asked, workload.as_ref().map(|workload| &workload.value))?;
                        workload.iter().for_each(|workload| tx.unless_changed(workload));
                    }
                    if *action == GapAction::Block {
                        block(&app, &call, &mut tx, &gap).await?;
                    }
                    Ok(call.commit(tx, shown(gap, &settings.bill)))
                }
                Outcome::AlreadyDone => Ok(Step::Done(shown(found.value, &settings.bill))),
                Outcome::Refused(refusal) => Err(refusal.into()),
            }
        })
        .await
}

/// Adds the decision that blocks the gap's model; a model that is blocked already stays so.
async fn block(app: &App, call: &Call<ActFields>, tx: &mut Transaction, gap: &Gap) -> Result<(), Problem> {
    let named = call.body.target.as_ref().and_then(|target| target.model_key.as_ref());
    let unknown = || Problem::invalid("the catalog has no such model; name one of GET /v1/models in `target.modelKey`");
    let key = asked_model(gap, named).ok_or_else(unknown)?;
    let found: Option<Loaded<Model>> = app.store.load(key.as_str()).await?;
    let found = found.filter(|found| is_asked_model(gap, named, &found.value)).ok_or_else(unknown)?;
    if found.value.decision == ModelDecision::Blocked {
        return Ok(());
    }
    let reason = call.body.rationale.clone();
    let command = DecisionCommand { decision: Verdict::Blocked, reason: reason.clone(), restriction: None };
    match decide_decision(&found.value, command, &call.actor, call.now) {
        Outcome::Changed(model) => {
            let decision = model.decision;
            tx.update(&found, &model, &Event::ModelDecided { model_key: key, decision, reason: reason.into() });
            Ok(())
        }
        Outcome::AlreadyDone => Ok(()),
        Outcome::Refused(refusal) => Err(refusal.into()),
    }
}

pub(crate) async fn resolve(app: Arc<App>, call: Call<Rationale>) -> Result<Answer<GapView>, Problem> {
    let why = call.body.rationale.clone();
    let decide = |gap: &Gap| decide_resolve(gap, why.clone(), &call.actor, call.now);
    change(&app, &call, &why, decide, |gap| Event::GapResolved { gap: GapRef::of(gap, None) }).await
}

pub(crate) async fn recall(app: Arc<App>, call: Call<Rationale>) -> Result<Answer<GapView>, Problem> {
    let why = call.body.rationale.clone();
    let decide = |gap: &Gap| decide_recall(gap, why.clone(), &call.actor, call.now);
    change(&app, &call, &why, decide, |gap| Event::GapRecalled { gap: GapRef::of(gap, None) }).await
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
    let (settings, _) = app.store.settings_in_force().await?;
    app.store
        .decide(|| async {
            let found: Loaded<Gap> = app.store.load(id.as_str()).await?.ok_or_else(Problem::not_found)?;
            match decide(&found.value) {
                Outcome::Changed(gap) => {
                    call.check_version(found.version)?;
                    let mut tx = call.transaction().because(why.as_str());
                    tx.update(&found, &gap, &told(&gap));
                    Ok(call.commit(tx, shown(gap, &settings.bill)))
                }
                Outcome::AlreadyDone => Ok(Step::Done(shown(found.value, &settings.bill))),
                Outcome::Refused(refusal) => Err(refusal.into()),
            }
        })
        .await
}

/// The version of a gap counts its writes, as the store's does.
fn shown(gap: Gap, settings: &BillSettings) -> Answer<GapView> {
    let version = gap.version;
    Answer::ok(GapView::of(gap, settings)).versioned(version)
}
