//! Accounts while no server runs: the book's file, opened directly.
//!
//! Invariant: the book is locked by whoever has it open, so this can never run beside a server.

use bytes::Bytes;
use crosspoint_engine::accounts::{self, Account};
use crosspoint_engine::jid::Jid;
use crosspoint_engine::store;
use crosspoint_storage::book::{BookCore, BookError, Outcome};
use crosspoint_storage::seam::{BookRead, BookWrite, Row, Table};

use super::{Accounts, Listed, NewAccount, PAGE_ROWS_MAX, Page, Refusal, keys};

/// The book, opened.
pub struct Offline {
    book: BookCore,
    domain: Option<String>,
    iterations: u32,
}

impl Offline {
    /// Over an open book. `domain` is the one that was last served, if that is known.
    pub fn new(book: BookCore, domain: Option<String>, iterations: u32) -> Offline {
        Offline {
            book,
            domain,
            iterations,
        }
    }

    fn write(&mut self, batch: &[BookWrite]) -> Result<Outcome, Refusal> {
        self.book.write(batch).map_err(broken)
    }

    fn find(&self, jid: &Jid) -> Result<Row, Refusal> {
        let read = BookRead::Get {
            table: Table::Account,
            key: store::user_key(jid),
        };
        let rows = self.book.read(&[read]).map_err(broken)?.concat();
        rows.into_iter().next().ok_or(Refusal::NotFound)
    }
}

impl Accounts for Offline {
    fn domain(&self) -> Option<String> {
        self.domain.clone()
    }

    fn add(&mut self, jid: &Jid, password: &str) -> Result<(), Refusal> {
        let account = keys::account(password, self.iterations)?;
        match self.write(&[accounts::creation(jid, &account)])? {
            Outcome::Written => Ok(()),
            Outcome::Exists => Err(Refusal::Exists),
        }
    }

    fn set_password(&mut self, jid: &Jid, password: &str) -> Result<(), Refusal> {
        let old = self.find(jid)?;
        let mut account = keys::account(password, self.iterations)?;
        if let Ok(old) = Account::decode(&old.value) {
            (account.created_unix_ms, account.disabled) = (old.created_unix_ms, old.disabled);
        }
        self.write(&accounts::replacement(jid, &account)).map(|_| ())
    }

    fn list(&mut self, after: &str) -> Result<Page, Refusal> {
        let rows = self.book.read(&[page_read(after)]).map_err(broken)?.concat();
        Ok(page(&rows))
    }

    fn import(&mut self, rows: Vec<NewAccount>) -> Result<Vec<bool>, Refusal> {
        let batches: Vec<_> = rows.into_iter().map(|row| [row.insert()]).collect();
        let outcomes = self
            .book
            .write_all(batches.iter().map(<[_; 1]>::as_slice))
            .map_err(broken)?;
        Ok(outcomes
            .into_iter()
            .map(|outcome| outcome == Outcome::Written)
            .collect())
    }

    fn iterations(&self) -> u32 {
        self.iterations
    }
}

/// The look-up of a page, and one row more, which tells whether there is another page.
pub fn page_read(after: &str) -> BookRead {
    let after = Bytes::copy_from_slice(after.as_bytes());
    BookRead::Prefix {
        table: Table::Account,
        prefix: Bytes::new(),
        after,
        rows_max: PAGE_ROWS_MAX as u32 + 1,
    }
}

/// The page that these rows are.
pub fn page(rows: &[Row]) -> Page {
    let listed = |row: &Row| Listed {
        jid: String::from_utf8_lossy(&row.key).into_owned(),
        created_unix_ms: Account::decode(&row.value).map_or(0, |account| account.created_unix_ms),
    };
    Page {
        accounts: rows.iter().take(PAGE_ROWS_MAX).map(listed).collect(),
        more: rows.len() > PAGE_ROWS_MAX,
    }
}

fn broken(error: BookError) -> Refusal {
    Refusal::Storage(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUNDS: u32 = 4096;

    fn offline() -> Offline {
        Offline::new(BookCore::in_memory().unwrap(), Some("x".to_owned()), ROUNDS)
    }

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    fn listed(offline: &mut Offline) -> Vec<String> {
        offline
            .list("")
            .unwrap()
            .accounts
            .into_iter()
            .map(|account| account.jid)
            .collect()
    }

    #[test]
    fn an_account_is_made_once_and_listed() {
        let mut offline = offline();
        offline.add(&jid("romeo@x"), "secret").unwrap();
        assert_eq!(offline.add(&jid("romeo@x"), "other"), Err(Refusal::Exists));
        offline.add(&jid("juliet@x"), "secret").unwrap();
        assert_eq!(listed(&mut offline), ["juliet@x", "romeo@x"]);
    }

    #[test]
    fn a_password_is_changed_only_where_there_is_one() {
        let mut offline = offline();
        assert_eq!(offline.set_password(&jid("romeo@x"), "secret"), Err(Refusal::NotFound));
        offline.add(&jid("romeo@x"), "secret").unwrap();
        offline.set_password(&jid("romeo@x"), "other").unwrap();
        assert!(matches!(
            offline.set_password(&jid("romeo@x"), ""),
            Err(Refusal::BadPassword(_))
        ));
    }

    #[test]
    fn an_import_tells_of_each_row_whether_it_was_new() {
        let mut offline = offline();
        offline.add(&jid("b@x"), "secret").unwrap();
        let rows = ["a@x", "b@x", "c@x", "a@x"].map(|jid| NewAccount {
            jid: jid.to_owned(),
            row: vec![1],
        });
        assert_eq!(offline.import(rows.to_vec()), Ok(vec![true, false, true, false]));
        assert_eq!(listed(&mut offline), ["a@x", "b@x", "c@x"]);
    }

    #[test]
    fn long_lists_come_in_pages() {
        let mut offline = offline();
        let rows = (0..PAGE_ROWS_MAX + 1)
            .map(|n| NewAccount {
                jid: format!("u{n:05}@x"),
                row: vec![1],
            })
            .collect();
        offline.import(rows).unwrap();
        let first = offline.list("").unwrap();
        assert!(first.more && first.accounts.len() == PAGE_ROWS_MAX);
        let second = offline.list(&first.accounts.last().unwrap().jid).unwrap();
        assert!(!second.more && second.accounts.len() == 1);
    }
}
