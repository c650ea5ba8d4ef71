//! The nightly check of every live role against what is approved on it, and the findings.
//!
//! First it ends what restrictions of models end, should their own event have missed a scope: then that is not
//! approved. Roles are read side by side, and each is recorded as soon as it was read. Whatever a run did not get to,
//! the next one does: a finding and its repair are written together, once, and a role that is as it was writes
//! nothing.

mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use domain::access::anchor::{Anchor, AnchorKey};
use domain::access::drift::approved::diff_of_scopes;
use domain::access::drift::{DriftFinding, DriftState, Seen, finding_id};
use domain::access::policy::live::LiveRole;
use domain::access::tasks::chain::{Chain, ScopeState};
use domain::access::tasks::instructions::Trust;
use domain::access::tasks::migration;
use domain::access::tasks::migration::tag::{MapFound, TagHolder};
use domain::access::workloads::space::Workload;
use domain::base::aws::{AccountId, Partition, RoleRef};
use domain::base::ids::{DriftId, ScopeId};
use lambda::{Answer, Call, Cause, Failure, Page, Problem, Tick, Tried};
use reader::NoEntry;
use schemars::JsonSchema;
use serde::Serialize;
use store::Index;
use store::aggregates::drift::drift_in;
use tokio::task::JoinSet;

use crate::live::{AT_NIGHT, Looked, ReadError, Reader};
use crate::{App, chains};

/// Roles read side by side: one takes some ten calls of a fifth of a second, and IAM throttles an account at about
/// twenty calls a second; a thousand roles are read within the function's five minutes.
const AT_ONCE_MAX: usize = 8;

/// What a run of the check saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DriftRun {
    checked: u32,
    verified: u32,
    drifted: u32,
    unreadable: u32,
    resolved: u32,
    tasks_opened: u32,
}

/// A governed role as the check saw it.
struct Checked {
    role: RoleRef,
    anchor: Anchor,
    /// The scope on which a repair is opened; none while no scope on the role is implemented.
    scope: Option<ScopeId>,
    seen: Seen,
    /// What was found of the MAP tag, by scope: only where it is not what was known.
    map_found: Vec<(ScopeId, MapFound)>,
}

type Readers = BTreeMap<(Partition, AccountId), Result<Reader, ReadError>>;

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<DriftFinding>>, Problem> {
    let state: Option<DriftState> = call.query.one_of("state")?;
    call.list(&app.store, Index::List, &drift_in(state), |entry| entry.read().map(Some)).await
}

/// Checks every role on which a scope is implemented. What fails on one role is tried again with the whole run, which
/// then finds the others done.
pub(crate) async fn run(app: Arc<App>, tick: Tick) -> Result<DriftRun, Failure> {
    let mut tried = Tried::default();
    let ended = chains::end_restricted(&app, &tick.cause, &mut tried).await;
    tried.note(ended);
    let checked = check_roles(&app, &tick.cause, &mut tried).await;
    let run = tried.note(checked).unwrap_or_default();
    tried.outcome().map(|()| run)
}

async fn check_roles(app: &Arc<App>, cause: &Cause, tried: &mut Tried) -> Result<DriftRun, Failure> {
    let roles = governed_roles(app).await?;
    let readers = Arc::new(readers_of(app, roles.iter().map(|(role, _)| role)).await);
    let mut run = DriftRun::default();
    if readers.values().any(|reader| matches!(reader, Err(ReadError::NoEntry(NoEntry::NotConfigured)))) {
        // A fact about the deployment, not about any role.
        tracing::warn!("live roles are not checked: no reader role is configured");
        run.unreadable = u32::try_from(roles.len()).unwrap_or(u32::MAX);
        return Ok(run);
    }
    let open = app.store.list_open_drift().await?;
    // Roles on which something is approved, until the check says otherwise.
    let mut governed: BTreeSet<DriftId> = roles.iter().map(|(role, _)| finding_id(role)).collect();
    let checks = roles.into_iter().map(|(role, anchor)| {
        let (app, readers) = (Arc::clone(app), Arc::clone(&readers));
        async move { (finding_id(&role), check(&app, &readers, role, anchor).await) }
    });
    let mut checks = SideBySide::of(checks);
    while let Some((id, checked)) = checks.next().await {
        let recorded = match checked {
            Ok(None) => {
                governed.remove(&id);
                continue;
            }
            Ok(Some(checked)) => {
                run.count(&checked.seen);
                record::map_tags(app, cause, &checked).await.and(record::record_seen(app, cause, &checked).await)
            }
            Err(error) => Err(error),
        };
        let recorded = recorded.inspect_err(|error| {
            tracing::error!(drift.id = %id, error = %error, "a role could not be checked");
        });
        run.tasks_opened += u32::from(tried.note(recorded).is_some_and(|recorded| recorded.opened_task));
    }
    for finding in open.iter().filter(|f| !governed.contains(&f.id)) {
        tried.note(record::close_finding(app, cause, &finding.id).await);
    }
    let still_open: BTreeSet<_> = app.store.list_open_drift().await?.into_iter().map(|f| f.id).collect();
    run.resolved = u32::try_from(open.iter().filter(|f| !still_open.contains(&f.id)).count()).unwrap_or(u32::MAX);
    Ok(run)
}

impl DriftRun {
    const fn count(&mut self, seen: &Seen) {
        self.checked += 1;
        match seen {
            Seen::AsApproved => self.verified += 1,
            Seen::Drifted(_) => self.drifted += 1,
            Seen::Unreadable { .. } => self.unreadable += 1,
        }
    }
}

/// The roles that any scope uses, and those on which the product's document once was: after the last revocation it
/// must not be there any more.
async fn governed_roles(app: &App) -> Result<Vec<(RoleRef, Anchor)>, Failure> {
    let anchors = app.store.list_anchors().await?;
    let role_of = |anchor: Anchor| match &anchor.key {
        AnchorKey::Role(role) if !anchor.scopes.is_empty() || anchor.exists => Some((role.clone(), anchor)),
        AnchorKey::Role(_) | AnchorKey::Workspace { .. } => None,
    };
    Ok(anchors.into_iter().filter_map(role_of).collect())
}

/// The way into each account of these roles, or why there is none.
async fn readers_of(app: &Arc<App>, roles: impl Iterator<Item = &RoleRef>) -> Readers {
    let accounts: BTreeSet<(Partition, AccountId)> = roles.map(|r| (r.partition, r.account_id.clone())).collect();
    let assume = |(partition, account): (Partition, AccountId)| {
        let app = Arc::clone(app);
        async move {
            let reader = Reader::of_account(&app.host, partition, &account).await;
            ((partition, account), reader)
        }
    };
    let (mut assumed, mut readers) = (SideBySide::of(accounts.into_iter().map(assume)), Readers::new());
    while let Some((account, reader)) = assumed.next().await {
        readers.insert(account, reader);
    }
    readers
}

/// What is seen of one role; `None` if nobody knows whom it serves.
async fn check(app: &App, readers: &Readers, role: RoleRef, anchor: Anchor) -> Result<Option<Checked>, Failure> {
    let mut chains = Vec::new();
    for scope in &anchor.scopes {
        chains.extend(app.store.load::<Chain>(scope).await?.map(|loaded| loaded.value));
    }
    let implemented = chains.iter().filter(|c| c.state == ScopeState::Implemented).map(|c| c.id.clone()).min();
    let workload = app.store.load::<Workload>(&anchor.workload_id).await?;
    let Some(workload) = workload else { return Ok(None) };
    let fields = &workload.value.fields;
    let trust = Trust { runtime: fields.runtime, detail: fields.runtime_detail.as_ref() };
    let profiles: Vec<TagHolder> = chains.iter().filter_map(migration::profile).collect();
    let looked = match readers.get(&(role.partition, role.account_id.clone())) {
        Some(Ok(reader)) => {
            let diff = |live: Option<&LiveRole>| {
                let drift = diff_of_scopes(&role, &chains, trust, live);
                drift.map_err(|refusal| ReadError::NothingToCompare(refusal.to_string()))
            };
            reader.compare(&role.name, &profiles, AT_NIGHT, diff).await
        }
        Some(Err(error)) => Err(error.clone()),
        None => Err(ReadError::NoEntry(NoEntry::NotConfigured)),
    };
    let live = looked.as_ref().ok().and_then(|looked| looked.live.as_ref());
    let map_found = live.map(|live| map_found(&chains, live)).unwrap_or_default();
    let seen = match looked {
        Ok(Looked { drift, .. }) if drift.is_none() => Seen::AsApproved,
        Ok(Looked { drift, .. }) => Seen::Drifted(drift),
        Err(error) => Seen::Unreadable { cause: error.cause(), why: error.to_string() },
    };
    Ok(Some(Checked { role, anchor, scope: implemented, seen, map_found }))
}

/// What a reading of the role says of the MAP tag of its implemented scopes, where that is news.
fn map_found(chains: &[Chain], live: &LiveRole) -> Vec<(ScopeId, MapFound)> {
    let implemented = chains.iter().filter(|c| c.state == ScopeState::Implemented);
    let news = implemented.filter_map(|chain| {
        let found = migration::found(chain, chains, live)?;
        let known = chain.map_found.clone().unwrap_or_default();
        (found != known).then(|| (chain.id.clone(), found))
    });
    news.collect()
}

/// Work that goes on a few pieces at a time, and is taken in the order in which it ends.
struct SideBySide<I, T> {
    waiting: I,
    running: JoinSet<T>,
}

impl<I, F, T> SideBySide<I, T>
where
    I: Iterator<Item = F> + Send,
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn of(waiting: I) -> Self {
        Self { waiting, running: JoinSet::new() }
    }

    /// What ended next; none when all has.
    async fn next(&mut self) -> Option<T> {
        loop {
            while self.running.len() < AT_ONCE_MAX
                && let Some(next) = self.waiting.next()
            {
                self.running.spawn(next);
            }
            // A task ends without a result only if it panics, and nothing here can.
            if let Ok(done) = self.running.join_next().await? {
                return Some(done);
            }
        }
    }
}
