//! An account as the book keeps it.
//!
//! ```text
//!   0       1                  9
//!   +-------+------------------+----------------------------+
//!   | 0x01  | created, Unix ms | keys (scram/keys.rs)       |
//!   +-------+------------------+----------------------------+
//!             little endian
//!
//!   +-------+------------------+-------+--------------------+
//!   | 0x02  | created, Unix ms | flags | keys               |   flags: 1 nobody may log in
//!   +-------+------------------+-------+--------------------+
//! ```
//! The first layout is written where no flag is set.
//!
//! The password itself is nowhere.

use bytes::{BufMut, Bytes, BytesMut};
use crosspoint_storage::seam::{BookWrite, Table};

use crate::jid::Jid;
use crate::scram::AccountKeys;
use crate::store;

const VERSION: u8 = 1;
const VERSION_WITH_FLAGS: u8 = 2;
const DISABLED: u8 = 1;

/// Who may log in, and what proves it.
#[derive(Debug, Clone)]
pub struct Account {
    /// What the password's proof is checked against.
    pub keys: AccountKeys,
    /// When it was made, in Unix milliseconds.
    pub created_unix_ms: u64,
    /// Nobody may log in to it.
    pub disabled: bool,
}

/// A row that is no account of a version that this build knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

impl Account {
    /// For the book.
    pub fn encode(&self) -> Bytes {
        let keys = self.keys.encode();
        let mut bytes = BytesMut::with_capacity(10 + keys.len());
        bytes.put_u8(if self.disabled { VERSION_WITH_FLAGS } else { VERSION });
        bytes.put_u64_le(self.created_unix_ms);
        if self.disabled {
            bytes.put_u8(DISABLED);
        }
        bytes.put_slice(&keys);
        bytes.freeze()
    }

    /// From the book.
    pub fn decode(bytes: &[u8]) -> Result<Account, Unreadable> {
        let (head, keys) = bytes.split_at_checked(9).ok_or(Unreadable)?;
        let (version, created) = (head[0], &head[1..]);
        let (flags, keys) = match version {
            VERSION => (0, keys),
            VERSION_WITH_FLAGS => keys
                .split_first()
                .map(|(flags, keys)| (*flags, keys))
                .ok_or(Unreadable)?,
            _ => return Err(Unreadable),
        };
        if flags & !DISABLED != 0 {
            return Err(Unreadable);
        }
        let created_unix_ms = u64::from_le_bytes(created.try_into().map_err(|_| Unreadable)?);
        let keys = AccountKeys::decode(keys).map_err(|_| Unreadable)?;
        Ok(Account {
            keys,
            created_unix_ms,
            disabled: flags & DISABLED != 0,
        })
    }
}

/// Whether this row of an account says that nobody may log in to it. Its keys are not looked at.
#[must_use]
pub fn is_disabled(row: &[u8]) -> bool {
    row.first() == Some(&VERSION_WITH_FLAGS) && row.get(9).is_some_and(|flags| flags & DISABLED != 0)
}

/// The change that makes a new account; refused when it exists.
pub fn creation(user: &Jid, account: &Account) -> BookWrite {
    BookWrite::Insert {
        table: Table::Account,
        key: store::user_key(user),
        value: account.encode(),
    }
}

/// The changes that replace an account's row. Tokens made under the old ones open it no
/// more (`tokens/`), and go.
pub fn replacement(user: &Jid, account: &Account) -> [BookWrite; 2] {
    [
        BookWrite::Put {
            table: Table::Account,
            key: store::user_key(user),
            value: account.encode(),
        },
        BookWrite::DeletePrefix {
            table: Table::Token,
            prefix: store::user_prefix(user),
        },
    ]
}

/// The changes that give an account, whose row was read, other keys; refused when the row has changed since.
pub fn completion(user: &Jid, read: Bytes, account: &Account) -> [BookWrite; 2] {
    let [_, tokens] = replacement(user, account);
    let row = BookWrite::Replace {
        table: Table::Account,
        key: store::user_key(user),
        old: read,
        value: account.encode(),
    };
    [row, tokens]
}

/// The changes that remove an account and everything that belongs to it.
pub fn removal(user: &Jid) -> Vec<BookWrite> {
    let owned = [
        Table::Roster,
        Table::Block,
        Table::Document,
        Table::Pubsub,
        Table::Token,
        Table::Push,
        Table::Upload,
        Table::Setting,
    ];
    let mut batch: Vec<BookWrite> = owned
        .map(|table| BookWrite::DeletePrefix {
            table,
            prefix: store::user_prefix(user),
        })
        .into();
    batch.push(BookWrite::Delete {
        table: Table::Vcard,
        key: store::user_key(user),
    });
    batch.push(BookWrite::Delete {
        table: Table::Account,
        key: store::user_key(user),
    });
    batch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scram::keys;

    #[test]
    fn an_account_comes_back_from_its_row() {
        let keys = keys::derive("pencil", &[7; 16], 4096).unwrap();
        for disabled in [false, true] {
            let row = Account {
                keys: keys.clone(),
                created_unix_ms: 1_700_000_000_123,
                disabled,
            }
            .encode();
            let back = Account::decode(&row).unwrap();
            assert_eq!((back.created_unix_ms, back.disabled), (1_700_000_000_123, disabled));
            assert_eq!(is_disabled(&row), disabled);
            assert!(keys::verify_password("pencil", &back.keys).is_ok());
            for length in 0..row.len() {
                assert!(Account::decode(&row[..length]).is_err(), "length {length}");
            }
        }
    }
}
