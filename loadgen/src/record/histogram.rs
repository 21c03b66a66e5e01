//! Histograms of latency: their one shape, and their text.
//!
//! The text is base64 of HdrHistogram's V2 encoding (not deflated), which its tools in all languages read:
//!
//! ```text
//! +--------------+----------------+----------+----------+-----------+-----------+-----------+--------------+
//! | cookie u32   | payload length | offset 0 | digits 3 | lowest    | highest   | ratio 1.0 | counts       |
//! | 0x1c849313   | u32            | u32      | u32      | u64, ns   | u64, ns   | f64       | zigzag LEB128|
//! +--------------+----------------+----------+----------+-----------+-----------+-----------+--------------+
//!   all big-endian; a negative count -n stands for n empty places
//! ```
//!
//! Invariants: all histograms have one shape, so any two can be merged without loss; a text of another shape is an
//! error, not a guess.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;

/// The longest latency that is told apart, and the shortest; nanoseconds.
pub const LATENCY_NS_MAX: u64 = 120_000_000_000;
const LATENCY_NS_MIN: u64 = 1_000;
const DIGITS: u8 = 3;

const COOKIE: u32 = 0x1c84_9313;
const HEADER_BYTES: usize = 40;
/// Places of a power of two; of these, the lower half is used by the first power only (2 * 10^DIGITS, rounded up).
const HALF_BITS: u32 = 10;
const HALF: usize = 1 << HALF_BITS;
/// Values are told apart in steps of 2^UNIT_BITS ns at best (LATENCY_NS_MIN, rounded down).
const UNIT_BITS: u32 = LATENCY_NS_MIN.ilog2();
/// The number of places: as many doublings as the longest latency takes.
const PLACES: usize = (((LATENCY_NS_MAX >> UNIT_BITS).ilog2() - HALF_BITS) as usize + 2) * HALF;

/// Why a text is not a histogram of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("a histogram is not base64")]
    Base64,
    #[error("a histogram is not in the V2 encoding")]
    Cookie,
    #[error("a histogram has another range or precision than 1 us to 120 s with 3 digits")]
    Shape,
    #[error("a histogram ends early or has too many places")]
    Length,
}

/// An empty one: nanoseconds, 1 us to 120 s, three significant digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, DIGITS).expect("the bounds are in order")
}

/// The text of a histogram that [`histogram`] made.
pub fn encode(histogram: &Histogram<u64>) -> String {
    let mut counts = Vec::new();
    let mut next = 0;
    for step in histogram.iter_recorded() {
        let place = place_of(step.value_iterated_to());
        match place - next {
            0 => {}
            gap => write_varint(&mut counts, zigzag(if gap == 1 { 0 } else { -(gap as i64) })),
        }
        write_varint(&mut counts, zigzag(step.count_at_value().min(i64::MAX as u64) as i64));
        next = place + 1;
    }
    let mut bytes = Vec::with_capacity(HEADER_BYTES + counts.len());
    for word in [COOKIE, counts.len() as u32, 0, u32::from(DIGITS)] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend(LATENCY_NS_MIN.to_be_bytes());
    bytes.extend(LATENCY_NS_MAX.to_be_bytes());
    bytes.extend(1f64.to_be_bytes());
    bytes.extend(counts);
    STANDARD.encode(bytes)
}

/// The histogram of a text; its greatest value is that of the place, at most 0.1 % above what was recorded.
pub fn decode(text: &str) -> Result<Histogram<u64>, DecodeError> {
    let bytes = STANDARD.decode(text).map_err(|_| DecodeError::Base64)?;
    let (header, mut counts) = bytes.split_at_checked(HEADER_BYTES).ok_or(DecodeError::Length)?;
    check_header(header, counts.len())?;
    let mut histogram = histogram();
    let mut place = 0;
    while !counts.is_empty() {
        let count = unzigzag(read_varint(&mut counts).ok_or(DecodeError::Length)?);
        let Ok(times) = u64::try_from(count) else {
            place += usize::try_from(count.unsigned_abs()).map_err(|_| DecodeError::Length)?;
            if place > PLACES {
                return Err(DecodeError::Length);
            }
            continue;
        };
        if place >= PLACES {
            return Err(DecodeError::Length);
        }
        if times > 0 {
            histogram.saturating_record_n(value_of(place), times);
        }
        place += 1;
    }
    Ok(histogram)
}

fn check_header(header: &[u8], counts_bytes: usize) -> Result<(), DecodeError> {
    let word = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let long = |at: usize| u64::from_be_bytes(header[at..at + 8].try_into().expect("eight bytes"));
    if word(0) != COOKIE {
        return Err(DecodeError::Cookie);
    }
    if word(4) as usize != counts_bytes {
        return Err(DecodeError::Length);
    }
    let shape = (word(8), word(12), long(16), long(24), f64::from_bits(long(32)));
    if shape != (0, u32::from(DIGITS), LATENCY_NS_MIN, LATENCY_NS_MAX, 1.0) {
        return Err(DecodeError::Shape);
    }
    Ok(())
}

/// Where a value is counted: its power of two, then its place within.
fn place_of(ns: u64) -> usize {
    let unit = ns >> UNIT_BITS;
    let doublings = (unit >> HALF_BITS).checked_ilog2().map_or(0, |bits| bits as usize);
    doublings * HALF + (unit >> doublings) as usize
}

/// The greatest value that is counted at a place.
fn value_of(place: usize) -> u64 {
    let doublings = (place / HALF).saturating_sub(1);
    let within = (place - doublings * HALF) as u64;
    ((within + 1) << doublings << UNIT_BITS) - 1
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Seven bits a byte, lowest first; a ninth byte holds eight.
fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    for _ in 0..8 {
        if value < 0x80 {
            return bytes.push(value as u8);
        }
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for number in 0..9 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if number == 8 {
            return Some(value | u64::from(byte) << 56);
        }
        value |= u64::from(byte & 0x7f) << (7 * number);
        if byte < 0x80 {
            break;
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_comes_back_from_its_text() {
        let mut sent = histogram();
        for exponent in 0..37 {
            let ns = 1u64 << exponent;
            sent.saturating_record_n(ns, exponent + 1);
            sent.saturating_record(ns + ns / 3);
        }
        sent.saturating_record(LATENCY_NS_MAX);
        let got = decode(&encode(&sent)).unwrap();
        assert_eq!(got, sent);
        assert_eq!(got.value_at_quantile(0.5), sent.value_at_quantile(0.5));
        assert_eq!(decode(&encode(&histogram())).unwrap(), histogram());
    }

    #[test]
    fn the_bytes_are_those_that_other_tools_read() {
        // 1 ms and 1 s: 1953 units of 512 ns is place 1953 (a gap: zigzag of -1953 is 3905).
        let mut sent = histogram();
        sent.record_n(1_000_000, 5).unwrap();
        let bytes = STANDARD.decode(encode(&sent)).unwrap();
        assert_eq!(
            bytes[..16],
            [0x1c, 0x84, 0x93, 0x13, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 3]
        );
        assert_eq!(bytes[HEADER_BYTES..], [0xc1, 0x1e, 10]);
    }

    #[test]
    fn places_and_values_are_each_others_inverse() {
        for place in (0..PLACES).step_by(7).chain([PLACES - 1]) {
            assert_eq!(place_of(value_of(place)), place);
            let model = histogram();
            let value = value_of(place);
            assert_eq!(model.highest_equivalent(value), value);
        }
        assert_eq!(histogram().distinct_values(), PLACES);
    }

    #[test]
    fn a_text_of_another_kind_is_refused() {
        assert_eq!(decode("!"), Err(DecodeError::Base64));
        assert_eq!(decode("AAAA"), Err(DecodeError::Length));
        let mut bytes = STANDARD.decode(encode(&histogram())).unwrap();
        bytes[15] = 2;
        assert_eq!(decode(&STANDARD.encode(&bytes)), Err(DecodeError::Shape));
        bytes[0] = 0;
        assert_eq!(decode(&STANDARD.encode(&bytes)), Err(DecodeError::Cookie));
        // Twice the longest gap: more places than there are.
        let mut bytes = STANDARD.decode(encode(&histogram())).unwrap();
        write_varint(&mut bytes, zigzag(-(PLACES as i64) - 1));
        bytes[7] = (bytes.len() - HEADER_BYTES) as u8;
        assert_eq!(decode(&STANDARD.encode(&bytes)), Err(DecodeError::Length));
        bytes.pop();
        bytes[7] -= 1;
        assert_eq!(decode(&STANDARD.encode(&bytes)), Err(DecodeError::Length));
    }
}
