//! Frames: sixteen bytes that say what follows (SPEC.md section 3).
//!
//! Invariants: "not enough bytes yet" is no error; nothing is copied; a frame that [`scan`] returns is inside its bounds.

use super::fault::Fault;
use super::verb::Verb;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 16;
/// What a connection begins with: magic, lowest and highest version, zero.
pub const PREFACE: [u8; 8] = *b"ICPP\x01\x01\0\0";
/// The version that this code speaks.
pub const VERSION: u8 = 1;
/// Largest frame before a login.
pub const FRAME_BYTES_BEFORE_LOGIN: u32 = 4096;
/// Largest frame after it, unless a server says otherwise.
pub const FRAME_BYTES: u32 = 65_536;

/// The flags of a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// None.
    pub const NONE: Flags = Flags(0);
    /// A request.
    pub const REQ: Flags = Flags(0x01);
    /// An answer.
    pub const RESP: Flags = Flags(0x02);
    /// The request was refused.
    pub const ERR: Flags = Flags(0x04);
    /// More frames of this answer follow.
    pub const MORE: Flags = Flags(0x08);
    /// Compressed; not offered.
    pub const ZSTD: Flags = Flags(0x10);
    /// Not for the absent.
    pub const NOSTORE: Flags = Flags(0x20);
    /// May have been sent before.
    pub const DUP: Flags = Flags(0x40);
    /// Must be zero.
    const RESERVED: u8 = 0x80 | Flags::ZSTD.0;

    /// Both.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of `other` is set.
    #[must_use]
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A header, without its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// As on the wire: a verb that is not known may be ignored.
    pub verb: u8,
    /// See [`Flags`].
    pub flags: Flags,
    /// Which session of the link.
    pub slot: u16,
    /// Of a request and its answers; else 0.
    pub id: u32,
    /// Reliable frames of the other side that are safe.
    pub ack: u32,
}

impl Header {
    /// A push on an ordinary link.
    #[must_use]
    pub fn push(verb: Verb, ack: u32) -> Header {
        Header {
            verb: verb as u8,
            flags: Flags::NONE,
            slot: 0,
            id: 0,
            ack,
        }
    }

    /// Its bytes, for a frame with a body of this length.
    #[must_use]
    pub fn bytes(&self, body_bytes: usize) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&((HEADER_BYTES + body_bytes) as u32).to_le_bytes());
        bytes[4] = self.verb;
        bytes[5] = self.flags.0;
        bytes[6..8].copy_from_slice(&self.slot.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.id.to_le_bytes());
        bytes[12..].copy_from_slice(&self.ack.to_le_bytes());
        bytes
    }
}

/// A whole frame, borrowed from the bytes that it arrived in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// What follows the header.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The verb, if it is known. An unknown one below 0x80 is a fault; another may be ignored (`None`).
    pub fn verb(&self) -> Result<Option<Verb>, Fault> {
        match Verb::from_number(self.header.verb) {
            None if self.header.verb < 0x80 => Err(Fault::UnknownVerb(self.header.verb)),
            verb => Ok(verb),
        }
    }

    /// Bytes of the whole frame.
    #[must_use]
    pub fn len(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }

    /// Never: a frame has a header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// What stands at the beginning of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan<'a> {
    /// A frame; it takes [`Frame::len`] bytes.
    Frame(Frame<'a>),
    /// The beginning of one.
    Partial,
}

/// How many of these bytes, which begin where a frame begins, are whole frames, by their lengths alone. For what this side
/// has written: a length that cannot be counts as whole, with all that follows.
#[must_use]
pub fn whole(bytes: &[u8]) -> usize {
    let mut whole = 0;
    while let Some((length, _)) = bytes[whole..].split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        if length < HEADER_BYTES {
            return bytes.len();
        }
        if length > bytes.len() - whole {
            break;
        }
        whole += length;
    }
    whole
}

/// Looks for a frame of at most `bytes_max` bytes at the beginning of `input`. Faults are found as soon as the bytes that show
/// them are there.
pub fn scan(input: &[u8], bytes_max: u32) -> Result<Scan<'_>, Fault> {
    let Some((length, _)) = input.split_first_chunk::<4>() else {
        return Ok(Scan::Partial);
    };
    let length = u32::from_le_bytes(*length);
    if (length as usize) < HEADER_BYTES {
        return Err(Fault::Malformed);
    }
    if length > bytes_max {
        return Err(Fault::TooLarge);
    }
    let Some((header, rest)) = input.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(Scan::Partial);
    };
    let flags = Flags(header[5]);
    if flags.0 & Flags::RESERVED != 0 {
        return Err(Fault::Reserved);
    }
    let Some(body) = rest.get(..length as usize - HEADER_BYTES) else {
        return Ok(Scan::Partial);
    };
    Ok(Scan::Frame(Frame {
        header: Header {
            verb: header[4],
            flags,
            slot: u16::from_le_bytes([header[6], header[7]]),
            id: u32::from_le_bytes([header[8], header[9], header[10], header[11]]),
            ack: u32::from_le_bytes([header[12], header[13], header[14], header[15]]),
        },
        body,
    }))
}

/// The preface: how many versions the client offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The version to speak.
    Speak(u8),
    /// None in common.
    NoCommonVersion,
    /// More bytes are needed.
    Partial,
}

/// Reads the eight bytes of a preface.
pub fn preface(input: &[u8]) -> Result<Opening, Fault> {
    let magic = &PREFACE[..4];
    if !input.starts_with(&magic[..input.len().min(4)]) {
        return Err(Fault::Malformed);
    }
    let Some((preface, _)) = input.split_first_chunk::<8>() else {
        return Ok(Opening::Partial);
    };
    let [_, _, _, _, lowest, highest, reserved @ ..] = *preface;
    if reserved != [0, 0] {
        return Err(Fault::Reserved);
    }
    if lowest > highest {
        return Err(Fault::Malformed);
    }
    match (lowest..=highest).contains(&VERSION) {
        true => Ok(Opening::Speak(VERSION)),
        false => Ok(Opening::NoCommonVersion),
    }
}

/// Appends a frame whose body `write` appends.
pub fn write_frame(out: &mut Vec<u8>, header: Header, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&header.bytes(0));
    write(out);
    let length = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_frames_are_counted_at_every_cut() {
        let mut bytes = Vec::new();
        let mut ends = vec![0];
        for length in [0, 1, 300, 0] {
            write_frame(&mut bytes, Header::push(Verb::Send, 0), |out| {
                out.resize(out.len() + length, 7)
            });
            ends.push(bytes.len());
        }
        for cut in 0..=bytes.len() {
            let expected = ends.iter().rev().find(|end| **end <= cut);
            assert_eq!(Some(&whole(&bytes[..cut])), expected, "{cut}");
        }
        assert_eq!(whole(&[0; 20]), 20, "what is no frame does not wait for ever");
    }
}
