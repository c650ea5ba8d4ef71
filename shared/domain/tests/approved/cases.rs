//! One role in one situation: its compiled document, and what the approvals say to every call.

use std::collections::BTreeSet;

use domain::access::policy::compile;
use domain::access::policy::document::Document;
use domain::access::policy::grant::Grant;
use domain::access::policy::organisation::organisation_deny;
use domain::base::aws::RoleRef;
use domain::base::platform::Platform;

use crate::calls::calls;
use crate::meaning::{is_blocked, permits_any};
use crate::pool::{NOVA, situations};

/// A principal that nothing was approved for.
const NOBODY: &str = "arn:aws:iam::111122223333:role/Administrator";

/// One case.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) principal: String,
    /// The document on the principal; none where nothing was approved for it.
    pub(crate) document: Option<Document>,
    /// The deny of a blocked model, over the whole organisation.
    pub(crate) organisation_deny: Option<Document>,
    /// What the approvals say, call by call in the order of [`calls`].
    pub(crate) expected: Vec<bool>,
}

/// Every case.
///
/// # Errors
/// When a document cannot be compiled.
pub(crate) fn cases() -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for situation in situations()? {
        let roles: BTreeSet<&RoleRef> = situation.grants.iter().map(|g| &g.role).collect();
        let blocks: &[bool] = if situation.grants.len() == 2 { &[false] } else { &[false, true] };
        for &blocked in blocks {
            for role in &roles {
                let own: Vec<Grant> = situation.grants.iter().filter(|g| g.role == **role).cloned().collect();
                let document = compile(role, &own)?;
                cases.push(case(&situation.name, &role.arn(), Some(document), &situation.grants, blocked)?);
            }
            if roles.len() > 1 {
                cases.push(case(&situation.name, NOBODY, None, &situation.grants, blocked)?);
            }
        }
    }
    Ok(cases)
}

fn case(
    situation: &str,
    principal: &str,
    document: Option<Document>,
    grants: &[Grant],
    blocked: bool,
) -> anyhow::Result<Case> {
    let nova = NOVA.parse()?;
    let organisation_deny = blocked.then(|| organisation_deny(Platform::Bedrock, &nova)).transpose()?;
    let expected =
        calls(principal).iter().map(|call| permits_any(grants, call) && !(blocked && is_blocked(NOVA, call))).collect();
    let when = if blocked { ", Nova Lite blocked" } else { "" };
    let name = format!("{principal} in: {situation}{when}");
    Ok(Case { name, principal: principal.to_owned(), document, organisation_deny, expected })
}
