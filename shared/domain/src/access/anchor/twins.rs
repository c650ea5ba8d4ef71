//! Two records of one workspace: one that the bill made under its id, one that a chain made under its name.

use jiff::civil::Date;

use super::Anchor;
use crate::base::outcome::{Refusal, RefusalKind};

/// Whether other records of the same workspace leave the days from `from` on free. A workspace that was claimed from
/// the bill goes by its id, one that a chain registered by its name: both may name one ARN, and on each day at most
/// one of them may be claimed, or its spend would be nobody's.
///
/// # Errors
/// [`RefusalKind::ClaimOverlaps`] naming the days.
pub fn check_twins<'a>(twins: impl IntoIterator<Item = &'a Anchor>, from: Date) -> Result<(), Refusal> {
    let held = twins.into_iter().flat_map(|twin| &twin.claims).find(|claim| claim.overlaps(from, None));
    match held {
        None => Ok(()),
        Some(claim) => {
            let until = claim.to.map_or_else(|| "on".to_owned(), |to| format!("to the day before {to}"));
            let detail = format!(
                "the workspace was found in the bill and is claimed under its id from {} {until}; release that claim \
                 first",
                claim.from
            );
            Err(Refusal::new(RefusalKind::ClaimOverlaps, detail))
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::access::anchor::{AnchorRef, AnchorType, Claim};
    use jiff::civil::date;
    use serde_json::json;

    type Failed = Box<dyn std::error::Error>;

    pub(in crate::access::anchor) fn claimed(from: &str, to: Option<&str>) -> Result<Anchor, Failed> {
        let arn = "arn:aws:aws-external-anthropic:us-west-2:111122223333:workspace/wrkspc_01Ab".to_owned();
        let wanted = AnchorRef { anchor_type: AnchorType::Workspace, arn };
        let workload = serde_json::from_value(json!({
            "id": "wkl_1", "spaceId": "spc_1", "name": "bot", "runtime": "lambda", "useCase": "operations-ai",
            "state": "active",
            "businessCase": {"valueType": "cost-saving", "annualBaseline": {"amount": "1", "currency": "USD"},
            "targetPercent": "1"},
        }))?;
        let claim: Claim = serde_json::from_value(json!({
            "id": "clm_1", "workloadId": "wkl_1", "spaceId": "spc_1", "from": from, "to": to, "claimedBy": "po",
            "claimedAt": "2026-08-10T09:00:00Z", "releasedBy": null, "releaseReason": null,
        }))?;
        let mut anchor = Anchor::found_in_bill(wanted.named()?.key_in_bill()?, &wanted, &workload);
        anchor.claims.push(claim);
        Ok(anchor)
    }

    #[test]
    fn a_day_is_claimed_under_one_record_of_a_workspace_only() -> Result<(), Failed> {
        let check = |twin: &Anchor, from: Date| check_twins([twin], from).map_err(|refusal| refusal.kind);
        let lasting = claimed("2026-08-10", None)?;
        assert_eq!(check(&lasting, date(2026, 8, 1)), Err(RefusalKind::ClaimOverlaps), "it would last into the other");
        assert_eq!(check(&lasting, date(2026, 9, 1)), Err(RefusalKind::ClaimOverlaps));
        let ended = claimed("2026-08-10", Some("2026-08-20"))?;
        assert_eq!(check(&ended, date(2026, 8, 19)), Err(RefusalKind::ClaimOverlaps));
        assert_eq!(check(&ended, date(2026, 8, 20)), Ok(()));
        assert_eq!(check_twins([], date(2026, 8, 1)), Ok(()));
        Ok(())
    }
}
