//! The product's side: its own decisions, over plain maps in place of the tables. Events wait until they are
//! delivered, in any order, as a queue may.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::anchor::{Anchor, AnchorKey, RoleGrant};
use domain::access::decisions::approval::approve::{DecideContext, Ground, decide_approve};
use domain::access::decisions::approval::{
    Approval, ApprovalFields, ApprovalState, BreakGlass, ReviewOutcome, decide_review, decide_revoke,
};
use domain::access::decisions::request::{Request, RequestFields, RequestState, SubmitContext, decide_submit};
use domain::access::models::model::Model;
use domain::access::policy::compile::compile;
use domain::access::tasks::chain::beside::Beside;
use domain::access::tasks::chain::issue::{Onward, RoleTurn};
use domain::access::tasks::chain::work::{
    Completion, Standing, VerificationMode, decide_complete, decide_reissue, decide_release, decide_return,
    decide_start,
};
use domain::access::tasks::chain::{Chain, Stepped};
use domain::access::tasks::task::content::Rendered;
use domain::access::tasks::task::content::{Artifact, TaskContent};
use domain::access::tasks::task::{Evidence, Task, TaskKind, TaskState};
use domain::access::workloads::account::Account;
use domain::access::workloads::space::{Space, Workload};
use domain::base::ids::{ApprovalId, RequestId, ScopeId, TaskId};
use domain::base::outcome::{Outcome, Refusal, RefusalKind};
use domain::base::people::{Actor, Role};
use domain::base::platform::{ModelKey, Platform, Tier};
use domain::base::text::{Note, Sub};
use domain::settings::Settings;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

mod jobs;

/// The models that can be asked for.
pub(crate) const MODELS: [&str; 2] = ["amazon.nova-lite-v1:0", "anthropic.claude-3-haiku-20240307-v1:0"];
/// The regions in which they can be approved.
pub(crate) const REGIONS: [&str; 2] = ["us-east-1", "us-west-2"];
/// Five people in every role, each an owner of the Space, and one who owns nothing.
pub(crate) const PEOPLE: [&str; 6] = ["ann", "bob", "cid", "dan", "eve", "zoe"];
const OUTSIDER: &str = "zoe";
const ACCOUNT: &str = "111122223333";
/// The file in which a task says which scopes' grants it puts.
const POLICY: &str = "policy.json";

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// It took effect.
    Done,
    /// It was refused, for the three people's sake.
    Separated,
    /// It was refused for another reason, or had been done, or there was nothing to do it to.
    Nothing,
}

/// What is on the role in its account.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    /// The scopes whose grants the document holds.
    pub(crate) scopes: Vec<ScopeId>,
    /// The document.
    policy: String,
    /// Who put it.
    pub(crate) by: Sub,
}

/// What follows from a decision, once its event is delivered.
#[derive(Debug, Clone)]
enum Consequence {
    Issue(ScopeId),
    Supersede(ApprovalId, ApprovalId),
    End(ApprovalId),
    Turn,
}

/// What the nightly check saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Night {
    /// There was nothing to judge.
    Unjudged,
    /// The role is what was approved.
    AsApproved,
    /// It is not.
    Drifted,
}

/// One workload, one role, two models.
#[derive(Debug)]
pub(crate) struct Stage {
    space: Space,
    workload: Workload,
    models: Vec<Model>,
    account: Account,
    settings: Settings,
    pub(crate) requests: Vec<Request>,
    pub(crate) approvals: BTreeMap<ApprovalId, Approval>,
    last: BTreeMap<String, ApprovalId>,
    last_break_glass: Option<ApprovalId>,
    pub(crate) chains: BTreeMap<ScopeId, Chain>,
    role: Option<Anchor>,
    waiting: Vec<Consequence>,
    pub(crate) live: Option<Live>,
    now: Timestamp,
    made: u32,
}

impl Stage {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let ids = json!({ "space": "spc_01K3A0", "workload": "wkl_01K3A1" });
        let owners: Vec<&str> = PEOPLE.iter().copied().filter(|person| *person != OUTSIDER).collect();
        let offer = json!({ "inferenceTypes": ["ON_DEMAND"], "profiles": [], "lifecycle": { "status": "active" } });
        let model = |id: &&str| -> anyhow::Result<Model> {
            let model_id = id.parse()?;
            Ok(serde_json::from_value(json!({
                "modelKey": ModelKey::of(Platform::Bedrock, &model_id), "platform": "bedrock", "vendor": "v",
                "modelId": id, "name": id, "lifecycle": { "status": "active" }, "decision": "approved",
                "regions": REGIONS.map(|region| (region, offer.clone())).into_iter().collect::<BTreeMap<_, _>>(),
                "firstSeen": "2026-08-01T00:00:00Z", "changedAt": "2026-08-01T00:00:00Z",
            }))?)
        };
        let case = json!({
            "valueType": "cost-saving", "annualBaseline": { "amount": "1", "currency": "USD" }, "targetPercent": "1",
        });
        Ok(Self {
            space: serde_json::from_value(json!({ "id": ids["space"], "name": "Commerce", "owners": owners }))?,
            workload: serde_json::from_value(json!({
                "id": ids["workload"], "spaceId": ids["space"], "name": "Checkout", "runtime": "lambda",
                "useCase": "operations-ai", "businessCase": case, "state": "active",
            }))?,
            models: MODELS.iter().map(model).collect::<anyhow::Result<_>>()?,
            account: serde_json::from_value(json!({
                "accountId": ACCOUNT, "name": "checkout", "regions": REGIONS, "state": "active",
            }))?,
            settings: Settings::default(),
            requests: Vec::new(),
            approvals: BTreeMap::new(),
            last: BTreeMap::new(),
            last_break_glass: None,
            chains: BTreeMap::new(),
            role: None,
            waiting: Vec::new(),
            live: None,
            now: "2026-08-24T07:00:00Z".parse()?,
            made: 0,
        })
    }

    /// Who owns the Space.
    pub(crate) fn owns(&self, who: &Sub) -> bool {
        self.space.fields.owners.contains(who)
    }

    /// The active approval about a model, if there is one.
    pub(crate) fn active(&self, model: usize) -> Option<&Approval> {
        let last = self.last.get(&self.key(model)).and_then(|id| self.approvals.get(id));
        last.filter(|approval| approval.state == ApprovalState::Active)
    }

    /// Every task that is not over, with its scope.
    pub(crate) fn open_tasks(&self) -> Vec<(ScopeId, TaskId)> {
        let open = |chain: &Chain| {
            let tasks = chain.tasks.iter().filter(|task| !task.state.is_terminal());
            tasks.map(|task| (chain.id.clone(), task.id.clone())).collect::<Vec<_>>()
        };
        self.chains.values().flat_map(open).collect()
    }

    /// The scopes whose grants a task's document holds, as the document itself says.
    pub(crate) fn document_of(&self, scope: &ScopeId, task: &TaskId) -> Vec<ScopeId> {
        let task = self.chains.get(scope).and_then(|chain| chain.task(task));
        task.map(scopes_in).unwrap_or_default()
    }

    fn key(&self, model: usize) -> String {
        let key = self.models.get(model).map(|model| &model.model_key);
        key.map(|key| Approval::key(&self.workload.id, key, Tier::Standard)).unwrap_or_default()
    }

    fn fresh(&mut self) -> String {
        self.made += 1;
        format!("{:06}", self.made)
    }

    // ---- the owner and the Lead

    pub(crate) fn submit(&mut self, who: &str, model: usize, names_model: bool) -> anyhow::Result<Came> {
        let id = RequestId::derived(&self.fresh());
        let fields: RequestFields = serde_json::from_value(json!({
            "workloadId": self.workload.id, "justification": "for the tests",
            "platform": names_model.then_some("bedrock"), "modelId": names_model.then(|| MODELS.get(model)),
        }))?;
        let replaced = self.active(model).filter(|_| names_model);
        let chains = self.chains_of(replaced);
        let context = SubmitContext {
            space: &self.space,
            workload: &self.workload,
            model: self.models.get(model).filter(|_| names_model),
            replaced,
            replaced_chains: &chains,
        };
        let outcome = decide_submit(id, fields, &context, &person(who)?, self.now);
        Ok(took(outcome.into(), |request| self.requests.push(request)))
    }

    /// Approves a request; the Lead chooses the model that it leaves open.
    pub(crate) fn approve(&mut self, who: &str, request: usize, fields: ApprovalFields) -> anyhow::Result<Came> {
        let Some(request) = self.requests.get(request).cloned() else { return Ok(Came::Nothing) };
        self.decide(who, fields, &Ground::Request(&request))
    }

    pub(crate) fn narrow(&mut self, who: &str, fields: ApprovalFields) -> anyhow::Result<Came> {
        self.decide(who, fields, &Ground::Narrowing)
    }

    pub(crate) fn break_glass(&mut self, who: &str, fields: ApprovalFields) -> anyhow::Result<Came> {
        let expires_at = self.now.checked_add(SignedDuration::from_hours(20))?;
        self.decide(who, fields, &Ground::BreakGlass(BreakGlass { reason: note()?, expires_at }))
    }

    fn decide(&mut self, who: &str, fields: ApprovalFields, ground: &Ground<'_>) -> anyhow::Result<Came> {
        let id = ApprovalId::derived(&self.fresh());
        let ids: Vec<ScopeId> = fields.scopes.iter().map(|_| ScopeId::derived(&self.fresh())).collect();
        let model = MODELS.iter().position(|model| *model == fields.model_id.as_str()).unwrap_or_default();
        let Some(about) = self.models.get(model) else { return Ok(Came::Nothing) };
        let replaced = self.active(model);
        let chains = self.chains_of(replaced);
        let unreviewed = self.last_break_glass.as_ref().filter(|id| self.approvals[*id].review.is_none());
        let context = DecideContext {
            space: &self.space,
            workload: &self.workload,
            model: about,
            broad_roles: self.settings.bill.broad_roles(),
            accounts: std::slice::from_ref(&self.account),
            profiles: &[],
            replaced,
            replaced_chains: &chains,
            has_estimate: true,
            unreviewed,
        };
        let outcome = decide_approve(id.clone(), &ids, fields, ground, &context, &person(who)?, self.now);
        let decided = match outcome {
            Ok(decided) => decided,
            Err(refusal) => return Ok(took(Outcome::Refused(refusal), drop::<()>)),
        };
        if let Some(request) = decided.request {
            self.requests.iter_mut().filter(|r| r.id == request.id).for_each(|r| r.clone_from(&request));
        }
        if let Some(old) = decided.replaced {
            self.waiting.push(Consequence::Supersede(old.id.clone(), id.clone()));
            self.approvals.insert(old.id.clone(), old);
        }
        self.waiting.extend(decided.approval.scopes.iter().map(|scope| Consequence::Issue(scope.id.clone())));
        for chain in decided.chains {
            self.reserve(&chain)?;
            self.chains.insert(chain.id.clone(), chain);
        }
        if decided.approval.break_glass.is_some() {
            self.last_break_glass = Some(id.clone());
        }
        self.last.insert(self.key(model), id.clone());
        self.approvals.insert(id, decided.approval);
        Ok(Came::Done)
    }

    pub(crate) fn revoke(&mut self, who: &str, model: usize) -> anyhow::Result<Came> {
        let Some(approval) = self.active(model).cloned() else { return Ok(Came::Nothing) };
        let outcome = decide_revoke(&approval, &self.space, note()?, &person(who)?, self.now);
        Ok(took(outcome, |approval| {
            self.waiting.push(Consequence::End(approval.id.clone()));
            self.approvals.insert(approval.id.clone(), approval);
        }))
    }

    pub(crate) fn review(&mut self, who: &str, id: &ApprovalId) -> anyhow::Result<Came> {
        let Some(approval) = self.approvals.get(id).cloned() else { return Ok(Came::Nothing) };
        let executors = self.chains_of(Some(&approval)).iter().flat_map(|chain| chain.executors.clone()).collect();
        let found = ReviewOutcome::Justified;
        let outcome = decide_review(&approval, &self.space, &executors, found, note()?, &person(who)?, self.now);
        Ok(took(outcome, |approval| drop(self.approvals.insert(approval.id.clone(), approval))))
    }

    // ---- the engineer

    pub(crate) fn start(&mut self, who: &str, scope: &ScopeId, task: &TaskId) -> anyhow::Result<Came> {
        let actor = person(who)?;
        self.step(scope, |stage, chain, beside, now| {
            decide_start(chain, task, stage.standing(chain, beside), &actor, now)
        })
    }

    pub(crate) fn complete(&mut self, who: &str, scope: &ScopeId, task: &TaskId) -> anyhow::Result<Came> {
        let actor = person(who)?;
        self.step(scope, |stage, chain, beside, now| {
            let completion = Completion {
                digest: chain.digest.clone(),
                evidence: Evidence::new(),
                verification: None,
                map_found: None,
            };
            let (standing, turn) = (stage.standing(chain, beside), stage.turn(chain));
            let render = |chain: &Chain, kind| stage.render(chain, kind);
            let mode = VerificationMode::Advisory;
            decide_complete(
                chain,
                task,
                standing,
                completion,
                mode,
                Onward { turn: &turn, render: &render },
                &actor,
                now,
            )
        })
    }

    pub(crate) fn give_back(&mut self, who: &str, scope: &ScopeId, task: &TaskId) -> anyhow::Result<Came> {
        let (actor, why) = (person(who)?, note()?);
        self.step(scope, |_, chain, _, now| decide_return(chain, task, why.clone(), &actor, now))
    }

    pub(crate) fn release(&mut self, who: &str, scope: &ScopeId, task: &TaskId) -> anyhow::Result<Came> {
        let actor = person(who)?;
        self.step(scope, |_, chain, _, now| decide_release(chain, task, &actor, now))
    }

    pub(crate) fn reissue(&mut self, who: &str, scope: &ScopeId, task: &TaskId) -> anyhow::Result<Came> {
        let (actor, why) = (person(who)?, note()?);
        self.step(scope, |stage, chain, beside, now| {
            let (standing, turn) = (stage.standing(chain, beside), stage.turn(chain));
            let render = |chain: &Chain, kind| stage.render(chain, kind);
            decide_reissue(chain, task, standing, why.clone(), Onward { turn: &turn, render: &render }, &actor, now)
        })
    }

    /// Whoever has a task in hand runs its commands: its document is put on the role, or taken off where nothing
    /// remains.
    pub(crate) fn carry_out(&mut self, scope: &ScopeId, task: &TaskId) -> anyhow::Result<Came> {
        let Some(task) = self.chains.get(scope).and_then(|chain| chain.task(task)) else { return Ok(Came::Nothing) };
        let (Some(by), TaskState::InProgress) = (task.assignee.clone(), task.state) else { return Ok(Came::Nothing) };
        let scopes = scopes_in(task);
        let grants = scopes.iter().map(|id| self.chains[id].grant()).collect::<Result<Vec<_>, _>>()?;
        let role = self.chains[scope].role();
        self.live = match grants.as_slice() {
            [] => None,
            grants => Some(Live { scopes, policy: compile(&role, grants)?.to_json(), by }),
        };
        Ok(Came::Done)
    }

    // ---- what the functions do around a decision

    fn step(
        &mut self,
        scope: &ScopeId,
        decide: impl Fn(&Self, &Chain, &[Beside], Timestamp) -> Outcome<Stepped>,
    ) -> anyhow::Result<Came> {
        self.now = self.now.checked_add(SignedDuration::from_secs(1))?;
        let Some(chain) = self.chains.get(scope) else { return Ok(Came::Nothing) };
        let beside = self.beside(chain);
        match decide(self, chain, &beside, self.now) {
            Outcome::Changed(stepped) => {
                let role = self.role.take().map(|role| role.follow_as_role(&stepped.chain)).transpose()?;
                self.role = role;
                self.waiting.push(Consequence::Turn);
                for chain in stepped.beside.into_iter().chain([stepped.chain]) {
                    self.chains.insert(chain.id.clone(), chain);
                }
                Ok(Came::Done)
            }
            other => Ok(took(other, drop)),
        }
    }

    fn reserve(&mut self, chain: &Chain) -> anyhow::Result<()> {
        let key = AnchorKey::Role(chain.role());
        let fresh = || Anchor::new(key, chain.platform, chain.workload_id.clone(), chain.space_id.clone());
        let mut role = self.role.take().unwrap_or_else(fresh);
        role.reserve(&chain.id, &chain.workload_id, &chain.space_id)?;
        let grant = RoleGrant { approval_id: chain.approval_id.clone(), issued: false, grant: chain.grant()? };
        role.grants.insert(chain.id.clone(), grant);
        self.role = Some(role);
        Ok(())
    }

    fn turn(&self, chain: &Chain) -> RoleTurn {
        self.role.as_ref().map_or(RoleTurn::Free, |role| role.turn_for_chain(chain))
    }

    fn standing<'a>(&'a self, chain: &Chain, beside: &'a [Beside]) -> Standing<'a> {
        let approval = &self.approvals[&chain.approval_id];
        Standing { approval, latest: self.end_of_succession(approval), beside }
    }

    /// Where an approval was replaced, the one that nothing replaced in turn.
    pub(crate) fn end_of_succession(&self, approval: &Approval) -> Option<&Approval> {
        let next = |approval: &Approval| self.approvals.get(approval.end.as_ref()?.superseded_by.as_ref()?);
        std::iter::successors(next(approval), |approval| next(approval)).last()
    }

    fn beside(&self, chain: &Chain) -> Vec<Beside> {
        let scopes = self.role.as_ref().map(|role| role.scopes_beside(chain)).unwrap_or_default();
        let seen = |scope: &ScopeId| {
            let chain = self.chains[scope].clone();
            let standing = self.standing(&chain, &[]);
            let (approval, successor) = (standing.approval.clone(), standing.latest.cloned());
            Beside { chain, approval, successor }
        };
        scopes.iter().map(seen).collect()
    }

    /// A task whose document says by name what it holds.
    fn render(&self, chain: &Chain, kind: TaskKind) -> Result<Rendered, Refusal> {
        let beside = self.beside(chain);
        let others = self.role.as_ref().map(|role| role.grants_beside(chain, &beside)).unwrap_or_default();
        let mut held: Vec<&ScopeId> = others.iter().map(|grant| &grant.scope_id).collect();
        held.extend((!kind.revokes()).then_some(&chain.id));
        let content = TaskContent {
            title: String::new(),
            instructions: Vec::new(),
            undo: Vec::new(),
            artifacts: (!held.is_empty()).then(|| Artifact::new(POLICY, json!(held).to_string())).into_iter().collect(),
            evidence_required: Vec::new(),
        };
        Ok(Rendered::new(content, &chain.id, kind, &others))
    }

    fn chains_of(&self, approval: Option<&Approval>) -> Vec<Chain> {
        let scopes = approval.into_iter().flat_map(|approval| &approval.scopes);
        scopes.filter_map(|scope| self.chains.get(&scope.id).cloned()).collect()
    }
}

/// An approval's body: some of the regions, and one or both actions.
pub(crate) fn fields(model: usize, regions: [bool; 2], streams: bool) -> anyhow::Result<ApprovalFields> {
    let named = REGIONS.iter().zip(regions).filter(|(_, chosen)| *chosen).map(|(region, _)| region);
    let scope = |region: &&str| json!({ "accountId": ACCOUNT, "region": region, "iamRole": "app", "existing": true });
    let actions: BTreeSet<&str> = ["invoke"].into_iter().chain(streams.then_some("stream")).collect();
    Ok(serde_json::from_value(json!({
        "platform": "bedrock", "modelId": MODELS.get(model), "actions": actions,
        "scopes": named.map(scope).collect::<Vec<_>>(),
    }))?)
}

/// Whether a request waits for a decision.
pub(crate) fn is_open(request: &Request) -> bool {
    request.state == RequestState::Submitted
}

fn scopes_in(task: &Task) -> Vec<ScopeId> {
    let policy = task.artifacts.iter().find(|file| file.name == POLICY);
    policy.and_then(|file| serde_json::from_str(&file.content).ok()).unwrap_or_default()
}

fn person(who: &str) -> anyhow::Result<Actor> {
    Ok(Actor::person(who.parse()?, Role::OF_PEOPLE))
}

fn note() -> anyhow::Result<Note> {
    Ok("for the tests".parse()?)
}

fn took<S>(outcome: Outcome<S>, write: impl FnOnce(S)) -> Came {
    match outcome {
        Outcome::Changed(state) => {
            write(state);
            Came::Done
        }
        Outcome::Refused(refusal) if refusal.kind == RefusalKind::SeparationOfDuties => Came::Separated,
        Outcome::AlreadyDone | Outcome::Refused(_) => Came::Nothing,
    }
}
