//! Looks at the live role when a policy task is completed: is there what the task's files say, and nothing wider?
//!
//! The task's own files are what is compared with, not today's compilation: what came onto the role since belongs to
//! the next task. Whether a difference stops the completion is decided elsewhere, by the settings.

use std::time::Duration;

use domain::access::drift::live::ApprovedRole;
use domain::access::drift::shown;
use domain::access::tasks::chain::Chain;
use domain::access::tasks::migration;
use domain::access::tasks::migration::tag::{MapFound, TagHolder};
use domain::access::tasks::task::{TaskState, Verification};
use domain::base::aws::RoleRef;
use domain::base::ids::TaskId;
use jiff::Timestamp;

use crate::App;
use crate::live::{AFTER_A_CHANGE, Looked, ReadError, Reader};

/// The API's caller gets an answer within 30 s; the decision and its commit need their share.
const LOOK_MAX: Duration = Duration::from_secs(15);

/// What is found in the account, and what of the MAP tag; none for a task that puts no policy, and for one that
/// nobody has in hand.
pub(crate) async fn verify(
    app: &App,
    chain: &Chain,
    task: &TaskId,
    now: Timestamp,
) -> Option<(Verification, Option<MapFound>)> {
    let task = chain.task(task).filter(|t| t.state == TaskState::InProgress)?;
    let approved = ApprovedRole::of_task(chain, task)?;
    let role = chain.role();
    let profiles: Vec<TagHolder> = migration::profile(chain).into_iter().collect();
    let looked = tokio::time::timeout(LOOK_MAX, read_role(app, &role, &profiles, &approved)).await;
    let looked = looked.unwrap_or(Err(ReadError::TooSlow));
    // A tag that this scope did not ask for may be another scope's; the nightly check sees them all.
    let live = looked.as_ref().ok().and_then(|looked| looked.live.as_ref()).filter(|_| chain.map.is_some());
    let found = live.and_then(|live| migration::found(chain, std::slice::from_ref(chain), live));
    let verification = match looked.map(|looked| looked.drift) {
        Ok(drift) if drift.is_none() => Verification::Verified { at: now },
        Ok(drift) if drift.missing => {
            let differences = vec![format!("role `{}` does not exist in account {}", role.name, role.account_id)];
            Verification::Drifted { at: now, differences }
        }
        Ok(drift) => Verification::Drifted { at: now, differences: shown(&drift) },
        Err(error) => Verification::Unreadable { at: now, cause: error.cause(), why: error.to_string() },
    };
    Some((verification, found))
}

async fn read_role(
    app: &App,
    role: &RoleRef,
    profiles: &[TagHolder],
    approved: &ApprovedRole,
) -> Result<Looked, ReadError> {
    let reader = Reader::of_account(&app.host, role.partition, &role.account_id).await?;
    reader.compare(&role.name, profiles, AFTER_A_CHANGE, |live| Ok(approved.diff(live))).await
}
