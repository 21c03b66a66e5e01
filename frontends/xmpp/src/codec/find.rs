//! Searches among the next bytes: the end of a value or of a piece of text, and the end of a name.
//!
//! All are short, as a rule: a dozen to a hundred bytes. A vector search that must be called, dispatched and begun costs
//! more than what it searches, so the first bytes are looked at here, eight at a time, and only what is long goes there.
//!
//! Invariants: [`Ends::first`] gives what `memchr3` gives; [`small_letters`] counts what a loop over the bytes would.

use memchr::memchr3;

/// Bytes looked at once.
const BLOCK_BYTES: usize = 8;
/// Bytes searched here before the search for long text takes over.
const NEAR_BYTES: usize = 8 * BLOCK_BYTES;
/// In each byte the lowest bit, and the highest.
const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Three ASCII characters that end a run, two of which differ in one bit: then one comparison finds both.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pair: [u8; 2],
    third: u8,
}

impl Ends {
    /// What ends a piece of text, or must be looked at in it.
    pub const TEXT: Ends = Ends {
        pair: [b'<', b'>'],
        third: b'&',
    };

    /// What ends a value in single quotes, or must be looked at in it.
    pub const SINGLE: Ends = Ends {
        pair: [b'\'', b'&'],
        third: b'<',
    };

    /// What ends a value in double quotes, or must be looked at in it.
    pub const DOUBLE: Ends = Ends {
        pair: [b'"', b'&'],
        third: b'<',
    };

    /// The offset of the first byte of a value in these quotes that ends it or must be looked at.
    #[inline(always)]
    pub fn first_in_value(quote: u8, bytes: &[u8]) -> Option<usize> {
        // Two searches with constants in place of one that would have to make them.
        match quote {
            b'"' => Ends::DOUBLE.first(bytes),
            _ => Ends::SINGLE.first(bytes),
        }
    }

    /// The offset of the first byte that is one of the three.
    #[inline(always)]
    pub fn first(self, bytes: &[u8]) -> Option<usize> {
        let near = &bytes[..bytes.len().min(NEAR_BYTES)];
        let mut at = 0;
        for block in near.as_chunks().0 {
            let hits = self.hits(u64::from_le_bytes(*block));
            if hits != 0 {
                return Some(at + first_byte(hits));
            }
            at += BLOCK_BYTES;
        }
        self.far(bytes, at)
    }

    /// What is left from `at` on: the end of the window, byte by byte, or a long run.
    #[inline(never)]
    fn far(self, bytes: &[u8], at: usize) -> Option<usize> {
        let ([a, b], c) = (self.pair, self.third);
        let rest = &bytes[at..];
        let found = match rest.len() {
            0..BLOCK_BYTES => rest.iter().position(|&byte| byte == a || byte == b || byte == c),
            _ => memchr3(a, b, c, rest),
        };
        found.map(|found| at + found)
    }

    /// The top bit of each byte of the block that is one of the three; above the first of them, of others too.
    #[inline(always)]
    fn hits(self, block: u64) -> u64 {
        let [a, b] = self.pair;
        let blur = a ^ b;
        debug_assert!(blur.count_ones() == 1 && (a | b | self.third).is_ascii());
        // A byte that is looked for is zero after the exclusive or. Of the bytes below 0x80 only a zero gets its top bit from
        // taking one away, and whoever borrows stands above one that is found.
        let pair = (block | (ONES * u64::from(blur))) ^ (ONES * u64::from(a | blur));
        let third = block ^ (ONES * u64::from(self.third));
        (pair.wrapping_sub(ONES) | third.wrapping_sub(ONES)) & !block & TOPS
    }
}

/// The next eight bytes, the first of them lowest; behind the window's end are zeros.
#[inline(always)]
pub(super) fn block(rest: &[u8]) -> u64 {
    match rest.first_chunk() {
        Some(block) => u64::from_le_bytes(*block),
        None => last_block(rest),
    }
}

#[cold]
#[inline(never)]
fn last_block(rest: &[u8]) -> u64 {
    let mut block = [0; BLOCK_BYTES];
    block[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(block)
}

/// With how many of `a` to `z` a block begins.
#[inline(always)]
pub(super) fn small_letters(block: u64) -> usize {
    // The top bit says "at least `a`", or "beyond `z`". What a byte from 0x80 on carries into the next does not matter: it
    // ends the run itself.
    let from_a = block.wrapping_add(ONES * u64::from(0x80 - b'a'));
    let beyond_z = block.wrapping_add(ONES * u64::from(0x7f - b'z'));
    first_byte((!from_a | beyond_z | block) & TOPS)
}

/// The place of the lowest byte whose top bit is set; 8 if there is none.
#[inline(always)]
fn first_byte(tops: u64) -> usize {
    tops.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [(Ends, [u8; 3]); 3] = [
        (Ends::TEXT, [b'<', b'>', b'&']),
        (Ends::SINGLE, [b'\'', b'&', b'<']),
        (Ends::DOUBLE, [b'"', b'&', b'<']),
    ];

    #[test]
    fn finds_what_memchr_finds_at_every_place_and_length() {
        for (ends, needles) in VALUES {
            let [a, b, c] = needles;
            for length in 0..150 {
                for place in 0..=length {
                    for needle in needles {
                        let mut bytes = vec![b'x'; length];
                        // A second one behind it must not be the one that is found.
                        for at in [place, place + 3] {
                            if let Some(byte) = bytes.get_mut(at) {
                                *byte = needle;
                            }
                        }
                        let expected = memchr3(a, b, c, &bytes);
                        assert_eq!(ends.first(&bytes), expected, "{needle} at {place} of {length}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_other_byte_is_passed_over() {
        for (ends, needles) in VALUES {
            let others: Vec<u8> = (0..=0xff).filter(|byte| !needles.contains(byte)).collect();
            for shift in 0..8 {
                let bytes = [&others[shift..], &[needles[0]]].concat();
                assert_eq!(ends.first(&bytes), Some(others.len() - shift));
            }
        }
    }

    #[test]
    fn small_letters_are_counted_up_to_any_other_byte() {
        for other in (0..=0xff).filter(|byte| !u8::is_ascii_lowercase(byte)) {
            for place in 0..8 {
                let mut bytes = *b"azmbycnx";
                bytes[place] = other;
                assert_eq!(small_letters(u64::from_le_bytes(bytes)), place, "{other} at {place}");
            }
        }
        assert_eq!(small_letters(u64::from_le_bytes(*b"abcxyzaz")), 8);
    }

    #[test]
    fn a_block_at_the_end_is_filled_up_with_zeros() {
        let bytes = b"abcdefghij";
        for at in 0..=bytes.len() {
            let mut expected = [0; 8];
            for (place, byte) in expected.iter_mut().enumerate() {
                *byte = bytes.get(at + place).copied().unwrap_or(0);
            }
            assert_eq!(block(&bytes[at..]), u64::from_le_bytes(expected), "at {at}");
        }
    }
}
