//! Stable identities of archived messages, as clients see them (XEP-0359): a record's identity, enciphered.
//!
//! A record id tells the time and what else was said in that millisecond. A client must neither learn anything from the identity of a
//! message nor guess the next one (XEP-0313 section 3, XEP-0359 section 4), and a page that begins at one must be found without an index.
//! So the identity is the record id behind a block cipher of 64 bits (Speck64/128, Beaulieu et al. 2013), whose key is the installation's.
//!
//! Invariants:
//! - One to one, the same for ever: what is delivered, copied, kept for the absent and found again has one identity.
//! - It is never 0, so that an envelope has room for it in one word.

use std::fmt;
use std::num::NonZeroU64;

use sha2::Digest as _;

use crate::store::RecordId;

const ROUNDS: usize = 27;

/// What a client knows an archived message by. Opaque: it means something to the [`StableKey`] that made it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StableId(NonZeroU64);

impl StableId {
    /// Digits of its text.
    pub const TEXT_BYTES: usize = 16;

    /// As text: sixteen hexadecimal digits.
    #[must_use]
    pub fn text(self) -> [u8; Self::TEXT_BYTES] {
        let mut text = [0; Self::TEXT_BYTES];
        for (place, digit) in text.iter_mut().enumerate() {
            let nibble = self.0.get() >> (60 - 4 * place) & 15;
            *digit = b"0123456789abcdef"[nibble as usize];
        }
        text
    }

    /// From its text; `None` if no identity is written so.
    #[must_use]
    pub fn parse(text: &str) -> Option<StableId> {
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let whole = digits && text.len() == Self::TEXT_BYTES;
        let value = whole.then(|| u64::from_str_radix(text, 16).ok())?;
        value.and_then(NonZeroU64::new).map(StableId)
    }
}

impl fmt::Debug for StableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StableId({self})")
    }
}

impl fmt::Display for StableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// An installation's key, ready for use.
#[derive(Clone)]
pub struct StableKey([u32; ROUNDS]);

impl StableKey {
    /// From the installation's secret, which cannot be told from it.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> StableKey {
        let mut hash = sha2::Sha256::new();
        hash.update(b"crosspoint stable identities");
        hash.update(secret);
        let digest = hash.finalize();
        let word = |place: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| digest[4 * place + byte]));
        StableKey::schedule([word(0), word(1), word(2), word(3)])
    }

    /// The cipher's key schedule; the first word is the first round's.
    fn schedule([first, a, b, c]: [u32; 4]) -> StableKey {
        let mut keys = [first; ROUNDS];
        let mut others = [a, b, c];
        for round in 0..ROUNDS - 1 {
            let (mixed, next) = mix(others[round % 3], keys[round], round as u32);
            others[round % 3] = mixed;
            keys[round + 1] = next;
        }
        StableKey(keys)
    }

    /// The identity of a record.
    #[must_use]
    pub fn hide(&self, record: RecordId) -> StableId {
        let hidden = NonZeroU64::new(self.encipher(record));
        // No record is 0. What would become 0 becomes what 0 would: still one to one.
        let hidden = hidden.or_else(|| NonZeroU64::new(self.encipher(0)));
        StableId(hidden.unwrap_or(NonZeroU64::MAX))
    }

    /// The record with this identity; of one that was made up, any.
    #[must_use]
    pub fn reveal(&self, id: StableId) -> RecordId {
        match self.decipher(id.0.get()) {
            0 => self.decipher(0),
            record => record,
        }
    }

    fn encipher(&self, block: u64) -> u64 {
        let (mut x, mut y) = ((block >> 32) as u32, block as u32);
        for key in self.0 {
            (x, y) = mix(x, y, key);
        }
        u64::from(x) << 32 | u64::from(y)
    }

    fn decipher(&self, block: u64) -> u64 {
        let (mut x, mut y) = ((block >> 32) as u32, block as u32);
        for key in self.0.iter().rev() {
            y = (x ^ y).rotate_right(3);
            x = (x ^ key).wrapping_sub(y).rotate_left(8);
        }
        u64::from(x) << 32 | u64::from(y)
    }
}

/// One round.
fn mix(x: u32, y: u32, key: u32) -> (u32, u32) {
    let x = x.rotate_right(8).wrapping_add(y) ^ key;
    (x, y.rotate_left(3) ^ x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vector of the cipher's publication (ePrint 2013/404, appendix C).
    #[test]
    fn the_cipher_is_the_published_one() {
        let key = StableKey::schedule([0x0302_0100, 0x0b0a_0908, 0x1312_1110, 0x1b1a_1918]);
        assert_eq!(key.encipher(0x3b72_6574_7475_432d), 0x8c6f_a548_454e_028b);
        assert_eq!(key.decipher(0x8c6f_a548_454e_028b), 0x3b72_6574_7475_432d);
    }

    #[test]
    fn a_record_is_found_by_its_identity_and_its_text() {
        let key = StableKey::new(&[7; 32]);
        let zero = key.decipher(0);
        for record in [1, 2, zero, 1 << 20, (1_700_000_000_000 << 20) + 1, u64::MAX] {
            let id = key.hide(record);
            assert_eq!(key.reveal(id), record);
            let text = String::from_utf8(id.text().to_vec()).unwrap();
            assert_eq!((StableId::parse(&text), id.to_string()), (Some(id), text));
        }
        assert_ne!(
            key.hide(1),
            StableKey::new(&[8; 32]).hide(1),
            "another installation's are others"
        );
    }

    #[test]
    fn other_texts_are_no_identities() {
        for text in [
            "",
            "0",
            "0000000000000000",
            "123456789abcdeg0",
            "+23456789abcdef0",
            "123456789ABCDEF0",
            "1234567 9abcdef0",
            "123456789abcdef01",
        ] {
            assert_eq!(StableId::parse(text), None, "{text:?}");
        }
    }
}
