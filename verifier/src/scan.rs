//! Where an object or a list ends: looked for 64 bytes at a time, with a branch on brackets outside of texts only.
//!
//! What a record holds is mostly short texts, and a loop that decides at each of their ends costs more than the SHA-256
//! of the line.

use wide::u8x64;

/// How many bytes the object or the list has that this begins with, brackets included; none if it begins with neither,
/// or does not end.
pub(crate) fn nested_len(text: &[u8]) -> Option<usize> {
    if !matches!(text.first(), Some(b'{' | b'[')) {
        return None;
    }
    let mut nesting = Nesting::default();
    let (blocks, rest) = text.as_chunks::<64>();
    for (number, block) in blocks.iter().enumerate() {
        if let Some(end) = nesting.end_in(*block) {
            return Some(64 * number + end + 1);
        }
    }
    let mut block = [b' '; 64];
    block.get_mut(..rest.len())?.copy_from_slice(rest);
    Some(64 * blocks.len() + nesting.end_in(block)? + 1)
}

/// What the next byte is in.
#[derive(Default)]
struct Nesting {
    /// How many objects and lists.
    depth: u32,
    /// All ones if it is inside of a text.
    in_text: u64,
    /// Whether it is escaped.
    is_escaped: bool,
}

impl Nesting {
    /// Where in the next 64 bytes the outermost ends, if it does.
    fn end_in(&mut self, block: [u8; 64]) -> Option<usize> {
        let (opening, closing) = self.brackets(block);
        let mut marks = opening | closing;
        while marks != 0 {
            let mark = marks & marks.wrapping_neg();
            marks &= !mark;
            if opening & mark != 0 {
                self.depth += 1;
            } else {
                self.depth = self.depth.checked_sub(1)?;
                if self.depth == 0 {
                    return usize::try_from(mark.trailing_zeros()).ok();
                }
            }
        }
        None
    }

    /// Which of the next 64 bytes open and which close an object or a list, those in texts left out.
    fn brackets(&mut self, block: [u8; 64]) -> (u64, u64) {
        let bytes = u8x64::new(block);
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
        (same(folded, b'{').to_bitmask() & !inside, same(folded, b'}').to_bitmask() & !inside)
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
    fn plainly(text: &[u8]) -> Option<usize> {
        let (mut in_text, mut is_escaped, mut depth) = (false, false, 0);
        for (place, byte) in text.iter().enumerate() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_text = !in_text,
                b'{' | b'[' if !in_text => depth += 1,
                b'}' | b']' if !in_text => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(place + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    #[test]
    fn what_is_nested_ends_outside_of_texts_wherever_a_text_or_an_escape_falls() {
        for text in ["", "plain", ",{}[]", "\\\"", "\\\\", "\\\\\\\"", "\\\\\\\\", "ü,🦀"] {
            for length in 0..140 {
                let dashes = "-".repeat(length);
                let deep = format!("{}\"{text}\"{}", "[{\"a\":".repeat(length), ",1}]".repeat(length));
                let line = format!("{{\"{dashes}{text}\":{{\"{text}\":[1,2]}},\"b\":{deep},\"{text}\":\"{dashes}\"}}");
                let after = format!("{line},\"c\":{{}}}}");
                assert_eq!(plainly(after.as_bytes()), Some(line.len()), "{line}");
                assert_eq!(nested_len(after.as_bytes()), Some(line.len()), "{line}");
                assert_eq!(nested_len(line.as_bytes()), Some(line.len()), "{line}");
                assert_eq!(nested_len(&line.as_bytes()[..line.len() - 1]), None, "{line}");
            }
        }
        for nothing in ["", ",", "}", "}{,", "{", "[[[", "\"{,}", "1", "{\"}", "{\"\\\"}"] {
            assert_eq!(nested_len(nothing.as_bytes()), None, "{nothing}");
        }
    }
}
