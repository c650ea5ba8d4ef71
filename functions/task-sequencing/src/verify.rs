//! Looks at the live role when a policy task is completed: is there what the task's files say, and nothing wider?
//!
//! The task's own files are what is compared with, not today's compilation: what came onto the role since belongs to the
//! next task. Whether a difference stops the completion is decided elsewhere, by the settings.

use std::time::Duration;

use domain::aws::RoleRef;
use domain::chain::Chain;
use domain::drift::live::ApprovedRole;
use domain::drift::shown;
use domain::ids::TaskId;
use domain::instructions::Drift;
use domain::task::{TaskState, Verification};
use jiff::Timestamp;

use crate::App;
use crate::live::{ReadError, Reader};

/// The API's caller gets an answer within 30 s; the decision and its commit need their share.
const LOOK_MAX: Duration = Duration::from_secs(15);

/// What is found in the account; none for a task that puts no policy, and for one that nobody has in hand.
pub(crate) async fn verify(app: &App, chain: &Chain, task: &TaskId, now: Timestamp) -> Option<Verification> {
    let task = chain.task(task).filter(|t| t.state == TaskState::InProgress)?;
    let approved = ApprovedRole::of_task(task)?;
    let role = chain.role();
    let looked = tokio::time::timeout(LOOK_MAX, look(app, &role, &approved)).await;
    Some(match looked.unwrap_or(Err(ReadError::TooSlow)) {
        Ok(drift) if drift.is_none() => Verification::Verified { at: now },
        Ok(drift) if drift.missing => {
            let differences = vec![format!("role `{}` does not exist in account {}", role.name, role.account_id)];
            Verification::Drifted { at: now, differences }
        }
        Ok(drift) => Verification::Drifted { at: now, differences: shown(&drift) },
        Err(error) => Verification::Unreadable { at: now, why: error.to_string() },
    })
}

async fn look(app: &App, role: &RoleRef, approved: &ApprovedRole) -> Result<Drift, ReadError> {
    let reader = Reader::of_account(&app.platform, role.partition, &role.account_id).await?;
    reader.compare(&role.name, |live| Ok(approved.diff(live))).await
}
