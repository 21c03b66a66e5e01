//! One file of the log: what it holds, and how a batch is read from it.
//!
//! Invariant: only a batch that is whole, unharmed and of this segment is ever returned.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::layout::{BATCH_HEADER_BYTES, BatchHeader, SegmentHeader};
use crate::disk::DiskFile;
use crate::limits::BLOCK_BYTES;
use crate::seam::RecordId;

/// One segment in use.
#[derive(Debug)]
pub(super) struct Segment<F> {
    pub number: u32,
    pub version: u32,
    /// Open while it is written to, scanned or relocated from: a large archive would need too many descriptors.
    pub file: Option<F>,
    pub salt: u64,
    /// Size of the file.
    pub capacity: u64,
    /// Where the last batch stands; 0 if there is none.
    pub last_batch: u64,
    /// End of the last batch; the next one goes here.
    pub filled: u64,
    pub live_records: u64,
    /// Bytes of the live records, with headers, without the padding of batches.
    pub live_bytes: u64,
    /// Archived records, whoever may still read them.
    pub archived: u64,
    /// Highest id of an archived record.
    pub newest: RecordId,
    /// Held by whoever is about to read pending records from here.
    pub pin: Arc<()>,
}

impl<F> Segment<F> {
    /// A segment without batches.
    pub fn new(header: &SegmentHeader, file: Option<F>) -> Self {
        Self {
            number: header.segment,
            version: header.version,
            file,
            salt: header.salt,
            capacity: header.segment_bytes,
            last_batch: 0,
            filled: BLOCK_BYTES as u64,
            live_records: 0,
            live_bytes: 0,
            archived: 0,
            newest: 0,
            pin: Arc::default(),
        }
    }

    pub fn is_pinned(&self) -> bool {
        Arc::strong_count(&self.pin) > 1
    }
}

/// The number of the oldest segment in use, for those who read on another thread: what they read from an older one has been
/// retired meanwhile.
#[derive(Debug, Default)]
pub(super) struct Oldest(AtomicU32);

impl Oldest {
    pub fn number(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    pub fn set(&self, number: u32) {
        self.0.store(number, Ordering::Release);
    }
}

/// Reads the batch at `offset` into `into` (header and records, without padding) if there is a whole, unharmed one of
/// this segment; otherwise `None`.
pub(super) fn read_batch<F: DiskFile>(
    segment: &Segment<F>,
    offset: u64,
    into: &mut Vec<u8>,
) -> std::io::Result<Option<BatchHeader>> {
    let Some(file) = segment
        .file
        .as_ref()
        .filter(|_| offset + BLOCK_BYTES as u64 <= segment.capacity)
    else {
        return Ok(None);
    };
    into.resize(BLOCK_BYTES, 0);
    file.read_at(offset, into)?;
    let Some(header) = BatchHeader::decode(into).filter(|header| header.segment == segment.number) else {
        return Ok(None);
    };
    let length = header.length as usize;
    if length < BATCH_HEADER_BYTES || offset + header.padded() > segment.capacity {
        return Ok(None);
    }
    into.resize(length, 0);
    if length > BLOCK_BYTES {
        file.read_at(offset + BLOCK_BYTES as u64, &mut into[BLOCK_BYTES..])?;
    }
    Ok(header.verify(into, segment.salt).then_some(header))
}

pub(super) fn segment_name(number: u32) -> String {
    format!("{number:010}.seg")
}

pub(super) fn segment_number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 10)?;
    digits.parse().ok().filter(|number| *number > 0)
}
