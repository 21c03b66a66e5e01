//! ERROR and the server's BYE (SPEC.md section 10): `0 u16 code   2 u8 temporary   3 u8 fatal   4 u32 retry after, ms   8 text`.

use super::cursor::{Cursor, text};
use super::fault::{Code, Fault};

/// Why something was refused or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// The number on the wire, which may be newer than this code.
    pub code: u16,
    /// Whether trying again may help.
    pub temporary: bool,
    /// Whether the connection ends.
    pub fatal: bool,
    /// When to, in milliseconds; 0 for no advice.
    pub retry_after_ms: u32,
    /// For logs.
    pub text: &'a str,
}

impl<'a> Refusal<'a> {
    /// A refusal that is for good and ends nothing.
    #[must_use]
    pub fn new(code: Code) -> Refusal<'static> {
        Refusal {
            code: code as u16,
            temporary: false,
            fatal: false,
            retry_after_ms: 0,
            text: code.name(),
        }
    }

    /// The same, and the connection ends.
    #[must_use]
    pub fn fatal(code: Code) -> Refusal<'static> {
        Refusal {
            fatal: true,
            ..Refusal::new(code)
        }
    }

    /// The code, if it is known here.
    #[must_use]
    pub fn known(&self) -> Option<Code> {
        Code::from_number(self.code)
    }

    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<Refusal<'a>, Fault> {
        let mut cursor = Cursor::new(body);
        let code = cursor.u16()?;
        let (temporary, fatal) = (cursor.u8()?, cursor.u8()?);
        if temporary > 1 || fatal > 1 {
            return Err(Fault::Malformed);
        }
        Ok(Refusal {
            code,
            temporary: temporary == 1,
            fatal: fatal == 1,
            retry_after_ms: cursor.u32()?,
            text: text(cursor.rest())?,
        })
    }

    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.code.to_le_bytes());
        out.extend_from_slice(&[u8::from(self.temporary), u8::from(self.fatal)]);
        out.extend_from_slice(&self.retry_after_ms.to_le_bytes());
        out.extend_from_slice(self.text.as_bytes());
    }
}
