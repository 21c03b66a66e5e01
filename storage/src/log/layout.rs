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
//! record (48 bytes, then payload, then zeros up to 8 bytes)
//!  0 check u32: low half of XXH3-64, seeded with the salt, of bytes 4..length
//!  4 length u32: header and payload, without the padding
//!  8 kind u8: 1 message, 2 settled, 3 relocated      9 version u8 of the payload      10 zero u16      12 zero u32
//! 16 user u64
//! 24 id u64: of the message; 0 in a settled record
//! 32 back u64: place of the same user's previous pending record (segment << 32 | offset), 0 if there is none
//! 40 last u64: highest record id seen of this user
//! 48 payload: the message; in a settled record the ids, u64 each
//! ```
//!
//! Invariants:
//! - A batch is live only if its segment number, its batch number, its link to the previous batch and its check are all
//!   right, so that a recycled file needs no zeroing.
//! - The salt is unpredictable, so that no payload can be made to look like a batch.
//! - A layout is never changed: it gets a new version.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::limits::BLOCK_BYTES;
use crate::seam::{RecordId, UserKey};

/// Version of all layouts of this file.
pub const LAYOUT_VERSION: u32 = 1;

pub(super) const SEGMENT_HEADER_BYTES: usize = 64;
pub(super) const BATCH_HEADER_BYTES: usize = 48;
pub(super) const RECORD_HEADER_BYTES: usize = 48;
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
    /// As written in a record's `back` field.
    pub fn packed(self) -> u64 {
        u64::from(self.segment) << 32 | u64::from(self.offset)
    }
}

/// First block of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
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
        bytes[8..12].copy_from_slice(&LAYOUT_VERSION.to_le_bytes());
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
            LAYOUT_VERSION => Ok(Self {
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

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A message, pending from here on.
    Message = 1,
    /// The ids in the payload are pending no more.
    Settled = 2,
    /// A pending message, copied forward; takes the place of its former copy.
    Relocated = 3,
}

/// A record in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordView<'a> {
    pub kind: Kind,
    pub version: u8,
    pub user: UserKey,
    pub id: RecordId,
    pub back: u64,
    pub last: RecordId,
    pub payload: &'a [u8],
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordFault {
    Length,
    Check,
    Kind(u8),
}

impl<'a> RecordView<'a> {
    pub fn bytes(payload: usize) -> usize {
        RECORD_HEADER_BYTES + payload
    }

    /// Header with the right check; the payload is to follow it.
    pub fn encode(&self, salt: u64, out: &mut crate::disk::AlignedBuffer) {
        let start = out.len();
        let length = Self::bytes(self.payload.len()) as u32;
        let mut header = [0; RECORD_HEADER_BYTES];
        header[4..8].copy_from_slice(&length.to_le_bytes());
        header[8] = self.kind as u8;
        header[9] = self.version;
        let rest = [self.user, self.id, self.back, self.last];
        for (field, value) in header[16..].chunks_exact_mut(8).zip(rest) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        out.extend(&header);
        out.extend(self.payload);
        let record = &mut out.as_mut_slice()[start..];
        let check = xxh3_64_with_seed(&record[4..], salt) as u32;
        record[..4].copy_from_slice(&check.to_le_bytes());
        out.pad_to(RECORD_ALIGNMENT);
    }

    /// Reads and verifies the record that `bytes` starts with; also tells its length without padding.
    pub fn decode(bytes: &'a [u8], salt: u64) -> Result<(Self, usize), RecordFault> {
        if bytes.len() < RECORD_HEADER_BYTES {
            return Err(RecordFault::Length);
        }
        let length = u32_at(bytes, 4) as usize;
        if length < RECORD_HEADER_BYTES || length > bytes.len() {
            return Err(RecordFault::Length);
        }
        let record = &bytes[..length];
        if xxh3_64_with_seed(&record[4..], salt) as u32 != u32_at(record, 0) {
            return Err(RecordFault::Check);
        }
        let kind = match record[8] {
            1 => Kind::Message,
            2 => Kind::Settled,
            3 => Kind::Relocated,
            other => return Err(RecordFault::Kind(other)),
        };
        let view = Self {
            kind,
            version: record[9],
            user: u64_at(record, 16),
            id: u64_at(record, 24),
            back: u64_at(record, 32),
            last: u64_at(record, 40),
            payload: &record[RECORD_HEADER_BYTES..],
        };
        Ok((view, length))
    }

    /// Ids in the payload of a settled record.
    pub fn settled_ids(&self) -> impl Iterator<Item = RecordId> + 'a {
        self.payload.chunks_exact(8).map(|id| u64_at(id, 0))
    }
}

/// Walks the records of a verified batch: offset in the batch, length without padding, record.
pub(super) struct Records<'a> {
    batch: &'a [u8],
    salt: u64,
    next: usize,
}

impl<'a> Records<'a> {
    pub fn of(batch: &'a [u8], salt: u64) -> Self {
        Self {
            batch,
            salt,
            next: BATCH_HEADER_BYTES,
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(usize, usize, RecordView<'a>), (usize, RecordFault)>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.batch.get(self.next..).filter(|rest| !rest.is_empty())?;
        let offset = self.next;
        match RecordView::decode(rest, self.salt) {
            Ok((record, length)) => {
                self.next += length.next_multiple_of(RECORD_ALIGNMENT);
                Some(Ok((offset, length, record)))
            }
            Err(fault) => {
                self.next = self.batch.len();
                Some(Err((offset, fault)))
            }
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(field)
}
