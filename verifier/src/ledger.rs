//! What all threads have read, together: the chains as wholes, the days with their heads, and what there is to report.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use rayon::slice::ParallelSliceMut as _;

use crate::days::{DayFinding, Heads, Range, check_days};
use crate::part::{Part, Segment};
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

/// Puts together what the threads have read, and compares the chains and the days as wholes.
pub(crate) fn report(parts: &mut [Part], told: &Seals, range: Range) -> Report {
    let (names, numbers) = numbered(parts);
    let mut report = Report {
        records: parts.iter().map(|part| part.records).sum(),
        things: u64::try_from(names.len()).unwrap_or(u64::MAX),
        bad_lines: parts.iter().map(|part| part.bad_lines).sum(),
        ..Report::default()
    };
    compare_chains(parts, &numbers, &names, &mut report);
    let seals: Vec<&String> = parts.iter().flat_map(|part| &part.seals).collect();
    let days = parts.iter().flat_map(|part| part.days.keys().copied()).collect();
    let heads_of = |day: u32| heads_of(parts, &numbers, day);
    let checked = check_days(&names, days, heads_of, &Seals::recorded(&seals), told, range);
    (report.days, report.sealed, report.unsealed) = (checked.days, checked.sealed, checked.unsealed);
    report.seals = checked.findings;
    report.lines = bad_lines(parts);
    report
}

/// Looks at every chain as a whole. The number says the order of its segments, not the file: two records of one second
/// may be listed either way.
fn compare_chains(parts: &[Part], numbers: &[Vec<usize>], names: &[&str], report: &mut Report) {
    let mut segments: Vec<(usize, u64, &Segment)> = Vec::new();
    for (part, numbers) in parts.iter().zip(numbers) {
        let last = part.things.values().map(|met| &met.segment).enumerate();
        let all = last.chain(part.ended.iter().map(|(thing, segment)| (*thing, segment)));
        segments.extend(all.filter_map(|(thing, segment)| Some((*numbers.get(thing)?, segment.first, segment))));
    }
    segments.par_sort_by_key(|(number, first, _)| (*number, *first));
    for chain in segments.chunk_by(|(number, ..), (next, ..)| number == next) {
        report.begun_before += u64::from(chain.first().is_some_and(|(_, first, _)| *first > 1));
        let Some(what) = broken(chain.iter().map(|(.., segment)| *segment)) else { continue };
        report.broken_chains += 1;
        let name = chain.first().and_then(|(number, ..)| names.get(*number));
        if let Some(name) = name.filter(|_| report.chains.len() < NAMED_MAX) {
            report.chains.push(ChainFinding { aggregate: (*name).to_owned(), what });
        }
    }
}

/// The heads of a day, as far as each thread has them.
fn heads_of<'a>(parts: &'a [Part], numbers: &[Vec<usize>], day: u32) -> Heads<'a> {
    let of_part = |(part, numbers): (&'a Part, &Vec<usize>)| {
        let heads = part.days.get(&day).into_iter().flatten();
        heads.filter_map(|head| Some((*numbers.get(head.thing)?, head.sequence, &head.hash))).collect::<Heads<'a>>()
    };
    parts.iter().zip(numbers).flat_map(of_part).collect()
}

/// The names of all things, in their order; and for each part, the place of each of its things among them.
fn numbered(parts: &[Part]) -> (Vec<&str>, Vec<Vec<usize>>) {
    let mut things: Vec<(&str, usize, usize)> = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        things.extend(part.things.keys().enumerate().map(|(thing, name)| (name.as_ref(), number, thing)));
    }
    // As they were met, they are in order over long stretches: ids begin with the time.
    things.par_sort();
    let mut names: Vec<&str> = Vec::with_capacity(things.len());
    let mut numbers: Vec<Vec<usize>> = parts.iter().map(|part| vec![0; part.things.len()]).collect();
    for (name, part, thing) in things {
        if names.last() != Some(&name) {
            names.push(name);
        }
        if let Some(number) = numbers.get_mut(part).and_then(|numbers| numbers.get_mut(thing)) {
            *number = names.len() - 1;
        }
    }
    (names, numbers)
}

/// The lines that are wrong by themselves, by their number over all files.
fn bad_lines(parts: &mut [Part]) -> Vec<(u64, String)> {
    let starts = starts_of(&parts.iter().flat_map(|part| part.stretches.iter().copied()).collect());
    let bad = parts.iter_mut().flat_map(|part| std::mem::take(&mut part.bad));
    let mut lines: Vec<(u64, String)> =
        bad.map(|bad| (starts.get(&bad.stretch).unwrap_or(&0) + bad.line + 1, bad.what)).collect();
    lines.sort();
    lines.truncate(NAMED_MAX);
    lines
}

/// The first line of each stretch, over all files.
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
fn broken<'a>(mut chain: impl Iterator<Item = &'a Segment>) -> Option<String> {
    let mut whole = chain.next()?.clone();
    if (whole.first == 1) != whole.previous.is_none() || whole.first == 0 {
        return Some(format!("event {} is the first here, and its link to the one before does not fit", whole.first));
    }
    let gap = chain.find(|segment| !whole.joins(segment))?;
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
