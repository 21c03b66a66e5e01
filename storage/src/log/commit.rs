//! Batches: gathering records, and the one write that makes them durable.
//!
//! Invariants:
//! - Records are encoded where they will be written from; nothing is copied again.
//! - A batch lies in one segment. A record for which there is no room begins the next batch, or the next segment.

use std::sync::atomic::Ordering::Relaxed;

use super::Log;
use super::error::LogError;
use super::layout::{BATCH_HEADER_BYTES, BatchHeader, LAYOUT_VERSION, Place, RECORD_ALIGNMENT};
use super::record::RecordView;
use crate::disk::{Disk, DiskFile};
use crate::limits;

impl<D: Disk> Log<D> {
    /// Makes everything so far durable: one write. Without anything to write it does nothing.
    ///
    /// Errors: the write failed, now or earlier; the log is poisoned.
    pub fn commit(&mut self) -> Result<(), LogError> {
        self.expect_sound()?;
        if self.batch.is_empty() {
            return Ok(());
        }
        self.write_batch()
    }

    /// Commits, then writes an empty batch, so that damage to the last full one is not taken for a torn tail. For a clean
    /// end; appending may go on afterwards.
    pub fn seal(&mut self) -> Result<(), LogError> {
        self.commit()?;
        if !self.fits(0) {
            return Ok(());
        }
        self.batch.extend(&[0; BATCH_HEADER_BYTES]);
        self.write_batch()
    }

    /// Adds a record to the batch; commits it first, and starts a new segment, where there is no room.
    pub(super) fn stage(&mut self, record: RecordView<'_>) -> Result<Place, LogError> {
        let bytes = record.bytes() + RECORD_ALIGNMENT;
        if !self.batch.is_empty() && self.batch.len() + bytes > self.options.batch_bytes_max {
            self.commit()?;
        }
        if !self.fits(bytes) {
            self.commit()?;
            self.rotate()?;
        }
        if self.batch.is_empty() {
            self.batch.extend(&[0; BATCH_HEADER_BYTES]);
        }
        let Some(active) = self.segments.active() else {
            return Err(LogError::Poisoned("no segment is open".to_owned()));
        };
        let place = Place {
            segment: active.number,
            offset: active.filled as u32 + self.batch.len() as u32,
        };
        record.encode(active.salt, &mut self.batch);
        self.batch_records += 1;
        Ok(place)
    }

    fn fits(&self, bytes: usize) -> bool {
        let batch = (self.batch.len().max(BATCH_HEADER_BYTES) + bytes).next_multiple_of(limits::BLOCK_BYTES) as u64;
        self.segments
            .active()
            .is_some_and(|active| active.version == LAYOUT_VERSION && active.filled + batch <= active.capacity)
    }

    fn rotate(&mut self) -> Result<(), LogError> {
        match self.segments.rotate(self.next_batch, self.chain, self.highest) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.poison(&error)),
        }
    }

    /// The one write of a group commit.
    fn write_batch(&mut self) -> Result<(), LogError> {
        let Some(active) = self.segments.active() else {
            return Ok(());
        };
        let header = BatchHeader {
            check: 0,
            segment: active.number,
            batch: self.next_batch,
            previous: self.chain,
            length: 0,
            records: self.batch_records,
        };
        let check = header.seal(self.batch.as_mut_slice(), active.salt);
        self.batch.pad_to(limits::BLOCK_BYTES);
        let bytes = self.batch.len();
        crosspoint_probes::log_commit_begin(self.next_batch, self.batch_records, bytes);
        let Some(file) = &active.file else {
            return Err(LogError::Poisoned("the segment is not open".to_owned()));
        };
        let outcome = file.write_at(active.filled, self.batch.as_slice());
        let durable = if outcome.is_ok() { bytes } else { 0 };
        crosspoint_probes::log_commit_end(self.next_batch, self.batch_records, durable);
        if let Err(source) = outcome {
            let path = self.segments.path_of(active.number);
            return Err(self.poison(&LogError::io("write", path)(source)));
        }
        self.chain = check;
        self.committed();
        Ok(())
    }

    fn committed(&mut self) {
        let bytes = self.batch.len() as u64;
        if let Some(active) = self.segments.active_mut() {
            active.last_batch = active.filled;
            active.filled += bytes;
        }
        self.next_batch += 1;
        self.written += bytes;
        self.stats.commits.fetch_add(1, Relaxed);
        self.stats.bytes.fetch_add(bytes, Relaxed);
        self.stats.commit_bytes.record(bytes);
        self.stats.records.fetch_add(u64::from(self.batch_records), Relaxed);
        self.batch.clear();
        self.batch_records = 0;
        self.publish();
    }

    pub(super) fn publish(&self) {
        let (records, bytes) = self.index.totals();
        self.stats.pending_records.store(records, Relaxed);
        self.stats.pending_bytes.store(bytes, Relaxed);
        self.stats.archive_owners.store(self.tails.len() as u64, Relaxed);
        self.stats.redactions.store(self.redactions.len() as u64, Relaxed);
        self.stats.segments.store(self.segments.len() as u64, Relaxed);
    }

    pub(super) fn poison(&mut self, cause: &LogError) -> LogError {
        let cause = cause.to_string();
        tracing::error!(
            cause,
            "the log has stopped: nothing is acknowledged until it is opened again"
        );
        self.stats.poisoned.store(true, Relaxed);
        self.poison = Some(cause.clone());
        LogError::Poisoned(cause)
    }
}
