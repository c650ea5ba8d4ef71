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
use lambda::{Answer, Call, Page, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::aggregates::gap::{gaps_in, gaps_of};
use store::{Index, Loaded, Transaction};

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
    let (settings, _) = app.store.settings_in_force().await?;
    call.list(&app.store, index, &partitions, |entry| {
        let gap: Gap = entry.read()?;
        let is_wanted = state.is_none_or(|state| gap.state == state) && kind.is_none_or(|kind| gap.kind == kind);
        Ok(is_wanted.then(|| GapView::of(gap, &settings.bill)))
    })
    .await
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<GapView>, Problem> {
    let found = app.store.require::<Gap>(&call.path.parse("id")?).await?;
    let (settings, _) = app.store.settings_in_force().await?;
    Ok(answer(found.value, &settings.bill))
}

/// Starts something about a gap. A block is a decision about the model, by the same Lead in the same transaction;
/// what is put to an owner, or told to one, is done by whoever consumes the event.
pub(crate) async fn act(app: Arc<App>, call: Call<ActFields>) -> Result<Answer<GapView>, Problem> {
    let id: GapId = call.path.parse("id")?;
    let ActFields { action, target, rationale } = &call.body;
    let (settings, _) = app.store.settings_in_force().await?;
    call.transact(&app.store, || async {
        let found: Loaded<Gap> = app.store.require(&id).await?;
        let act = Act { action: *action, target: target.clone(), rationale: rationale.clone() };
        let decided = decide_act(&found.value, act, &call.actor, call.now);
        let (asked, blocked) = match &decided {
            Outcome::Changed(gap) => (asked_of(&app, &call, gap).await?, blocked_by(&app, &call, gap).await?),
            _ => (None, None),
        };
        let event = |tx: &mut Transaction, gap: &Gap| {
            tx.because(rationale.as_str());
            asked.iter().for_each(|workload| tx.unless_changed(workload));
            if let Some((before, model)) = &blocked {
                let (model_key, reason) = (model.model_key.clone(), rationale.as_str().to_owned());
                tx.update(before, model, &Event::ModelDecided { model_key, decision: model.decision, reason });
            }
            let target = target.as_ref().map_or(Value::Null, |target| json!(target));
            Event::GapActioned { gap: GapRef::of(gap, Some(action.as_str().to_owned())), target }
        };
        call.change(&found, decided, event, |_, gap| answer(gap, &settings.bill))
    })
    .await
}

/// The workload that the action puts something to, which must be there and active until it is written.
async fn asked_of(app: &App, call: &Call<ActFields>, gap: &Gap) -> Result<Option<Loaded<Workload>>, Problem> {
    let Some(asked) = asked_workload(gap, call.body.action, call.body.target.as_ref()) else { return Ok(None) };
    let workload: Option<Loaded<Workload>> = app.store.load(asked).await?;
    check_asked_workload(asked, workload.as_ref().map(|workload| &workload.value))?;
    Ok(workload)
}

/// The gap's model before and after the decision that blocks it; nothing where it is blocked already.
async fn blocked_by(app: &App, call: &Call<ActFields>, gap: &Gap) -> Result<Option<(Loaded<Model>, Model)>, Problem> {
    if call.body.action != GapAction::Block {
        return Ok(None);
    }
    let named = call.body.target.as_ref().and_then(|target| target.model_key.as_ref());
    let unknown = || Problem::invalid("the catalog has no such model; name one of GET /v1/models in `target.modelKey`");
    let key = asked_model(gap, named).ok_or_else(unknown)?;
    let found: Option<Loaded<Model>> = app.store.load(&key).await?;
    let found = found.filter(|found| is_asked_model(gap, named, &found.value)).ok_or_else(unknown)?;
    if found.value.decision == ModelDecision::Blocked {
        return Ok(None);
    }
    let reason = call.body.rationale.clone();
    let command = DecisionCommand { decision: Verdict::Blocked, reason, restriction: None };
    match decide_decision(&found.value, command, &call.actor, call.now) {
        Outcome::Changed(model) => Ok(Some((found, model))),
        Outcome::AlreadyDone => Ok(None),
        Outcome::Refused(refusal) => Err(refusal.into()),
    }
}

pub(crate) async fn resolve(app: Arc<App>, call: Call<Rationale>) -> Result<Answer<GapView>, Problem> {
    let decide = |gap: &Gap, why| decide_resolve(gap, why, &call.actor, call.now);
    close_gap(&app, &call, decide, |gap| Event::GapResolved { gap }).await
}

pub(crate) async fn recall(app: Arc<App>, call: Call<Rationale>) -> Result<Answer<GapView>, Problem> {
    let decide = |gap: &Gap, why| decide_recall(gap, why, &call.actor, call.now);
    close_gap(&app, &call, decide, |gap| Event::GapRecalled { gap }).await
}

async fn close_gap(
    app: &App,
    call: &Call<Rationale>,
    decide: impl Fn(&Gap, Note) -> Outcome<Gap> + Sync,
    event: impl Fn(GapRef) -> Event + Sync,
) -> Result<Answer<GapView>, Problem> {
    let id: GapId = call.path.parse("id")?;
    let (decide, event, why) = (&decide, &event, &call.body.rationale);
    let (settings, _) = app.store.settings_in_force().await?;
    call.transact(&app.store, || async {
        let found: Loaded<Gap> = app.store.require(&id).await?;
        let told = |tx: &mut Transaction, gap: &Gap| {
            tx.because(why.as_str());
            event(GapRef::of(gap, None))
        };
        let decided = decide(&found.value, why.clone());
        call.change(&found, decided, told, |_, gap| answer(gap, &settings.bill))
    })
    .await
}

/// The version of a gap counts its writes, as the store's does.
fn answer(gap: Gap, settings: &BillSettings) -> Answer<GapView> {
    let version = gap.version;
    Answer::ok(GapView::of(gap, settings)).versioned(version)
}
