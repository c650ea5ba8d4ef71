//! A block of lines, verified by itself: each line, and as much of each chain as the block holds in a row.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::line::{Hash, Record};

/// Findings about lines that are kept of one block: enough to see what kind of thing is wrong.
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

/// The last record of a day of one thing, as far as a block has it.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) thing: usize,
    pub(crate) day: u32,
    pub(crate) sequence: u64,
    pub(crate) hash: Hash,
}

/// A line that is wrong by itself.
#[derive(Debug, Clone)]
pub(crate) struct BadLine {
    /// Within the block, from 0.
    pub(crate) line: u64,
    pub(crate) what: String,
}

/// What a block holds; things by their place in `names`.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) lines: u64,
    pub(crate) records: u64,
    pub(crate) names: Vec<Box<str>>,
    pub(crate) segments: Vec<(usize, Segment)>,
    pub(crate) heads: Vec<Head>,
    pub(crate) seals: Vec<String>,
    pub(crate) bad: Vec<BadLine>,
    pub(crate) bad_lines: u64,
}

/// Where a thing was last met in a block.
struct Met {
    thing: usize,
    segment: usize,
    head: usize,
}

impl Part {
    /// Verifies a block of whole lines.
    pub(crate) fn of(block: &[u8]) -> Self {
        let mut part = Self::default();
        let mut met: HashMap<Cow<'_, str>, Met> = HashMap::new();
        let mut rest = block;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match Record::read(line) {
                Some(record) => part.add(record, &mut met),
                None if line.is_empty() => {}
                None => part.note("this is no record of the audit log".to_owned()),
            }
            part.lines += 1;
        }
        part
    }

    fn add<'a>(&mut self, record: Record<'a>, met: &mut HashMap<Cow<'a, str>, Met>) {
        let Record { aggregate, sequence, previous, day, hash, is_intact, seal } = record;
        self.records += 1;
        self.seals.extend(seal.map(Cow::into_owned));
        if !is_intact {
            self.note(format!("event {sequence} of `{aggregate}` was altered: its content does not give its hash"));
        }
        let segment = Segment { first: sequence, previous, last: sequence, hash };
        let Some(met) = met.get_mut(&aggregate) else {
            let thing = self.names.len();
            let at = Met { thing, segment: self.segments.len(), head: self.heads.len() };
            self.names.push(aggregate.as_ref().into());
            self.segments.push((thing, segment));
            self.heads.push(Head { thing, day, sequence, hash });
            met.insert(aggregate, at);
            return;
        };
        if !self.segments.get_mut(met.segment).is_some_and(|(_, last)| last.joins(&segment)) {
            met.segment = self.segments.len();
            self.segments.push((met.thing, segment));
        }
        match self.heads.get_mut(met.head) {
            Some(head) if head.day == day => {
                if head.sequence < sequence {
                    (head.sequence, head.hash) = (sequence, hash);
                }
            }
            _ => {
                met.head = self.heads.len();
                self.heads.push(Head { thing: met.thing, day, sequence, hash });
            }
        }
    }

    fn note(&mut self, what: String) {
        self.bad_lines += 1;
        if self.bad.len() < FINDINGS_MAX {
            self.bad.push(BadLine { line: self.lines, what });
        }
    }
}
