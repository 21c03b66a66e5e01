//! From a place to the record that stands there.
//!
//! Invariants:
//! - At most [`READER_FILES_MAX`] segment files are open, none of them retired while a read is under way.
//! - The order of the steps makes retirement safe: bytes are read first, then it is asked whether their segment is still in use.
//!   The log says so before a file gets another name or other content.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::disk::{Disk, DiskFile};
use crate::limits::{BLOCK_BYTES, HOP_BYTES, READ_AHEAD_BYTES, READER_FILES_MAX};
use crate::log::error::LogError;
use crate::log::layout::{Place, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::log::record::{RECORD_HEADER_BYTES, RecordView};
use crate::log::segment::{Oldest, segment_name};
use crate::stats::LogStats;

/// Where the next record will probably be: what is worth reading along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Toward {
    /// After this one.
    Later,
    /// Before this one.
    Earlier,
    /// Far away.
    Elsewhere,
}

struct OpenSegment<F> {
    header: SegmentHeader,
    file: F,
}

/// The last piece read, so that neighbours need no second read.
#[derive(Debug, Default)]
struct Window {
    segment: u32,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// What there is from a place on, if that is so much at least.
    fn at(&self, place: Place, least: usize) -> Option<&[u8]> {
        let from = u64::from(place.offset).checked_sub(self.start)? as usize;
        let bytes = self.bytes.get(from..).filter(|_| self.segment == place.segment)?;
        (bytes.len() >= least).then_some(bytes)
    }
}

pub(super) struct Files<D: Disk> {
    disk: Arc<D>,
    oldest: Arc<Oldest>,
    /// The one used last at the back.
    open: VecDeque<OpenSegment<D::File>>,
    window: Window,
    stats: Arc<LogStats>,
}

impl<D: Disk> Files<D> {
    pub fn new(disk: Arc<D>, oldest: Arc<Oldest>, stats: Arc<LogStats>) -> Self {
        Self {
            disk,
            oldest,
            open: VecDeque::new(),
            window: Window::default(),
            stats,
        }
    }

    /// Closes what has been retired, and forgets what was read before: the log has written on since.
    pub fn begin(&mut self) {
        let oldest = self.oldest.number();
        self.open.retain(|segment| segment.header.segment >= oldest);
        self.window.bytes.clear();
    }

    /// Closes everything: an open file keeps its space on the disk, even when it has been removed.
    pub fn rest(&mut self) {
        self.open.clear();
    }

    pub fn is_retired(&self, place: Place) -> bool {
        place.segment < self.oldest.number()
    }

    /// The record at a place, verified; `None` if its segment has been retired. `least` is what is known of its length.
    pub fn record(&mut self, place: Place, least: usize, toward: Toward) -> Result<Option<RecordView<'_>>, LogError> {
        if self.is_retired(place) {
            return Ok(None);
        }
        match self.fill(place, least.max(RECORD_HEADER_BYTES), toward) {
            // A file that cannot be read because it is gone is no error.
            Err(_) if self.is_retired(place) => return Ok(None),
            outcome => outcome?,
        }
        if self.is_retired(place) {
            return Ok(None);
        }
        let salt = self.open.back().map_or(0, |segment| segment.header.salt);
        let decoded = self.window.at(place, 0).map(|bytes| RecordView::decode(bytes, salt));
        match decoded {
            Some(Ok((record, _))) => Ok(Some(record)),
            _ => Err(damaged(
                &*self.disk,
                place,
                "this record is not what was written".to_owned(),
            )),
        }
    }

    pub fn damage(&self, place: Place, what: String) -> LogError {
        damaged(&*self.disk, place, what)
    }

    pub fn disk(&self) -> Arc<D> {
        Arc::clone(&self.disk)
    }

    /// Brings the whole record into the window, by its own word about its length, and its segment to the back of `open`.
    fn fill(&mut self, place: Place, least: usize, toward: Toward) -> Result<(), LogError> {
        self.open_segment(place)?;
        if self.window.at(place, least).is_none() {
            self.read(place, least, toward)?;
        }
        let length = self.window.at(place, RECORD_HEADER_BYTES).map_or(0, RecordView::length);
        if self.window.at(place, length).is_none() {
            self.read(place, length, toward)?;
        }
        Ok(())
    }

    fn read(&mut self, place: Place, least: usize, toward: Toward) -> Result<(), LogError> {
        let path = self.path(place.segment);
        let Some(segment) = self.open.back() else {
            return Ok(());
        };
        let offset = u64::from(place.offset);
        let ahead = READ_AHEAD_BYTES as u64;
        let (start, length) = match toward {
            Toward::Later => (offset, ahead),
            Toward::Earlier => (
                offset.saturating_sub(ahead - HOP_BYTES as u64).max(BLOCK_BYTES as u64),
                ahead,
            ),
            Toward::Elsewhere => (offset, HOP_BYTES as u64),
        };
        // A damaged length reaches to the end of the file at most, and is found out by the checksum.
        let end = (start + length)
            .max(offset + least as u64)
            .min(segment.header.segment_bytes);
        self.window.segment = 0;
        self.window.bytes.resize(end.saturating_sub(start) as usize, 0);
        self.stats.reads.fetch_add(1, Relaxed);
        let outcome = segment.file.read_at(start, &mut self.window.bytes);
        outcome.map_err(LogError::io("read", path))?;
        self.window.segment = place.segment;
        self.window.start = start;
        Ok(())
    }

    fn open_segment(&mut self, place: Place) -> Result<(), LogError> {
        let number = place.segment;
        let known = self.open.iter().rposition(|segment| segment.header.segment == number);
        if let Some(segment) = known.and_then(|at| self.open.remove(at)) {
            self.open.push_back(segment);
            return Ok(());
        }
        let (path, name) = (self.path(number), segment_name(number));
        let file = self
            .disk
            .open_to_read(&name)
            .map_err(LogError::io("open", path.clone()))?;
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        self.stats.reads.fetch_add(1, Relaxed);
        file.read_at(0, &mut bytes).map_err(LogError::io("read", path))?;
        let header = SegmentHeader::decode(&bytes)
            .ok()
            .filter(|header| header.segment == number);
        let start = Place {
            segment: number,
            offset: 0,
        };
        let damage = || self.damage(start, "the segment header is not what was written".to_owned());
        let header = header.ok_or_else(damage)?;
        if self.open.len() >= READER_FILES_MAX {
            self.open.pop_front();
        }
        self.open.push_back(OpenSegment { header, file });
        Ok(())
    }

    fn path(&self, segment: u32) -> String {
        format!("{}/{}", self.disk.place(), segment_name(segment))
    }
}

/// An error about the record at a place.
pub(super) fn damaged(disk: &impl Disk, place: Place, what: String) -> LogError {
    LogError::Damaged {
        file: format!("{}/{}", disk.place(), segment_name(place.segment)),
        offset: u64::from(place.offset),
        what,
    }
}
