//! Where the values of a line are divided: looked for 64 bytes at a time, without a branch on any of them.
//!
//! A line is mostly short texts, and a loop that decides at each of their ends costs more than the SHA-256 of the line.

use wide::u8x64;

/// The commas, brackets and braces of a line that are outside of its texts, in order.
pub(crate) struct Dividers<'a> {
    rest: &'a [u8],
    /// Where the bytes that were looked at last begin, and those of their dividers that were not given out.
    base: usize,
    found: u64,
    next_base: usize,
    /// All ones if the next byte is inside of a text.
    in_text: u64,
    /// Whether the next byte is escaped.
    is_escaped: bool,
}

impl<'a> Dividers<'a> {
    pub(crate) const fn of(line: &'a [u8]) -> Self {
        Self { rest: line, base: 0, found: 0, next_base: 0, in_text: 0, is_escaped: false }
    }

    fn look(&mut self, bytes: [u8; 64]) {
        let bytes = u8x64::new(bytes);
        let same = |bytes: u8x64, byte: u8| bytes.simd_eq(u8x64::splat(byte));
        let quotes = same(bytes, b'"').to_bitmask();
        // A bracket and its brace differ in one bit.
        let folded = bytes | u8x64::splat(0x20);
        let dividers = (same(bytes, b',') | same(folded, b'{') | same(folded, b'}')).to_bitmask();
        let escapes = same(bytes, b'\\');
        let quotes =
            if self.is_escaped || escapes.any() { quotes & !self.escaped_by(escapes.to_bitmask()) } else { quotes };
        let inside = parity_up_to(quotes) ^ self.in_text;
        // The last byte's bit, as far as the next byte goes: all ones or none.
        self.in_text = 0u64.wrapping_sub(inside >> 63);
        self.found = dividers & !inside;
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

impl Iterator for Dividers<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.found == 0 {
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
            self.base = self.next_base;
            self.next_base += 64;
            self.look(bytes);
        }
        let place = self.base + usize::try_from(self.found.trailing_zeros()).ok()?;
        self.found &= self.found - 1;
        Some(place)
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
        let (mut in_text, mut is_escaped) = (false, false);
        let mut found = Vec::new();
        for (place, byte) in line.iter().enumerate() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_text = !in_text,
                b',' | b'{' | b'}' | b'[' | b']' if !in_text => found.push(place),
                _ => {}
            }
        }
        found
    }

    #[test]
    fn dividers_are_those_outside_of_texts_wherever_a_text_or_an_escape_falls() {
        for text in ["", "plain", ",{}[]", "\\\"", "\\\\", "\\\\\\\"", "\\\\\\\\", "ü,🦀"] {
            for length in 0..140 {
                let line = format!("[\"{}{text}\",{{\"{text}\":[1,2]}},\"{text}\"]", "-".repeat(length));
                let found: Vec<usize> = Dividers::of(line.as_bytes()).collect();
                assert_eq!(found, plainly(line.as_bytes()), "{line}");
            }
        }
        assert_eq!(Dividers::of(b"").count(), 0);
    }
}
