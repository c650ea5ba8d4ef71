//! One line: a record as the export writes it, looked at in place.
//!
//! The export writes canonical JSON, and a record's hash is that of its own canonical JSON without the field `hash`.
//! So the hash can be computed from the line's bytes, with that field cut out, and nothing is parsed that is not
//! needed. A line in any other spelling is parsed and spelt canonically first: slower, with the same result.

use std::borrow::Cow;

use domain::audit::AuditEvent;
use domain::digest::Digest;
use memchr::memchr2;
use sha2::{Digest as _, Sha256};

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

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
        match Self::canonical(line) {
            Some(record) if record.is_intact => Some(record),
            _ => Self::parsed(line),
        }
    }

    fn canonical(line: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::of(line)?;
        let (mut aggregate, mut sequence, mut previous, mut at) = (None, None, None, None);
        let (mut hash, mut payload, mut kind) = (None, None, None);
        while let Some(field) = fields.next_field()? {
            match field.name {
                b"aggregate" => aggregate = Some(field.value),
                b"at" => at = Some(field.value),
                b"hash" => hash = Some(field),
                b"payload" => payload = Some(field.value),
                b"previous" => previous = Some(field.value),
                b"sequence" => sequence = Some(field.value),
                b"type" => kind = Some(field.value),
                _ => {}
            }
        }
        let field = hash?;
        let stated = hash_of(field.value)?;
        // The field with the comma after it: keys are in order, so it is never the last.
        let rest = line.get(field.end..)?.strip_prefix(b",")?;
        let computed: Hash = Sha256::new().chain_update(line.get(..field.start)?).chain_update(rest).finalize().into();
        Some(Self {
            aggregate: text_of(aggregate?)?,
            sequence: std::str::from_utf8(sequence?).ok()?.parse().ok()?,
            previous: match previous? {
                b"null" => None,
                hash => Some(hash_of(hash)?),
            },
            day: day_of(at?)?,
            hash: stated,
            is_intact: computed == stated,
            seal: match text_of(kind?)?.as_ref() {
                SEALED => Some(Cow::Borrowed(std::str::from_utf8(payload?).ok()?)),
                _ => None,
            },
        })
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
    hex(digest.hex().as_bytes())
}

/// The digest of these bytes, as text has it.
pub(crate) fn digest_text(hash: &Hash) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in hash {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn hash_of(value: &[u8]) -> Option<Hash> {
    hex(value.strip_prefix(b"\"sha256:")?.strip_suffix(b"\"")?)
}

fn hex(digits: &[u8]) -> Option<Hash> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut hash = [0; 32];
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != hash.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(hash)
}

/// The UTC day of a time as the record spells it: it always ends in `Z`.
fn day_of(value: &[u8]) -> Option<u32> {
    let text = value.strip_prefix(b"\"")?.strip_suffix(b"Z\"")?;
    let number = |from: usize, to: usize| std::str::from_utf8(text.get(from..to)?).ok()?.parse::<u32>().ok();
    if text.get(10) != Some(&b'T') {
        return None;
    }
    Some(number(0, 4)? * 10_000 + number(5, 7)? * 100 + number(8, 10)?)
}

fn text_of(value: &[u8]) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') {
        return serde_json::from_slice::<String>(value).ok().map(Cow::Owned);
    }
    std::str::from_utf8(inner).ok().map(Cow::Borrowed)
}

/// A field of the outermost object, and where in the line it is.
struct Field<'a> {
    name: &'a [u8],
    value: &'a [u8],
    start: usize,
    end: usize,
}

/// The fields of the outermost object, in order. A name that does not sort after the one before ends it: then the
/// line is not canonical, and a name that comes twice would be read otherwise by somebody else.
struct Fields<'a> {
    line: &'a [u8],
    at: usize,
    last: &'a [u8],
}

impl<'a> Fields<'a> {
    fn of(line: &'a [u8]) -> Option<Self> {
        (line.first() == Some(&b'{')).then_some(Self { line, at: 1, last: b"" })
    }

    /// The next field, or none at the end; the outer none where the line is not canonical.
    fn next_field(&mut self) -> Option<Option<Field<'a>>> {
        if self.at == self.line.len() {
            return Some(None);
        }
        let start = self.at;
        let name_end = end_of_string(self.line, start)?;
        let name = self.line.get(start + 1..name_end - 1)?;
        if name <= self.last || self.line.get(name_end) != Some(&b':') {
            return None;
        }
        let end = end_of_value(self.line, name_end + 1)?;
        let value = self.line.get(name_end + 1..end)?;
        self.last = name;
        self.at = match self.line.get(end)? {
            b',' => end + 1,
            b'}' if end + 1 == self.line.len() => end + 1,
            _ => return None,
        };
        Some(Some(Field { name, value, start, end }))
    }
}

/// Where the text that begins at `start` ends.
fn end_of_string(line: &[u8], start: usize) -> Option<usize> {
    if line.get(start) != Some(&b'"') {
        return None;
    }
    let mut at = start + 1;
    loop {
        at += memchr2(b'"', b'\\', line.get(at..)?)?;
        match line.get(at)? {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// Where the value that begins at `start` ends.
fn end_of_value(line: &[u8], start: usize) -> Option<usize> {
    match line.get(start)? {
        b'"' => return end_of_string(line, start),
        b'{' | b'[' => {}
        _ => {
            let length = line.get(start..)?.iter().position(|byte| matches!(byte, b',' | b'}' | b']'))?;
            return (length > 0).then_some(start + length);
        }
    }
    let (mut at, mut depth) = (start, 0usize);
    loop {
        match line.get(at)? {
            b'"' => {
                at = end_of_string(line, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::audit::{By, Statement};
    use domain::digest::canonical_json;
    use domain::people::Actor;
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
        for nothing in ["", "{", "{}", "[]", "null", "{\"a\":", "{\"a\":1", "\"\\", "{\"a\":[}"] {
            assert_eq!(Record::read(nothing.as_bytes()), None, "{nothing}");
        }
    }
}
