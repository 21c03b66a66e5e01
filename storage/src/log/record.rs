//! One record of a batch, and the links of the archive that it carries. All numbers are little-endian.
//!
//! ```text
//! record, version 2 (48 bytes, then skips, then payload, then zeros up to 8 bytes)
//!  0 check u32: low half of XXH3-64, seeded with the segment's salt, of bytes 4..length
//!  4 length u32: header, skips and payload, without the padding
//!  8 kind u8: 1 message, 2 settled, 3 relocated, 4 forgotten, 5 redacted      9 version u8 of the payload
//! 10 flags u8: 1 archived, 2 not pending      11 skips u8: how many, 0 to 3
//! 12 ordinal u32: of an archived record, counted from 1 in the chain of its owner; otherwise 0
//! 16 user u64
//! 24 id u64: of the message; 0 in the other kinds
//! 32 back u64: place of the same owner's previous archived record (segment << 32 | offset); 0 if there is none
//! 40 last u64: highest record id seen of this user
//! 48 skips u64 each: places of the owner's last archived records before this one whose ordinals are multiples of 32, of
//!    1,024, of 32,768. A record has as many of them as powers of 32 divide its ordinal, three at most
//!  . payload: the message; in a settled or redacted record the ids, u64 each
//!
//! version 1: bytes 10..16 are zero, which reads as pending, not archived, without skips; `back` was the same user's previous
//! pending record, and was never read
//!
//! the chain of an owner      1 ◀─ 2 ◀─ 3 ◀─ .. ◀─ 32 ◀─ 33 ◀─ .. ◀─ 64 ◀─ 65     back: to the one before
//!                                                 ▲─────────────────┘            first skip: to the multiple of 32 before
//! ```
//!
//! Invariant: a link points to an earlier place than the record that has it, or to nothing.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::layout::{BATCH_HEADER_BYTES, RECORD_ALIGNMENT, u32_at, u64_at};
use crate::disk::AlignedBuffer;
use crate::seam::{RecordId, UserKey};

pub(super) const RECORD_HEADER_BYTES: usize = 48;

/// A skip of one level leads over this many records of the level below.
pub(super) const SKIP_BASE: u32 = 32;

/// Levels of skips above the links from record to record.
pub(super) const SKIP_LEVELS: usize = 3;

const ARCHIVED: u8 = 1;
const NOT_PENDING: u8 = 2;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A message.
    Message = 1,
    /// The ids in the payload are pending no more.
    Settled = 2,
    /// A pending message, copied forward; takes the place of its former copy. Never archived: the archive keeps the original
    /// for as long as it keeps anything of that age.
    Relocated = 3,
    /// What the user's archive holds so far is to be read no more.
    Forgotten = 4,
    /// The ids in the payload are to be read no more from the user's archive.
    Redacted = 5,
}

/// Where an archived record stands in the chain of its owner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Links {
    /// Counts from 1; 0 in a record that is not archived.
    pub ordinal: u32,
    pub back: u64,
    /// As many as [`height`] says; the rest is 0.
    pub skips: [u64; SKIP_LEVELS],
}

/// How many skips a record has.
pub(super) fn height(ordinal: u32) -> usize {
    let mut height = 0;
    let mut rest = ordinal;
    while height < SKIP_LEVELS && rest != 0 && rest.is_multiple_of(SKIP_BASE) {
        height += 1;
        rest /= SKIP_BASE;
    }
    height
}

/// A record in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordView<'a> {
    pub kind: Kind,
    pub version: u8,
    /// Of a message: it waits to be delivered.
    pub pending: bool,
    pub user: UserKey,
    pub id: RecordId,
    pub links: Links,
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
    /// Largest size of a record with this payload.
    pub fn bytes_max(payload: usize) -> usize {
        RECORD_HEADER_BYTES + SKIP_LEVELS * 8 + payload
    }

    /// Header, skips and payload, without padding.
    pub fn bytes(&self) -> usize {
        RECORD_HEADER_BYTES + self.skips() * 8 + self.payload.len()
    }

    pub fn skips(&self) -> usize {
        height(self.links.ordinal)
    }

    pub fn archived(&self) -> bool {
        self.links.ordinal != 0
    }

    /// Appends the record with the right check.
    pub fn encode(&self, salt: u64, out: &mut AlignedBuffer) {
        let start = out.len();
        let mut header = [0; RECORD_HEADER_BYTES];
        header[4..8].copy_from_slice(&(self.bytes() as u32).to_le_bytes());
        header[8] = self.kind as u8;
        header[9] = self.version;
        header[10] = if self.archived() { ARCHIVED } else { 0 } | if self.pending { 0 } else { NOT_PENDING };
        header[11] = self.skips() as u8;
        header[12..16].copy_from_slice(&self.links.ordinal.to_le_bytes());
        let rest = [self.user, self.id, self.links.back, self.last];
        for (field, value) in header[16..].chunks_exact_mut(8).zip(rest) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        out.extend(&header);
        for skip in &self.links.skips[..self.skips()] {
            out.extend(&skip.to_le_bytes());
        }
        out.extend(self.payload);
        let record = &mut out.as_mut_slice()[start..];
        let check = xxh3_64_with_seed(&record[4..], salt) as u32;
        record[..4].copy_from_slice(&check.to_le_bytes());
        out.pad_to(RECORD_ALIGNMENT);
    }

    /// Length without padding of the record that these bytes start with, by its own word.
    pub fn length(bytes: &[u8]) -> usize {
        u32_at(bytes, 4) as usize
    }

    /// Reads and verifies the record that `bytes` starts with; also tells its length without padding.
    pub fn decode(bytes: &'a [u8], salt: u64) -> Result<(Self, usize), RecordFault> {
        if bytes.len() < RECORD_HEADER_BYTES {
            return Err(RecordFault::Length);
        }
        let length = Self::length(bytes);
        let payload_at = RECORD_HEADER_BYTES + usize::from(bytes[11]) * 8;
        if length < RECORD_HEADER_BYTES || length > bytes.len() {
            return Err(RecordFault::Length);
        }
        let record = &bytes[..length];
        if xxh3_64_with_seed(&record[4..], salt) as u32 != u32_at(record, 0) {
            return Err(RecordFault::Check);
        }
        let links = Self::links(record).filter(|_| payload_at <= length);
        let links = links.ok_or(RecordFault::Length)?;
        let view = Self {
            kind: kind(record[8])?,
            version: record[9],
            pending: record[10] & NOT_PENDING == 0,
            user: u64_at(record, 16),
            id: u64_at(record, 24),
            links,
            last: u64_at(record, 40),
            payload: &record[payload_at..],
        };
        Ok((view, length))
    }

    /// `None` if there are not as many skips as the ordinal says.
    fn links(record: &[u8]) -> Option<Links> {
        if record[10] & ARCHIVED == 0 {
            return (record[11] == 0).then_some(Links::default());
        }
        let mut links = Links {
            ordinal: u32_at(record, 12),
            back: u64_at(record, 32),
            skips: [0; SKIP_LEVELS],
        };
        let skips = height(links.ordinal);
        if links.ordinal == 0 || skips != usize::from(record[11]) || record.len() < RECORD_HEADER_BYTES + skips * 8 {
            return None;
        }
        for (level, skip) in links.skips[..skips].iter_mut().enumerate() {
            *skip = u64_at(record, RECORD_HEADER_BYTES + level * 8);
        }
        Some(links)
    }

    /// Ids in the payload of a settled or redacted record.
    pub fn ids(&self) -> impl Iterator<Item = RecordId> + 'a {
        self.payload.chunks_exact(8).map(|id| u64_at(id, 0))
    }
}

fn kind(number: u8) -> Result<Kind, RecordFault> {
    Ok(match number {
        1 => Kind::Message,
        2 => Kind::Settled,
        3 => Kind::Relocated,
        4 => Kind::Forgotten,
        5 => Kind::Redacted,
        other => return Err(RecordFault::Kind(other)),
    })
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
