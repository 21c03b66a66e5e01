//! What is kept of a password: one salt, and for each hash two keys from which the password cannot be read.
//!
//! In the book, version 1, integers little endian:
//! ```text
//!   +--------+----------------+---------+--------------+--------------+--------------+----------------+----------------+
//!   | 0x01   | iterations u32 | n, a u8 | salt, n      | SHA-1 stored | SHA-1 server | SHA-256 stored | SHA-256 server |
//!   | 1 byte | 4              | 1       | 1 to 64      | 20           | 20           | 32             | 32             |
//!   +--------+----------------+---------+--------------+--------------+--------------+----------------+----------------+
//! ```
//! Version 2, 0x02, ends behind the keys of SHA-1: another server had no others (`partial.rs`).
//!
//! Invariants: the iteration count lies within [`ITERATIONS_MIN`] and [`ITERATIONS_MAX`]; both hashes share the salt,
//! for [`fake`] accounts as for real ones.

use std::fmt;

use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Hash, SaslFault};

/// Iterations of the key derivation for new passwords.
pub const ITERATIONS_DEFAULT: u32 = 10_000;
/// Fewest iterations that are accepted (RFC 5802 section 5.1, RFC 7677 section 4).
pub const ITERATIONS_MIN: u32 = 4096;
/// Most iterations that are accepted: about a third of a second.
pub const ITERATIONS_MAX: u32 = 1_000_000;
/// Most bytes of a password.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Bytes of a new salt. It is random, and new for every password.
pub const SALT_BYTES: usize = 16;
/// Most bytes of a salt, such as other servers may have chosen.
pub const SALT_BYTES_MAX: usize = 64;

const _: () = assert!(ITERATIONS_MIN <= ITERATIONS_DEFAULT && ITERATIONS_DEFAULT <= ITERATIONS_MAX);

const VERSION: u8 = 1;
const VERSION_PARTIAL: u8 = 2;

/// Why no keys can be made of a password, or none be read from the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyError {
    /// The password is empty, or nothing is left of it by SASLprep (RFC 4013).
    PasswordEmpty,
    /// The password has more than [`PASSWORD_BYTES_MAX`] bytes.
    PasswordTooLong,
    /// The password has characters that SASLprep prohibits, so that no two clients would encode it alike.
    PasswordForbidden,
    /// The iteration count is below [`ITERATIONS_MIN`] or above [`ITERATIONS_MAX`].
    IterationsOutOfRange,
    /// The salt is empty, or has more than [`SALT_BYTES_MAX`] bytes.
    SaltOutOfRange,
    /// The bytes are no keys of a version that we know.
    Undecodable,
}

impl fmt::Display for KeyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PasswordEmpty => write!(out, "the password is empty"),
            Self::PasswordTooLong => write!(out, "the password is longer than {PASSWORD_BYTES_MAX} bytes"),
            Self::PasswordForbidden => write!(out, "the password has characters that clients encode differently"),
            Self::IterationsOutOfRange => {
                write!(
                    out,
                    "the iteration count is not within {ITERATIONS_MIN} and {ITERATIONS_MAX}"
                )
            }
            Self::SaltOutOfRange => write!(out, "the salt has not 1 to {SALT_BYTES_MAX} bytes"),
            Self::Undecodable => write!(out, "the stored keys are damaged, or of a newer version"),
        }
    }
}

impl std::error::Error for KeyError {}

/// StoredKey and ServerKey of one hash (RFC 5802 section 3). Neither opens an account by itself, but ServerKey lets its
/// holder pose as this server, hence they are secrets.
#[derive(Clone, Copy)]
pub(super) struct KeyPair<const N: usize> {
    pub(super) stored: [u8; N],
    pub(super) server: [u8; N],
}

/// Everything that is kept of one account's password.
#[derive(Clone)]
pub struct AccountKeys {
    pub(super) salt: Box<[u8]>,
    pub(super) iterations: u32,
    pub(super) sha1: KeyPair<20>,
    pub(super) sha256: KeyPair<32>,
    /// Those of SHA-256 are stand-ins (`partial.rs`).
    pub(super) partial: bool,
}

/// What one SCRAM exchange needs of them.
#[derive(Clone)]
pub struct Credentials {
    pub(super) hash: Hash,
    pub(super) salt: Box<[u8]>,
    pub(super) iterations: u32,
    /// The first `hash.digest_bytes()` bytes count.
    stored: [u8; 32],
    server: [u8; 32],
}

/// Derives the keys of a password. Takes milliseconds: never on a shard.
pub fn derive(password: &str, salt: &[u8], iterations: u32) -> Result<AccountKeys, KeyError> {
    let password = prepare(password)?;
    check_parameters(salt, iterations)?;
    Ok(AccountKeys {
        salt: salt.into(),
        iterations,
        sha1: pair_sha1(&salted_sha1(&password, salt, iterations)),
        sha256: pair_sha256(&salted_sha256(&password, salt, iterations)),
        partial: false,
    })
}

/// Is this the account's password? For PLAIN. Takes milliseconds, for [fake](fake) keys too: never on a shard.
pub fn verify_password(password: &str, keys: &AccountKeys) -> Result<(), SaslFault> {
    let password = prepare(password).map_err(|_| SaslFault::WrongProof)?;
    let (salt, rounds) = (&keys.salt, keys.iterations);
    let same: bool = match keys.partial {
        true => pair_sha1(&salted_sha1(&password, salt, rounds))
            .stored
            .ct_eq(&keys.sha1.stored),
        false => pair_sha256(&salted_sha256(&password, salt, rounds))
            .stored
            .ct_eq(&keys.sha256.stored),
    }
    .into();
    if same { Ok(()) } else { Err(SaslFault::WrongProof) }
}

/// Keys for an account that does not exist, so that asking for it looks and costs the same. `secret` is the
/// installation's own and never changes; `account` is the prepared bare address. No password opens them.
pub fn fake(secret: &[u8; 32], account: &str, iterations: u32) -> AccountKeys {
    let mix = |label: &[u8]| hmac_sha256(secret, &[label, b"\0", account.as_bytes()]);
    let head = |bytes: [u8; 32]| std::array::from_fn(|index| bytes[index]);
    AccountKeys {
        salt: mix(b"salt")[..SALT_BYTES].into(),
        iterations: iterations.clamp(ITERATIONS_MIN, ITERATIONS_MAX),
        sha1: KeyPair {
            stored: head(mix(b"stored-1")),
            server: head(mix(b"server-1")),
        },
        sha256: KeyPair {
            stored: mix(b"stored-256"),
            server: mix(b"server-256"),
        },
        partial: false,
    }
}

impl AccountKeys {
    /// Tells these keys from those of any other password, without telling anything else of them.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        for part in [&b"fingerprint"[..], &self.salt, &self.sha256.stored] {
            hash.update(part);
        }
        let digest = hash.finalize();
        std::array::from_fn(|index| digest[index])
    }

    /// The part that an exchange under `hash` needs.
    pub fn credentials(&self, hash: Hash) -> Credentials {
        let (mut stored, mut server) = ([0; 32], [0; 32]);
        match hash {
            Hash::Sha1 => {
                stored[..20].copy_from_slice(&self.sha1.stored);
                server[..20].copy_from_slice(&self.sha1.server);
            }
            Hash::Sha256 => (stored, server) = (self.sha256.stored, self.sha256.server),
        }
        Credentials {
            hash,
            salt: self.salt.clone(),
            iterations: self.iterations,
            stored,
            server,
        }
    }

    /// A seal over a password that is shown for these keys, which only the holder of `secret` can make.
    pub(super) fn seal_password(&self, secret: &[u8; 32], password: &str) -> [u8; 32] {
        // The key has a fixed length, so no other pair of key and password reads the same.
        hmac_sha256(secret, &[&self.sha256.stored, password.as_bytes()])
    }

    /// Iterations with which the keys were derived.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// The bytes for the book; see the module's picture.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![if self.partial { VERSION_PARTIAL } else { VERSION }];
        bytes.extend_from_slice(&self.iterations.to_le_bytes());
        // At most SALT_BYTES_MAX, as checked when the keys were made.
        bytes.push(self.salt.len() as u8);
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.sha1.stored);
        bytes.extend_from_slice(&self.sha1.server);
        if !self.partial {
            bytes.extend_from_slice(&self.sha256.stored);
            bytes.extend_from_slice(&self.sha256.server);
        }
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote, to the last byte.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        let mut rest = bytes;
        let partial = match take(&mut rest)? {
            [VERSION] => false,
            [VERSION_PARTIAL] => true,
            _ => return Err(KeyError::Undecodable),
        };
        let iterations = u32::from_le_bytes(take(&mut rest)?);
        let [salt_bytes] = take(&mut rest)?;
        let (salt, mut rest) = rest
            .split_at_checked(salt_bytes as usize)
            .ok_or(KeyError::Undecodable)?;
        check_parameters(salt, iterations)?;
        let sha1 = KeyPair {
            stored: take(&mut rest)?,
            server: take(&mut rest)?,
        };
        let sha256 = match partial {
            true => sha1.stand_in(),
            false => KeyPair {
                stored: take(&mut rest)?,
                server: take(&mut rest)?,
            },
        };
        if !rest.is_empty() {
            return Err(KeyError::Undecodable);
        }
        Ok(Self {
            salt: salt.into(),
            iterations,
            sha1,
            sha256,
            partial,
        })
    }
}

impl Credentials {
    /// Does the proof show the ClientKey? `proof` has the digest's length (RFC 5802 section 3).
    pub(super) fn proves(&self, proof: &[u8], auth_message: &[&[u8]]) -> bool {
        let stored = &self.stored[..self.hash.digest_bytes()];
        let same = match self.hash {
            Hash::Sha1 => {
                let client_key = xor(hmac_sha1(stored, auth_message), proof);
                Sha1::digest(client_key).as_slice().ct_eq(stored)
            }
            Hash::Sha256 => {
                let client_key = xor(hmac_sha256(stored, auth_message), proof);
                Sha256::digest(client_key).as_slice().ct_eq(stored)
            }
        };
        same.into()
    }

    /// ServerSignature; the first `digest_bytes` count.
    pub(super) fn signature(&self, auth_message: &[&[u8]]) -> [u8; 32] {
        let server = &self.server[..self.hash.digest_bytes()];
        match self.hash {
            Hash::Sha1 => {
                let mut signature = [0; 32];
                signature[..20].copy_from_slice(&hmac_sha1(server, auth_message));
                signature
            }
            Hash::Sha256 => hmac_sha256(server, auth_message),
        }
    }
}

impl fmt::Debug for AccountKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "AccountKeys(secret, {} iterations)", self.iterations)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Credentials({:?}, secret)", self.hash)
    }
}

pub(super) fn prepare(password: &str) -> Result<std::borrow::Cow<'_, str>, KeyError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(KeyError::PasswordTooLong);
    }
    let prepared = stringprep::saslprep(password).map_err(|_| KeyError::PasswordForbidden)?;
    if prepared.is_empty() {
        return Err(KeyError::PasswordEmpty);
    }
    Ok(prepared)
}

pub(super) fn check_parameters(salt: &[u8], iterations: u32) -> Result<(), KeyError> {
    if !(1..=SALT_BYTES_MAX).contains(&salt.len()) {
        return Err(KeyError::SaltOutOfRange);
    }
    if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
        return Err(KeyError::IterationsOutOfRange);
    }
    Ok(())
}

/// SaltedPassword.
fn salted_sha1(password: &str, salt: &[u8], iterations: u32) -> [u8; 20] {
    let mut salted = [0; 20];
    pbkdf2::pbkdf2_hmac::<Sha1>(password.as_bytes(), salt, iterations, &mut salted);
    salted
}

pub(super) fn salted_sha256(password: &str, salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, iterations, &mut salted);
    salted
}

fn pair_sha1(salted: &[u8; 20]) -> KeyPair<20> {
    KeyPair {
        stored: Sha1::digest(hmac_sha1(salted, &[b"Client Key"])).into(),
        server: hmac_sha1(salted, &[b"Server Key"]),
    }
}

pub(super) fn pair_sha256(salted: &[u8; 32]) -> KeyPair<32> {
    KeyPair {
        stored: Sha256::digest(hmac_sha256(salted, &[b"Client Key"])).into(),
        server: hmac_sha256(salted, &[b"Server Key"]),
    }
}

/// The next `N` bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], KeyError> {
    let (head, tail) = rest.split_first_chunk().ok_or(KeyError::Undecodable)?;
    *rest = tail;
    Ok(*head)
}

fn xor<const N: usize>(mut left: [u8; N], right: &[u8]) -> [u8; N] {
    left.iter_mut().zip(right).for_each(|(left, right)| *left ^= right);
    left
}

fn hmac_sha1(key: &[u8], message: &[&[u8]]) -> [u8; 20] {
    let mut mac = <Hmac<Sha1> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    message.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

pub(super) fn hmac_sha256(key: &[u8], message: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    message.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}
