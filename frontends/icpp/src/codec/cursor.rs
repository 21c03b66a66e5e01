//! Reading fixed fields and counted texts, one after the other.
//!
//! Invariant: whatever is not there is [`Fault::Malformed`]; nothing reads beyond its slice.

use super::fault::Fault;

/// Some bytes, and how far they have been read.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// At the beginning.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor(bytes)
    }

    /// Whether all has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next bytes.
    pub fn take(&mut self, bytes: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Fault::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Fault::Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, Fault> {
        Ok(self.array::<1>()?[0])
    }

    /// The next two bytes.
    pub fn u16(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// The next eight bytes.
    pub fn u64(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// The next sixteen bytes, as they are.
    pub fn id(&mut self) -> Result<[u8; 16], Fault> {
        self.array()
    }

    /// Bytes that must be zero.
    pub fn zero(&mut self, bytes: usize) -> Result<(), Fault> {
        match self.take(bytes)?.iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err(Fault::Reserved),
        }
    }

    /// The next bytes, which must be text.
    pub fn text(&mut self, bytes: usize) -> Result<&'a str, Fault> {
        text(self.take(bytes)?)
    }

    /// A text with its length before it.
    pub fn counted_text(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.u16()?;
        self.text(bytes.into())
    }

    /// That was all.
    pub fn end(self) -> Result<(), Fault> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Fault::Malformed),
        }
    }
}

/// Bytes that must be text.
pub fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::Malformed)
}
