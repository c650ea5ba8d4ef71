//! Audit records as JSON lines, one a line, exactly as stored: `events/audit-export.md` says how they are verified
//! without the product.

use std::collections::BTreeMap;

use crate::spend::bill::reconciliation::Unreadable;

use super::file::Document;

/// The file, in the order given.
#[must_use]
pub fn render(records: &[String]) -> Document {
    let mut lines = String::new();
    for record in records {
        lines.push_str(record);
        lines.push('\n');
    }
    Document {
        bytes: lines.into_bytes(),
        extension: "jsonl",
        content_type: "application/x-ndjson",
        rows: u64::try_from(records.len()).unwrap_or(u64::MAX),
        control_totals: BTreeMap::new(),
        unreadable: Unreadable::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::audit::evidence::Walk;
    use crate::base::audit::{AuditEvent, By, Statement};
    use crate::base::digest::{Digest, canonical_json};
    use crate::base::people::Actor;
    use jiff::Timestamp;

    #[test]
    fn an_event_read_back_from_its_line_still_gives_its_hash() -> anyhow::Result<()> {
        let statement = Statement {
            event_type: "card.approved",
            aggregate: "CARD#crd_1",
            at: Timestamp::UNIX_EPOCH,
            by: By::from(&Actor::system("tests")),
            request_id: "r",
            why: Some("two\nlines".to_owned()),
            before: None,
            after: Digest::of_bytes(b"x"),
            payload: serde_json::json!({"amount": "1.10"}),
        };
        let document = render(&[canonical_json(&AuditEvent::chained(statement, None))]);
        let text = String::from_utf8(document.bytes)?;
        let events: Vec<AuditEvent> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        assert_eq!((events.len(), document.rows), (1, 1));
        let mut chain = Walk::of("CARD#crd_1");
        events.iter().for_each(|event| chain.add(event));
        assert_eq!(chain.broken(), None);
        Ok(())
    }
}
