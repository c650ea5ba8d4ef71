//! The request that would answer for a gap: what the bill shows was used, asked for by whoever answers for it.
//!
//! It is only ever proposed: its owner accepts it, and then it is their request, to be decided like any other.

use std::collections::BTreeSet;

use super::{Gap, GapAction, GapEntry};
use crate::access::decisions::request::{RequestFields, RequestedScope, SCOPES_MAX};
use crate::access::models::model::Model;
use crate::access::workloads::space::Workload;
use crate::base::aws::RoleName;
use crate::base::platform::{ModelKey, Platform, Tier};
use crate::base::text::Note;
use crate::spend::bill::alias::ModelName;
use crate::spend::bill::anchor::SpendAnchor;

/// Characters that a note holds.
const NOTE_CHARS_MAX: usize = 2000;

/// The model that an action on a gap is about: the one that the Lead named, or else the most expensive one that the
/// bill names on the gap's platform.
#[must_use]
pub fn asked_model(gap: &Gap, named: Option<&ModelKey>) -> Option<ModelKey> {
    let platform = gap.about.platform?;
    let of_bill = || {
        let used = gap.about.model.iter().chain(gap.usage.iter().map(|used| &used.model));
        used.filter_map(ModelName::id).next().map(|id| ModelKey::of(platform, &id.base()))
    };
    named.cloned().or_else(of_bill)
}

/// Whether a model is the one that [`asked_model`]'s key is meant to lead to: the Lead's by its key, the bill's by
/// its id.
#[must_use]
pub fn is_asked_model(gap: &Gap, named: Option<&ModelKey>, model: &Model) -> bool {
    let used = || gap.about.model.iter().chain(gap.usage.iter().map(|used| &used.model)).find_map(ModelName::id);
    named.is_some() || used().is_some_and(|id| model.is(model.platform, id))
}

/// The request that a Lead's action proposes: the model, if the catalog has it, and each place in which the bill
/// shows it. A broad role is no role to ask for: then the Lead chooses a dedicated one. What is not known is left
/// open.
#[must_use]
pub fn prefilled(gap: &Gap, deed: &GapEntry, workload: &Workload, model: Option<&Model>) -> Option<RequestFields> {
    let platform = model.map(|model| model.platform).or(gap.about.platform)?;
    let asks_dedicated_role = deed.action == Some(GapAction::RecommendDedicatedRole);
    let role = match &gap.about.anchor {
        SpendAnchor::Role { role } if platform == Platform::Bedrock && !asks_dedicated_role => Some(&role.name),
        _ => None,
    };
    let is_asked = |used: &ModelName| match (model, used.id()) {
        (Some(model), Some(id)) => id.base() == model.model_id,
        _ => true,
    };
    let scopes: BTreeSet<RequestedScope> = match &gap.about.anchor {
        // A workspace's own place counts, not that of the Marketplace row.
        SpendAnchor::Workspace { arn } => {
            scope_of(arn.account_id.as_str(), arn.region.as_str(), None).into_iter().collect()
        }
        _ => {
            let used = gap.usage.iter().filter(|used| is_asked(&used.model));
            used.filter_map(|used| scope_of(&used.account_id, &used.region, role)).collect()
        }
    };
    let approval_id = match deed.action {
        Some(GapAction::AddScope) => {
            deed.target.as_ref().and_then(|target| target.approval_id.clone()).or_else(|| gap.approval_id.clone())
        }
        _ => None,
    };
    Some(RequestFields {
        workload_id: workload.id.clone(),
        platform: Some(platform),
        model_id: model.map(|model| model.model_id.clone()),
        scopes: scopes.into_iter().take(SCOPES_MAX).collect(),
        actions: BTreeSet::new(),
        tier: Tier::Standard,
        agentic: None,
        justification: justification(gap, deed)?,
        monthly_estimate: None,
        approval_id,
    })
}

fn scope_of(account_id: &str, region: &str, role: Option<&RoleName>) -> Option<RequestedScope> {
    Some(RequestedScope {
        account_id: account_id.parse().ok()?,
        region: region.parse().ok()?,
        iam_role: role.cloned(),
        existing: role.is_some(),
        inference_profile: None,
    })
}

/// The evidence in one sentence, after what the Lead said.
fn justification(gap: &Gap, deed: &GapEntry) -> Option<Note> {
    let said = deed.rationale.as_ref().map_or("", Note::as_str);
    let (amount, currency) = (&gap.amount.amount, &gap.amount.currency);
    let evidence = format!(
        "The bill shows {amount} {currency} in {} rows from {} to {} (gap {}).",
        gap.rows, gap.first_seen, gap.last_seen, gap.id
    );
    let room = NOTE_CHARS_MAX.saturating_sub(evidence.chars().count() + 1);
    let said: String = said.chars().take(room).collect();
    format!("{said}\n{evidence}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    type Failed = Box<dyn std::error::Error>;

    fn gap(anchor: &Value, platform: &str, usage: &Value) -> Result<Gap, Failed> {
        let usd = json!({"amount": "12.40", "currency": "USD"});
        Ok(serde_json::from_value(json!({
            "id": "gap_1", "version": 1, "kind": "not-business-approved", "billingPeriod": "2026-08", "amount": usd,
            "inTotals": true,
            "about": {"anchor": anchor, "platform": platform, "model": null, "accountId": null, "region": null},
            "firstSeen": "2026-08-03", "lastSeen": "2026-08-04", "from": null, "to": null, "vanished": false, "rows": 7,
            "usage": usage, "state": "actioned", "suggestedAction": "approve", "suggestedWorkload": null,
            "approvalId": "apr_7",
            "previous": null, "history": [],
        }))?)
    }

    fn asked(gap: &Gap, action: &str) -> Result<RequestFields, Failed> {
        let deed: GapEntry = serde_json::from_value(json!({
            "at": "2026-08-24T09:00:00Z", "by": "lead", "state": "actioned", "action": action, "target": null,
            "rationale": "seen\u{e9}".repeat(400), "amount": {"amount": "1", "currency": "USD"},
        }))?;
        let workload = serde_json::from_value(json!({
            "id": "wkl_1", "spaceId": "spc_1", "name": "bot", "runtime": "lambda", "useCase": "operations-ai",
            "state": "active",
            "businessCase": {"valueType": "cost-saving", "annualBaseline": {"amount": "1", "currency": "USD"},
            "targetPercent": "1"},
        }))?;
        prefilled(gap, &deed, &workload, None).ok_or_else(|| "nothing to ask for".into())
    }

    /// The model that a catalog has under the bill's key.
    fn catalogued(id: &str) -> Result<Model, Failed> {
        Ok(serde_json::from_value(json!({
            "modelKey": "bedrock.amazon.nova-lite-v1-0", "platform": "bedrock", "vendor": "Amazon", "modelId": id,
            "name": "Nova",
            "lifecycle": crate::access::models::model::Lifecycle::default(), "decision": "unreviewed",
            "firstSeen": "2026-08-01T00:00:00Z", "changedAt": "2026-08-01T00:00:00Z",
        }))?)
    }

    fn used(account: &str, region: &str) -> Value {
        json!({"model": {"known": "amazon.nova-lite-v1:0"}, "accountId": account, "region": region, "rows": 1,
            "amount": {"amount": "1", "currency": "USD"}})
    }

    #[test]
    fn a_request_names_what_the_bill_shows_and_leaves_open_what_it_does_not() -> Result<(), Failed> {
        let role = json!({"type": "role", "role": {"partition": "aws", "accountId": "111122223333", "name": "app"}});
        let usage = json!([used("111122223333", "us-east-1"), used("111122223333", ""), used("payer", "us-east-1")]);
        let bedrock = gap(&role, "bedrock", &usage)?;
        let fields = asked(&bedrock, "approve")?;
        assert_eq!(fields.scopes.len(), 1, "a blank region and an odd account are no place to ask for");
        assert!(fields.scopes.iter().all(|scope| scope.existing && scope.iam_role.is_some()));
        assert!(fields.model_id.is_none() && fields.actions.is_empty() && fields.approval_id.is_none());
        let evidence = "The bill shows 12.40 USD in 7 rows from 2026-08-03 to 2026-08-04 (gap gap_1).";
        assert!(fields.justification.as_str().ends_with(evidence), "however long the Lead's own words are");
        assert_eq!(asked(&bedrock, "add-scope")?.approval_id.as_ref().map(|id| id.as_str()), Some("apr_7"));
        let dedicated = asked(&bedrock, "recommend-dedicated-role")?;
        assert!(dedicated.scopes.iter().all(|scope| scope.iam_role.is_none() && !scope.existing));
        let key = asked_model(&bedrock, None);
        assert_eq!(key.as_ref().map(ModelKey::as_str), Some("bedrock.amazon.nova-lite-v1-0"));
        for (id, is_it) in [("amazon.nova-lite-v1:0", true), ("amazon.nova-lite-v1-0", false)] {
            let at_key = catalogued(id)?;
            assert_eq!(is_asked_model(&bedrock, None, &at_key), is_it, "{id}");
            assert!(is_asked_model(&bedrock, key.as_ref(), &at_key), "what a Lead names goes by its key");
        }

        let arn = "arn:aws:aws-external-anthropic:us-west-2:222233334444:workspace/wrkspc_01Ab";
        let workspace =
            gap(&json!({"type": "workspace", "arn": arn}), "claude-platform", &json!([used("999988887777", "")]))?;
        let places: Vec<(String, String)> = asked(&workspace, "approve")?
            .scopes
            .iter()
            .map(|scope| (scope.account_id.to_string(), scope.region.to_string()))
            .collect();
        assert_eq!(places, [("222233334444".to_owned(), "us-west-2".to_owned())], "a workspace's own place counts");
        Ok(())
    }
}
