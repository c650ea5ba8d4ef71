//! Every type that is told of has a letter that reads well, goes to the right people, and names what to do.

use std::collections::{BTreeMap, BTreeSet};

use domain::base::audit::AuditEvent;
use domain::notice::{SUBJECT_CHARS_MAX, render_subject};
use serde_json::{Value, json};

use super::*;

/// The events' payloads as the wire has them, by type; each reads as the contract's event.
fn samples() -> BTreeMap<&'static str, Value> {
    let place = json!({"spaceId": "spc_1", "workloadId": "wkl_1"});
    let task = |ready: Value| {
        json!({"spaceId": "spc_1", "workloadId": "wkl_1", "approvalId": "apr_1", "scopeId": "scp_1",
            "taskId": "tsk_1", "kind": "bedrock-iam-policy",
            "title": "Create the role", "accountId": "111122223333", "ready": ready})
    };
    let card = json!({"spaceId": "spc_1", "workloadId": "wkl_1", "cardId": "crd_1", "period": {"from": "2026-08-16",
        "to": "2026-08-22"},
        "actual": {"amount": "71.128", "currency": "USD"}});
    let gap = |action: Value| {
        json!({"gapId": "gap_1", "kind": "unclaimed", "billingPeriod": "2026-08",
        "about": "role x", "amount": {"amount": "3", "currency": "USD"}, "action": action})
    };
    let approval = json!({"place": place, "approvalId": "apr_1"});
    let with = |base: &Value, more: Value| {
        let mut merged = base.clone();
        if let (Some(fields), Some(more)) = (merged.as_object_mut(), more.as_object()) {
            fields.extend(more.clone());
        }
        merged
    };
    let drift = json!({"place": place, "driftId": "drf_1", "roleArn": "arn:aws:iam::111122223333:role/r", "differences": ["a"]});
    let decided = json!({"digest": format!("sha256:{}", "0".repeat(64)), "modelKey": "bedrock.m",
        "scopeIds": ["scp_1"], "supersedes": null, "breakGlass": true});
    BTreeMap::from([
        ("approval.decided", with(&approval, decided)),
        ("approval.expired", approval.clone()),
        ("approval.expiring", with(&approval, json!({"expiresAt": "2026-08-31T00:00:00Z", "daysLeft": 3}))),
        ("approval.revoked", with(&approval, json!({"reason": "why"}))),
        ("card.disputed", json!({"card": card, "reason": "why"})),
        ("card.opened", json!({"card": card})),
        ("card.reminded", json!({"card": card, "daysOpen": 4})),
        ("card.resolved", json!({"card": card, "decision": "accept-as-is"})),
        ("chain.ending", with(&approval, json!({"scopeId": "scp_1", "ready": "tsk_2", "reason": "revoked"}))),
        (
            "chain.implemented",
            json!({"task": task(Value::Null), "anchors": [{"type": "iam-role", "arn": "arn:aws:iam::111122223333:role/r"}]}),
        ),
        ("chain.issued", json!({"task": task(json!("tsk_1"))})),
        ("drift.found", drift.clone()),
        ("drift.resolved", drift),
        ("gap.actioned", json!({"gap": gap(json!("remind-owner")), "target": {"workloadId": "wkl_1"}})),
        (
            "gaps.announced",
            json!({"billingPeriod": "2026-08", "opened": 12, "findings": 2, "unanswered": [{"amount": "3",
                "currency": "USD"}], "largest": [
                {"gapId": "gap_1", "kind": "unclaimed", "about": "role x", "amount": {"amount": "2.5",
                "currency": "USD"}},
                {"gapId": "gap_2", "kind": "no-principal", "about": "account y, no caller",
                "amount": {"amount": "0.5", "currency": "USD"}},
            ]}),
        ),
        ("ingestion.failed", json!({"runId": "run_1", "billingPeriod": "2026-08", "why": "no such table"})),
        ("models.announced", json!({"modelKeys": ["bedrock.m"]})),
        ("proposal.accepted", json!({"place": place, "proposalId": "prp_1"})),
        ("proposal.declined", json!({"place": place, "proposalId": "prp_1"})),
        ("proposal.made", json!({"place": place, "proposalId": "prp_1"})),
        ("request.approved", json!({"place": place, "requestId": "req_1", "approvalId": "apr_1"})),
        ("request.rejected", json!({"place": place, "requestId": "req_1", "reason": "why"})),
        ("request.submitted", json!({"place": place, "requestId": "req_1", "modelKey": null})),
        (
            "space.changed",
            json!({"spaceId": "spc_1", "owners": {"before": ["ana"], "after": ["ana", "petra"], "by": "lena"}}),
        ),
        ("task.completed", json!({"task": task(json!("tsk_2"))})),
        ("task.ready", json!({"task": task(json!("tsk_1"))})),
        ("task.reissued", json!({"task": task(json!("tsk_1"))})),
        ("task.returned", json!({"task": task(Value::Null), "reason": "why"})),
    ])
}

fn event(kind: &str, payload: &Value) -> anyhow::Result<Event> {
    Ok(serde_json::from_value(json!({"type": kind, "payload": payload}))?)
}

fn known() -> anyhow::Result<Known> {
    let workload = json!({"id": "wkl_1", "spaceId": "spc_1", "name": "Checkout <!here>", "runtime": "lambda",
        "useCase": "infrastructure",
        "businessCase": {"valueType": "cost-saving", "annualBaseline": {"amount": "1", "currency": "USD"},
        "targetPercent": "1"},
        "state": "active"});
    let task = json!({"id": "tsk_2", "version": 1, "kind": "claude-register-workspace", "sequence": 2, "of": 3,
        "state": "ready", "title": "Register it",
        "issuedAt": "2026-08-24T00:00:00Z", "instructions": [], "undo": [], "artifacts": [], "evidenceRequired": [],
        "evidence": {}, "history": []});
    Ok(Known {
        workload: Some(serde_json::from_value(workload)?),
        space: Some(serde_json::from_value(json!({"id": "spc_1", "name": "Retail", "owners": ["ana"]}))?),
        owners: BTreeSet::new(),
        ready: Some(serde_json::from_value(task)?),
        models: Vec::new(),
    })
}

#[test]
fn every_type_that_is_told_of_has_a_letter_and_an_audience() -> anyhow::Result<()> {
    let (samples, known) = (samples(), known()?);
    let told_types: BTreeSet<&str> = told_types().into_iter().map(EventType::as_str).collect();
    assert_eq!(samples.keys().copied().collect::<BTreeSet<_>>(), told_types);
    let mut told = BTreeMap::new();
    for (kind, payload) in &samples {
        let Some((audience, letter)) = letter_of(&event(kind, payload)?, &known, Some("because")) else {
            anyhow::bail!("`{kind}` has no letter");
        };
        assert!(render_subject(&letter).len() <= SUBJECT_CHARS_MAX, "{kind}");
        assert!(!letter.what.is_empty() && !letter.facts.is_empty(), "{kind}: {letter:?}");
        assert!(letter.next.iter().all(|step| step.call.contains(" /v1/")), "{kind}: {letter:?}");
        told.insert(*kind, format!("{audience:?}"));
    }
    let to = |audience: &str| told.iter().filter(|(_, a)| *a == audience).map(|(kind, _)| *kind).collect::<Vec<_>>();
    assert_eq!(to("Engineers"), ["chain.ending", "chain.issued", "task.completed", "task.ready", "task.reissued"]);
    assert_eq!(
        to("Owners"),
        [
            "card.opened",
            "card.reminded",
            "card.resolved",
            "chain.implemented",
            "gap.actioned",
            "proposal.made",
            "request.approved",
            "request.rejected"
        ]
    );
    assert_eq!(to("OwnersAndLeads"), ["approval.expired", "approval.expiring", "approval.revoked"]);
    assert_eq!(to("OwnersThenAndNow"), ["space.changed"]);
    Ok(())
}

#[test]
fn what_concerns_nobody_is_told_to_nobody() -> anyhow::Result<()> {
    let (mut samples, known) = (samples(), known()?);
    for (kind, path, value) in [
        ("approval.decided", "/breakGlass", json!(false)),
        ("chain.issued", "/task/ready", Value::Null),
        ("task.completed", "/task/ready", Value::Null),
        ("chain.ending", "/ready", Value::Null),
        ("gap.actioned", "/gap/action", json!("block")),
        ("space.changed", "/owners", Value::Null),
    ] {
        let payload = samples.get_mut(kind).ok_or_else(|| anyhow::anyhow!("a sample"))?;
        *payload.pointer_mut(path).ok_or_else(|| anyhow::anyhow!("a field"))? = value;
        assert_eq!(letter_of(&event(kind, payload)?, &known, None), None, "{kind}");
    }
    Ok(())
}

#[test]
fn an_owner_reads_ready_to_claim_and_a_missing_name_is_an_id() -> anyhow::Result<()> {
    let implemented = event("chain.implemented", &samples().remove("chain.implemented").unwrap_or_default())?;
    let headline = |known: &Known| letter_of(&implemented, known, None).map(|(_, letter)| render_subject(&letter));
    assert_eq!(headline(&known()?).as_deref(), Some("Ready to Claim: Checkout <!here>"));
    assert_eq!(headline(&Known::default()).as_deref(), Some("Ready to Claim: wkl_1"));
    Ok(())
}

/// A type in the filter that is not handled would end in the dead letters; one that is handled and not in the filter
/// would never arrive.
#[test]
fn the_templates_filter_names_exactly_the_types_that_are_handled() {
    let template = include_str!("../../../../template.yaml");
    let subscription = template.split("  NotificationSubscription:\n").nth(1).unwrap_or_default();
    let filter = subscription
        .split("FilterPolicy:")
        .nth(1)
        .and_then(|rest| rest.split('[').nth(1))
        .and_then(|rest| rest.split(']').next());
    let named: BTreeSet<&str> = filter.unwrap_or_default().split(',').map(str::trim).collect();
    let handled: BTreeSet<&str> = told_types().into_iter().map(EventType::as_str).chain(["person.noted"]).collect();
    assert_eq!(named, handled);
}

/// The inbound samples of this function are events that it understands.
#[test]
fn the_inbound_samples_read_as_events() -> anyhow::Result<()> {
    let samples = [
        include_str!("../../../../events/inbound/notification/request-submitted.json"),
        include_str!("../../../../events/inbound/notification/approval-decided.json"),
        include_str!("../../../../events/inbound/notification/card-opened.json"),
        include_str!("../../../../events/inbound/notification/task-returned.json"),
    ];
    for sample in samples {
        let batch: Value = serde_json::from_str(sample)?;
        let body = batch.pointer("/Records/0/body").and_then(Value::as_str).unwrap_or_default();
        let envelope: AuditEvent = serde_json::from_str(body)?;
        Event::of(&envelope)?;
    }
    Ok(())
}
