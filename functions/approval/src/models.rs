//! The AI Models table, a model's detail and scopes, and the Lead's decision about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::events::Event;
use domain::access::decisions::approval::Approval;
use domain::access::decisions::request::Request;
use domain::access::models::model::{
    DecisionCommand, Model, ModelDecision, RegionOffer, SeenRestriction, decide_decision,
};
use domain::access::policy::organisation::organisation_deny as deny_document;
use domain::access::tasks::chain::Chain;
use domain::access::workloads::space::Space;
use domain::base::audit::AuditEvent;
use domain::base::authorization::Action;
use domain::base::aws::Region;
use domain::base::ids::SpaceId;
use domain::base::outcome::{Refusal, RefusalKind};
use domain::base::people::Actor;
use domain::base::platform::{ModelKey, Platform};
use domain::base::text::{Note, Sub};
use jiff::Timestamp;
use lambda::{Answer, Call, Page, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use store::aggregates::approval::approvals_of;
use store::aggregates::chain::scopes_of;
use store::aggregates::model::{ModelCounts, ModelRow, OwnCounts};
use store::aggregates::request::{presences, requests_of};
use store::{Index, Transaction, keys};

use crate::App;
use crate::requests::own_spaces;
use crate::views::ModelView;

/// Events shown with a model, the newest: its decisions are few, and discovery may change it daily. The audit log has
/// all.
const HISTORY_EVENTS_SHOWN: u64 = 50;

/// A model in detail.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ModelDetail {
    #[serde(flatten)]
    row: ModelView,
    regions: BTreeMap<Region, RegionOffer>,
    /// Within what it may be used; an owner sees what holds for their own Spaces.
    restriction: Option<SeenRestriction>,
    /// Why it was so decided; of a restriction to others' Spaces an owner does not see it.
    decision_reason: Option<Note>,
    decided_by: Option<Sub>,
    decided_at: Option<Timestamp>,
    /// The newest of its audit record, for whoever does not see their own Spaces only.
    history: Vec<AuditEvent>,
}

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<ModelView>>, Problem> {
    let platform: Option<Platform> = call.query.one_of("platform")?;
    let decision: Option<ModelDecision> = call.query.one_of("decision")?;
    let vendor = call.query.get("vendor");
    let page = call.page()?;
    let total = total_accounts(&app).await?;
    let mut rows = app.store.list_models().await?;
    cut_to_own(&app, &call, &mut rows).await?;
    rows.retain(|row| {
        platform.is_none_or(|p| row.model.platform == p)
            && decision.is_none_or(|d| row.model.decision == d)
            && vendor.is_none_or(|v| row.model.vendor.eq_ignore_ascii_case(v))
    });
    rows.sort_by_cached_key(|ModelRow { model, .. }| {
        (model.vendor.to_lowercase(), model.platform, model.name.to_lowercase(), model.model_key.clone())
    });
    // The table is small (models, not scopes) and read whole in one query, so a page is cut from the sorted rows.
    let after = page.after.as_ref().and_then(Value::as_str);
    let start = after.and_then(|key| rows.iter().position(|r| r.model.model_key.as_str() == key)).map_or(0, |i| i + 1);
    let limit = page.limit as usize;
    let shown: Vec<&ModelRow> = rows.iter().skip(start).take(limit).collect();
    let is_last = start + shown.len() >= rows.len();
    let next = shown.last().filter(|_| !is_last).map(|r| Value::from(r.model.model_key.as_str()));
    let items = shown.into_iter().map(|row| ModelView::of(row, total)).collect();
    Ok(Answer::ok(Page::new(items, next.as_ref())))
}

pub(crate) async fn read(app: Arc<App>, call: Call<()>) -> Result<Answer<ModelDetail>, Problem> {
    let key: ModelKey = call.path.parse("modelKey")?;
    let found = app.store.require::<Model>(&key).await?;
    let after = found.sequence().saturating_sub(HISTORY_EVENTS_SHOWN);
    let history = app.store.history(&keys::model(&key), after, usize::MAX).await?;
    let context = load_context(&app, &call.actor, &key).await?;
    Ok(Answer::ok(context.detail(found.value, found.version, history)).versioned(found.version))
}

pub(crate) async fn scopes(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<Value>>, Problem> {
    let key: ModelKey = call.path.parse("modelKey")?;
    app.store.require::<Model>(&key).await?;
    let own = own_spaces(&app, &call.actor, call.action).await?;
    let partitions = [scopes_of(&key)];
    call.list(&app.store, Index::Parent, &partitions, |entry| {
        let scope = match entry.read::<Chain>() {
            Ok(chain) => chain_scope(&chain),
            Err(_) => entry.read::<Value>()?,
        };
        let visible = own.as_ref().is_none_or(|spaces| {
            spaces.iter().any(|s| Some(s.id.as_str()) == scope.get("spaceId").and_then(Value::as_str))
        });
        Ok(visible.then_some(scope))
    })
    .await
}

/// A scope of an approval, as the model's detail lists it.
fn chain_scope(chain: &Chain) -> Value {
    json!({
        "id": chain.id, "state": chain.state, "approvalId": chain.approval_id, "workloadId": chain.workload_id,
        "spaceId": chain.space_id, "accountId": chain.spec.account_id, "region": chain.spec.region,
        "iamRole": chain.spec.iam_role, "existing": chain.spec.existing,
        "inferenceProfile": chain.spec.inference_profile,
        "workspaceName": chain.workspace_name, "workspaceArn": chain.workspace_arn, "tier": chain.tier,
        "actions": chain.actions, "map": domain::access::tasks::migration::standing(chain),
    })
}

pub(crate) async fn write_decision(app: Arc<App>, call: Call<DecisionCommand>) -> Result<Answer<ModelDetail>, Problem> {
    let key: ModelKey = call.path.parse("modelKey")?;
    call.transact(&app.store, || async {
        let found = app.store.require::<Model>(&key).await?;
        let context = load_context(&app, &call.actor, &key).await?;
        let decided = decide_decision(&found.value, call.body.clone(), &call.actor, call.now);
        let event = |tx: &mut Transaction, model: &Model| {
            let reason = call.body.reason.as_str();
            tx.because(reason);
            Event::ModelDecided { model_key: key.clone(), decision: model.decision, reason: reason.to_owned() }
        };
        call.change(&found, decided, event, |version, model| {
            Answer::ok(context.detail(model, version, Vec::new())).versioned(version)
        })
    })
    .await
}

pub(crate) async fn organisation_deny(app: Arc<App>, call: Call<()>) -> Result<Answer<Value>, Problem> {
    let key: ModelKey = call.path.parse("modelKey")?;
    let found = app.store.require::<Model>(&key).await?;
    if found.value.decision != ModelDecision::Blocked {
        let detail = format!(
            "the model is `{}`; an organisation-wide deny is for blocked models",
            found.value.decision.as_str()
        );
        return Err(Refusal::new(RefusalKind::WrongState, detail).into());
    }
    let document = deny_document(found.value.platform, &found.value.model_id)?;
    Ok(Answer::ok(serde_json::from_str(&document.to_json()).unwrap_or(Value::Null)))
}

/// Who sees only their own Spaces sees the whole catalog, with the counters of their own scopes.
async fn cut_to_own(app: &App, call: &Call<()>, rows: &mut [ModelRow]) -> Result<(), Problem> {
    let Some(spaces) = own_spaces(app, &call.actor, Action::ReadScopes).await? else { return Ok(()) };
    let mut own = own_counts(app, &spaces).await?;
    for row in rows {
        row.counts = own.remove(&row.model.model_key).unwrap_or_default();
    }
    Ok(())
}

/// What the scopes of these Spaces add up to, by model.
async fn own_counts(app: &App, spaces: &[Space]) -> Result<BTreeMap<ModelKey, ModelCounts>, Problem> {
    let OwnCounts { mut counts, uncounted } = app.store.list_counts_of_spaces(spaces).await?;
    for space in uncounted {
        read_through(app, space, &mut counts).await?;
    }
    Ok(counts)
}

/// Counts the scopes of a Space that is older than its counters, one by one.
async fn read_through(app: &App, space: &Space, counts: &mut BTreeMap<ModelKey, ModelCounts>) -> Result<(), Problem> {
    for workload in app.store.list_workloads_of_space(&space.id).await? {
        for entry in app.store.list_all(Index::Parent, &[requests_of(&workload.id)]).await? {
            let request: Request = entry.read()?;
            if let Some(model) = &request.model_key {
                presences(&request).iter().for_each(|p| counts.entry(model.clone()).or_default().add(p));
            }
        }
        let mut scopes = Vec::new();
        for entry in app.store.list_all(Index::Parent, &[approvals_of(&workload.id)]).await? {
            scopes.extend(entry.read::<Approval>()?.scopes.into_iter().map(|s| s.id));
        }
        for chain in app.store.load_many::<Chain>(&scopes).await? {
            counts.entry(chain.value.model_key.clone()).or_default().add(&chain.value.presence());
        }
    }
    Ok(())
}

/// What a model's detail shows beside the model.
struct ModelContext {
    /// The Spaces whose scopes are counted, for whoever sees no others.
    own: Option<BTreeSet<SpaceId>>,
    counts: ModelCounts,
    total_accounts: u64,
}

async fn load_context(app: &App, actor: &Actor, key: &ModelKey) -> Result<ModelContext, Problem> {
    let own = own_spaces(app, actor, Action::ReadScopes).await?;
    let counts = match &own {
        Some(spaces) => own_counts(app, spaces).await?.remove(key).unwrap_or_default(),
        None => app.store.load_model_counts(key).await?,
    };
    let total_accounts = total_accounts(app).await?;
    let own = own.map(|spaces| spaces.into_iter().map(|space| space.id).collect());
    Ok(ModelContext { own, counts, total_accounts })
}

impl ModelContext {
    fn detail(&self, model: Model, version: u64, history: Vec<AuditEvent>) -> ModelDetail {
        let row = ModelRow { model, version, counts: self.counts.clone() };
        let view = ModelView::of(&row, self.total_accounts);
        let model = row.model;
        let own = self.own.as_ref();
        let restriction = model.restriction.as_ref().map(|restriction| restriction.seen(own));
        let decision_reason = match own {
            Some(own) => model.reason_for(own).cloned(),
            None => model.decision_reason,
        };
        // The record says what others were decided about, and by whom.
        let history = if own.is_some() { Vec::new() } else { history };
        let Model { regions, decided_by, decided_at, .. } = model;
        ModelDetail { row: view, regions, restriction, decision_reason, decided_by, decided_at, history }
    }
}

async fn total_accounts(app: &App) -> Result<u64, Problem> {
    Ok(u64::try_from(app.store.list_active_accounts().await?.len()).unwrap_or(u64::MAX))
}
