//! What the tables' requests consume, by the engine's own count, while somebody wants to know.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Deserialize;
use serde_json::Value;

/// Operations that answer with the capacity that they consumed, when asked.
const READS: [&str; 4] = ["GetItem", "BatchGetItem", "Query", "TransactGetItems"];
const WRITES: [&str; 5] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];

/// A unit's parts: capacities come in halves.
const PARTS: f64 = 2.0;

/// Counts capacity units.
#[derive(Debug, Default)]
pub struct Meter {
    is_on: AtomicBool,
    read_parts: AtomicU64,
    write_parts: AtomicU64,
    write_requests: AtomicU64,
}

/// What an answer says of it.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "ConsumedCapacity")]
    consumed: Option<Value>,
}

/// What was consumed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Consumed {
    /// Read capacity units.
    pub read_units: f64,
    /// Write capacity units.
    pub write_units: f64,
    /// Requests that write.
    pub write_requests: u64,
}

impl Meter {
    /// Begins to count, from zero.
    pub fn begin(&self) {
        for count in [&self.read_parts, &self.write_parts, &self.write_requests] {
            count.store(0, Ordering::SeqCst);
        }
        self.is_on.store(true, Ordering::SeqCst);
    }

    /// What was consumed since it began.
    #[must_use]
    pub fn read(&self) -> Consumed {
        #[expect(clippy::cast_precision_loss, reason = "counts of a bench stay far below 2^53")]
        let units = |parts: &AtomicU64| parts.load(Ordering::SeqCst) as f64 / PARTS;
        Consumed {
            read_units: units(&self.read_parts),
            write_units: units(&self.write_parts),
            write_requests: self.write_requests.load(Ordering::SeqCst),
        }
    }

    /// The request as it asks for the capacity too, while the meter counts.
    pub(super) fn asking(&self, operation: &str, body: &[u8]) -> Option<Vec<u8>> {
        if !self.is_on.load(Ordering::SeqCst) || !(READS.contains(&operation) || WRITES.contains(&operation)) {
            return None;
        }
        // No request names it: the product has no use for it.
        let rest = body.strip_prefix(b"{")?;
        let comma: &[u8] = if rest.starts_with(b"}") { b"" } else { b"," };
        Some([br#"{"ReturnConsumedCapacity":"TOTAL""#.as_slice(), comma, rest].concat())
    }

    /// Counts what an answer says.
    pub(super) fn count(&self, operation: &str, answer: &str) {
        let Ok(Answer { consumed }) = serde_json::from_str(answer) else { return };
        let each = match consumed {
            Some(Value::Array(each)) => each,
            one => one.into_iter().collect(),
        };
        let units: f64 = each.iter().filter_map(|one| one.get("CapacityUnits")?.as_f64()).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of halves")]
        let parts = (units * PARTS).round() as u64;
        let counted = if WRITES.contains(&operation) { &self.write_parts } else { &self.read_parts };
        counted.fetch_add(parts, Ordering::SeqCst);
        self.write_requests.fetch_add(u64::from(WRITES.contains(&operation)), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_added_by_kind_and_only_while_it_counts() {
        let meter = Meter::default();
        assert!(meter.asking("GetItem", b"{}").is_none());
        meter.begin();
        let asked = meter.asking("GetItem", br#"{"TableName":"t"}"#).unwrap_or_default();
        assert_eq!(asked, br#"{"ReturnConsumedCapacity":"TOTAL","TableName":"t"}"#);
        assert!(meter.asking("GetItem", b"{}").is_some() && meter.asking("CreateTable", b"{}").is_none());
        meter.count("Query", r#"{"ConsumedCapacity":{"CapacityUnits":1.5}}"#);
        meter.count("TransactWriteItems", r#"{"ConsumedCapacity":[{"CapacityUnits":4.0},{"CapacityUnits":2.0}]}"#);
        meter.count("PutItem", "{}");
        assert_eq!(meter.read(), Consumed { read_units: 1.5, write_units: 6.0, write_requests: 2 });
    }
}
