//! What was asked beside what was approved, field by field: for the owner to see what they got, and for an auditor
//! what the Lead added. It explains a decision; [`super::checks`] decided whether it may stand.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::decisions::approval::{Approval, ApprovalFields, ScopeSpec};
use crate::access::decisions::request::{Request, RequestFields, RequestedScope};

/// Against what a decision is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The request that it answers.
    Request,
    /// The approval that it narrows.
    Approval,
    /// Nothing: it could not wait.
    Nothing,
}

/// How a field of the decision stands to what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Less than asked.
    Narrowed,
    /// Left open by the request: the Lead chose.
    Chosen,
    /// Not asked for: it was approved before, and stays.
    Kept,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldDifference {
    /// The field of the approval's body; each scope and each action is a line of its own.
    pub field: String,
    /// How it differs.
    pub how: How,
    /// What was asked; null if that was left open or not asked for.
    pub asked: Value,
    /// What was approved; null if it was not.
    pub approved: Value,
}

/// What was asked beside what was approved: fields that are the same are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Against what.
    pub against: Against,
    /// The id of that.
    pub id: Option<String>,
    /// Every difference; empty if exactly what was asked was approved.
    pub differences: Vec<FieldDifference>,
}

/// Compares a decision with the request that it answers, else with the approval that it narrows.
#[must_use]
pub fn compare(approval: &Approval, request: Option<&Request>, replaced: Option<&Approval>) -> Comparison {
    let decision = &approval.decision;
    match (request, replaced) {
        (Some(request), replaced) => Comparison {
            against: Against::Request,
            id: Some(request.id.to_string()),
            differences: from_request(&request.fields, decision, replaced.map(|r| &r.decision)),
        },
        (None, Some(replaced)) => Comparison {
            against: Against::Approval,
            id: Some(replaced.id.to_string()),
            differences: from_approval(&replaced.decision, decision),
        },
        (None, None) => Comparison { against: Against::Nothing, id: None, differences: Vec::new() },
    }
}

fn from_request(
    asked: &RequestFields,
    decision: &ApprovalFields,
    before: Option<&ApprovalFields>,
) -> Vec<FieldDifference> {
    let mut lines = Lines::default();
    lines.when(asked.platform.is_none(), "platform", How::Chosen, &(), &decision.platform);
    lines.when(asked.model_id.is_none(), "modelId", How::Chosen, &(), &decision.model_id);
    if asked.actions.is_empty() {
        lines.when(true, "actions", How::Chosen, &(), &decision.actions);
    } else {
        asked.actions.difference(&decision.actions).for_each(|a| lines.when(true, "actions", How::Narrowed, a, &()));
        decision.actions.difference(&asked.actions).for_each(|a| lines.when(true, "actions", How::Kept, &(), a));
    }
    let how = if asked.agentic.is_none() { How::Chosen } else { How::Narrowed };
    lines.when(asked.agentic != decision.agentic, "agentic", how, &asked.agentic, &decision.agentic);
    scopes_from_request(&mut lines, asked, decision);
    lines.when(decision.workspace_name.is_some(), "workspaceName", How::Chosen, &(), &decision.workspace_name);
    lines.when(decision.map.is_some(), "map", How::Chosen, &(), &decision.map);
    let kept = |is_kept: bool| if is_kept { How::Kept } else { How::Narrowed };
    let strict = before.is_some_and(|b| b.sig_v4_only);
    lines.when(decision.sig_v4_only, "sigV4Only", kept(strict), &(), &true);
    let last_day = before.is_some_and(|b| b.expires_on == decision.expires_on);
    lines.when(decision.expires_on.is_some(), "expiresOn", kept(last_day), &(), &decision.expires_on);
    lines.when(decision.effective_from.is_some(), "effectiveFrom", How::Narrowed, &(), &decision.effective_from);
    lines.0
}

fn scopes_from_request(lines: &mut Lines, asked: &RequestFields, decision: &ApprovalFields) {
    for scope in &decision.scopes {
        match asked.scopes.iter().find(|wanted| is_within(scope, wanted)) {
            None if asked.scopes.is_empty() => lines.when(true, "scopes", How::Chosen, &(), scope),
            None => lines.when(true, "scopes", How::Kept, &(), scope),
            Some(wanted) => {
                let is_open = wanted.iam_role.is_none() || wanted.inference_profile != scope.inference_profile;
                lines.when(is_open, "scopes", How::Chosen, wanted, scope);
            }
        }
    }
    for wanted in asked.scopes.iter().filter(|wanted| !decision.scopes.iter().any(|s| is_within(s, wanted))) {
        lines.when(true, "scopes", How::Narrowed, wanted, &());
    }
}

/// Whether a scope is one that the request asked for; what the request left open fits any.
fn is_within(scope: &ScopeSpec, wanted: &RequestedScope) -> bool {
    wanted.account_id == scope.account_id
        && wanted.region == scope.region
        && wanted.iam_role.as_ref().is_none_or(|role| *role == scope.iam_role)
        && (wanted.inference_profile.is_none() || wanted.inference_profile == scope.inference_profile)
}

fn from_approval(before: &ApprovalFields, decision: &ApprovalFields) -> Vec<FieldDifference> {
    let mut lines = Lines::default();
    before.actions.difference(&decision.actions).for_each(|a| lines.when(true, "actions", How::Narrowed, a, &()));
    for scope in before.scopes.iter().filter(|scope| !decision.scopes.contains(scope)) {
        lines.when(true, "scopes", How::Narrowed, scope, &());
    }
    let how = How::Narrowed;
    lines.when(before.agentic != decision.agentic, "agentic", how, &before.agentic, &decision.agentic);
    lines.when(
        before.sig_v4_only != decision.sig_v4_only,
        "sigV4Only",
        how,
        &before.sig_v4_only,
        &decision.sig_v4_only,
    );
    lines.when(before.expires_on != decision.expires_on, "expiresOn", how, &before.expires_on, &decision.expires_on);
    lines.when(decision.effective_from.is_some(), "effectiveFrom", how, &(), &decision.effective_from);
    lines.0
}

#[derive(Default)]
struct Lines(Vec<FieldDifference>);

impl Lines {
    fn when(&mut self, differs: bool, field: &str, how: How, asked: &impl Serialize, approved: &impl Serialize) {
        if differs {
            let (asked, approved) = (json!(asked), json!(approved));
            self.0.push(FieldDifference { field: field.to_owned(), how, asked, approved });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(set: &Value) -> anyhow::Result<ApprovalFields> {
        let scope = |region: &str| json!({ "accountId": "111122223333", "region": region, "iamRole": "app" });
        let mut body = json!({
            "platform": "bedrock", "modelId": "amazon.nova-lite-v1:0", "actions": ["invoke"],
            "scopes": [scope("us-east-1"), scope("us-west-2")],
        });
        let fields = body.as_object_mut().zip(set.as_object());
        fields.into_iter().for_each(|(body, set)| body.extend(set.clone()));
        Ok(serde_json::from_value(body)?)
    }

    fn request(set: &Value) -> anyhow::Result<RequestFields> {
        let mut body = json!({ "workloadId": "wkl_01K3A1", "justification": "for the tests" });
        let fields = body.as_object_mut().zip(set.as_object());
        fields.into_iter().for_each(|(body, set)| body.extend(set.clone()));
        Ok(serde_json::from_value(body)?)
    }

    fn told(differences: &[FieldDifference]) -> Vec<(&str, How)> {
        differences.iter().map(|d| (d.field.as_str(), d.how)).collect()
    }

    #[test]
    fn what_was_asked_and_approved_alike_is_no_difference() -> anyhow::Result<()> {
        let here = json!([{ "accountId": "111122223333", "region": "us-east-1", "iamRole": "app" }]);
        let named =
            json!({ "platform": "bedrock", "modelId": "amazon.nova-lite-v1:0", "actions": ["invoke"], "scopes": here });
        let differences = from_request(&request(&named)?, &decision(&json!({ "scopes": here }))?, None);
        assert_eq!(differences, []);
        Ok(())
    }

    #[test]
    fn each_difference_says_who_made_it() -> anyhow::Result<()> {
        use How::{Chosen, Kept, Narrowed};
        let open = from_request(&request(&json!({}))?, &decision(&json!({ "expiresOn": "2026-12-31" }))?, None);
        let all_open =
            [("platform", Chosen), ("modelId", Chosen), ("actions", Chosen), ("scopes", Chosen), ("scopes", Chosen)];
        assert_eq!(told(&open), [&all_open[..], &[("expiresOn", Narrowed)]].concat());
        let place = |region: &str| json!({ "accountId": "111122223333", "region": region });
        let named = json!({
            "platform": "bedrock", "modelId": "amazon.nova-lite-v1:0", "actions": ["invoke", "stream"],
            "scopes": [place("us-east-1"), place("eu-west-1")],
        });
        let differences = from_request(&request(&named)?, &decision(&json!({}))?, Some(&decision(&json!({}))?));
        assert_eq!(
            told(&differences),
            [("actions", Narrowed), ("scopes", Chosen), ("scopes", Kept), ("scopes", Narrowed)]
        );
        assert_eq!((&differences[0].asked, &differences[0].approved), (&json!("stream"), &Value::Null));
        assert_eq!(differences[3].asked["region"], "eu-west-1");
        Ok(())
    }

    #[test]
    fn a_narrowing_is_held_against_what_it_narrows() -> anyhow::Result<()> {
        let before = decision(&json!({ "actions": ["invoke", "stream"] }))?;
        let after = decision(&json!({ "sigV4Only": true, "expiresOn": "2026-12-31", "scopes": [before.scopes[0]] }))?;
        let fields: Vec<String> = from_approval(&before, &after).into_iter().map(|d| d.field).collect();
        assert_eq!(fields, ["actions", "scopes", "sigV4Only", "expiresOn"]);
        assert_eq!(from_approval(&before, &before), []);
        Ok(())
    }
}
