//! The book: everything looked up by key, in one redb file with one table for each [`Table`].
//!
//! [`BookCore`] is synchronous: the command line uses it directly while no server runs, a simulator keeps it in memory,
//! and [`crate::keeper`] puts it on a thread for all shards.
//!
//! ```text
//! redb file
//!   table "account"   key: bytes -> value: bytes       one for each seam::Table, by these names
//!   ...
//!   table "meta"      "crosspoint.format" -> u32 little-endian: version of everything above (FORMAT_VERSION)
//! ```
//!
//! Invariants:
//! - A group of requests is one durable transaction; each batch in it is applied as a whole or not at all.
//! - Requests take effect in the order of the group; a read sees what stands before it and nothing after it.
//! - Nothing is answered before the transaction is durable; if it cannot become so, every request of it has failed.

mod error;
mod table;
mod transaction;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use redb::backends::InMemoryBackend;
use redb::{Builder, Database, DatabaseError, ReadableDatabase};

pub use error::BookError;

use crate::limits::BOOK_CACHE_BYTES;
use crate::seam::{BookRead, BookReply, BookRequest, BookWrite, Row, Table};
use crate::stats::BookStats;
use table::{DEFINITIONS, Tables, look_up};

/// Version of what the book's tables contain. A program opens only books of its own version.
pub const FORMAT_VERSION: u32 = 1;

/// Where the version stands in [`Table::Meta`].
pub const FORMAT_KEY: &[u8] = b"crosspoint.format";

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it was applied, and is durable.
    Written,
    /// An insert found its key; nothing was applied.
    Exists,
}

/// The book.
#[derive(Debug)]
pub struct BookCore {
    database: Database,
    stats: Arc<BookStats>,
}

impl BookCore {
    /// Opens the book in a file, or makes an empty one.
    ///
    /// Errors: another process has it open ([`BookError::InUse`]), it was written by another version
    /// ([`BookError::Version`]), or the file is no book or the disk fails.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, BookError> {
        let path = path.as_ref();
        match Builder::new().set_cache_size(BOOK_CACHE_BYTES).create(path) {
            Ok(database) => Self::check(database, path.display().to_string()),
            Err(DatabaseError::DatabaseAlreadyOpen) => Err(BookError::InUse(path.display().to_string())),
            Err(error) => Err(BookError::from(redb::Error::from(error))),
        }
    }

    /// An empty book in memory, for tests and for a simulator. To play a crash, keep the value: between two calls it
    /// is always what a crash would leave.
    pub fn in_memory() -> Result<Self, BookError> {
        let backend = InMemoryBackend::new();
        let database = Builder::new()
            .set_cache_size(BOOK_CACHE_BYTES)
            .create_with_backend(backend)
            .map_err(redb::Error::from)?;
        Self::check(database, "memory".to_owned())
    }

    /// Answers look-ups from one snapshot: one list of rows each, in order.
    pub fn read(&self, reads: &[BookRead]) -> Result<Vec<Vec<Row>>, BookError> {
        let transaction = self.database.begin_read().map_err(redb::Error::from)?;
        let mut results = Vec::with_capacity(reads.len());
        for read in reads {
            let definition = DEFINITIONS[table::index(table::of_read(read))];
            let table = transaction.open_table(definition).map_err(redb::Error::from)?;
            results.push(look_up(&table, read)?);
        }
        Ok(results)
    }

    /// Applies one batch, durably.
    pub fn write(&mut self, batch: &[BookWrite]) -> Result<Outcome, BookError> {
        let outcomes = self.write_all([batch])?;
        Ok(outcomes.first().copied().unwrap_or(Outcome::Written))
    }

    /// Applies many batches in one durable transaction, each as a whole or not at all; what became of each, in order.
    /// This is the way to import: tens of thousands of rows a call.
    pub fn write_all<'a>(
        &mut self,
        batches: impl IntoIterator<Item = &'a [BookWrite]>,
    ) -> Result<Vec<Outcome>, BookError> {
        let transaction = self.database.begin_write().map_err(redb::Error::from)?;
        let mut outcomes = Vec::new();
        {
            let mut tables = Tables::open(&transaction)?;
            for batch in batches {
                outcomes.push(tables.apply(batch)?);
            }
        }
        transaction.commit().map_err(redb::Error::from)?;
        self.stats.commits.fetch_add(1, Relaxed);
        Ok(outcomes)
    }

    /// Serves a group of requests, tagged with the shards they come from: one transaction, then the replies, in order.
    pub fn serve(&mut self, group: Vec<(usize, BookRequest)>) -> Vec<(usize, BookReply)> {
        let replies = transaction::serve(self, group);
        for (_, reply) in &replies {
            let counter = match reply {
                BookReply::Rows { .. } => &self.stats.reads,
                BookReply::Written { .. } => &self.stats.writes,
                BookReply::Exists { .. } => &self.stats.conflicts,
                BookReply::Failed { .. } => &self.stats.failures,
            };
            counter.fetch_add(1, Relaxed);
        }
        replies
    }

    /// Numbers for the metrics.
    pub fn stats(&self) -> Arc<BookStats> {
        Arc::clone(&self.stats)
    }

    /// Writes the version into a new book, compares it in an old one.
    fn check(database: Database, path: String) -> Result<Self, BookError> {
        let mut book = Self {
            database,
            stats: Arc::default(),
        };
        if book.is_new()? {
            let (key, value) = (FORMAT_KEY.into(), FORMAT_VERSION.to_le_bytes().to_vec().into());
            book.write(&[BookWrite::Put {
                table: Table::Meta,
                key,
                value,
            }])?;
            return Ok(book);
        }
        let read = BookRead::Get {
            table: Table::Meta,
            key: FORMAT_KEY.into(),
        };
        let rows = book.read(&[read])?.concat();
        let found = rows
            .first()
            .and_then(|row| row.value.as_ref().try_into().ok())
            .map(u32::from_le_bytes);
        match found {
            Some(FORMAT_VERSION) => Ok(book),
            found => Err(BookError::Version {
                path,
                found,
                known: FORMAT_VERSION,
            }),
        }
    }

    fn is_new(&self) -> Result<bool, BookError> {
        let transaction = self.database.begin_read().map_err(redb::Error::from)?;
        let mut tables = transaction.list_tables().map_err(redb::Error::from)?;
        Ok(tables.next().is_none())
    }
}
