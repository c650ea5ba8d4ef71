//! One line: a record as the export writes it, looked at in place.
//!
//! The export writes canonical JSON, and a record's hash is that of its own canonical JSON without the field `hash`.
//! So the hash can be computed from the line's bytes, with that field cut out, and nothing is parsed that is not
//! needed. A line in any other spelling is parsed and spelt canonically first: slower, with the same result.

use std::borrow::Cow;

use domain::base::audit::AuditEvent;
use domain::base::digest::Digest;
use sha2::{Digest as _, Sha256};

use crate::pair::{Hash, Message, Pair};
use crate::scan::nested_len;

/// What the verification needs of a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) aggregate: Cow<'a, str>,
    pub(crate) sequence: u64,
    pub(crate) previous: Option<Hash>,
    /// The UTC day, as `yyyymmdd`.
    pub(crate) day: u32,
    pub(crate) hash: Hash,
    pub(crate) is_intact: bool,
    /// The payload, of a record of a seal.
    pub(crate) seal: Option<Cow<'a, str>>,
}

/// The type of the events that tell a day's seal.
const SEALED: &str = "audit.sealed";

impl<'a> Record<'a> {
    /// Reads a line; none if it is no record at all.
    pub(crate) fn read(line: &'a [u8]) -> Option<Self> {
        Self::canonical(line).filter(|record| record.is_intact).or_else(|| Self::parsed(line))
    }

    /// Reads two lines, each as if it were read by itself: what is hashed of them is hashed together.
    pub(crate) fn read_two(line: &'a [u8], other: &'a [u8], pair: &mut Pair) -> [Option<Self>; 2] {
        match (Self::unhashed(line), Self::unhashed(other)) {
            (Some((record, hashed)), Some((other_record, other_hashed))) => {
                let [hash, other_hash] = pair.digests(hashed, other_hashed);
                let (record, other_record) = (record.held_to(hash), other_record.held_to(other_hash));
                [(record, line), (other_record, other)]
                    .map(|(record, line)| if record.is_intact { Some(record) } else { Self::parsed(line) })
            }
            _ => [line, other].map(Self::read),
        }
    }

    fn held_to(self, computed: Hash) -> Self {
        Self { is_intact: computed == self.hash, ..self }
    }

    fn canonical(line: &'a [u8]) -> Option<Self> {
        let (record, (before, after)) = Self::unhashed(line)?;
        Some(record.held_to(Sha256::new().chain_update(before).chain_update(after).finalize().into()))
    }

    /// Reads a line whose fields are those of `AuditEvent` in their canonical order, and tells what of it gives its
    /// hash; none where it is any other. Whether the record is intact is still to be seen.
    fn unhashed(line: &'a [u8]) -> Option<(Self, Message<'a>)> {
        let mut fields = Fields { line, at: 0 };
        fields.digest(b"{\"after\":")?;
        let aggregate = fields.take(b",\"aggregate\":")?;
        let at = fields.take(b",\"at\":")?;
        fields.digest_if_any(b",\"before\":")?;
        fields.take(b",\"by\":")?;
        let before_hash = fields.at;
        let hash = fields.digest(b",\"hash\":")?;
        let after_hash = fields.at;
        fields.take(b",\"id\":")?;
        let payload = fields.take(b",\"payload\":")?;
        let previous = fields.digest_if_any(b",\"previous\":")?;
        fields.take(b",\"requestId\":")?;
        fields.take(b",\"schema\":")?;
        let sequence = fields.take(b",\"sequence\":")?;
        // Events that were recorded before events said what else changed have none.
        fields.take(b",\"states\":");
        let event_type = fields.take(b",\"type\":")?;
        fields.take(b",\"why\":")?;
        fields.end()?;
        // The field with the comma before it: keys are in order, so it is never the first.
        let (before, after) = (line.get(..before_hash)?, line.get(after_hash..)?);
        let is_seal = event_type.strip_prefix(b"\"")?.strip_suffix(b"\"")? == SEALED.as_bytes();
        let record = Self {
            aggregate: text_of(aggregate)?,
            sequence: std::str::from_utf8(sequence).ok()?.parse().ok()?,
            previous,
            day: day_of(at)?,
            hash,
            is_intact: false,
            seal: if is_seal { Some(Cow::Borrowed(std::str::from_utf8(payload).ok()?)) } else { None },
        };
        Some((record, (before, after)))
    }

    fn parsed(line: &[u8]) -> Option<Self> {
        let event: AuditEvent = serde_json::from_slice(line).ok()?;
        let at = format!("\"{}\"", event.at);
        let seal = (event.event_type == SEALED).then(|| event.payload.to_string());
        Some(Self {
            sequence: event.sequence,
            previous: event.previous.as_ref().and_then(bytes_of),
            day: day_of(at.as_bytes())?,
            hash: bytes_of(&event.hash)?,
            is_intact: event.computed_hash() == event.hash,
            seal: seal.map(Cow::Owned),
            aggregate: Cow::Owned(event.aggregate),
        })
    }
}

/// A digest's bytes.
pub(crate) fn bytes_of(digest: &Digest) -> Option<Hash> {
    hex(digest.hex().as_bytes().try_into().ok()?)
}

/// The digest of these bytes, as text has it. By hand: this is written for every head of every day.
pub(crate) fn digest_text(hash: &Hash) -> [u8; 71] {
    let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + (half - 10) };
    let mut text = *b"sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let (pairs, _) = text.get_mut(7..).unwrap_or_default().as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(hash) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    text
}

fn hex(digits: &[u8; 64]) -> Option<Hash> {
    // In loops over all of them, which the compiler makes a few instructions for many digits at once.
    let halves = digits.map(half_of);
    let all = halves.iter().fold(0, |all, half| all | half);
    let mut hash = [0; 32];
    let (pairs, _) = halves.as_chunks::<2>();
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        *byte = high << 4 | low & 15;
    }
    (all < 16).then_some(hash)
}

/// What a lower-case hexadecimal digit stands for; more than 15 where it is none.
const fn half_of(digit: u8) -> u8 {
    let (number, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
    match (number, letter) {
        (..10, _) => number,
        (_, ..6) => letter + 10,
        _ => u8::MAX,
    }
}

/// The UTC day of a time as the record spells it: it always ends in `Z`.
fn day_of(value: &[u8]) -> Option<u32> {
    let (date, _) = value.strip_suffix(b"Z\"")?.split_first_chunk()?;
    let [b'"', y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T'] = *date else { return None };
    [y1, y2, y3, y4, m1, m2, d1, d2]
        .into_iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

fn text_of(value: &[u8]) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') {
        return serde_json::from_slice::<String>(value).ok().map(Cow::Owned);
    }
    std::str::from_utf8(inner).ok().map(Cow::Borrowed)
}

/// The fields of the outermost object, in order.
struct Fields<'a> {
    line: &'a [u8],
    /// Where what was not yet taken begins.
    at: usize,
}

impl<'a> Fields<'a> {
    /// The value of the next field, if its name is this one, which is given as the line has it, with what divides it
    /// from what is before and after; none, and nothing taken, if it is not.
    fn take<const N: usize>(&mut self, name: &[u8; N]) -> Option<&'a [u8]> {
        let (next, rest) = self.line.get(self.at..)?.split_first_chunk::<N>()?;
        if next != name {
            return None;
        }
        let value = rest.get(..value_len(rest)?)?;
        self.at += N + value.len();
        Some(value)
    }

    /// The same of a field that holds a digest, which is as long as any other: nothing looks for its end.
    fn digest<const N: usize>(&mut self, name: &[u8; N]) -> Option<Hash> {
        let value = self.line.get(self.at..)?.strip_prefix(name)?.strip_prefix(b"\"sha256:")?;
        let (digits, rest) = value.split_first_chunk()?;
        let hash = hex(digits)?;
        self.at = self.line.len() - rest.strip_prefix(b"\"")?.len();
        Some(hash)
    }

    /// The same of a field that holds a digest or `null`.
    fn digest_if_any<const N: usize>(&mut self, name: &[u8; N]) -> Option<Option<Hash>> {
        match self.digest(name) {
            Some(hash) => Some(Some(hash)),
            None => (self.take(name)? == b"null").then_some(None),
        }
    }

    /// Whether the last field that was taken was the last of the line.
    fn end(&self) -> Option<()> {
        (self.line.get(self.at..) == Some(b"}")).then_some(())
    }
}

/// How many bytes the value has that this begins with; none if it is none that a field of a record may have.
fn value_len(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => text_len(text),
        b'{' | b'[' => nested_len(text),
        b'n' => text.starts_with(b"null").then_some(4),
        b'0'..=b'9' => text.iter().position(|byte| !byte.is_ascii_digit()),
        _ => None,
    }
}

/// How many bytes the text has that this begins with, quotation marks included.
fn text_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)? + 1;
        if text.get(at - 1) == Some(&b'"') {
            return Some(at);
        }
        // What is escaped ends no text.
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::base::audit::{By, Statement};
    use domain::base::digest::canonical_json;
    use domain::base::people::Actor;
    use serde_json::json;

    fn event(why: &str, payload: serde_json::Value) -> AuditEvent {
        let statement = Statement {
            event_type: "card.approved",
            aggregate: "CARD#crd_1",
            at: "2026-08-24T07:00:00.5Z".parse().expect("a time"),
            by: By::from(&Actor::system("tests")),
            request_id: "r",
            why: Some(why.to_owned()),
            before: None,
            after: Digest::of_bytes(b"x"),
            payload,
        };
        AuditEvent::chained(statement, Some((4, Digest::of_bytes(b"before"))))
    }

    #[test]
    fn a_line_gives_its_hash_whatever_people_wrote_into_it() {
        for why in ["", "plain", "a \"hash\":\"sha256:00\", in words", "back\\slash", "}],{[", "ü\n\u{1}🦀"] {
            let payload =
                json!({ "hash": "sha256:x", "why": why, "nested": [{"hash": why}, [], {}], "n": -1, "b": true });
            let event = event(why, payload);
            let line = canonical_json(&event);
            let record = Record::canonical(line.as_bytes()).expect("canonical");
            assert!(record.is_intact, "{line}");
            assert_eq!((record.aggregate.as_ref(), record.sequence, record.day), ("CARD#crd_1", 5, 20_260_824));
            assert_eq!(record.previous, bytes_of(&Digest::of_bytes(b"before")));
            assert_eq!(Record::parsed(line.as_bytes()), Some(record), "read the slow way");
        }
    }

    #[test]
    fn an_event_from_before_events_said_what_else_changed_gives_its_hash() {
        let mut old = event("why", json!({}));
        old.states = None;
        old.hash = old.computed_hash();
        let line = canonical_json(&old);
        assert!(!line.contains("\"states\""), "{line}");
        assert!(Record::canonical(line.as_bytes()).is_some_and(|record| record.is_intact), "{line}");
    }

    #[test]
    fn another_spelling_is_the_same_record_and_another_content_is_altered() {
        let event = event("why", json!({ "amount": "1.10" }));
        let pretty = serde_json::to_string_pretty(&event).expect("JSON").replace('\n', " ");
        assert!(Record::canonical(pretty.as_bytes()).is_none());
        assert!(Record::read(pretty.as_bytes()).is_some_and(|record| record.is_intact));
        let altered = canonical_json(&event).replace("1.10", "9.10");
        assert!(Record::read(altered.as_bytes()).is_some_and(|record| !record.is_intact));
        // The last of two fields of one name counts for most readers: the hash must not be that of the first.
        let twice = canonical_json(&event).replacen("\"aggregate\":", "\"aggregate\":\"CARD#crd_2\",\"aggregate\":", 1);
        assert!(Record::canonical(twice.as_bytes()).is_none());
        for (field, other) in [
            ("\"why\":\"", "\"why\":n\""),
            ("\"before\":null", "\"before\":"),
            ("\"before\":null", "\"before\":1"),
            ("\"sequence\":5", "\"sequence\":5x"),
            ("\"after\":\"sha256:", "\"after\":\"sha512:"),
            ("\"after\":\"sha256:", "\"after\":\"sha256:0"),
        ] {
            let unread = canonical_json(&event).replacen(field, other, 1);
            assert!(unread != canonical_json(&event) && Record::canonical(unread.as_bytes()).is_none(), "{unread}");
        }
        for nothing in ["", "{", "{}", "[]", "null", "{\"a\":", "{\"a\":1", "\"\\", "{\"a\":[}"] {
            assert_eq!(Record::read(nothing.as_bytes()), None, "{nothing}");
        }
    }

    #[test]
    fn two_lines_are_read_as_each_is_by_itself() {
        let [short, long] = ["", "words ".repeat(100).as_str()].map(|why| canonical_json(&event(why, json!({}))));
        let spaced = short.replace(',', ", ");
        let altered = long.replacen("words", "lies", 1);
        let lines = [&short, &long, &spaced, &altered, "{}", ""];
        for (line, other) in lines.iter().flat_map(|line| lines.map(|other| (line.as_bytes(), other.as_bytes()))) {
            let read = Record::read_two(line, other, &mut Pair::default());
            assert_eq!(read, [Record::read(line), Record::read(other)]);
        }
        assert_eq!(
            lines.map(|line| Record::read(line.as_bytes()).map(|record| record.is_intact)),
            [Some(true), Some(true), Some(true), Some(false), None, None]
        );
    }
}
