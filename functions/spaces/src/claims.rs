//! Claims: who answers for an anchor's spend, from a day on and until another, which is no longer theirs. An anchor's
//! claims must not overlap, so each is decided and written on the anchor.

use std::sync::Arc;

use contract::events::{ClaimRef, Event};
use domain::access::anchor::{Anchor, AnchorRef, Claim, NamedAnchor, check_twins, decide_claim, decide_release_claim};
use domain::base::authorization::authorize;
use domain::base::calendar::utc_day;
use domain::base::ids::{ClaimId, SpaceId, WorkloadId};
use domain::base::outcome::Outcome;
use domain::base::text::{Note, Sub};
use jiff::Timestamp;
use jiff::civil::Date;
use lambda::{Answer, Call, Page, Problem, Sight};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::aggregates::anchor::{ClaimRow, claim_pointer, claims, claims_of};
use store::{Loaded, Transaction};

use crate::App;

/// What is claimed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClaimFields {
    /// As GET /v1/anchors shows it.
    anchor: AnchorRef,
    /// First day; today if left out.
    #[serde(default)]
    effective_from: Option<Date>,
}

/// How a claim ends.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReleaseFields {
    /// The first day without it.
    effective_to: Date,
    /// Why.
    reason: Note,
}

/// A claim with its anchor.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClaimView {
    id: ClaimId,
    /// 1 while it lasts, 2 once it was released.
    version: u64,
    anchor: AnchorRef,
    workload_id: WorkloadId,
    space_id: SpaceId,
    effective_from: Date,
    /// The first day without it; none while it lasts.
    effective_to: Option<Date>,
    claimed_by: Sub,
    claimed_at: Timestamp,
    released_by: Option<Sub>,
    release_reason: Option<Note>,
}

pub(crate) async fn claim(app: Arc<App>, call: Call<ClaimFields>) -> Result<Answer<ClaimView>, Problem> {
    let workload_id: WorkloadId = call.path.parse("id")?;
    let id = ClaimId::new(call.now, app.ids.entropy());
    let wanted = &call.body.anchor;
    let from = call.body.effective_from.unwrap_or_else(|| utc_day(call.now));
    call.transact(&app.store, || async {
        let (workload, space) = app.workload(&workload_id).await?;
        // First of all: what is wrong with the anchor must not tell that the workload exists.
        authorize(&call.actor, call.action, space.value.relations(&call.actor), "")?;
        let found = anchor_of_workload(&app, &workload_id, wanted).await?.ok_or_else(Problem::not_found)?;
        let (on, actor) = (&found.value, &call.actor);
        let decided = decide_claim(on, id.clone(), &workload.value, &space.value, from, actor, call.now);
        let twins = match &decided {
            Outcome::Changed((anchor, claim)) => twins_to_guard(&app, anchor, claim).await?,
            _ => Vec::new(),
        };
        let stands = || {
            let claim = found.value.claim_on(from).cloned().ok_or_else(Problem::not_found)?;
            Ok(answer(view(claim, wanted.clone())))
        };
        call.conclude(0, decided, stands, |tx, (anchor, claim)| {
            twins.iter().for_each(|twin| tx.unless_changed(twin));
            make(tx, Some(&found), &anchor, &claim, wanted);
            let location = format!("/v1/claims?workloadId={workload_id}");
            Ok(Answer::created(location, view(claim, wanted.clone())).versioned(1))
        })
    })
    .await
}

pub(crate) async fn list(app: Arc<App>, call: Call<()>) -> Result<Answer<Page<ClaimView>>, Problem> {
    let workload: Option<WorkloadId> = call.query.maybe("workloadId")?;
    let sight = Sight::of(&app.store, &call).await?;
    let (index, partitions) = sight.listed(&app.store, workload.as_ref(), claims_of, vec![claims()]).await?;
    call.list(&app.store, index, &partitions, |entry| {
        let ClaimRow { claim, anchor } = entry.read()?;
        Ok(sight.includes(&claim.space_id).then(|| view(claim, anchor)))
    })
    .await
}

pub(crate) async fn release(app: Arc<App>, call: Call<ReleaseFields>) -> Result<Answer<ClaimView>, Problem> {
    let id: ClaimId = call.path.parse("id")?;
    call.transact(&app.store, || async {
        let found = app.store.load_anchor_of_claim(&id).await?.ok_or_else(Problem::not_found)?;
        let anchor = found.value.reference().ok_or_else(Problem::not_found)?;
        let claim = found.value.claims.iter().find(|claim| claim.id == id).ok_or_else(Problem::not_found)?;
        let space = app.space(&claim.space_id).await?;
        let ReleaseFields { effective_to, reason } = call.body.clone();
        let (on, actor) = (&found.value, &call.actor);
        let decided = decide_release_claim(on, &id, &space.value, effective_to, reason, actor, call.now);
        let before = view(claim.clone(), anchor.clone());
        let (version, stands) = (before.version, || Ok(answer(before)));
        call.conclude(version, decided, stands, |tx, (next, ended)| {
            // What a release moves is the spend of the days without the claim.
            let (place, from) = ((&ended).into(), effective_to);
            let claim = ClaimRef { place, claim_id: id.clone(), anchor: anchor.clone(), from, to: None };
            tx.update(&found, &next, &Event::ClaimReleased { claim });
            Ok(answer(view(ended, anchor)))
        })
    })
    .await
}

/// The other records of the workspace, which must stay as they are while the claim is made.
///
/// # Errors
/// One of them is claimed on a day of the claim.
pub(crate) async fn twins_to_guard(app: &App, anchor: &Anchor, claim: &Claim) -> Result<Vec<Loaded<Anchor>>, Problem> {
    let twins = app.twins_of(anchor).await?;
    check_twins(twins.iter().map(|twin| &twin.value), claim.from)?;
    Ok(twins)
}

/// Writes a claim that was decided: on its anchor, and under its own id.
pub(crate) fn make(
    tx: &mut Transaction,
    before: Option<&Loaded<Anchor>>,
    anchor: &Anchor,
    claim: &Claim,
    reference: &AnchorRef,
) {
    let made = ClaimRef {
        place: claim.into(),
        claim_id: claim.id.clone(),
        anchor: reference.clone(),
        from: claim.from,
        to: claim.to,
    };
    tx.save(before, anchor, &Event::ClaimMade { claim: made });
    tx.point(&claim_pointer(&claim.id), None, &anchor.key.to_string());
}

/// The anchor that a claim names, if it is of that type; whom it serves is for the decision to check.
async fn anchor_of_workload(
    app: &App,
    workload: &WorkloadId,
    wanted: &AnchorRef,
) -> Result<Option<Loaded<Anchor>>, Problem> {
    let named = wanted.named()?;
    let found = match &named {
        NamedAnchor::Role(_) => app.find_anchor(&named).await?,
        NamedAnchor::Workspace(_) => app.store.find_anchor_of_workload(workload, wanted).await?,
    };
    Ok(found.filter(|anchor| anchor.value.anchor_type == wanted.anchor_type))
}

fn view(claim: Claim, anchor: AnchorRef) -> ClaimView {
    let Claim { id, workload_id, space_id, from, to, claimed_by, claimed_at, released_by, release_reason } = claim;
    let version = if released_by.is_some() { 2 } else { 1 };
    let (effective_from, effective_to) = (from, to);
    ClaimView {
        id,
        version,
        anchor,
        workload_id,
        space_id,
        effective_from,
        effective_to,
        claimed_by,
        claimed_at,
        released_by,
        release_reason,
    }
}

fn answer(claim: ClaimView) -> Answer<ClaimView> {
    let version = claim.version;
    Answer::ok(claim).versioned(version)
}
