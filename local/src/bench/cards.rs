//! From a manifest to the spend cards of many workloads, each with a role of its own that it claimed, and an approval
//! of the one model that it calls.
//!
//! The workloads are written as their decisions would have left them, without the events: what is measured is the
//! Monday, not the months in which they came together.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use aws_sdk_dynamodb::Client;
use domain::access::anchor::{Anchor, AnchorKey, AnchorRef, AnchorType};
use domain::access::decisions::approval::{Approval, ApprovalFields, ApprovalState, ApprovedScope, ScopeSpec};
use domain::access::decisions::parties::Parties;
use domain::access::workloads::space::{Space, Workload};
use domain::base::aws::RoleRef;
use domain::base::calendar::{Month, Period};
use domain::base::ids::{ApprovalId, CardId, EventId, ScopeId};
use domain::base::people::Actor;
use domain::base::person::Person;
use domain::base::platform::{ModelId, ModelKey, Platform};
use domain::notice::Notice;
use domain::spend::card::{CardKind, CardState, SpendCard};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use lambda::Aws;
use serde::Serialize;
use serde_json::json;
use store::aggregates::estimate::Estimates;
use store::aggregates::gap::gaps_of;
use store::{Aggregate, Index, Store, TRANSACTION_ACTIONS_MAX, Transaction};

use crate::sample::caller_of;
use crate::stack::{Local, Options};

/// The first Monday after the sample's first month began: one period is due, of 1 to 4 July.
const NOW: &str = "2026-07-06T07:00:00Z";

/// Its first day.
const FIRST_DAY: Date = date(2026, 7, 1);

/// Gaps that there may be: lines without a caller become gaps by account, of which the export has 200.
const GAPS_MAX: usize = 1_000;

/// How often the bench looks whether the cards are there, and for how long.
const LOOKS_EVERY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(600);

/// Writes for a workload: it, its estimates with their version, its anchor with its claim, its approval.
const PER_WORKLOAD: usize = 6;

/// What they call, and where: the one model of `generate --models 1`.
const MODEL: &str = "amazon.nova-lite-v1:0";
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

/// What it took.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// From the manifest until all cards could be read.
    pub visible_seconds: f64,
    /// From the manifest until their owners were told, too, and nothing was in flight any more.
    pub told_seconds: f64,
    /// Cards.
    pub cards: usize,
    /// Write capacity units of all tables for each card, by the engine's count.
    pub write_units_per_card: f64,
}

/// Reads an export of callers whom `workloads` claimed, and opens their cards.
///
/// # Errors
/// When the stack does not start, or a run fails.
pub async fn open_cards(cur: &Path, workloads: u64) -> anyhow::Result<Opened> {
    let local = Local::start(Options { cur: Some(cur.to_owned()), ..Options::default() }).await?;
    let now: Timestamp = NOW.parse()?;
    local.clock.set(now)?;
    let aws = Aws::in_process(local.cloud.http_client(), local.cloud.region());
    let store = Store::new(Client::new(&aws.config()), "finops-center-governance".to_owned());
    found(&store, workloads, now).await?;
    local.settle().await?;
    local.cloud.meter().begin();
    let began = Instant::now();
    local.deliver()?;
    local.bus.run_schedule("cur-ingestion", now).await?;
    let (visible_seconds, settled) = tokio::join!(
        async { all_visible(&store, workloads).await.map(|()| began.elapsed().as_secs_f64()) },
        local.settle()
    );
    settled?;
    let (visible_seconds, told_seconds) = (visible_seconds?, began.elapsed().as_secs_f64());
    let cards = usize::try_from(workloads)?;
    let opened = EventId::derived(&format!("{}#{}.1", SpendCard::KIND, last_card(workloads)?));
    let notice = store.load::<Notice>(&opened).await?.context("nobody was told of the last card")?;
    anyhow::ensure!(notice.value.pending().next().is_none(), "not everybody was told of the last card");
    let gaps = store.list_all(Index::Parent, &[gaps_of(Month::of(FIRST_DAY))]).await?.len();
    anyhow::ensure!(gaps < GAPS_MAX, "{gaps} gaps: the workloads are not approved for what they call");
    #[expect(clippy::cast_precision_loss, reason = "counts of a bench stay far below 2^53")]
    let write_units_per_card = local.cloud.meter().read().write_units / cards as f64;
    Ok(Opened { visible_seconds, told_seconds, cards, write_units_per_card })
}

/// Waits until each workload has its card. The last one's is looked for, which costs next to nothing; then all are
/// read.
async fn all_visible(store: &Store, workloads: u64) -> anyhow::Result<()> {
    let last = last_card(workloads)?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if store.load::<SpendCard>(&last).await?.is_some()
            && store.list_cards_in_state(CardState::Open).await?.len() == usize::try_from(workloads)?
        {
            return Ok(());
        }
        tokio::time::sleep(LOOKS_EVERY).await;
    }
    anyhow::bail!("not every one of {workloads} workloads has its card after {} s", PATIENCE.as_secs())
}

fn last_card(workloads: u64) -> anyhow::Result<CardId> {
    Ok(SpendCard::id_of(CardKind::Period, Period::of(FIRST_DAY), &workload_id(workloads - 1).parse()?))
}

fn workload_id(number: u64) -> String {
    format!("wkl_{number:06}")
}

/// Writes the workloads, their estimates and their claims.
async fn found(store: &Store, workloads: u64, now: Timestamp) -> anyhow::Result<()> {
    let actor = Actor::system("bench");
    let owner: Person = serde_json::from_value(json!({
        "sub": "petra", "name": "Petra", "email": "petra@example.com", "roles": ["product-owner"],
    }))?;
    let space: Space = serde_json::from_value(json!({"id": "spc_bench", "name": "Bench", "owners": ["petra"]}))?;
    let mut tx = Transaction::new(&actor, now, "bench");
    tx.create_under(&owner);
    tx.create_under(&space);
    store.commit(tx).await?;
    let all: Vec<u64> = (0..workloads).collect();
    for numbers in all.chunks(TRANSACTION_ACTIONS_MAX / PER_WORKLOAD) {
        let mut tx = Transaction::new(&actor, now, "bench");
        for number in numbers {
            let id = workload_id(*number);
            let workload: Workload = serde_json::from_value(json!({
                "id": id, "spaceId": "spc_bench", "name": format!("Workload {number}"), "runtime": "lambda",
                "useCase": "infrastructure", "state": "active",
                "businessCase": {"valueType": "cost-saving", "annualBaseline": {"amount": "1000", "currency": "USD"},
                "targetPercent": "10"},
            }))?;
            let mut estimates: Estimates = serde_json::from_value(json!({"workloadId": id, "spaceId": "spc_bench"}))?;
            estimates.versions.push(serde_json::from_value(json!({
                "id": format!("est_{number:06}"), "workloadId": id, "platform": "bedrock",
                "monthly": {"amount": "100", "currency": "USD"},
                "tokens": null, "ccu": null, "reason": "planned", "validFrom": "2026-07-01", "by": "petra", "at": now,
                "version": 1,
            }))?);
            let role = caller_of(*number)?;
            let approval = approval_of(*number, &workload, &role, now)?;
            let wanted = AnchorRef { anchor_type: AnchorType::IamRole, arn: role.arn() };
            let mut anchor = Anchor::found_in_bill(AnchorKey::Role(role), &wanted, &workload);
            anchor.claims.push(serde_json::from_value(json!({
                "id": format!("clm_{number:06}"), "workloadId": id, "spaceId": "spc_bench", "from": "2026-07-01",
                "to": null,
                "claimedBy": "petra", "claimedAt": now, "releasedBy": null, "releaseReason": null,
            }))?);
            tx.create_under(&workload);
            tx.create_under(&estimates);
            tx.create_under(&anchor);
            tx.create_under(&approval);
        }
        store.commit(tx).await.context("the workloads are written")?;
    }
    Ok(())
}

/// What a Lead decided for a workload: its role may call the model in both regions.
fn approval_of(number: u64, workload: &Workload, role: &RoleRef, now: Timestamp) -> anyhow::Result<Approval> {
    let model_id: ModelId = MODEL.parse()?;
    let scopes: Vec<ScopeSpec> = REGIONS
        .iter()
        .map(|region| {
            serde_json::from_value(json!({"accountId": role.account_id, "region": region, "iamRole": role.name}))
        })
        .collect::<Result<_, _>>()?;
    let decision: ApprovalFields = serde_json::from_value(json!({
        "platform": "bedrock", "modelId": model_id, "actions": ["invoke"], "scopes": scopes,
        "effectiveFrom": "2026-07-01",
    }))?;
    let scope = |(place, spec): (usize, &ScopeSpec)| ApprovedScope {
        id: ScopeId::derived(&format!("{number:06}-{place}")),
        spec: spec.clone(),
        carried: false,
    };
    let model_key = ModelKey::of(Platform::Bedrock, &model_id);
    Ok(Approval {
        id: ApprovalId::derived(&format!("{number:06}")),
        digest: Approval::digest_of(&workload.id, &model_key, &decision, None, None),
        workload_id: workload.id.clone(),
        space_id: workload.space_id.clone(),
        scopes: decision.scopes.iter().enumerate().map(scope).collect(),
        model_key,
        decision,
        supersedes: None,
        request_id: None,
        requested_by: None,
        decided_by: "lea".parse()?,
        carried: Parties::default(),
        decided_at: now,
        state: ApprovalState::Active,
        break_glass: None,
        review: None,
        end: None,
    })
}
