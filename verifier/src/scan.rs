//! Where the fields of a line end: looked for 64 bytes at a time, without a branch on any of them.
//!
//! A line is mostly short texts, and a loop that decides at each of their ends costs more than the SHA-256 of the line.

use wide::u8x64;

/// The places in a line where a field of its outermost object ends, in order: those of the commas between them, and
/// that of the brace after the last.
pub(crate) struct FieldEnds<'a> {
    rest: &'a [u8],
    /// Where the bytes that were looked at last begin, and what is still to be looked at of them.
    base: usize,
    marks: Marks,
    /// How many objects and lists the next byte is in.
    depth: u32,
    /// All ones if the next byte is inside of a text.
    in_text: u64,
    /// Whether the next byte is escaped.
    is_escaped: bool,
}

/// Which of 64 bytes divide, those in texts left out.
#[derive(Default)]
struct Marks {
    commas: u64,
    opening: u64,
    closing: u64,
}

impl<'a> FieldEnds<'a> {
    pub(crate) fn of(line: &'a [u8]) -> Self {
        Self {
            rest: line,
            // As if 64 bytes had been looked at before the line.
            base: 0_usize.wrapping_sub(64),
            marks: Marks::default(),
            depth: 0,
            in_text: 0,
            is_escaped: false,
        }
    }

    /// Looks at the next 64 bytes; none at the end of the line.
    fn advance(&mut self) -> Option<()> {
        let bytes = if let Some((bytes, rest)) = self.rest.split_first_chunk::<64>() {
            self.rest = rest;
            *bytes
        } else {
            let mut bytes = [b' '; 64];
            bytes.get_mut(..self.rest.len())?.copy_from_slice(self.rest);
            if self.rest.is_empty() {
                return None;
            }
            self.rest = &[];
            bytes
        };
        self.base = self.base.wrapping_add(64);
        self.mark(bytes);
        Some(())
    }

    fn mark(&mut self, bytes: [u8; 64]) {
        let bytes = u8x64::new(bytes);
        let same = |bytes: u8x64, byte: u8| bytes.simd_eq(u8x64::splat(byte));
        let quotes = same(bytes, b'"').to_bitmask();
        let escapes = same(bytes, b'\\');
        let quotes =
            if self.is_escaped || escapes.any() { quotes & !self.escaped_by(escapes.to_bitmask()) } else { quotes };
        let inside = parity_up_to(quotes) ^ self.in_text;
        // The last byte's bit, as far as the next byte goes: all ones or none.
        self.in_text = 0u64.wrapping_sub(inside >> 63);
        // A bracket and its brace differ in one bit.
        let folded = bytes | u8x64::splat(0x20);
        self.marks = Marks {
            commas: same(bytes, b',').to_bitmask() & !inside,
            opening: same(folded, b'{').to_bitmask() & !inside,
            closing: same(folded, b'}').to_bitmask() & !inside,
        };
    }

    /// Those among 64 bytes that a backslash stands before that is not escaped itself.
    fn escaped_by(&mut self, escapes: u64) -> u64 {
        let mut escaped = 0;
        for place in 0..64 {
            let bit = 1u64 << place;
            if self.is_escaped {
                escaped |= bit;
            }
            self.is_escaped = !self.is_escaped && escapes & bit != 0;
        }
        escaped
    }
}

impl Iterator for FieldEnds<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            let Marks { commas, opening, closing } = &mut self.marks;
            // Deeper in than all that closes here leads out of: no field of the outermost object ends here.
            if self.depth > closing.count_ones() + 1 {
                self.depth = self.depth + opening.count_ones() - closing.count_ones();
                self.advance()?;
                continue;
            }
            let marks = *opening | *closing | if self.depth == 1 { *commas } else { 0 };
            if marks == 0 {
                self.advance()?;
                continue;
            }
            let mark = marks & marks.wrapping_neg();
            let (opens, closes) = (*opening & mark != 0, *closing & mark != 0);
            let after = !(mark | (mark - 1));
            (*commas, *opening, *closing) = (*commas & after, *opening & after, *closing & after);
            if opens {
                self.depth += 1;
                continue;
            }
            if closes {
                self.depth = self.depth.checked_sub(1)?;
                if self.depth > 0 {
                    continue;
                }
            }
            return Some(self.base + usize::try_from(mark.trailing_zeros()).ok()?);
        }
    }
}

/// Of each place, whether the bits up to it, itself included, are an odd number.
const fn parity_up_to(bits: u64) -> u64 {
    let mut parity = bits;
    let mut distance = 1;
    while distance < 64 {
        parity ^= parity << distance;
        distance *= 2;
    }
    parity
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, a byte at a time.
    fn plainly(line: &[u8]) -> Vec<usize> {
        let (mut in_text, mut is_escaped, mut depth) = (false, false, 0);
        let mut found = Vec::new();
        for (place, byte) in line.iter().enumerate() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_text = !in_text,
                b'{' | b'[' if !in_text => depth += 1,
                b',' if !in_text && depth == 1 => found.push(place),
                b'}' | b']' if !in_text => {
                    depth -= 1;
                    if depth == 0 {
                        found.push(place);
                    }
                }
                _ => {}
            }
        }
        found
    }

    #[test]
    fn fields_end_outside_of_texts_and_of_what_is_nested_wherever_a_text_or_an_escape_falls() {
        for text in ["", "plain", ",{}[]", "\\\"", "\\\\", "\\\\\\\"", "\\\\\\\\", "ü,🦀"] {
            for length in 0..140 {
                let dashes = "-".repeat(length);
                let deep = format!("{}\"{text}\"{}", "[{\"a\":".repeat(length), ",1}]".repeat(length));
                let line = format!("{{\"{dashes}{text}\":{{\"{text}\":[1,2]}},\"b\":{deep},\"{text}\":\"{dashes}\"}}");
                let found: Vec<usize> = FieldEnds::of(line.as_bytes()).collect();
                assert_eq!(found, plainly(line.as_bytes()), "{line}");
                assert_eq!(found.len(), 3, "{line}");
            }
        }
        for nothing in ["", ",", "}", "}{,", "{", "[[[", "\"{,}"] {
            assert_eq!(FieldEnds::of(nothing.as_bytes()).count(), 0, "{nothing}");
        }
    }
}
