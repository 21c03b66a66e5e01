//! Reading records back from the segment files: pending ones for a fetch, archived ones for a page of history.
//!
//! A [`Reader`] has file handles of its own and shares nothing with the log but the number of the oldest segment, so it can work
//! on another thread. What it is to do is a [`Read`], which the log makes after the commit that it is to see.
//!
//! Reading order: [`Read`] here, `files` (bytes of a place), `chain` (from link to link), `history` (pages).
//!
//! Invariants:
//! - What comes back has the checksum, user and id that it was written with, or it is an error; a failed read concerns that one
//!   request only.
//! - A record whose segment was retired meanwhile is not there; that is the end of a history and no damage. Segments from which
//!   a fetch is about to read are pinned, so that pending records cannot vanish under it.

mod chain;
mod files;
mod history;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use super::error::LogError;
use super::index::Entry;
use super::record::RecordView;
use super::segment::Oldest;
use super::tails::Tail;
use crate::disk::Disk;
use crate::seam::{Direction, JournalReply, Record, RecordId, Span, Token, UserKey};
use crate::stats::LogStats;
use files::{Files, Toward};

/// Something to be read, and everything that one must know of the log to do it.
pub struct Read {
    token: Token,
    user: UserKey,
    what: What,
}

enum What {
    Fetch(Selection),
    Page(Chapter, Excerpt),
    Extent(Chapter),
}

/// Pending records that were selected for a fetch.
pub(super) struct Selection {
    pub entries: Vec<Entry>,
    pub more: bool,
    /// Of the oldest segment concerned.
    pub _pin: Option<Arc<()>>,
}

/// A user's history, as it was when the request was served.
pub(super) struct Chapter {
    /// `None` for a user without one.
    pub tail: Option<Tail>,
    /// In order.
    pub hidden: Vec<RecordId>,
}

/// Which records of it are wanted.
#[derive(Clone, Copy)]
pub(super) struct Excerpt {
    pub span: Span,
    pub direction: Direction,
    pub records_max: u32,
    pub bytes_max: u32,
}

impl Read {
    pub(super) fn fetch(token: Token, user: UserKey, selection: Selection) -> Self {
        let what = What::Fetch(selection);
        Self { token, user, what }
    }

    pub(super) fn page(token: Token, user: UserKey, chapter: Chapter, excerpt: Excerpt) -> Self {
        let what = What::Page(chapter, excerpt);
        Self { token, user, what }
    }

    pub(super) fn extent(token: Token, user: UserKey, chapter: Chapter) -> Self {
        let what = What::Extent(chapter);
        Self { token, user, what }
    }

    /// For an answer without a reader.
    pub fn token(&self) -> Token {
        self.token
    }
}

/// Where the log puts its reads, so that they hold up no commit: a queue to another thread, or nothing.
pub trait ReadDesk: Send {
    /// Takes a read whose answer goes to this shard, or gives it back; then the log reads itself.
    fn take(&mut self, shard: usize, read: Read) -> Result<(), Read>;
}

/// Reads records back.
pub struct Reader<D: Disk> {
    files: Files<D>,
    stats: Arc<LogStats>,
}

impl<D: Disk> Reader<D> {
    pub(super) fn new(disk: Arc<D>, oldest: Arc<Oldest>, stats: Arc<LogStats>) -> Self {
        let files = Files::new(disk, oldest, Arc::clone(&stats));
        Self { files, stats }
    }

    /// Does what is to be done.
    pub fn answer(&mut self, read: Read) -> JournalReply {
        let Read { token, user, what } = read;
        self.files.begin();
        let outcome = match what {
            What::Fetch(selection) => self.fetch(user, &selection).map(|records| JournalReply::Fetched {
                token,
                records,
                more: selection.more,
            }),
            What::Page(chapter, excerpt) => self.page(token, user, &chapter, excerpt),
            What::Extent(chapter) => self.extent(token, user, &chapter),
        };
        outcome.unwrap_or_else(|error| {
            if matches!(error, LogError::Damaged { .. }) {
                self.stats.damaged.fetch_add(1, Relaxed);
            }
            let error = error.to_string();
            JournalReply::Failed { token, error }
        })
    }

    /// Nothing is to be done for now: files are closed.
    pub fn rest(&mut self) {
        self.files.rest();
    }

    /// The records of a selection, oldest first.
    pub(super) fn fetch(&mut self, user: UserKey, selection: &Selection) -> Result<Vec<Record>, LogError> {
        self.files.begin();
        let mut records = Vec::with_capacity(selection.entries.len());
        for entry in &selection.entries {
            let found = self.files.record(entry.place, entry.length as usize, Toward::Later)?;
            match found.filter(|record| record.user == user && record.id == entry.id) {
                Some(record) => records.push(owned(&record)),
                None => {
                    let what = format!("record {} is not what was written", entry.id);
                    return Err(self.files.damage(entry.place, what));
                }
            }
        }
        Ok(records)
    }
}

fn owned(record: &RecordView<'_>) -> Record {
    Record {
        user: record.user,
        id: record.id,
        version: record.version,
        payload: Bytes::copy_from_slice(record.payload),
    }
}
