//! What each action on a gap starts, and what is left for people to do: steps in words, with a command where one
//! exists.

use serde::Serialize;

use super::{Gap, GapAction};
use crate::base::shell::quote;

/// What an action comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// The action.
    pub action: GapAction,
    /// What the product starts when a Lead takes it; none where only people can act.
    pub starts: Option<&'static str>,
    /// What people do, in order.
    pub steps: Vec<AdviceStep>,
}

/// Something that people do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdviceStep {
    /// What.
    pub title: String,
    /// With which command of the AWS CLI, where there is one.
    pub command: Option<String>,
}

/// The advice for every action that fits a gap, the suggested one first.
#[must_use]
pub fn advise(gap: &Gap, workspace_tag_key: &str) -> Vec<Advice> {
    let advice = |action: &GapAction| Advice {
        action: *action,
        starts: starts(*action),
        steps: steps(*action, gap, workspace_tag_key),
    };
    gap.kind.actions().iter().map(advice).collect()
}

const fn starts(action: GapAction) -> Option<&'static str> {
    match action {
        GapAction::RecommendDedicatedRole => {
            Some("a request for a role of its own, prefilled and proposed to the owner of the workload that is named")
        }
        GapAction::Approve => Some("a request for what the bill shows, prefilled and proposed to the workload's owner"),
        GapAction::AddScope => {
            Some("a request that adds the used place, prefilled and proposed to the workload's owner")
        }
        GapAction::Block => Some("the decision that blocks the model: open requests are rejected, live scopes revoked"),
        GapAction::ProposeClaim => Some("a proposal to the workload's owner to claim it"),
        GapAction::RemindOwner => Some("a message to the owner of the workload that approvals name"),
        GapAction::MoveResource | GapAction::FixExport | GapAction::FixTag => None,
    }
}

fn steps(action: GapAction, gap: &Gap, workspace_tag_key: &str) -> Vec<AdviceStep> {
    let say = |title: String| AdviceStep { title, command: None };
    let run = |title: &str, command: String| AdviceStep { title: title.to_owned(), command: Some(command) };
    let about = gap.about.anchor.label();
    let account = gap.about.account_id.clone().unwrap_or_else(|| gap.about.anchor.account().to_owned());
    match action {
        GapAction::FixExport => vec![
            run(
                "See which columns the exports have, in the payer account",
                "aws bcm-data-exports list-exports --region us-east-1".to_owned(),
            ),
            say("Create an export with INCLUDE_IAM_PRINCIPAL_DATA=TRUE, such as infra/cur-export.yaml describes: the \
                 configuration of an export does not change after it was made"
                .to_owned()),
            say("AWS names callers from 2026-04-08 on, and not of every feature: what stays blank then is fixed at the \
                 caller, by a role of its own"
                .to_owned()),
        ],
        GapAction::FixTag => vec![
            say(format!(
                "Tag the workspace in account {account} with the key `{workspace_tag_key}` and its approved name as \
                 the value"
            )),
            run(
                "Activate the key for cost allocation, in the payer account",
                format!(
                    "aws ce update-cost-allocation-tags-status --cost-allocation-tags-status {}",
                    quote(&format!("TagKey={workspace_tag_key},Status=Active"))
                ),
            ),
            say("Tags count from the day on which the key became active; what was spent before stays with this gap"
                .to_owned()),
        ],
        GapAction::MoveResource => {
            let region = gap.about.region.clone().unwrap_or_default();
            let approval = gap
                .approval_id
                .as_ref()
                .map_or_else(String::new, |id| format!(", as GET /v1/approvals/{id} lists them"));
            vec![say(format!(
                "Let {about} call from an approved account and region{approval}, not from {account} {region}"
            ))]
        }
        GapAction::RecommendDedicatedRole => {
            vec![say(format!(
                "Find out whose application calls as {about}, and name its workload in `target.workloadId`"
            ))]
        }
        GapAction::Approve | GapAction::AddScope | GapAction::ProposeClaim => {
            vec![say("The owner accepts or declines it under GET /v1/proposals".to_owned())]
        }
        GapAction::Block | GapAction::RemindOwner => Vec::new(),
    }
}
