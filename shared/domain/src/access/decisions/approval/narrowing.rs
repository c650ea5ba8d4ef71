//! A decision without a request that narrows: it takes something away from the approval that it supersedes, and adds
//! nothing.

use crate::access::decisions::approval::checks::invalid;
use crate::access::decisions::approval::{Approval, ApprovalFields};
use crate::base::outcome::{Refusal, RefusalKind};

/// A decision without request that narrows: a subset of what it supersedes, in every dimension.
pub(super) fn check_narrowing(fields: &ApprovalFields, replaced: &Approval) -> Result<(), Refusal> {
    if let Some(opened) = &replaced.break_glass {
        // Its successor would not end when it does, and nobody asked for that.
        let detail = format!(
            "approval `{}` is break-glass and ends by itself at {}; revoke it, or have the owner send a request",
            replaced.id, opened.expires_at
        );
        return Err(Refusal::new(RefusalKind::WiderThanRequested, detail));
    }
    let before = &replaced.decision;
    let scopes = fields.scopes.iter().all(|s| before.scopes.contains(s));
    let actions = fields.actions.is_subset(&before.actions);
    let agentic = match (&fields.agentic, &before.agentic) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(new), Some(old)) => new.mcp_servers.is_subset(&old.mcp_servers) && new.actions.is_subset(&old.actions),
    };
    let sooner = match (fields.expires_on, before.expires_on) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(new), Some(old)) => new <= old,
    };
    let strict = fields.sig_v4_only || !before.sig_v4_only;
    let same = fields.workspace_name == before.workspace_name && fields.map == before.map;
    if scopes && actions && agentic && sooner && strict && same {
        return check_less(fields, before, replaced);
    }
    Err(Refusal::new(
        RefusalKind::WiderThanRequested,
        format!(
            "without a request only a subset of approval `{}` may be decided; for anything beyond it have the owner \
             send a request",
            replaced.id
        ),
    ))
}

/// A narrowing takes something away: the same once more would only put another Lead's name under it.
fn check_less(fields: &ApprovalFields, before: &ApprovalFields, replaced: &Approval) -> Result<(), Refusal> {
    let is_less = fields.scopes.len() < before.scopes.len()
        || fields.actions != before.actions
        || fields.agentic != before.agentic
        || fields.expires_on != before.expires_on
        || fields.sig_v4_only != before.sig_v4_only;
    if is_less {
        return Ok(());
    }
    Err(invalid(format!(
        "approval `{}` grants exactly this; leave out a scope or an action, let it end sooner, or leave it as it is",
        replaced.id
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::access::decisions::approval::checks::tests::{approval, fields, glass};

    #[test]
    fn break_glass_is_not_made_permanent_by_narrowing_it() -> anyhow::Result<()> {
        let mut less: ApprovalFields = serde_json::from_value(fields())?;
        less.actions.pop_last();
        assert_eq!(check_narrowing(&less, &approval(&Value::Null)?), Ok(()));
        let refused = check_narrowing(&less, &approval(&glass())?).map_err(|refusal| refusal.kind);
        assert_eq!(refused, Err(RefusalKind::WiderThanRequested));
        Ok(())
    }

    #[test]
    fn a_narrowing_takes_something_away_and_adds_nothing() -> anyhow::Result<()> {
        let check = |set: Value, expected: Result<(), RefusalKind>| -> anyhow::Result<()> {
            let mut wanted = fields();
            wanted.as_object_mut().into_iter().for_each(|all| all.extend(set.as_object().cloned().unwrap_or_default()));
            let found = check_narrowing(&serde_json::from_value(wanted)?, &approval(&Value::Null)?);
            assert_eq!(found.map_err(|refusal| refusal.kind), expected, "{set}");
            Ok(())
        };
        check(json!({}), Err(RefusalKind::InvalidValue))?;
        check(json!({ "note": "again", "priority": "high" }), Err(RefusalKind::InvalidValue))?;
        check(json!({ "actions": ["invoke"] }), Ok(()))?;
        check(json!({ "expiresOn": "2026-12-31" }), Ok(()))?;
        check(json!({ "sigV4Only": true }), Ok(()))?;
        check(json!({ "sigV4Only": true, "actions": ["invoke", "batch"] }), Err(RefusalKind::WiderThanRequested))
    }
}
