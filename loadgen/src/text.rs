//! The messages of a run: numbered, of known length and content, so that the receiver can check every byte.
//!
//! ```text
//! <message to='u1@localhost' type='chat' id='0000000042'><body>0000000042 the quick brown...</body></message>
//! ```
//!
//! The length of a body follows from its number; sender and receiver compute the same.

use std::ops::RangeInclusive;

/// Digits of a number, on the wire.
const DIGITS: usize = 10;
/// Least bytes of a body: the number, a space, and something to say.
pub const BODY_BYTES_MIN: usize = 16;
/// Most bytes of a body.
pub const BODY_BYTES_MAX: usize = 16 << 10;

const FILL: &[u8] = b"the quick brown fox jumps over the lazy dog; ";

/// Bodies of one run.
#[derive(Debug)]
pub struct Bodies {
    shortest: usize,
    lengths: u64,
    filler: Vec<u8>,
}

impl Bodies {
    /// Bodies of so many bytes, both ends within [`BODY_BYTES_MIN`] and [`BODY_BYTES_MAX`].
    pub fn new(bytes: RangeInclusive<usize>) -> Self {
        Self {
            shortest: *bytes.start(),
            lengths: (bytes.end() - bytes.start() + 1) as u64,
            filler: FILL.iter().copied().cycle().take(*bytes.end()).collect(),
        }
    }

    /// Appends the body of message `number`.
    pub fn append(&self, number: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&digits(number));
        out.push(b' ');
        out.extend_from_slice(&self.filler[..self.bytes(number) - DIGITS - 1]);
    }

    /// The number of a body that arrived, or nothing if it is not one of ours to the last byte.
    pub fn number(&self, body: &str) -> Option<u64> {
        let (number, rest) = body.as_bytes().split_at_checked(DIGITS)?;
        if !number.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = number.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        let filler = rest.strip_prefix(b" ")?;
        (body.len() == self.bytes(number) && filler == &self.filler[..filler.len()]).then_some(number)
    }

    fn bytes(&self, number: u64) -> usize {
        // Fibonacci hashing: spreads the lengths evenly, and neighbours apart.
        let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        self.shortest + ((spread * self.lengths) >> 32) as usize
    }
}

/// Start and end of the messages to one address.
#[derive(Debug)]
pub struct Envelope {
    head: Vec<u8>,
}

impl Envelope {
    /// `to` is written as it is: it needs no escaping in an attribute.
    pub fn new(to: &str) -> Self {
        Self {
            head: format!("<message to='{to}' type='chat' id='").into_bytes(),
        }
    }

    /// Appends message `number`.
    pub fn append(&self, number: u64, bodies: &Bodies, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(&digits(number));
        out.extend_from_slice(b"'><body>");
        bodies.append(number, out);
        out.extend_from_slice(b"</body></message>");
    }
}

fn digits(mut number: u64) -> [u8; DIGITS] {
    let mut out = [b'0'; DIGITS];
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_is_read_back_and_lengths_reach_both_ends() {
        let bodies = Bodies::new(16..=100);
        let mut seen = [false; 101];
        for number in 0..5000 {
            let mut body = Vec::new();
            bodies.append(number, &mut body);
            seen[body.len()] = true;
            assert_eq!(bodies.number(str::from_utf8(&body).unwrap()), Some(number));
        }
        assert!(!seen[..16].iter().any(|seen| *seen) && seen[16..].iter().all(|seen| *seen));
    }

    #[test]
    fn a_damaged_body_is_none_of_ours() {
        let bodies = Bodies::new(20..=20);
        assert_eq!(bodies.number("0000000007 the quick"), Some(7));
        for damaged in [
            "",
            "0000000007",
            "0000000007 the quic",
            "0000000007 the quick ",
            "0000000007 The quick",
            "000000000x the quick",
            "0000000007_the quick",
        ] {
            assert_eq!(bodies.number(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn a_message_on_the_wire() {
        let mut out = Vec::new();
        Envelope::new("juliet@localhost").append(42, &Bodies::new(16..=16), &mut out);
        assert_eq!(
            str::from_utf8(&out).unwrap(),
            "<message to='juliet@localhost' type='chat' id='0000000042'><body>0000000042 the q</body></message>"
        );
    }
}
