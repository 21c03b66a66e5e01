//! From a password to an account. The derivation takes milliseconds by design.

use std::time::{SystemTime, UNIX_EPOCH};

use crosspoint_engine::accounts::Account;
use crosspoint_engine::scram::keys::{SALT_BYTES, derive};

use super::Refusal;

/// A new account, or new keys for an old one.
///
/// # Errors
/// [`Refusal::BadPassword`], or [`Refusal::Storage`] when the system gives no random bytes.
pub fn account(password: &str, iterations: u32) -> Result<Account, Refusal> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt)
        .map_err(|error| Refusal::Storage(format!("the system gives no random bytes: {error}")))?;
    let keys = derive(password, &salt, iterations).map_err(|error| Refusal::BadPassword(error.to_string()))?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Account {
        keys,
        created_unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        disabled: false,
    })
}

/// Now, in Unix milliseconds.
#[must_use]
pub fn now_unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A password that nobody knows.
///
/// # Errors
/// The system gives no random bytes.
pub fn unguessable() -> Result<String, Refusal> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Refusal::Storage(format!("no random bytes: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
