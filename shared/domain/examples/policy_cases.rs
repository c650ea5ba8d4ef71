//! Writes the enumerated calls, the compiled documents and what the approvals say to each call, as one JSON document on
//! stdout: `cargo run -p domain --example policy_cases`. `.ci/iam/check.mjs` asks an independent evaluator the same.

#[path = "../tests/approved/calls.rs"]
mod calls;
#[path = "../tests/approved/cases.rs"]
mod cases;
#[path = "../tests/approved/meaning.rs"]
mod meaning;
#[path = "../tests/approved/pool.rs"]
mod pool;

use std::io::Write as _;

use serde_json::{Value, json};

fn main() -> anyhow::Result<()> {
    let cases = cases::cases()?;
    // Calls are the same for every principal but for who asks.
    let calls: Vec<Value> = calls::calls("").iter().map(|call| json!(call.request())).collect();
    let cases: Vec<Value> = cases
        .iter()
        .map(|case| {
            let expected: String = case.expected.iter().map(|permitted| if *permitted { '1' } else { '0' }).collect();
            json!({
                "name": case.name,
                "principal": case.principal,
                "document": case.document,
                "organisationDeny": case.organisation_deny,
                "expected": expected,
            })
        })
        .collect();
    writeln!(std::io::stdout().lock(), "{}", json!({ "calls": calls, "cases": cases }))?;
    Ok(())
}
