//! Everything that a step on a chain depends on and moves: the chain, its approval, its anchors, and how its tasks
//! read.

use contract::events::{Event, TaskRef};
use domain::access::anchor::{Anchor, AnchorKey, AnchorRef};
use domain::access::decisions::approval::Approval;
use domain::access::tasks::chain::issue::RoleTurn;
use domain::access::tasks::chain::work::Standing;
use domain::access::tasks::chain::{Chain, Progress, Stepped};
use domain::access::tasks::instructions::{
    Drift, RoleState, Surroundings, Trust, WorkspaceState, WorkspaceUse, render,
};
use domain::access::tasks::task::content::Rendered;
use domain::access::tasks::task::{Task, TaskKind};
use domain::access::workloads::space::Workload;
use domain::base::aws::WorkspaceArn;
use domain::base::ids::{ScopeId, TaskId};
use domain::base::outcome::{Outcome, Refusal};
use lambda::{Cause, Failure};
use store::{Loaded, Step, Store, StoreError, Transaction};

use crate::beside::{Neighbours, latest_of};

/// A chain in its surroundings, read consistently.
pub(crate) struct Scene {
    pub(crate) chain: Loaded<Chain>,
    pub(crate) approval: Loaded<Approval>,
    workload: Loaded<Workload>,
    role: Loaded<Anchor>,
    workspace: Option<Loaded<Anchor>>,
    workspace_tag: String,
    /// What was last found on the role, while one of the chain's repairs is open.
    found: Option<Drift>,
    /// Where the approval was replaced, the last one under its key.
    latest: Option<Loaded<Approval>>,
    /// The other scopes whose grants the role's document holds as well.
    beside: Neighbours,
}

impl Scene {
    /// The scene of a scope; `None` when there is no such scope.
    pub(crate) async fn load(store: &Store, scope: &ScopeId) -> Result<Option<Self>, StoreError> {
        // Boxed: it reads many things, and the future of every step would carry them all.
        Box::pin(Self::read(store, scope)).await
    }

    async fn read(store: &Store, scope: &ScopeId) -> Result<Option<Self>, StoreError> {
        let Some(chain) = store.load::<Chain>(scope).await? else { return Ok(None) };
        let gone =
            |what: &str| StoreError::Unreadable { key: scope.to_string(), why: format!("its {what} is missing") };
        let value = &chain.value;
        let approval: Loaded<Approval> = store.load(&value.approval_id).await?.ok_or_else(|| gone("approval"))?;
        let workload = store.load(&value.workload_id).await?.ok_or_else(|| gone("workload"))?;
        let (mut role, mut workspace) = (None, None);
        for key in AnchorKey::of_chain(value) {
            let found = store.load_anchor(&key).await?;
            match key {
                AnchorKey::Role(_) => role = found,
                AnchorKey::Workspace { .. } => workspace = found,
            }
        }
        let role = role.ok_or_else(|| gone("role's anchor"))?;
        let workspace_tag = store.settings_in_force().await?.0.bill.workspace_tag_key;
        let latest = latest_of(store, value, &approval.value).await?;
        let beside = Neighbours::load(store, value, &role.value).await?;
        let repairs = value.tasks.iter().any(|t| t.kind == TaskKind::FixDrift && !t.state.is_terminal());
        let finding = if repairs { store.load_drift_on_role(&value.role()).await? } else { None };
        let found = finding.and_then(|finding| finding.value.found);
        Ok(Some(Self { chain, approval, workload, role, workspace, workspace_tag, found, latest, beside }))
    }

    /// What stands around the chain's tasks.
    pub(crate) fn standing(&self) -> Standing<'_> {
        let latest = self.latest.as_ref().map(|latest| &latest.value);
        Standing { approval: &self.approval.value, latest, beside: self.beside.seen() }
    }

    /// Whose turn it is for the chain's next policy task.
    pub(crate) fn turn(&self) -> RoleTurn {
        self.role.value.turn_for_chain(&self.chain.value)
    }

    /// The role as it stands, with the grants and the turn on it.
    pub(crate) const fn role(&self) -> &Anchor {
        &self.role.value
    }

    /// A task of `chain`, this chain in its next state, as it becomes ready; a repair is made from `drift`, or from
    /// what was last found.
    pub(crate) fn render(&self, chain: &Chain, kind: TaskKind, drift: Option<&Drift>) -> Result<Rendered, Refusal> {
        let others = self.role.value.grants_beside(chain, self.beside.seen());
        let fields = &self.workload.value.fields;
        let detail = chain.spec.runtime_detail.as_ref().or(fields.runtime_detail.as_ref());
        let trust = Trust { runtime: fields.runtime, detail };
        let role = match (chain.spec.existing, self.role.value.exists) {
            (true, _) => RoleState::Adopted,
            (false, true) => RoleState::Created(trust),
            (false, false) => RoleState::ToCreate(trust),
        };
        let registered: Option<WorkspaceArn> =
            self.workspace.as_ref().and_then(|w| domain::access::anchor::workspace_arn(&w.value));
        let shared = self.workspace.as_ref().is_some_and(|w| w.value.scopes.iter().any(|s| *s != chain.id));
        let around = Surroundings {
            others_on_role: &others,
            role,
            workspace: registered.as_ref().map_or(WorkspaceState::ToCreate, WorkspaceState::Registered),
            workspace_tag: &self.workspace_tag,
            workspace_use: if shared { WorkspaceUse::Shared } else { WorkspaceUse::Last },
            drift: drift.or(self.found.as_ref()),
        };
        Ok(Rendered::new(render(kind, chain, &around)?, &chain.id, kind, &others))
    }

    /// Writes a step: the chain with its event, the anchors that follow, the counters, and that the approval is as it
    /// was.
    pub(crate) fn write(&self, tx: &mut Transaction, stepped: &Stepped, event: &Event) -> Result<(), Refusal> {
        let before = &self.chain.value;
        let after = &stepped.chain;
        tx.update(&self.chain, after, event);
        tx.count(&after.model_key, Some(&before.presence()), Some(&after.presence()));
        self.beside.write(tx, &stepped.beside);
        let role = self.role.value.follow_as_role(after)?;
        if role == self.role.value {
            tx.unless_changed(&self.role);
        } else {
            tx.update_under(&self.role, &role);
        }
        if let Some(workspace) = &self.workspace {
            let next = workspace.value.follow_as_workspace(after);
            if next != workspace.value {
                tx.update_under(workspace, &next);
            }
        }
        tx.unless_changed(&self.approval);
        Ok(())
    }

    /// The step that a job's decision about the chain comes to; nothing where it means no event.
    pub(crate) fn step(
        &self,
        cause: &Cause,
        decided: Outcome<Stepped>,
        event: impl FnOnce(&mut Transaction, &Stepped) -> Option<Event>,
    ) -> Result<Step<()>, Failure> {
        match decided {
            Outcome::Changed(stepped) => {
                let mut tx = cause.transaction();
                let Some(event) = event(&mut tx, &stepped) else { return Ok(Step::Done(())) };
                self.write(&mut tx, &stepped, &event)?;
                Ok(Step::Commit(tx, ()))
            }
            Outcome::AlreadyDone => Ok(Step::Done(())),
            // What cannot be carried out as decided is set aside, visibly; repeating it would not help.
            Outcome::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// Lets a person's step go through only if those who stand behind the document are who they were when it was
    /// decided.
    pub(crate) fn unless_people_changed(&self, tx: &mut Transaction) {
        self.beside.unless_changed(tx, &self.approval.value.id);
    }

    /// What may be claimed once the chain is complete.
    pub(crate) fn claimable(&self, after: &Chain) -> Vec<AnchorRef> {
        let workspace = self.workspace.as_ref().map(|w| w.value.follow_as_workspace(after));
        workspace.iter().filter_map(Anchor::reference).chain(self.role.value.reference()).collect()
    }
}

/// A task as events name it.
pub(crate) fn task_ref(chain: &Chain, task: &Task, progress: &Progress) -> TaskRef {
    TaskRef::of(chain, task, ready(progress))
}

/// The task that became ready, if one did.
pub(crate) fn ready(progress: &Progress) -> Option<TaskId> {
    match progress {
        Progress::TaskReady(id) => Some(id.clone()),
        Progress::WaitsForRole(_) | Progress::Implemented | Progress::Revoked | Progress::Repaired | Progress::None => {
            None
        }
    }
}
