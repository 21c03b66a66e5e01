//! A frame's header (RFC 6455 section 5.2): the client's are parsed, the server's written.
//!
//! ```text
//!   byte 0          byte 1                                      client only
//!   F R R R opcode  M length 0..=125, or 126, or 127  | length  | mask
//!   1 1 1 1 4 bits  1 7 bits                          | 0, 2, 8 | 4 bytes
//! ```
//! Written out instead of taken from a library: those that exist bring a random number generator along, for the client's
//! masks, and leave most of the checks to the caller.

use super::fault::Fault;

/// Payload of a control frame (section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// Length bytes that stand for a length of two or of eight bytes.
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xa,
}

impl Opcode {
    fn from_bits(bits: u8) -> Result<Opcode, Fault> {
        Ok(match bits {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xa => Opcode::Pong,
            unknown => return Err(Fault::Opcode(unknown)),
        })
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// The header of a client's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The last frame of its message.
    pub(super) fin: bool,
    pub(super) opcode: Opcode,
    /// Of the payload, in bytes.
    pub(super) length: u64,
    pub(super) mask: [u8; 4],
}

impl Header {
    /// The header at the beginning of `received`, and its own length; `None` while it is not all there. What is wrong is
    /// said as soon as the bytes that show it are there.
    pub(super) fn parse(received: &[u8]) -> Result<Option<(Header, usize)>, Fault> {
        let [first, second, rest @ ..] = received else {
            return Ok(None);
        };
        if first & RESERVED != 0 {
            return Err(Fault::ReservedBits);
        }
        let (fin, opcode) = (first & FIN != 0, Opcode::from_bits(first & OPCODE)?);
        if second & MASKED == 0 {
            return Err(Fault::Unmasked);
        }
        let short = second & !MASKED;
        if opcode.is_control() && !fin {
            return Err(Fault::ControlFragmented);
        }
        if opcode.is_control() && usize::from(short) > CONTROL_BYTES_MAX {
            return Err(Fault::ControlTooLong);
        }
        let Some((length, rest)) = length(short, rest)? else {
            return Ok(None);
        };
        let Some((&mask, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let header = Header {
            fin,
            opcode,
            length,
            mask,
        };
        Ok(Some((header, received.len() - rest.len())))
    }
}

/// The payload's length and what follows it.
fn length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Fault> {
    let (length, shortest, rest) = match short {
        TWO_BYTES => match rest.split_first_chunk() {
            Some((bytes, rest)) => (u64::from(u16::from_be_bytes(*bytes)), u64::from(TWO_BYTES), rest),
            None => return Ok(None),
        },
        EIGHT_BYTES => match rest.split_first_chunk() {
            Some((bytes, rest)) => (u64::from_be_bytes(*bytes), u64::from(u16::MAX) + 1, rest),
            None => return Ok(None),
        },
        short => (u64::from(short), 0, rest),
    };
    if length < shortest || length > i64::MAX as u64 {
        return Err(Fault::Length);
    }
    Ok(Some((length, rest)))
}

/// Writes the header of an unfragmented frame of the server.
pub(super) fn write(opcode: Opcode, length: usize, out: &mut Vec<u8>) {
    out.push(FIN | opcode as u8);
    if length <= CONTROL_BYTES_MAX {
        out.push(length as u8);
    } else if let Ok(length) = u16::try_from(length) {
        out.push(TWO_BYTES);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(EIGHT_BYTES);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
}

/// Takes the mask off, or puts it on (section 5.3); `mask` begins with the byte for the first of `bytes`.
pub(super) fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_in_their_shortest_form() {
        let cases: [(usize, &[u8]); 6] = [
            (0, &[0x82, 0]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (65_535, &[0x82, 126, 0xff, 0xff]),
            (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (1 << 32, &[0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0]),
        ];
        for (length, expected) in cases {
            let mut out = Vec::new();
            write(Opcode::Binary, length, &mut out);
            assert_eq!(out, expected, "{length}");
        }
    }

    #[test]
    fn unmasking_is_the_same_for_every_length() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        for length in 0..40 {
            let mut bytes: Vec<u8> = (0..length).collect();
            unmask(&mut bytes, mask);
            let expected: Vec<u8> = (0..length).map(|place| place ^ mask[usize::from(place) % 4]).collect();
            assert_eq!(bytes, expected);
        }
    }
}
