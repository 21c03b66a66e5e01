//! Accounts that another server kept by keys of SHA-1 alone: nobody can make those of SHA-256 but who has the password.
//!
//! ```text
//!   imported: SHA-1 ──▶ stand-ins for SHA-256 ──▶ login by SHA-1 ─▶ the client's SaltedPassword (XEP-0480) ──▶ whole
//!                                            └──▶ login by PLAIN ─▶ the password ────────────────────────────▶ whole
//! ```
//!
//! Invariants:
//! - Stand-ins are made of the keys of SHA-1 by one-way functions, the same each time: SCRAM-SHA-256 takes the same road as
//!   for whole accounts, and no password opens them.
//! - Completing changes neither salt nor iteration count nor the keys of SHA-1: what opened the account still does.

use super::keys::{AccountKeys, KeyPair, hmac_sha256, pair_sha256, prepare, salted_sha256};

/// Bytes of the SaltedPassword that makes partial keys whole.
pub const SALTED_BYTES: usize = 32;

impl KeyPair<20> {
    pub(super) fn stand_in(&self) -> KeyPair<32> {
        KeyPair {
            stored: hmac_sha256(&self.stored, &[b"stand-in stored-256"]),
            server: hmac_sha256(&self.server, &[b"stand-in server-256"]),
        }
    }
}

impl AccountKeys {
    /// Whether the account can be opened by SCRAM-SHA-1 and PLAIN alone.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// The salt of the derivation.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Whole keys, by the SaltedPassword of SHA-256 that somebody gives who has opened the account. Whole ones stay as
    /// they are.
    #[must_use]
    pub fn completed(&self, salted: &[u8; SALTED_BYTES]) -> AccountKeys {
        let mut keys = self.clone();
        if keys.partial {
            (keys.sha256, keys.partial) = (pair_sha256(salted), false);
        }
        keys
    }

    /// Of a password that has just opened partial keys, the SaltedPassword that completes them. Takes milliseconds: never
    /// on a shard.
    #[must_use]
    pub fn missing(&self, password: &str) -> Option<[u8; SALTED_BYTES]> {
        let password = prepare(password).ok().filter(|_| self.partial)?;
        Some(salted_sha256(&password, &self.salt, self.iterations))
    }
}
