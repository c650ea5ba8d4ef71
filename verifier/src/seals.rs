//! Seals that are known: those that the export's own records tell, and those that were kept outside the table.

use std::collections::BTreeMap;

use anyhow::Context as _;
use domain::base::digest::Digest;
use jiff::civil::Date;
use serde_json::Value;

/// What is known of a day's seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaySeal {
    /// The seal.
    pub seal: Digest,
    /// The digest over the heads, where it was told.
    pub heads: Option<Digest>,
    /// The seal of the day before, where it was told.
    pub previous: Option<Digest>,
}

/// Seals by day.
#[derive(Debug, Clone, Default)]
pub struct Seals(BTreeMap<Date, DaySeal>);

impl Seals {
    /// Notes a seal of which only the digest was kept.
    pub fn add(&mut self, day: Date, seal: Digest) {
        self.0.insert(day, DaySeal { seal, heads: None, previous: None });
    }

    /// Reads seals, one JSON object a line: as the bucket has them, as the topic's events, or as lines of the log.
    ///
    /// # Errors
    /// When a line tells no seal.
    pub fn read(&mut self, text: &str) -> anyhow::Result<()> {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let told = serde_json::from_str(line).ok().and_then(|value| seal_in(&value));
            let (day, seal) = told.with_context(|| {
                format!("line {} of the seals tells none: it has to be an object with `day` and `seal`", number + 1)
            })?;
            self.0.insert(day, seal);
        }
        Ok(())
    }

    /// Those that records of the export tell.
    pub(crate) fn recorded(payloads: &[&String]) -> Self {
        let read = |payload: &&String| seal_in(&serde_json::from_str(payload).ok()?);
        Self(payloads.iter().filter_map(read).collect())
    }

    pub(crate) fn of(&self, day: Date) -> Option<&DaySeal> {
        self.0.get(&day)
    }
}

fn seal_in(value: &Value) -> Option<(Date, DaySeal)> {
    // An event has it in its payload; the log in its fields, under names of its own.
    let inner = value.get("payload").or_else(|| value.get("fields")).unwrap_or(value);
    let text = |names: [&str; 2]| names.iter().find_map(|name| inner.get(name)).and_then(Value::as_str);
    let digest = |names| text(names).and_then(|text| Digest::try_from(text.to_owned()).ok());
    let day = text(["day", "seal.day"])?.parse().ok()?;
    let seal = digest(["seal", "seal.digest"])?;
    let heads = digest(["heads", "seal.heads"]);
    let previous = digest(["previous", "seal.previous"]).filter(|_| heads.is_some());
    Some((day, DaySeal { seal, heads, previous }))
}
