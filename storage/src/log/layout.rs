//! The bytes of the log on disk. All numbers are little-endian.
//!
//! ```text
//! segment file  0000000001.seg
//! +----------------+-----------------+-----------------+--- - -+------------------------+
//! | segment header | batch           | batch           |  ...  | zeros, or what a former|
//! | 1 block        | whole blocks    | whole blocks    |       | life of the file left  |
//! +----------------+-----------------+-----------------+--- - -+------------------------+
//!
//! segment header (64 bytes, then zeros up to one block)
//!  0 magic "XPLOGSEG"        8 version u32           12 segment u32, counts from 1
//! 16 segment_bytes u64      24 salt u64: seed of every checksum in this segment
//! 32 first_batch u64        40 chain u64: check of the last batch of the previous segment, 0 in the first one
//! 48 highest u64: highest record id in any batch before this segment
//! 56 check u64: XXH3-64 of bytes 0..56
//!
//! batch (48 bytes, then records, then zeros up to a block boundary): one group commit, one write
//!  0 check u64: XXH3-64, seeded with the salt, of bytes 8..length
//!  8 magic "XPB1"           12 segment u32: a batch of a former life carries another number
//! 16 batch u64: one more than the previous batch's
//! 24 previous u64: check of the previous batch, which makes the chain
//! 32 length u32: header and records, without the padding
//! 36 records u32            40 zero u64
//!
//! record: see `record`
//! ```
//!
//! Invariants:
//! - A batch is live only if its segment number, its batch number, its link to the previous batch and its check are all
//!   right, so that a recycled file needs no zeroing.
//! - The salt is unpredictable, so that no payload can be made to look like a batch.
//! - A layout is never changed: it gets a new version. Version 2 differs from version 1 in its records alone; segments of
//!   version 1 are read, and no longer written.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::limits::BLOCK_BYTES;
use crate::seam::RecordId;

/// Version of all layouts that are written.
pub const LAYOUT_VERSION: u32 = 2;

/// The oldest version that is read.
pub(super) const LAYOUT_VERSION_MIN: u32 = 1;

pub(super) const SEGMENT_HEADER_BYTES: usize = 64;
pub(super) const BATCH_HEADER_BYTES: usize = 48;
pub(super) const RECORD_ALIGNMENT: usize = 8;

const SEGMENT_MAGIC: [u8; 8] = *b"XPLOGSEG";
const BATCH_MAGIC: [u8; 4] = *b"XPB1";

/// A place in the log: segment number and offset in the segment's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Counts from 1.
    pub segment: u32,
    /// Bytes from the start of the file.
    pub offset: u32,
}

impl Place {
    /// As written in a record's links.
    pub fn packed(self) -> u64 {
        u64::from(self.segment) << 32 | u64::from(self.offset)
    }

    /// The place that a link points to; `None` for a link to nothing.
    pub fn of_link(link: u64) -> Option<Self> {
        (link != 0).then_some(Self {
            segment: (link >> 32) as u32,
            offset: link as u32,
        })
    }
}

/// First block of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub version: u32,
    pub segment: u32,
    pub segment_bytes: u64,
    pub salt: u64,
    pub first_batch: u64,
    pub chain: u64,
    pub highest: RecordId,
}

/// Why a segment header is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFault {
    Damaged,
    Version(u32),
}

impl SegmentHeader {
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&self.version.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.segment.to_le_bytes());
        let rest = [
            self.segment_bytes,
            self.salt,
            self.first_batch,
            self.chain,
            self.highest,
        ];
        for (field, value) in bytes[16..56].chunks_exact_mut(8).zip(rest) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        let check = xxh3_64(&bytes[..56]);
        bytes[56..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, HeaderFault> {
        if bytes[..8] != SEGMENT_MAGIC || xxh3_64(&bytes[..56]) != u64_at(bytes, 56) {
            return Err(HeaderFault::Damaged);
        }
        match u32_at(bytes, 8) {
            version @ LAYOUT_VERSION_MIN..=LAYOUT_VERSION => Ok(Self {
                version,
                segment: u32_at(bytes, 12),
                segment_bytes: u64_at(bytes, 16),
                salt: u64_at(bytes, 24),
                first_batch: u64_at(bytes, 32),
                chain: u64_at(bytes, 40),
                highest: u64_at(bytes, 48),
            }),
            version => Err(HeaderFault::Version(version)),
        }
    }
}

/// Start of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchHeader {
    pub check: u64,
    pub segment: u32,
    pub batch: u64,
    pub previous: u64,
    pub length: u32,
    pub records: u32,
}

impl BatchHeader {
    /// Fills in the first bytes of `batch`, which is header and records without padding; returns the check.
    pub fn seal(mut self, batch: &mut [u8], salt: u64) -> u64 {
        self.length = batch.len() as u32;
        batch[8..12].copy_from_slice(&BATCH_MAGIC);
        batch[12..16].copy_from_slice(&self.segment.to_le_bytes());
        batch[16..24].copy_from_slice(&self.batch.to_le_bytes());
        batch[24..32].copy_from_slice(&self.previous.to_le_bytes());
        batch[32..36].copy_from_slice(&self.length.to_le_bytes());
        batch[36..40].copy_from_slice(&self.records.to_le_bytes());
        batch[40..48].fill(0);
        self.check = xxh3_64_with_seed(&batch[8..], salt);
        batch[..8].copy_from_slice(&self.check.to_le_bytes());
        self.check
    }

    /// Reads the fields, if there is the magic; checks nothing else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < BATCH_HEADER_BYTES || bytes[8..12] != BATCH_MAGIC {
            return None;
        }
        Some(Self {
            check: u64_at(bytes, 0),
            segment: u32_at(bytes, 12),
            batch: u64_at(bytes, 16),
            previous: u64_at(bytes, 24),
            length: u32_at(bytes, 32),
            records: u32_at(bytes, 36),
        })
    }

    /// Whether `batch`, header and records without padding, is what was sealed.
    pub fn verify(&self, batch: &[u8], salt: u64) -> bool {
        batch.len() == self.length as usize && xxh3_64_with_seed(&batch[8..], salt) == self.check
    }

    /// Bytes on disk, padding included.
    pub fn padded(&self) -> u64 {
        u64::from(self.length).next_multiple_of(BLOCK_BYTES as u64)
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(field)
}
