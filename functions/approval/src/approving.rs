//! Approving: everything that one decision writes goes into one transaction.
//!
//! The approval, its chains, the request it answers, the approval it replaces, the anchors it takes, the counters, the
//! estimate check and the record of the answer stand or fall together. Tasks are issued by whoever consumes the event.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::events::{Event, Place};
use domain::access::anchor::{Anchor, AnchorKey, RoleGrant};
use domain::access::decisions::approval::approve::{DecideContext, Decided, Ground, decide_approve};
use domain::access::decisions::approval::comparison::compare;
use domain::access::decisions::approval::{Approval, ApprovalFields, ApprovalState, BreakGlass, ScopeSpec};
use domain::access::decisions::request::{Request, RequestState};
use domain::access::models::model::Model;
use domain::access::models::model::application::ApplicationProfile;
use domain::access::policy::compile::compile;
use domain::access::policy::grant::Grant;
use domain::access::tasks::chain::Chain;
use domain::access::workloads::account::Account;
use domain::access::workloads::space::{Space, Workload};
use domain::base::aws::profile::is_application_profile;
use domain::base::ids::{ApprovalId, RequestId, ScopeId, WorkloadId};
use domain::base::outcome::Outcome;
use domain::base::platform::{ModelKey, Platform};
use domain::settings::Settings;
use lambda::{Answer, Call, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use store::aggregates::approval::{LastBreakGlass, approval_pointer, break_glass_pointer};
use store::aggregates::estimate::versions;
use store::{Loaded, Step, Transaction};

use crate::App;
use crate::approvals::answer;
use crate::views::{ApprovalContext, ApprovalView};

/// A decision without a request: an approval body, the workload, and for break-glass its terms.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "Map<String, Value>")]
#[schemars(with = "DirectFields")]
pub(crate) struct Direct {
    workload_id: WorkloadId,
    break_glass: Option<BreakGlass>,
    fields: ApprovalFields,
}

/// The body as the document shows it; unknown fields are refused when it is read.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used: serde cannot both flatten and refuse unknown fields")]
struct DirectFields {
    workload_id: WorkloadId,
    #[serde(default)]
    break_glass: Option<BreakGlass>,
    #[serde(flatten)]
    fields: ApprovalFields,
}

impl TryFrom<Map<String, Value>> for Direct {
    type Error = serde_json::Error;
    fn try_from(mut body: Map<String, Value>) -> Result<Self, Self::Error> {
        let workload_id = serde_json::from_value(body.remove("workloadId").unwrap_or(Value::Null))?;
        let break_glass = serde_json::from_value(body.remove("breakGlass").unwrap_or(Value::Null))?;
        Ok(Self { workload_id, break_glass, fields: serde_json::from_value(Value::Object(body))? })
    }
}

/// Everything a decision depends on, read consistently.
struct Seen {
    space: Loaded<Space>,
    workload: Loaded<Workload>,
    model: Loaded<Model>,
    settings: Settings,
    accounts: Vec<Loaded<Account>>,
    profiles: Vec<ApplicationProfile>,
    /// The last approval under the key, whatever its state: where the key's pointer leads.
    last: Option<Loaded<Approval>>,
    last_chains: Vec<Loaded<Chain>>,
    /// The last break-glass decision for the workload; read for another one only.
    last_break_glass: LastBreakGlass,
    has_estimate: bool,
}

impl Seen {
    fn replaced(&self) -> Option<&Loaded<Approval>> {
        self.last.as_ref().filter(|a| a.value.state == ApprovalState::Active)
    }
}

pub(crate) async fn approve(app: Arc<App>, call: Call<ApprovalFields>) -> Result<Answer<ApprovalView>, Problem> {
    let id = ApprovalId::new(call.now, app.ids.entropy());
    let request_id: RequestId = call.path.parse("id")?;
    let scope_ids = fresh_scope_ids(&app, &call, call.body.scopes.len());
    call.transact(&app.store, || async {
        let request = app.store.require::<Request>(&request_id).await?;
        if let Some(done) = repeated(&app, &call, &request.value).await? {
            return Ok(Step::Done(done));
        }
        let seen = load_seen(&app, &request.value.fields.workload_id, &call.body).await?;
        let ground = Ground::Request(&request.value);
        write_decision(&app, &call, &id, &scope_ids, &ground, Some(&request), &seen).await
    })
    .await
}

pub(crate) async fn approve_directly(app: Arc<App>, call: Call<Direct>) -> Result<Answer<ApprovalView>, Problem> {
    let id = ApprovalId::new(call.now, app.ids.entropy());
    let (call, direct) = call.with_body(());
    let (call, ()) = call.with_body(direct.fields.clone());
    let scope_ids = fresh_scope_ids(&app, &call, call.body.scopes.len());
    call.transact(&app.store, || async {
        let mut seen = load_seen(&app, &direct.workload_id, &call.body).await?;
        if direct.break_glass.is_some() {
            seen.last_break_glass = app.store.load_last_break_glass(&direct.workload_id).await?;
        }
        if let Some(found) = seen.replaced().filter(|found| is_same_direct(&found.value, &direct, &call)) {
            return Ok(Step::Done(as_it_stands(&app, found).await?));
        }
        let ground = direct.break_glass.clone().map_or(Ground::Narrowing, Ground::BreakGlass);
        write_decision(&app, &call, &id, &scope_ids, &ground, None, &seen).await
    })
    .await
}

/// The same decision by the same Lead on the same request again: the approval as it stands.
async fn repeated(
    app: &App,
    call: &Call<ApprovalFields>,
    request: &Request,
) -> Result<Option<Answer<ApprovalView>>, Problem> {
    let Some(end) = request.end.as_ref().filter(|e| request.state == RequestState::Approved && e.by == call.actor.sub)
    else {
        return Ok(None);
    };
    let Some(id) = &end.approval_id else { return Ok(None) };
    let Some(found) = app.store.load::<Approval>(id).await? else { return Ok(None) };
    if !says_the_same(&call.body, &found.value) {
        return Ok(None);
    }
    Ok(Some(as_it_stands(app, &found).await?))
}

/// Whether the active approval is this very decision without a request, taken by the same Lead before: else a
/// narrowing that is sent twice would supersede itself.
fn is_same_direct(found: &Approval, direct: &Direct, call: &Call<ApprovalFields>) -> bool {
    let names_another = direct.fields.supersedes.is_some() && direct.fields.supersedes != found.supersedes;
    found.request_id.is_none()
        && found.decided_by == call.actor.sub
        && found.break_glass == direct.break_glass
        && !names_another
        && says_the_same(&direct.fields, found)
}

/// Whether a body asks for what an approval decided; what it supersedes is derived, and the model's id is its base.
fn says_the_same(body: &ApprovalFields, found: &Approval) -> bool {
    let supersedes = found.decision.supersedes.clone();
    found.decision == ApprovalFields { supersedes, model_id: body.model_id.base(), ..body.clone() }
}

async fn as_it_stands(app: &App, found: &Loaded<Approval>) -> Result<Answer<ApprovalView>, Problem> {
    let context = ApprovalContext::load(&app.store, &found.value).await?;
    Ok(answer(context.view(&found.value, found.version)))
}

async fn load_seen(app: &App, workload: &WorkloadId, fields: &ApprovalFields) -> Result<Seen, Problem> {
    let store = &app.store;
    let workload = store.require::<Workload>(workload).await?;
    let space = store.require::<Space>(&workload.value.space_id).await?;
    let key = ModelKey::of(fields.platform, &fields.model_id.base());
    let model = store.load::<Model>(&key).await?;
    let model = model.filter(|model| model.value.is(fields.platform, &fields.model_id));
    let model =
        model.ok_or_else(|| Problem::invalid("no such model on this platform; take `modelId` from GET /v1/models"))?;
    let accounts = store.load_accounts(fields.scopes.iter().map(|s| &s.account_id)).await?;
    // Only what may be one is asked for: anything else a scope names is no key.
    let own =
        |s: &ScopeSpec| s.inference_profile.clone().filter(|p| is_application_profile(p, &s.account_id, &s.region));
    let named: Vec<String> = fields.scopes.iter().filter_map(own).collect();
    let profiles = store.load_many::<ApplicationProfile>(named).await?.into_iter().map(|p| p.value).collect();
    let last = store.load_last_approval(&Approval::key(&workload.value.id, &key, fields.tier)).await?;
    let last_chains = match &last {
        Some(last) => store.load_chains_of(&last.value).await?,
        None => Vec::new(),
    };
    let (settings, _) = store.settings_in_force().await?;
    let estimates = store.load_estimates(&workload.value.id).await?;
    let has_estimate = versions(estimates.as_ref()).iter().any(|e| e.platform == fields.platform);
    Ok(Seen {
        space,
        workload,
        model,
        settings,
        accounts,
        profiles,
        last,
        last_chains,
        last_break_glass: LastBreakGlass::default(),
        has_estimate,
    })
}

async fn write_decision(
    app: &App,
    call: &Call<ApprovalFields>,
    id: &ApprovalId,
    scope_ids: &[ScopeId],
    ground: &Ground<'_>,
    request: Option<&Loaded<Request>>,
    seen: &Seen,
) -> Result<Step<Answer<ApprovalView>>, Problem> {
    let accounts: Vec<Account> = seen.accounts.iter().map(|a| a.value.clone()).collect();
    let last_chains: Vec<Chain> = seen.last_chains.iter().map(|c| c.value.clone()).collect();
    let context = DecideContext {
        space: &seen.space.value,
        workload: &seen.workload.value,
        model: &seen.model.value,
        broad_roles: seen.settings.bill.broad_roles(),
        accounts: &accounts,
        profiles: &seen.profiles,
        replaced: seen.replaced().map(|a| &a.value),
        replaced_chains: if seen.replaced().is_some() { &last_chains } else { &[] },
        has_estimate: seen.has_estimate,
        unreviewed: seen.last_break_glass.unreviewed.as_ref(),
    };
    let decided = decide_approve(id.clone(), scope_ids, call.body.clone(), ground, &context, &call.actor, call.now)?;
    let taken = take_anchors(app, &decided).await?;
    // The caller saw the request, or, where they decide without one, the approval that is replaced.
    let version = request.map_or_else(|| seen.replaced().map_or(0, |replaced| replaced.version), |r| r.version);
    let stands = || Err(Problem::not_found());
    call.conclude(version, Outcome::Changed(decided), stands, |tx, decided| {
        if let Some(note) = &call.body.note {
            tx.because(note.as_str());
        }
        put_decision(tx, &decided, request, seen);
        taken.iter().for_each(|(found, anchor)| tx.save_under(found.as_ref(), anchor));
        tx.unless_changed(&seen.model);
        tx.unless_changed(&seen.workload);
        let chains = decided.chains.iter().chain(&last_chains).map(|c| (c.id.clone(), c.clone())).collect();
        let replaced = seen.replaced().map(|replaced| &replaced.value);
        let comparison = compare(&decided.approval, request.map(|r| &r.value), replaced);
        let view = ApprovalView::of(&decided.approval, 1, &chains).beside(comparison);
        Ok(Answer::created(format!("/v1/approvals/{id}"), view).versioned(1))
    })
}

fn put_decision(tx: &mut Transaction, decided: &Decided, request: Option<&Loaded<Request>>, seen: &Seen) {
    let approval = &decided.approval;
    let place = Place::from(approval);
    tx.create(
        approval,
        &Event::ApprovalDecided {
            place: place.clone(),
            approval_id: approval.id.clone(),
            digest: approval.digest.clone(),
            model_key: approval.model_key.clone(),
            scope_ids: approval.scopes.iter().map(|s| s.id.clone()).collect(),
            supersedes: approval.supersedes.clone(),
            break_glass: approval.break_glass.is_some(),
        },
    );
    for chain in &decided.chains {
        tx.create_under(chain);
        tx.count(&chain.model_key, None, Some(&chain.presence()));
    }
    if let (Some(before), Some(after)) = (request, &decided.request) {
        let event = Event::RequestApproved {
            place: place.clone(),
            request_id: after.id.clone(),
            approval_id: approval.id.clone(),
        };
        tx.update(before, after, &event);
        tx.count_request(Some(&before.value), Some(after));
    }
    if let (Some(before), Some(after)) = (seen.replaced(), &decided.replaced) {
        let event = Event::ApprovalSuperseded { place, approval_id: after.id.clone(), by: approval.id.clone() };
        tx.update(before, after, &event);
    }
    let key = Approval::key(&approval.workload_id, &approval.model_key, approval.decision.tier);
    tx.point(&approval_pointer(&key), seen.last.as_ref().map(|a| a.value.id.as_str()), approval.id.as_str());
    if approval.break_glass.is_some() {
        // Nobody decides so for a Space of their own, so it is written only while the owners are those that were read.
        tx.unless_changed(&seen.space);
        let target = seen.last_break_glass.target.as_deref();
        tx.point(&break_glass_pointer(&approval.workload_id), target, approval.id.as_str());
    }
    // Whoever takes up a task of a scope that carries over while this is decided may be the one who asked for it.
    for carried in approval.scopes.iter().filter(|scope| scope.carried) {
        if let Some(chain) = seen.last_chains.iter().find(|chain| chain.value.id == carried.id) {
            tx.unless_changed(chain);
        }
    }
}

/// The roles and workspaces of the new scopes, before and after they are taken for the workload, if each role's
/// document can still be made.
async fn take_anchors(app: &App, decided: &Decided) -> Result<Vec<(Option<Loaded<Anchor>>, Anchor)>, Problem> {
    let approval = &decided.approval;
    let mut taken: BTreeMap<AnchorKey, (Option<Loaded<Anchor>>, Anchor)> = BTreeMap::new();
    for chain in &decided.chains {
        for key in AnchorKey::of_chain(chain) {
            if !taken.contains_key(&key) {
                let found = app.store.load_anchor(&key).await?;
                let fresh =
                    || Anchor::new(key.clone(), chain.platform, chain.workload_id.clone(), chain.space_id.clone());
                let anchor = found.as_ref().map_or_else(fresh, |f| f.value.clone());
                taken.insert(key.clone(), (found, anchor));
            }
            let Some((_, anchor)) = taken.get_mut(&key) else { continue };
            anchor.reserve(&chain.id, &approval.workload_id, &approval.space_id)?;
            if matches!(key, AnchorKey::Role(_)) {
                let grant = RoleGrant { approval_id: approval.id.clone(), issued: false, grant: chain.grant()? };
                anchor.grants.insert(chain.id.clone(), grant);
            }
        }
    }
    for (key, (_, anchor)) in &taken {
        if let AnchorKey::Role(role) = key {
            // A workspace that does not exist yet has no ARN to write into a document; its grant is tried when it has.
            let known = |g: &Grant| g.platform == Platform::Bedrock || g.workspace.is_some();
            let grants: Vec<Grant> = anchor.grants.values().map(|g| g.grant.clone()).filter(known).collect();
            if !grants.is_empty() {
                compile(role, &grants)?;
            }
        }
    }
    Ok(taken.into_values().collect())
}

fn fresh_scope_ids(app: &App, call: &Call<ApprovalFields>, count: usize) -> Vec<ScopeId> {
    (0..count).map(|_| ScopeId::new(call.now, app.ids.entropy())).collect()
}
