//! An export with every kind of tampering, before the verifier that knows nothing but the files and the seals.

use std::path::PathBuf;

use domain::base::audit::seal::{Heads, Seal};
use domain::base::audit::{AuditEvent, By, Statement};
use domain::base::digest::{Digest, canonical_json};
use domain::base::people::Actor;
use jiff::civil::{Date, date};
use serde_json::{Value, json};
use verifier::{Range, Report, Seals, verify};

const MONDAY: Date = date(2026, 8, 24);

/// Two days of records of three things; Monday is sealed by a record of Tuesday, and Tuesday by nothing in the export.
struct Export {
    events: Vec<AuditEvent>,
    tuesday: Seal,
}

impl Export {
    fn new() -> Self {
        let mut events: Vec<AuditEvent> = Vec::new();
        for (thing, days) in [("A#1", [24, 24, 25]), ("B#1", [24, 25, 25]), ("C#1", [24, 24, 24])] {
            let mut last: Option<(u64, Digest)> = None;
            for (n, day) in days.into_iter().enumerate() {
                let at = format!("2026-08-{day}T07:00:0{n}Z");
                events.push(event(thing, "thing.changed", &at, json!({ "n": n }), last));
                last = events.last().map(|event| (event.sequence, event.hash.clone()));
            }
        }
        let monday = Seal::over(MONDAY, &heads(&events, "2026-08-24"), None);
        let payload =
            json!({ "day": MONDAY, "seal": monday.seal, "events": 3, "heads": monday.heads, "previous": null });
        events.push(event("SEAL#2026-08-24", "audit.sealed", "2026-08-25T00:10:00Z", payload, None));
        let tuesday = Seal::over(date(2026, 8, 25), &heads(&events, "2026-08-25"), Some(monday.seal));
        Self { events, tuesday }
    }

    fn told(&self) -> Seals {
        let mut told = Seals::default();
        told.add(self.tuesday.day, self.tuesday.seal.clone());
        told
    }
}

fn event(thing: &str, kind: &str, at: &str, payload: Value, last: Option<(u64, Digest)>) -> AuditEvent {
    let statement = Statement {
        event_type: kind,
        aggregate: thing,
        at: at.parse().unwrap_or_default(),
        by: By::from(&Actor::system("tests")),
        request_id: "r",
        why: None,
        before: None,
        after: Digest::of(&payload),
        payload,
    };
    AuditEvent::chained(statement, last)
}

fn heads(events: &[AuditEvent], day: &str) -> Heads {
    let of_day = events.iter().filter(|event| event.at.to_string().starts_with(day));
    of_day.map(|event| (event.aggregate.clone(), (event.id.clone(), event.hash.clone()))).collect()
}

fn report(events: &[AuditEvent], told: &Seals) -> anyhow::Result<Report> {
    let lines: String = events.iter().map(|event| canonical_json(event) + "\n").collect();
    report_of(&lines, told)
}

fn report_of(lines: &str, told: &Seals) -> anyhow::Result<Report> {
    // Named by what it holds, so that no two tests write one file.
    let name = format!("verifier-{}-{}.jsonl", std::process::id(), Digest::of_bytes(lines.as_bytes()).hex());
    let path: PathBuf = std::env::temp_dir().join(name);
    std::fs::write(&path, lines)?;
    let report = verify(std::slice::from_ref(&path), told, Range::default());
    std::fs::remove_file(path)?;
    report
}

#[test]
fn a_whole_export_verifies_and_says_what_it_cannot_know() -> anyhow::Result<()> {
    let export = Export::new();
    let found = report(&export.events, &export.told())?;
    assert!(found.is_verified(), "{found}");
    assert_eq!((found.records, found.things, found.days, found.sealed), (10, 4, 2, 2));
    let alone = report(&export.events, &Seals::default())?;
    assert!(alone.is_verified() && alone.unsealed == [date(2026, 8, 25)], "{alone}");
    let mut shuffled = export.events.clone();
    shuffled.reverse();
    assert!(report(&shuffled, &export.told())?.is_verified(), "the number says the order, not the file");
    let later: Vec<AuditEvent> =
        export.events.iter().filter(|e| e.at.to_string().as_str() > "2026-08-25").cloned().collect();
    let later = report(&later, &export.told())?;
    assert!(later.is_verified() && later.begun_before == 2, "{later}");
    assert!(!report(&[], &Seals::default())?.is_verified(), "nothing is not verified");
    let beheaded = report(export.events.get(1..).unwrap_or_default(), &export.told())?;
    assert_eq!(
        (beheaded.is_verified(), beheaded.begun_before),
        (true, 1),
        "as for a thing that is older than the export"
    );
    Ok(())
}

/// Monday never had the last thing, by its records and by its seal.
fn forget_a_thing(e: &mut Vec<AuditEvent>) {
    drop(e.drain(6..9));
    let monday = Seal::over(MONDAY, &heads(e, "2026-08-24"), None);
    for sealing in e.iter_mut().filter(|event| event.event_type == "audit.sealed") {
        sealing.payload =
            json!({ "day": MONDAY, "seal": monday.seal, "events": 2, "heads": monday.heads, "previous": null });
        sealing.hash = sealing.computed_hash();
    }
}

#[test]
fn every_kind_of_tampering_with_an_export_is_found() -> anyhow::Result<()> {
    type Tamper = fn(&mut Vec<AuditEvent>);
    let tampers: &[(&str, Tamper, &str)] = &[
        ("changed", |e| e[1].why = Some("forged".to_owned()), "line 2: event 2 of `A#1` was altered"),
        ("dropped", |e| drop(e.remove(1)), "`A#1`: event 3 does not follow"),
        ("tail dropped", |e| drop(e.remove(2)), "2026-08-25: the day's events are not those"),
        ("a thing dropped", |e| drop(e.drain(6..9)), "2026-08-24: the day's events are not those"),
        ("doubled", |e| e.push(e[4].clone()), "`B#1`: event 2 does not follow"),
        (
            "the last rewritten and rehashed",
            |e| {
                e[8].payload = json!("forged");
                e[8].hash = e[8].computed_hash();
            },
            "2026-08-24: the day's events are not those",
        ),
        (
            "a thing dropped and the seal rewritten with it",
            forget_a_thing,
            "2026-08-25: the day's events are not those",
        ),
        (
            "one rewritten and rehashed",
            |e| {
                e[1].payload = json!("forged");
                e[1].hash = e[1].computed_hash();
            },
            "`A#1`: event 3 does not follow",
        ),
        (
            "the beginning dropped, and what is left cut off from it",
            |e| {
                drop(e.drain(6..8));
                e[6].previous = None;
                e[6].hash = e[6].computed_hash();
            },
            "`C#1`: event 3 is the first here, and its link to the one before does not fit",
        ),
        ("the seal dropped", |e| drop(e.remove(9)), "2026-08-25: the day's events are not those"),
    ];
    for (what, tamper, words) in tampers {
        let export = Export::new();
        let mut events = export.events.clone();
        tamper(&mut events);
        let found = report(&events, &export.told())?;
        assert!(!found.is_verified(), "{what}: {found}");
        assert!(found.to_string().contains(words), "{what}: {found}");
    }
    Ok(())
}

#[test]
fn a_seal_that_the_export_has_otherwise_than_it_was_told_is_found() -> anyhow::Result<()> {
    let Export { mut events, tuesday } = Export::new();
    forget_a_thing(&mut events);
    assert!(report(&events, &Seals::default())?.is_verified(), "it fits in itself");
    let mut told = Seals::default();
    tuesday.previous.into_iter().for_each(|monday| told.add(MONDAY, monday));
    let found = report(&events, &told)?;
    assert!(found.to_string().contains("2026-08-24: the seal is not the one that was told"), "{found}");
    assert!(!found.is_verified());
    Ok(())
}

#[test]
fn seals_are_read_as_the_bucket_the_topic_and_the_log_have_them() -> anyhow::Result<()> {
    let export = Export::new();
    let Seal { day, seal, .. } = &export.tuesday;
    for told in [
        canonical_json(&export.tuesday),
        json!({ "type": "audit.sealed", "payload": { "day": day, "seal": seal } }).to_string(),
        json!({ "level": "INFO", "fields": { "message": "day sealed", "seal.day": day, "seal.digest": seal } })
            .to_string(),
    ] {
        let mut seals = Seals::default();
        seals.read(&told)?;
        let found = report(&export.events, &seals)?;
        assert_eq!((found.is_verified(), found.sealed), (true, 2), "{told}: {found}");
    }
    assert!(Seals::default().read("{\"day\":\"2026-08-25\"}").is_err());
    Ok(())
}

#[test]
fn what_is_no_record_is_broken_by_its_line() -> anyhow::Result<()> {
    let export = Export::new();
    let lines: String = export.events.iter().map(|event| canonical_json(event) + "\r\n").collect();
    assert!(report_of(&lines, &export.told())?.is_verified(), "with the line ends of another system");
    let found = report_of(&format!("{lines}\n{{\"half\": "), &export.told())?;
    assert!(found.to_string().contains("line 12: this is no record"), "{found}");
    Ok(())
}
