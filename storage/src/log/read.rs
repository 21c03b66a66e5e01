//! Fetching pending records back from the disk.
//!
//! Invariant: what comes back has the checksum, user and id that it was written with, or it is an error; a failed read
//! concerns that fetch only.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use super::error::LogError;
use super::index::Entry;
use super::layout::RecordView;
use super::{Log, Place};
use crate::disk::{Disk, DiskFile};
use crate::limits::READ_AHEAD_BYTES;
use crate::seam::{Record, RecordId, UserKey};

/// The last piece read, so that neighbours need no second read.
#[derive(Debug, Default)]
pub(super) struct Window {
    start: Option<Place>,
    bytes: Vec<u8>,
}

impl Window {
    fn find(&self, entry: &Entry) -> Option<&[u8]> {
        let start = self.start.filter(|start| start.segment == entry.place.segment)?;
        let from = entry.place.offset.checked_sub(start.offset)? as usize;
        self.bytes.get(from..from + entry.length as usize)
    }
}

impl<D: Disk> Log<D> {
    /// The pending records of a user above `after`, oldest first: at most `records_max`, and about `bytes_max` of payload,
    /// but at least one if there is any. The flag tells whether there are more. Commits first.
    pub fn fetch(
        &mut self,
        user: UserKey,
        after: RecordId,
        records_max: u32,
        bytes_max: u32,
    ) -> Result<(Vec<Record>, bool), LogError> {
        self.commit()?;
        let (entries, more) = self.index.select(user, after, records_max, bytes_max);
        Ok((self.read_all(user, &entries)?, more))
    }

    pub(super) fn read_all(&self, user: UserKey, entries: &[Entry]) -> Result<Vec<Record>, LogError> {
        let mut window = Window::default();
        entries
            .iter()
            .map(|entry| self.read_one(user, entry, &mut window))
            .collect()
    }

    fn read_one(&self, user: UserKey, entry: &Entry, window: &mut Window) -> Result<Record, LogError> {
        if window.find(entry).is_none() {
            self.fill(window, entry)?;
        }
        let salt = self.segments.get(entry.place.segment).map_or(0, |segment| segment.salt);
        let found = window
            .find(entry)
            .and_then(|bytes| RecordView::decode(bytes, salt).ok());
        match found {
            Some((record, _)) if record.user == user && record.id == entry.id => Ok(Record {
                user,
                id: record.id,
                version: record.version,
                payload: Bytes::copy_from_slice(record.payload),
            }),
            _ => Err(self.damage(entry)),
        }
    }

    fn fill(&self, window: &mut Window, entry: &Entry) -> Result<(), LogError> {
        let Place { segment, offset } = entry.place;
        let Some(segment) = self.segments.get(segment) else {
            return Err(self.damage(entry));
        };
        let room = segment.filled.saturating_sub(u64::from(offset)) as usize;
        let wanted = (entry.length as usize).max(READ_AHEAD_BYTES).min(room);
        window.start = None;
        window.bytes.resize(wanted, 0);
        let path = self.segments.path_of(segment.number);
        segment
            .file
            .read_at(u64::from(offset), &mut window.bytes)
            .map_err(LogError::io("read", path))?;
        window.start = Some(entry.place);
        Ok(())
    }

    fn damage(&self, entry: &Entry) -> LogError {
        self.stats.damaged.fetch_add(1, Relaxed);
        LogError::Damaged {
            file: self.segments.path_of(entry.place.segment),
            offset: u64::from(entry.place.offset),
            what: format!("record {} is not what was written", entry.id),
        }
    }
}
