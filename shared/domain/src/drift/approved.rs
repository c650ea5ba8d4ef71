//! What the scopes on a role say should live there, as far as anybody can know while tasks are under way.
//!
//! A document is put when a task's steps are run, not when the task becomes ready or is completed. So an implemented scope
//! is in the live document, and one that is under way may be. Every such reading consists of approved scopes only; the one
//! nearest to the live role counts. A newcomer would compare with all grants and find drift wherever a task waits.

use std::collections::BTreeSet;

use super::live::{ApprovedRole, LiveRole};
use crate::aws::{Region, RoleRef};
use crate::chain::{Chain, ScopeState};
use crate::instructions::{Drift, Trust, runs_batch_on_bedrock};
use crate::map;
use crate::outcome::Refusal;
use crate::platform::Platform;
use crate::policy::compare::compare;
use crate::policy::compile;
use crate::policy::condition::Values;
use crate::policy::document::Document;
use crate::policy::grant::Grant;
use crate::policy::trust::{Runtime, Trusted, trust};

/// Scopes under way on one role of which every combination is tried, 64 documents; of more, only the first ones.
const UNDER_WAY_MAX: usize = 6;

/// How a live role departs from what the scopes on it say; `workload` is its workload's runtime. `None` if no scope on it
/// is implemented: then there is nothing that should be live for sure.
///
/// # Errors
/// As the policy generator says of the implemented scopes.
pub fn diff_of_scopes(
    role: &RoleRef,
    chains: &[Chain],
    workload: Trust<'_>,
    live: Option<&LiveRole>,
) -> Result<Option<Drift>, Refusal> {
    let implemented: Vec<&Chain> = chains.iter().filter(|c| c.state == ScopeState::Implemented).collect();
    let grants = implemented.iter().map(|c| Grant::of_chain(c)).collect::<Result<Vec<_>, _>>()?;
    if grants.is_empty() {
        return Ok(None);
    }
    let certain = compile(role, &grants)?;
    let tags = map::wanted(implemented.iter().copied());
    let Some(live) = live else {
        return Ok(Some(ApprovedRole { policy: Some(certain), trust: None, tags }.diff(None)));
    };
    let mut readings = vec![certain];
    readings.extend(readings_with(role, &grants, &under_way(chains)));
    let live_policy = live.inline.get(crate::policy::POLICY_NAME).map_or("", String::as_str);
    let policy = nearest(readings, live_policy);
    let trust = match implemented.iter().any(|c| c.spec.existing) {
        true => None,
        false => {
            let of = |c: &&Chain| trust_of(role, c, &grants, workload, &live.trust);
            nearest(implemented.iter().map(of).collect::<Result<Vec<_>, _>>()?, &live.trust)
        }
    };
    Ok(Some(ApprovedRole { policy, trust, tags }.diff(Some(live))))
}

/// The grants that may be in the live document: issued, not yet implemented or not yet taken away.
fn under_way(chains: &[Chain]) -> Vec<Grant> {
    let may_be_live = |c: &&Chain| match c.state {
        ScopeState::PendingTask | ScopeState::PendingRevocation => true,
        // Given back by the engineer, perhaps after the first steps.
        ScopeState::Approved => !c.tasks.is_empty(),
        ScopeState::UnderReview | ScopeState::Implemented | ScopeState::Revoked => false,
    };
    let grants = chains.iter().filter(may_be_live).filter_map(|c| Grant::of_chain(c).ok());
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

/// The trust policy of a role that this product created. A revocation leaves the trust as it is, so the regions that the
/// live one names beyond those of today's scopes are taken over: the account, the service and the caller stay exact.
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
    use std::collections::BTreeMap;

    use super::*;
    use crate::ids::ScopeId;
    use crate::instructions::fixtures::on_bedrock;
    use crate::policy::POLICY_NAME;

    const ECS: Trust<'static> = Trust { runtime: Runtime::Ecs, detail: None };

    fn scope(name: &str, region: &str, state: ScopeState) -> anyhow::Result<Chain> {
        let mut chain = Chain { id: ScopeId::derived(name), state, ..on_bedrock()? };
        chain.spec.region = region.parse()?;
        Ok(chain)
    }

    /// The role as the product puts it for these scopes.
    fn live(scopes: &[&Chain]) -> anyhow::Result<LiveRole> {
        let grants = scopes.iter().map(|c| Grant::of_chain(c)).collect::<Result<Vec<_>, _>>()?;
        let role = on_bedrock()?.role();
        let policy = compile(&role, &grants)?.to_json();
        let trust = trust_of(&role, &on_bedrock()?, &grants, ECS, "")?.to_json();
        Ok(LiveRole { trust, inline: BTreeMap::from([(POLICY_NAME.to_owned(), policy)]), ..LiveRole::default() })
    }

    #[test]
    fn a_scope_under_way_may_be_live_or_not_and_a_revoked_one_may_not() -> anyhow::Result<()> {
        let here = scope("a", "us-east-1", ScopeState::Implemented)?;
        let check = |state: ScopeState, with_it: bool, without_it: bool| -> anyhow::Result<()> {
            let there = scope("b", "eu-west-1", state)?;
            let chains = [here.clone(), there.clone()];
            for (live, expected) in [(live(&[&here, &there])?, with_it), (live(&[&here])?, without_it)] {
                let drift = diff_of_scopes(&here.role(), &chains, ECS, Some(&live))?;
                assert_eq!(drift.as_ref().is_some_and(Drift::is_none), expected, "{state:?} {drift:?}");
            }
            Ok(())
        };
        check(ScopeState::Implemented, true, false)?;
        check(ScopeState::PendingTask, true, true)?;
        check(ScopeState::PendingRevocation, true, true)?;
        check(ScopeState::Approved, false, true)?;
        check(ScopeState::Revoked, false, true)
    }

    #[test]
    fn nothing_is_sure_without_an_implemented_scope_and_a_lost_role_is_drift() -> anyhow::Result<()> {
        let pending = scope("a", "us-east-1", ScopeState::PendingTask)?;
        assert_eq!(diff_of_scopes(&pending.role(), std::slice::from_ref(&pending), ECS, None)?, None);
        let done = Chain { state: ScopeState::Implemented, ..pending };
        let drift = diff_of_scopes(&done.role(), std::slice::from_ref(&done), ECS, None)?;
        assert!(drift.is_some_and(|d| d.missing));
        Ok(())
    }

    #[test]
    fn the_trust_policy_is_compared_on_roles_of_the_products_own_making() -> anyhow::Result<()> {
        let here = scope("a", "us-east-1", ScopeState::Implemented)?;
        let there = scope("b", "eu-west-1", ScopeState::Revoked)?;
        let mut found = live(&[&here])?;
        found.trust = live(&[&here, &there])?.trust;
        let drift = diff_of_scopes(&here.role(), std::slice::from_ref(&here), ECS, Some(&found))?;
        assert!(drift.is_some_and(|d| d.is_none()), "a revocation leaves the trust as it was");
        found.trust = found.trust.replace("ecs-tasks", "ec2");
        let drift = diff_of_scopes(&here.role(), std::slice::from_ref(&here), ECS, Some(&found))?;
        assert!(drift.is_some_and(|d| !d.trust.is_empty()));
        let mut adopted = here;
        adopted.spec.existing = true;
        let drift = diff_of_scopes(&adopted.role(), std::slice::from_ref(&adopted), ECS, Some(&found))?;
        assert!(drift.is_some_and(|d| d.is_none()), "an adopted role's trust is its owner's");
        Ok(())
    }
}
