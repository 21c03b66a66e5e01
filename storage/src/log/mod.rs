//! The append-only log of messages: one for the whole process, written by one thread.
//!
//! A message is appended, and is pending until it is settled. One group commit is one write of one batch; what has been
//! committed survives a power cut. [`Log`] is synchronous and knows no thread and no clock, so that a simulator can drive
//! it step by step; [`crate::keeper`] puts it on a thread of its own.
//!
//! Reading order: `layout` and `record` (the bytes), [`Log`] here (append, settle), `commit` (batches), `serve` (requests of the
//! shards), `archive` (what stays readable after it was settled), `reader` (fetching, and pages of history), `segments` (the
//! files), `upkeep` (recycling and relocation), `retention` (what the archive gives up), `recovery` (after a crash),
//! `checkpoint` (what makes it short).
//!
//! Invariants:
//! - A failed write poisons the log: it is not tried again, and nothing is acknowledged until the log is opened anew.
//!   What that write contained may or may not be there then.
//! - Each pending record is in the index exactly once, at its newest copy.
//! - A `Settled` record always stands after every copy of the message that it settles. Segments are retired oldest first,
//!   so it can never vanish before the message.

mod archive;
mod checkpoint;
mod commit;
mod error;
mod index;
mod layout;
mod reader;
mod record;
mod recovery;
mod redactions;
mod retention;
mod segment;
mod segments;
mod serve;
mod spares;
mod tails;
mod upkeep;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

pub use error::LogError;
pub use index::Pending;
pub use layout::{LAYOUT_VERSION, Place};
pub use reader::{Read, ReadDesk, Reader};
pub use retention::ArchiveOptions;

use crate::disk::{AlignedBuffer, Disk};
use crate::limits;
use crate::seam::{Disposition, Record, RecordId, UserKey};
use crate::stats::LogStats;
use index::{Entry, Index};
use layout::{BATCH_HEADER_BYTES, RECORD_ALIGNMENT};
use reader::Selection;
use record::{Kind, Links, RecordView};
use redactions::Redactions;
use segments::Segments;
use tails::Tails;

/// How a log is set up. The default is what [`crate::limits`] says.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Size of a segment file. Existing segments keep theirs.
    pub segment_bytes: u64,
    /// A batch is written when it has grown to this size.
    pub batch_bytes_max: usize,
    /// Largest payload of one record.
    pub record_bytes_max: usize,
    /// Segments that the log may hold on top of twice its pending records.
    pub slack_segments: u32,
    /// Whether records may be archived, and for how long; `None` for a log of what is pending and nothing else.
    pub archive: Option<ArchiveOptions>,
    /// Seed of the checksums of new segments; `None` for an unpredictable one, which is what protects from forged batches.
    pub salt: Option<u64>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: limits::SEGMENT_BYTES,
            batch_bytes_max: limits::BATCH_BYTES_MAX,
            record_bytes_max: limits::RECORD_BYTES_MAX,
            slack_segments: limits::SLACK_SEGMENTS,
            archive: None,
            salt: None,
        }
    }
}

impl LogOptions {
    fn check(&self) -> Result<(), LogError> {
        let block = limits::BLOCK_BYTES as u64;
        let range = limits::SEGMENT_BYTES_MIN..=limits::SEGMENT_BYTES_MAX;
        if !range.contains(&self.segment_bytes) || !self.segment_bytes.is_multiple_of(block) {
            let what = format!(
                "segments of {} bytes are not a multiple of {block} in {range:?}",
                self.segment_bytes
            );
            return Err(LogError::Options(what));
        }
        let largest = BATCH_BYTES_AROUND + RecordView::bytes_max(self.record_bytes_max);
        if self.batch_bytes_max.max(largest) as u64 + 2 * block > self.segment_bytes {
            let what = format!(
                "a batch or record of {largest} bytes does not fit in a segment of {}",
                self.segment_bytes
            );
            return Err(LogError::Options(what));
        }
        Ok(())
    }
}

/// Header and alignment around the records of a batch.
const BATCH_BYTES_AROUND: usize = BATCH_HEADER_BYTES + RECORD_ALIGNMENT;

/// The log.
pub struct Log<D: Disk> {
    options: LogOptions,
    segments: Segments<D>,
    index: Index,
    tails: Tails,
    redactions: Redactions,
    /// The owners of whom nothing was left before this segment have been forgotten.
    swept: u32,
    reader: Reader<D>,
    /// Where reads go instead.
    desk: Option<Box<dyn ReadDesk>>,
    checkpoints: checkpoint::Writer<D::File>,
    /// The batch under construction: room for its header, then its records. Empty if there is none.
    batch: AlignedBuffer,
    batch_records: u32,
    /// Number of the batch under construction.
    next_batch: u64,
    /// Check of the last batch written.
    chain: u64,
    highest: RecordId,
    /// Where relocation goes on reading in the oldest segment.
    cursor: upkeep::Cursor,
    /// Bytes written since the last upkeep.
    written: u64,
    poison: Option<String>,
    stats: Arc<LogStats>,
}

impl<D: Disk> Log<D> {
    /// Opens the log in a folder, recovering what is there, or starts an empty one.
    ///
    /// Errors: the folder is in use, the disk fails, or something that was durable is damaged; see [`LogError`].
    pub fn open(disk: D, options: LogOptions) -> Result<Self, LogError> {
        options.check()?;
        let mut segments = Segments::new(disk, options.segment_bytes, options.salt);
        let recovered = recovery::recover(&mut segments, options.archive.is_some())?;
        if segments.len() == 0 {
            segments.rotate(recovered.next_batch, recovered.chain, recovered.highest)?;
        }
        let stats = Arc::<LogStats>::default();
        let (disk, oldest) = segments.for_reading();
        let swept = oldest.number();
        let log = Self {
            batch: AlignedBuffer::with_capacity(options.batch_bytes_max + limits::BLOCK_BYTES),
            options,
            segments,
            index: recovered.index,
            tails: recovered.tails,
            redactions: recovered.redactions,
            swept,
            reader: Reader::new(disk, oldest, Arc::clone(&stats)),
            desk: None,
            checkpoints: checkpoint::Writer::new(recovered.scanned),
            batch_records: 0,
            next_batch: recovered.next_batch,
            chain: recovered.chain,
            highest: recovered.highest,
            cursor: upkeep::Cursor::default(),
            written: 0,
            poison: None,
            stats,
        };
        log.publish();
        Ok(log)
    }

    /// Adds a message to the batch under construction; durable after the next [`Self::commit`], pending until settled.
    ///
    /// Errors: too large, an id that is not above all earlier ones of this user, or a poisoned log.
    pub fn append(&mut self, record: &Record) -> Result<(), LogError> {
        self.append_as(record, Disposition::Pending)
    }

    /// Adds a message to the batch under construction, to be pending, archived, or both.
    ///
    /// Errors: as [`Self::append`].
    pub fn append_as(&mut self, record: &Record, disposition: Disposition) -> Result<(), LogError> {
        self.expect_sound()?;
        let (bytes, limit) = (record.payload.len(), self.options.record_bytes_max);
        if bytes > limit {
            return Err(LogError::TooLarge { bytes, limit });
        }
        let (user, id, pending) = (record.user, record.id, disposition.is_pending());
        let archived = disposition.is_archived() && self.options.archive.is_some();
        if !pending && !archived {
            return Ok(());
        }
        let last_pending = if pending { self.index.pending(user).last } else { 0 };
        let tail = self.tails.get(user).filter(|_| archived);
        let last = last_pending.max(tail.map_or(0, |tail| tail.last()));
        if id <= last {
            return Err(LogError::OutOfOrder { user, id, last });
        }
        let links = if archived {
            self.tails.next_links(user)
        } else {
            Links::default()
        };
        self.stage_message(RecordView {
            kind: Kind::Message,
            version: record.version,
            pending,
            user,
            id,
            links,
            last: id,
            payload: &record.payload,
        })?;
        self.highest = self.highest.max(id);
        crosspoint_probes::log_append(user, id, bytes);
        Ok(())
    }

    /// Notes in the batch under construction that these records are pending no more. Ids that are not pending are ignored.
    pub fn settle(&mut self, user: UserKey, ids: &[RecordId]) -> Result<(), LogError> {
        self.expect_sound()?;
        let last = self.index.pending(user).last;
        let chunk = limits::SETTLED_IDS_MAX.min(self.options.record_bytes_max / 8).max(1);
        for ids in ids.chunks(chunk) {
            let mut payload = Vec::with_capacity(ids.len() * 8);
            for id in ids {
                if let Some(entry) = self.index.remove(user, *id) {
                    self.segments.count_dead(entry.place, entry.length);
                    payload.extend(id.to_le_bytes());
                }
            }
            if !payload.is_empty() {
                let kind = Kind::Settled;
                self.stage(RecordView {
                    kind,
                    version: 0,
                    pending: true,
                    user,
                    id: 0,
                    links: Links::default(),
                    last,
                    payload: &payload,
                })?;
            }
        }
        Ok(())
    }

    /// How much is pending for a user, what is not yet committed included.
    pub fn pending(&self, user: UserKey) -> Pending {
        self.index.pending(user)
    }

    /// The highest record id that the log has ever seen, of any user, settled or not; 0 for an empty log. It survives
    /// restarts and the recycling of segments.
    pub fn highest_id(&self) -> RecordId {
        self.highest
    }

    /// Number of segments in use, spares not counted.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Numbers for the metrics, kept up to date by every commit.
    pub fn stats(&self) -> Arc<LogStats> {
        Arc::clone(&self.stats)
    }

    /// Why the log has stopped, if it has.
    pub fn poisoned(&self) -> Option<&str> {
        self.poison.as_deref()
    }

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
        let selection = self.select(user, after, records_max, bytes_max);
        Ok((self.reader.fetch(user, &selection)?, selection.more))
    }

    /// Reads go there from now on, or are done in place again; what was taken before is still answered.
    pub fn send_reads_to(&mut self, desk: Option<Box<dyn ReadDesk>>) {
        self.desk = desk;
    }

    fn select(&self, user: UserKey, after: RecordId, records_max: u32, bytes_max: u32) -> Selection {
        let (entries, more) = self.index.select(user, after, records_max, bytes_max);
        let oldest = entries.iter().map(|entry| entry.place.segment).min();
        let segment = oldest.and_then(|number| self.segments.get(number));
        let pin = segment.map(|segment| Arc::clone(&segment.pin));
        Selection {
            entries,
            more,
            _pin: pin,
        }
    }

    /// Stages a message or a relocated one and makes index and archive point to it.
    fn stage_message(&mut self, record: RecordView<'_>) -> Result<(), LogError> {
        let place = self.stage(record)?;
        if record.archived() {
            self.tails.push(&record, place);
            self.segments.count_archived(place, record.id);
            self.stats.archived.fetch_add(1, Relaxed);
        }
        if record.pending {
            let entry = Entry {
                id: record.id,
                place,
                length: record.bytes() as u32,
                skips: record.skips() as u8,
            };
            if let Some(former) = self.index.insert(record.user, entry, record.last) {
                self.segments.count_dead(former.place, former.length);
            }
            self.segments.count_live(place, entry.length);
        }
        Ok(())
    }

    fn expect_sound(&self) -> Result<(), LogError> {
        match &self.poison {
            Some(cause) => Err(LogError::Poisoned(cause.clone())),
            None => Ok(()),
        }
    }
}
