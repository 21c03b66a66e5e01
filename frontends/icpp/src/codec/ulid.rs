//! Message ids as text, for protocols whose identifiers are: ULIDs in Crockford's base 32, 26 characters.
//!
//! Invariant: [`parse`] takes exactly what [`text`] writes, so that two texts are never one id.

use super::message::MessageId;

/// Characters of an id.
pub const TEXT_BYTES: usize = 26;

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// An id as text.
#[must_use]
pub fn text(id: MessageId) -> [u8; TEXT_BYTES] {
    let number = u128::from_be_bytes(id);
    let mut text = [0; TEXT_BYTES];
    for (index, digit) in text.iter_mut().enumerate() {
        let shift = 5 * (TEXT_BYTES - 1 - index);
        *digit = DIGITS[(number >> shift) as usize & 31];
    }
    text
}

/// The id that a text is, if it is one.
#[must_use]
pub fn parse(text: &[u8]) -> Option<MessageId> {
    let text: &[u8; TEXT_BYTES] = text.try_into().ok()?;
    if text[0] > b'7' {
        // 130 bits are written, 128 are there.
        return None;
    }
    let mut number = 0u128;
    for character in text {
        let digit = DIGITS.iter().position(|digit| digit == character)?;
        number = number << 5 | digit as u128;
    }
    Some(number.to_be_bytes())
}

/// A new id: milliseconds since 1970 in 48 bits, then 80 random ones.
#[must_use]
pub fn make(unix_ms: u64, random: [u8; 10]) -> MessageId {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
    id[6..].copy_from_slice(&random);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for id in [[0; 16], [0xff; 16], *b"0123456789abcdef"] {
            let text = text(id);
            assert_eq!(parse(&text), Some(id), "{}", String::from_utf8_lossy(&text));
        }
        assert_eq!(&text([0xff; 16]), b"7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in [
            &b""[..],
            b"8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            b"7zzzzzzzzzzzzzzzzzzzzzzzzz",
            b"7ZZZZZZZZZZZZZZZZZZZZZZZZ",
            b"7ZZZZZZZZZZZZZZZZZZZZZZZZI",
        ] {
            assert_eq!(parse(text), None, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_new_id_begins_with_its_time() {
        let id = make(0x0123_4567_89ab, [7; 10]);
        assert_eq!(id, [1, 0x23, 0x45, 0x67, 0x89, 0xab, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
    }
}
