//! SYNC, SYNCED and HISTORY (SPEC.md section 9).

use super::cursor::Cursor;
use super::fault::Fault;

/// Asks for what waited: `0 u64 epoch   8 u64 offset   16 u64 zero`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sync {
    /// Of the offset.
    pub epoch: u64,
    /// The client has everything up to here.
    pub offset: u64,
}

impl Sync {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Result<Sync, Fault> {
        let mut cursor = Cursor::new(body);
        let sync = Sync {
            epoch: cursor.u64()?,
            offset: cursor.u64()?,
        };
        cursor.zero(8)?;
        cursor.end()?;
        Ok(sync)
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
    }
}

/// That was all: `0 u64 epoch   8 u64 offset   16 u8 more   17 zero`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synced {
    /// Of the offset.
    pub epoch: u64,
    /// Of the last message sent.
    pub offset: u64,
    /// Whether there is more.
    pub more: bool,
}

impl Synced {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Result<Synced, Fault> {
        let mut cursor = Cursor::new(body);
        let (epoch, offset) = (cursor.u64()?, cursor.u64()?);
        let more = flag(cursor.u8()?)?;
        cursor.zero(7)?;
        cursor.end()?;
        Ok(Synced { epoch, offset, more })
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&[u8::from(self.more), 0, 0, 0, 0, 0, 0, 0]);
    }
}

/// Asks for what was said: `0 u64 bound   8 u16 limit   10 u8 direction   11 u8 room   12 u16 with   14 zero   16 with`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History<'a> {
    /// Exclusive; 0 for the newest, or the oldest.
    pub bound: u64,
    /// Messages at most; 0 for the server's choice.
    pub limit: u16,
    /// Towards newer ones.
    pub forwards: bool,
    /// What was said in the room of that address, not by the user and to him.
    pub room: bool,
    /// With whom, a bare address; empty for all.
    pub with: &'a str,
}

impl<'a> History<'a> {
    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<History<'a>, Fault> {
        let mut cursor = Cursor::new(body);
        let (bound, limit) = (cursor.u64()?, cursor.u16()?);
        let forwards = flag(cursor.u8()?)?;
        let room = flag(cursor.u8()?)?;
        let with = cursor.u16()?;
        cursor.zero(2)?;
        let with = cursor.text(with.into())?;
        cursor.end()?;
        Ok(History {
            bound,
            limit,
            forwards,
            room,
            with,
        })
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bound.to_le_bytes());
        out.extend_from_slice(&self.limit.to_le_bytes());
        out.extend_from_slice(&[u8::from(self.forwards), u8::from(self.room)]);
        out.extend_from_slice(&(self.with.len() as u16).to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(self.with.as_bytes());
    }
}

fn flag(byte: u8) -> Result<bool, Fault> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Fault::Malformed),
    }
}
