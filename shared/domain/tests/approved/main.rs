//! No over-grant and no under-grant: compiled documents against the approvals' own words, over enumerated calls.
//!
//! `examples/policy_cases.rs` writes the same cases out for an evaluator that nobody here wrote.

mod calls;
mod cases;
mod meaning;
mod pool;

use domain::access::policy::document::Document;
use domain::access::policy::evaluate;

/// Calls that the enumeration holds at least.
const ASKED_MIN: usize = 100_000;

#[test]
fn no_over_grant_and_no_under_grant_in_any_situation() -> anyhow::Result<()> {
    let mut asked = 0;
    for case in cases::cases()? {
        for (call, expected) in calls::calls(&case.principal).iter().zip(&case.expected) {
            let request = call.request();
            let says = |document: &Document| evaluate(document, &request);
            let blocked = case.organisation_deny.as_ref().is_some_and(|d| is_denied(&says(d)));
            let allowed = case.document.as_ref().is_some_and(|d| says(d).is_allowed()) && !blocked;
            assert_eq!(allowed, *expected, "{call:?} with {}", case.name);
            asked += 1;
        }
    }
    assert!(asked >= ASKED_MIN, "only {asked} calls were asked");
    Ok(())
}

const fn is_denied(decision: &evaluate::Decision) -> bool {
    matches!(decision, evaluate::Decision::Denied(_))
}
