//! What recovery would find, written down now and then, so that a start reads what is newer and not the whole archive.
//!
//! ```text
//! checkpoint (one file; u64 each unless told otherwise; zeros up to a block boundary)
//!  0 magic "XPLOGCKP"       8 version u32          12 segment u32: what stands here is the state ...
//! 16 length: of all this, without the padding       24 next_batch: ... before this batch, the next one in that segment
//! 32 chain: check of the batch before it            40 highest: highest record id seen
//! 48 number of segments    56 of owners             64 of queues                   72 of redactions
//! 80 segments: number, last_batch, filled, live_records, live_bytes, archived, newest
//!  . owners: user, last, ordinal, links to the last record and to the last one of each of three levels of skips
//!  . queues: user, last, number of entries; each entry: id, place, length u32, skips u32
//!  . redactions: user, id, segment
//!  . check: XXH3-64 of everything before it
//! ```
//!
//! Invariants:
//! - The log is the truth and a checkpoint an abbreviation of it: one that is missing, damaged, of another version or not about
//!   these segments is ignored, and everything is read.
//! - It is written under another name, made durable, and renamed, so there is never half a one.
//! - Its writing costs a quarter of what is appended at most (see [`CHECKPOINT_PACE`]), in pieces.

use xxhash_rust::xxh3::xxh3_64;

use super::error::LogError;
use super::index::{Entry, Index};
use super::layout::Place;
use super::record::SKIP_LEVELS;
use super::redactions::Redactions;
use super::segment::Segment;
use super::segments::Segments;
use super::tails::{Tail, Tails};
use crate::disk::{AlignedBuffer, Disk, DiskFile};
use crate::limits::{BLOCK_BYTES, CHECKPOINT_PACE};
use crate::seam::RecordId;

const NAME: &str = "checkpoint";
const BUILDING_NAME: &str = "checkpoint.tmp";
const MAGIC: u64 = u64::from_le_bytes(*b"XPLOGCKP");
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 80;
const ROW_BYTES: usize = 56;
const ENTRY_BYTES: usize = 24;

/// What a segment held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentRow {
    pub number: u32,
    pub last_batch: u64,
    pub filled: u64,
    pub live_records: u64,
    pub live_bytes: u64,
    pub archived: u64,
    pub newest: RecordId,
}

impl SegmentRow {
    fn of<F>(segment: &Segment<F>) -> Self {
        Self {
            number: segment.number,
            last_batch: segment.last_batch,
            filled: segment.filled,
            live_records: segment.live_records,
            live_bytes: segment.live_bytes,
            archived: segment.archived,
            newest: segment.newest,
        }
    }

    fn numbers(&self) -> [u64; ROW_BYTES / 8] {
        let number = u64::from(self.number);
        let (records, bytes) = (self.live_records, self.live_bytes);
        [
            number,
            self.last_batch,
            self.filled,
            records,
            bytes,
            self.archived,
            self.newest,
        ]
    }

    fn from_numbers(numbers: [u64; ROW_BYTES / 8]) -> Self {
        let [number, last_batch, filled, live_records, live_bytes, archived, newest] = numbers;
        Self {
            number: number as u32,
            last_batch,
            filled,
            live_records,
            live_bytes,
            archived,
            newest,
        }
    }

    /// Makes a segment that was only opened what it was.
    pub fn apply<F>(&self, segment: &mut Segment<F>) {
        segment.last_batch = self.last_batch;
        segment.filled = self.filled;
        segment.live_records = self.live_records;
        segment.live_bytes = self.live_bytes;
        segment.archived = self.archived;
        segment.newest = self.newest;
    }
}

/// The state of a log between two batches.
#[derive(Default)]
pub(super) struct Checkpoint {
    pub next_batch: u64,
    pub chain: u64,
    pub highest: RecordId,
    pub segments: Vec<SegmentRow>,
    pub index: Index,
    pub tails: Tails,
    pub redactions: Redactions,
}

/// The same, of a log that is open.
pub(super) struct State<'a, D: Disk> {
    pub next_batch: u64,
    pub chain: u64,
    pub highest: RecordId,
    pub segments: &'a Segments<D>,
    pub index: &'a Index,
    pub tails: &'a Tails,
    pub redactions: &'a Redactions,
}

impl<D: Disk> State<'_, D> {
    /// About how many bytes it takes to write it down.
    fn bytes(&self) -> usize {
        let rows = self.segments.len() + self.tails.len();
        let entries = self.index.totals().0 as usize;
        // A queue with a single entry is the worst case.
        HEADER_BYTES + rows * ROW_BYTES + entries * 2 * ENTRY_BYTES + self.redactions.len() * ENTRY_BYTES + 8
    }

    fn encode(&self) -> AlignedBuffer {
        let mut out = AlignedBuffer::with_capacity(self.bytes().next_multiple_of(BLOCK_BYTES));
        let segment = self.segments.active().map_or(0, |active| active.number);
        let queues = self.index.iter().count() as u64;
        let version_and_segment = u64::from(VERSION) | u64::from(segment) << 32;
        put(
            &mut out,
            &[MAGIC, version_and_segment, 0, self.next_batch, self.chain, self.highest],
        );
        let counts = [
            self.segments.len(),
            self.tails.len(),
            queues as usize,
            self.redactions.len(),
        ];
        put(&mut out, &counts.map(|count| count as u64));
        self.put_rows(&mut out);
        let length = out.len() as u64 + 8;
        out.as_mut_slice()[16..24].copy_from_slice(&length.to_le_bytes());
        let check = xxh3_64(out.as_slice());
        put(&mut out, &[check]);
        out.pad_to(BLOCK_BYTES);
        out
    }

    fn put_rows(&self, out: &mut AlignedBuffer) {
        for segment in self.segments.iter() {
            put(out, &SegmentRow::of(segment).numbers());
        }
        for (user, tail) in self.tails.iter() {
            put(out, &[user, tail.last(), u64::from(tail.ordinal())]);
            put(out, &tail.links());
        }
        for (user, last, entries) in self.index.iter() {
            put(out, &[user, last, entries.len() as u64]);
            for entry in entries {
                let length_and_skips = u64::from(entry.length) | u64::from(entry.skips) << 32;
                put(out, &[entry.id, entry.place.packed(), length_and_skips]);
            }
        }
        for (user, id, segment) in self.redactions.iter() {
            put(out, &[user, id, u64::from(segment)]);
        }
    }
}

fn put(out: &mut AlignedBuffer, numbers: &[u64]) {
    for number in numbers {
        out.extend(&number.to_le_bytes());
    }
}

/// Reads numbers one by one; `None` at the end.
struct Numbers<'a>(std::slice::ChunksExact<'a, u8>);

impl Numbers<'_> {
    fn next(&mut self) -> Option<u64> {
        let bytes = self.0.next()?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    fn take<const N: usize>(&mut self) -> Option<[u64; N]> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = self.next()?;
        }
        Some(numbers)
    }
}

impl Checkpoint {
    /// `None` if these bytes are not a whole, unharmed checkpoint of this version.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let length = bytes.get(16..24)?.try_into().ok().map(u64::from_le_bytes)? as usize;
        let (content, rest) = bytes.get(..length)?.split_at_checked(length.checked_sub(8)?)?;
        if rest != xxh3_64(content).to_le_bytes() {
            return None;
        }
        let mut numbers = Numbers(content.chunks_exact(8));
        let [
            magic,
            version,
            _,
            next_batch,
            chain,
            highest,
            segments,
            owners,
            queues,
            redactions,
        ] = numbers.take()?;
        if magic != MAGIC || version as u32 != VERSION {
            return None;
        }
        let mut checkpoint = Self {
            next_batch,
            chain,
            highest,
            ..Self::default()
        };
        for _ in 0..segments {
            checkpoint.segments.push(SegmentRow::from_numbers(numbers.take()?));
        }
        for _ in 0..owners {
            let [user, last, ordinal] = numbers.take()?;
            let tail = Tail::new(last, ordinal as u32, numbers.take::<{ 1 + SKIP_LEVELS }>()?);
            checkpoint.tails.restore(user, tail);
        }
        for _ in 0..queues {
            checkpoint.decode_queue(&mut numbers)?;
        }
        for _ in 0..redactions {
            let [user, id, segment] = numbers.take()?;
            checkpoint.redactions.insert(user, id, segment as u32);
        }
        Some(checkpoint)
    }

    fn decode_queue(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        let [user, last, entries] = numbers.take()?;
        for _ in 0..entries {
            let [id, link, length] = numbers.take()?;
            let entry = Entry {
                id,
                place: Place::of_link(link)?,
                length: length as u32,
                skips: (length >> 32) as u8,
            };
            self.index.insert(user, entry, last);
        }
        Some(())
    }

    /// The checkpoint of this folder, if there is one that can be used.
    pub fn load<D: Disk>(disk: &D) -> Option<Self> {
        let file = disk.open_to_read(NAME).ok()?;
        let length = usize::try_from(file.length().ok()?).ok()?;
        let mut bytes = vec![0; length];
        file.read_at(0, &mut bytes).ok()?;
        let checkpoint = Self::decode(&bytes);
        if checkpoint.is_none() {
            tracing::warn!(
                place = disk.place(),
                "the checkpoint of the log cannot be used: all segments are read"
            );
        }
        checkpoint
    }
}

/// Writes checkpoints when it is time for one.
pub(super) struct Writer<F> {
    /// Bytes appended since the last one.
    appended: u64,
    under_way: Option<UnderWay<F>>,
}

struct UnderWay<F> {
    file: F,
    content: AlignedBuffer,
    written: usize,
}

impl<F: DiskFile> Writer<F> {
    /// After a start that had to read so much.
    pub fn new(appended: u64) -> Self {
        Self {
            appended,
            under_way: None,
        }
    }

    /// Does a piece of the work, if there is any; tells whether a checkpoint has been finished.
    ///
    /// Errors: the disk refuses; what was written is given up, and another attempt is made later.
    pub fn step<D: Disk<File = F>>(
        &mut self,
        state: &State<'_, D>,
        appended: u64,
        piece: u64,
    ) -> Result<bool, LogError> {
        self.appended += appended;
        let disk = state.segments.disk();
        let outcome = match self.under_way.take() {
            Some(under_way) => self.go_on(disk, under_way, piece),
            None => self.begin(state),
        };
        if outcome.is_err() {
            self.appended = 0;
            let _ = disk.remove(BUILDING_NAME);
        }
        outcome
    }

    fn begin<D: Disk<File = F>>(&mut self, state: &State<'_, D>) -> Result<bool, LogError> {
        let due = state
            .segments
            .segment_bytes()
            .max(state.bytes() as u64 * CHECKPOINT_PACE);
        if self.appended < due {
            return Ok(false);
        }
        let disk = state.segments.disk();
        let path = state.segments.path(BUILDING_NAME);
        let file = disk.create(BUILDING_NAME).map_err(LogError::io("create", path))?;
        self.appended = 0;
        self.under_way = Some(UnderWay {
            file,
            content: state.encode(),
            written: 0,
        });
        Ok(false)
    }

    fn go_on<D: Disk>(&mut self, disk: &D, mut work: UnderWay<F>, piece: u64) -> Result<bool, LogError> {
        let path = || format!("{}/{BUILDING_NAME}", disk.place());
        let rest = work.content.as_slice().get(work.written..).unwrap_or_default();
        let piece = (piece as usize).next_multiple_of(BLOCK_BYTES).min(rest.len());
        let write = work.file.write_at(work.written as u64, &rest[..piece]);
        write.map_err(LogError::io("write", path()))?;
        work.written += piece;
        if work.written < work.content.len() {
            self.under_way = Some(work);
            return Ok(false);
        }
        disk.rename(BUILDING_NAME, NAME)
            .map_err(LogError::io("rename", path()))?;
        disk.sync_directory()
            .map_err(LogError::io("synchronise", disk.place()))?;
        Ok(true)
    }
}
