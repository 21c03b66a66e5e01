//! Close frames: their codes (RFC 6455 section 7.4), and what stands in one.
//!
//! ```text
//!   nothing, or: code (2 bytes, big-endian) | reason (UTF-8, at most 123 bytes)
//! ```

use super::fault::Fault;

/// Why this side ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// All is done.
    Normal = 1000,
    /// The server ends, or has something better to do.
    GoingAway = 1001,
    /// The peer does not keep to the protocol.
    Protocol = 1002,
    /// Text where only binary messages are understood, or the other way round.
    Unsupported = 1003,
    /// Text that is not UTF-8.
    InvalidPayload = 1007,
    /// A message longer than is taken here.
    TooBig = 1009,
}

impl CloseCode {
    /// As it stands in a close frame.
    #[must_use]
    pub fn number(self) -> u16 {
        self as u16
    }
}

/// The code of a peer's close frame, if it gives one.
pub(super) fn code(payload: &[u8]) -> Result<Option<u16>, Fault> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(Fault::CloseCode),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !may_be_sent(code) {
        return Err(Fault::CloseCode);
    }
    match std::str::from_utf8(reason) {
        Ok(_) => Ok(Some(code)),
        Err(_) => Err(Fault::CloseReason),
    }
}

/// Codes that stand in frames: those that IANA has registered for it, and those of libraries and applications. 1004 is
/// reserved; 1005, 1006 and 1015 are for use within a program.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
