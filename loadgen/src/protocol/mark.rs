//! What every message carries, so that its receiver can tell loss, duplication, reordering, damage and delay.
//!
//! ```text
//! 0    4        12       20           32     38   42        hexadecimal digits, lower case
//! +----+--------+--------+------------+------+----+
//! | run| sender | number | stamp      | late | len|
//! +----+--------+--------+------------+------+----+
//!   run     of which run it is: what an earlier one has left on the server is not taken for this one's
//!   sender  the user's number
//!   number  0, 1, 2... of this sender in this stream
//!   stamp   when it was due: nanoseconds since the run's epoch, which all processes of a run share
//!   late    how much later it was written: microseconds
//!   len     bytes of the body
//! ```
//!
//! The body is a piece of one known text; where it begins follows from the number, and how long it is stands in the mark.
//! So a receiver can compare every byte of it, whoever sent it.
//!
//! Invariant: a mark and a body hold letters, digits, spaces and semicolons only: no protocol needs to escape them.

use crate::plan::BODY_BYTES_MAX;

/// Bytes of a mark.
pub const MARK_BYTES: usize = 42;

const FILL: &[u8] = b"the quick brown fox jumps over the lazy dog; ";
const LATE_US_MAX: u64 = (1 << 24) - 1;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Of which run it is.
    pub run: u16,
    /// The number of the user who wrote.
    pub sender: u32,
    /// Its place among the sender's messages.
    pub number: u32,
    /// When it was due, nanoseconds since the epoch; below 2^48, which is 78 hours.
    pub stamp_ns: u64,
    /// How much later it was written, microseconds; at most 16 s are told apart.
    pub late_us: u32,
    /// Bytes of the body.
    pub bytes: u16,
}

/// The text that bodies are pieces of.
#[derive(Debug)]
pub struct Filler(Vec<u8>);

impl Mark {
    /// A message that was due at `due_ns` and is written at `now_ns`.
    pub fn new(run: u16, sender: u32, number: u32, due_ns: u64, now_ns: u64, bytes: usize) -> Self {
        Self {
            run,
            sender,
            number,
            stamp_ns: due_ns,
            late_us: (now_ns.saturating_sub(due_ns) / 1000).min(LATE_US_MAX) as u32,
            bytes: bytes.min(BODY_BYTES_MAX) as u16,
        }
    }

    /// When it was written, nanoseconds since the epoch.
    pub fn written_ns(self) -> u64 {
        self.stamp_ns + u64::from(self.late_us) * 1000
    }

    /// On the wire.
    #[inline]
    pub fn digits(self) -> [u8; MARK_BYTES] {
        let mut out = [0; MARK_BYTES];
        put(&mut out[..4], u64::from(self.run));
        put(&mut out[4..12], u64::from(self.sender));
        put(&mut out[12..20], u64::from(self.number));
        put(&mut out[20..32], self.stamp_ns);
        put(&mut out[32..38], u64::from(self.late_us));
        put(&mut out[38..], u64::from(self.bytes));
        out
    }

    /// From the wire; `None` if it is not one.
    #[inline]
    pub fn read(digits: &[u8]) -> Option<Self> {
        let digits: &[u8; MARK_BYTES] = digits.try_into().ok()?;
        let mut wrong = 0;
        let mark = Self {
            run: take(&digits[..4], &mut wrong) as u16,
            sender: take(&digits[4..12], &mut wrong) as u32,
            number: take(&digits[12..20], &mut wrong) as u32,
            stamp_ns: take(&digits[20..32], &mut wrong),
            late_us: take(&digits[32..38], &mut wrong) as u32,
            bytes: take(&digits[38..], &mut wrong) as u16,
        };
        (wrong & 0xf0 == 0 && usize::from(mark.bytes) <= BODY_BYTES_MAX).then_some(mark)
    }
}

impl Filler {
    /// Enough for the longest body.
    pub fn new() -> Self {
        Self(FILL.iter().copied().cycle().take(BODY_BYTES_MAX + FILL.len()).collect())
    }

    /// The body that belongs to a mark.
    #[inline]
    pub fn body(&self, mark: Mark) -> &[u8] {
        let from = mark.number as usize % FILL.len();
        &self.0[from..from + usize::from(mark.bytes)]
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Values of digits; what is none has a high bit set.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

#[inline]
fn put(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = DIGITS[(value & 15) as usize];
        value >>= 4;
    }
}

#[inline]
fn take(digits: &[u8], wrong: &mut u8) -> u64 {
    digits.iter().fold(0, |sum, digit| {
        let value = VALUES[usize::from(*digit)];
        *wrong |= value;
        sum << 4 | u64::from(value & 15)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark {
        run: 0xface,
        sender: 0xc0ffee,
        number: 42,
        stamp_ns: 0x1234_5678_9abc,
        late_us: 0xabcdef,
        bytes: 100,
    };

    #[test]
    fn a_mark_on_the_wire_and_back() {
        let digits = MARK.digits();
        assert_eq!(
            str::from_utf8(&digits).unwrap(),
            "face00c0ffee0000002a123456789abcabcdef0064"
        );
        assert_eq!(Mark::read(&digits), Some(MARK));
    }

    #[test]
    fn what_is_no_mark_is_refused() {
        let digits = MARK.digits();
        assert_eq!(Mark::read(&digits[1..]), None);
        for place in 0..MARK_BYTES {
            for wrong in [b'g', b'F', b' ', 0xff] {
                let mut digits = digits;
                digits[place] = wrong;
                assert_eq!(Mark::read(&digits), None);
            }
        }
        let too_long = Mark {
            bytes: u16::MAX,
            ..MARK
        };
        assert_eq!(Mark::read(&too_long.digits()), None);
    }

    #[test]
    fn lateness_is_kept_to_the_microsecond_and_bounded() {
        let mark = Mark::new(0, 1, 2, 5_000, 12_345, 16);
        assert_eq!((mark.late_us, mark.written_ns()), (7, 12_000));
        assert_eq!(Mark::new(0, 1, 2, 0, u64::MAX, 16).late_us, 0xff_ffff);
        assert_eq!(Mark::new(0, 1, 2, 10, 5, 16).late_us, 0);
    }

    #[test]
    fn bodies_differ_from_one_number_to_the_next() {
        let filler = Filler::new();
        let body = |number| {
            filler.body(Mark {
                number,
                bytes: 16,
                ..MARK
            })
        };
        assert_eq!(body(0), b"the quick brown ");
        assert_eq!(body(1), b"he quick brown f");
        let longest = Mark {
            number: u32::MAX,
            bytes: BODY_BYTES_MAX as u16,
            ..MARK
        };
        assert_eq!(filler.body(longest).len(), BODY_BYTES_MAX);
    }
}
