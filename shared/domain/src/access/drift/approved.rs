//! What the scopes on a role say should live there, as far as anybody can know while tasks are under way.
//!
//! A document is put when a task's steps are run, not when the task becomes ready or is completed. So an implemented
//! scope is in the live document, and one whose task an engineer has in hand may be. Every such reading consists of
//! approved scopes only; the one nearest to the live role counts. What is live of a task that nobody has in hand and
//! nobody completed is drift: nobody answers for it. A newcomer would compare with all grants and find drift wherever
//! a task waits.

use std::collections::{BTreeMap, BTreeSet};

use super::live::ApprovedRole;
use crate::access::policy::POLICY_NAME;
use crate::access::policy::compare::compare;
use crate::access::policy::compile;
use crate::access::policy::condition::Values;
use crate::access::policy::document::Document;
use crate::access::policy::grant::Grant;
use crate::access::policy::live::LiveRole;
use crate::access::policy::trust::{Runtime, Trusted, trust};
use crate::access::tasks::chain::{Chain, ScopeState};
use crate::access::tasks::instructions::{Drift, Trust, runs_batch_on_bedrock};
use crate::access::tasks::migration;
use crate::access::tasks::task::{Task, TaskState};
use crate::base::aws::{Region, RoleRef};
use crate::base::outcome::Refusal;
use crate::base::platform::Platform;

/// Scopes under way on one role of which every combination is tried, 64 documents; of more, only the first ones.
const UNDER_WAY_MAX: usize = 6;

/// How a live role departs from what the scopes on it say; `workload` is its workload's runtime. While none of them
/// is implemented, only the product's own document is judged: what else is on the role was there before, or is not
/// there yet.
///
/// # Errors
/// As the policy generator says of the implemented scopes.
pub fn diff_of_scopes(
    role: &RoleRef,
    chains: &[Chain],
    workload: Trust<'_>,
    live: Option<&LiveRole>,
) -> Result<Drift, Refusal> {
    let implemented: Vec<&Chain> = chains.iter().filter(|c| c.state == ScopeState::Implemented).collect();
    let grants = implemented.iter().map(|c| c.grant()).collect::<Result<Vec<_>, _>>()?;
    if grants.is_empty() {
        return Ok(diff_of_nothing_implemented(role, chains, live));
    }
    let certain = compile(role, &grants)?;
    let tags = migration::wanted(implemented.iter().copied());
    let Some(live) = live else {
        return Ok(ApprovedRole { policy: Some(certain), trust: None, tags }.diff(None));
    };
    let mut readings = vec![certain];
    readings.extend(readings_with(role, &grants, &under_way(chains)));
    let live_policy = live.inline.get(POLICY_NAME).map_or("", String::as_str);
    let policy = nearest(readings, live_policy);
    let trust = match implemented.iter().any(|c| c.spec.existing) {
        true => None,
        false => {
            let of = |c: &&Chain| trust_of(role, c, &grants, workload, &live.trust);
            nearest(implemented.iter().map(of).collect::<Result<Vec<_>, _>>()?, &live.trust)
        }
    };
    Ok(ApprovedRole { policy, trust, tags }.diff(Some(live)))
}

/// What of the product's own document is live before any scope is implemented and nobody has in hand.
fn diff_of_nothing_implemented(role: &RoleRef, chains: &[Chain], live: Option<&LiveRole>) -> Drift {
    let Some(put) = live.and_then(|live| live.inline.get(POLICY_NAME)) else { return Drift::default() };
    let policy = nearest(readings_with(role, &[], &under_way(chains)), put);
    let own = LiveRole { inline: BTreeMap::from([(POLICY_NAME.to_owned(), put.clone())]), ..LiveRole::default() };
    ApprovedRole { policy, trust: None, tags: Vec::new() }.diff(Some(&own))
}

/// The grants that may be in the live document: an engineer has them in hand, or they are not yet taken away. What
/// was given back is neither, even if its first steps were run.
fn under_way(chains: &[Chain]) -> Vec<Grant> {
    let in_hand = |task: &Task| task.kind.puts_policy() && task.state == TaskState::InProgress;
    let was_put = |task: &Task| task.kind.puts_policy() && !task.kind.revokes() && task.state == TaskState::Completed;
    let may_be_live = |c: &&Chain| match c.state {
        ScopeState::PendingTask => c.tasks.iter().any(in_hand),
        ScopeState::PendingRevocation => c.tasks.iter().any(was_put),
        ScopeState::Approved | ScopeState::UnderReview | ScopeState::Implemented | ScopeState::Revoked => false,
    };
    let grants = chains.iter().filter(may_be_live).filter_map(|c| c.grant().ok());
    grants.filter(|g| g.platform == Platform::Bedrock || g.workspace.is_some()).take(UNDER_WAY_MAX).collect()
}

/// The documents of the certain grants with each combination of those under way; what cannot be compiled was never put.
fn readings_with(role: &RoleRef, certain: &[Grant], under_way: &[Grant]) -> Vec<Document> {
    let combination = |chosen: u32| {
        let picked = under_way.iter().enumerate().filter(move |(place, _)| chosen & (1 << place) != 0);
        let grants: Vec<Grant> = certain.iter().chain(picked.map(|(_, grant)| grant)).cloned().collect();
        compile(role, &grants).ok()
    };
    (1..1 << under_way.len()).filter_map(combination).collect()
}

/// The document with the fewest differences from the live one; the first among equals.
fn nearest(documents: Vec<Document>, live: &str) -> Option<Document> {
    documents.into_iter().min_by_key(|document| compare(document, live).len())
}

/// The trust policy of a role that this product created. A revocation leaves the trust as it is, so the regions that
/// the live one names beyond those of today's scopes are taken over: the account, the service and the caller stay
/// exact.
fn trust_of(
    role: &RoleRef,
    chain: &Chain,
    grants: &[Grant],
    workload: Trust<'_>,
    live: &str,
) -> Result<Document, Refusal> {
    let (runtime, detail) = match chain.platform {
        Platform::Bedrock => (workload.runtime, chain.spec.runtime_detail.as_ref().or(workload.detail)),
        Platform::ClaudePlatform => (Runtime::Lambda, None),
    };
    let live = Document::parse(live).ok();
    let named =
        |batch: bool| live.iter().flat_map(regions_named).filter(move |(service, _)| (service == "bedrock") == batch);
    let mut regions: BTreeSet<Region> = grants.iter().map(|g| g.region.clone()).collect();
    regions.extend(named(false).map(|(_, region)| region));
    let mut batch_regions: BTreeSet<Region> =
        grants.iter().filter(runs_batch_on_bedrock).map(|g| g.region.clone()).collect();
    batch_regions.extend(named(true).map(|(_, region)| region));
    trust(&Trusted { role, regions: &regions, runtime, detail, batch_regions: &batch_regions })
}

/// Service and region of every ARN in a document's conditions.
fn regions_named(document: &Document) -> Vec<(String, Region)> {
    let values = document.statements.iter().flat_map(|s| s.conditions.0.values()).flat_map(|keys| keys.values());
    let read = |arn: &String| {
        let mut parts = arn.strip_prefix("arn:")?.split(':').skip(1);
        Some((parts.next()?.to_owned(), parts.next()?.parse().ok()?))
    };
    values.flat_map(|Values(values)| values).filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::access::tasks::chain::issue::blocked_task;
    use crate::access::tasks::instructions::fixtures::on_bedrock;
    use crate::access::tasks::task::TaskKind;
    use crate::base::ids::ScopeId;
    use crate::base::people::Actor;

    const ECS: Trust<'static> = Trust { runtime: Runtime::Ecs, detail: None };

    fn scope(name: &str, region: &str, state: ScopeState) -> anyhow::Result<Chain> {
        let mut chain = Chain { id: ScopeId::derived(name), state, ..on_bedrock()? };
        chain.spec.region = region.parse()?;
        Ok(chain)
    }

    /// The role as the product puts it for these scopes.
    fn live(scopes: &[&Chain]) -> anyhow::Result<LiveRole> {
        let grants = scopes.iter().map(|c| c.grant()).collect::<Result<Vec<_>, _>>()?;
        let role = on_bedrock()?.role();
        let policy = compile(&role, &grants)?.to_json();
        let trust = trust_of(&role, &on_bedrock()?, &grants, ECS, "")?.to_json();
        Ok(LiveRole { trust, inline: BTreeMap::from([(POLICY_NAME.to_owned(), policy)]), ..LiveRole::default() })
    }

    /// Its policy task, having come as far as this.
    fn with_task(chain: Chain, steps: &[TaskState]) -> anyhow::Result<Chain> {
        let somebody = Actor::system("test");
        let born = blocked_task(&chain, TaskKind::BedrockIamPolicy, 1, (1, 1), None, &somebody, Timestamp::UNIX_EPOCH);
        let moved = |task: Task, state: &TaskState| task.moved(*state, &somebody.sub, Timestamp::UNIX_EPOCH, None);
        Ok(Chain { tasks: vec![steps.iter().fold(born, moved)], ..chain })
    }

    /// A second scope on the role of one that is implemented: whether the role is as approved with its grant, and
    /// without.
    #[test]
    fn a_scope_in_hand_may_be_live_or_not_and_what_nobody_answers_for_may_not() -> anyhow::Result<()> {
        use TaskState::{Cancelled, Completed, InProgress, Ready, Returned};
        let here = scope("a", "us-east-1", ScopeState::Implemented)?;
        let check = |state: ScopeState, steps: &[TaskState], with_it: bool, without_it: bool| -> anyhow::Result<()> {
            let there = with_task(scope("b", "eu-west-1", state)?, steps)?;
            let chains = [here.clone(), there.clone()];
            for (live, expected) in [(live(&[&here, &there])?, with_it), (live(&[&here])?, without_it)] {
                let drift = diff_of_scopes(&here.role(), &chains, ECS, Some(&live))?;
                assert_eq!(drift.is_none(), expected, "{state:?} {steps:?} {drift:?}");
            }
            Ok(())
        };
        check(ScopeState::Implemented, &[Ready, InProgress, Completed], true, false)?;
        check(ScopeState::PendingTask, &[], false, true)?;
        check(ScopeState::PendingTask, &[Ready], false, true)?;
        check(ScopeState::PendingTask, &[Ready, InProgress], true, true)?;
        check(ScopeState::PendingTask, &[Ready, InProgress, Ready], false, true)?;
        check(ScopeState::Approved, &[Ready, InProgress, Returned], false, true)?;
        check(ScopeState::PendingRevocation, &[Ready, InProgress, Completed], true, true)?;
        check(ScopeState::PendingRevocation, &[Ready, InProgress, Cancelled], false, true)?;
        check(ScopeState::Revoked, &[Ready, InProgress, Completed], false, true)
    }

    #[test]
    fn without_an_implemented_scope_only_a_document_that_nobody_has_in_hand_is_drift() -> anyhow::Result<()> {
        use TaskState::{InProgress, Ready, Returned};
        let check = |state, steps: &[TaskState], as_approved: bool| -> anyhow::Result<()> {
            let only = with_task(scope("a", "us-east-1", state)?, steps)?;
            let mut role = live(&[&only])?;
            role.attached =
                BTreeMap::from([("arn:aws:iam::aws:policy/AdministratorAccess".to_owned(), "{}".to_owned())]);
            let chains = std::slice::from_ref(&only);
            assert_eq!(diff_of_scopes(&only.role(), chains, ECS, Some(&role))?.is_none(), as_approved, "{steps:?}");
            role.inline.clear();
            assert!(
                diff_of_scopes(&only.role(), chains, ECS, Some(&role))?.is_none(),
                "nothing of the product's is there"
            );
            assert!(diff_of_scopes(&only.role(), chains, ECS, None)?.is_none(), "nor is the role");
            Ok(())
        };
        check(ScopeState::PendingTask, &[], false)?;
        check(ScopeState::PendingTask, &[Ready, InProgress], true)?;
        check(ScopeState::Approved, &[Ready, InProgress, Returned], false)?;
        let done = scope("a", "us-east-1", ScopeState::Implemented)?;
        let drift = diff_of_scopes(&done.role(), std::slice::from_ref(&done), ECS, None)?;
        assert!(drift.missing, "a role that is lost");
        Ok(())
    }

    #[test]
    fn the_trust_policy_is_compared_on_roles_of_the_products_own_making() -> anyhow::Result<()> {
        let here = scope("a", "us-east-1", ScopeState::Implemented)?;
        let there = scope("b", "eu-west-1", ScopeState::Revoked)?;
        let mut found = live(&[&here])?;
        found.trust = live(&[&here, &there])?.trust;
        let drift = diff_of_scopes(&here.role(), std::slice::from_ref(&here), ECS, Some(&found))?;
        assert!(drift.is_none(), "a revocation leaves the trust as it was");
        found.trust = found.trust.replace("ecs-tasks", "ec2");
        let drift = diff_of_scopes(&here.role(), std::slice::from_ref(&here), ECS, Some(&found))?;
        assert!(!drift.trust.is_empty());
        let mut adopted = here;
        adopted.spec.existing = true;
        let drift = diff_of_scopes(&adopted.role(), std::slice::from_ref(&adopted), ECS, Some(&found))?;
        assert!(drift.is_none(), "an adopted role's trust is its owner's");
        Ok(())
    }
}
