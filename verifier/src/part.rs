//! What one thread has read: each line verified by itself, and as much of each chain as came to it in a row.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use crate::line::Record;
use crate::pair::Hash;
use crate::pair::Pair;

/// Findings about lines that a thread keeps: enough to see what kind of thing is wrong.
const FINDINGS_MAX: usize = 100;

/// Records of one thing that follow one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) first: u64,
    pub(crate) previous: Option<Hash>,
    pub(crate) last: u64,
    pub(crate) hash: Hash,
}

impl Segment {
    /// Takes what follows; answers whether it did.
    pub(crate) fn joins(&mut self, next: &Self) -> bool {
        let follows = next.first == self.last + 1 && next.previous == Some(self.hash);
        if follows {
            (self.last, self.hash) = (next.last, next.hash);
        }
        follows
    }
}

/// The last record of a day of one thing, as far as a thread has it.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) thing: usize,
    pub(crate) sequence: u64,
    pub(crate) hash: Hash,
}

/// A line that is wrong by itself.
#[derive(Debug, Clone)]
pub(crate) struct BadLine {
    pub(crate) stretch: usize,
    /// Within the stretch, from 0.
    pub(crate) line: u64,
    pub(crate) what: String,
}

/// A thing as it was last met. It stands beside the thing's name, so that a record finds all that it is compared with
/// in one place of memory.
#[derive(Debug)]
pub(crate) struct Met {
    /// Its last records that follow one another.
    pub(crate) segment: Segment,
    /// The day of its last record, and its head among those of that day.
    day: u32,
    head: usize,
}

/// What one thread has read so far; things are numbered as they are met.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) records: u64,
    /// Room for the lines that are hashed together.
    pair: Pair,
    pub(crate) things: IndexMap<Box<str>, Met, RandomState>,
    /// Segments that the next record of their thing did not follow.
    pub(crate) ended: Vec<(usize, Segment)>,
    /// The heads of each day, by its number `yyyymmdd`.
    pub(crate) days: BTreeMap<u32, Vec<Head>>,
    pub(crate) seals: Vec<String>,
    pub(crate) bad: Vec<BadLine>,
    pub(crate) bad_lines: u64,
    /// The stretches and how many lines each has.
    pub(crate) stretches: Vec<(usize, u64)>,
}

impl Part {
    /// Verifies whole lines, the next ones of the stretch that has this number.
    pub(crate) fn take(&mut self, stretch: usize, lines: &[u8]) {
        let mut number = match self.stretches.pop_if(|(last, _)| *last == stretch) {
            Some((_, lines)) => lines,
            None => 0,
        };
        let mut lines = lines_of(lines);
        while let Some(line) = lines.next() {
            let other = lines.next();
            let read = Record::read_two(line, other.unwrap_or_default(), &mut self.pair);
            for (line, record) in [Some(line), other].into_iter().flatten().zip(read) {
                let what = match record {
                    Some(record) => self.add(record),
                    None if line.is_empty() => None,
                    None => Some("this is no record of the audit log".to_owned()),
                };
                if let Some(what) = what {
                    self.note(BadLine { stretch, line: number, what });
                }
                number += 1;
            }
        }
        self.stretches.push((stretch, number));
    }

    /// Adds a record; answers what is wrong with it by itself.
    fn add(&mut self, record: Record<'_>) -> Option<String> {
        let Record { aggregate, sequence, previous, day, hash, is_intact, seal } = record;
        self.records += 1;
        self.seals.extend(seal.map(Cow::into_owned));
        let segment = Segment { first: sequence, previous, last: sequence, hash };
        let heads = self.days.entry(day).or_default();
        if let Some((thing, _, met)) = self.things.get_full_mut(aggregate.as_ref()) {
            if !met.segment.joins(&segment) {
                self.ended.push((thing, mem::replace(&mut met.segment, segment)));
            }
            match heads.get_mut(met.head) {
                Some(head) if met.day == day => {
                    if head.sequence < sequence {
                        (head.sequence, head.hash) = (sequence, hash);
                    }
                }
                _ => {
                    (met.day, met.head) = (day, heads.len());
                    heads.push(Head { thing, sequence, hash });
                }
            }
        } else {
            let met = Met { segment, day, head: heads.len() };
            heads.push(Head { thing: self.things.len(), sequence, hash });
            self.things.insert(aggregate.as_ref().into(), met);
        }
        let altered = || format!("event {sequence} of `{aggregate}` was altered: its content does not give its hash");
        (!is_intact).then(altered)
    }

    fn note(&mut self, bad: BadLine) {
        self.bad_lines += 1;
        if self.bad.len() < FINDINGS_MAX {
            self.bad.push(bad);
        }
    }
}

/// The lines of a text, without what ends them.
fn lines_of(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}
