//! Everything that belongs to accounts, opened by this process alone: the book, and the log with what waits and what was said.
//!
//! Invariant: the book is locked by whoever has it open, and it is opened first; so nobody else has the log.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use crosspoint_engine::jid::Jid;
use crosspoint_engine::service::{Direction, Span, Table};
use crosspoint_engine::slots::UserKey;
use crosspoint_engine::store::{self, RecordId};
use crosspoint_engine::switch;
use crosspoint_storage::book::{BookCore, Outcome};
use crosspoint_storage::disk::FileDisk;
use crosspoint_storage::log::{Log, LogOptions};
use crosspoint_storage::seam::{BookRead, BookWrite, Disposition, JournalReply, JournalRequest, Record, Row};

use crate::config::Config;
use crate::home::Home;

/// Records of one look-up.
const PAGE_RECORDS: u32 = 256;
/// Their bytes, about.
const PAGE_BYTES: u32 = 4 * 1024 * 1024;
/// Rows of one look-up.
const PAGE_ROWS: u32 = 1_000;

/// See the module.
pub struct Vault {
    book: BookCore,
    log: Log<FileDisk>,
    /// Whether messages are kept after they were delivered.
    pub archives: bool,
}

impl Vault {
    /// Opens a stopped server's.
    ///
    /// # Errors
    /// Somebody has it open, or it cannot be read.
    pub fn open(home: &Home, config: &Config) -> Result<Vault> {
        let book = BookCore::open(switch::book_path(home.root())).context("cannot open the accounts")?;
        let disk = FileDisk::open(switch::log_path(home.root())).context("cannot open the messages")?;
        let options = LogOptions {
            archive: config.archive.options(),
            ..LogOptions::default()
        };
        let log = Log::open(disk, options).context("cannot open the messages")?;
        Ok(Vault {
            book,
            log,
            archives: config.archive.enabled,
        })
    }

    /// One row.
    pub fn row(&self, table: Table, key: Bytes) -> Result<Option<Bytes>> {
        let rows = self.book.read(&[BookRead::Get { table, key }])?;
        Ok(rows.into_iter().flatten().next().map(|row| row.value))
    }

    /// All rows of a user's in a table.
    pub fn rows_of(&self, table: Table, user: &Jid) -> Result<Vec<Row>> {
        let read = BookRead::Prefix {
            table,
            prefix: store::user_prefix(user),
            after: Bytes::new(),
            rows_max: u32::MAX,
        };
        Ok(self.book.read(&[read])?.concat())
    }

    /// Accounts above an address, in order.
    pub fn accounts(&self, after: &str) -> Result<Vec<Row>> {
        let read = BookRead::Prefix {
            table: Table::Account,
            prefix: Bytes::new(),
            after: Bytes::copy_from_slice(after.as_bytes()),
            rows_max: PAGE_ROWS,
        };
        Ok(self.book.read(&[read])?.concat())
    }

    /// All of it or nothing; false if an insert found its key.
    pub fn write(&mut self, batch: &[BookWrite]) -> Result<bool> {
        Ok(self.book.write(batch)? == Outcome::Written)
    }

    /// What waits for a user above this record; empty at the end.
    pub fn waiting(&mut self, user: &Jid, after: RecordId) -> Result<Vec<Record>> {
        Ok(self.log.fetch(UserKey::of(user).0, after, PAGE_RECORDS, PAGE_BYTES)?.0)
    }

    /// A page of what was said, oldest first, and where the next one begins; `None` behind the last one.
    pub fn history(&mut self, user: &Jid, after: RecordId) -> Result<(Vec<Record>, Option<RecordId>)> {
        let request = JournalRequest::History {
            token: 0,
            user: UserKey::of(user).0,
            span: Span::ALL.after(after),
            direction: Direction::Forward,
            records_max: PAGE_RECORDS,
            bytes_max: PAGE_BYTES,
        };
        match self.log.serve(vec![(0, request)]).pop() {
            Some((
                _,
                JournalReply::Page {
                    records,
                    complete,
                    edge,
                    ..
                },
            )) => Ok((records, Some(edge).filter(|edge| !complete && *edge > after))),
            Some((_, JournalReply::Failed { error, .. })) => bail!("the messages cannot be read: {error}"),
            _ => bail!("the messages cannot be read"),
        }
    }

    /// What an account of this name has left behind is nobody's: an import that was interrupted begins anew.
    pub fn forget(&mut self, user: &Jid) -> Result<RecordId> {
        let key = UserKey::of(user).0;
        loop {
            let left = self.waiting(user, 0)?;
            if left.is_empty() {
                break;
            }
            let ids: Vec<RecordId> = left.iter().map(|record| record.id).collect();
            self.log.settle(key, &ids)?;
        }
        if self.archives {
            self.log.forget(key)?;
        }
        Ok(self.log.pending(key).last)
    }

    /// Keeps a message. Durable after [`Vault::commit`].
    pub fn append(&mut self, user: &Jid, id: RecordId, payload: Bytes, disposition: Disposition) -> Result<()> {
        let record = Record {
            user: UserKey::of(user).0,
            id,
            version: store::ENVELOPE_VERSION,
            payload,
        };
        Ok(self.log.append_as(&record, disposition)?)
    }

    /// Everything that was appended is on the disk.
    pub fn commit(&mut self) -> Result<()> {
        Ok(self.log.commit()?)
    }
}
