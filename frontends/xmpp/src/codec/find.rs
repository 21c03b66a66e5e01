//! The search for the end of a value or of a piece of text.
//!
//! Both are short, as a rule: a dozen to a hundred bytes. A vector search that must be called, dispatched and begun costs
//! more than what it searches, so the first bytes are looked at here, eight at a time, and only what is long goes there.
//!
//! Invariant: [`first_of`] gives what `memchr3` gives.

use memchr::memchr3;

/// Bytes looked at once.
const BLOCK_BYTES: usize = 8;
/// Bytes searched here before the search for long text takes over.
const NEAR_BYTES: usize = 8 * BLOCK_BYTES;

/// The offset of the first byte that is one of the three.
#[inline(always)]
pub(super) fn first_of(needles: [u8; 3], bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < NEAR_BYTES
        && let Some(block) = bytes[at..].first_chunk()
    {
        let hits = hits(needles, u64::from_le_bytes(*block));
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        at += BLOCK_BYTES;
    }
    far(needles, &bytes[at..]).map(|found| at + found)
}

/// What is left: the end of the window, byte by byte, or a long run.
#[inline]
fn far(needles: [u8; 3], bytes: &[u8]) -> Option<usize> {
    let [a, b, c] = needles;
    match bytes.len() {
        0..BLOCK_BYTES => bytes.iter().position(|&byte| byte == a || byte == b || byte == c),
        _ => memchr3(a, b, c, bytes),
    }
}

/// The top bit of each byte of the block that is a needle; above the first of them, of others too.
#[inline(always)]
fn hits(needles: [u8; 3], block: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    let [a, b, c] = needles;
    // A byte that equals the needle is zero after the exclusive or, and only a zero byte borrows from its own top bit.
    let a = block ^ (ONES * u64::from(a));
    let b = block ^ (ONES * u64::from(b));
    let c = block ^ (ONES * u64::from(c));
    let borrows = (a.wrapping_sub(ONES) & !a) | (b.wrapping_sub(ONES) & !b) | (c.wrapping_sub(ONES) & !c);
    borrows & TOPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_memchr_finds_at_every_place_and_length() {
        for length in 0..150 {
            for place in 0..=length {
                for needle in [b'"', b'<', b'&'] {
                    let mut bytes = vec![b'x'; length];
                    // A second one behind it must not be the one that is found.
                    for at in [place, place + 3] {
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte = needle;
                        }
                    }
                    let expected = memchr3(b'"', b'<', b'&', &bytes);
                    assert_eq!(
                        first_of([b'"', b'<', b'&'], &bytes),
                        expected,
                        "{needle} at {place} of {length}"
                    );
                }
            }
        }
    }

    #[test]
    fn bytes_beyond_ascii_are_not_mistaken() {
        let bytes: Vec<u8> = (0x80..=0xff).chain([b'<']).collect();
        assert_eq!(first_of([b'"', b'<', b'&'], &bytes), Some(128));
    }
}
