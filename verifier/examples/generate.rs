//! `cargo run --release -p verifier --example generate -- RECORDS FILE`: writes an export to time the verifier with.
//! Things have five records each, over three days; every day but the last is sealed by a record of the next.

use std::io::{BufWriter, Write as _};

use anyhow::Context as _;
use domain::base::audit::seal::{Heads, Seal};
use domain::base::audit::{AuditEvent, By, Statement};
use domain::base::calendar::{next_day, start_of_day};
use domain::base::digest::{Digest, canonical_json};
use domain::base::people::Actor;
use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use serde_json::{Value, json};

const RECORDS_PER_THING: usize = 5;
const DAYS: usize = 30;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [records, path] = arguments.as_slice() else { anyhow::bail!("give how many records, and the file") };
    let things = records.parse::<usize>().context("how many records")? / RECORDS_PER_THING;
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    let mut days: Vec<Vec<AuditEvent>> = vec![Vec::new(); DAYS];
    for thing in 0..things {
        let mut last: Option<(u64, Digest)> = None;
        for n in 0..RECORDS_PER_THING {
            let day = (thing + n / 2) % (DAYS - 3) + n / 2;
            let event = task_event(thing, n, day_of(day), last);
            last = Some((event.sequence, event.hash.clone()));
            days.get_mut(day).context("a day")?.push(event);
        }
    }
    let mut previous: Option<Seal> = None;
    for (number, events) in days.iter().enumerate() {
        let mut heads = Heads::new();
        let sealed = previous.as_ref().map(|seal| seal_event(seal, day_of(number)));
        for event in events.iter().chain(&sealed) {
            heads.insert(event.aggregate.clone(), (event.id.clone(), event.hash.clone()));
            writeln!(file, "{}", canonical_json(event))?;
        }
        previous = Some(Seal::over(day_of(number), &heads, previous.map(|seal| seal.seal)));
    }
    Ok(file.flush()?)
}

fn day_of(number: usize) -> Date {
    std::iter::successors(Some(date(2026, 6, 1)), |day| Some(next_day(*day))).nth(number).unwrap_or(date(2026, 6, 1))
}

fn task_event(thing: usize, n: usize, day: Date, last: Option<(u64, Digest)>) -> AuditEvent {
    let id = format!("01J5Z0000000000000{thing:08}");
    let task = json!({
        "spaceId": "spc_01J5Z000000000000000000001", "workloadId": "wkl_01J5Z000000000000000000002",
        "approvalId": "apr_01J5Z000000000000000000003", "scopeId": format!("scp_{id}"), "taskId": format!("tsk_{id}-1"),
        "kind": "bedrock-role-policy", "title": "Put the policy for amazon.nova-lite-v1:0 on finops-ai-checkout",
        "accountId": "111122223333", "ready": null,
    });
    event("task.started", &format!("SCOPE#scp_{id}"), n, day, json!({ "task": task }), last)
}

fn seal_event(seal: &Seal, day: Date) -> AuditEvent {
    let payload = json!({
        "day": seal.day, "seal": seal.seal, "events": seal.aggregates, "heads": seal.heads, "previous": seal.previous,
    });
    event("audit.sealed", &format!("SEAL#{}", seal.day), 0, day, payload, None)
}

fn event(
    event_type: &str,
    aggregate: &str,
    n: usize,
    day: Date,
    payload: Value,
    last: Option<(u64, Digest)>,
) -> AuditEvent {
    let seconds = i64::try_from(n).unwrap_or(0).seconds();
    let statement = Statement {
        event_type,
        aggregate,
        at: start_of_day(day).saturating_add(seconds).unwrap_or_else(|_| start_of_day(day)),
        by: By::from(&Actor::system("generate")),
        request_id: "generated",
        why: None,
        before: last.as_ref().map(|(_, hash)| hash.clone()),
        after: Digest::of(&(aggregate, n)),
        payload,
    };
    AuditEvent::chained(statement, last)
}
