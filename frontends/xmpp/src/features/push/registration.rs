//! A registration at rest.
//!
//! ```text
//! Table::Push   user NUL slot   ->  version (1), failures (u8), then each with its length (u16): service, node, resource, options
//! ```
//!
//! Invariant: a row that does not decode to its last byte is none of ours.

use bytes::Bytes;
use crosspoint_engine::jid::Jid;

const VERSION: u8 = 1;

/// Where one client's device is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registration {
    pub(super) failures: u8,
    pub(super) service: Jid,
    pub(super) node: String,
    /// Of the session that registered.
    pub(super) resource: String,
    /// A form, or nothing.
    pub(super) options: Bytes,
}

impl Registration {
    pub(super) fn encode(&self) -> Bytes {
        let parts: [&[u8]; 4] = [
            self.service.as_bytes(),
            self.node.as_bytes(),
            self.resource.as_bytes(),
            &self.options,
        ];
        let mut out = vec![VERSION, self.failures];
        for part in parts {
            // An address has at most 3,071 bytes, and the others have bounds of their own.
            out.extend_from_slice(&(part.len() as u16).to_le_bytes());
            out.extend_from_slice(part);
        }
        out.into()
    }

    /// `None` for what another build has written.
    pub(super) fn decode(bytes: &[u8]) -> Option<Registration> {
        let (&[version, failures], mut rest) = bytes.split_first_chunk()?;
        let mut part = || {
            let (length, behind) = rest.split_first_chunk()?;
            let part = behind.get(..usize::from(u16::from_le_bytes(*length)))?;
            rest = &behind[part.len()..];
            Some(part)
        };
        let text = |part: &[u8]| str::from_utf8(part).ok().map(str::to_owned);
        let registration = Registration {
            failures,
            service: Jid::parse(str::from_utf8(part()?).ok()?).ok()?,
            node: text(part()?)?,
            resource: text(part()?)?,
            options: Bytes::copy_from_slice(part()?),
        };
        (version == VERSION && rest.is_empty()).then_some(registration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration() -> Registration {
        Registration {
            failures: 3,
            service: "push.c.lit".parse().unwrap(),
            node: "yxs32uqsflafdk3iuqo".to_owned(),
            resource: "phone".to_owned(),
            options: Bytes::from_static(b"<x xmlns='jabber:x:data'/>"),
        }
    }

    #[test]
    fn a_registration_comes_back_from_its_row_and_a_shorter_row_does_not() {
        let row = registration().encode();
        assert_eq!(Registration::decode(&row), Some(registration()));
        for length in 0..row.len() {
            assert_eq!(Registration::decode(&row[..length]), None, "length {length}");
        }
    }

    #[test]
    fn the_row_of_version_1_is_frozen() {
        let row = Registration {
            failures: 1,
            service: "p.lit".parse().unwrap(),
            node: "n".to_owned(),
            resource: "r".to_owned(),
            options: Bytes::new(),
        };
        assert_eq!(&row.encode()[..], b"\x01\x01\x05\0p.lit\x01\0n\x01\0r\0\0");
    }
}
