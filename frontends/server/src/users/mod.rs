//! Accounts, as the administrator manages them: one trait, three ways to reach the book.
//!
//! - [`offline`]: the server does not run; the book's file is opened directly.
//! - [`crate::admin::client`]: the server runs; it is asked through its admin socket.
//! - [`crate::wiring`]: the server itself, answering that socket.
//!
//! Removing an account is not among it: that takes a switch, see [`commands`].
//!
//! Invariants:
//! - A change that is reported as done is durable.
//! - No password is logged, shown or put into an error.

use std::fmt;

use crosspoint_engine::jid::Jid;
use crosspoint_storage::seam::{BookWrite, Table};
use serde::{Deserialize, Serialize};

pub mod commands;
pub mod csv;
pub mod exchange;
pub mod import;
pub mod keys;
pub mod offline;
pub mod password;

/// Most accounts on one page of a list.
pub const PAGE_ROWS_MAX: usize = 1_000;

/// Most accounts in one batch of an import.
pub const BATCH_ROWS_MAX: usize = 1_000;

/// Where accounts are kept.
pub trait Accounts {
    /// The domain that accounts must belong to, if it is known.
    fn domain(&self) -> Option<String>;

    /// Makes an account.
    fn add(&mut self, jid: &Jid, password: &str) -> Result<(), Refusal>;

    /// Sets a new password.
    fn set_password(&mut self, jid: &Jid, password: &str) -> Result<(), Refusal>;

    /// At most [`PAGE_ROWS_MAX`] accounts above `after` (empty: from the beginning), in order.
    fn list(&mut self, after: &str) -> Result<Page, Refusal>;

    /// Makes at most [`BATCH_ROWS_MAX`] accounts at once. Tells of each whether it was made; if not, it existed.
    fn import(&mut self, rows: Vec<NewAccount>) -> Result<Vec<bool>, Refusal>;

    /// Rounds of key derivation for new passwords.
    fn iterations(&self) -> u32;
}

/// An account about to be made, its keys derived already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAccount {
    /// Bare, prepared.
    pub jid: String,
    /// The account's row in the book.
    #[serde(with = "base64_text")]
    pub row: Vec<u8>,
}

/// Some accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// In order.
    pub accounts: Vec<Listed>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

/// One account of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Bare.
    pub jid: String,
    /// When it was made, in Unix milliseconds; 0 if its row cannot be read.
    pub created_unix_ms: u64,
}

impl NewAccount {
    /// The change that makes it; refused when it exists.
    pub fn insert(self) -> BookWrite {
        BookWrite::Insert {
            table: Table::Account,
            key: self.jid.into(),
            value: self.row.into(),
        }
    }
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", content = "what", rename_all = "kebab-case")]
pub enum Refusal {
    /// There is such an account.
    Exists,
    /// There is no such account.
    NotFound,
    /// It is no account's address, or one of another domain. The text says why.
    BadAddress(String),
    /// It can be no password. The text says why.
    BadPassword(String),
    /// The book cannot be read or written. The text says what to do.
    Storage(String),
    /// The server does not answer as it should.
    Server(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Exists => write!(
                out,
                "the account exists already; `crosspoint user passwd` changes its password"
            ),
            Refusal::NotFound => write!(
                out,
                "there is no such account; `crosspoint user list` shows those there are"
            ),
            Refusal::BadAddress(what) | Refusal::BadPassword(what) | Refusal::Storage(what) | Refusal::Server(what) => {
                write!(out, "{what}")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// Reads an account's address: bare, with a user part, of the domain that is served (if that is known).
///
/// # Errors
/// [`Refusal::BadAddress`].
pub fn account_address(text: &str, domain: Option<&str>) -> Result<Jid, Refusal> {
    let bad = |what: String| Err(Refusal::BadAddress(what));
    let jid = match Jid::parse(text) {
        Ok(jid) => jid,
        Err(error) => return bad(format!("`{text}` is no address: {error}")),
    };
    if jid.node().is_none() {
        return bad(format!(
            "`{text}` has no user part; write {text}@{}",
            domain.unwrap_or("the.domain")
        ));
    }
    if !jid.is_bare() {
        return bad(format!(
            "`{text}` names a resource; an account's address is {}",
            jid.bare_str()
        ));
    }
    match domain {
        Some(domain) if domain != jid.domain() => {
            bad(format!("`{text}` is not of the domain that is served here, {domain}"))
        }
        _ => Ok(jid),
    }
}

/// Bytes as base64 in JSON.
mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_prepared_and_judged() {
        assert_eq!(
            account_address("Romeo@Example.ORG", Some("example.org"))
                .unwrap()
                .as_str(),
            "romeo@example.org"
        );
        for (text, hint) in [
            ("romeo", "write romeo@example.org"),
            ("romeo@example.org/phone", "an account's address is romeo@example.org"),
            ("romeo@elsewhere", "not of the domain"),
            ("@example.org", "no address"),
        ] {
            let refusal = account_address(text, Some("example.org")).unwrap_err();
            assert!(refusal.to_string().contains(hint), "{text}: {refusal}");
        }
        assert!(account_address("romeo@anywhere", None).is_ok());
    }
}
