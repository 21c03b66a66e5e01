//! Keys as servers hand them to each other (XEP-0227 section 4.3).
//!
//! Invariant: keys that come in share one salt and iteration count, for that is what is kept; if those of SHA-256 do not
//! fit, the account is [partial](AccountKeys::is_partial).

use std::fmt;

use super::keys::{AccountKeys, KeyError, KeyPair, check_parameters};

/// The keys of one mechanism.
#[derive(Clone, PartialEq, Eq)]
pub struct HashedPassword {
    /// `SCRAM-SHA-1` or `SCRAM-SHA-256`.
    pub mechanism: &'static str,
    /// PBKDF2 iterations.
    pub iterations: u32,
    /// The salt.
    pub salt: Vec<u8>,
    /// StoredKey.
    pub stored: Vec<u8>,
    /// ServerKey.
    pub server: Vec<u8>,
}

impl fmt::Debug for HashedPassword {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "HashedPassword({}, secret)", self.mechanism)
    }
}

impl AccountKeys {
    /// For another server: those of SHA-1, and of SHA-256 unless they are missing.
    #[must_use]
    pub fn hashed(&self) -> Vec<HashedPassword> {
        let hashed = |mechanism, stored: &[u8], server: &[u8]| HashedPassword {
            mechanism,
            iterations: self.iterations,
            salt: self.salt.to_vec(),
            stored: stored.to_vec(),
            server: server.to_vec(),
        };
        let mut all = vec![hashed("SCRAM-SHA-1", &self.sha1.stored, &self.sha1.server)];
        if !self.is_partial() {
            all.push(hashed("SCRAM-SHA-256", &self.sha256.stored, &self.sha256.server));
        }
        all
    }

    /// From another server. Without keys of SHA-256 that belong to those of SHA-1, they are partial.
    ///
    /// # Errors
    /// Those of SHA-1 are missing, or something is beyond a bound.
    pub fn of_hashed(hashed: &[HashedPassword]) -> Result<AccountKeys, KeyError> {
        let of = |mechanism| hashed.iter().find(|one| one.mechanism == mechanism);
        let sha1 = of("SCRAM-SHA-1").ok_or(KeyError::Undecodable)?;
        let sha256 = of("SCRAM-SHA-256").filter(|one| one.salt == sha1.salt && one.iterations == sha1.iterations);
        check_parameters(&sha1.salt, sha1.iterations)?;
        let own: KeyPair<20> = pair(sha1)?;
        Ok(AccountKeys {
            salt: sha1.salt.clone().into(),
            iterations: sha1.iterations,
            sha256: sha256.map_or_else(|| Ok(own.stand_in()), pair)?,
            sha1: own,
            partial: sha256.is_none(),
        })
    }
}

fn pair<const N: usize>(hashed: &HashedPassword) -> Result<KeyPair<N>, KeyError> {
    let key = |bytes: &[u8]| <[u8; N]>::try_from(bytes).map_err(|_| KeyError::Undecodable);
    Ok(KeyPair {
        stored: key(&hashed.stored)?,
        server: key(&hashed.server)?,
    })
}
