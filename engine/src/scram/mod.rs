//! Proof of a password: SCRAM (RFC 5802, RFC 7677) on the server's side, and PLAIN (RFC 4616).
//!
//! ```text
//!   client                      server
//!   n,,n=juliet,r=CNONCE  --->  Started::parse     who is it? the caller looks the account up
//!                         <---  Started::challenge r=CNONCE+SNONCE,s=SALT,i=ITERATIONS
//!   c=...,r=...,p=PROOF   --->  Challenged::finish checks binding, nonce and proof
//!                         <---  v=SIGNATURE
//! ```
//!
//! Invariants:
//! - No I/O, no clock, no randomness: nonces, salts and the channel's binding data are arguments.
//! - A check on the shard costs microseconds. [`keys::derive`] and [`keys::verify_password`] cost milliseconds by
//!   design, and must run elsewhere.
//! - An account that does not exist is answered from [`keys::fake`] and takes the same road as one that does.
//!   A password that was right lately is known without it, see [`remembered`].
//! - Whatever the peer sends ends in a [`SaslFault`] or in success; secrets are compared in constant time and are not
//!   printed by `Debug`.
#![forbid(unsafe_code)]

use std::fmt;

use crate::jid::Jid;

mod hashed;
pub mod keys;
mod message;
mod offer;
mod partial;
pub mod plain;
pub mod remembered;
mod server;
#[cfg(test)]
mod tests;

pub use hashed::HashedPassword;
pub use keys::{AccountKeys, Credentials};
pub use offer::Offer;
pub use partial::SALTED_BYTES;
pub use plain::Plain;
pub use remembered::Remembered;
pub use server::{BindingType, Challenged, ChannelBindings, NONCE_BYTES, Started, Success};

/// The hash function under a mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-1, 20 bytes; in SCRAM it still holds, and every client has it.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
}

impl Hash {
    /// Bytes of a digest, hence of a key and of a proof.
    pub const fn digest_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// A SCRAM mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mechanism {
    /// Its hash function.
    pub hash: Hash,
    /// With channel binding, that is, the name ends in `-PLUS`?
    pub plus: bool,
}

impl Mechanism {
    /// All of them, strongest first; those without binding are the second half.
    pub const ALL: [Self; 4] = [
        Self {
            hash: Hash::Sha256,
            plus: true,
        },
        Self {
            hash: Hash::Sha1,
            plus: true,
        },
        Self {
            hash: Hash::Sha256,
            plus: false,
        },
        Self {
            hash: Hash::Sha1,
            plus: false,
        },
    ];

    /// The registered name (RFC 5802 section 4, RFC 7677 section 3).
    pub const fn name(self) -> &'static str {
        match (self.hash, self.plus) {
            (Hash::Sha1, false) => "SCRAM-SHA-1",
            (Hash::Sha1, true) => "SCRAM-SHA-1-PLUS",
            (Hash::Sha256, false) => "SCRAM-SHA-256",
            (Hash::Sha256, true) => "SCRAM-SHA-256-PLUS",
        }
    }

    /// The mechanism of this name, if it is one of ours.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }
}

/// How an attempt to authenticate failed by the peer's fault.
///
/// The names in the comments are the conditions of RFC 6120 section 6.5 that fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SaslFault {
    /// Not UTF-8, or breaks the grammar, the order of attributes, or the escaping of names: `malformed-request`.
    Malformed,
    /// A message, a name, a nonce or a password is longer than its limit: `malformed-request`.
    TooLong,
    /// A mandatory extension (`m=`) is demanded, and we know none: `malformed-request`.
    ExtensionUnsupported,
    /// The client believes that we cannot bind to the channel, though we offered it: somebody may have edited our list
    /// of mechanisms. `not-authorized`.
    Downgrade,
    /// The flag does not go with the mechanism's name: `malformed-request`.
    BindingFlagMismatch,
    /// The channel has no binding of the type that the client names: `not-authorized`.
    BindingTypeUnsupported,
    /// The client is bound to another channel (somebody is in the middle) or has changed its header: `not-authorized`.
    BindingMismatch,
    /// Not the nonce that we sent: `not-authorized`.
    NonceMismatch,
    /// The user name can belong to no account: `not-authorized`.
    UsernameForbidden,
    /// The proof, or the password, is wrong: `not-authorized`.
    WrongProof,
    /// It wants to act as somebody else: `invalid-authzid`.
    InvalidAuthzid,
}

impl fmt::Display for SaslFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Malformed => "the authentication message is malformed",
            Self::TooLong => "the authentication message is too long",
            Self::ExtensionUnsupported => "a mandatory extension is not supported",
            Self::Downgrade => "the list of mechanisms was tampered with",
            Self::BindingFlagMismatch => "the channel binding flag contradicts the mechanism",
            Self::BindingTypeUnsupported => "the channel binding type is not supported",
            Self::BindingMismatch => "the channel binding does not match",
            Self::NonceMismatch => "the nonce does not match",
            Self::UsernameForbidden => "the user name is not valid",
            Self::WrongProof => "wrong user name or password",
            Self::InvalidAuthzid => "acting for another account is not allowed",
        })
    }
}

impl std::error::Error for SaslFault {}

/// The account that a peer wants to open: `authcid` prepared, at `domain`; an `authzid`, if given, must be the same
/// account's bare address (RFC 6120 section 6.3.8). `domain` is one of ours.
pub fn account(authcid: &str, authzid: Option<&str>, domain: &str) -> Result<Jid, SaslFault> {
    let account = Jid::from_parts(Some(authcid), domain, None).map_err(|_| SaslFault::UsernameForbidden)?;
    match authzid {
        None => Ok(account),
        Some(authzid) if Jid::parse(authzid).is_ok_and(|wanted| wanted == account) => Ok(account),
        Some(_) => Err(SaslFault::InvalidAuthzid),
    }
}
