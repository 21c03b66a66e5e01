//! Tokens that log in: what a client is given once it has authenticated, and shows the next time in place of a password
//! (XEP-0484, with the mechanisms of draft-schmaus-kitten-sasl-ht).
//!
//! ```text
//!   token  = base64url(HMAC-SHA-256(secret of the installation, account | client | nonce | mechanism | its keys' fingerprint))
//!   client ──▶ account NUL HMAC(token, "Initiator" | channel binding)
//!          ◀── HMAC(token, "Responder" | channel binding)
//! ```
//!
//! Invariants:
//! - No token is stored, nor its hash, which would open the account just as well: the book holds the nonce, and the token is
//!   made of it again when somebody shows one. Who reads the rows without the installation's secret has nothing.
//! - A token is good for one account, one installation of a client and one mechanism, until it expires. When the account's
//!   password is set anew, its keys have another fingerprint and no token made before opens it.
//! - Of one client at most two tokens are good: the one that it uses, and one that it was sent and may not have received.
//! - Comparisons take the same time whatever is wrong, and for accounts and clients that do not exist.
#![forbid(unsafe_code)]

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::jid::Jid;
use crate::scram::{BindingType, SaslFault};

mod row;
#[cfg(test)]
mod tests;

pub use row::{Slots, Token, Verdict};

/// Installations of clients of one account that may hold tokens; who comes beyond takes the place of the one whose token is
/// oldest.
pub const CLIENTS_PER_USER_MAX: usize = 32;
/// Checks of one client's tokens that may wait for each other.
pub const CHECKS_WAITING_MAX: usize = 8;
/// Bytes of a nonce: unpredictable, and new for every token.
pub const NONCE_BYTES: usize = 16;
/// Most bytes of a client's message: a name of 1023 bytes, a separator, and a hash.
const MESSAGE_BYTES_MAX: usize = 1023 + 1 + PROOF_BYTES;
/// Bytes of a proof, and of our answer to it.
pub const PROOF_BYTES: usize = 32;

/// A mechanism by which a token is shown: HMAC-SHA-256 over what it is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// Bound to keying material of the connection (RFC 9266).
    Exporter = 1,
    /// Bound to the server's certificate (RFC 5929).
    EndPoint = 2,
    /// Bound to nothing: for clients that cannot know (browsers), and behind proxies.
    Unbound = 3,
}

impl Mechanism {
    /// All of them, strongest first. `HT-SHA-256-UNIQ` is not among them, see [`BindingType`].
    pub const ALL: [Mechanism; 3] = [Mechanism::Exporter, Mechanism::EndPoint, Mechanism::Unbound];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Mechanism::Exporter => "HT-SHA-256-EXPR",
            Mechanism::EndPoint => "HT-SHA-256-ENDP",
            Mechanism::Unbound => "HT-SHA-256-NONE",
        }
    }

    /// The mechanism of this name, if it is one of ours.
    pub fn from_name(name: &str) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// What of the channel it is bound to.
    pub const fn binding(self) -> Option<BindingType> {
        match self {
            Mechanism::Exporter => Some(BindingType::TlsExporter),
            Mechanism::EndPoint => Some(BindingType::TlsServerEndPoint),
            Mechanism::Unbound => None,
        }
    }
}

/// Whose a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Bare.
    pub account: Jid,
    /// The installation of the client, by the UUID that it has chosen for itself.
    pub client: u128,
}

impl Owner {
    /// The part of the rows' keys that names the client.
    pub fn part(&self) -> String {
        format!("{:032x}", self.client)
    }
}

/// Somebody shows a token, by a proof that he has it.
#[derive(Clone)]
pub struct Shown {
    /// Whose it is said to be.
    pub owner: Owner,
    /// How.
    pub mechanism: Mechanism,
    /// The data of the channel that the mechanism is bound to; empty for none.
    pub binding: Bytes,
    /// The proof.
    pub proof: [u8; PROOF_BYTES],
    /// How often the client has shown this token, if it counts: above what it was before.
    pub count: Option<u32>,
    /// It shall be the last time.
    pub invalidate: bool,
}

impl fmt::Debug for Shown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Shown(secret, {:?}, {:?})", self.owner, self.mechanism)
    }
}

/// A new token, for its client's eyes only.
#[derive(Clone, PartialEq, Eq)]
pub struct NewToken {
    /// 43 characters of base64url.
    pub text: String,
    /// In Unix milliseconds.
    pub expires_unix_ms: u64,
}

impl fmt::Debug for NewToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "NewToken(secret, until {})", self.expires_unix_ms)
    }
}

/// What tokens are made of beside their rows.
#[derive(Clone, Copy)]
pub struct Maker<'a> {
    /// The installation's own; the same for ever, never shown.
    pub secret: &'a [u8; 32],
    /// Of the account's present keys ([`AccountKeys::fingerprint`](crate::scram::AccountKeys::fingerprint)).
    pub fingerprint: [u8; 16],
}

impl Maker<'_> {
    /// The token as its client has it.
    fn text(&self, owner: &Owner, token: &Token) -> String {
        // Everything but the address has a fixed length, and an address holds no NUL.
        let made = hmac(
            self.secret,
            &[
                b"token 1\0",
                owner.account.bare_str().as_bytes(),
                b"\0",
                &owner.client.to_be_bytes(),
                &token.nonce,
                &[token.mechanism as u8],
                &self.fingerprint,
            ],
        );
        URL_SAFE_NO_PAD.encode(made)
    }

    /// What whoever holds the token would prove it by, and our answer.
    fn proofs(&self, owner: &Owner, token: &Token, binding: &[u8]) -> ([u8; PROOF_BYTES], [u8; PROOF_BYTES]) {
        let text = self.text(owner, token);
        let proof = |role: &[u8]| hmac(text.as_bytes(), &[role, binding]);
        (proof(b"Initiator"), proof(b"Responder"))
    }
}

/// Cuts a client's message: who it is, and its proof.
pub fn parse(message: &[u8]) -> Result<(&str, [u8; PROOF_BYTES]), SaslFault> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(SaslFault::TooLong);
    }
    let at = message.iter().position(|byte| *byte == 0).ok_or(SaslFault::Malformed)?;
    let name = str::from_utf8(&message[..at]).map_err(|_| SaslFault::Malformed)?;
    let proof = message[at + 1..].try_into().map_err(|_| SaslFault::Malformed)?;
    if name.is_empty() {
        return Err(SaslFault::Malformed);
    }
    Ok((name, proof))
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}
