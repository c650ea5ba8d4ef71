//! The SHA-256 of two messages at once. A block can only be digested when the one before it is, and a processor waits
//! for itself most of that time: a block of another message fits in between.

use sha2::compress256;

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

/// What a digest begins with (FIPS 180-4, 5.3.3).
const BEGINNING: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A message, in two parts.
pub(crate) type Message<'a> = (&'a [u8], &'a [u8]);

/// Room for two messages as they are digested.
#[derive(Debug, Default)]
pub(crate) struct Pair(Vec<u8>, Vec<u8>);

impl Pair {
    /// The digests of two messages.
    pub(crate) fn digests(&mut self, one: Message<'_>, other: Message<'_>) -> [Hash; 2] {
        let (blocks, other_blocks) = (padded(one, &mut self.0), padded(other, &mut self.1));
        let (mut state, mut other_state) = (BEGINNING, BEGINNING);
        for (block, other_block) in blocks.iter().zip(other_blocks) {
            digest_block(&mut state, block);
            digest_block(&mut other_state, other_block);
        }
        let both = blocks.len().min(other_blocks.len());
        blocks.iter().skip(both).for_each(|block| digest_block(&mut state, block));
        other_blocks.iter().skip(both).for_each(|block| digest_block(&mut other_state, block));
        [state, other_state].map(bytes_of)
    }
}

fn digest_block(state: &mut [u32; 8], block: &[u8; 64]) {
    compress256(state, std::slice::from_ref(block.into()));
}

fn bytes_of(state: [u32; 8]) -> Hash {
    let mut hash = [0; 32];
    let (words, _) = hash.as_chunks_mut::<4>();
    for (bytes, word) in words.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

/// A message as it is digested (FIPS 180-4, 5.1.1): after it a bit, zeros, and at the end of a block its length in
/// bits.
fn padded<'a>((before, after): Message<'_>, padded: &'a mut Vec<u8>) -> &'a [[u8; 64]] {
    padded.clear();
    padded.extend_from_slice(before);
    padded.extend_from_slice(after);
    let bits = 8 * padded.len() as u64;
    padded.push(0x80);
    padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
    padded.extend_from_slice(&bits.to_be_bytes());
    padded.as_chunks().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    #[test]
    fn two_messages_of_any_lengths_give_the_digests_of_each() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut pair = Pair::default();
        for length in 0..200 {
            for other in [0, 1, 55, 56, 63, 64, 65, 128, 200] {
                let (one, two) = (&bytes[..length], &bytes[256 - other..]);
                let found = pair.digests(one.split_at(length / 3), two.split_at(other / 2));
                assert_eq!(found, [one, two].map(|message| Hash::from(Sha256::digest(message))), "{length} {other}");
            }
        }
    }
}
