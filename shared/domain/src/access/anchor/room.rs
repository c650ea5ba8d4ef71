//! How many claims an anchor may have had.

use super::Anchor;
use crate::base::outcome::{Refusal, RefusalKind};

/// Claims that an anchor may have had: all of them are in one item of 400 KB, since each day's spend goes to who held
/// the claim that day.
pub const CLAIMS_MAX: usize = 400;

/// Whether the anchor can be claimed once more.
///
/// # Errors
/// [`RefusalKind::LimitExceeded`] after [`CLAIMS_MAX`] claims.
pub(super) fn check_room(anchor: &Anchor) -> Result<(), Refusal> {
    if anchor.claims.len() < CLAIMS_MAX {
        return Ok(());
    }
    let detail = format!(
        "the anchor has had {CLAIMS_MAX} claims, the most it may have; ask for access under a role or workspace of \
         another name and claim that"
    );
    Err(Refusal::new(RefusalKind::LimitExceeded, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::anchor::twins::tests::claimed;

    #[test]
    fn an_anchor_that_has_had_all_its_claims_is_claimed_no_more_and_says_so() -> Result<(), Box<dyn std::error::Error>>
    {
        let mut anchor = claimed("2026-08-10", Some("2026-08-20"))?;
        let claim = anchor.claims.first().cloned().ok_or("a claim")?;
        anchor.claims = vec![claim.clone(); CLAIMS_MAX - 1];
        assert_eq!(check_room(&anchor), Ok(()));
        anchor.claims.push(claim);
        let refused = check_room(&anchor).err().ok_or("it has room")?;
        assert_eq!(refused.kind, RefusalKind::LimitExceeded);
        assert!(refused.detail.contains("400 claims"));
        Ok(())
    }
}
