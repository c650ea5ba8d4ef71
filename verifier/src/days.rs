//! Days: the heads of each, and whether they give the seals that are known of it.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io::Write as _;

use domain::base::audit::seal::{BrokenSeal, Seal, SealSeen, check_seal, seal_digest};
use domain::base::calendar::{next_day, previous_day};
use domain::base::digest::Digest;
use domain::base::ids::EventId;
use jiff::Timestamp;
use jiff::civil::Date;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use sha2::{Digest as _, Sha256};

use crate::line::digest_text;
use crate::pair::Hash;
use crate::seals::{DaySeal, Seals};

/// Bytes of heads that are digested at once: few enough for a core's own cache.
const TEXT_BYTES: usize = 32 * 1024;

/// The heads of a day: a thing by its place in the order of names, the number of its record, its hash. A thing may be
/// in it more than once; the highest counts.
pub(crate) type Heads<'a> = Vec<(usize, u64, &'a Hash)>;

/// The days that an export was to hold, where that is more than it does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Range {
    /// The first.
    pub from: Option<Date>,
    /// The last.
    pub to: Option<Date>,
}

/// Something that is wrong with a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayFinding {
    /// The day.
    pub day: Date,
    /// What is wrong with it.
    pub what: String,
}

/// What the days came to.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) days: u64,
    pub(crate) sealed: u64,
    pub(crate) unsealed: Vec<Date>,
    pub(crate) findings: Vec<DayFinding>,
}

/// Compares every day from the first to the last, the empty ones included, with the seals that the records tell and
/// with those that were kept outside.
pub(crate) fn check_days<'a>(
    names: &[&str],
    mut found: BTreeSet<u32>,
    heads_of: impl Fn(u32) -> Heads<'a> + Sync,
    recorded: &Seals,
    told: &Seals,
    range: Range,
) -> Checked {
    let mut checked = Checked::default();
    let read = |day: &u32| date_of(*day);
    let first = range.from.into_iter().chain(found.first().and_then(read)).min();
    let last = range.to.into_iter().chain(found.last().and_then(read)).max();
    let (Some(first), Some(last)) = (first, last) else { return checked };
    let mut days: Vec<Date> = Vec::new();
    let mut day = first;
    while day <= last && checked.days < 100_000 {
        found.remove(&number_of(day));
        days.push(day);
        checked.days += 1;
        day = next_day(day);
    }
    for unreal in found {
        let what = format!("records are dated {unreal}, which is no day");
        checked.findings.push(DayFinding { day: first, what });
    }
    let digests: Vec<(Date, Digest)> =
        days.into_par_iter().map(|day| (day, digest_of(names, heads_of(number_of(day))))).collect();
    for (day, heads) in digests {
        match judge(day, &heads, recorded, told) {
            None => checked.unsealed.push(day),
            Some(broken) if broken.is_empty() => checked.sealed += 1,
            Some(broken) => {
                let findings = broken.into_iter().map(|what| DayFinding { day, what: what.to_string() });
                checked.findings.extend(findings);
            }
        }
    }
    checked
}

/// What is wrong with a day's seal; none if no seal of it is known.
fn judge(day: Date, heads: &Digest, recorded: &Seals, told: &Seals) -> Option<Vec<BrokenSeal>> {
    let known = |day: Date| recorded.of(day).or_else(|| told.of(day));
    let stored = known(day)?;
    let before = known(previous_day(day));
    let whole = |day: Date, known: &DaySeal| Seal {
        day,
        seal: known.seal.clone(),
        aggregates: 0,
        heads: known.heads.clone(),
        previous: known.previous.clone(),
    };
    let mut seal = whole(day, stored);
    if seal.heads.is_none() && seal.seal != *heads {
        // All that is known of it is the digest, as an anchor is written down: it covers these heads, or others.
        let previous = before.map(|before| before.seal.clone());
        for previous in [previous, None] {
            if seal_digest(day, heads, previous.as_ref()) == seal.seal {
                seal = Seal { heads: Some(heads.clone()), previous, ..seal };
                break;
            }
        }
    }
    let before = before.map(|known| whole(previous_day(day), known));
    let after = known(next_day(day)).map(|known| whole(next_day(day), known));
    // An export need not hold the day before: then its seal is not gone, but not here.
    let before_named = before.or_else(|| {
        let named = seal.previous.clone()?;
        Some(Seal { day: previous_day(day), seal: named, aggregates: 0, heads: None, previous: None })
    });
    let anchor = told.of(day).map(|told| &told.seal);
    Some(check_seal(&SealSeen {
        day,
        heads,
        seal: Some(&seal),
        before: before_named.as_ref(),
        after: after.as_ref(),
        anchor,
        now: Timestamp::UNIX_EPOCH,
    }))
}

/// The digest over a day's heads, as `domain::base::audit::seal::digest_of` defines it, without building the object
/// that it is of.
fn digest_of(names: &[&str], mut heads: Heads<'_>) -> Digest {
    // Stable, since they come in few runs that are in order already.
    heads.sort_by_key(|(thing, sequence, _)| (*thing, Reverse(*sequence)));
    heads.dedup_by_key(|(thing, ..)| *thing);
    let (mut digest, mut text) = (Sha256::new(), Vec::new());
    text.push(b'{');
    for (number, (thing, sequence, hash)) in heads.iter().enumerate() {
        if text.len() > TEXT_BYTES {
            digest.update(&text);
            text.clear();
        }
        if number > 0 {
            text.push(b',');
        }
        write_head(&mut text, names.get(*thing).copied().unwrap_or_default(), *sequence, hash);
    }
    text.push(b'}');
    Digest::from(Hash::from(digest.chain_update(&text).finalize()))
}

/// Writes `"<thing>":["<id of its event>","<its hash>"]`.
fn write_head(text: &mut Vec<u8>, name: &str, sequence: u64, hash: &Hash) {
    // Writing to a Vec cannot fail.
    if name.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~') & !matches!(byte, b'"' | b'\\')) {
        // As JSON and an id have the usual names, in place: this is done for every head of every day.
        text.push(b'"');
        text.extend_from_slice(name.as_bytes());
        let _ = write!(text, "\":[\"{}_", EventId::PREFIX);
        let is_safe = |byte: &u8| byte.is_ascii_alphanumeric() | matches!(byte, b'.' | b'_' | b'-');
        text.extend(name.as_bytes().iter().map(|byte| if is_safe(byte) { *byte } else { b'-' }));
        let _ = write!(text, ".{sequence}");
    } else {
        let _ = serde_json::to_writer(&mut *text, name);
        let _ = write!(text, ":[\"{}", EventId::derived(&format!("{name}.{sequence}")).as_str());
    }
    text.extend_from_slice(b"\",\"");
    text.extend_from_slice(&digest_text(hash));
    text.extend_from_slice(b"\"]");
}

fn number_of(day: Date) -> u32 {
    let part = |number: i32| u32::try_from(number).unwrap_or(0);
    part(day.year().into()) * 10_000 + part(day.month().into()) * 100 + part(day.day().into())
}

fn date_of(number: u32) -> Option<Date> {
    let part = |number: u32| i8::try_from(number % 100).ok();
    Date::new(i16::try_from(number / 10_000).ok()?, part(number / 100)?, part(number)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::base::audit::seal;

    #[test]
    fn the_digest_over_heads_is_the_products() {
        let names = ["A#\"quoted\"", "A#1", "B#ü"];
        let hashes = [Digest::of_bytes(b"1"), Digest::of_bytes(b"2"), Digest::of_bytes(b"3")];
        let bytes: Vec<Hash> = hashes.iter().filter_map(crate::line::bytes_of).collect();
        let earlier = (1, 1, &bytes[0]);
        let heads: Heads<'_> = vec![earlier, (2, 7, &bytes[0]), (0, 1, &bytes[1]), (1, 3, &bytes[2])];
        let expected: seal::Heads = [("B#ü", 7, 0), ("A#\"quoted\"", 1, 1), ("A#1", 3, 2)]
            .map(|(name, sequence, n)| {
                (name.to_owned(), (EventId::derived(&format!("{name}.{sequence}")), hashes[n].clone()))
            })
            .into();
        assert_eq!(digest_of(&names, heads), seal::digest_of(&expected));
        assert_eq!(digest_of(&names, Vec::new()), seal::digest_of(&seal::Heads::new()));
    }

    #[test]
    fn the_digest_over_more_heads_than_are_digested_at_once_is_the_products_too() {
        let (digest, hash) = (Digest::of_bytes(b"1"), Hash::from(Sha256::digest(b"1")));
        let names: Vec<String> = (1000..2000).map(|number| format!("A#{number}")).collect();
        let named: Vec<&str> = names.iter().map(String::as_str).collect();
        let heads: Heads<'_> = (0..names.len()).map(|thing| (thing, 1, &hash)).collect();
        let id = |name: &str| EventId::derived(&format!("{name}.1"));
        let expected: seal::Heads = names.iter().map(|name| (name.clone(), (id(name), digest.clone()))).collect();
        assert!(serde_json::to_string(&expected).is_ok_and(|text| text.len() > 2 * TEXT_BYTES));
        assert_eq!(digest_of(&named, heads), seal::digest_of(&expected));
    }
}
