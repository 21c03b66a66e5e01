//! PLAIN (RFC 4616): the password itself, so only under TLS.
//!
//! ```text
//!   [authzid] NUL authcid NUL password
//! ```

use std::fmt;

use super::SaslFault;
use super::keys::PASSWORD_BYTES_MAX;
use crate::jid::JID_BYTES_MAX;

/// Most bytes of the message.
pub const PLAIN_BYTES_MAX: usize = 2 * JID_BYTES_MAX + 2 + PASSWORD_BYTES_MAX;

/// A parsed message. Its parts are not prepared yet: see [`super::account`] and [`super::keys::verify_password`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Plain<'a> {
    /// As whom the client wants to act, if it says so.
    pub authzid: Option<&'a str>,
    /// The user name.
    pub authcid: &'a str,
    /// The password.
    pub password: &'a str,
}

impl<'a> Plain<'a> {
    /// Cuts the message in its parts.
    pub fn parse(message: &'a [u8]) -> Result<Self, SaslFault> {
        if message.len() > PLAIN_BYTES_MAX {
            return Err(SaslFault::TooLong);
        }
        let text = str::from_utf8(message).map_err(|_| SaslFault::Malformed)?;
        let mut parts = text.split('\0');
        let (Some(authzid), Some(authcid), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SaslFault::Malformed);
        };
        if authcid.is_empty() || password.is_empty() {
            return Err(SaslFault::Malformed);
        }
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(SaslFault::TooLong);
        }
        Ok(Self {
            authzid: Some(authzid).filter(|authzid| !authzid.is_empty()),
            authcid,
            password,
        })
    }
}

impl fmt::Debug for Plain<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Plain({:?} as {:?}, secret)", self.authcid, self.authzid)
    }
}
