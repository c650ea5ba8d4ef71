//! All blocks together: the chains as wholes, the days with their heads, and what there is to report.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use jiff::civil::Date;

use crate::days::{DayFinding, Heads, check_days};
use crate::part::{Part, Segment};
use crate::read::Range;
use crate::seals::Seals;

/// Findings of one kind that a report names one by one.
const NAMED_MAX: usize = 100;

/// Something that is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainFinding {
    /// The thing, as events name it.
    pub aggregate: String,
    /// What is wrong with its chain.
    pub what: String,
}

/// What a verification found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Records looked at.
    pub records: u64,
    /// Things that they are of.
    pub things: u64,
    /// Things whose chains begin before the export does: what came before is not in it.
    pub begun_before: u64,
    /// Days that the export has or that it was to have.
    pub days: u64,
    /// Days whose seal is known and fits.
    pub sealed: u64,
    /// Days of which no seal is known: what was dropped as a whole on them goes unseen.
    pub unsealed: Vec<Date>,
    /// Lines that are wrong by themselves, by their number over all files.
    pub lines: Vec<(u64, String)>,
    /// How many lines are wrong; `lines` names the first.
    pub bad_lines: u64,
    /// Chains that are broken.
    pub chains: Vec<ChainFinding>,
    /// How many chains are broken; `chains` names the first.
    pub broken_chains: u64,
    /// Days whose seals do not fit.
    pub seals: Vec<DayFinding>,
}

impl Report {
    /// Whether nothing is broken, and something was there to be verified.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.records > 0 && self.bad_lines == 0 && self.broken_chains == 0 && self.seals.is_empty()
    }
}

/// The parts that came in so far.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    ids: HashMap<Box<str>, usize>,
    chains: Vec<Vec<Segment>>,
    days: BTreeMap<u32, Heads>,
    lines_of_parts: BTreeMap<usize, u64>,
    bad: Vec<(usize, u64, String)>,
    report: Report,
    seals: Vec<String>,
}

impl Ledger {
    /// Takes the part of the block with this number.
    pub(crate) fn add(&mut self, number: usize, part: Part) {
        self.report.records += part.records;
        self.report.bad_lines += part.bad_lines;
        self.lines_of_parts.insert(number, part.lines);
        self.bad.extend(part.bad.into_iter().map(|bad| (number, bad.line, bad.what)));
        self.seals.extend(part.seals);
        let mut ids = Vec::with_capacity(part.names.len());
        for name in part.names {
            let next = self.chains.len();
            let id = *self.ids.entry(name).or_insert(next);
            if id == next {
                self.chains.push(Vec::with_capacity(1));
            }
            ids.push(id);
        }
        for (thing, segment) in part.segments {
            let chain = ids.get(thing).and_then(|id| self.chains.get_mut(*id));
            let Some(chain) = chain else { continue };
            if !chain.last_mut().is_some_and(|last| last.joins(&segment)) {
                chain.push(segment);
            }
        }
        for head in part.heads {
            if let Some(id) = ids.get(head.thing) {
                self.days.entry(head.day).or_default().push((*id, head.sequence, head.hash));
            }
        }
    }

    /// Compares the chains and the days as wholes.
    pub(crate) fn finish(mut self, told: &Seals, range: Range) -> Report {
        let mut names: Vec<&str> = vec![""; self.chains.len()];
        for (name, id) in &self.ids {
            if let Some(place) = names.get_mut(*id) {
                *place = name;
            }
        }
        self.report.things = u64::try_from(names.len()).unwrap_or(u64::MAX);
        for (name, chain) in names.iter().zip(&mut self.chains) {
            // The number says the order, not the file: two records of one second may be listed either way.
            chain.sort_by_key(|segment| segment.first);
            let begins_before = chain.first().is_some_and(|first| first.first > 1);
            self.report.begun_before += u64::from(begins_before);
            if let Some(what) = broken(chain) {
                self.report.broken_chains += 1;
                if self.report.chains.len() < NAMED_MAX {
                    self.report.chains.push(ChainFinding { aggregate: (*name).to_owned(), what });
                }
            }
        }
        let recorded = Seals::recorded(&self.seals);
        let checked = check_days(&names, self.days, &recorded, told, range);
        self.report.days = checked.days;
        self.report.sealed = checked.sealed;
        self.report.unsealed = checked.unsealed;
        self.report.seals = checked.findings;
        let starts = starts_of(&self.lines_of_parts);
        let numbered = |(part, line, what): (usize, u64, String)| (starts.get(&part).unwrap_or(&0) + line + 1, what);
        self.report.lines = self.bad.into_iter().map(numbered).collect();
        self.report.lines.sort();
        self.report.lines.truncate(NAMED_MAX);
        self.report
    }
}

/// The first line of each block, over all files.
fn starts_of(lines: &BTreeMap<usize, u64>) -> BTreeMap<usize, u64> {
    let mut next = 0;
    let start = |(number, lines): (&usize, &u64)| {
        let start = next;
        next += lines;
        (*number, start)
    };
    lines.iter().map(start).collect()
}

/// What is wrong with a chain whose segments are in order.
fn broken(chain: &mut [Segment]) -> Option<String> {
    let (first, rest) = chain.split_first_mut()?;
    if (first.first == 1) != first.previous.is_none() || first.first == 0 {
        return Some(format!("event {} is the first here, and its link to the one before does not fit", first.first));
    }
    let gap = rest.iter().find(|segment| !first.joins(segment))?;
    Some(format!("event {} does not follow the one before it: one was removed, added or reordered", gap.first))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, things, begun_before, days, sealed, unsealed, .. } = self;
        writeln!(f, "{records} records of {things} things on {days} days")?;
        if *begun_before > 0 {
            writeln!(f, "{begun_before} things have records from before, which are not here")?;
        }
        writeln!(f, "{sealed} days fit their seals")?;
        if let (Some(first), Some(last)) = (unsealed.first(), unsealed.last()) {
            let count = unsealed.len();
            writeln!(f, "{count} days have no seal that is known here, from {first} to {last}:")?;
            writeln!(f, "  what was dropped from them as a whole, or rewritten from some event on, goes unseen;")?;
            writeln!(f, "  give their seals with --seal or --seals")?;
        }
        for (line, what) in &self.lines {
            writeln!(f, "broken: line {line}: {what}")?;
        }
        for ChainFinding { aggregate, what } in &self.chains {
            writeln!(f, "broken: `{aggregate}`: {what}")?;
        }
        for DayFinding { day, what } in &self.seals {
            writeln!(f, "broken: {day}: {what}")?;
        }
        let named = self.lines.len() + self.chains.len();
        let all = self.bad_lines + self.broken_chains;
        if u64::try_from(named).is_ok_and(|named| named < all) {
            writeln!(f, "… {all} lines and chains are broken in all")?;
        }
        let verdict = if self.is_verified() {
            "verified"
        } else if *records == 0 {
            "not verified: there is no record"
        } else {
            "not verified"
        };
        write!(f, "{verdict}")
    }
}
